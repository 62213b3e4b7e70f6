import { chromium } from "playwright-core";
import { startHub, filesIn } from "./hub.mjs";
import { serve } from "./harness.mjs";
import { fixture } from "./import_page.mjs";
const hub = await startHub();
hub.add("tests/bert", await filesIn(fixture("bert")));
hub.add("tests/bart", await filesIn(fixture("bart")));
const { url, child } = await serve({});
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
for (const [width, scheme] of [[1440, "light"], [360, "light"], [768, "dark"], [1440, "dark"]]) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme, serviceWorkers: "block" });
  await context.route(url, async (route) => {
    const response = await route.fetch();
    const html = await response.text();
    await route.fulfill({ response, body: html.replaceAll(/unmask\.js\?([^"]*)"/g, `unmask.js?$1&hub=${hub.hub}"`).replaceAll('unmask.js"', `unmask.js?hub=${hub.hub}"`) });
  });
  const page = await context.newPage();
  page.on("console", (m) => console.log(width, m.type(), m.text()));
  page.on("pageerror", (e) => console.log(width, "error", e.message));
  await page.goto(url);
  const region = page.locator("#library");
  await region.waitFor();
  await region.screenshot({ path: `/tmp/lib-shots/${width}-${scheme}-0.png` });
  await region.getByRole("textbox").first().fill("tests/bert");
  await region.getByRole("textbox").first().press("Enter");
  await page.waitForFunction(() => document.querySelector("#library").dataset.stage !== "looking", undefined, { timeout: 60000 });
  await region.locator("summary").click();
  await region.screenshot({ path: `/tmp/lib-shots/${width}-${scheme}-1.png` });
  console.log(await region.locator(".card").innerText());
  await region.getByRole("button", { name: /^Read/ }).click({ timeout: 20000 });
  await page.waitForFunction(() => ["done", "paused"].includes(document.querySelector("#library").dataset.stage), undefined, { timeout: 60000 });
  console.log(await region.innerText());
  await region.screenshot({ path: `/tmp/lib-shots/${width}-${scheme}-2.png` });
  if (process.env.QUANT) {
    await page.locator("[data-matrix=cross][data-weights=true]").waitFor({ timeout: 120000 });
    const q = page.locator("#quantization");
    await q.getByRole("button", { name: "Compare" }).click();
    await q.locator("tbody tr").nth(3).waitFor({ timeout: 120000 });
    await page.waitForTimeout(500);
    await q.screenshot({ path: `/tmp/lib-shots/${width}-${scheme}-q.png` });
    console.log(await q.innerText());
  }
  await context.close();
}
await browser.close(); await hub.stop(); child.kill(); process.exit(0);
