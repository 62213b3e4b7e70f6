// The text that is spoilt and put right, and the table that leads to every panel.

import assert from "node:assert/strict";

import { readerTest, UnmaskPage } from "./reader.mjs";

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

readerTest("a wait that has become long is told, can be stopped, and is taken up again", async (reader) => {
  const { page } = reader;
  const lab = page.getByRole("region", { name: /^Spoil a text/ });
  const wait = lab.locator(".wait");
  await lab.locator(".repaired :not(:empty)").first().waitFor();
  await reader.choose(lab, "sentence permutation");
  // What is asked about this text doesn't reach the engine for now.
  await page.evaluate(() => {
    const { postMessage } = Worker.prototype;
    Worker.prototype.postMessage = function (message, ...rest) {
      if (!JSON.stringify(message).includes("umbrella")) postMessage.call(this, message, ...rest);
    };
    window.letThrough = () => (Worker.prototype.postMessage = postMessage);
  });
  await lab.getByRole("textbox", { name: "Text" }).fill("She took her umbrella. It was raining.");
  await wait.getByText("Still computing.").waitFor();
  assert.equal(await lab.locator(".repaired").getAttribute("aria-busy"), "true");
  await wait.getByRole("button", { name: "Stop" }).focus();
  await page.keyboard.press("Enter");
  await wait.getByText("Stopped; no answer to this yet.").waitFor();
  assert.equal(await lab.locator(".repaired").getAttribute("aria-busy"), "false");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Ask again", "the focus stays");
  await page.evaluate(() => window.letThrough());
  await page.keyboard.press("Enter");
  await lab.locator(".repaired").getByText("umbrella").first().waitFor();
  assert.equal(await wait.isVisible(), false);
  assert.equal(await lab.getByRole("textbox", { name: "Text" }).inputValue(), "She took her umbrella. It was raining.");
});

