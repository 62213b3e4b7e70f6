// <unmask-panel> and its frame in somebody else's pages: another origin, a strict policy, several panels at once.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { TIMEOUT_MS, browse } from "./harness.mjs";
import { startHost } from "./host.mjs";

const POST = new URL("../../examples/blog-post/", import.meta.url);

/** A test with the site on one origin and other pages, by path, on another. */
function embedTest(name, { pages, siteOverlay, expected, ...options }, body) {
  test(name, { timeout: TIMEOUT_MS }, async () => {
    const site = await startHost({ prefix: "/unmask/", overlay: siteOverlay });
    const overlay = {};
    const blog = await startHost({ folder: "/nowhere", overlay });
    for (const [path, text] of Object.entries(await pages(site))) {
      overlay[path] = { body: text, headers: path.endsWith(".css") ? { "Content-Type": "text/css" } : {} };
    }
    try {
      await browse([site.url, blog.url], { expected, ...options }, async (context) => {
        const page = await context.newPage();
        await page.goto(blog.url);
        await body({ page, site, blog });
      });
    } finally {
      await Promise.all([site.stop(), blog.stop()]);
    }
  });
}

/** The sample post, as its author would have it: with the address of this site in place of the example's. */
async function samplePost(site) {
  const [html, css] = await Promise.all(["index.html", "style.css"].map((name) => readFile(new URL(name, POST), "utf8")));
  // The policy names an origin, the script a file below it.
  const own = html.replaceAll("https://unmask.example/", site.url).replaceAll("https://unmask.example", site.origin);
  return { "/": own, "/style.css": css };
}

const plain = (body) => () => ({ "/": `<!doctype html><html lang="en"><title>plain</title><link rel="icon" href="data:,">${body}` });
const withPanel = (attributes) => (site) =>
  plain(`<script type="module" src="${site.url}embed.js"></script><unmask-panel ${attributes}></unmask-panel>`)();

const reading = (panel) => panel.locator(".reading");
const isShown = (panel) => panel.locator("canvas").waitFor();

embedTest("the sample post shows three recorded runs, and goes live with one engine for all", { pages: samplePost }, async ({ page, site }) => {
  const panels = page.locator("unmask-panel");
  assert.equal(await panels.count(), 3);
  for (const panel of await panels.all()) {
    await panel.scrollIntoViewIfNeeded();
    await isShown(panel);
  }
  assert.match(await panels.nth(0).locator(".said").innerText(), /\bgo\b/);
  assert.match(await panels.nth(1).locator(".said").innerText(), /bˈiʧ/);
  // Nothing but recorded data has been fetched for this.
  assert.deepEqual(site.requests.filter((path) => /unmask\.js|engine|\.gguf/.test(path)), []);

  for (const panel of await panels.all()) {
    await panel.getByRole("button", { name: /^Run it here/ }).click();
    await panel.getByText("Live, on this machine.").waitFor();
  }
  assert.equal(page.workers().length, 1);
  const loaded = site.requests.filter((path) => path.endsWith(".gguf"));
  assert.deepEqual(loaded.sort(), ["/unmask/models/bart-g2p.gguf", "/unmask/models/bert.gguf"]);

  await panels.nth(0).getByRole("textbox").fill("She wrote a [MASK] and sent it to her mother.");
  await panels.nth(0).locator(".said").getByText("letter").waitFor();
  await panels.nth(1).getByRole("textbox").fill("first");
  await panels.nth(1).locator(".said").getByText("fˈɝst").waitFor();
});

