// unmask.js with the default models: every method, and what it promises of its answers.

import assert from "node:assert/strict";

import { clientTest, openClient } from "./client_page.mjs";
import { tinyBert } from "./tiny_bert.mjs";

const sum = (values) => Array.from(values).reduce((total, value) => total + value, 0);

const near = (actual, expected, tolerance) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not within ${tolerance} of ${expected}`);

function isSortedDown(probabilities) {
  probabilities.reduce((before, now) => (assert.ok(now <= before, `${now} after ${before}`), now), 1);
}

clientTest("a model says what it is, and its bytes are counted as they come", async ({ page }) => {
  const { info, told } = await page.evaluate(async () => {
    const told = [];
    const model = await Unmask.load("bert", { onProgress: (progress) => told.push(progress) });
    return { info: model.info, told };
  });
  assert.equal(info.architecture, "bert");
  assert.match(info.quantization, /^(Q8_0|Q4_0|F16|F32)$/);
  assert.ok(info.parameters > 1e6 && info.layers > 0 && info.hiddenSize % info.attentionHeads === 0);
  assert.equal(info.maskToken, "[MASK]");
  const kinds = info.heads.map((head) => head.kind);
  assert.ok(kinds.includes("masked-lm") && kinds.includes("next-sentence"), `${kinds}`);
  assert.ok(told.length > 10 && told.length < 250, `told ${told.length} times`);
  for (const [i, { phase, loaded, total }] of told.entries()) {
    assert.equal(phase, "download");
    assert.equal(total, info.bytes);
    assert.ok(loaded > (told[i - 1]?.loaded ?? 0));
  }
  assert.equal(told.at(-1).loaded, info.bytes);
});

clientTest("a second visit reads the kept copy", async ({ page, url }) => {
  const phases = () =>
    page.evaluate(async () => {
      const phases = new Set();
      await Unmask.load("bart-g2p", { onProgress: ({ phase }) => phases.add(phase) });
      return [...phases];
    });
  assert.deepEqual(await phases(), ["download"]);
  await page.reload();
  await openClient(page, url);
  assert.deepEqual(await phases(), ["cache"]);
});

clientTest("tokens say where they are in the reader's text", async ({ page }) => {
  const text = "Zoë 😀 paints two cafés";
  const tokens = await page.evaluate(async (text) => (await Unmask.load("bert")).tokenize(text, "A pair"), text);
  const inside = tokens.filter((token) => !token.special && token.segment === 0);
  assert.deepEqual(
    inside.filter((token) => token.text === "two").map((token) => text.slice(token.start, token.end)),
    ["two"],
  );
  const covered = inside.map((token) => text.slice(token.start, token.end)).join("");
  assert.equal(covered, text.replaceAll(" ", ""));
  const pair = tokens.filter((token) => !token.special && token.segment === 1);
  assert.deepEqual(pair.map((token) => "A pair".slice(token.start, token.end)), ["A", "pair"]);
  assert.deepEqual(tokens.filter((token) => token.special).map((token) => token.text), ["[CLS]", "[SEP]", "[SEP]"]);
});

clientTest("every mask gets its candidates, most probable first", async ({ page }) => {
  const { filled, one, causal, places, word } = await page.evaluate(async () => {
    const bert = await Unmask.load("bert");
    const text = "The [MASK] of France is [MASK].";
    const filled = await bert.fillMask(text);
    return {
      filled,
      one: await bert.fillMask(text, { topK: 1 }),
      places: await bert.fillMask(text, { positions: filled.map(({ position }) => position) }),
      word: (await bert.fillMask("He read a book in bed.", { positions: [4], topK: 1 }))[0],
      causal: await bert.fillMask(text, { topK: 1, mask: { encoder: { pattern: "causal" } } }),
    };
  });
  assert.equal(filled.length, 2);
  assert.ok(filled[0].position < filled[1].position);
  for (const { candidates } of filled) {
    assert.equal(candidates.length, 5);
    isSortedDown(candidates.map((candidate) => candidate.probability));
    for (const { token, id, text } of candidates) assert.ok(token && Number.isInteger(id) && typeof text === "string");
  }
  assert.deepEqual(one, filled.map(({ position, candidates }) => ({ position, candidates: [candidates[0]] })));
  // At the masks' own positions it is the same; where a word stands, BERT says that word.
  assert.deepEqual(places, filled);
  assert.deepEqual([word.position, word.candidates[0].text], [4, "book"]);
  assert.notEqual(causal[0].candidates[0].probability, one[0].candidates[0].probability);
});

clientTest("next sentence is a probability that knows what follows", async ({ page }) => {
  const [follows, unrelated] = await page.evaluate(async () => {
    const bert = await Unmask.load("bert");
    const first = "She opened the door and walked into the kitchen.";
    return [
      await bert.nextSentence(first, "On the table she found a letter from her brother."),
      await bert.nextSentence(first, "The election results were announced by the ministry in March 1848."),
    ];
  });
  for (const { isNext } of [follows, unrelated]) assert.ok(isNext >= 0 && isNext <= 1);
  assert.ok(follows.isNext > unrelated.isNext, `${follows.isNext} > ${unrelated.isNext}`);
});

clientTest("embeddings are unit vectors, nearer for nearer texts", async ({ page }) => {
  const embeddings = await page.evaluate(async () => {
    const bert = await Unmask.load("bert");
    const texts = ["A cat sleeps on the sofa.", "A kitten naps on the couch.", "Interest rates rose again."];
    return (await bert.embed(texts)).map((values) => [values instanceof Float32Array, Array.from(values)]);
  });
  const vectors = embeddings.map(([typed, values]) => (assert.ok(typed), values));
  const dot = (a, b) => sum(a.map((value, i) => value * b[i]));
  for (const vector of vectors) near(dot(vector, vector), 1, 1e-4);
  assert.ok(dot(vectors[0], vectors[1]) > dot(vectors[0], vectors[2]));
});

/** `use(model, ...args)` in the page, with the tiny BERT that has a head of every kind. */
const withTinyBert = (page, use, ...args) =>
  page.evaluate(
    async ([base64, source, args]) => {
      window.tiny ??= await Unmask.load(fileOf(base64, "tiny.gguf"));
      return (0, eval)(source)(tiny, ...args);
    },
    [tinyBert().toString("base64"), use.toString(), args],
  );

clientTest("classification ranks the labels of a head, or the reader's own", async ({ page }) => {
  const { heads, topic, moods, pair, own } = await withTinyBert(page, async (bert) => ({
    heads: bert.info.heads,
    topic: await bert.classify("a ball", { head: "topic" }),
    moods: await bert.classify("a ball", { head: "moods" }),
    pair: await bert.classify("a ball", { head: "nli", pair: "a game" }),
    own: await bert.classify("a ball", { labels: ["games", "weather", "money", "food"] }),
  }));
  const labels = (name) => heads.find((head) => head.name === name).labels.slice().sort();
  const named = (scores) => scores.map((score) => score.label).sort();
  assert.deepEqual(named(topic), labels("topic"));
  assert.deepEqual(named(moods), labels("moods"));
  assert.deepEqual(named(pair), labels("nli"));
  assert.deepEqual(named(own), ["food", "games", "money", "weather"]);
  for (const scores of [topic, moods, pair, own]) isSortedDown(scores.map((score) => score.probability));
  for (const scores of [topic, pair, own]) near(sum(scores.map((score) => score.probability)), 1, 1e-5);
});

clientTest("labelled spans and answers are stretches of the reader's text", async ({ page }) => {
  const text = "Zoë 😀 met Ada in a café.";
  const passage = `${text} `.repeat(12);
  const { spans, answers } = await withTinyBert(
    page,
    async (bert, text, passage) => ({
      spans: await bert.label(text, { head: "entities" }),
      answers: await bert.answer("Who met Ada?", passage, { topK: 4 }),
    }),
    text,
    passage,
  );
  assert.ok(spans.length > 0);
  for (const { label, start, end, text: stretch, probability } of spans) {
    assert.match(label, /^(PER|LOC)$/);
    assert.equal(stretch, text.slice(start, end));
    assert.ok(probability > 0 && probability <= 1);
  }
  assert.equal(answers.length, 4);
  isSortedDown(answers.map((answer) => answer.probability));
  for (const { text: stretch, start, end } of answers) assert.equal(stretch, passage.slice(start, end));
});

/** Shape, mask and weights of an attention that came from a page; typed arrays as plain ones. */
function checkAttention({ queryTokens, keyTokens, layers, heads, mask, scores, weights }, mayAttend) {
  const [queries, keys] = [queryTokens.length, keyTokens.length];
  assert.equal(mask.length, queries * keys);
  assert.equal(scores.length, layers * heads * queries * keys);
  assert.equal(weights.length, scores.length);
  for (let query = 0; query < queries; query++) {
    for (let key = 0; key < keys; key++) assert.equal(mask[query * keys + key], mayAttend(query, key) ? 1 : 0);
  }
  for (let row = 0; row < layers * heads * queries; row++) {
    const cells = weights.slice(row * keys, (row + 1) * keys);
    near(sum(cells), 1, 1e-4);
    cells.forEach((cell, key) => mayAttend(row % queries, key) || assert.equal(cell, 0));
  }
}

/** `model.attention(...)` in the page, with plain arrays for typed ones. */
const attentionOf = (page, name, text, options) =>
  page.evaluate(
    async ([name, text, options]) => {
      const attentions = await (await Unmask.load(name)).attention(text, options);
      const plain = ({ mask, scores, weights, ...header }) => ({
        ...header,
        typed: mask instanceof Uint8Array && scores instanceof Float32Array && weights instanceof Float32Array,
        mask: Array.from(mask),
        scores: Array.from(scores),
        weights: Array.from(weights),
      });
      return Object.fromEntries(Object.entries(attentions).map(([part, attention]) => [part, plain(attention)]));
    },
    [name, text, options],
  );

clientTest("BERT's attention is bidirectional, unless the reader says otherwise", async ({ page }) => {
  const own = await attentionOf(page, "bert", "Birds sing at dawn.");
  assert.deepEqual(Object.keys(own), ["encoder"]);
  assert.ok(own.encoder.typed);
  checkAttention(own.encoder, () => true);
  const causal = await attentionOf(page, "bert", "Birds sing at dawn.", { mask: { encoder: { pattern: "causal" } } });
  checkAttention(causal.encoder, (query, key) => key <= query);
  const tokens = own.encoder.keyTokens.length;
  const allowed = Array.from({ length: tokens * tokens }, (_, cell) => (cell % tokens === 0 ? 1 : 0));
  const custom = { pattern: "custom", queries: tokens, keys: tokens, allowed };
  const first = await attentionOf(page, "bert", "Birds sing at dawn.", { mask: { encoder: custom } });
  checkAttention(first.encoder, (_, key) => key === 0);
});

clientTest("BART's attentions are bidirectional, causal and cross", async ({ page }) => {
  const { encoder, decoder, cross } = await attentionOf(page, "bart-g2p", "phone");
  checkAttention(encoder, () => true);
  checkAttention(decoder, (query, key) => key <= query);
  checkAttention(cross, () => true);
  assert.deepEqual(cross.queryTokens, decoder.queryTokens);
  assert.deepEqual(cross.keyTokens, encoder.keyTokens);
});

clientTest("generation streams a growing text, and its end is what complete gives", async ({ page }) => {
  const { steps, generation, completed } = await page.evaluate(async () => {
    const bart = await Unmask.load("bart-g2p");
    const steps = [];
    const iterator = bart.generate("attention", { numBeams: 1, alternatives: 3 });
    let next = await iterator.next();
    for (; !next.done; next = await iterator.next()) steps.push(next.value);
    return { steps, generation: next.value, completed: await bart.complete("attention", { numBeams: 1, alternatives: 3 }) };
  });
  assert.deepEqual(generation, completed);
  assert.equal(generation.finish, "stop");
  assert.deepEqual(steps.map((step) => step.id), generation.tokens.map((token) => token.id));
  assert.equal(steps.at(-1).text, generation.text);
  assert.ok(generation.text.length > 5);
  steps.forEach((step, i) => {
    assert.ok(step.text.startsWith(steps[i - 1]?.text ?? ""));
    assert.equal(step.alternatives.length, 3);
    assert.equal(step.alternatives[0].id, step.id, "greedy search takes the most probable");
    assert.equal(step.beams, undefined);
    near(step.probability, generation.tokens[i].probability, 1e-6);
  });
  near(sum(steps.map((step) => Math.log(step.probability))), generation.score, 1e-3);
});

clientTest("beams are reported, and a seed decides a sample", async ({ page }) => {
  const { beams, samples } = await page.evaluate(async () => {
    const bart = await Unmask.load("bart-g2p");
    const beams = [];
    for await (const step of bart.generate("through", { numBeams: 3 })) beams.push(step.beams);
    const sample = (seed) => bart.complete("through", { temperature: 1.5, topK: 20, seed, maxNewTokens: 12 });
    return { beams, samples: [await sample(7), await sample(7)] };
  });
  assert.equal(beams[0].length, 3);
  for (const live of beams) live.reduce((before, { score }) => (assert.ok(score <= before), score), 0);
  assert.deepEqual(samples[0], samples[1]);
});

clientTest("requests to several models are answered in the order of asking", async ({ page }) => {
  const order = await page.evaluate(async () => {
    const [bert, bart] = await Promise.all([Unmask.load("bert"), Unmask.load("bart-g2p")]);
    const order = [];
    const note = (name) => () => order.push(name);
    await Promise.all([
      bart.complete("queue").then(note("complete")),
      bert.fillMask("One [MASK].").then(note("fillMask")),
      bert.tokenize("word").then(note("tokenize")),
      bart.complete("queue").then(note("complete again")),
      bert.embed(["text"]).then(note("embed")),
    ]);
    return order;
  });
  assert.deepEqual(order, ["complete", "fillMask", "tokenize", "complete again", "embed"]);
});

clientTest("leaving the loop stops the engine, and the next request works", async ({ page }) => {
  const { seen, text } = await page.evaluate(async () => {
    const bart = await Unmask.load("bart-g2p");
    const seen = [];
    for await (const step of bart.generate("encyclopedia", { minNewTokens: 60, maxNewTokens: 60 })) {
      seen.push(step.id);
      if (seen.length === 2) break;
    }
    return { seen, text: (await bart.complete("word")).text };
  });
  assert.equal(seen.length, 2);
  assert.ok(text.length > 0);
});

clientTest("a signal stops a running generation and drops a waiting request at once", async ({ page }) => {
  const { running, waiting, early, text } = await page.evaluate(async () => {
    const bart = await Unmask.load("bart-g2p");
    const code = (error) => (error instanceof UnmaskError ? error.code : String(error));
    const [run, wait] = [new AbortController(), new AbortController()];
    const steps = bart.generate("encyclopedia", { minNewTokens: 60, maxNewTokens: 60, signal: run.signal });
    await steps.next();
    const waiting = bart.complete("word", { signal: wait.signal }).catch(code);
    wait.abort();
    const dropped = await waiting;
    run.abort();
    const running = await (async () => {
      for await (const _ of steps);
      return "ran to its end";
    })().catch(code);
    const early = await Unmask.load("bart-g2p", { signal: AbortSignal.abort() }).catch(code);
    return { running, waiting: dropped, early, text: (await bart.complete("word")).text };
  });
  assert.deepEqual([running, waiting, early], ["aborted", "aborted", "aborted"]);
  assert.ok(text.length > 0);
});

clientTest("a .gguf file loads by its address and from the reader's disk", async ({ page }) => {
  const { names, phase } = await page.evaluate(async () => {
    const { models } = await (await fetch("models/models.json")).json();
    const address = `models/${models.find((model) => model.name === "bart-g2p").file}`;
    const bytes = await (await fetch(address)).blob();
    let phase;
    const onProgress = (progress) => (phase = progress.phase);
    const loaded = [
      await Unmask.load(address),
      await Unmask.load(new URL(address, document.baseURI)),
      await Unmask.load(new File([bytes], "mine.gguf"), { onProgress }),
      await Unmask.load([new File([bytes], "mine.gguf")]),
    ];
    return { names: loaded.map((model) => model.info.name), phase };
  });
  assert.equal(new Set(names).size, 1);
  assert.equal(phase, "file");
});

const ELSEWHERE = "http://127.0.0.2/";
const foreign = { isolated: false, permissions: ["local-network-access"], expected: [/^request outside the site: http:\/\/127\.0\.0\.2\/$/] };

clientTest("a page of another origin can use the client", foreign, async ({ page, url }) => {
  // Only that page's own document is made up; everything else comes from the site.
  const body = "<!doctype html><title>elsewhere</title><link rel=icon href=data:,>";
  await page.route(ELSEWHERE, (route) => route.fulfill({ contentType: "text/html", body }));
  await page.goto(ELSEWHERE);
  await openClient(page, url);
  const text = await page.evaluate(async () => (await (await Unmask.load("bart-g2p")).complete("word")).text);
  assert.ok(text.length > 0);
});