readerTest("each cell of the table leads to the panel that shows it", async ({ page }) => {
  const table = page.getByRole("region", { name: "What sets them apart" });
  const places = { "every token sees every": "group", "decoder that sees": "triptych", understanding: "heads", writing: "bart", guess: "pretraining", "undo noise": "noise" };
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

readerTest("a head that is turned off changes what BERT and BART put out, by what the engine computes without it", async (reader, { context }) => {
  const { page } = reader;
  const panel = page.locator(".ablation");
  const shares = (column) => panel.locator(`tbody tr td:nth-of-type(${column})`).evaluateAll((cells) => cells.map((cell) => Number(cell.dataset.probability)));
  const done = () => page.waitForFunction(() => {
    const { ariaBusy, dataset } = document.querySelector(".ablation");
    return ariaBusy === "false" && dataset.off !== "0" && document.querySelector(".consequence").childElementCount > 0;
  });
  const { layer, head } = await page.locator(".overview").evaluate((figure) => ({ ...figure.dataset }));
  await panel.getByLabel("turn this head off").check();
  await done();
  const expected = await page.evaluate(async (place) => {
    const { Unmask } = await import(document.getElementById("client").href);
    const model = await Unmask.load("bert");
    const text = "I want to [MASK] to the beach with you.";
    const [[before], [after]] = [await model.fillMask(text, { topK: 3 }), await model.fillMask(text, { topK: 200, headsOff: { encoder: [place] } })];
    return before.candidates.map(({ id, probability }) => [probability, after.candidates.find((one) => one.id === id).probability]);
  }, { layer: layer - 1, head: head - 1 });
  const close = (found, wanted) => wanted.forEach((share, i) => assert.ok(Math.abs(found[i] - share) < 1e-6, `${found} is not ${wanted}`));
  close(await shares(1), expected.map(([before]) => before));
  close(await shares(2), expected.map(([, after]) => after));
  assert.ok(Math.abs(expected[0][0] - expected[0][1]) > 1e-4, `the head does something: ${expected}`);
  assert.match(await panel.locator(".verdict-line").innerText(), /without this one head/);

  // The page's own guesses and pictures follow, and the link has it.
  const told = await page.evaluate(async (place) => {
    const { Unmask } = await import(document.getElementById("client").href);
    const headsOff = { encoder: [place] };
    const model = await Unmask.load("bert");
    const [{ candidates }] = await model.fillMask("I want to [MASK] to the beach with you.", { headsOff });
    return candidates.map(({ probability }) => probability);
  }, { layer: layer - 1, head: head - 1 });
  close((await reader.candidates()).map(({ probability }) => probability), told);
  const overview = page.locator(".overview");
  assert.equal(await overview.getAttribute("data-off"), "1");
  assert.match(await overview.locator(".reading").innerText(), /It is turned off/);
  const figure = reader.matrix("bert");
  assert.match(await figure.locator("figcaption").innerText(), /turned off/);
  const note = page.locator(".off-note");
  assert.match(await note.innerText(), new RegExp(`Turned off: BERT’s encoder, layer ${layer} head ${head}\\.`));
  await page.waitForURL(new RegExp(`off=bert-${layer}-${head}(&|$)`));
  const other = new UnmaskPage(await context.newPage());
  await other.page.goto(page.url());
  await other.ready();
  close((await other.candidates()).map(({ probability }) => probability), told);
  await other.page.locator(".off-note").getByRole("button", { name: "Turn all heads on again" }).click();
  await other.page.waitForFunction(
    (wanted) => Math.abs(Number(document.querySelector("#bert .candidates li").dataset.probability) - wanted) < 1e-6,
    expected[0][0],
  );
  assert.equal(await panel.getByLabel("turn this head off").isChecked(), true, "another page is another page");
  // Every head of a layer of BART's cross-attention: the source is out of that layer's sight.
  await panel.getByRole("button", { name: "Turn all on again" }).click();
  assert.equal(await panel.locator("table").count(), 0);
  assert.equal(await note.innerText(), "");
  const attention = page.getByRole("region", { name: "Every layer, every head" });
  await reader.choose(attention, "BART’s cross-attention");
  await panel.getByLabel("turn this head off").check();
  await panel.locator("[data-written=after]").waitFor();
  const without = await panel.locator("[data-written=after] output").innerText();
  await page.waitForFunction((text) => document.querySelector("#bart [data-stage=Finished] output")?.textContent === text, without);
  const whole = (name) => panel.locator(`[data-written=${name}]`).getAttribute("data-probability").then(Number);
  assert.notEqual(await whole("before"), await whole("after"));
});

readerTest("hiding each word in turn tells which of them a label rests on", async (reader) => {
  const { page } = reader;
  const panel = page.getByRole("article", { name: "sentiment" });
  const text = "The plot is thin, but the actors are wonderful.";
  await panel.getByLabel(/hide each word in turn/).check();
  await panel.locator(".occluded li").nth(8).waitFor();
  const expected = await page.evaluate(async (text) => {
    const { Unmask } = await import(document.getElementById("client").href);
    const model = await Unmask.load("bert");
    const [{ label, probability }] = await model.classify(text, { head: "sentiment" });
    const shares = [];
    for (const word of text.match(/\w+/g)) {
      const labels = await model.classify(text.replace(word, "[MASK]"), { head: "sentiment" });
      shares.push(labels.find((one) => one.label === label).probability);
    }
    return { label, probability, shares };
  }, text);
  assert.equal(expected.label, "positive");
  const found = await panel.locator(".occlusion tbody tr").evaluateAll((rows) => rows.map((row) => [row.querySelector("th").textContent, Number(row.dataset.probability)]));
  assert.deepEqual(found.map(([word]) => word), text.match(/\w+/g));
  found.forEach(([word, share], i) => assert.ok(Math.abs(share - expected.shares[i]) < 1e-6, `${word}: ${share}`));
  const least = found.reduce((least, next) => (next[1] < least[1] ? next : least));
  await panel.getByText(`It loses most without “${least[0]}”`).waitFor();
  await panel.getByText("Word by word, as a table").click();
  assert.equal(await panel.getByRole("row").count(), 10);
  await panel.getByLabel("Text").fill("Dull.");
  await panel.getByText(/“negative” has \d+%/).waitFor();
  assert.deepEqual(await panel.locator(".occluded .token").allInnerTexts(), ["Dull"]);
});

readerTest("labels that the reader types are judged by entailment", async (reader) => {
  const panel = reader.page.getByRole("article", { name: "Labels of your own" });
  const labels = async () => {
    const rows = await panel.locator(".candidates li").evaluateAll((rows) => rows.map((row) => [row.querySelector(".candidate").textContent, Number(row.dataset.probability)]));
    const sum = rows.reduce((sum, [, share]) => sum + share, 0);
    assert.ok(Math.abs(sum - 1) < 1e-4);
    return rows.map(([label]) => label);
  };
  await panel.locator(".candidates li").nth(2).waitFor();
  assert.equal((await labels())[0], "sport");
  await panel.getByLabel(/^Labels/).fill("music, sport , , music,weather");
  await panel.locator(".candidates li").getByText("weather").waitFor();
  assert.deepEqual((await labels()).sort(), ["music", "sport", "weather"]);
});
