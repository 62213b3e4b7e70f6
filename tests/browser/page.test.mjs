// The page with the default models, as a reader uses it: typing, clicking words, walking the matrices by keyboard.

import assert from "node:assert/strict";

import { pageTest } from "./harness.mjs";
import { UnmaskPage, readerTest } from "./reader.mjs";

readerTest("BERT finds the hidden word, and another sentence gets other words", async (reader) => {
  const opening = await reader.candidates();
  assert.equal(opening.length, 5);
  assert.ok(opening.some(({ text }) => text === "go"), `${opening.map(({ text }) => text)}`);
  opening.reduce((before, { probability }) => (assert.ok(probability <= before && probability > 0), probability), 1);

  await reader.sentence.fill("She wrote a ___ and sent it to her mother.");
  await reader.bert.getByText("sent it to her mother").waitFor();
  const changed = await reader.candidates();
  assert.ok(changed.some(({ text }) => text === "letter"), `${changed.map(({ text }) => text)}`);
});

readerTest("a click hides a word and another brings it back", async (reader) => {
  await reader.page.getByRole("button", { name: "show “go” again" }).click();
  assert.equal(await reader.sentence.inputValue(), "I want to go to the beach with you.");
  await reader.bert.getByText("No word is hidden").waitFor();
  const strip = reader.page.getByRole("group", { name: "Words to hide" });
  await strip.getByRole("button", { name: "hide “want”" }).click();
  await strip.getByRole("button", { name: "hide “beach”" }).click();
  assert.equal(await reader.sentence.inputValue(), "I [MASK] to go to the [MASK] with you.");
  await reader.bert.getByRole("heading", { name: "Gap 2" }).waitFor();
  assert.equal(await reader.bert.locator(".candidates").count(), 2);
});

readerTest("what stands to the right of the gap counts only while BERT may look there", async (reader) => {
  const both = await reader.candidates();
  await reader.choose(reader.masks, "left only");
  await reader.bert.getByText("never trained to read like this").waitFor();
  await reader.matrix("bert").and(reader.page.locator("[data-forbidden]:not([data-forbidden='0'])")).waitFor();
  await reader.masks.getByText(/looking both ways, it was “/).waitFor();
  const left = await reader.candidates();
  assert.notDeepEqual(left, both);

  // Under a causal mask the end of the sentence cannot change the guess; under BERT's own it does.
  await reader.sentence.fill("I want to [MASK] the old house with them.");
  await reader.bert.locator(".completed").getByText("the old house").waitFor();
  assert.deepEqual(await reader.candidates(), left);
  await reader.choose(reader.masks, "both ways");
  await reader.bert.getByText("never trained").waitFor({ state: "detached" });
  assert.notDeepEqual(await reader.candidates(), both);
});

readerTest("a painted cell is forbidden at once, by mouse and by keyboard, and BERT's guess follows", async (reader) => {
  const { page } = reader;
  const before = await reader.candidates();
  await reader.masks.getByLabel("paint single cells").check();
  // Row 4 is [MASK]: take every other token out of its sight, the first by mouse, the others by keyboard.
  const box = await reader.canvas("bert").boundingBox();
  await reader.canvas("bert").focus();
  await page.keyboard.press("ArrowDown");
  for (let row = 0; row < 4; row++) await page.keyboard.press("ArrowDown");
  for (let column = 0; column < 12; column++) {
    if (column !== 4) await page.keyboard.press("Enter");
    await page.keyboard.press("ArrowRight");
  }
  await reader.matrix("bert").and(page.locator("[data-forbidden='11']")).waitFor();
  assert.match(await reader.masks.locator(".sight").innerText(), /11 painted cells. BERT was never trained/);
  await reader.settled();
  assert.notDeepEqual(await reader.candidates(), before);
  await reader.canvas("bert").click({ position: { x: box.width - 6, y: box.height - 6 } });
  await reader.matrix("bert").and(page.locator("[data-forbidden='12']")).waitFor();

  await reader.masks.getByRole("button", { name: "Wipe the paint off" }).click();
  await reader.matrix("bert").and(page.locator("[data-forbidden='0']")).waitFor();
  await reader.settled();
  assert.deepEqual(await reader.candidates(), before);
});

