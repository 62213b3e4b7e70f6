// The site on the hosts that people have: at a domain's root, under a sub-path, behind compression, with and without
// isolation headers. Always one folder, as it was built.

import assert from "node:assert/strict";
import { test } from "node:test";

import { TIMEOUT_MS, browse } from "./harness.mjs";
import { startHost } from "./host.mjs";
import { fill, pronounce } from "./models.mjs";

/** The build of the engine that runs in the page: this is its own client. */
function engine(page) {
  return page.evaluate(async () => {
    const { Unmask } = await import(document.getElementById("client").href);
    return (await Unmask.load("bart-g2p")).engine;
  });
}

const HOSTS = {
  "at a domain's root": {},
  "under a sub-path": { prefix: "/a/b/" },
  "behind compression": { prefix: "/a/b/", compressed: true },
  "with isolation headers": { isolated: true },
};

for (const [name, settings] of Object.entries(HOSTS)) {
  test(`the page and both models work ${name}`, { timeout: TIMEOUT_MS }, async () => {
    const host = await startHost(settings);
    try {
      await browse(host.url, { serviceWorkers: "allow" }, async (context) => {
        const page = await context.newPage();
        await page.goto(host.url);
        await page.getByRole("heading", { level: 1 }).waitFor();
        assert.equal(await page.evaluate(() => crossOriginIsolated), Boolean(settings.isolated));
        assert.ok((await fill(page, "I want to [MASK] to the beach with you.")).includes("go"));
        assert.equal(await pronounce(page, "first"), "fˈɝst");
        assert.ok(host.requests.every((path) => path.startsWith(settings.prefix ?? "/")), "all below the prefix");
      });
    } finally {
      await host.stop();
    }
  });
}

test("a host without headers gets isolation and threads on the next visit, and no page is ever reloaded", { timeout: TIMEOUT_MS }, async () => {
  const host = await startHost({ prefix: "/a/b/" });
  try {
    await browse(host.url, { serviceWorkers: "allow" }, async (context) => {
      const page = await context.newPage();
      let navigations = 0;
      page.on("framenavigated", () => navigations++);
      await page.goto(host.url);
      await page.locator("#kept:not([hidden])").waitFor();
      assert.equal(await page.evaluate(() => crossOriginIsolated), false);
      assert.equal(await engine(page), "relaxed");
      await page.reload();
      await page.locator("#kept:not([hidden])").waitFor();
      assert.equal(await page.evaluate(() => crossOriginIsolated), true);
      assert.equal(await engine(page), "threads");
      assert.ok((await fill(page, "I want to [MASK] to the beach with you.")).includes("go"));
      assert.equal(navigations, 2);
    });
  } finally {
    await host.stop();
  }
});

test("the service worker leaves other pages of the same host alone", { timeout: TIMEOUT_MS }, async () => {
  const host = await startHost({ overlay: { "/blog/post.html": { body: "<!doctype html><link rel=icon href=data:,><h1>A post</h1>" } } });
  try {
    await browse(host.url, { serviceWorkers: "allow" }, async (context) => {
      const page = await context.newPage();
      await page.goto(host.url);
      await page.locator("#kept:not([hidden])").waitFor();
      await page.goto(`${host.url}blog/post.html`);
      await page.getByRole("heading", { name: "A post" }).waitFor();
      assert.equal(await page.evaluate(() => Boolean(navigator.serviceWorker.controller)), true);
      assert.equal(await page.evaluate(() => crossOriginIsolated), false);
    });
  } finally {
    await host.stop();
  }
});

test("a visit sends the host nothing once the page has loaded", { timeout: TIMEOUT_MS }, async () => {
  const host = await startHost();
  try {
    await browse(host.url, { serviceWorkers: "allow" }, async (context) => {
      const page = await context.newPage();
      await page.goto(host.url);
      await page.locator("#kept:not([hidden])").waitFor();
      // The same client and the same engine as the page's own.
      await page.evaluate(async () => {
        const { Unmask } = await import(document.getElementById("client").href);
        window.models = [await Unmask.load("bert"), await Unmask.load("bart-g2p")];
      });
      const [bytes, requests] = [host.bytesReceived(), host.requests.length];
      assert.ok(bytes > 0);
      const field = page.getByRole("textbox", { name: "Your sentence" });
      await field.fill("Nobody else may read this [MASK].");
      await page.locator(".candidates, [data-probability]").first().waitFor();
      // The engine answers in order: this comes after all that the typing set off.
      await page.evaluate(async () => {
        await models[0].fillMask("Nobody else may [MASK] this.");
        await models[1].complete("private");
      });
      assert.deepEqual([host.bytesReceived(), host.requests.slice(requests)], [bytes, []]);
    });
  } finally {
    await host.stop();
  }
});

test("the page's policy is strict, and a script that is slipped in does not run", { timeout: TIMEOUT_MS }, async () => {
  const host = await startHost();
  try {
    await browse(host.url, { expected: [/Content Security Policy/] }, async (context) => {
      const page = await context.newPage();
      await page.goto(host.url);
      await page.getByRole("heading", { level: 1 }).waitFor();
      const policy = await page.locator("meta[http-equiv=Content-Security-Policy]").getAttribute("content");
      assert.match(policy, /^default-src 'none';/);
      assert.doesNotMatch(policy, /'unsafe-(inline|eval)'|https?:|\*/);
      const ran = await page.evaluate(async () => {
        const violation = new Promise((resolve) => addEventListener("securitypolicyviolation", resolve, { once: true }));
        const script = document.createElement("script");
        script.textContent = "window.slippedIn = true";
        document.body.append(script);
        await violation;
        return "slippedIn" in window;
      });
      assert.equal(ran, false);
      const sent = await page.evaluate(() => fetch("https://elsewhere.example/").then(() => true, () => false));
      assert.equal(sent, false);
    });
  } finally {
    await host.stop();
  }
});
