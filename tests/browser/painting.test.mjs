// BERT's mask under the reader's hand: strokes by mouse and by finger, steps back, and hiding a token without a double click.

import assert from "node:assert/strict";

import { readerTest } from "./reader.mjs";

const forbidden = (reader, count) => reader.matrix("bert").and(reader.page.locator(`[data-forbidden='${count}']`)).waitFor();

/** Where the middle of a cell lies on the screen, by its row and column. */
async function cells(reader) {
  const canvas = reader.canvas("bert");
  await canvas.scrollIntoViewIfNeeded();
  const box = await canvas.boundingBox();
  const { rows } = await reader.shape("bert");
  // The cells end 2 pixels before the edges. How high one is, pointing tells: upwards from the last, until another is marked.
  const side = await canvas.evaluate(async (canvas) => {
    const { right, bottom } = canvas.getBoundingClientRect();
    const { dataset } = canvas.closest("figure");
    const marked = async (above) => {
      const event = new PointerEvent("pointermove", { clientX: right - 5, clientY: bottom - 2 - above, bubbles: true });
      canvas.dispatchEvent(event);
      await new Promise((resolve) => setTimeout(resolve));
      return dataset.row;
    };
    const last = await marked(1);
    let above = 2;
    while (above < 60 && (await marked(above)) === last) above++;
    canvas.dispatchEvent(new PointerEvent("pointerleave"));
    return above - 1;
  });
  return (row, column) => ({
    x: box.x + box.width - 2 - (rows - column - 0.5) * side,
    y: box.y + box.height - 2 - (rows - row - 0.5) * side,
  });
}

readerTest("a stroke paints every cell that it passes, and is one step to take back", async (reader) => {
  const { page } = reader;
  const undo = reader.masks.getByRole("button", { name: "Undo" });
  const redo = reader.masks.getByRole("button", { name: "Redo" });
  assert.equal(await undo.isVisible(), false, "nothing to take back");
  await reader.masks.getByLabel("paint single cells").check();
  assert.equal(await undo.getAttribute("aria-disabled"), "true");
  const middle = await cells(reader);
  const drag = async (from, to) => {
    await page.mouse.move(from.x, from.y);
    await page.mouse.down();
    // In one leap: no cell between may be left out.
    await page.mouse.move(to.x, to.y);
    await page.mouse.up();
  };
  const before = await reader.candidates();
  await drag(middle(4, 0), middle(4, 3));
  await forbidden(reader, 4);
  await drag(middle(2, 2), middle(5, 5));
  await forbidden(reader, 8);
  await reader.settled();
  assert.notDeepEqual(await reader.candidates(), before);
  await undo.click();
  await forbidden(reader, 4);
  await reader.canvas("bert").focus();
  await page.keyboard.press("Control+z");
  await forbidden(reader, 0);
  await reader.settled();
  assert.deepEqual(await reader.candidates(), before);
  assert.equal(await undo.getAttribute("aria-disabled"), "true");
  await page.keyboard.press("Control+Shift+Z");
  await redo.click();
  await forbidden(reader, 8);
  assert.equal(await redo.getAttribute("aria-disabled"), "true");

  // Another rule takes the paint with it; the way back brings it again.
  await reader.choose(reader.masks, "left only");
  await forbidden(reader, 66);
  await undo.click();
  await forbidden(reader, 8);
  assert.match(await reader.masks.locator(".sight").innerText(), /8 painted cells/);
  // A stroke that begins on a forbidden cell allows.
  const now = await cells(reader);
  await drag(now(4, 0), now(4, 3));
  await forbidden(reader, 4);
});

readerTest("a finger paints without scrolling the page, and scrolls it where nothing is painted", { viewport: { width: 390, height: 700 }, hasTouch: true, isMobile: true }, async (reader) => {
  const { page } = reader;
  const session = await page.context().newCDPSession(page);
  const touch = (type, points) => session.send("Input.dispatchTouchEvent", { type, touchPoints: points });
  const swipe = async (from, to) => {
    await touch("touchStart", [from]);
    for (let step = 1; step <= 8; step++) {
      await touch("touchMove", [{ x: from.x + ((to.x - from.x) * step) / 8, y: from.y + ((to.y - from.y) * step) / 8 }]);
    }
    await touch("touchEnd", []);
  };
  const scrolled = () => page.evaluate(() => scrollY);
  await reader.masks.getByLabel("paint single cells").check();
  const middle = await cells(reader);
  const top = async () => (await reader.canvas("bert").boundingBox()).y;
  const place = await top();
  await swipe(middle(9, 2), middle(2, 2));
  await forbidden(reader, 8);
  await reader.settled();
  // Neither the finger nor what is said of the stroke moves the matrix from under it.
  assert.ok(Math.abs((await top()) - place) <= 1, `${await top()} is not ${place}`);
  await reader.masks.getByLabel("paint single cells").uncheck();
  const still = await cells(reader);
  const from = await scrolled();
  await swipe(still(9, 2), still(2, 2));
  await page.waitForFunction((from) => scrollY > from + 10, from);
  await forbidden(reader, 8);

  // A tap holds a token, and a button hides it.
  const label = await cells(reader);
  const you = label(9, 9);
  await page.touchscreen.tap(you.x, you.y);
  await reader.matrix("bert").getByRole("button", { name: "Hide “you” from BERT" }).tap();
  assert.equal(await reader.sentence.inputValue(), "I want to [MASK] to the beach with [MASK].");
  await reader.matrix("bert").getByRole("button", { name: "Show “you” again" }).tap();
  assert.equal(await reader.sentence.inputValue(), "I want to [MASK] to the beach with you.");
});
