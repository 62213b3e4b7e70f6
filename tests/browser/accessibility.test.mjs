// What axe-core can tell about the page's accessibility by itself.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

import { pageTest } from "./harness.mjs";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

const SCREENS = {
  "on a desk": { viewport: { width: 1280, height: 800 } },
  "on a phone": { viewport: { width: 360, height: 640 } },
  "in the dark": { colorScheme: "dark" },
};

for (const [name, screen] of Object.entries(SCREENS)) {
  // The page's policy would keep axe's script out.
  pageTest(`axe finds nothing amiss ${name}`, { ...screen, bypassCSP: true }, async ({ page }) => {
    await page.getByRole("heading", { level: 1 }).waitFor();
    for (const name of ["bert", "cross"]) await page.locator(`[data-matrix=${name}][data-weights=true]`).waitFor();
    await page.getByLabel("paint single cells").check();
    await page.getByRole("radio", { name: "a window", exact: true }).check({ force: true });
    await page.locator(".changes li").first().waitFor();
    await page.addScriptTag({ path: AXE });
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.target).join("; ")}`);
    assert.deepEqual(found, []);
  });
}
