// The guided tour: what it reveals is what the models say, and it leaves the page as the reader had it.

import assert from "node:assert/strict";

import { pageTest } from "./harness.mjs";
import { readerTest, UnmaskPage } from "./reader.mjs";

const STEPS = 11;
const dialog = (page) => page.locator(".tour[role=dialog]");
const door = (page) => page.locator(".tour-door").getByRole("button");
const next = (page) => dialog(page).getByRole("button", { name: /^(Next|Finish)$/ });

/** What a step's words have to hold, asked through the engine's public door. */
const truths = (page, telling) =>
  page.evaluate(async (telling) => {
    const { Unmask } = await import(document.getElementById("client").href);
    const [bert, bart] = [await Unmask.load("bert"), await Unmask.load("bart")];
    const opening = "I want to [MASK] to the beach with you.";
    const quoted = (text) => `“${text}”`;
    const first = async (text, options) => quoted((await bert.fillMask(text, { topK: 1, ...options }))[0].candidates[0].text.trim());
    const causal = { mask: { encoder: { pattern: "causal" } } };
    const options = { task: "denoise" };
    const { tokens } = await bart.complete(opening, options);
    const least = tokens.reduce((least, token, at) => (token.probability < tokens[least].probability ? at : least), 0);
    const passage =
      "Photosynthesis is the process by which green plants make food. It takes place in the leaves, and it gives off oxygen.";
    const question = "Where does photosynthesis take place?";
    const spoilt = "Then she went home. Mary was at school all day.";
    const follows = await bert.nextSentence("The castle was built by the king in the twelfth century.", "The protein is found in the cells of the liver.");
    return [
      [await first(opening)],
      [await first("I want to [MASK] this book before I sleep.")],
      [await first(opening, causal), await first(opening)],
      ["9 of 12 rows", "3 are not"],
      [`number ${least + 1}, ${quoted(tokens[least].text)}`],
      [],
      [quoted(spoilt), quoted((await bart.complete(spoilt, options)).text)],
      [follows.isNext < 0.35 ? "Right" : "Not so"],
      [quoted((await bert.answer(question, passage))[0].text), quoted((await bart.complete(`${question}<sep>${passage}`, { task: "answer" })).text)],
      [await first(opening), await first(opening, { headsOff: { encoder: [telling] } })],
      ["Q8_0"],
    ];
  }, telling);

/** The page as a reader sees it, with everything that the tour has its hands on. */
const state = (page) =>
  page.evaluate(() => {
    const matrix = document.querySelector("[data-matrix=bert]").dataset;
    return {
      address: location.href,
      scrolled: Math.round(scrollY),
      fields: [...document.querySelectorAll("textarea, input:not([type=radio])")].map((field) => (field.type === "checkbox" ? field.checked : field.value)),
      chosen: [...document.querySelectorAll("input[type=radio]:checked")].map((radio) => radio.closest("label").textContent),
      open: [...document.querySelectorAll("#app details[open] > summary")].map((summary) => summary.textContent),
      matrix: { ...matrix },
      attention: { ...document.getElementById("attention").dataset },
      guesses: document.querySelector("#bert .guesses").innerText,
      written: document.querySelector("#bart output").textContent,
      off: document.querySelector("[data-heads-off]").dataset.headsOff,
    };
  });

readerTest("each step asks first, reveals what the models say, and the page is left as the reader had it", async (reader) => {
  const { page } = reader;
  await reader.sentence.fill("She wrote a letter and sent it to her mother.");
  await page.getByRole("button", { name: "hide “letter”" }).click();
  await reader.choose(reader.masks, "a window");
  await reader.choose(reader.bart, "summarize");
  await reader.bart.locator("[data-stage=Finished]").waitFor();
  await reader.choose(page.getByRole("region", { name: "Every layer, every head" }), "BART’s decoder");
  await reader.matrix("bert").locator("summary").filter({ hasText: "Row by row" }).click();
  await page.getByRole("textbox", { name: "Second", exact: true }).fill("It was sold again.");
  await reader.settled();
  await reader.bart.locator("[data-stage=Finished]").waitFor();
  await page.waitForURL(/second=It\+was\+sold\+again/);
  await door(page).scrollIntoViewIfNeeded();
  await reader.matrix("decoder").and(page.locator("[data-weights=true]")).waitFor();
  await page.locator(".places li").first().waitFor();
  const before = await state(page);
  const written = await reader.matrix("decoder").getAttribute("data-rows");

  await door(page).focus();
  await page.keyboard.press("Enter");
  const verdicts = [];
  let expected;
  for (let step = 1; step <= STEPS; step++) {
    const tour = dialog(page).and(page.locator(`[data-step="${step}"]`));
    await tour.waitFor();
    await page.waitForFunction(() => document.activeElement.id === "tour-title");
    assert.equal(await tour.getAttribute("aria-labelledby"), "tour-title");
    const verdict = tour.getByRole("status");
    assert.equal(await verdict.innerText(), "", `step ${step} asks before it tells`);
    const concealed = await page.evaluate(() => [...document.querySelectorAll("#app *")].filter((part) => getComputedStyle(part).visibility === "hidden").length);
    assert.ok(concealed > 0, `step ${step} conceals its answer`);
    assert.equal(new URL(page.url()).href, before.address, "the tour is in no address");
    if (step === STEPS - 1) {
      // The head that is turned off is the page's most telling one.
      await page.locator("[data-heads-off='1']").waitFor();
      const { layer, head } = await page.locator("#attention").evaluate((section) => ({ ...section.dataset }));
      expected = await truths(page, { layer: layer - 1, head: head - 1 });
    }
    if (step === 2) {
      await tour.getByRole("button", { name: "Show me" }).press("Enter");
      await page.waitForFunction(() => document.querySelector(".tour-verdict").textContent.includes("“"));
      assert.doesNotMatch(await verdict.innerText(), /^(Right|Not so)/);
    } else {
      const options = await tour.locator(".tour-options button").all();
      await options[step === 8 ? 1 : 0].press("Enter");
      await page.waitForFunction(() => /^(Right|Not so|None of the three)\. /.test(document.querySelector(".tour-verdict").textContent));
      const right = await tour.locator(".tour-options [data-right]").all();
      const said = await verdict.innerText();
      assert.equal(said.startsWith("None"), right.length === 0, said);
      assert.equal(said.startsWith("Right"), (await tour.locator("[data-right][aria-pressed=true]").count()) === 1, said);
    }
    verdicts[step - 1] = await verdict.innerText();
    await next(page).press("Enter");
  }
  await dialog(page).locator("h2").waitFor({ state: "detached" });
  expected.forEach((words, at) => words.forEach((word) => assert.ok(verdicts[at].includes(word), `step ${at + 1}: “${verdicts[at]}” lacks ${word}`)));

  await reader.settled();
  await reader.bart.locator("[data-stage=Finished]").waitFor();
  await page.waitForFunction((before) => document.querySelector("#bart output").textContent === before.written, before);
  await page.waitForFunction((before) => Math.round(scrollY) === before.scrolled, before);
  await page.waitForFunction((before) => document.querySelector("#bert .guesses").innerText === before.guesses, before);
  await reader.matrix("bert").and(page.locator(`[data-forbidden="${before.matrix.forbidden}"][data-rows="${before.matrix.rows}"]`)).waitFor();
  await reader.matrix("decoder").and(page.locator(`[data-weights=true][data-rows="${written}"]`)).waitFor();
  assert.deepEqual(await state(page), before);
  assert.ok(await door(page).evaluate((button) => button === document.activeElement));
  await page.getByText(/You have taken the tour, and guessed \d+ of 11 right/).waitFor();
});

