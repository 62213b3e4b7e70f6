// Imports through everything that networks and readers do: whatever happens, what is kept is whole, the message says
// what to do, and the next try goes on.

import assert from "node:assert/strict";

import { filesIn } from "./hub.mjs";
import { filesInPage, fixture, importTest, packed } from "./import_page.mjs";
import { noise, syntheticBert, whole } from "./synthetic.mjs";

/** Large enough for what has come to be noted several times on the way: 13 MB. */
const SHAPE = { hidden: 256, layers: 2, heads: 4, words: 6_000, seed: 5 };
const WEIGHTS = "model.safetensors";

/** What browsers say of connections that break, and of answers that refuse. */
const CUT = [/ERR_CONTENT_LENGTH_MISMATCH/, /ERR_INCOMPLETE_CHUNKED/, /ERR_CONNECTION_RESET/, /ERR_EMPTY_RESPONSE/, /ERR_FAILED/, /ERR_HTTP2/];

/** The synthetic checkpoint on the hub, as a folder and as a .gguf file, and the digest of what it becomes at Q8_0. */
async function prepared(hub) {
  const files = syntheticBert(SHAPE);
  const sha = hub.add("tests/synthetic", files);
  const options = ["--source", `${hub.hub}/tests/synthetic`, "--revision", sha];
  return { files, bytes: files[WEIGHTS].bytes, digest: await packed(whole(files), "synthetic", "Q8_0", options) };
}

/** Imports in the page, and gives what came of it: the digest of the file, or the failure. */
const imported = (page, source = "hub:tests/synthetic", options = {}) =>
  page.evaluate(
    async ([source, options]) => {
      told.length = 0;
      try {
        const { id } = await Unmask.import(source, { onProgress: tell, ...options });
        return { digest: await sha256(await Unmask.export(id)), phases: [...new Set(told.map(({ phase }) => phase))] };
      } catch (error) {
        const { models, partial } = await Unmask.stored();
        return { code: error.code, text: `${error.message} ${error.nextStep}`, models: models.length, partial };
      }
    },
    [source, options],
  );

/** Cuts one answer with weights at each of the places. */
function cutAt(places) {
  const left = [...places];
  return ({ file, to }) => {
    if (!/safetensors|gguf/.test(file) || to !== undefined || left.length === 0) return undefined;
    return { cut: left.shift() };
  };
}

/** Some places, always the same. */
function placesIn(bytes, count, seed) {
  const random = noise(seed);
  return Array.from({ length: count }, () => Math.floor(((random.next().value + 1) / 2) * bytes)).sort((a, b) => a - b);
}

/** The .gguf file that an import has made, as a file of the storage host. */
async function asGguf(page, hub) {
  const bytes = await page.evaluate(async () => {
    const { id } = await Unmask.import("hub:tests/synthetic", { quantization: "F16" });
    const reader = new FileReader();
    const read = new Promise((resolve) => (reader.onload = () => resolve(reader.result)));
    reader.readAsDataURL(await Unmask.export(id));
    const base64 = (await read).split(",")[1];
    await Unmask.remove(id);
    return base64;
  });
  const file = Buffer.from(bytes, "base64");
  hub.add("gguf", { "model.gguf": file });
  return { url: `${hub.storage}/folder/gguf/model.gguf`, bytes: file.length };
}

importTest("an import is cut at 25 places and loses nothing", { expected: CUT }, async ({ page, hub }) => {
  const { bytes, digest } = await prepared(hub);
  const places = placesIn(bytes, 25, 11);
  hub.fault = cutAt(places);
  assert.equal((await imported(page)).digest, digest);
  const begins = hub.requests.filter(({ path, to }) => path.startsWith("/blob/") && to === undefined).map(({ from }) => from);
  assert.equal(begins.length, 26);
  // Each begins where the one before was cut; what a browser had not handed out yet comes again.
  const again = begins.slice(1).map((begin, i) => places[i] - begin);
  assert.ok(again.every((bytes) => bytes >= 0 && bytes < 3e6), again.join(", "));
});

importTest("a .gguf file is cut at 25 places and loses nothing", { expected: CUT }, async ({ page, hub }) => {
  await prepared(hub);
  const { url, bytes } = await asGguf(page, hub);
  const first = await imported(page, url);
  await page.evaluate(async () => Promise.all((await Unmask.stored()).models.map(({ id }) => Unmask.remove(id))));
  hub.fault = cutAt(placesIn(bytes, 25, 12));
  const second = await imported(page, url);
  assert.match(first.digest, /^[0-9a-f]{64}$/);
  assert.equal(second.digest, first.digest);
});

