// Every build of the engine computes what PyTorch does: the same goldens that the native tests hold to.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { readSafetensors, writeGguf } from "./gguf.mjs";
import { pageTest } from "./harness.mjs";

const ARTIFACTS = ["threads", "relaxed", "simd128"];

const goldens = new URL("../../crates/transformer/tests/goldens/", import.meta.url);
const read = (name) => readFileSync(new URL(name, goldens));
const readJson = (name) => JSON.parse(read(name));

/** A test for each artifact; `engine` is the address of a client that starts it. */
function artifactTest(name, body) {
  for (const artifact of ARTIFACTS) {
    pageTest(`${artifact}: ${name}`, { bare: true }, async ({ page, url }) => {
      const engine = `${url}unmask.js?engine=${artifact}`;
      await body({ page, engine, artifact });
    });
  }
}

/** The tiny random BART of the goldens, at F32. */
function goldenBart() {
  const metadata = {
    "general.architecture": "bart",
    "config.huggingface.json": read("bart/lm/config.json"),
    "generation_config.huggingface.json": read("bart/lm/generation_config.json"),
    "tokenizer.huggingface.json": read("bart/lm/tokenizer.json"),
  };
  return writeGguf(metadata, readSafetensors(read("bart/lm/model.safetensors"))).toString("base64");
}

const loadFile = async ([engine, file]) => {
  const { Unmask } = await import(engine);
  const bytes = Uint8Array.from(atob(file), (byte) => byte.charCodeAt(0));
  window.model = await Unmask.load(new File([bytes], "golden.gguf"));
};

artifactTest("attention of all three kinds is PyTorch's to 1e-4", async ({ page, engine }) => {
  await page.evaluate(loadFile, [engine, goldenBart()]);
  const [text] = readJson("bart/lm/golden.json").texts;
  const attentions = await page.evaluate(async (text) => {
    const attentions = await model.attention(text, { target: "the sea reads on" });
    const plain = ({ weights, scores }) => ({ weights: [...weights], scores: [...scores] });
    return Object.fromEntries(Object.entries(attentions).map(([part, maps]) => [part, plain(maps)]));
  }, text);
  const expected = new Map(readSafetensors(read("bart/lm/golden.safetensors")).map(({ name, values }) => [name, values]));
  for (const part of ["encoder", "decoder", "cross"]) {
    for (const what of ["weights", "scores"]) {
      const values = expected.get(`${part}_${what}`);
      assert.equal(attentions[part][what].length, values.length);
      attentions[part][what].forEach((value, i) => assert.ok(Math.abs(value - values[i]) < 1e-4, `${part} ${what} ${i}`));
    }
  }
});

artifactTest("greedy and beam search write PyTorch's tokens", async ({ page, engine }) => {
  await page.evaluate(loadFile, [engine, goldenBart()]);
  const { texts, cases } = readJson("bart/lm/golden.json");
  const names = {
    num_beams: "numBeams",
    max_new_tokens: "maxNewTokens",
    min_new_tokens: "minNewTokens",
    no_repeat_ngram_size: "noRepeatNgramSize",
    repetition_penalty: "repetitionPenalty",
    length_penalty: "lengthPenalty",
  };
  const expressible = cases.filter(({ options }) => Object.keys(options).every((name) => name in names));
  assert.ok(expressible.some(({ options }) => options.num_beams > 1) && expressible.length > 10);
  for (const { comment, options, outputs } of expressible) {
    const controls = Object.fromEntries(Object.entries(options).map(([name, value]) => [names[name], value]));
    const written = await page.evaluate(
      ([texts, controls]) => Promise.all(texts.map(async (text) => (await model.complete(text, controls)).tokens)),
      [texts, controls],
    );
    const ids = written.map((tokens) => tokens.map(({ id }) => id));
    assert.deepEqual(ids, outputs.map(({ ids }) => ids.slice(1)), comment);
  }
});