readerTest("prefix, window and padding masks have their shapes", async (reader) => {
  const forbidden = (count) => reader.matrix("bert").and(reader.page.locator(`[data-forbidden='${count}']`)).waitFor();
  await reader.choose(reader.masks, "left only");
  await forbidden((12 * 11) / 2);
  await reader.choose(reader.masks, "a prefix");
  await forbidden((12 * 11) / 2 - (4 * 3) / 2);
  await reader.choose(reader.masks, "a window");
  await forbidden(12 * 12 - (12 + 2 * 11 + 2 * 10));
  await reader.masks.getByLabel("tokens on each side").fill("1");
  await forbidden(12 * 12 - (12 + 2 * 11));
  await reader.choose(reader.masks, "both ways");
  await reader.masks.getByLabel("show padding").check();
  await forbidden(12 * 4);
  assert.equal((await reader.shape("bert")).columns, 16);
});

readerTest("a later token leaves the rows before it bit-identical only under a causal mask", async (reader) => {
  const rows = (proof) =>
    reader.page.locator(`[data-proof=${proof}] .changes li`).evaluateAll((items) => items.map((item) => item.className));
  await reader.masks.getByText(/No row stayed as it was: the change reaches all 12/).waitFor();
  assert.deepEqual(await rows("bert"), Array(12).fill("moved"));
  await reader.choose(reader.masks, "left only");
  // [CLS] i want to [MASK] to the beach with | you . [SEP]
  await reader.masks.getByText(/9 of 12 rows are bit-identical/).waitFor();
  assert.deepEqual(await rows("bert"), [...Array(9).fill("same"), ...Array(3).fill("moved")]);
  const decoder = await rows("decoder");
  assert.deepEqual([decoder.at(0), decoder.at(1), decoder.at(-1)], ["same", "same", "moved"]);
  await reader.page.locator("[data-proof=decoder]").getByLabel(/Instead of/).fill(
    (await reader.page.locator("[data-proof=decoder] label").innerText()).match(/“(.+)”/)[1],
  );
  await reader.page.locator("[data-proof=decoder]").getByText(/^All \d+ rows are bit-identical/).waitFor();
});

readerTest("a head is chosen among all of them, by keyboard and by mouse, and shown in its three stages", async (reader) => {
  const { page } = reader;
  const overview = page.locator(".overview");
  const at = () => overview.evaluate((figure) => [figure.dataset.layer, figure.dataset.head].map(Number));
  const canvas = overview.getByRole("application");
  const [layer, head] = await at();
  await canvas.focus();
  await page.keyboard.press("Home");
  assert.deepEqual(await at(), [layer, 1]);
  await page.keyboard.press("ArrowRight");
  assert.deepEqual(await at(), [layer, 2]);
  assert.match(await overview.locator(".reading").innerText(), /Layer \d, head 2\. \d+% of its weight goes to/);
  const { width, height } = await canvas.boundingBox();
  await canvas.click({ position: { x: width - 12, y: height - 12 } });
  assert.deepEqual(await at(), [6, 12]);
  assert.ok(layer >= 1 && head >= 1);

  await reader.choose(reader.masks, "left only");
  await reader.matrix("bert").and(page.locator("[data-forbidden='66']")).waitFor();
  const stages = page.locator(".stages").getByRole("application");
  assert.equal(await stages.count(), 3);
  await stages.nth(0).focus();
  for (const key of ["ArrowDown", "ArrowRight"]) await page.keyboard.press(key);
  const reading = page.locator("#stages-reading");
  assert.match(await reading.innerText(), /score −?\d+\.\d; forbidden by the mask, so 0%/);
  await page.keyboard.press("ArrowLeft");
  assert.match(await reading.innerText(), /“\[CLS\]” to “\[CLS\]”: score .+; allowed by the mask; after softmax 100%/);
});

