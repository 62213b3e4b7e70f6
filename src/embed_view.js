// "Embed this view": the page's sentence as a snippet to paste into an article, by the one maker of them in embed.js.

const PANELS = {
  "BERT’s encoder, on this sentence": () => ({ model: "bert", text: document.querySelector("#app textarea")?.value }),
  "BART’s decoder, a recorded run": () => ({ trace: "pronounce", panel: "decoder" }),
  "BART’s cross-attention, a recorded run": () => ({ trace: "pronounce", panel: "cross" }),
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
const [element, frame] = [snippet("the element"), snippet("the iframe")];
const trouble = make("p", { role: "alert", hidden: true });
const box = make(
  "details",
  { className: "embed" },
  make("summary", { textContent: "Embed this view" }),
  make("p", { textContent: "It shows a recorded run, or waits for a click where nobody has recorded the text, and then runs on the reader’s machine." }),
  make("p", {}, make("label", {}, "Panel ", panel), " ", make("label", {}, "Layer ", layer), " ", make("label", {}, "Head ", head)),
  element.row,
  frame.row,
  trouble,
);

async function write() {
  if (!box.open) return;
  trouble.hidden = true;
  try {
    const { embedCode } = await import(new URL("embed.js", document.baseURI).href);
    const code = embedCode({ ...PANELS[panel.value](), layer: layer.value || undefined, head: head.value || undefined });
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
document.getElementById("app").addEventListener("input", write);
document.querySelector("footer").prepend(box);
