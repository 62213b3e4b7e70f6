// The reader's own checkpoints on the page: opened in three ways, looked at, brought in, used, found again, deleted.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";

import { TIMEOUT_MS, browse, serve } from "./harness.mjs";
import { filesIn, startHub } from "./hub.mjs";
import { fixture } from "./import_page.mjs";
import { UnmaskPage } from "./reader.mjs";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const OWN = "I want to [MASK] to the beach with you.";

/** The page's library, as a reader sees it. */
class Library {
  constructor(page) {
    this.page = page;
    this.region = page.getByRole("region", { name: "Your own BERT, your own BART" });
    this.field = this.region.getByRole("textbox", { name: /^A checkpoint on the hub/ });
    this.card = this.region.locator(".card");
    this.kept = this.region.locator(".kept");
  }

  stage(...stages) {
    const wanted = stages.map((stage) => `.library[data-stage=${stage}]`).join(", ");
    return this.page.locator(wanted).waitFor({ state: "attached" });
  }

  button(name) {
    return this.region.getByRole("button", { name });
  }

  /** Looks at a source and waits for what it is. */
  async look(source) {
    await this.field.fill(source);
    await this.field.press("Enter");
    await this.stage("described");
  }

  async bring(quantization) {
    if (quantization) await this.card.getByRole("radio", { name: new RegExp(`^${quantization}`) }).check();
    await this.button(/^Read .*, keep /).click();
    await this.stage("done");
  }

  /** What the reader has brought: ids and words. */
  models() {
    const brought = this.kept.locator("li[data-stored]:not([data-origin=catalogue])");
    return brought.evaluateAll((items) => items.map((item) => [item.dataset.stored, item.innerText]));
  }
}

