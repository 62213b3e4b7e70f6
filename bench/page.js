// What drive.mjs asks of the page: load contestants, compare what they compute, and time them in turns.
//
// A contestant is { name, engine: "unmask" | "ort", threads, ... }; see CONTESTANTS in xtask/src/bench.rs.

import { OrtModel } from "./ort_model.js";
import { measurePeak } from "./peak.js";
import { UnmaskModel } from "./unmask_model.js";

const models = new Map();

/** Loads a contestant's model of a shape; resolves with the milliseconds that took. */
async function load(contestant, shape) {
  const started = performance.now();
  const kind = { unmask: UnmaskModel, ort: OrtModel }[contestant.engine];
  models.set(contestant.name, await kind.load(contestant, shape));
  return performance.now() - started;
}

/** The ids that Unmask's tokenizer gives `text`: all contestants compute the same tokens. */
async function tokenize(text) {
  const tokenizer = [...models.values()].find((model) => model instanceof UnmaskModel);
  return tokenizer.tokenize(text);
}

/** `length` tokens, special tokens included: the same ones for the same length and seed. */
function textOf(length, vocabulary, seed) {
  let state = seed;
  const words = Array.from({ length: length - 2 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return `w${10 + (state % (vocabulary - 10))}`;
  });
  return words.join(" ");
}

async function inputOf({ length, vocabulary }, seed = 1) {
  const text = textOf(length, vocabulary, seed);
  const ids = await tokenize(text);
  if (ids.length !== length) throw new Error(`the text has ${ids.length} tokens instead of ${length}`);
  return { text, ids };
}

/** Runs every contestant once and says how near each comes to the reference, which is one of them. */
async function agreement(workload, reference) {
  const input = await inputOf(workload);
  const run = (model, input) => (workload.newTokens ? model.generate(input, workload.newTokens) : model.encode(input));
  const expected = await run(models.get(reference), input);
  // All texts of random words are alike in most of their embedding: only what sets this one apart says anything.
  const other = workload.newTokens ? undefined : await run(models.get(reference), await inputOf(workload, 2));
  const agreements = {};
  for (const [name, model] of models) {
    const output = name === reference ? expected : await run(model, input);
    agreements[name] = workload.newTokens ? sameTokens(output, expected) : sameDirection(output, expected, other);
  }
  return agreements;
}

/** The cosine between two embeddings, each of length one, seen from another text's. */
function sameDirection(output, expected, other) {
  const [a, b, origin] = [output, expected, other].map(({ embedding }) => unit(embedding));
  const apart = (values) => unit(values.map((value, i) => value - origin[i]));
  return { cosine: dot(apart(a), apart(b)) };
}

function dot(a, b) {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}

function unit(values) {
  const length = Math.sqrt(dot(values, values));
  return values.map((value) => value / length);
}

/** How many tokens two generations share before they part, and how sure the reference was where they did. */
function sameTokens(output, expected) {
  const parted = output.tokens.findIndex((token, i) => token !== expected.tokens[i]);
  const distinct = new Set(output.tokens).size; // repeating one token would prove little
  if (parted < 0) return { same: output.tokens.length, of: expected.tokens.length, distinct };
  const logits = expected.logits[parted];
  return { same: parted, of: expected.tokens.length, distinct, gap: logits[expected.tokens[parted]] - logits[output.tokens[parted]] };
}

let input;

/** Gets ready for turns at a workload; resolves with the contestants' names. */
async function prepare(workload) {
  input = await inputOf(workload);
  return [...models.keys()];
}

/**
 * One turn of one contestant: `ms`, and for a generation also `first`, the milliseconds until its first token, and
 * `rest`, those for all others.
 */
async function turn(name, workload) {
  const model = models.get(name);
  const started = performance.now();
  if (!workload.newTokens) {
    await model.encode(input);
    return { ms: performance.now() - started };
  }
  let first;
  await model.generate(input, workload.newTokens, () => (first ??= performance.now()));
  const end = performance.now();
  return { ms: end - started, first: first - started, rest: end - first };
}

/** Encodes for some time, for a profiler to watch; resolves with the number of passes. */
async function keepBusy(name, workload, milliseconds) {
  await prepare(workload);
  const model = models.get(name);
  const started = performance.now();
  let passes = 0;
  for (; performance.now() - started < milliseconds; passes++) {
    await (workload.newTokens ? model.generate(input, workload.newTokens) : model.encode(input));
  }
  return { passes, ms: performance.now() - started };
}

/**
 * How often a contestant's first choice for a sentence's mask is PyTorch's, and how far its distribution is from
 * PyTorch's (Kullback-Leibler, in nats, the mean over sentences).
 */
async function fidelity(name, sentences, reference) {
  const model = models.get(name);
  const logits = new Float32Array(await (await fetch(reference)).arrayBuffer());
  const vocabulary = logits.length / sentences.length;
  let [same, divergence] = [0, 0];
  for (const [i, text] of sentences.entries()) {
    const expected = logits.subarray(i * vocabulary, (i + 1) * vocabulary);
    const found = await model.maskLogProbabilities({ text, ids: await tokenize(text) }, vocabulary);
    same += best(expected) === best(found);
    divergence += expected.reduce((sum, p, id) => sum + Math.exp(p) * (p - found[id]), 0);
  }
  return { same, of: sentences.length, divergence: divergence / sentences.length };
}

/** Bytes of a contestant's wasm memory, where it can say that itself. */
function memory(name) {
  return models.get(name).memory();
}

function best(values) {
  return values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
}

window.bench = { load, agreement, prepare, turn, measurePeak, keepBusy, fidelity, memory };
