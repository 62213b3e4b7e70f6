// The page on paper: a handout of a few pages, light whatever the screen is, without what can only be pressed.

import assert from "node:assert/strict";

import { readerTest } from "./reader.mjs";

/** How bright what BERT's matrix is painted with is, from 0 to 255. */
function brightness() {
  const canvas = document.querySelector("[data-matrix=bert] canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let [sum, seen] = [0, 0];
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] < 255) continue;
    sum += data[at] + data[at + 1] + data[at + 2];
    seen += 3;
  }
  return sum / seen;
}

readerTest("the page prints as a handout of two to four pages, in light colours, with every matrix whole", { colorScheme: "dark", viewport: { width: 1440, height: 900 } }, async (reader) => {
  const { page } = reader;
  const onScreen = await page.evaluate(brightness);
  // As wide as a sheet of A4 between its margins.
  await page.setViewportSize({ width: 680, height: 980 });
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  await page.waitForFunction(() => getComputedStyle(document.documentElement).getPropertyValue("--paper") === "#fff");
  await page.waitForFunction(`(${brightness})() > ${onScreen + 60}`);
  const { pressed, cut, matrices } = await page.evaluate(() => {
    const visible = (element) => element.checkVisibility() && element.getClientRects().length > 0;
    const pressed = [...document.querySelectorAll("button:not(.word, .token, .plain), input:not([type=radio]), summary, progress, .tour-door")].filter(visible).map((element) => element.outerHTML.slice(0, 80));
    const canvases = [...document.querySelectorAll("canvas")].filter(visible);
    const cut = canvases.filter((canvas) => {
      const { left, right, width, height } = canvas.getBoundingClientRect();
      const stretched = Math.abs(width / height - canvas.width / canvas.height) > 0.02;
      return left < 0 || right > innerWidth || stretched;
    });
    return { pressed, cut: cut.map((canvas) => canvas.ariaLabel), matrices: [...document.querySelectorAll("[data-matrix]")].filter(visible).length };
  });
  assert.deepEqual(pressed, []);
  assert.deepEqual(cut, []);
  assert.equal(matrices, 4);
  const pdf = await page.pdf({ format: "A4" });
  const pages = pdf.toString("latin1").match(/\/Type\s*\/Page\b(?!s)/g).length;
  assert.ok(pages >= 2 && pages <= 4, `${pages} pages`);
});
