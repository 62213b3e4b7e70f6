// The text that is spoilt and put right, and the table that leads to every panel.

import assert from "node:assert/strict";

import { readerTest } from "./reader.mjs";

const words = (text) => text.toLowerCase().match(/[a-z]+/g) ?? [];

readerTest("BART puts right what each of the five noises has spoilt, and the words that it changed are marked", async (reader) => {
  const { page } = reader;
  const lab = page.getByRole("region", { name: /^Spoil a text/ });
  const spoilt = lab.locator(".spoilt");
  const repaired = lab.locator(".repaired");
  const original = "She opened the window and looked at the garden. It was still raining.";
  await lab.getByRole("textbox", { name: "Text" }).fill(original);
  for (const noise of ["token masking", "token deletion", "sentence permutation", "document rotation", "text infilling"]) {
    await reader.choose(lab, noise);
    const seen = (await spoilt.innerText()).trim();
    // The same text through the engine's public door.
    const expected = await page.evaluate(async (text) => {
      const { Unmask } = await import(document.getElementById("client").href);
      return (await (await Unmask.load("bart")).complete(text, { task: "denoise" })).text;
    }, seen);
    await page.waitForFunction(
      (expected) => {
        const kept = document.querySelector(".repaired").cloneNode(true);
        for (const lost of kept.querySelectorAll("del")) lost.remove();
        return kept.textContent.trim().split(/\s+/).join(" ") === expected;
      },
      expected.trim().split(/\s+/).join(" "),
    );
    const masks = seen.split("[MASK]").length - 1;
    const left = words(seen.replaceAll("[MASK]", ""));
    if (noise === "token masking") assert.deepEqual([masks, left.length], [4, 9], seen);
    if (noise === "token deletion") assert.deepEqual([masks, left.length], [0, 9], seen);
    if (noise === "text infilling") assert.ok(masks >= 1 && left.length >= 9 && left.length < 13, seen);
    if (noise === "sentence permutation") assert.equal(seen, "It was still raining. She opened the window and looked at the garden.");
    if (noise === "document rotation") assert.equal((seen + " " + seen).includes(original), true, seen);
    // What is marked as brought back was hidden; what is plain could be seen.
    for (const word of await repaired.locator("mark").allInnerTexts()) assert.ok(words(original).includes(words(word)[0]), word);
    for (const word of await repaired.locator("span").allInnerTexts()) assert.ok(left.includes(words(word)[0]), word);
    const back = /^(\d+) of 4 hidden/.exec(await lab.locator(".tally").innerText());
    if (noise === "token masking") assert.equal(Number(back[1]), await repaired.locator("mark").count());
  }
  // The same draw comes from the same seed; another draw hides something else.
  const before = await spoilt.innerText();
  await reader.choose(lab, "token masking");
  await reader.choose(lab, "text infilling");
  assert.equal(await spoilt.innerText(), before);
  await lab.getByRole("button", { name: "Draw again" }).click();
  assert.notEqual(await spoilt.innerText(), before);
  await lab.getByRole("textbox", { name: "Text" }).fill("One sentence.");
  await reader.choose(lab, "sentence permutation");
  await lab.getByText("One sentence alone cannot be put out of order.").waitFor();
  assert.equal(await reader.sentence.inputValue(), "I want to [MASK] to the beach with you.", "the reader's sentence stays");
});

readerTest("each cell of the table leads to the panel that shows it", async ({ page }) => {
  const table = page.getByRole("region", { name: "What sets them apart" });
  const places = { "every token sees every": "group", "decoder that sees": "triptych", understanding: "heads", writing: "bart", guess: "bert", "undo noise": "noise" };
  for (const [words, place] of Object.entries(places)) {
    const cell = table.getByRole("button", { name: words });
    await cell.focus();
    await page.keyboard.press("Enter");
    const focused = await page.evaluate(() => {
      const { id, className, parentElement, offsetTop } = document.activeElement;
      const top = document.activeElement.getBoundingClientRect().top;
      return { names: `${id} ${className} ${parentElement.className}`, seen: top >= -1 && top < innerHeight, offsetTop };
    });
    assert.ok(focused.names.includes(place), `${words}: ${focused.names}`);
    assert.ok(focused.seen, words);
  }
});
