// The built site, as a static host serves it.

import assert from "node:assert/strict";

import { pageTest } from "./harness.mjs";

for (const isolated of [true, false]) {
  const headers = isolated ? "with isolation headers" : "from a plain host";
  pageTest(`the page appears under a sub-path, ${headers}`, { isolated }, async ({ page }) => {
    await page.getByRole("heading", { level: 1 }).waitFor();
    assert.equal(await page.evaluate(() => crossOriginIsolated), isolated);
  });
}

pageTest("the client is an ES module that any page can import", { bare: true }, async ({ page, url }) => {
  const exports = await page.evaluate(async (client) => Object.keys(await import(client)).sort(), `${url}unmask.js`);
  assert.ok(exports.includes("Unmask"), `exports ${exports}`);
});
