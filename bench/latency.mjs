// How long a reader waits, in the page itself: from a key press to BERT's new matrix, and for frames while the grid of
// all heads scrolls by.
//
//   node latency.mjs URL CHROMIUM [FLAG...]
//
// `cargo xtask latency` builds and serves the site and runs this. It prints its numbers and ends with 1 where a bar is
// missed.

import { createHash } from "node:crypto";

import { chromium } from "playwright-core";

import { tinyBert } from "../tests/browser/tiny_bert.mjs";

/** Key presses that count; the first few only warm up. */
const PRESSES = 30;
const WARM_UP = 5;
/** Milliseconds from key to matrix, in the median. */
const BAR = 100;
/** Frames that may be lost in one pass over the grid. */
const FEW = 5;
/** 20 tokens with a full stop behind it, [CLS] and [SEP] among them. */
const TEXT = "I want to [MASK] to the beach with you and your sister when it is so warm";
const TOKENS = 20;

const [url, executablePath, ...args] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args });

/**
 * Runs in the page before its own scripts. `window.seen` notes when a key went down, when the worker answered with
 * attention, and when BERT's matrix was next drawn and shown.
 */
function watch() {
  const seen = (window.seen = { shown: 0 });
  addEventListener("keydown", ({ timeStamp }) => Object.assign(seen, { key: timeStamp, answer: undefined, drawn: undefined }), true);
  const OwnWorker = Worker;
  window.Worker = class extends OwnWorker {
    constructor(...options) {
      super(...options);
      this.addEventListener("message", ({ data }) => {
        if (data?.reply?.kind === "attention" && seen.key) seen.answer = performance.now();
      });
    }
  };
  const { fillText } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.fillText = function (...options) {
    if (seen.answer && !seen.drawn && this.canvas.closest("[data-matrix=bert]")) {
      seen.drawn = performance.now();
      // The frame that has it is on its way when its callbacks have run.
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => {
          seen.total = performance.now() - seen.key;
          seen.shown++;
        };
        port2.postMessage(0);
      });
    }
    return fillText.apply(this, options);
  };
}

async function open(prepare = async () => {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, serviceWorkers: "block" });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  await page.addInitScript(watch);
  await prepare(page);
  await page.goto(url);
  return page;
}

const matrix = (rows) => `[data-matrix=bert][data-weights=true]${rows ? `[data-rows="${rows}"]` : ""}`;

/** Milliseconds of each key press, in ascending order, and the same until the answer had come. */
async function typing() {
  const page = await open();
  const field = page.getByRole("textbox", { name: "Your sentence" });
  await page.locator(matrix()).waitFor();
  // BART would compute in the same worker pool; a reader who types has it too, so it stays.
  await page.locator("[data-matrix=cross][data-weights=true]").waitFor();
  await field.fill(`${TEXT}.`);
  await page.locator(matrix(TOKENS)).waitFor();
  await field.press("End");
  const [totals, answers] = [[], []];
  for (let press = -WARM_UP; press < PRESSES; press++) {
    // The full stop goes and comes: each press changes the tokens, and the matrix by a row and a column.
    const gone = (press + WARM_UP) % 2 === 0;
    const before = await page.evaluate(() => window.seen.shown);
    await page.keyboard.press(gone ? "Backspace" : ".");
    await page.waitForFunction((before) => window.seen.shown > before, before, { polling: 20 });
    await page.locator(matrix(gone ? TOKENS - 1 : TOKENS)).waitFor();
    const { total, answer, key } = await page.evaluate(() => window.seen);
    if (press >= 0) {
      totals.push(total);
      answers.push(answer - key);
    }
    // As a reader types: what the press started besides has time to end.
    await page.waitForTimeout(250);
  }
  await page.context().close();
  const ascending = (list) => list.sort((a, b) => a - b);
  return { totals: ascending(totals), answers: ascending(answers) };
}