embedTest("a panel is as high as what it holds, on a desk and on a phone", { pages: samplePost }, async ({ page }) => {
  for (const width of [1440, 360]) {
    await page.setViewportSize({ width, height: 800 });
    for (const panel of await page.locator("unmask-panel").all()) {
      await panel.scrollIntoViewIfNeeded();
      await isShown(panel);
      const { outer, inner, wide } = await panel.evaluate((panel) => {
        const box = panel.shadowRoot.querySelector(".panel");
        return { outer: panel.offsetHeight, inner: box.scrollHeight, wide: document.documentElement.scrollWidth - innerWidth };
      });
      assert.ok(Math.abs(outer - inner) <= 2, `${outer} and ${inner} at ${width}`);
      assert.ok(wide <= 0, `nothing is wider than ${width}`);
    }
  }
});

embedTest("a matrix in a post is reached, walked and heard by keyboard", { pages: samplePost }, async ({ page }) => {
  const panel = page.locator("unmask-panel").nth(1);
  await panel.scrollIntoViewIfNeeded();
  await isShown(panel);
  await panel.getByLabel("Layer").focus();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  assert.match(await reading(panel).innerText(), /hatched: there the row may not look/);
  await page.keyboard.press("ArrowRight");
  assert.match(await reading(panel).innerText(), /^“(.+)” to “\1”: 100%\. .*out of its sight\.$/);
  await page.keyboard.press("End");
  assert.match(await reading(panel).innerText(), /may not look at/);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await panel.locator("ol li").first().waitFor();
  const rows = await panel.locator("ol li").allInnerTexts();
  assert.ok(rows.length > 3 && rows.every((row) => row.includes("attends most to")), `${rows}`);
});

embedTest(
  "attributes choose layer, head, theme and text, and may change later",
  { pages: withPanel('trace="fill-mask" layer="3" head="7" theme="dark"') },
  async ({ page }) => {
    const panel = page.locator("unmask-panel");
    await isShown(panel);
    const chosen = () => Promise.all(["Layer", "Head"].map((name) => panel.getByLabel(name).inputValue()));
    assert.deepEqual(await chosen(), ["3", "7"]);
    const background = () => panel.locator(".panel").evaluate((box) => getComputedStyle(box).backgroundColor);
    assert.equal(await background(), "rgb(24, 21, 18)");
    const picture = () => panel.locator("canvas").evaluate((canvas) => canvas.toDataURL());
    const before = await picture();
    await panel.evaluate((panel) => panel.setAttribute("head", "mean"));
    assert.deepEqual(await chosen(), ["3", "mean"]);
    assert.notEqual(await picture(), before);
    await panel.evaluate((panel) => panel.setAttribute("trace", "names"));
    await panel.locator(".said").getByText("Ada Lovelace").waitFor();
  },
);

for (const [page_scheme, colorScheme, paper] of [
  ["light dark", "dark", "rgb(24, 21, 18)"],
  ["light dark", "light", "rgb(251, 250, 246)"],
  ["light", "dark", "rgb(251, 250, 246)"],
]) {
  embedTest(
    `a panel follows a page that is ${page_scheme} for a reader who likes it ${colorScheme}`,
    {
      colorScheme,
      pages: (site) =>
        plain(
          `<meta name="color-scheme" content="${page_scheme}"><script type="module" src="${site.url}embed.js"></script><unmask-panel></unmask-panel>`,
        )(),
    },
    async ({ page }) => {
      const panel = page.locator("unmask-panel");
      await isShown(panel);
      assert.equal(await panel.locator(".panel").evaluate((box) => getComputedStyle(box).backgroundColor), paper);
    },
  );
}

embedTest(
  "an article fetches nothing for a panel that nobody has come near",
  { pages: (site) => plain(`<script type="module" src="${site.url}embed.js"></script><h1>Long</h1><div style="height: 5000px"></div><unmask-panel></unmask-panel>`)() },
  async ({ page, site }) => {
    await page.waitForFunction(() => customElements.get("unmask-panel"));
    // Observers have reported after two frames.
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    assert.deepEqual(site.requests, ["/unmask/embed.js"]);
    await page.locator("unmask-panel").scrollIntoViewIfNeeded();
    await isShown(page.locator("unmask-panel"));
  },
);

