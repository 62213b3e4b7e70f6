// Checkpoints from the hub, from another address and from the disk: described, quantized in the page, kept, and run.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { filesIn } from "./hub.mjs";
import { fixture, filesInPage, importTest, packed } from "./import_page.mjs";

/** Every architecture, in every form of weights. */
const FIXTURES = [
  "bert", "bert-sharded", "bert-bin", "bert-bin-sharded", "bert-old", "minilm", "distilbert", "bart", "bart-classifier",
];

importTest("every fixture from the hub becomes the very file that unmask-pack makes", async ({ page, hub }) => {
  for (const name of FIXTURES) {
    const files = await filesIn(fixture(name));
    const sha = hub.add(`tests/${name}`, files);
    for (const quantization of ["Q8_0", "Q4_0"]) {
      const { stored, digest } = await page.evaluate(
        async ([source, quantization]) => {
          const stored = await Unmask.import(source, { quantization });
          return { stored, digest: await sha256(await Unmask.export(stored.id)) };
        },
        [`hub:tests/${name}`, quantization],
      );
      const options = ["--source", `${hub.hub}/tests/${name}`, "--revision", sha];
      assert.equal(digest, await packed(files, name, quantization, options), `${name} at ${quantization}`);
      assert.equal(stored.quantization, quantization);
      assert.equal(stored.origin, "hub");
      assert.equal(stored.source, `hub:tests/${name}`);
      assert.equal(stored.revision, sha);
      assert.ok(stored.importerMemory < 64e6, `${stored.importerMemory} bytes of memory`);
    }
  }
});

importTest("a folder's address and files from the disk become the same model", async ({ page, hub }) => {
  const files = await filesIn(fixture("bert-bin-sharded"));
  hub.add("bert-bin-sharded", files);
  const folder = `${hub.storage}/folder/bert-bin-sharded`;
  const digest = (source) =>
    page.evaluate(async (source) => {
      const { id } = await Unmask.import(source, { quantization: "F16" });
      return sha256(await Unmask.export(id));
    }, source);
  const expected = await packed(files, "bert-bin-sharded", "F16", ["--source", `${folder}/`]);
  assert.equal(await digest(folder), expected);
  const chosen = await filesInPage(page, files, "bert-bin-sharded");
  assert.equal(await digest(chosen), await packed(files, "bert-bin-sharded", "F16"));
});

importTest("a revision, a page's address and a hub that tells no lengths lead to the same model", async ({ page, hub }) => {
  const files = await filesIn(fixture("bert-sharded"));
  const sha = hub.add("tests/bert-sharded", files, { revisions: ["v1.0"] });
  const plain = hub.add("plain/bert-sharded", files, { namesOnly: true });
  const digest = (source) =>
    page.evaluate(async (source) => {
      const { id } = await Unmask.import(source);
      return sha256(await Unmask.export(id));
    }, source);
  const options = (name, sha) => ["--source", `${hub.hub}/${name}`, "--revision", sha];
  const expected = await packed(files, "bert-sharded", "Q8_0", options("tests/bert-sharded", sha));
  assert.equal(await digest("hub:tests/bert-sharded@v1.0"), expected);
  assert.equal(await digest(`${hub.hub}/tests/bert-sharded/tree/main`), expected);
  const other = await packed(files, "bert-sharded", "Q8_0", options("plain/bert-sharded", plain));
  assert.equal(await digest("hub:plain/bert-sharded"), other);
});

importTest("an imported model fills gaps, survives a reload, and is not fetched again", async ({ page, hub, reopen }) => {
  hub.add("tests/bert", await filesIn(fixture("bert")));
  const ask = (page) =>
    page.evaluate(async () => {
      const model = await Unmask.load("hub:tests/bert", { quantization: "Q4_0", onProgress: tell });
      const [mask] = await model.fillMask("a [MASK] b", { topK: 3 });
      return { info: model.info, texts: mask.candidates.map(({ id }) => id), phases: [...new Set(told.map(({ phase }) => phase))] };
    });
  const first = await ask(page);
  assert.equal(first.info.quantization, "Q4_0");
  assert.equal(first.texts.length, 3);
  assert.deepEqual(first.phases, ["download", "verify", "cache"]);
  await page.close();
  hub.requests.length = 0;
  const again = await ask(await reopen());
  assert.deepEqual(again.texts, first.texts);
  assert.deepEqual(again.phases, ["cache"]);
  assert.deepEqual(hub.requests, [], "nothing was asked of the hub");
});