/** A BERT of 12 layers of 12 heads, with random weights: only its shape matters here. */
function wideBert() {
  const size = (length) => ({ 32: 48, 48: 160 })[length] ?? length;
  return tinyBert((model) => {
    Object.assign(model.config, { hidden_size: 48, num_hidden_layers: 12, num_attention_heads: 12, max_position_embeddings: 160 });
    for (const [name, shape] of Object.entries(model.shapes)) {
      model.shapes[name] = shape.map(size);
      if (!name.includes("layer.0.")) continue;
      for (let layer = 2; layer < 12; layer++) model.shapes[name.replace("layer.0.", `layer.${layer}.`)] = model.shapes[name];
    }
  });
}

/** Frames while the grid of 144 thumbnails at 128 tokens is scrolled over, and the intervals between them. */
async function scrolling() {
  const file = wideBert();
  const page = await open(async (page) => {
    await page.route("**/models/models.json*", async (route) => {
      const response = await route.fetch();
      const catalogue = await response.json();
      const bert = catalogue.models.find(({ name }) => name === "bert");
      Object.assign(bert, { bytes: file.length, sha256: createHash("sha256").update(file).digest("hex") });
      await route.fulfill({ json: catalogue });
    });
    await page.route("**/models/bert.gguf*", (route) => route.fulfill({ body: file, contentType: "application/octet-stream" }));
  });
  await page.locator(matrix()).waitFor();
  // 63 words of two pieces, [CLS] and [SEP].
  await page.getByRole("textbox", { name: "Your sentence" }).fill(Array(63).fill("ab").join(" "));
  await page.locator(matrix(128)).waitFor();
  const grid = page.locator(".overview canvas");
  const label = await grid.getAttribute("aria-label");
  if (!label.startsWith("12 layers of 12 heads")) throw new Error(`the grid is "${label}"`);
  await page.waitForTimeout(1000);
  const passes = [];
  for (let pass = 0; pass < 3; pass++) {
    passes.push(
      await grid.evaluate(
        (grid) =>
          new Promise((resolve) => {
            const { top, height } = grid.getBoundingClientRect();
            const from = scrollY + top - innerHeight;
            const to = scrollY + top + height;
            scrollTo({ top: from, behavior: "instant" });
            const [times, frames] = [[], 120];
            const step = (now) => {
              times.push(now);
              if (times.length > frames) return resolve(times.slice(1).map((time, i) => time - times[i]));
              scrollTo({ top: from + ((to - from) * times.length) / frames, behavior: "instant" });
              requestAnimationFrame(step);
            };
            requestAnimationFrame(() => requestAnimationFrame(step));
          }),
      ),
    );
  }
  await page.context().close();
  return passes;
}

const at = (ascending, share) => ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))];
const ms = (number) => `${number.toFixed(1)} ms`;

try {
  const { totals, answers } = await typing();
  const median = at(totals, 0.5);
  console.log(`Key press to BERT's matrix, ${TOKENS - 1} and ${TOKENS} tokens, ${PRESSES} presses:`);
  console.log(`  median ${ms(median)} (bar: ${BAR}), 90% within ${ms(at(totals, 0.9))}, most ${ms(totals.at(-1))}`);
  console.log(`  of which until the worker's answer: median ${ms(at(answers, 0.5))}`);

  const passes = await scrolling();
  const lost = passes.map((intervals) => {
    const frame = at([...intervals].sort((a, b) => a - b), 0.5);
    return intervals.reduce((sum, interval) => sum + Math.max(0, Math.round(interval / frame) - 1), 0);
  });
  const longest = Math.max(...passes.flat());
  console.log("Scrolling 12 layers of 12 heads at 128 tokens, 120 frames a pass:");
  console.log(`  frames lost in each of ${passes.length} passes: ${lost.join(", ")} (bar: ${FEW}); longest ${ms(longest)}, median ${ms(at(passes.flat().sort((a, b) => a - b), 0.5))}`);
  if (median >= BAR || Math.max(...lost) > FEW) process.exitCode = 1;
} finally {
  await browser.close();
}