importTest("a server that ignores ranges sends everything again, and nothing is mixed up", { expected: CUT }, async ({ page, hub }) => {
  const { bytes, digest, files } = await prepared(hub);
  const { url, bytes: length } = await asGguf(page, hub);
  const whole = (await imported(page, url)).digest;
  await page.evaluate(async () => Promise.all((await Unmask.stored()).models.map(({ id }) => Unmask.remove(id))));
  for (const plain of [false, true]) {
    let left = 3;
    hub.fault = ({ file, to, path }) => {
      if (!/safetensors|gguf/.test(file)) return undefined;
      const cut = to === undefined && left > 0 ? ((4 - left--) * (file === WEIGHTS ? bytes : length)) / 5 : undefined;
      return { ignoreRanges: true, plain, ...(cut && { cut: Math.floor(cut) }) };
    };
    assert.equal((await imported(page, url)).digest, whole, `the file, plain: ${plain}`);
    left = 3;
    assert.equal((await imported(page)).digest, digest, `the checkpoint, plain: ${plain}`);
    await page.evaluate(async () => Promise.all((await Unmask.stored()).models.map(({ id }) => Unmask.remove(id))));
  }
  assert.ok(files);
});

importTest("a connection that stays away is given up in words, and the next try goes on", { expected: CUT }, async ({ page, hub }) => {
  const { bytes, digest } = await prepared(hub);
  const place = Math.floor(bytes / 2);
  hub.fault = ({ file, from, to }) => (file === WEIGHTS && to === undefined ? { cut: Math.max(place, from) } : undefined);
  const failed = await imported(page);
  assert.equal(failed.code, "network");
  assert.match(failed.text, /try again.*kept/);
  assert.equal(failed.models, 0);
  assert.equal(failed.partial.length, 1);
  assert.ok(failed.partial[0].loaded <= place && failed.partial[0].loaded > place - 3e6);
  assert.equal(failed.partial[0].total, bytes);
  assert.equal(failed.partial[0].quantization, "Q8_0");
  hub.fault = undefined;
  hub.requests.length = 0;
  assert.equal((await imported(page)).digest, digest);
  const stream = hub.requests.find(({ path, to }) => path.startsWith("/blob/") && to === undefined);
  assert.ok(stream.from > place - 8e6 && stream.from <= place, `from ${stream.from}, not from ${place}`);
});

importTest("a flipped byte is noticed, and nothing of it is kept", async ({ page, hub }) => {
  const { bytes, digest } = await prepared(hub);
  hub.fault = ({ file, to }) => (file === WEIGHTS && to === undefined ? { flip: bytes - 777_777 } : undefined);
  const failed = await imported(page);
  assert.equal(failed.code, "integrity");
  assert.match(failed.text, /model\.safetensors/);
  assert.deepEqual([failed.models, failed.partial], [0, []]);
  hub.fault = undefined;
  assert.equal((await imported(page)).digest, digest);
});

importTest("a truncated shard is refused, from the hub and from the disk", async ({ page, hub }) => {
  const files = await filesIn(fixture("bert-sharded"));
  const shard = Object.keys(files).find((name) => name.endsWith("2.safetensors"));
  hub.add("tests/bert-sharded", files);
  hub.fault = ({ file }) => (file === shard ? { end: files[shard].length - 100 } : undefined);
  const fromHub = await imported(page, "hub:tests/bert-sharded");
  assert.equal(fromHub.code, "integrity");
  assert.match(fromHub.text, new RegExp(shard));
  hub.fault = undefined;
  const cut = { ...files, [shard]: files[shard].subarray(0, files[shard].length - 100) };
  const chosen = await filesInPage(page, cut);
  const fromDisk = await imported(page, chosen);
  assert.equal(fromDisk.code, "integrity");
  assert.match(fromDisk.text, new RegExp(shard));
  assert.deepEqual([fromDisk.models, fromDisk.partial], [0, []]);
});

