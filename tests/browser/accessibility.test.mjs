// What axe-core can tell about the page's accessibility by itself, with everything unfolded and switched on; and how the page
// bears a reader's own colours, larger targets and a keyboard.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

import { pageTest } from "./harness.mjs";
import { UnmaskPage } from "./reader.mjs";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

const WIDTHS = { "a small phone": { width: 360, height: 640 }, "a desk": { width: 1440, height: 900 } };
const SCHEMES = ["light", "dark"];

/** Opens and switches on all that can be, and waits for what that asks of the models. */
async function unfold(reader) {
  const { page } = reader;
  await reader.ready();
  await reader.choose(reader.masks, "a window");
  await reader.choose(reader.bart, "4");
  await page.locator(".changes li").first().waitFor();
  // What is switched on may bring more to be switched on.
  for (;;) {
    const changed = await page.evaluate(() => {
      let changed = 0;
      const press = (element) => (changed++, element.click());
      for (const box of document.querySelectorAll("#app input[type=checkbox]:not(:checked)")) {
        // Painting shows single tokens, which these take away again.
        if (!/word pieces|special tokens/.test(box.closest("label").textContent) && box.checkVisibility()) press(box);
      }
      for (const details of document.querySelectorAll("details:not([open])")) if (details.checkVisibility()) press(details.querySelector("summary"));
      return changed;
    });
    await page.locator(".occluded li").first().waitFor();
    await page.locator(".consequence table").waitFor();
    if (changed === 0) break;
  }
  await page.waitForFunction(() => !document.querySelector("#app [aria-busy=true]") && !document.querySelector("[data-stage=Running]"));
}

async function nothingAmiss(page, where) {
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.target).join("; ")}`);
  assert.deepEqual(found, [], where);
}

for (const [name, viewport] of Object.entries(WIDTHS)) {
  for (const colorScheme of SCHEMES) {
    // The page's policy would keep axe's script out.
    pageTest(`axe finds nothing amiss with everything open on ${name}, ${colorScheme}`, { viewport, colorScheme, bypassCSP: true }, async ({ page }) => {
      const reader = new UnmaskPage(page);
      await unfold(reader);
      const excess = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.equal(excess, 0, "nothing is wider than the screen");
      await page.addScriptTag({ path: AXE });
      await nothingAmiss(page, "the page");
      await page.locator(".tour-door button").click();
      const tour = page.locator(".tour[data-step='1']");
      await tour.waitFor();
      await nothingAmiss(page, "a question of the tour");
      await tour.getByRole("button", { name: "Show me" }).click();
      await tour.getByText(/first guess is “/).waitFor();
      await nothingAmiss(page, "its answer");
    });
  }
}

pageTest("every target is large enough for a finger, or has room around it, and shows the focus", { viewport: WIDTHS["a small phone"] }, async ({ page }) => {
  const reader = new UnmaskPage(page);
  await unfold(reader);
  const amiss = await page.evaluate(() => {
    const targets = [...document.querySelectorAll("button, summary, select, a[href], input:not([type=radio], [type=checkbox]), label:has(input[type=radio], input[type=checkbox]), textarea")].filter(
      // Words of a text are targets within a sentence, which WCAG 2.5.8 leaves alone.
      (target) => target.checkVisibility() && !target.matches(".word, .plain"),
    );
    const boxes = targets.map((target) => target.getBoundingClientRect());
    const middle = (box) => [box.x + box.width / 2, box.y + box.height / 2];
    // WCAG 2.2, 2.5.8: 24 by 24 pixels, or a circle of 24 pixels around it that touches no other's.
    return targets
      .map((target, at) => ({ target, box: boxes[at], at }))
      .filter(({ box }) => box.width < 24 || box.height < 24)
      .filter(({ box, at, target }) => {
        const [x, y] = middle(box);
        return boxes.some((other, of) => {
          if (of === at || targets[of].contains(target) || target.contains(targets[of])) return false;
          const dx = Math.max(other.left - x, 0, x - other.right);
          const dy = Math.max(other.top - y, 0, y - other.bottom);
          return Math.hypot(dx, dy) < 12;
        });
      })
      .map(({ target, box }) => `${target.className || target.tagName} “${target.textContent.trim().slice(0, 20)}” ${box.width.toFixed()}×${box.height.toFixed()}`);
  });
  assert.deepEqual(amiss, []);
  // By keyboard alone from the top of the page: whatever has the focus shows it.
  await page.evaluate(() => document.activeElement.blur());
  for (let step = 0; step < 60; step++) {
    await page.keyboard.press("Tab");
    const seen = await page.evaluate(() => {
      const focused = document.activeElement;
      const marked = (element) => {
        const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
        return (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2) || boxShadow !== "none";
      };
      // A radio button's outline is its label's.
      const shown = focused.matches("input[type=radio]") ? focused.nextElementSibling : focused;
      return { marked: marked(shown), name: focused.outerHTML.slice(0, 80) };
    });
    assert.ok(seen.marked, seen.name);
  }
});

pageTest("with the reader's own colours the chosen, the pressed and the hidden are still told apart", { forcedColors: "active" }, async ({ page }) => {
  const reader = new UnmaskPage(page);
  await reader.ready();
  const borders = await page.evaluate(() => {
    const side = (selector) => getComputedStyle(document.querySelector(selector)).borderBottomWidth;
    const colour = (selector) => getComputedStyle(document.querySelector(selector)).borderBottomColor;
    return {
      chosen: [side(".option input:checked + span"), colour(".option input:checked + span")],
      other: colour(".option input:not(:checked) + span"),
      hidden: getComputedStyle(document.querySelector(".hidden-word")).outlineStyle,
      bar: getComputedStyle(document.querySelector(".candidates .bar span")).backgroundColor,
      behind: getComputedStyle(document.querySelector(".candidates .bar")).backgroundColor,
    };
  });
  assert.notEqual(borders.chosen[1], borders.other, "the chosen option is underlined");
  assert.notEqual(borders.hidden, "none", "a hidden word has a frame");
  assert.notEqual(borders.bar, borders.behind, "a bar is not the colour of what it lies on");
});