embedTest("what the author wrote inside stands where scripts are off", { javaScriptEnabled: false, pages: samplePost }, async ({ page }) => {
  assert.ok(await page.getByText("See it on its own page.").isVisible());
});

embedTest(
  "without WebAssembly a panel shows its recorded run and says so",
  { pages: (site) => plain(`<script>delete window.WebAssembly</script><script type="module" src="${site.url}embed.js"></script><unmask-panel></unmask-panel>`)() },
  async ({ page }) => {
    const panel = page.locator("unmask-panel");
    await isShown(panel);
    await panel.getByText("This browser cannot run the model").waitFor();
    assert.equal(await panel.getByRole("button").count(), 0);
  },
);

embedTest(
  "a text that nobody has recorded waits for the reader, or runs at once with `live`",
  { pages: withPanel('model="bart-g2p" text="attention" panel="cross" live') },
  async ({ page }) => {
    const panel = page.locator("unmask-panel");
    await panel.getByText("Live, on this machine.").waitFor();
    assert.match(await panel.locator(".said").innerText(), /ətˈɛnʃən/);
    assert.match(await panel.getByRole("application").getAttribute("aria-label"), /^Cross-attention/);
  },
);

embedTest(
  "a model that cannot be had is a sentence and another try, and the recorded run stays",
  { pages: withPanel('trace="pronounce"'), expected: [/404/, /bart-g2p\.gguf/] },
  async ({ page }) => {
    await page.route("**/bart-g2p.gguf", (route) => route.fulfill({ status: 404, headers: { "Access-Control-Allow-Origin": "*" } }));
    const panel = page.locator("unmask-panel");
    await panel.getByRole("button", { name: /^Run it here/ }).click();
    await panel.getByText("The server answered 404").waitFor();
    assert.ok(await panel.locator("canvas").isVisible());
    await page.unroute("**/bart-g2p.gguf");
    await panel.getByRole("button", { name: "Try again" }).click();
    await panel.getByText("Live, on this machine.").waitFor();
  },
);

const FRAME = "embed.html?trace=fill-mask&layer=2&head=4&theme=dark&onclick=alert(1)";

embedTest(
  "a frame takes the same parameters, and its height follows what it holds",
  { pages: (site) => plain(`<script type="module" src="${site.url}embed.js"></script><iframe src="${site.url}${FRAME}" title="attention" width="600" height="50"></iframe>`)() },
  async ({ page }) => {
    const panel = page.frameLocator("iframe").locator("unmask-panel");
    await isShown(panel);
    assert.deepEqual(await Promise.all(["Layer", "Head"].map((name) => panel.getByLabel(name).inputValue())), ["2", "4"]);
    assert.equal(await panel.getAttribute("onclick"), null);
    await page.waitForFunction(() => {
      const frame = document.querySelector("iframe");
      return frame.offsetHeight > 300;
    });
    const inside = await panel.evaluate((panel) => panel.getBoundingClientRect().height);
    const outside = await page.locator("iframe").evaluate((frame) => frame.clientHeight);
    assert.ok(Math.abs(inside - outside) <= 2, `${inside} and ${outside}`);
    await panel.getByText("Row by row, in words").click();
    await page.waitForFunction((before) => document.querySelector("iframe").clientHeight > before, outside);
  },
);

/** A frame's document that sends `messages` to the page around it, and then "done". */
const sending = (...messages) => `<!doctype html><html lang="en"><title>odd</title><script>
  for (const message of [${messages}]) parent.postMessage(message, "*");
  parent.postMessage("done", "*");</script>`;

