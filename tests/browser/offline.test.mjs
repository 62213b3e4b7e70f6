// The site without a network: the host is stopped and the browser offline, nothing is mocked.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { TIMEOUT_MS, browse } from "./harness.mjs";
import { nextBuild, startHost } from "./host.mjs";
import { fill, pronounce } from "./models.mjs";

const KEPT = "#kept:not([hidden])";
/** What the browser says when the service worker looks for newer data and finds no network. */
const NO_NETWORK = [/ERR_INTERNET_DISCONNECTED/, /ERR_CONNECTION_REFUSED/];

async function bothModelsAnswer(page) {
  assert.ok((await fill(page, "I want to [MASK] to the beach with you.")).includes("go"));
  assert.equal(await pronounce(page, "first"), "fˈɝst");
}

test("a reload, a fresh tab and a cold start without a network run BERT and BART", { timeout: 2 * TIMEOUT_MS }, async () => {
  const host = await startHost({ prefix: "/a/b/" });
  const profile = await mkdtemp(join(tmpdir(), "unmask-profile-"));
  try {
    const options = { serviceWorkers: "allow", profile, expected: NO_NETWORK };
    await browse(host.url, options, async (context) => {
      const page = await context.newPage();
      await page.goto(host.url);
      await page.locator(KEPT).waitFor();
      await bothModelsAnswer(page);
      await host.stop();
      await context.setOffline(true);
      await page.reload();
      await bothModelsAnswer(page);
      const fresh = await context.newPage();
      await page.close();
      await fresh.goto(host.url);
      await fresh.getByRole("heading", { level: 1 }).waitFor();
      await bothModelsAnswer(fresh);
    });
    // The browser is closed now, and so is the host.
    await browse(host.url, options, async (context) => {
      await context.setOffline(true);
      const page = await context.newPage();
      await page.goto(`${host.url}index.html?from=home-screen`);
      await page.getByRole("heading", { level: 1 }).waitFor();
      await bothModelsAnswer(page);
      assert.equal(await page.evaluate(() => crossOriginIsolated), true);
    });
  } finally {
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
});

test("before any large model has come, the page and the small one work offline", { timeout: TIMEOUT_MS }, async () => {
  const host = await startHost();
  await browse(host.url, { serviceWorkers: "allow", expected: [...NO_NETWORK, /bert\.gguf/, /Failed to fetch/] }, async (context) => {
    // A reader who saves data, whose page loads no model by itself.
    await context.addInitScript(() => Object.defineProperty(navigator, "connection", { value: { saveData: true } }));
    const page = await context.newPage();
    await page.goto(host.url);
    await page.locator(KEPT).waitFor();
    await host.stop();
    await context.setOffline(true);
    await page.reload();
    await page.getByRole("heading", { level: 1 }).waitFor();
    assert.equal(await pronounce(page, "first"), "fˈɝst");
    const failure = await fill(page, "No [MASK].").catch((error) => error.message);
    assert.match(failure, /could not be fetched/);
  });
});

test("a new build takes over as a whole when the reader says so, and no model is fetched again", { timeout: 2 * TIMEOUT_MS }, async () => {
  const host = await startHost({ prefix: "/a/b/" });
  const next = await nextBuild("The next version");
  try {
    await browse(host.url, { serviceWorkers: "allow" }, async (context) => {
      const [page, other] = [await context.newPage(), await context.newPage()];
      for (const tab of [page, other]) {
        await tab.goto(host.url);
        await tab.locator(KEPT).waitFor();
        // A model on its way would be cut off by the reload, and the browser would call that a failed request.
        await bothModelsAnswer(tab);
      }
      await page.reload();
      await bothModelsAnswer(page);
      const heading = await page.getByRole("heading", { level: 1 }).innerText();

      // Another build stands on the host now; the files of this one are gone from there.
      host.folder = next.folder;
      host.requests.length = 0;
      await page.reload();
      await page.getByRole("button", { name: "Use it" }).waitFor();
      assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), heading, "nothing has changed unasked");
      await bothModelsAnswer(page);

      await page.getByRole("button", { name: "Use it" }).click();
      await page.getByRole("heading", { name: "The next version" }).waitFor();
      await bothModelsAnswer(page);
      assert.ok(host.requests.includes("/a/b/engine/0123456789abcdef/worker.js"));
      assert.deepEqual(host.requests.filter((path) => path.endsWith("bert.gguf")), []);

      // The other tab still shows the version before, and its engine still starts.
      assert.equal(await other.getByRole("heading", { level: 1 }).innerText(), heading);
      await bothModelsAnswer(other);
      const alerts = await other.getByRole("alert").allInnerTexts();
      assert.deepEqual(alerts.filter((text) => text.trim() !== ""), []);
    });
  } finally {
    await host.stop();
    await next.remove();
  }
});

test("a deployment that is half done leaves the version before in charge", { timeout: TIMEOUT_MS }, async () => {
  const host = await startHost();
  const next = await nextBuild("The next version");
  try {
    await browse(host.url, { serviceWorkers: "allow", expected: [/404/] }, async (context) => {
      const page = await context.newPage();
      await page.goto(host.url);
      await page.locator(KEPT).waitFor();
      const heading = await page.getByRole("heading", { level: 1 }).innerText();
      host.folder = next.folder;
      await rm(join(next.folder, "page"), { recursive: true });
      const refused = await page.evaluate(async () => {
        const registration = await navigator.serviceWorker.ready;
        const updated = new Promise((resolve) => registration.addEventListener("updatefound", resolve, { once: true }));
        await registration.update().catch(() => {});
        if (!registration.installing) return true;
        await updated;
        const worker = registration.installing;
        await new Promise((resolve) => worker.addEventListener("statechange", resolve, { once: true }));
        return worker.state === "redundant";
      });
      assert.equal(refused, true);
      await page.reload();
      assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), heading);
      assert.equal(await pronounce(page, "first"), "fˈɝst");
    });
  } finally {
    await host.stop();
    await next.remove();
  }
});

test("Chromium finds nothing that keeps the page from being installed", { timeout: TIMEOUT_MS }, async () => {
  const host = await startHost({ prefix: "/a/b/" });
  // A passing context counts as incognito, where nothing can be installed.
  const profile = await mkdtemp(join(tmpdir(), "unmask-profile-"));
  try {
    await browse(host.url, { serviceWorkers: "allow", profile }, async (context) => {
      const page = await context.newPage();
      await page.goto(host.url);
      await page.locator(KEPT).waitFor();
      const audit = await context.newCDPSession(page);
      const { errors, url } = await audit.send("Page.getAppManifest");
      assert.deepEqual(errors, []);
      assert.equal(url, `${host.url}manifest.webmanifest`);
      const { installabilityErrors } = await audit.send("Page.getInstallabilityErrors");
      assert.deepEqual(installabilityErrors, []);
    });
  } finally {
    await host.stop();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
});
