// The site from a disk: in one file, where everything works, and as the folder, which can only say what to do instead.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

import { TIMEOUT_MS, browse } from "./harness.mjs";
import { DIST } from "./host.mjs";
import { fill, pronounce } from "./models.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

test("one file, opened from a disk without a network, runs BERT and BART", { timeout: TIMEOUT_MS }, async () => {
  const xtask = process.env.UNMASK_XTASK;
  const [program, ...args] = [...(xtask ? [xtask] : ["cargo", "xtask"]), "portable", "--no-build"];
  execFileSync(program, args, { cwd: ROOT });
  const address = pathToFileURL(`${ROOT}portable/unmask.html`).href;
  await browse(address, { expected: [/Content Security Policy/] }, async (context) => {
    await context.setOffline(true);
    const page = await context.newPage();
    await page.goto(address);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.getByRole("textbox", { name: "Your sentence" }).waitFor();
    assert.ok((await fill(page, "I want to [MASK] to the beach with you.")).includes("go"));
    assert.equal(await pronounce(page, "first"), "fˈɝst");
    const reached = await page.evaluate(() => fetch("https://elsewhere.example/").then(() => true, () => false));
    assert.equal(reached, false);
  });
});

test("the folder, opened from a disk, says that it wants a server", { timeout: TIMEOUT_MS }, async () => {
  const address = pathToFileURL(DIST).href;
  // What browsers refuse here is the reason for the sentence.
  await browse(address, { expected: [/file:/] }, async (context) => {
    const page = await context.newPage();
    await page.goto(`${address}index.html`);
    await page.getByText("Serve this folder").waitFor();
    assert.ok(await page.getByRole("heading", { level: 1 }).isVisible());
  });
});