readerTest("lines follow threshold, token and double click", async (reader) => {
  const { page } = reader;
  const lines = page.locator(".lines");
  const canvas = lines.getByRole("application");
  const count = async () => Number(await lines.getAttribute("data-lines"));
  const attention = page.getByRole("region", { name: "Every layer, every head" });
  await attention.getByRole("slider").fill("0");
  const all = await count();
  await attention.getByRole("slider").fill("40");
  assert.ok((await count()) < all);
  await attention.getByRole("slider").fill("0");
  await canvas.hover({ position: { x: 10, y: 10 } });
  assert.ok((await count()) <= 12 && (await count()) > 0);
  // Row 7 of 12 is "the"; the lines lie 21 pixels apart.
  await canvas.dblclick({ position: { x: 10, y: 6 * 21 + 10 } });
  assert.equal(await reader.sentence.inputValue(), "I want to [MASK] to [MASK] beach with you.");
  await reader.bert.getByRole("heading", { name: "Gap 2" }).waitFor();
});

readerTest("a text too long for a matrix is drawn as far as it goes, and one too long for BERT says what was left out", async (reader) => {
  await reader.sentence.fill(`A [MASK] ${"word ".repeat(700)}`);
  await reader.masks.getByText(/too long to draw. The matrix is of its first 160 words/).first().waitFor();
  await reader.bert.getByText(/left the last \d+ out/).waitFor();
  // Where it ends is shown in the text itself, with or without a hidden word.
  const strip = reader.page.getByRole("group", { name: "Words to hide" });
  await strip.getByText(/the matrix ends here, after 160 words/).waitFor();
  const unread = async () => {
    const [, count] = /stops reading here: (\d+) words/.exec(await strip.innerText());
    return Number(count);
  };
  const { kept, dropped, from } = await reader.page.evaluate(async (text) => {
    const { Unmask } = await import(document.getElementById("client").href);
    return (await (await Unmask.load("bert")).tokenize(text)).truncation;
  }, await reader.sentence.inputValue());
  assert.equal(kept + dropped, 702);
  assert.equal(await unread(), dropped);
  assert.ok((await reader.sentence.inputValue()).slice(from).startsWith("word"));
  await reader.sentence.fill("word ".repeat(700));
  await reader.page.getByText("No word is hidden.").waitFor();
  await reader.page.waitForFunction((count) => document.querySelector(".strip").textContent.includes(`here: ${count} words`), dropped - 2);
  await reader.sentence.fill(`A [MASK] ${"word ".repeat(170)}`);
  await strip.getByText(/stops reading here/).waitFor({ state: "detached" });
  await strip.getByText(/the matrix ends here/).waitFor();
  await reader.matrix("bert").and(reader.page.locator("[data-weights=true][data-rows='162']")).waitFor();
});

readerTest("another BART writes a word's sounds token by token", async (reader) => {
  const stage = (name) => reader.bart.locator(`[data-stage=${name}]`).waitFor();
  await reader.sentence.fill("He read the first chapter.");
  await reader.choose(reader.bart, "bart-g2p");
  await reader.bart.getByRole("button", { name: "first", exact: true }).click();
  await reader.bart.locator(".source").getByText("first").waitFor();
  await stage("Finished");
  assert.equal(await reader.bart.locator("output").innerText(), "fˈɝst");
  const tokens = await reader.bart.locator(".tokens .token").allInnerTexts();
  assert.deepEqual(tokens, [..."fˈɝst", "</s>"]);
  await reader.choose(reader.bart, "4");
  // Another beam leads when the search ends; this one has won.
  await reader.bart.locator("[data-stage=Finished] output").getByText("fˈɝst", { exact: true }).waitFor();
  assert.deepEqual(await reader.bart.locator(".tokens .token").allInnerTexts(), tokens);
  // Letters in, sounds out, each matrix as large as its sequences.
  const shape = async (name) => {
    const { rows, columns, forbidden } = await reader.shape(name);
    return [rows, columns, forbidden];
  };
  await reader.matrix("cross").and(reader.page.locator("[data-weights=true][data-rows='7'][data-columns='7']")).waitFor();
  assert.deepEqual([await shape("encoder"), await shape("decoder"), await shape("cross")], [[7, 7, 0], [7, 7, 21], [7, 7, 0]]);
});

