// unmask.js when things go wrong: each failure is an UnmaskError that a person can act on, and the next
// request works.

import assert from "node:assert/strict";

import { clientTest } from "./client_page.mjs";
import { tinyBert } from "./tiny_bert.mjs";

/** A client test at whose end the client must still answer. */
function failureTest(name, options, body = options) {
  clientTest(name, typeof options === "function" ? {} : options, async (test) => {
    await body(test);
    assert.ok(await works(test.page), "the next request works");
  });
}

/** Whether a model loads and answers. */
const works = (page) =>
  page.evaluate(async () => (await (await Unmask.load("bart-g2p")).complete("word")).text.length > 0);

/** A failure with this code that says something, and what to do. */
function isFailure(failure, code, pattern = /./) {
  assert.equal(failure.code, code, JSON.stringify(failure));
  for (const sentence of [failure.message, failure.nextStep]) assert.match(sentence, /^["\w].*\.$/su);
  assert.match(`${failure.message} ${failure.nextStep}`, pattern);
}

failureTest("sources that are none, or not yet, say what to do", { expected: [/404/] }, async ({ page }) => {
  const cases = [
    ['"no-such-model"', "input", /bart-g2p/],
    ['"http://[broken"', "input", /address/],
    ['""', "input", /name/],
    ["undefined", "input", /name/],
    ["42", "input", /name/],
    ["{}", "input", /name/],
    ["[]", "input", /name/],
    ["[7]", "input", /name/],
    ['"hub:"', "input", /hub:owner\/name/],
    ['"hub:not a name"', "input", /hub:owner\/name/],
    ['"hub:owner/name@../.."', "input", /hub:owner\/name/],
    ['"stored:no such id"', "input", /stored/],
    ['"stored:0123456789abcdef"', "input", /stored/],
    ['"some/folder/"', "input", /config\.json/],
    ['"ftp://127.0.0.1/folder/"', "input", /address/],
    ['"some/folder/", { quantization: "Q1_7" }', "input", /Q8_0/],
    ['new File(["x"], "model.safetensors")', "input", /config\.json/],
    ['[new File(["x"], "config.json"), new File(["x"], "model.safetensors")]', "integrity", /config\.json/],
    ['"bart-g2p", { quantization: "Q1_7" }', "input", /Choose one of/],
    ['"models/x.gguf", { quantization: "Q8_0" }', "input", /quantization/],
    ['"bart-g2p", { onprogress: () => {} }', "input", /onProgress/],
    ['"bart-g2p", { signal: "now" }', "input", /AbortSignal/],
    ['"models/not-there.gguf"', "network", /404/],
    ['"models/models.json#x.gguf"', "input", /config\.json/],
  ];
  for (const [source, code, pattern] of cases) {
    const failed = await page.evaluate(`failure(Unmask.load(${source}))`);
    isFailure(failed, code, pattern);
  }
});

failureTest("damaged files are refused, each in words", async ({ page }) => {
  const failures = await page.evaluate(async () => {
    const { models } = await (await fetch("models/models.json")).json();
    const { file } = models.find((model) => model.name === "bart-g2p");
    const whole = new Uint8Array(await (await fetch(`models/${file}`)).arrayBuffer());
    const damaged = {
      empty: new Uint8Array(),
      "another format": new TextEncoder().encode("<!doctype html><title>Not found</title>"),
      "magic alone": whole.slice(0, 4),
      "cut in its header": whole.slice(0, 1000),
      "cut in its tensors": whole.slice(0, whole.length - 1),
      "of a future version": whole.with(4, 99),
      "with absurd counts": whole.map((byte, i) => (i >= 8 && i < 24 ? 0xff : byte)),
      "with a long first string": whole.map((byte, i) => (i >= 24 && i < 32 ? 0x7f : byte)),
    };
    const failures = {};
    for (const [name, bytes] of Object.entries(damaged)) {
      failures[name] = await failure(Unmask.load(new File([bytes], `${name}.gguf`)));
    }
    return failures;
  });
  assert.equal(Object.keys(failures).length, 8);
  for (const failed of Object.values(failures)) isFailure(failed, failed.code === "unsupported" ? "unsupported" : "integrity");
});

failureTest("files whose parts contradict each other are refused, each in words", async ({ page }) => {
  const query = "bert.encoder.layer.1.attention.self.query";
  const bent = {
    "a missing tensor": ({ shapes }) => delete shapes[`${query}.weight`],
    "a tensor of another shape": ({ shapes }) => (shapes[`${query}.weight`] = [32, 16]),
    "a bias of another shape": ({ shapes }) => (shapes[`${query}.bias`] = [31]),
    "a vocabulary that the embedding lacks": ({ config }) => (config.vocab_size += 1),
    "more layers than tensors": ({ config }) => (config.num_hidden_layers = 3),
    "fewer layers than tensors": ({ config }) => (config.num_hidden_layers = 1),
    "heads that do not divide the width": ({ config }) => (config.num_attention_heads = 5),
    "no heads at all": ({ config }) => (config.num_attention_heads = 0),
    "an absurd width": ({ config }) => (config.hidden_size = 1e15),
    "no width": ({ config }) => delete config.hidden_size,
    "a width that is a word": ({ config }) => (config.hidden_size = "wide"),
    "another architecture": ({ metadata }) => (metadata["general.architecture"] = "gpt"),
    "no architecture": ({ metadata }) => delete metadata["general.architecture"],
    "no tokenizer": ({ metadata }) => delete metadata["tokenizer.huggingface.json"],
    "a tokenizer that is none": ({ metadata }) => (metadata["tokenizer.huggingface.json"] = '{"model":{}}'),
    "a list of heads that is none": ({ metadata }) => (metadata["unmask.heads"] = "{"),
    "a head of an unknown kind": ({ metadata }) => (metadata["unmask.heads"] = '[{"name":"x","kind":"oracle"}]'),
    "a head without tensors": ({ shapes }) => delete shapes["topic.weight"],
  };
  const open = (bytes) =>
    page.evaluate((base64) => failure(Unmask.load(fileOf(base64, "bent.gguf"))), bytes.toString("base64"));
  assert.equal(await open(tinyBert()), "no failure");
  for (const [name, change] of Object.entries(bent)) {
    const failed = await open(tinyBert(change));
    isFailure(failed, name === "another architecture" ? "unsupported" : "integrity");
  }
});

failureTest("a file that is not what the catalogue promises is refused and not kept", async ({ page, context }) => {
  const body = async (route) => Buffer.from(await (await route.fetch()).body());
  const flip = async (route) => {
    const bytes = await body(route);
    bytes[bytes.length - 5] ^= 1;
    await route.fulfill({ body: bytes });
  };
  const cut = async (route) => {
    const bytes = await body(route);
    await route.fulfill({ body: bytes.subarray(0, bytes.length - 100) });
  };
  for (const damage of [flip, cut]) {
    await context.route("**/*.gguf", damage);
    isFailure(await page.evaluate(() => failure(Unmask.load("bart-g2p"))), "integrity", /bart-g2p/);
    await context.unroute("**/*.gguf", damage);
  }
  const phase = await page.evaluate(async () => {
    let phase;
    await Unmask.load("bart-g2p", { onProgress: (progress) => (phase = progress.phase) });
    return phase;
  });
  assert.equal(phase, "download");
});

failureTest("a network that fails says so", { expected: [/INTERNET_DISCONNECTED/, /503/] }, async ({ page, context }) => {
  const offline = (route) => route.abort("internetdisconnected");
  await context.route("**/models/**", offline);
  isFailure(await page.evaluate(() => failure(Unmask.load("bart-g2p"))), "network", /connection/);
  await context.unroute("**/models/**", offline);

  const refused = (route) => route.fulfill({ status: 503, body: "" });
  await context.route("**/models/**", refused);
  isFailure(await page.evaluate(() => failure(Unmask.load("bart-g2p"))), "network", /503/);
  await context.unroute("**/models/**", refused);

  const nonsense = (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html>" });
  await context.route("**/models.json", nonsense);
  isFailure(await page.evaluate(() => failure(Unmask.load("bart-g2p"))), "integrity", /models\.json/);
  await context.unroute("**/models.json", nonsense);
});

failureTest("texts and options that make no sense say which", async ({ page }) => {
  const cases = [
    ['bert.fillMask("No mask here.")', "input", /\[MASK\]/],
    ['bert.fillMask("")', "input", /empty/],
    ['bert.fillMask("  ")', "input", /empty/],
    ["bert.fillMask(null)", "input", /string/],
    ["bert.fillMask()", "input", /string/],
    ['bert.fillMask(["[MASK]"])', "input", /string/],
    ['bert.fillMask("[MASK]", { topk: 3 })', "input", /topK/],
    ['bert.fillMask("[MASK]", { topK: -1 })', "input", /topK/],
    ['bert.fillMask("[MASK]", { topK: 1.5 })', "input", /topK/],
    ['bert.fillMask("[MASK]", { topK: "3" })', "input", /topK/],
    ['bert.fillMask("[MASK]", 3)', "input", /options/],
    ['bert.fillMask("a", { positions: 1 })', "input", /positions/],
    ['bert.fillMask("a", { positions: [0.5] })', "input", /positions/],
    ['bert.fillMask("a", { positions: [999] })', "input", /999/],
    ['bert.fillMask("[MASK]", { mask: { encoder: { pattern: "diagonal" } } })', "input", /causal/],
    ['bert.fillMask("[MASK]", { mask: { self: { pattern: "causal" } } })', "input", /encoder/],
    ['bert.fillMask("[MASK]", { mask: { encoder: { pattern: "custom", queries: 1, keys: 1, allowed: [1] } } })', "input"],
    ['bert.fillMask("[MASK]", { mask: { encoder: { pattern: "custom", queries: 9, keys: 9, allowed: [2] } } })', "input"],
    ['bert.nextSentence("One sentence.")', "input", /string/],
    ["bert.embed('one text')", "input", /array/],
    ["bert.embed([1])", "input", /string/],
    ['bert.complete("Write on.")', "unsupported", /BART/],
    ['bert.classify("Some text.", { head: "no-such-head" })', "input|unsupported"],
    ['bart.fillMask("[MASK]")', "unsupported", /BERT/],
    ['bart.complete("")', "input", /empty/],
    ['bart.complete("word", { task: "no-such-task" })', "input", /task/],
    ['bart.complete("word", { numBeams: 0 })', "input", /beam/],
    ['bart.complete("word", { numBeams: 1000000 })', "input", /beam/],
    ['bart.complete("word", { temperature: NaN })', "input", /temperature/],
    ['bart.complete("word", { temperature: -1 })', "input", /temperature/],
    ['bart.complete("word", { topP: 2, temperature: 1 })', "input", /top_p/],
    ['bart.complete("word", { maxNewTokens: 0 })', "input", /token/],
    ['bart.complete("word", { seed: 2 ** 60 })', "input", /seed/],
    ['bart.generate("word", { temprature: 1 }).next()', "input", /temprature/],
    ['bart.attention("word", { target: 7 })', "input", /string/],
  ];
  await page.evaluate(async () => {
    [window.bert, window.bart] = await Promise.all([Unmask.load("bert"), Unmask.load("bart-g2p")]);
  });
  for (const [call, code, pattern] of cases) {
    const failed = await page.evaluate(`failure(${call})`);
    isFailure(failed, code.split("|").find((code) => code === failed.code), pattern);
  }
});

failureTest("a long text is cut where it says, and lone surrogates change no position", async ({ page }) => {
  const { long, short, tokens, filled } = await page.evaluate(async () => {
    const bert = await Unmask.load("bert");
    const text = "word ".repeat(20_000);
    return {
      long: (await bert.tokenize(text)).truncation,
      short: "truncation" in (await bert.tokenize("word")),
      tokens: await bert.tokenize("a \uD83D b \uDE00 c"),
      filled: (await bert.fillMask(`[MASK] ${text}`)).truncation,
    };
  });
  assert.equal(long.kept + long.dropped, 20_000);
  assert.equal(long.from, 5 * long.kept);
  assert.equal(filled.kept, long.kept);
  assert.equal(short, false);
  const places = tokens.filter((token) => /^[abc]$/.test(token.text)).map((token) => [token.start, token.end]);
  assert.deepEqual(places, [[0, 1], [4, 5], [8, 9]]);
});

failureTest("a text beyond all measure is refused", async ({ page }) => {
  const failed = await page.evaluate(async () => failure((await Unmask.load("bart-g2p")).complete("word ".repeat(400_000))));
  isFailure(failed, "input", /text/);
});

failureTest("a disposed model answers no more, and another handle to the same file does", async ({ page }) => {
  const { failures, text } = await page.evaluate(async () => {
    const [gone, stays] = [await Unmask.load("bart-g2p"), await Unmask.load("bart-g2p")];
    await gone.dispose();
    await gone.dispose();
    const failures = [await failure(gone.complete("word")), await failure(gone.tokenize("word"))];
    return { failures, text: (await stays.complete("word")).text };
  });
  for (const failed of failures) isFailure(failed, "input", /disposed/);
  assert.ok(text.length > 0);
});

failureTest("a load that is under way can be stopped", async ({ page, context }) => {
  let arrived;
  const asked = new Promise((resolve) => (arrived = resolve));
  const never = () => arrived();
  await context.route("**/bert.gguf", never);
  await page.evaluate(() => {
    window.stop = new AbortController();
    window.loading = failure(Unmask.load("bert", { signal: stop.signal }));
  });
  await asked;
  const failed = await page.evaluate(() => (stop.abort(), loading));
  isFailure(failed, "aborted");
  await context.unroute("**/bert.gguf", never);
});

failureTest("messages that are no requests are answered as such, and the engine goes on", async ({ page }) => {
  await page.evaluate(() => Unmask.load("bart-g2p"));
  const answers = await page.evaluate(async (url) => {
    const worker = new Worker(url, { type: "module" });
    const next = () => new Promise((resolve) => (worker.onmessage = ({ data }) => resolve(data)));
    await next();
    const nonsense = [
      null,
      "load",
      [],
      {},
      { id: 7 },
      { id: -1, request: { kind: "load" } },
      { id: 2 ** 40, request: {} },
      { id: 7, request: { kind: "obey" } },
      { id: 7, request: { kind: "tokenize", model: 1, text: 5 } },
      { id: 7, request: { kind: "tokenize", model: 99, text: "a" } },
      { id: 7, request: { kind: "tokenize", model: 0, text: "a" } },
      { id: 7, request: { kind: "load", source: { from: "file", name: "a.gguf" } } },
      { id: 7, request: { kind: "generate", model: 1, text: "a", options: { seed: -1 } } },
    ];
    const answers = [];
    for (const message of nonsense) {
      const answer = next();
      worker.postMessage(message);
      answers.push(await answer);
    }
    // These are answered by nothing at all.
    worker.postMessage({ id: 8, request: { kind: "cancel", target: 1000 } });
    const answer = next();
    worker.postMessage({ id: 9, request: { kind: "dispose", model: 1000 } });
    answers.push(await answer);
    worker.terminate();
    return answers;
  }, page.workers()[0].url());
  const last = answers.pop();
  assert.deepEqual(last, { event: "reply", id: 9, reply: { kind: "done" } });
  for (const { event, error } of answers) {
    assert.equal(event, "failure");
    isFailure(error, "input");
  }
});

/** Takes all the memory that the running engine could still get, so that its next large request traps. */
async function exhaustMemory(page) {
  const [worker] = page.workers();
  await worker.evaluate(async () => {
    const glue = performance.getEntriesByType("resource").find(({ name }) => name.endsWith("unmask_worker.js"));
    const { default: init } = await import(glue.name);
    const { memory } = await init();
    for (let pages = 1 << 16; pages >= 1; pages >>= 1) {
      try {
        memory.grow(pages);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
      }
    }
  });
}

failureTest("an engine that breaks fails what is pending, and the next call starts it anew", async ({ page }) => {
  await page.evaluate(async () => {
    window.model = await Unmask.load("bart-g2p");
    window.before = (await model.complete("recovery")).text;
  });
  await exhaustMemory(page);
  const [broken] = page.workers();
  const gone = new Promise((resolve) => broken.once("close", resolve));
  const failures = await page.evaluate(async () =>
    Promise.all([
      failure(Unmask.load("bert")),
      failure(model.complete("recovery")),
      failure(model.generate("recovery").next()),
    ]),
  );
  for (const failed of failures) isFailure(failed, "memory", /memory/);
  await gone;
  const same = await page.evaluate(async () => (await model.complete("recovery")).text === before);
  assert.ok(same, "the model came back by itself");
});

failureTest("a panic in the engine fails what is pending in words, and the next call starts it anew", async ({ page }) => {
  await page.evaluate(async () => {
    window.model = await Unmask.load("bart-g2p");
    window.before = (await model.complete("recovery")).text;
  });
  const [broken] = page.workers();
  // The engine counts on that its worker can always send. It panics where one message can't be.
  await broken.evaluate(() => {
    const send = self.postMessage;
    self.postMessage = () => {
      self.postMessage = send;
      throw new DOMException("This message is refused.", "DataCloneError");
    };
  });
  const gone = new Promise((resolve) => broken.once("close", resolve));
  const failures = await page.evaluate(async () =>
    Promise.all([failure(model.complete("recovery")), failure(model.complete("panic"))]),
  );
  for (const failed of failures) isFailure(failed, "engine", /panicked at .*messages\.rs/);
  await gone;
  const same = await page.evaluate(async () => (await model.complete("recovery")).text === before);
  assert.ok(same, "the model came back by itself");
});

failureTest("an engine whose files are missing says so, and can be tried again", { isolated: false, expected: [/404/, /worker\.js/] }, async ({ page, context }) => {
  const missing = (route) => route.fulfill({ status: 404, body: "" });
  await context.route("**/*.wasm", missing);
  isFailure(await page.evaluate(() => failure(Unmask.load("bart-g2p"))), "network", /engine/);
  await context.unroute("**/*.wasm", missing);
  await context.route("**/worker.js", missing);
  isFailure(await page.evaluate(() => failure(Unmask.load("bart-g2p"))), "network", /engine/);
  await context.unroute("**/worker.js", missing);
});