importTest("a file that changes on the server is begun anew, never mixed", { expected: CUT }, async ({ page, hub }) => {
  const files = syntheticBert(SHAPE);
  hub.add("synthetic", files);
  const folder = `${hub.storage}/folder/synthetic/`;
  const { bytes } = files[WEIGHTS];
  hub.fault = ({ file, from, to }) => (file === WEIGHTS && to === undefined ? { cut: Math.max(Math.floor(bytes / 2), from) } : undefined);
  assert.equal((await imported(page, folder)).code, "network");
  const other = syntheticBert({ ...SHAPE, seed: 6 });
  hub.add("synthetic", other);
  hub.fault = undefined;
  assert.equal((await imported(page, folder)).digest, await packed(whole(other), "synthetic", "Q8_0", ["--source", folder]));

  // And in the middle of a stream.
  let times = 0;
  hub.fault = ({ file, to }) => {
    if (file !== WEIGHTS || to !== undefined) return undefined;
    return times++ === 0 ? { cut: Math.floor(bytes / 2) } : { etag: '"another"' };
  };
  const failed = await imported(page, folder, { quantization: "Q4_0" });
  assert.equal(failed.code, "integrity");
  assert.match(failed.text, /another one on the server/);
  assert.deepEqual(failed.partial, []);
});

importTest("too little room is said before the download, with what to delete", { profile: true }, async ({ page, context, hub, url }) => {
  await prepared(hub);
  const small = await page.evaluate(async () => (await Unmask.import("hub:tests/synthetic", { quantization: "Q4_0" })).bytes);
  const { usage } = await page.evaluate(() => Unmask.stored());
  const browser = await context.newCDPSession(page);
  const { origin } = new URL(url);
  await browser.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: usage + 1_000_000 });
  hub.requests.length = 0;
  const failed = await imported(page, "hub:tests/synthetic", { quantization: "F32" });
  assert.equal(failed.code, "memory");
  // The file's 13 MB, and room for what is noted beside it. Not every browser says how much there really is.
  assert.match(failed.text, /needs 14 MB of storage, (and the browser has 1 MB left|more than the browser gives)/);
  assert.match(failed.text, /synthetic \(\d+ MB\)/);
  assert.deepEqual(hub.requests.filter(({ path, to }) => path.startsWith("/blob/") && to === undefined), []);
  assert.ok(small > 0);
});

importTest("storage that fills up in the middle keeps what has come", { profile: true }, async ({ page, context, hub, url }) => {
  await prepared(hub);
  const { url: source, bytes } = await asGguf(page, hub);
  const digest = (await imported(page, source)).digest;
  await page.evaluate(async () => Promise.all((await Unmask.stored()).models.map(({ id }) => Unmask.remove(id))));
  const browser = await context.newCDPSession(page);
  const { origin } = new URL(url);
  let release;
  const until = new Promise((resolve) => (release = resolve));
  // A server that does not say how much will come.
  hub.fault = ({ file }) => (file === "model.gguf" ? { hold: 1 << 20, until, unsized: true } : undefined);
  await page.evaluate((source) => {
    told.length = 0;
    window.importing = failure(Unmask.import(source, { onProgress: tell }));
  }, source);
  await page.waitForFunction(() => told.some(({ loaded }) => loaded > 500_000));
  const { usage } = await page.evaluate(() => Unmask.stored());
  await browser.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: usage + 2_000_000 });
  release();
  const failed = await page.evaluate(() => importing);
  assert.equal(failed.code, "memory", JSON.stringify(failed));
  assert.match(`${failed.message} ${failed.nextStep}`, /room|storage/);
  const { models, partial } = await page.evaluate(() => Unmask.stored());
  assert.deepEqual(models, []);
  assert.ok(partial[0].loaded > 0 && partial[0].loaded < bytes, `${partial[0].loaded}`);
  await browser.send("Storage.overrideQuotaForOrigin", { origin });
  hub.fault = undefined;
  hub.requests.length = 0;
  assert.equal((await imported(page, source)).digest, digest);
  assert.equal(hub.requests[0].from, partial[0].loaded, "it went on from there");
});

importTest("an import outlives its tab", async ({ page, hub, reopen }) => {
  const { bytes, digest } = await prepared(hub);
  const place = Math.floor(bytes * 0.8);
  hub.fault = ({ file, to }) => (file === WEIGHTS && to === undefined ? { hold: place, until: new Promise(() => {}) } : undefined);
  await page.evaluate(() => void Unmask.import("hub:tests/synthetic", { onProgress: tell }).catch(() => {}));
  await page.waitForFunction((place) => told.some(({ loaded }) => loaded > 0.9 * place), place);
  await page.close();
  hub.fault = undefined;
  hub.requests.length = 0;
  const again = await reopen();
  assert.equal((await imported(again)).digest, digest);
  const stream = hub.requests.find(({ path, to }) => path.startsWith("/blob/") && to === undefined);
  assert.ok(stream.from > 1e6, `it went on from ${stream.from}`);
});