readerTest("BART restores, shortens, and answers beside BERT", async (reader) => {
  const { page } = reader;
  const writes = (text) => reader.bart.locator("[data-stage=Finished] output").getByText(text, { exact: true }).waitFor();
  await writes("i want to go to the beach with you.");
  await page.getByRole("button", { name: "Out of order" }).click();
  await writes("mary was at school all day. then she went home.");
  await page.getByRole("button", { name: "A tool" }).click();
  await reader.choose(reader.bart, "summarize");
  await writes("check whether the links in a web page still work");
  assert.equal(await reader.bart.getByRole("radio", { name: "answer" }).count(), 0, "answering needs a question");
  const answering = page.getByRole("article", { name: "Question answering" });
  await answering.getByLabel("Question").fill("Where does photosynthesis take place?");
  await answering.getByLabel("Passage").fill("Photosynthesis is the process by which green plants make food. It takes place in the leaves, and it gives off oxygen.");
  await answering.locator(".own-words").getByText("leaves", { exact: true }).waitFor();
  assert.equal(await answering.locator("mark").innerText(), "in the leaves");
});

readerTest("matrices have a row and a column for every token, and the decoder's future is hatched", async (reader) => {
  // [CLS] i want to [MASK] to the beach with you . [SEP], and the task in the place of [CLS] for BART
  assert.deepEqual(await reader.shape("bert"), { rows: 12, columns: 12, forbidden: 0, row: undefined, column: undefined });
  const encoder = await reader.shape("encoder");
  assert.deepEqual([encoder.rows, encoder.columns, encoder.forbidden], [12, 12, 0]);
  const decoder = await reader.shape("decoder");
  assert.equal(decoder.rows, decoder.columns);
  assert.equal(decoder.forbidden, (decoder.rows * (decoder.rows - 1)) / 2);
  const cross = await reader.shape("cross");
  assert.deepEqual([cross.rows, cross.columns, cross.forbidden], [decoder.rows, 12, 0]);
});

readerTest("a matrix is walked and heard by keyboard alone", async (reader) => {
  const { page } = reader;
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  await reader.canvas("decoder").focus();
  await press("ArrowRight");
  const first = await reader.reading("decoder").innerText();
  assert.match(first, /^“(.+)” to “\1”: 100%\. .*out of its sight\.$/);
  assert.equal(await reader.reading("decoder").getAttribute("aria-live"), "polite");
  assert.equal(await reader.reading("cross").getAttribute("aria-live"), "off");

  await press("ArrowRight");
  assert.match(await reader.reading("decoder").innerText(), /may not look at/);
  await press("ArrowDown", "ArrowDown");
  assert.match(await reader.reading("decoder").innerText(), /attends most to “.+” \d/);
  await press("End");
  assert.match(await reader.reading("decoder").innerText(), /may not look at/);
  await press("Escape");
  assert.match(await reader.reading("decoder").innerText(), /^Causal/);
});

readerTest("pointing at a token marks it in every matrix where it occurs, and a click holds it", async (reader) => {
  const { page } = reader;
  await reader.canvas("cross").scrollIntoViewIfNeeded();
  const { width, height } = await reader.canvas("cross").boundingBox();
  await reader.canvas("cross").hover({ position: { x: width - 10, y: height - 10 } });
  const cross = await reader.shape("cross");
  const [lastRow, lastColumn] = [String(cross.rows - 1), String(cross.columns - 1)];
  assert.deepEqual([cross.row, cross.column], [lastRow, lastColumn]);
  const [encoder, decoder, bert] = await Promise.all(["encoder", "decoder", "bert"].map((name) => reader.shape(name)));
  assert.deepEqual([encoder.row, encoder.column], [lastColumn, lastColumn]);
  assert.deepEqual([decoder.row, decoder.column], [lastRow, lastRow]);
  assert.deepEqual([bert.row, bert.column], [undefined, undefined]);

  await page.mouse.move(0, 0);
  assert.equal((await reader.shape("cross")).row, undefined);
  await reader.canvas("cross").click({ position: { x: width - 10, y: height - 10 } });
  await page.mouse.move(0, 0);
  assert.equal((await reader.shape("decoder")).row, lastRow);
});

