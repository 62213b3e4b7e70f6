// What developers start from: the plain page of examples/, and the package as npm would install it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { TIMEOUT_MS, browse } from "./harness.mjs";
import { startHost } from "./host.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

test("the plain page of the examples fills a gap with the site's client", { timeout: TIMEOUT_MS }, async () => {
  const site = await startHost({ prefix: "/unmask/" });
  const example = await readFile(`${ROOT}examples/plain-page/index.html`, "utf8");
  const own = await startHost({ overlay: { "/": { body: example.replaceAll("https://unmask.example/", site.url) } } });
  try {
    await browse([site.url, own.url], {}, async (context) => {
      const page = await context.newPage();
      await page.goto(own.url);
      await page.getByRole("button", { name: "Fill it" }).click();
      await page.getByText(/^letter \(\d+\.\d%\)$/).waitFor();
      await page.getByLabel("A sentence").fill("No gap here.");
      await page.getByRole("button", { name: "Fill it" }).click();
      await page.getByRole("status").getByText(/mask/i).waitFor();
    });
  } finally {
    await Promise.all([site.stop(), own.stop()]);
  }
});

test("the package holds all that its module needs", { timeout: TIMEOUT_MS }, async () => {
  const xtask = process.env.UNMASK_XTASK;
  const [program, ...args] = [...(xtask ? [xtask] : ["cargo", "xtask"]), "package", "--no-build"];
  execFileSync(program, args, { cwd: ROOT });
  const folder = `${ROOT}package/`;
  const manifest = JSON.parse(await readFile(`${folder}package.json`, "utf8"));
  const [{ files }] = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json"], { cwd: folder, stdio: ["ignore", "pipe", "ignore"] }));
  const packed = files.map(({ path }) => path);
  for (const path of [manifest.exports["."].default, manifest.exports["."].types, "./models/bert.gguf", "./README.md"]) {
    assert.ok(packed.includes(path.slice(2)), path);
  }
  const host = await startHost({ folder, prefix: "/vendor/unmask-web/", overlay: { "/vendor/unmask-web/": { body: "<!doctype html><link rel=icon href=data:,>" } } });
  try {
    await browse(host.url, {}, async (context) => {
      const page = await context.newPage();
      await page.goto(host.url);
      const text = await page.evaluate(async () => {
        const { Unmask } = await import("./unmask.js");
        return (await (await Unmask.load("bart-g2p")).complete("first")).text;
      });
      assert.equal(text, "fˈɝst");
    });
    const asked = host.requests.map((path) => path.slice("/vendor/unmask-web/".length)).filter(Boolean);
    assert.deepEqual(asked.filter((path) => !packed.includes(path)), []);
  } finally {
    await host.stop();
  }
});