importTest("a source is described from its headers, with a choice of sizes", async ({ page, hub }) => {
  const files = await filesIn(fixture("bart-classifier"));
  hub.add("tests/bart-classifier", { ...files, "README.md": Buffer.from("---\nlicense: mit\n---\n# A model\n") });
  const description = await page.evaluate(() => Unmask.describe("hub:tests/bart-classifier"));
  assert.equal(description.name, "bart-classifier");
  assert.equal(description.architecture, "bart");
  assert.equal(description.modelType, "bart");
  assert.equal(description.license, "mit");
  assert.deepEqual(description.heads.map(({ kind, labels }) => [kind, labels]), [
    ["sequence-classification", ["contradiction", "neutral", "entailment"]],
  ]);
  const weights = description.files.find(({ name }) => name === "model.safetensors");
  assert.equal(weights.bytes, files["model.safetensors"].length);
  assert.equal(description.download, description.files.reduce((sum, { bytes }) => sum + bytes, 0));
  const sizes = description.choices.map(({ bytes }) => bytes);
  assert.deepEqual(description.choices.map(({ quantization }) => quantization), ["F32", "F16", "Q8_0", "Q4_0"]);
  assert.deepEqual(sizes, sizes.toSorted((a, b) => b - a));
  assert.ok(description.choices.every(({ fits, stored, memory, bytes }) => fits && !stored && memory > bytes));
  assert.deepEqual(description.stored, []);

  const { stored, described } = await page.evaluate(async () => {
    const stored = await Unmask.import("hub:tests/bart-classifier", { quantization: "F16" });
    return { stored, described: await Unmask.describe("hub:tests/bart-classifier") };
  });
  const choice = described.choices.find(({ quantization }) => quantization === "F16");
  assert.equal(choice.stored, true);
  assert.equal(choice.bytes, stored.bytes);
  assert.equal(described.parameters, stored.parameters);
  assert.deepEqual(described.stored.map(({ id }) => id), [stored.id]);
});

importTest("what is stored is listed, exported, loaded from the file, and removed", async ({ page, hub }) => {
  hub.add("tests/distilbert", await filesIn(fixture("distilbert")));
  const { stored, library, exported, loaded, removed, after } = await page.evaluate(async () => {
    const stored = await Unmask.import("hub:tests/distilbert");
    const library = await Unmask.stored();
    const file = await Unmask.export(stored.id);
    const loaded = await Unmask.load(file);
    const kept = await Unmask.import(file);
    const removed = [await Unmask.remove(stored.id), await Unmask.remove(stored.id)];
    const after = await Unmask.stored();
    const info = loaded.info;
    return { stored, library, exported: [file.name, file.size], loaded: info, kept, removed, after };
  });
  const { importerMemory, ...model } = stored;
  assert.ok(importerMemory > 0);
  assert.deepEqual(library.models, [model]);
  assert.deepEqual(library.partial, []);
  assert.ok(library.usage >= model.bytes && library.quota > library.usage);
  assert.equal(exported[1], model.bytes);
  assert.match(exported[0], /\.gguf$/);
  assert.equal(loaded.bytes, model.bytes);
  assert.deepEqual(removed, [true, false]);
  assert.deepEqual(after.models.map(({ origin, name }) => [origin, name]), [["file", "distilbert"]]);
});

importTest("a .gguf file from an address is described, kept and loaded", async ({ page, hub }) => {
  hub.add("tests/bart", await filesIn(fixture("bart")));
  const exported = await page.evaluate(async () => {
    const { id } = await Unmask.import("hub:tests/bart", { quantization: "Q8_0" });
    const bytes = new Uint8Array(await (await Unmask.export(id)).arrayBuffer());
    await Unmask.remove(id);
    return Array.from(bytes);
  });
  hub.add("gguf", { "model.gguf": Buffer.from(exported) });
  const source = `${hub.storage}/folder/gguf/model.gguf`;
  const { description, stored, text } = await page.evaluate(async (source) => {
    const description = await Unmask.describe(source);
    const stored = await Unmask.import(source);
    const model = await Unmask.load(`stored:${stored.id}`);
    return { description, stored, text: (await model.complete("abc")).text };
  }, source);
  assert.deepEqual(description.choices.map(({ quantization, bytes }) => [quantization, bytes]), [["Q8_0", exported.length]]);
  assert.equal(stored.origin, "url");
  assert.equal(stored.bytes, exported.length);
  assert.equal(typeof text, "string");
});

importTest("the importer goes when nobody asks, and its memory with it", async ({ page, hub }) => {
  hub.add("tests/minilm", await filesIn(fixture("minilm")));
  const ended = new Promise((resolve) => page.on("worker", (worker) => worker.url().includes("importer") && worker.on("close", resolve)));
  await page.evaluate(() => Unmask.import("hub:tests/minilm"));
  await ended;
  assert.deepEqual(page.workers(), []);
  assert.equal(await page.evaluate(async () => (await Unmask.stored()).models.length), 1);
});

// A real letter-to-sound BART that others trained; it lies beside the repository, where it does.
const PRONOUNCER = fileURLToPath(new URL("../../../shared/fixtures/bart-g2p-us", import.meta.url));

if (existsSync(PRONOUNCER)) {
  importTest("a BART that others trained is imported and speaks as in PyTorch", async ({ page, hub }) => {
    hub.add("tests/bart-g2p-us", await filesIn(PRONOUNCER));
    const words = JSON.parse(readFileSync(`${PRONOUNCER}/golden.json`, "utf8"));
    assert.ok(words.length > 4);
    const spoken = await page.evaluate(async (words) => {
      const { id } = await Unmask.import("hub:tests/bart-g2p-us", { quantization: "F32" });
      const bart = await Unmask.load(`stored:${id}`);
      const spoken = [];
      for (const word of words) spoken.push((await bart.complete(word)).text);
      return spoken;
    }, words.map(({ word }) => word));
    assert.deepEqual(spoken, words.map(({ phonemes }) => phonemes));
  });
}
