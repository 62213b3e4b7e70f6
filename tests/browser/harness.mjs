// What every browser test starts from: the built site on a server of its own under a sub-path, Chromium,
// and a page whose every misstep fails the test.
//
//   import { pageTest } from "./harness.mjs";
//   pageTest("shows a heading", async ({ page }) => { await page.getByRole("heading").first().waitFor(); });
//   pageTest("…", { isolated: false, bare: true, viewport: { width: 360, height: 640 } }, async ({ page, url }) => { … });
//
// There is no sleeping here: wait for what the visitor waits for (`locator.waitFor`, `page.waitForFunction`).

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

/** The folder that the site stands in; nothing of it may reach for what lies above. */
const PREFIX = "/a/b/";

/** Generous, because a test machine may be busy: what hangs still ends. */
export const TIMEOUT_MS = 120_000;

/** A model that was on its way when its page was left: behind a service worker that has the name of a failure. */
const GIVEN_UP = /\/models\/\S+\.gguf: net::ERR_FAILED$/;

const servers = new Map();
let browser;

after(async () => {
  await (await browser)?.close();
  for (const server of servers.values()) (await server).child.kill();
});

/**
 * A test with a page of its own, in a fresh browser profile.
 *
 * It fails on an error in the console, an uncaught exception, a request that fails, and a request that leaves
 * the site's folder, whether the page, a worker or a service worker makes it.
 *
 * Options:
 * - `path`: what to open, relative to the site; "" unless given;
 * - `bare`: open an empty document in the site's folder instead, to try `unmask.js` without the page around it;
 * - `isolated`: whether the server sends the COOP and COEP headers; true unless given;
 * - `expected`: patterns of the missteps that the test provokes on purpose;
 * - anything else goes to Playwright's `browser.newContext`, such as `viewport`, `reducedMotion` and `colorScheme`;
 *   service workers are kept out.
 *
 * The body gets `page`, `context`, and `url`, the site's address, which ends with a slash.
 */
export function pageTest(name, options, body = options) {
  const settings = typeof options === "function" ? {} : options;
  const { path = "", bare = false, isolated = true, expected = [], ...contextOptions } = settings;
  test(name, { timeout: TIMEOUT_MS }, async () => {
    const { url } = await serve({ isolated });
    await browse(url, { expected, ...contextOptions }, async (context) => {
      const page = await context.newPage();
      if (bare) await openBare(page, url, isolated);
      else await page.goto(new URL(path, url).href);
      await body({ page, context, url });
    });
  });
}

/**
 * Gives `body` a fresh browser profile in which every misstep counts, as in `pageTest`: nothing but what lies below
 * the address `url` (or one of several) may be asked for. Service workers are kept out unless `serviceWorkers` says
 * "allow": they would answer in place of the routes that a test sets. With a `profile`, a folder, the browser is one of
 * its own, which finds there what it kept.
 */
export async function browse(url, { expected = [], profile, ...contextOptions }, body) {
  const options = { serviceWorkers: "block", ...contextOptions };
  const context = profile
    ? await chromium.launchPersistentContext(profile, { ...LAUNCH, ...options })
    : await (await launched()).newContext(options);
  context.setDefaultTimeout(TIMEOUT_MS / 2);
  const missteps = watch(context, url);
  try {
    await body(context);
  } finally {
    await context.close();
  }
  const passed = options.serviceWorkers === "allow" ? [...expected, GIVEN_UP] : expected;
  const unexpected = missteps.filter((misstep) => !passed.some((pattern) => pattern.test(misstep)));
  assert.deepEqual(unexpected, [], "the page made missteps");
}

/** Serves the site; servers are shared by the tests of a file, and end with it. */
export function serve({ isolated = true } = {}) {
  if (!servers.has(isolated)) servers.set(isolated, startServer(isolated));
  return servers.get(isolated);
}

async function startServer(isolated) {
  const serve = ["serve", "--no-build", "--port=0", `--prefix=${PREFIX}`];
  if (!isolated) serve.push("--no-isolation");
  const xtask = process.env.UNMASK_XTASK;
  const [program, ...args] = xtask ? [xtask, ...serve] : ["cargo", "xtask", ...serve];
  const child = spawn(program, args, {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    stdio: ["ignore", "pipe", "inherit"],
  });
  process.once("exit", () => child.kill());
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /^Serving (\S+)/.exec(line)?.[1];
    if (url) return { url, child };
  }
  throw new Error("the site's server has ended; its message is above");
}

const LAUNCH = {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    ...(process.env.CHROMIUM_FLAGS?.split(" ") ?? ["--disable-gpu"]),
    // A foreign host doesn't even resolve.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
  ],
};

function launched() {
  browser ??= chromium.launch(LAUNCH);
  return browser;
}

export async function openBare(page, url, isolated) {
  const address = new URL("bare.html", url).href;
  const headers = isolated
    ? { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" }
    : {};
  await page.route(address, (route) =>
    route.fulfill({ contentType: "text/html", headers, body: "<!doctype html><title>bare</title><link rel=icon href=data:,>" }),
  );
  await page.goto(address);
}

/** Collects everything that a well-behaved site doesn't do. */
function watch(context, url) {
  const missteps = [];
  context.on("request", (request) => {
    const target = request.url();
    if (!/^(data|blob):/.test(target) && ![url].flat().some((place) => target.startsWith(place))) missteps.push(`request outside the site: ${target}`);
  });
  context.on("requestfailed", (request) => {
    const reason = request.failure()?.errorText;
    // The page may change its mind; that isn't a failure.
    if (reason !== "net::ERR_ABORTED") missteps.push(`request failed: ${request.url()}: ${reason}`);
  });
  context.on("console", (message) => {
    if (message.type() === "error") missteps.push(`console: ${message.text()} (${message.location().url})`);
  });
  context.on("weberror", (error) => missteps.push(`uncaught: ${error.error()}`));
  return missteps;
}
