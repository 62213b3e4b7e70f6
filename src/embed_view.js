// "Embed this view": what the page shows as a snippet to paste into an article, by the one maker of them in embed.js.

/** What the page shows head by head, as parameters of a panel. The page keeps them on the section. */
function shown() {
  const { place, model, text, layer, head } = document.getElementById("attention")?.dataset ?? {};
  return { model, text, panel: place === "bert" ? undefined : place, layer, head };
}

const VIEW = "What is shown above, head by head";
const chosen = () => ({ layer: layer.value || undefined, head: head.value || undefined });
const PANELS = {
  [VIEW]: shown,
  "BART’s decoder, a recorded run": () => ({ trace: "pronounce", panel: "decoder", ...chosen() }),
  "BART’s cross-attention, a recorded run": () => ({ trace: "pronounce", panel: "cross", ...chosen() }),
};

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function counter(name) {
  return make("input", { type: "number", min: 1, max: 99, placeholder: name === "Head" ? "mean" : "1" });
}

/** A snippet that selects itself, and the button that copies it. */
function snippet(words) {
  const code = make("textarea", { readOnly: true, rows: 3, spellcheck: false, ariaLabel: words });
  code.addEventListener("focus", () => code.select());
  const copy = make("button", { type: "button", textContent: `Copy ${words}` });
  copy.addEventListener("click", async () => {
    code.select();
    await navigator.clipboard?.writeText(code.value).catch(() => {});
    copy.textContent = "Copied";
  });
  return { code, copy, row: make("div", {}, code, copy), words };
}

const panel = make("select", {}, ...Object.keys(PANELS).map((textContent) => make("option", { textContent })));
const [layer, head] = [counter("Layer"), counter("Head")];
const which = make("span", { hidden: true }, make("label", {}, "Layer ", layer), " ", make("label", {}, "Head ", head));
const [element, frame] = [snippet("the element"), snippet("the iframe")];
const trouble = make("p", { role: "alert", hidden: true });
const box = make(
  "details",
  { className: "embed" },
  make("summary", { textContent: "Embed this view" }),
  make("p", { textContent: "It shows a recorded run, or waits for a click where nobody has recorded the text, and then runs on the reader’s machine." }),
  make("p", {}, make("label", {}, "Panel ", panel), " ", which),
  element.row,
  frame.row,
  trouble,
);

async function write() {
  if (!box.open) return;
  trouble.hidden = true;
  which.hidden = panel.value === VIEW;
  try {
    const { embedCode } = await import(new URL("embed.js", document.baseURI).href);
    const code = embedCode(PANELS[panel.value]());
    for (const [snippet, text] of [[element, code.element], [frame, code.frame]]) {
      snippet.code.value = text;
      snippet.copy.textContent = `Copy ${snippet.words}`;
    }
  } catch (error) {
    trouble.textContent = `The snippets could not be made (${error.message}). Try again with a network.`;
    trouble.hidden = false;
  }
}

box.addEventListener("toggle", write);
box.addEventListener("input", (event) => event.target.readOnly || write());
new MutationObserver(write).observe(document.getElementById("app"), { attributes: true, attributeFilter: ["data-place", "data-model", "data-text", "data-layer", "data-head"], subtree: true });
document.querySelector("footer").prepend(box);
