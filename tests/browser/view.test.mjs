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

/** Chromium drops what a page hands over beyond ten files in a second, and a test is quicker than a reader. */
const BETWEEN_FILES_MS = 120;

/** The file that a button of a group hands over. */
async function saved(page, group, name) {
  await page.waitForTimeout(BETWEEN_FILES_MS);
  const [download] = await Promise.all([page.waitForEvent("download"), group.getByRole("button", { name, exact: true }).click()]);
  return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
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

readerTest("a link brings back what the labs hold: texts, noise, hidden words, what is unfolded, held and stepped to", async (reader, { context }) => {
  const { page } = reader;
  const heads = page.getByRole("region", { name: "What else BERT can tell" });
  const noise = page.getByRole("region", { name: /^Spoil a text/ });
  const fields = {
    spoil: [noise.getByRole("textbox", { name: "Text" }), "One is here. Two is there."],
    second: [heads.getByRole("textbox", { name: "Second", exact: true }), "It was sold again."],
    sentiment: [heads.getByRole("article", { name: "sentiment" }).getByLabel("Text"), "A film & nothing more."],
    topic: [heads.getByRole("article", { name: "topic" }).getByLabel("Text"), "The bank raised its rates."],
    hypothesis: [heads.getByRole("textbox", { name: "Hypothesis" }), "Nobody is there."],
    labels: [heads.getByRole("textbox", { name: /^Labels/ }), "music, weather"],
    names: [heads.getByRole("article", { name: "ner" }).getByLabel("Text"), "Grace Hopper went to Arlington."],
    question: [heads.getByRole("textbox", { name: "Question" }), "Who looked for her keys?"],
    instead: [page.locator("[data-proof=bert]").getByLabel(/Instead of/), "cat"],
    "instead-written": [page.locator("[data-proof=decoder]").getByLabel(/Instead of/), "dog"],
    schooled: [page.getByRole("region", { name: /^How BERT was made/ }).getByLabel("Text"), "The dog slept in the garden."],
    here: [page.getByRole("textbox", { name: "First sentence" }), "A bat flew out of the cave."],
  };
  for (const [field, text] of Object.values(fields)) await field.fill(text);
  await reader.choose(noise, "token masking");
  await noise.getByLabel("per cent of the words").fill("50");
  await noise.getByRole("button", { name: "Draw again" }).click();
  const spoilt = await noise.locator(".spoilt").innerText();
  const hides = (page) => page.getByRole("article", { name: "sentiment" }).getByLabel(/hide each word in turn/);
  await hides(page).check();
  await page.getByText("How it chooses").click();
  await reader.masks.getByLabel("paint single cells").check();
  await page.getByRole("group", { name: "Word of the first sentence" }).getByRole("button", { name: "cave" }).click();
  await reader.bart.getByRole("button", { name: "beach" }).last().click();
  const alternatives = await reader.bart.locator(".alternatives .note").innerText();
  await reader.masks.getByRole("slider").fill("3");
  await reader.canvas("cross").focus();
  for (const key of ["ArrowDown", "ArrowDown", "ArrowRight", "Enter"]) await page.keyboard.press(key);
  const held = await reader.shape("cross");
  assert.deepEqual([held.rows, held.row, held.column], [3, "1", "1"]);
  const similar = await page.locator(".similarities .verdict-line").innerText();
  assert.match(similar, /“cave”/);
  await page.getByRole("button", { name: "Copy a link to this view" }).click();
  const link = page.url();
  const words = new URLSearchParams(new URL(link).hash.slice(1));
  for (const [name, [, text]] of Object.entries(fields)) assert.equal(words.get(name), text);
  assert.equal(words.get("noise"), "masking-50-2");

  const other = new UnmaskPage(await context.newPage());
  await other.page.goto(link);
  await other.ready();
  const again = other.page.getByRole("region", { name: /^Spoil a text/ });
  assert.equal(await again.locator(".spoilt").innerText(), spoilt);
  for (const [name, [field, text]] of Object.entries(fields)) {
    // The same field on the other page.
    const values = await other.page.locator("textarea, input[type=text]").evaluateAll((all) => all.map((one) => one.value));
    assert.ok(values.includes(text), `${name}: ${values}`);
    assert.equal(await field.inputValue(), text);
  }
  assert.ok(await hides(other.page).isChecked());
  await other.page.getByText(/It loses most without|No single word/).waitFor();
  assert.ok(await other.page.locator("details.decoding").evaluate((details) => details.open));
  assert.ok(await other.masks.getByLabel("paint single cells").isChecked());
  assert.equal(await other.bart.locator(".alternatives .note").innerText(), alternatives);
  await other.matrix("cross").and(other.page.locator("[data-locked=true]")).waitFor();
  assert.deepEqual(await other.shape("cross"), held);
  await other.page.locator(".similarities .verdict-line").getByText(/“cave”/).waitFor();
  assert.equal(await other.page.locator(".similarities .verdict-line").innerText(), similar);
});

readerTest("the address follows what the reader types, without steps in the history", async (reader) => {
  const { page } = reader;
  const steps = await page.evaluate(() => history.length);
  await reader.sentence.fill("The [MASK] barked.");
  const link = await address(page, /#/);
  assert.equal(new URLSearchParams(new URL(link).hash.slice(1)).get("text"), "The [MASK] barked.");
  assert.equal(await page.evaluate(() => history.length), steps);
});

pageTest("a link from anywhere is read with care", { path: `#text=${"x".repeat(5000)}&mask=sideways&show=<b>&painted=1-1&noise=loud&held=bert-999-1` }, async ({ page }) => {
  const reader = new UnmaskPage(page);
  await page.getByText("This link says something that this page does not understand (text, mask, show, noise)").waitFor();
  await reader.ready();
  assert.equal(await reader.sentence.inputValue(), "I want to [MASK] to the beach with you.");
  assert.equal((await reader.shape("bert")).forbidden, 1);
});

readerTest("the shown head is saved as data and pictures that hold the engine's own numbers", async (reader) => {
  const { page } = reader;
  await page.evaluate(() => (location.hash = "bert=3-2"));
  await page.locator("#attention[data-layer='3'][data-head='2']").waitFor();
  const save = (name) => saved(page, page.getByRole("group", { name: "Save this head" }).last(), name);
  const truth = await page.evaluate(async () => {
    const { Unmask } = await import(document.getElementById("client").href);
    const { encoder } = await (await Unmask.load("bert")).attention("I want to [MASK] to the beach with you.");
    const size = encoder.queryTokens.length;
    const start = (2 * encoder.heads + 1) * size * size;
    return { tokens: encoder.queryTokens.map(({ text }) => text), weights: [...encoder.weights.slice(start, start + size * size)] };
  });
  const near = (weights) => weights.forEach((weight, i) => assert.ok(Math.abs(weight - truth.weights[i]) < 1e-8));

  const json = await save("JSON");
  const data = JSON.parse(json.bytes);
  assert.equal(json.name, "bert-layer-3-head-2.json");
  assert.deepEqual([data.attention, data.layer, data.head], ["bert", 3, 2]);
  assert.equal(data.keys.length, truth.tokens.length);
  assert.deepEqual(data.mask.flat(), Array(truth.weights.length).fill(1));
  assert.equal(data.weights.flat().length, truth.weights.length);
  near(data.weights.flat());

  const csv = (await save("CSV")).bytes.toString().trimEnd().split("\r\n").slice(1);
  assert.equal(csv.length, truth.weights.length);
  near(csv.map((line) => Number(line.split(",").at(-1))));

  const svg = (await save("SVG")).bytes.toString();
  const drawn = await page.evaluate((svg) => {
    const drawing = new DOMParser().parseFromString(svg, "image/svg+xml");
    return { cells: drawing.querySelectorAll("g rect").length, labels: [...drawing.querySelectorAll("text")].map((text) => text.textContent) };
  }, svg);
  assert.equal(drawn.cells, truth.weights.length);
  assert.ok(drawn.labels.includes("beach"));

  const png = await save("PNG");
  assert.equal(png.bytes.subarray(1, 4).toString(), "PNG");
  assert.ok(png.bytes.readUInt32BE(16) > 100, "it has a width");
});

readerTest("every panel's numbers are saved as data", async (reader) => {
  const { page } = reader;
  await reader.answered();
  const data = async (name, at = 0) => {
    const group = page.getByRole("group", { name: `Save ${name}` }).nth(at);
    const json = await saved(page, group, "JSON");
    const csv = await saved(page, group, "CSV");
    const rows = JSON.parse(json.bytes);
    const lines = csv.bytes.toString().trimEnd().split("\r\n");
    assert.equal(lines[0], Object.keys(rows[0]).join(","));
    assert.equal(lines.length, rows.length + 1, csv.name);
    return rows;
  };
  const shown = await reader.candidates();
  const guesses = await data("the guesses");
  assert.deepEqual(guesses.map((row) => row.guess), shown.map((row) => row.text));
  guesses.forEach((row, at) => assert.ok(Math.abs(row.probability - shown[at].probability) < 1e-8));
  assert.ok(guesses.every((row) => row.gap === 1 && row.hidden_word === "go"));

  await reader.choose(reader.bart, "4");
  await reader.bart.locator(".beam-tree summary").click();
  const tokens = await data("the tokens");
  const written = await reader.bart.locator(".tokens .token").allInnerTexts();
  assert.deepEqual(tokens.filter((row) => row.taken).map((row) => row.token), written);
  const beams = await data("the beams");
  assert.ok(beams.some((row) => row.fate === "won") && beams.some((row) => row.fate === "pruned"));

  const changes = await data("the changes");
  assert.equal(changes.length, 12);
  assert.ok(changes.every((row) => row.identical === 0 && row.largest_change > 0));
  await page.getByText(/^(\d+ of \d+ hidden|Every word)/).waitFor();
  const [noise] = await data("the texts");
  assert.equal(noise.original, "He was very tired. He brushed his teeth. Then he went to bed.");
  const [label] = await data("the labels");
  assert.equal(await page.locator(".heads .candidates .candidate").first().innerText(), label.label);
  const names = await data("the names");
  assert.ok(names.some((row) => row.text.includes("Lovelace") && row.label === "PER"), JSON.stringify(names));
  const answers = await data("the answers");
  assert.deepEqual([answers[0].model, answers.at(-1).model], ["BERT", "BART"]);
  await page.locator(".similarities .verdict-line").waitFor();
  const layers = await data("the similarities");
  assert.deepEqual(layers.map((row) => row.layer), [0, 1, 2, 3, 4, 5, 6]);
  assert.equal((await data("the places")).length, 6);
});

readerTest("every panel's pictures are saved as files", async (reader) => {
  const { page } = reader;
  await page.locator(".places li").first().waitFor();
  for (const group of ["all heads", "the lines", "the plane"]) {
    const { bytes } = await saved(page, page.getByRole("group", { name: `Save ${group}` }), "PNG");
    assert.equal(bytes.subarray(1, 4).toString(), "PNG");
    assert.ok(bytes.length > 1_000, group);
  }
  const { bytes } = await saved(page, page.getByRole("group", { name: "Save the lines" }), "SVG");
  const drawn = await page.evaluate((svg) => new DOMParser().parseFromString(svg, "image/svg+xml").querySelectorAll("path").length, bytes.toString());
  assert.equal(drawn, Number(await page.locator(".lines").getAttribute("data-lines")));
  // Each of BART's matrices has its own.
  await reader.matrix("cross").getByText("Take it along").click();
  const cross = await saved(page, reader.matrix("cross").getByRole("group"), "JSON");
  assert.match(cross.name, /^cross-layer-\d-head-\d+\.json$/);
  assert.equal(JSON.parse(cross.bytes).queries.length, (await reader.shape("cross")).rows);
});
