// Large checkpoints go through little memory: what the importer needs does not grow with the model.

import assert from "node:assert/strict";

import { importTest } from "./import_page.mjs";
import { syntheticBart, syntheticBert } from "./synthetic.mjs";

/** The memory of the engine's wasm, in bytes. */
const engineMemory = (page) =>
  page
    .workers()
    .find((worker) => !worker.url().includes("importer"))
    .evaluate(async () => {
      const glue = performance.getEntriesByType("resource").find(({ name }) => name.endsWith("unmask_worker.js"));
      const { default: init } = await import(glue.name);
      return (await init()).memory.buffer.byteLength;
    });

importTest("BERT-base comes in at less than 300 MB and runs in less than 1 GB", { profile: true }, async ({ page, hub }) => {
  hub.add("shapes/bert-base", syntheticBert({ hidden: 768, layers: 12, heads: 12, words: 30_522 }));
  const { stored, choice, candidates } = await page.evaluate(async () => {
    const { choices } = await Unmask.describe("hub:shapes/bert-base");
    const stored = await Unmask.import("hub:shapes/bert-base", { quantization: "Q8_0" });
    const model = await Unmask.load(`stored:${stored.id}`);
    const [mask] = await model.fillMask("a [MASK] b", { topK: 3 });
    return { stored, choice: choices.find(({ quantization }) => quantization === "Q8_0"), candidates: mask.candidates.length };
  });
  assert.ok(stored.parameters > 109e6);
  assert.equal(candidates, 3);
  assert.equal(choice.bytes, stored.bytes);
  const memory = await engineMemory(page);
  console.log(`importer ${stored.importerMemory}, engine ${memory}, file ${stored.bytes}, promised ${choice.memory}`);
  assert.ok(stored.importerMemory < 300e6, `${stored.importerMemory} bytes in the importer`);
  assert.ok(memory < 1e9, `${memory} bytes in the engine`);
  assert.ok(memory < 1.1 * choice.memory, `${memory} bytes in the engine, of ${choice.memory} that were promised`);
});

// All twelve layers of both halves take a minute and more: UNMASK_FULL_SHAPES=1 asks for them.
const LAYERS = process.env.UNMASK_FULL_SHAPES ? 12 : 1;

importTest(`BART-large's shapes in ${LAYERS} + ${LAYERS} layers come in at less than 300 MB and write`, { profile: true }, async ({ page, hub }) => {
  hub.add("shapes/bart-large", syntheticBart({ hidden: 1024, layers: LAYERS, heads: 16, words: 50_265 }));
  const { stored, text } = await page.evaluate(async () => {
    const stored = await Unmask.import("hub:shapes/bart-large", { quantization: "Q4_0" });
    const model = await Unmask.load(`stored:${stored.id}`);
    const { text } = await model.complete("a b", { maxNewTokens: 3 });
    return { stored, text };
  });
  assert.equal(typeof text, "string");
  assert.ok(stored.importerMemory < 300e6, `${stored.importerMemory} bytes in the importer`);
  assert.ok((await engineMemory(page)) < 3.8e9);
});
