// A view of the page as a link, as an embed, and as files.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

import { pageTest } from "./harness.mjs";
import { readerTest, UnmaskPage } from "./reader.mjs";

/** What a link has to bring back, as a reader sees it. */
async function seen(reader) {
  const { page } = reader;
  const chosen = (group) => page.getByRole("group", { name: group }).first().getByRole("radio", { checked: true });
  const spoken = async (locator) => (await locator.locator("xpath=..").innerText()).trim();
  return {
    sentence: await reader.sentence.inputValue(),
    rule: await spoken(chosen("BERT may look")),
    bert: await reader.shape("bert"),
    attention: await page.locator("#attention").evaluate((section) => ({ ...section.dataset })),
    whole: await reader.masks.getByLabel("put word pieces together").isChecked(),
    candidates: await reader.candidates(),
    beams: await spoken(chosen("Beams")),
  };
}

/** Waits until the address has caught up with what the reader did. */
const address = (page, pattern) => page.waitForURL(pattern).then(() => page.url());

readerTest("a link brings the whole view back: text, mask, painted cells, layer and head, settings", async (reader, { context, url }) => {
  const { page } = reader;
  assert.equal(page.url(), url, "nobody has touched anything");
  await reader.sentence.fill("She wrote a letter & sent 100% of it to her mother.");
  await page.getByRole("button", { name: "hide “letter”" }).click();
  await reader.choose(reader.masks, "a window");
  await reader.masks.getByLabel("tokens on each side").fill("3");
  await reader.masks.getByLabel("paint single cells").check();
  await reader.canvas("bert").focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await reader.masks.getByText("1 painted cell").waitFor();
  await page.locator(".overview").getByRole("application").focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowDown");
  await reader.choose(reader.bart, "4");
  await reader.settled();
  const before = await seen(reader);
  assert.equal(before.bert.forbidden > 0, true);
  await page.getByRole("button", { name: "Copy a link to this view" }).click();
  await page.getByText("stands in the address bar").waitFor();
  const link = page.url();

  const other = new UnmaskPage(await context.newPage());
  await other.page.goto(link);
  await other.ready();
  assert.deepEqual(await seen(other), before);
  // What the link hides can still be brought back.
  await other.page.getByRole("button", { name: "show “letter” again" }).click();
  assert.match(await other.sentence.inputValue(), /wrote a letter & sent 100%/);
  // Another link in the same tab, and the way back.
  await other.page.goto(`${url}#bert=2-mean&show=cross`);
  await other.page.locator("#attention[data-place=cross]").waitFor();
  assert.equal(await other.sentence.inputValue(), "I want to [MASK] to the beach with you.");
  await other.page.goBack();
  await other.page.locator("#attention[data-place=bert]").waitFor();
  assert.match(await other.sentence.inputValue(), /mother/);
});

readerTest("the address follows what the reader types, without steps in the history", async (reader) => {
  const { page } = reader;
  const steps = await page.evaluate(() => history.length);
  await reader.sentence.fill("The [MASK] barked.");
  const link = await address(page, /#/);
  assert.equal(new URLSearchParams(new URL(link).hash.slice(1)).get("text"), "The [MASK] barked.");
  assert.equal(await page.evaluate(() => history.length), steps);
});

pageTest("a link from anywhere is read with care", { path: `#text=${"x".repeat(5000)}&mask=sideways&show=<b>&painted=1-1` }, async ({ page }) => {
  const reader = new UnmaskPage(page);
  await page.getByText("This link says something that this page does not understand (text, mask, show)").waitFor();
  await reader.ready();
  assert.equal(await reader.sentence.inputValue(), "I want to [MASK] to the beach with you.");
  assert.equal((await reader.shape("bert")).forbidden, 1);
});

readerTest("the shown head is saved as data and pictures that hold the engine's own numbers", async (reader) => {
  const { page } = reader;
  await page.evaluate(() => (location.hash = "bert=3-2"));
  await page.locator("#attention[data-layer='3'][data-head='2']").waitFor();
  const save = async (name) => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name }).click()]);
    return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
  };
  const truth = await page.evaluate(async () => {
    const { Unmask } = await import(document.getElementById("client").href);
    const { encoder } = await (await Unmask.load("bert")).attention("I want to [MASK] to the beach with you.");
    const size = encoder.queryTokens.length;
    const start = (2 * encoder.heads + 1) * size * size;
    return { tokens: encoder.queryTokens.map(({ text }) => text), weights: [...encoder.weights.slice(start, start + size * size)] };
  });
  const near = (weights) => weights.forEach((weight, i) => assert.ok(Math.abs(weight - truth.weights[i]) < 1e-8));

  const json = await save("Data, JSON");
  const data = JSON.parse(json.bytes);
  assert.equal(json.name, "bert-layer-3-head-2.json");
  assert.deepEqual([data.attention, data.layer, data.head], ["bert", 3, 2]);
  assert.equal(data.keys.length, truth.tokens.length);
  assert.deepEqual(data.mask.flat(), Array(truth.weights.length).fill(1));
  assert.equal(data.weights.flat().length, truth.weights.length);
  near(data.weights.flat());

  const csv = (await save("Data, CSV")).bytes.toString().trimEnd().split("\r\n").slice(1);
  assert.equal(csv.length, truth.weights.length);
  near(csv.map((line) => Number(line.split(",").at(-1))));

  const svg = (await save("Picture, SVG")).bytes.toString();
  const drawn = await page.evaluate((svg) => {
    const drawing = new DOMParser().parseFromString(svg, "image/svg+xml");
    return { cells: drawing.querySelectorAll("g rect").length, labels: [...drawing.querySelectorAll("text")].map((text) => text.textContent) };
  }, svg);
  assert.equal(drawn.cells, truth.weights.length);
  assert.ok(drawn.labels.includes("beach"));

  const png = await save("Picture, PNG");
  assert.equal(png.bytes.subarray(1, 4).toString(), "PNG");
  assert.ok(png.bytes.readUInt32BE(16) > 100, "it has a width");
});