importTest("two tabs that want the same model fetch it once", async ({ page, hub, reopen }) => {
  const { bytes, digest } = await prepared(hub);
  let release;
  const until = new Promise((resolve) => (release = resolve));
  hub.fault = ({ file, to }) => (file === WEIGHTS && to === undefined ? { hold: Math.floor(bytes / 2), until } : undefined);
  const other = await reopen();
  const first = imported(page);
  await page.waitForFunction(() => told.some(({ loaded }) => loaded > 1e6));
  const second = imported(other);
  await other.waitForFunction(() => told.some(({ phase }) => phase === "waiting"));
  release();
  assert.equal((await first).digest, digest);
  assert.equal((await second).digest, digest);
  const streams = hub.requests.filter(({ path, to }) => path.startsWith("/blob/") && path.endsWith(WEIGHTS) && to === undefined);
  assert.equal(streams.length, 1);
});

importTest("an import that is stopped, at whatever stage, goes on where it was", async ({ page, hub }) => {
  const { bytes, digest } = await prepared(hub);
  const stopAt = (when) =>
    page.evaluate(async (when) => {
      const abort = new AbortController();
      const met = new Function("progress", `return ${when}`);
      if (when === "true") abort.abort();
      const onProgress = (progress) => met(progress) && abort.abort();
      return failure(Unmask.import("hub:tests/synthetic", { onProgress, signal: abort.signal }));
    }, when);
  for (const when of [
    "true",
    "progress.phase === 'download'",
    `progress.loaded > ${bytes * 0.3}`,
    `progress.loaded > ${bytes * 0.6}`,
    `progress.loaded > ${bytes * 0.9}`,
    "progress.phase === 'verify'",
  ]) {
    assert.equal((await stopAt(when)).code, "aborted", when);
    assert.equal((await page.evaluate(() => Unmask.stored())).models.length, 0, when);
  }
  hub.requests.length = 0;
  assert.equal((await imported(page)).digest, digest);
  const streams = hub.requests.filter(({ path, to }) => path.startsWith("/blob/") && to === undefined);
  assert.deepEqual(streams, [], "everything had come");

  // While the small files come, nothing is there to go on with, and the next try works all the same.
  let asked;
  const waiting = new Promise((resolve) => (asked = resolve));
  hub.fault = ({ file }) => {
    if (file !== "vocab.txt") return undefined;
    asked();
    return { hold: 10, until: new Promise(() => {}) };
  };
  await page.evaluate(() => {
    window.stop = new AbortController();
    window.describing = failure(Unmask.describe("hub:tests/synthetic", { signal: stop.signal }));
  });
  await waiting;
  assert.equal((await page.evaluate(() => (stop.abort(), describing))).code, "aborted");
  hub.fault = undefined;
  assert.equal(await page.evaluate(async () => (await Unmask.describe("hub:tests/synthetic")).architecture), "bert");
});

importTest("what has come of an import can be forgotten", async ({ page, hub }) => {
  const { bytes } = await prepared(hub);
  const partial = await page.evaluate(async (place) => {
    const abort = new AbortController();
    const onProgress = ({ loaded }) => loaded > place && abort.abort();
    await failure(Unmask.import("hub:tests/synthetic", { onProgress, signal: abort.signal }));
    const before = (await Unmask.stored()).partial;
    const answer = await Unmask.import("hub:tests/synthetic", { discard: true });
    return { before, answer, after: (await Unmask.stored()).partial };
  }, bytes / 2);
  assert.equal(partial.before.length, 1);
  assert.ok(partial.before[0].loaded > bytes / 3);
  assert.equal(partial.answer, undefined);
  assert.deepEqual(partial.after, []);
});

