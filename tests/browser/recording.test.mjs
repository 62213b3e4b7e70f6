// What the page shows before BERT is there: a recorded run on the opening sentence.

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
    await reader.matrix("bert").locator("summary").click();
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