readerTest("layer, head and whole words change the picture", async (reader) => {
  const group = reader.page.locator(".group").filter({ has: reader.matrix("bert") });
  const seen = [await reader.picture("bert")];
  const isNew = async () => {
    const picture = await reader.picture("bert");
    assert.ok(!seen.includes(picture));
    seen.push(picture);
  };
  for (const name of ["Layer", "Head"]) {
    await group.getByRole("group", { name }).getByRole("radio", { checked: false }).first().check({ force: true });
    await isNew();
  }
  await reader.masks.getByLabel("leave out special tokens").check();
  await isNew();
  assert.equal((await reader.shape("bert")).rows, 10);
});

readerTest("the decoder's triangle grows with what has been written", async (reader) => {
  const whole = await reader.shape("decoder");
  const slider = reader.masks.getByRole("slider");
  await slider.fill("3");
  const corner = await reader.shape("decoder");
  assert.deepEqual([corner.rows, corner.columns, corner.forbidden], [3, 3, 3]);
  assert.equal((await reader.shape("cross")).rows, 3);
  // The same in every picture of the decoder, and in the list of what a change reaches.
  const { page } = reader;
  await page.locator("[data-proof=decoder] .changes li").first().waitFor();
  assert.equal(await page.locator("[data-proof=decoder] .changes li").count(), 3);
  const attention = page.getByRole("region", { name: "Every layer, every head" });
  await reader.choose(attention, "BART’s decoder");
  for (const stage of await page.locator(".stages").getByRole("application").all()) {
    assert.match(await stage.getAttribute("aria-label"), /3 rows, 3 columns/);
  }
  await attention.getByRole("slider").fill("0");
  assert.ok(Number(await page.locator(".lines").getAttribute("data-lines")) <= 6);
  // Thumbnails are drawn behind a frame of their own.
  const thumbnails = () => page.locator(".overview canvas").evaluate(async (canvas) => {
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(() => setTimeout(resolve))));
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.reduce((sum, value, i) => sum + (i % 4 === 3 && value > 0 ? 1 : 0), 0);
  });
  const few = await thumbnails();
  await slider.fill(String(whole.rows));
  assert.ok((await thumbnails()) > few * 2, "each thumbnail has grown");
  assert.equal(await page.locator("[data-proof=decoder] .changes li").count(), whole.rows);
  assert.deepEqual(await reader.shape("decoder"), whole);
});

readerTest("BERT tells whether a sentence follows", async (reader) => {
  const panel = reader.page.getByRole("article", { name: "Next sentence" });
  // One question at a time: an answer that is still on its way would be taken for the next one's.
  const answerTo = async (label, text) => {
    const before = await panel.locator(".verdict").getAttribute("data-probability");
    await panel.getByLabel(label).fill(text);
    await panel.locator(`.verdict:not([data-probability="${before}"])`).waitFor();
    return Number(await panel.locator(".verdict").getAttribute("data-probability"));
  };
  await answerTo("First", "The castle was built by the king in the twelfth century.");
  const follows = await answerTo("Second", "It was destroyed in the war and rebuilt by his son.");
  const strays = await answerTo("Second", "The protein is found in the cells of the liver.");
  assert.ok(follows > strays, `${follows} > ${strays}`);
});

pageTest(
  "a model that cannot be fetched is an error in words, with a way to try again, and the text stays",
  { bare: true, expected: [/bert\.gguf/, /404/] },
  async ({ page, url }) => {
    const reader = new UnmaskPage(page);
    await page.route("**/bert.gguf", (route) => route.fulfill({ status: 404, body: "" }));
    await page.goto(url);
    const alert = reader.bert.getByRole("alert");
    await alert.waitFor();
    assert.ok((await alert.innerText()).length > 40, await alert.innerText());
    await reader.sentence.fill("My own [MASK] is kept.");
    await reader.matrix("bert").and(page.locator("[data-rows='7']")).waitFor();

    await page.unroute("**/bert.gguf");
    await alert.getByRole("button", { name: "Try again" }).click();
    await reader.settled();
    assert.equal(await reader.sentence.inputValue(), "My own [MASK] is kept.");
  },
);

readerTest("nothing is wider than a small phone", { viewport: { width: 360, height: 640 } }, async ({ page }) => {
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.equal(excess, 0);
});
