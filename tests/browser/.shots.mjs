import { chromium } from "playwright-core";
import { serve } from "./harness.mjs";
const { url } = await serve();
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--headless","--no-sandbox","--disable-gpu","--disable-quic","--no-first-run","--disable-background-networking","--disable-component-update","--disable-sync"] });
const widths = (process.env.W ?? "360,768,1440").split(",").map(Number);
const schemes = (process.env.S ?? "light,dark").split(",");
for (const width of widths) for (const colorScheme of schemes) {
  const context = await browser.newContext({ viewport: { width, height: width < 500 ? 640 : 900 }, colorScheme, serviceWorkers: "block" });
  const page = await context.newPage();
  await page.goto(url + (process.env.HASH ?? ""));
  for (const name of ["bert","encoder","decoder","cross"]) await page.locator(`[data-matrix=${name}][data-weights=true]`).waitFor({ timeout: 120000 });
  await page.waitForFunction(() => !document.querySelector("#app [aria-busy=true]"));
  if (process.env.OPEN) {
    await page.evaluate(() => {
      for (const box of document.querySelectorAll("#app input[type=checkbox]:not(:checked)")) if (/hide each|turn/.test(box.closest("label").textContent) && box.checkVisibility()) box.click();
    });
    await page.locator(".occluded li").first().waitFor();
    await page.waitForFunction(() => !document.querySelector("#app [aria-busy=true]"));
  }
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  const step = width < 500 ? 2400 : width < 1000 ? 2400 : 2000;
  for (let y = 0, n = 0; y < height; y += step, n++) await page.screenshot({ path: `/tmp/tour/shots/${width}-${colorScheme}-${n}.png`, fullPage: true, clip: { x: 0, y, width, height: Math.min(step, height - y) } });
  if (process.env.PDF) await page.pdf({ path: "/tmp/tour/shots/page.pdf", format: "A4" });
  await context.close();
}
await browser.close();
process.exit(0);