readerTest("the tour is left by Escape from anywhere, and goes on where it was after a reload", async (reader) => {
  const { page } = reader;
  const address = page.url();
  await door(page).click();
  for (const step of [1, 2]) {
    await dialog(page).and(page.locator(`[data-step="${step}"]`)).waitFor();
    await next(page).click();
  }
  await page.locator(".tour[data-step='3']").waitFor();
  await reader.matrix("bert").and(page.locator("[data-forbidden='66']")).waitFor();
  await page.keyboard.press("Escape");
  await dialog(page).locator("h2").waitFor({ state: "detached" });
  await reader.matrix("bert").and(page.locator("[data-forbidden='0']")).waitFor();
  assert.equal(page.url(), address, "a page that nobody touched keeps its address");
  assert.equal(await door(page).innerText(), "Go on with the tour");
  await page.reload();
  await reader.ready();
  await door(page).click();
  await page.locator(".tour[data-step='3']").waitFor();
  await dialog(page).getByRole("button", { name: "Back" }).click();
  await page.locator(".tour[data-step='2']").waitFor();
  await dialog(page).getByRole("button", { name: "To the panel" }).click();
  assert.equal(await page.evaluate(() => document.activeElement.id), "bert");
  await page.keyboard.press("Escape");
  await dialog(page).locator("h2").waitFor({ state: "detached" });
  // A link that is opened meanwhile is what the reader wants to see.
  await door(page).click();
  await page.locator(".tour[data-step='2']").waitFor();
  await page.evaluate(() => (location.hash = "text=A+link+of+[MASK]+own.&mask=left"));
  await dialog(page).locator("h2").waitFor({ state: "detached" });
  assert.equal(await reader.sentence.inputValue(), "A link of [MASK] own.");
});

pageTest(
  "on a small phone, where nothing may be kept and nothing may move, the tour works and stays in sight",
  { bare: true, viewport: { width: 360, height: 640 }, reducedMotion: "reduce" },
  async ({ page, url }) => {
    await page.addInitScript(() => {
      Object.defineProperty(window, "localStorage", {
        get() {
          throw new DOMException("refused", "SecurityError");
        },
      });
    });
    await page.goto(url);
    const reader = new UnmaskPage(page);
    await reader.ready();
    await door(page).click();
    for (let step = 1; step <= STEPS; step++) {
      const tour = page.locator(`.tour[data-step="${step}"]`);
      await tour.waitFor();
      await tour.getByRole("button", { name: "Show me" }).click();
      await page.waitForFunction(() => /[“0-9]/.test(document.querySelector(".tour-verdict").textContent));
      const { left, right, bottom, excess, moving, part } = await page.evaluate(() => {
        const { left, right, bottom } = document.querySelector(".tour").getBoundingClientRect();
        const part = document.querySelector("[data-toured]").getBoundingClientRect();
        return { left, right, bottom, excess: document.documentElement.scrollWidth - innerWidth, moving: document.getAnimations().length, part: part.top };
      });
      assert.ok(left >= 0 && right <= 360 && bottom <= 640, `step ${step}`);
      assert.deepEqual([excess, moving], [0, 0], `step ${step}`);
      assert.ok(part < 640 * 0.42, `step ${step}: what it is about is in sight, at ${part}`);
      await next(page).click();
    }
    await dialog(page).locator("h2").waitFor({ state: "detached" });
    await page.getByText(/guessed 0 of 11 right/).waitFor();
  },
);