embedTest(
  "neither another origin nor another shape of message changes a height",
  {
    siteOverlay: {
      "/unmask/odd.html": {
        body: sending("null", "1", '"iframe.resize"', "{ height: 400 }", ...['"400"', "NaN", "-1", "1e9", "[400]"].map((height) => `{ context: "iframe.resize", height: ${height} }`)),
      },
      "/unmask/right.html": { body: sending('{ context: "iframe.resize", height: 300 }') },
    },
    pages: (site) => ({
      ...plain(`<script type="module" src="${site.url}embed.js"></script><iframe src="/other.html" title="other" height="50" style="border: 0"></iframe>`)(),
      "/other.html": sending('{ context: "iframe.resize", height: 400 }'),
    }),
  },
  async ({ page, site, blog }) => {
    await page.waitForFunction(() => customElements.get("unmask-panel"));
    const heightAfter = (address) =>
      page.evaluate(async (address) => {
        const frame = document.querySelector("iframe");
        const done = new Promise((resolve) => addEventListener("message", ({ data }) => data === "done" && resolve()));
        frame.src = address;
        await done;
        return frame.offsetHeight;
      }, address);
    assert.equal(await heightAfter(`${blog.url}other.html`), 50);
    assert.equal(await heightAfter(`${site.url}odd.html`), 50);
    assert.equal(await heightAfter(`${site.url}right.html`), 300);
  },
);

embedTest("the maker of snippets escapes what a reader typed", { pages: withPanel("") }, async ({ page, site }) => {
  const view = { model: "bert", text: `"><script>alert(1)</script>&`, layer: 2, unknown: "left out" };
  const { element, frame } = await page.evaluate(async ([embed, view]) => (await import(embed)).embedCode(view), [`${site.url}embed.js`, view]);
  const parsed = await page.evaluate(
    ([element, frame]) => {
      const read = (html) => new DOMParser().parseFromString(html, "text/html");
      const panel = read(element).querySelector("unmask-panel");
      return {
        scripts: read(element).scripts.length + read(frame).scripts.length,
        attributes: Object.fromEntries([...panel.attributes].map(({ name, value }) => [name, value])),
        parameters: Object.fromEntries(new URL(read(frame).querySelector("iframe").src).searchParams),
      };
    },
    [element, frame],
  );
  const expected = { model: "bert", text: view.text, layer: "2" };
  assert.deepEqual(parsed, { scripts: 1, attributes: expected, parameters: expected });
});

test("the page makes the snippet of its view, and the snippet works elsewhere", { timeout: TIMEOUT_MS }, async () => {
  const overlay = {};
  const [site, blog] = await Promise.all([startHost({ prefix: "/unmask/" }), startHost({ folder: "/nowhere", overlay })]);
  try {
    await browse([site.url, blog.url], {}, async (context) => {
      const page = await context.newPage();
      await page.goto(site.url);
      await page.getByRole("textbox", { name: "Your sentence" }).fill('She wrote a [MASK] & sent "it".');
      await page.getByText("Embed this view").click();
      const overview = page.locator(".overview").getByRole("application");
      await overview.focus();
      for (const key of ["ArrowRight", "ArrowDown", "Home", "ArrowRight"]) await page.keyboard.press(key);
      const { layer, head } = await page.locator("#attention").evaluate((section) => ({ ...section.dataset }));
      const code = page.getByRole("textbox", { name: "the element" });
      await page.waitForFunction(
        ([layer, head]) => document.querySelector(".embed textarea").value.includes(`layer="${layer}" head="${head}"`),
        [layer, head],
      );
      overlay["/"] = { body: `<!doctype html><title>x</title><link rel="icon" href="data:,">${await code.inputValue()}` };
      await page.goto(blog.url);
      const panel = page.locator("unmask-panel");
      await panel.getByText("Nobody has recorded this text").waitFor();
      await panel.getByRole("button", { name: /^Run it here/ }).click();
      await isShown(panel);
      assert.equal(await panel.getByRole("textbox").inputValue(), 'She wrote a [MASK] & sent "it".');
      assert.equal(await panel.getByLabel("Layer").inputValue(), layer);
      assert.equal(await panel.getByLabel("Head").inputValue(), head);
    });
  } finally {
    await Promise.all([site.stop(), blog.stop()]);
  }
});
