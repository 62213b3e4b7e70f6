// What the page shows before its models are there: recorded runs of them on the opening sentence.

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

const weights = (reader, name) => reader.matrix(name).getAttribute("data-weights");

test("matrices replay a recording while models load, say so, and give way to the live run", { timeout: 120_000 }, async () => {
  const { url } = await serve();
  await browse(url, {}, async (context) => {
    const [reader, release] = await held(context, url);
    const { page } = reader;
    for (const name of ["bert", "encoder", "decoder", "cross"]) await reader.matrix(name).and(page.locator("[data-weights=recorded]")).waitFor();
    assert.deepEqual(await reader.masks.getByText(/A recording of this model/).count(), 2);
    const notes = reader.masks.locator(".recording");
    assert.deepEqual(await notes.evaluateAll((all) => all.map((note) => note.hidden)), [false, false]);

    // The numbers are the trace's: the mask's row of the most telling head, read out in words.
    const [trace] = await page.evaluate(async () => [await (await fetch("traces/fill-mask.json")).json()]);
    const { queryTokens } = trace.attention.encoder;
    assert.equal((await reader.shape("bert")).rows, queryTokens.length);
    await reader.matrix("bert").locator("summary").click();
    const recorded = await reader.matrix("bert").locator("details li").allTextContents();
    assert.equal(recorded.length, queryTokens.length);
    assert.match(recorded[4], /\d%/);

    // Another text has no recording: the mask alone is left. The opening's own text brings it back.
    const opening = await reader.sentence.inputValue();
    await reader.sentence.fill("Nobody has recorded this.");
    await reader.matrix("bert").and(page.locator("[data-weights=false]")).waitFor();
    assert.equal(await notes.first().isHidden(), true);
    await reader.sentence.fill(opening);
    await reader.matrix("bert").and(page.locator("[data-weights=recorded]")).waitFor();

    release();
    await reader.ready();
    assert.equal(await weights(reader, "bert"), "true");
    assert.deepEqual(await notes.evaluateAll((all) => all.map((note) => note.hidden)), [true, true]);
    // The recording told the truth: the live run says the same, but for the recording's rounding to 254 steps.
    const live = await reader.matrix("bert").locator("details li").allTextContents();
    const words = (row) => row.replace(/[\d.]+/g, "");
    assert.equal(words(live[4]), words(recorded[4]));
  });
});
