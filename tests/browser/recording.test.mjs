// What the page shows before the models are there: recorded runs on the opening sentence.

import assert from "node:assert/strict";
import { test } from "node:test";

import { browse, serve } from "./harness.mjs";
import { UnmaskPage } from "./reader.mjs";

/** The page with its models held back until the returned function is called. */
async function held(context, url) {
  let release;
  const held = new Promise((resolve) => (release = resolve));
  await context.route("**/*.gguf*", async (route) => {
    await held;
    await route.continue();
  });
  const page = await context.newPage();
  await page.goto(url);
  return [new UnmaskPage(page), release];
}

test("BART's writing and its three matrices replay a recording while the model loads, and loading can be stopped and taken up", { timeout: 120_000 }, async () => {
  const { url } = await serve();
  await browse(url, { expected: [/aborted/i] }, async (context) => {
    const [reader, release] = await held(context, url);
    const { page } = reader;
    for (const name of ["encoder", "decoder", "cross"]) await reader.matrix(name).and(page.locator("[data-weights=recorded]")).waitFor();
    const trace = await page.evaluate(async () => (await fetch("traces/restore.json")).json());
    const words = trace.output.at(-1).text;
    assert.equal(await reader.bart.locator("output").innerText(), words);
    assert.deepEqual(await reader.bart.locator(".tokens .token").allInnerTexts(), trace.output.map((step) => step.token));
    const { decoder, cross } = trace.attention;
    const shape = async (name) => Object.values(await reader.shape(name)).slice(0, 2);
    assert.deepEqual(await shape("decoder"), [decoder.queryTokens.length, decoder.keyTokens.length]);
    assert.deepEqual(await shape("cross"), [cross.queryTokens.length, cross.keyTokens.length]);
    assert.equal((await reader.shape("decoder")).forbidden, (decoder.queryTokens.length * (decoder.queryTokens.length - 1)) / 2);
    // BERT's guesses are told too, and all its heads.
    const guesses = await page.evaluate(async () => (await (await fetch("traces/fill-mask.json")).json()).output[0].candidates.map(({ text }) => text));
    assert.deepEqual(await reader.bert.locator(".candidate").evaluateAll((cells) => cells.map((cell) => cell.firstChild.textContent)), guesses);
    await page.locator(".overview canvas").waitFor();
    assert.equal(await page.getByText("There is nothing to draw yet").isHidden(), true);
    assert.equal(await page.locator(".stages").isHidden(), true, "scores weren't recorded");
    // Other settings have no recording.
    await reader.choose(reader.bart, "4");
    await reader.matrix("cross").and(page.locator("[data-weights=false]")).waitFor();
    await reader.choose(reader.bart, "1");
    await reader.matrix("cross").and(page.locator("[data-weights=recorded]")).waitFor();

    await reader.bart.getByRole("button", { name: "Stop fetching BART" }).click();
    await reader.bart.getByRole("button", { name: /^Fetch BART \(26\.0 MB\)/ }).waitFor();
    assert.equal(await reader.bart.locator("progress").isHidden(), true);
    release();
    await reader.settled();
    await reader.matrix("cross").and(page.locator("[data-weights=recorded]")).waitFor();
    await reader.bart.getByRole("button", { name: /^Fetch BART/ }).click();
    await reader.ready();
    assert.equal(await reader.bart.locator("output").innerText(), words);
  });
});

test("BERT's matrix replays a recording while the model loads, says so, and gives way to the live run", { timeout: 120_000 }, async () => {
  const { url } = await serve();
  await browse(url, {}, async (context) => {
    const [reader, release] = await held(context, url);
    const { page } = reader;
    await reader.matrix("bert").and(page.locator("[data-weights=recorded]")).waitFor();
    const note = reader.masks.getByText("A recording of BERT on this very text");
    assert.ok(await note.isVisible());

    const trace = await page.evaluate(async () => (await fetch("traces/fill-mask.json")).json());
    const { queryTokens } = trace.attention.encoder;
    assert.equal((await reader.shape("bert")).rows, queryTokens.length);
    await reader.matrix("bert").locator("summary").first().click();
    const recorded = await reader.matrix("bert").locator("details li").allTextContents();
    assert.equal(recorded.length, queryTokens.length);
    assert.match(recorded[4], /\d%/);

    // Another text has no recording: the mask alone is left. The opening's own text brings it back.
    const opening = await reader.sentence.inputValue();
    await reader.sentence.fill("Nobody has recorded this.");
    await reader.matrix("bert").and(page.locator("[data-weights=false]")).waitFor();
    assert.equal(await note.isHidden(), true);
    await reader.sentence.fill(opening);
    await reader.matrix("bert").and(page.locator("[data-weights=recorded]")).waitFor();

    release();
    await reader.ready();
    assert.equal(await reader.matrix("bert").getAttribute("data-weights"), "true");
    assert.ok(await note.isHidden());
    // The recording told the truth: the live run says the same, but for the recording's rounding to 254 steps.
    const live = await reader.matrix("bert").locator("details li").allTextContents();
    const words = (row) => row.replace(/[\d.]+/g, "");
    assert.equal(words(live[4]), words(recorded[4]));
  });
});