importTest("a hub that wants to be left alone for a moment is", { expected: [/429/] }, async ({ page, hub }) => {
  const { digest } = await prepared(hub);
  hub.fault = ({ file, number }) =>
    (file === "api" || file === "config.json" || file === WEIGHTS) && number === 1
      ? { status: 429, headers: { "Retry-After": "1", "Access-Control-Expose-Headers": "Retry-After" } }
      : undefined;
  const done = await imported(page);
  assert.equal(done.digest, digest);
  const waits = await page.evaluate(() => told.filter(({ phase }) => phase === "waiting").map(({ secondsLeft }) => secondsLeft));
  assert.deepEqual(waits, [1, 1, 1]);
});

importTest("models that are gated, private or not there say what to do", { expected: [/401/] }, async ({ page, hub }) => {
  const files = await filesIn(fixture("bert"));
  hub.add("tests/gated", files, { gated: "manual" });
  hub.add("tests/empty", { "README.md": Buffer.from("# Nothing") });
  hub.add("tests/gpt", { ...files, "config.json": Buffer.from('{"model_type":"gpt2"}') });
  const cases = [
    ["hub:tests/gated", "network", new RegExp(`Accept them at ${hub.hub}/tests/gated, download the files there, and drop them here`)],
    ["hub:tests/private", "input", /private.*Check the name/],
    ["hub:tests/gated@no-such-branch", "input", /revision/],
    ["hub:tests/empty", "input", /config\.json/],
    ["hub:tests/gpt", "unsupported", /gpt2/],
  ];
  for (const [source, code, pattern] of cases) {
    for (const call of ["describe", "import"]) {
      const failed = await page.evaluate(([call, source]) => failure(Unmask[call](source)), [call, source]);
      assert.equal(failed.code, code, `${call} ${source}: ${JSON.stringify(failed)}`);
      assert.match(`${failed.message} ${failed.nextStep}`, pattern);
    }
  }
  assert.deepEqual(hub.requests.filter(({ method }) => method === "OPTIONS"), [], "no request needed leave");
});

importTest("a model of the catalogue in parts comes through cuts, outlives its tab, and is verified whole", { expected: CUT }, async ({ page, context, hub, url, reopen }) => {
  const catalogue = await (await fetch(`${url}models/models.json`)).json();
  const entry = catalogue.models.find(({ name }) => name === "bart-g2p");
  const bytes = Buffer.from(await (await fetch(`${url}models/${entry.file}`)).arrayBuffer());
  const third = Math.ceil(bytes.length / 3);
  const parts = [0, 1, 2].map((i) => bytes.subarray(i * third, (i + 1) * third));
  const names = parts.map((_, i) => `model.${i + 1}.gguf`);
  hub.add("parts", Object.fromEntries(names.map((name, i) => [name, parts[i]])));
  const listed = parts.map((part, i) => ({ file: `${hub.storage}/folder/parts/${names[i]}`, bytes: part.length, sha256: "of no use here" }));
  const models = [{ ...entry, file: "not-there.gguf", parts: listed }];
  await context.route("**/models.json", (route) => route.fulfill({ json: { models } }));

  let cuts = [third - 1, 1000, third / 2].map(Math.floor);
  hub.fault = ({ file }) => {
    if (file === names[2]) return { hold: 1000, until: new Promise(() => {}) };
    return cuts.length > 0 ? { cut: cuts.shift() } : undefined;
  };
  const load = (page) => page.evaluate(async () => (await (await Unmask.load("bart-g2p", { onProgress: tell })).complete("word")).text);
  const stopped = page.evaluate(async (place) => {
    const abort = new AbortController();
    const onProgress = ({ loaded }) => loaded > place && abort.abort();
    return failure(Unmask.load("bart-g2p", { onProgress, signal: abort.signal }));
  }, 2 * third - 1000);
  assert.equal((await stopped).code, "aborted");
  // A stopped load is over at once; the engine writes down what has come a moment later.
  await page.waitForFunction(async () => (await Unmask.stored()).partial.length === 1);
  await page.close();
  hub.fault = undefined;
  hub.requests.length = 0;
  const again = await reopen();
  assert.match(await load(again), /\S/);
  assert.ok(!hub.requests.some(({ path, from }) => path.endsWith(names[0]) && from === 0), "the first part was there");
  hub.requests.length = 0;
  await again.close();
  const last = await reopen();
  assert.match(await load(last), /\S/);
  assert.deepEqual(hub.requests, [], "the copy was there");
  const { models: kept } = await last.evaluate(() => Unmask.stored());
  assert.deepEqual(kept.map(({ id, origin }) => [id, origin]), [[entry.sha256, "catalogue"]]);
});