artifactTest("98 of 100 of the default BERT's first choices are those of PyTorch at full precision", async ({ page, engine, artifact }) => {
  const golden = readJson("default_bert.json");
  const { name, ids } = await page.evaluate(
    async ([engine, texts]) => {
      const { Unmask } = await import(engine);
      const bert = await Unmask.load("bert");
      const ids = [];
      for (const text of texts) ids.push((await bert.fillMask(text, { topK: 1 }))[0].candidates[0].id);
      return { name: bert.engine, ids };
    },
    [engine, golden.map(({ text }) => text)],
  );
  assert.equal(name, artifact);
  const agreeing = golden.filter(({ id }, i) => id === ids[i]).length;
  console.log(`${artifact}: ${agreeing} of ${golden.length} first choices agree`);
  assert.ok(agreeing >= 0.98 * golden.length);
});

artifactTest("what the default BERT's products lose of f32 activations is small", async ({ page, engine, artifact }) => {
  const golden = readJson("default_bert.json").slice(0, 50);
  const divergences = await page.evaluate(
    async ([engine, texts]) => {
      const { Unmask } = await import(engine);
      const logLikelihoods = (values) => {
        const logits = Array.from(values);
        const most = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
        const all = most + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0));
        return logits.map((logit) => logit - all);
      };
      // The same weights, decoded once and for all.
      const models = [await Unmask.load("bert", { requantize: "F32" }), await Unmask.load("bert")];
      const divergences = [];
      for (const text of texts) {
        const [exact, ours] = await Promise.all(models.map(async (model) => logLikelihoods((await model.logits(text)).values)));
        divergences.push(exact.reduce((sum, log, i) => sum + Math.exp(log) * (log - ours[i]), 0));
      }
      return divergences;
    },
    [engine, golden.map(({ text }) => text)],
  );
  const mean = divergences.reduce((sum, value) => sum + value, 0) / divergences.length;
  console.log(`${artifact}: KL of ${mean.toExponential(1)} nats from f32 activations`);
  assert.ok(divergences.every((value) => value > -1e-6));
  assert.ok(mean > 0 && mean < 4e-4, `${mean}`);
});

pageTest("a browser gets the fastest engine that it can run", { bare: true }, async ({ page, url }) => {
  const engine = await page.evaluate(async (client) => {
    const { Unmask } = await import(client);
    return (await Unmask.load("bart-g2p")).engine;
  }, `${url}unmask.js`);
  assert.equal(engine, "threads");
});

pageTest("several threads compute the very bits that one does", { bare: true }, async ({ page, url }) => {
  const [alone, together] = await page.evaluate(async (client) => {
    const { Unmask } = await import(`${client}?engine=threads&threads=1`);
    const { Unmask: Several } = await import(`${client}?engine=threads&threads=4`);
    const text = "The quick brown fox jumps over the lazy dog and runs into the dark wood. ".repeat(12);
    return Promise.all(
      [Unmask, Several].map(async (from) => {
        const bert = await from.load("bert");
        let embedding;
        // Helpers join when they are up: some of the rounds have them.
        for (let round = 0; round < 20; round++) [embedding] = await bert.embed([text]);
        const [mask] = await bert.fillMask("I want to [MASK] to the beach with you.");
        return { embedding: [...embedding], mask: mask.candidates };
      }),
    );
  }, `${url}unmask.js`);
  assert.equal(together.mask[0].text, "go");
  assert.deepEqual(together, alone);
});

pageTest("candle's own product can be chosen, and says nearly the same", { bare: true }, async ({ page, url }) => {
  const [ours, candles] = await page.evaluate(async (client) => {
    const choose = async (query) => {
      const { Unmask } = await import(`${client}?engine=simd128${query}`);
      const bert = await Unmask.load("bert");
      return (await bert.fillMask("Paris is the capital of [MASK]."))[0].candidates[0];
    };
    return [await choose(""), await choose("&matmul=candle")];
  }, `${url}unmask.js`);
  assert.equal(ours.id, candles.id);
  assert.notEqual(ours.probability, candles.probability, "or the same kernels have multiplied");
  assert.ok(Math.abs(ours.probability - candles.probability) < 0.02);
});
