// Runs a benchmark's plan in headless Chromium and writes what was measured, unjudged, as JSON.
//
//   node drive.mjs PLAN.json RAW.json
//
// `cargo xtask bench` writes the plan, serves the page, and makes the table.

import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

import { chromium } from "playwright-core";

import { Workers } from "./workers.mjs";

/** Milliseconds between two turns: threads that spin for more work after one would slow down the next. */
const REST = 50;

const [planFile, rawFile] = process.argv.slice(2);
const plan = JSON.parse(await readFile(planFile, "utf8"));

const launch = { executablePath: plan.chromium, args: plan.flags, timeout: 60_000 };
const browser = await chromium.launch(launch);

/** A page of its own for `work`, with its workers at hand. */
async function withPage(work) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(0);
  page.on("console", (message) => console.log(`    page: ${message.text()}`));
  page.on("pageerror", (error) => console.log(`    page: ${error}`));
  const workers = await Workers.of(page);
  await page.goto(`${plan.url}index.html`);
  await page.waitForFunction(() => window.bench);
  try {
    return await work(page, workers);
  } finally {
    await context.close();
  }
}

/** Loads contestants one by one; resolves with each one's worker. */
async function loadAll(page, workers, contestants, shape) {
  const own = {};
  for (const contestant of contestants) {
    const before = workers.count();
    await page.evaluate(([contestant, shape]) => window.bench.load(contestant, shape), [contestant, shape]);
    own[contestant.name] = workers.since(before);
  }
  return own;
}

async function measureShape({ shape, workloads, contestants, reference }) {
  return withPage(async (page, workers) => {
    const own = await loadAll(page, workers, contestants, shape);
    const cells = [];
    for (const workload of workloads) {
      console.log(`    ${workload.name}`);
      const agreements = await page.evaluate(([workload, reference]) => window.bench.agreement(workload, reference), [workload, reference]);
      console.log(`      agreement with ${reference}: ${JSON.stringify(agreements)}`);
      const loadBefore = await loadAverage();
      const timed = await inTurns(page, workload);
      cells.push({ name: workload.name, workload, agreements, ...timed, loadBefore, loadAfter: await loadAverage() });
    }
    const memory = {};
    const profiles = {};
    for (const { name, threads, engine } of contestants) {
      if (engine === "ort") memory[name] = await page.evaluate((name) => window.bench.memory(name), name);
      else if (threads === 1) memory[name] = await workers.memory(own[name]);
    }
    for (const { name } of plan.profile ? contestants.filter(({ engine }) => engine === "unmask") : []) {
      for (const workload of workloads) {
        const busy = () =>
          page.evaluate(([name, workload]) => window.bench.keepBusy(name, workload, 4000), [name, workload]);
        profiles[`${workload.name} ${name}`] = await workers.profile(own[name], busy);
      }
    }
    return { cells, memory, profiles };
  });
}

/**
 * Times every contestant in every round, in turns: A B C, C B A, A B C. `cpu` is the milliseconds of processor time in
 * all threads of the page, which others' load on the machine hardly touches; `peaks` the multiplication peak of each
 * round. A round before the first, in which the browser still compiles, doesn't count.
 */
async function inTurns(page, workload) {
  const names = await page.evaluate((workload) => window.bench.prepare(workload), workload);
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  const peaks = [];
  for (let round = -1; round < plan.rounds; round++) {
    for (const name of round % 2 ? names.toReversed() : names) {
      await setTimeout(REST);
      const before = await processorTime();
      const sample = await page.evaluate(([name, workload]) => window.bench.turn(name, workload), [name, workload]);
      const cpu = (await processorTime()) - before;
      if (round >= 0) samples[name].push({ ...sample, cpu });
    }
    const peak = await page.evaluate(() => window.bench.measurePeak());
    if (round >= 0) peaks.push(peak);
  }
  return { samples, peaks };
}

/** Milliseconds that the browser's pages have computed so far, or NaN where the system doesn't say. */
async function processorTime() {
  const devtools = await browser.newBrowserCDPSession();
  const { processInfo } = await devtools.send("SystemInfo.getProcessInfo");
  await devtools.detach();
  let nanoseconds = 0;
  for (const { id } of processInfo.filter(({ type }) => type === "renderer")) {
    const tasks = await readdir(`/proc/${id}/task`).catch(() => [undefined]);
    for (const task of tasks) {
      const spent = await readFile(`/proc/${id}/task/${task}/schedstat`, "utf8").catch(() => "NaN");
      nanoseconds += Number(spent.split(" ")[0]);
    }
  }
  return nanoseconds / 1e6;
}

async function measureFidelity({ shape, contestants, sentences, reference }) {
  return withPage(async (page, workers) => {
    await loadAll(page, workers, contestants, shape);
    const found = {};
    for (const { name } of contestants) {
      const judge = ([name, sentences, reference]) => window.bench.fidelity(name, sentences, reference);
      found[name] = await page.evaluate(judge, [name, sentences, reference]);
      console.log(`    ${name}: ${JSON.stringify(found[name])}`);
    }
    return found;
  });
}

/**
 * Milliseconds from navigation to the first answer of BERT in the site's own page: with an empty browser, and again in
 * that browser. The profile lies on disk, as a reader's does, so that compiled code can be cached.
 */
async function measureStartup() {
  const rounds = [];
  for (let round = 0; round < plan.rounds; round++) {
    const profile = await mkdtemp(join(tmpdir(), "unmask-bench-"));
    const context = await chromium.launchPersistentContext(profile, launch);
    try {
      const requests = [];
      context.on("request", (request) => requests.push(request.url()));
      await context.addInitScript(watchForPrediction);
      const visit = async () => {
        const page = await context.newPage();
        await page.goto(`${plan.url}${plan.startup.path}`);
        const prediction = await page.waitForFunction(() => window.firstPrediction, null, { timeout: 120_000, polling: 20 });
        const milliseconds = await prediction.jsonValue();
        await page.close();
        return milliseconds;
      };
      const cold = await visit();
      const requested = [...new Set(requests)];
      rounds.push({ cold, warm: await visit(), requested });
    } finally {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    }
  }
  return rounds;
}

/** Runs in the page before its own scripts: notes when a worker first answers with words for a mask. */
function watchForPrediction() {
  const OwnWorker = window.Worker;
  window.Worker = class extends OwnWorker {
    constructor(...options) {
      super(...options);
      this.addEventListener("message", ({ data }) => {
        if (data?.reply?.kind === "masks") window.firstPrediction ??= performance.now();
      });
    }
  };
}

async function loadAverage() {
  return Number((await readFile("/proc/loadavg", "utf8").catch(() => "NaN")).split(" ")[0]);
}

try {
  const raw = { chromium: browser.version(), shapes: {}, loadAverage: await loadAverage() };
  if (plan.startup) {
    console.log("    startup");
    raw.startup = await measureStartup();
  }
  for (const shape of plan.shapes) raw.shapes[shape.name] = await measureShape(shape);
  if (plan.fidelity) raw.fidelity = await measureFidelity(plan.fidelity);
  await writeFile(rawFile, JSON.stringify(raw));
} finally {
  await browser.close();
}
