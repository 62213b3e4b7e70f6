// How BART chooses: its settings, what else it might have written, and the tree of its beams.

import assert from "node:assert/strict";

import { readerTest, UnmaskPage } from "./reader.mjs";

const finished = (page) => page.locator("#bart .written[data-stage=Finished]").waitFor();

/** The same through the engine's public door. */
const engine = (page, source, options) =>
  page.evaluate(
    async ([source, options]) => {
      const { Unmask } = await import(document.getElementById("client").href);
      return (await Unmask.load("bart-g2p")).complete(source, options);
    },
    [source, options],
  );

/** Waits until the page shows what the engine writes with these options, and gives that. */
async function agrees(reader, options) {
  const { page, bart } = reader;
  const source = await bart.locator(".source").innerText();
  const truth = await engine(page, source, options);
  await page.waitForFunction(
    (text) => document.querySelector("#bart .written[data-stage=Finished] output")?.textContent === text,
    truth.text,
  );
  return truth;
}

readerTest("every token written shows what else might have stood there", async (reader) => {
  const { page, bart } = reader;
  await reader.choose(bart.getByRole("group", { name: "Model" }), "bart-g2p");
  await finished(page);
  for (const beams of [1, 4]) {
    await reader.choose(bart.getByRole("group", { name: "Beams" }), String(beams));
    const truth = await agrees(reader, { numBeams: beams });
    const tokens = bart.locator(".tokens button");
    assert.equal(await tokens.count(), truth.tokens.length);
    await tokens.first().focus();
    for (const token of truth.tokens) {
      assert.equal(token.alternatives.length, 5);
      const sum = token.alternatives.reduce((sum, { probability }) => sum + probability, 0);
      assert.ok(sum > 0.2 && sum <= 1.0001, `${sum}`);
      const rows = bart.locator(".alternatives li");
      await page.waitForFunction(
        (wanted) => Math.abs(Number(document.querySelector("#bart .alternatives li")?.dataset.probability) - wanted) < 1e-5,
        token.alternatives[0].probability,
      );
      assert.match(await rows.filter({ hasText: "taken" }).innerText(), /taken/);
      await page.keyboard.press("ArrowRight");
    }
  }
});

readerTest("the beam tree's trunk is the text that won, and it is walked by keyboard", async (reader) => {
  const { page, bart } = reader;
  await reader.choose(bart.getByRole("group", { name: "Model" }), "bart-g2p");
  await reader.choose(bart.getByRole("group", { name: "Beams" }), "4");
  const truth = await agrees(reader, { numBeams: 4 });
  const tree = bart.locator(".beam-tree");
  await tree.locator("summary").click();
  const trunk = await tree.locator("li.won > .knot .token").allInnerTexts();
  assert.deepEqual(trunk, await bart.locator(".tokens .token").allInnerTexts());
  assert.equal(trunk.length, truth.tokens.length);
  assert.ok((await tree.locator("li.pruned").count()) > 0);
  assert.match(await tree.locator("summary").innerText(), /\d+ tokens tried, [1-9]\d* pruned/);
  await tree.locator(".knot").first().focus();
  await page.keyboard.press("ArrowDown");
  assert.equal(await tree.locator(".knot").nth(1).evaluate((knot) => knot === document.activeElement), true);
  assert.match(await tree.locator("p.note").innerText(), /: “/);
});

readerTest("each setting acts at once, is refused where it makes no sense, and is in the link", async (reader, { context }) => {
  const { page, bart } = reader;
  await reader.choose(bart.getByRole("group", { name: "Model" }), "bart-g2p");
  await finished(page);
  await bart.getByText("How it chooses").click();
  const set = async (label, value) => {
    await bart.getByLabel(label).fill(value);
    await page.keyboard.press("Tab");
  };
  await set("Most tokens", "3");
  assert.equal((await agrees(reader, { numBeams: 1, maxNewTokens: 3 })).tokens.length, 3);
  await set("Most tokens", "20");
  await set("Temperature", "2.5");
  await set("Seed", "7");
  const drawn = await agrees(reader, { numBeams: 1, maxNewTokens: 20, temperature: 2.5, seed: 7 });
  await set("Temperature", "9");
  await bart.getByText("Temperature: a number from 0 to 3, please.").waitFor();
  await set("Temperature", "2.5");
  await page.waitForURL(/temperature=2\.5.*seed=7/);
  const other = new UnmaskPage(await context.newPage());
  await other.page.goto(page.url());
  await other.ready();
  await other.page.waitForFunction((text) => document.querySelector("#bart output").textContent === text, drawn.text);
  await reader.choose(bart.getByRole("group", { name: "Beams" }), "4");
  assert.equal(await bart.getByLabel("Temperature").isDisabled(), true);
  await set("Length penalty", "0");
  await agrees(reader, { numBeams: 4, maxNewTokens: 20, lengthPenalty: 0 });
});