/** A test on the page, with a hub of its own that the page takes for the hub. */
function libraryTest(name, options, body = options) {
  const { ready = true, expected = [], ...contextOptions } = typeof options === "function" ? {} : options;
  test(name, { timeout: 2 * TIMEOUT_MS }, async () => {
    const hub = await startHub();
    try {
      const { url } = await serve();
      await browse([url, hub.hub, hub.storage], { expected, ...contextOptions }, async (context) => {
        // The hub is read from the module's own address alone, which the page's HTML gives.
        await context.route(url, async (route) => {
          const response = await route.fetch();
          const html = await response.text();
          await route.fulfill({ response, body: html.replaceAll(/unmask\.js\?([^"]*)"/g, `unmask.js?$1&hub=${hub.hub}"`).replaceAll('unmask.js"', `unmask.js?hub=${hub.hub}"`) });
        });
        const page = await context.newPage();
        await page.goto(url);
        const reader = new UnmaskPage(page);
        if (ready) await reader.ready();
        await body({ page, context, url, hub, reader, library: new Library(page) });
      });
    } finally {
      await hub.stop();
    }
  });
}

/** What a model that is kept makes of the page's sentence, through the engine's public door. */
const guesses = (page, id, text) =>
  page.evaluate(
    async ([id, text]) => {
      const { Unmask } = await import(document.getElementById("client").href);
      const [mask] = await (await Unmask.load(`stored:${id}`)).fillMask(text, { topK: 5 });
      return mask.candidates.map(({ text, probability }) => [text.trim(), probability]);
    },
    [id, text],
  );

libraryTest("a folder's address is looked at, brought in, used, found again after a reload, and deleted", async ({ page, hub, reader, library }) => {
  hub.add("own-bert", await filesIn(fixture("bert")));
  const before = await reader.candidates();
  await library.look(`${hub.storage}/folder/own-bert/`);
  assert.match(await library.card.innerText(), /a BERT, which reads/);
  assert.match(await library.card.innerText(), /fill gaps/);
  const choices = await library.card.getByRole("radio").evaluateAll((radios) => radios.map(({ value, checked }) => [value, checked]));
  assert.deepEqual(choices.map(([value]) => value).sort(), ["F16", "F32", "Q4_0", "Q8_0"]);
  assert.deepEqual(choices.filter(([, checked]) => checked).map(([value]) => value), ["Q8_0"]);
  const fetched = hub.requests.filter(({ path }) => path.endsWith("safetensors")).reduce((sum, { from, to }) => sum + ((to ?? 1e9) - from), 0);
  assert.ok(fetched < 60_000, `only the header was asked for, not ${fetched} bytes`);

  await library.bring("F16");
  const [[id, words]] = await library.models();
  assert.match(words, /own-bert F16/);
  await library.button("Use it").first().click();
  const same = async () => {
    await page.waitForFunction((title) => document.querySelector("#bert .facts")?.textContent.includes(title), "F16");
    await reader.settled();
    const expected = await guesses(page, id, OWN);
    const found = await reader.candidates();
    assert.deepEqual(found.map(({ text }) => text), expected.map(([text]) => text));
    found.forEach(({ probability }, i) => assert.ok(Math.abs(probability - expected[i][1]) < 1e-6));
    assert.notDeepEqual(found, before, "it is another model");
    assert.equal(await reader.sentence.inputValue(), OWN, "the reader's sentence stays");
  };
  await same();
  await page.waitForFunction(() => location.hash.includes("reader=stored"));

  hub.requests.length = 0;
  await page.reload();
  await same();
  assert.deepEqual(hub.requests, [], "nothing is fetched again");

  await library.region.scrollIntoViewIfNeeded();
  const item = library.kept.locator(`li[data-stored="${id}"]`);
  await item.getByRole("button", { name: "Delete" }).click();
  await item.getByRole("button", { name: "No, keep it" }).click();
  assert.equal(await item.count(), 1);
  await item.getByRole("button", { name: "Delete" }).click();
  await item.getByRole("button", { name: /^Yes, free/ }).click();
  await item.waitFor({ state: "detached" });
  // The page's own model takes its place again.
  await page.waitForFunction((first) => document.querySelector("#bert .candidate")?.textContent.trim().startsWith(first), before[0].text);
});

libraryTest("files from the disk become the page's BART, which writes what the engine says", async ({ page, reader, library }) => {
  const names = Object.keys(await filesIn(fixture("bart")));
  await library.region.getByLabel(/^Or files from this machine/).setInputFiles(names.map((name) => join(fixture("bart"), name)));
  await library.stage("described");
  assert.match(await library.card.innerText(), /a BART, which writes/);
  await library.bring("F32");
  const [[id]] = await library.models();
  await library.button("Use it").first().click();
  await page.waitForFunction(() => document.querySelector("#bart .facts")?.textContent.includes("F32"));
  await page.waitForFunction(() => document.querySelector("#bart .written")?.dataset.stage === "Finished");
  const expected = await page.evaluate(
    async ([id, text]) => {
      const { Unmask } = await import(document.getElementById("client").href);
      return (await (await Unmask.load(`stored:${id}`)).complete(text)).text;
    },
    [id, OWN],
  );
  assert.equal((await reader.bart.locator(".written output").innerText()).trim(), expected.trim());
  assert.equal(await reader.sentence.inputValue(), OWN);
  // The way back is a choice beside it.
  await reader.choose(reader.bart.getByRole("group", { name: "Model" }), "bart");
  await page.waitForFunction(() => document.querySelector("#bart .facts")?.textContent.includes("Q8_0"));
});

libraryTest("an import is paused, gone on with, and cancelled without a trace", { ready: false }, async ({ page, hub, library }) => {
  hub.add("tests/bert", await filesIn(fixture("bert")));
  let release;
  const hold = () => {
    const until = new Promise((resolve) => (release = resolve));
    hub.fault = ({ file, to, ranged }) => (file === "model.safetensors" && !(ranged && to < 20_000) ? { hold: 30_000, until } : {});
  };
  await library.look("tests/bert");
  hold();
  await library.button(/^Read/).click();
  await library.stage("running");
  await page.waitForFunction(() => document.querySelector(".library progress").value > 0 || document.querySelector(".library .loading .note").textContent.length > 0);
  await library.button("Pause").click();
  await library.stage("paused");
  release();
  await library.card.getByText("Stopped. What has come is kept").waitFor();
  hub.fault = undefined;
  await library.card.getByRole("button", { name: "Go on" }).click();
  await library.stage("done");
  assert.equal(await library.kept.locator("li[data-partial]").count(), 0);
  assert.equal((await library.models()).length, 1);

  await library.look("tests/bert");
  await library.card.getByRole("radio", { name: /^F32/ }).check();
  hold();
  await library.button(/^Read/).click();
  await library.stage("running");
  await library.button("Cancel").click();
  release();
  await library.stage("described");
  await page.waitForFunction(() => document.querySelectorAll(".kept li[data-partial]").length === 0);
  hub.fault = undefined;
  const kept = await page.evaluate(async () => {
    const { Unmask } = await import(document.getElementById("client").href);
    const { models, partial } = await Unmask.stored();
    const brought = ({ source }) => source.startsWith("hub:");
    return { models: models.filter(brought).map(({ quantization }) => quantization), partial: partial.filter(brought) };
  });
  assert.deepEqual(kept, { models: ["Q8_0"], partial: [] });
});

libraryTest("what goes wrong has its kind, a sentence and a next step, and nothing is lost", { ready: false, expected: [/401/, /404/] }, async ({ page, hub, library }) => {
  hub.add("tests/gated", await filesIn(fixture("bert")), { gated: "auto" });
  const folder = `${hub.storage}/folder/nothing/`;
  for (const [source, typed, code, about] of [
    ["hub:tests/nowhere", "tests/nowhere", "input", "tests/nowhere"],
    ["hub:tests/gated", "tests/gated", "network", "Accept them at"],
    [folder, folder, "input", "config.json"],
  ]) {
    await library.field.fill(typed);
    await library.button("Look at it").click();
    const error = library.region.locator(".error").filter({ hasText: about });
    await error.waitFor();
    assert.equal(await error.getAttribute("data-code"), code);
    const words = await error.locator("p").innerText();
    assert.ok(words.split(/[.:] /).length >= 2, `a sentence and the next step: ${words}`);
    assert.equal(await library.field.inputValue(), source);
  }
  await page.getByRole("textbox", { name: "Your sentence" }).waitFor();
  assert.equal(await page.getByRole("textbox", { name: "Your sentence" }).inputValue(), OWN);
  hub.add("tests/nowhere", await filesIn(fixture("bert")));
  await library.look("tests/nowhere");
  assert.equal(await library.region.locator(".error").count(), 0);
});

libraryTest("the shelf says where the hub says otherwise, and says what it needs", { ready: false }, async ({ hub, library }) => {
  hub.add("google-bert/bert-base-uncased", { ...(await filesIn(fixture("bert"))), "README.md": Buffer.from("---\nlicense: mit\n---\n") });
  await library.region.getByText(/needs the network/).click();
  const rows = await library.region.locator(".known tbody tr").count();
  assert.ok(rows >= 8, `${rows} checkpoints`);
  await library.button("google-bert/bert-base-uncased").click();
  await library.stage("described");
  const words = await library.card.locator("[data-contradiction]").innerText();
  assert.match(words, /440 MB, now 0 MB; licence apache-2.0, now mit/);
});

for (const [name, screen] of Object.entries({ "by day": { viewport: { width: 360, height: 740 } }, "in the dark": { colorScheme: "dark" } })) {
  libraryTest(`the library is walked by keyboard alone, and axe finds nothing amiss ${name}`, { ready: false, bypassCSP: true, ...screen }, async ({ page, hub, library }) => {
    hub.add("tests/bert", await filesIn(fixture("bert")));
    await library.field.focus();
    await page.keyboard.type("tests/bert");
    await page.keyboard.press("Enter");
    await library.stage("described");
    const focused = () => page.evaluate(() => document.activeElement.innerText || document.activeElement.value || document.activeElement.type);
    const tabTo = async (pattern) => {
      for (let step = 0; step < 25; step++) {
        if (pattern.test(await focused())) return;
        await page.keyboard.press("Tab");
      }
      assert.fail(`Tab does not lead to ${pattern}`);
    };
    await tabTo(/^Q8_0$/);
    await page.keyboard.press("ArrowDown");
    await tabTo(/^Read .*keep/);
    await page.keyboard.press("Enter");
    await library.stage("done");
    await tabTo(/^Use it$/);
    assert.equal((await library.models()).length, 1);
    await library.region.locator("summary").click();
    await page.addScriptTag({ path: AXE });
    const { violations } = await page.evaluate(() => globalThis.axe.run("#library"));
    assert.deepEqual(violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ target }) => target).join("; ")}`), []);
  });
}
