// The page with the default models, as a reader uses it.

import { pageTest } from "./harness.mjs";

const MATRICES = ["bert", "encoder", "decoder", "cross"];

/** What a reader sees of the page, by what it is called there. */
export class UnmaskPage {
  constructor(page) {
    this.page = page;
    this.sentence = page.getByRole("textbox", { name: "Your sentence" });
    this.bert = page.getByRole("article", { name: /^BERT/ });
    this.bart = page.getByRole("article", { name: /^BART/ });
    this.masks = page.getByRole("region", { name: /^The masks/ });
  }

  /** Waits until both models have answered and every matrix has its weights. */
  async ready() {
    for (const name of MATRICES) await this.matrix(name).and(this.page.locator("[data-weights=true]")).waitFor();
    await this.settled();
  }

  /** Waits until BERT has answered what was asked last. */
  settled() {
    return this.page.waitForFunction(() => {
      const panel = document.querySelector("[aria-labelledby=bert-title]");
      return panel.ariaBusy === "false" && panel.querySelector(".candidates");
    });
  }

  matrix(name) {
    return this.page.locator(`[data-matrix=${name}]`);
  }

  canvas(name) {
    return this.matrix(name).getByRole("application");
  }

  reading(name) {
    return this.matrix(name).locator(".reading");
  }

  /** A matrix's size, hatched cells and marks, as numbers. */
  async shape(name) {
    const { rows, columns, forbidden, row, column } = await this.matrix(name).evaluate((figure) => ({ ...figure.dataset }));
    return { rows: +rows, columns: +columns, forbidden: +forbidden, row, column };
  }

  picture(name) {
    return this.canvas(name).evaluate((canvas) => canvas.toDataURL());
  }

  async candidates() {
    await this.settled();
    const rows = await this.bert.locator(".candidates li").all();
    return Promise.all(
      rows.map(async (row) => ({
        text: await row.locator(".candidate").evaluate((cell) => cell.firstChild.textContent.trim()),
        probability: Number(await row.getAttribute("data-probability")),
      })),
    );
  }

  /** Waits until every head has answered: which of their buttons comes first changes no more. */
  answered() {
    return this.page.waitForFunction(() => {
      const rows = [...document.querySelectorAll(".heads article > .take-along")];
      return rows.length && rows.every((row) => !row.hidden) && document.querySelector(".own-words").textContent;
    });
  }

  choose(group, option) {
    return group.getByRole("radio", { name: option, exact: true }).check({ force: true });
  }
}

/** A test on the page with both models loaded. */
export function readerTest(name, options, body = options) {
  pageTest(name, typeof options === "function" ? {} : options, async (context) => {
    const reader = new UnmaskPage(context.page);
    await reader.ready();
    await body(reader, context);
  });
}
