// What pre-training does with a word, and what BERT says stood there.

import assert from "node:assert/strict";

import { readerTest } from "./reader.mjs";

/** What the engine says of the word `word` (its first occurrence) where `instead` stands in its place. */
const engine = (page, text, word, instead) =>
  page.evaluate(
    async ([text, word, instead]) => {
      const { Unmask } = await import(document.getElementById("client").href);
      const bert = await Unmask.load("bert");
      const start = text.indexOf(word);
      const tokens = await bert.tokenize(text);
      const position = tokens.findIndex((token) => !token.special && token.start === start);
      const [{ candidates }] = await bert.fillMask(text.replace(word, instead), { positions: [position], topK: 100_000 });
      const masked = instead === "[MASK]" ? (await bert.fillMask(text.replace(word, instead)))[0].candidates : undefined;
      const original = candidates.find(({ id }) => id === tokens[position].id).probability;
      return { original, first: candidates.slice(0, 3).map(({ probability }) => probability), vocabulary: candidates.map(({ token }) => token), masked };
    },
    [text, word, instead],
  );

readerTest("each of the three cases shows what the engine says at that place, and the seed says which happens", async ({ page }) => {
  const lab = page.getByRole("region", { name: /^How BERT was made/ });
  const cases = lab.locator(".case");
  const settled = () => page.waitForFunction(() => {
    const cases = document.querySelector(".cases");
    return cases.ariaBusy === "false" && cases.childElementCount === 3;
  });
  const text = await lab.getByRole("textbox", { name: "Text" }).inputValue();
  const instead = async (name) => lab.locator(`[data-case=${name}]`).locator(".marked").locator("mark, ins, em").innerText();
  for (const word of ["country", "years"]) {
    await lab.getByRole("button", { name: word, exact: true }).click();
    await lab.locator("[data-case=kept] .marked em").getByText(word).waitFor();
    await settled();
    for (const name of ["hidden", "replaced", "kept"]) {
      const stands = await instead(name);
      const truth = await engine(page, text, word, stands);
      const panel = lab.locator(`[data-case=${name}]`);
      const found = await panel.locator(".candidates li").evaluateAll((rows) => rows.map((row) => Number(row.dataset.probability)));
      found.forEach((share, i) => assert.ok(Math.abs(share - truth.first[i]) < 1e-6, `${word}, ${name}: ${share}`));
      assert.equal(found.length, 3);
      const verdict = panel.locator(".verdict-line");
      const original = await verdict.getAttribute("data-probability");
      if (original) assert.ok(Math.abs(Number(original) - truth.original) < 1e-6, `${word}, ${name}: ${original}`);
      else assert.match(await verdict.innerText(), /not among the first 500/);
      if (name === "hidden") assert.equal(stands, "[MASK]");
      if (name === "kept") assert.equal(stands, word);
      if (name === "replaced") assert.ok(stands !== word && truth.vocabulary.includes(stands), stands);
      // At a mask it is what filling the mask says.
      truth.masked?.slice(0, 3).forEach(({ probability }, i) => assert.equal(probability, truth.first[i]));
    }
  }
  assert.equal(await cases.count(), 3);

  // A seed draws the same again; over some seeds, each of the three comes up where the number says so.
  const seed = lab.getByLabel("Seed");
  const drawn = new Set();
  for (let i = 1; i < 40 && drawn.size < 3; i++) {
    await seed.fill(String(i));
    const said = Number(/draws (\d+)/.exec(await lab.getByText(/^Chance draws/).innerText())[1]);
    const wanted = said < 80 ? "hidden" : said < 90 ? "replaced" : "kept";
    await lab.locator(`.case.drawn[data-case=${wanted}]`).waitFor();
    await settled();
    drawn.add(wanted);
  }
  assert.equal(drawn.size, 3);
  const word = await instead("replaced");
  const last = await seed.inputValue();
  await lab.getByRole("button", { name: "Draw again" }).click();
  await page.waitForFunction((word) => document.querySelector("[data-case=replaced] ins").textContent !== word, word);
  await seed.fill(last);
  await page.waitForFunction((word) => document.querySelector("[data-case=replaced] ins").textContent === word, word);
});

readerTest("a word of several pieces cannot be chosen", async ({ page }) => {
  const lab = page.getByRole("region", { name: /^How BERT was made/ });
  await lab.getByRole("textbox", { name: "Text" }).fill("The xylophonist sat down.");
  await lab.getByRole("button", { name: "sat", exact: true }).waitFor();
  assert.equal(await lab.getByRole("button", { name: "xylophonist" }).count(), 0);
});
