// <unmask-panel>: what BERT or BART may look at, and does look at, inside somebody else's article. It shows a recorded
// run at once and runs the model itself when the reader asks. docs/EMBEDDING.md has its attributes.
// Everything beyond the recorded run comes from unmask.js, which is fetched when a panel goes live.

const HERE = new URL(".", import.meta.url);
const SITE = new URL("./", HERE).href;

/** What a panel can be told, as attributes of the element and as parameters of embed.html. */
export const PARAMETERS = ["model", "trace", "panel", "text", "pair", "layer", "head", "theme", "live"];

const THEMES = ["light", "dark"];

/** Colours on light and on dark paper, those of the site. */
const PALETTE = {
  paper: ["#fbfaf6", "#181512"],
  ink: ["#221d18", "#ece5da"],
  soft: ["#5e564d", "#b3a899"],
  rule: ["#d8d1c5", "#413931"],
  hatch: ["#a99f92", "#6d6257"],
  accent: ["#a33a18", "#f0946c"],
};

const PARTS = {
  encoder: ["Encoder self-attention", "Each row is a token that looks, each column one that it looks at."],
  decoder: ["Decoder self-attention", "Each row is a token that has been written: it sees itself and what came before."],
  cross: ["Cross-attention", "Each row is a written token, each column a token of the source that it looks back at."],
};

/** For each method of unmask.js: the texts it takes, how to ask it, and its answer in words. */
const METHODS = {
  fillMask: {
    texts: ["text"],
    ask: (model, { text }, options) => (text.includes("[MASK]") ? model.fillMask(text, options) : []),
    say: (masks) => masks.map(({ candidates }) => candidates.map(({ text, probability }) => `${text.trim()} ${percent(probability)}`).join(", ")),
    lead: "[MASK]",
  },
  nextSentence: {
    texts: ["a", "b"],
    ask: (model, { a, b }, options) => model.nextSentence(a, b, options),
    say: ({ isNext }) => [`${percent(isNext)} that the second sentence follows the first`],
  },
  classify: {
    texts: ["text", "pair"],
    ask: (model, { text, ...rest }, options) => model.classify(text, { ...rest, ...options }),
    say: (labels) => [labels.map(({ label, probability }) => `${label} ${percent(probability)}`).join(", ")],
  },
  label: {
    texts: ["text"],
    ask: (model, { text, ...rest }, options) => model.label(text, { ...rest, ...options }),
    say: (spans) => [spans.map(({ text, label, probability }) => `${text} (${label} ${percent(probability)})`).join(", ") || "nothing to mark"],
  },
  answer: {
    texts: ["question", "context"],
    ask: (model, { question, context }, options) => model.answer(question, context, options),
    say: ([best]) => [best?.text ? `“${best.text}” ${percent(best.probability)}` : "the passage does not say"],
  },
  generate: {
    texts: ["text"],
    ask: (model, { text, ...rest }, options) => model.complete(text, { ...rest, ...options }),
    say: (written) => [(Array.isArray(written) ? written.at(-1)?.text : written.text) ?? ""],
    lead: "writes",
  },
};

/** As a percentage: whole from ten up, and never 0 for more than nothing. */
function percent(value) {
  if (value > 0 && value < 0.0005) return "<0.1%";
  return `${value < 0.0995 && value > 0 ? (value * 100).toFixed(1) : Math.round(value * 100)}%`;
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

async function json(address) {
  const response = await fetch(new URL(address, HERE));
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  return response.json();
}

const once = (load) => {
  let promise;
  return () => (promise ??= load().catch((error) => ((promise = undefined), Promise.reject(error))));
};
const traceIndex = once(() => json("traces/index.json"));
const catalogue = once(() => json("models/models.json"));
const client = once(() => import(new URL("unmask.js", HERE).href));

/** The recorded run that a panel wants; undefined where nobody has recorded it. */
async function recording({ trace, model, text }) {
  if (trace && !/^[\w-]+$/.test(trace)) throw new Error(`"${trace}" names no recorded run.`);
  let name = trace;
  if (!name && !model && text === null) name = "fill-mask";
  if (!name) {
    const { traces } = await traceIndex();
    name = traces.find((entry) => entry.model === (model ?? "bert") && (text === null || Object.values(entry.input).includes(text)))?.name;
  }
  if (!name) return undefined;
  const recorded = await json(`traces/${name}.json`);
  if (recorded.format !== 1 || !METHODS[recorded.method]) throw new Error("The recorded run is of a kind this script does not know.");
  return recorded;
}

/** All models that this page has loaded, shared by its panels. */
const models = new Map();

/** Loads a model once, however many panels ask; whoever is last to lose patience stops it. */
function load(name, onProgress, signal) {
  let loading = models.get(name);
  if (!loading) {
    const stop = new AbortController();
    loading = { listeners: new Set(), stop };
    loading.model = client().then(({ Unmask }) =>
      Unmask.load(name, {
        signal: stop.signal,
        onProgress: (progress) => loading.listeners.forEach((listener) => listener(progress)),
      }),
    );
    models.set(name, loading);
    loading.model.catch(() => models.delete(name));
  }
  loading.listeners.add(onProgress);
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => {
      loading.listeners.delete(onProgress);
      if (loading.listeners.size === 0) {
        models.delete(name);
        loading.stop.abort();
      }
      reject(new DOMException("stopped", "AbortError"));
    });
    loading.model.then(resolve, reject);
  });
}

/** One attention as cells: recorded bytes or live numbers, `weight` undefined where the mask forbids. */
function cellsOf({ queryTokens, keyTokens, layers, heads, cells, mask, weights }) {
  const [rows, columns] = [queryTokens.length, keyTokens.length];
  const size = layers * heads * rows * columns;
  const bytes = cells === undefined ? undefined : Uint8Array.from(atob(cells), (character) => character.charCodeAt(0));
  if ((bytes ?? weights).length !== size) throw new Error("The attention does not have a cell for every pair of tokens.");
  const one = (layer, head, row, column) => {
    const at = ((layer * heads + head) * rows + row) * columns + column;
    if (bytes) return bytes[at] === 255 ? undefined : bytes[at] / 254;
    return mask[row * columns + column] ? weights[at] : undefined;
  };
  return {
    rows: labels(queryTokens),
    columns: labels(keyTokens),
    layers,
    heads,
    weight(layer, head, row, column) {
      if (head >= 0) return one(layer, head, row, column);
      let sum = one(layer, 0, row, column);
      for (let other = 1; sum !== undefined && other < heads; other++) sum += one(layer, other, row, column);
      return sum === undefined ? undefined : sum / heads;
    },
  };
}

/** Tokens as a reader would write them; a piece that continues a word begins with a dot. */
function labels(tokens) {
  const byteLevel = tokens.some(({ text }) => text.startsWith("Ġ"));
  return tokens.map(({ text, special }, i) => {
    const inside = i > 0 && !special && !tokens[i - 1].special;
    const continues = inside && (byteLevel ? /^[^Ġ\P{Alphabetic}]/u.test(text) : text.startsWith("##"));
    const bare = text.replace(/^##/, "").replaceAll("Ġ", " ").trim() || "␣";
    return { text: continues ? `·${bare}` : bare, special };
  });
}

const sheet = new CSSStyleSheet();
sheet.replaceSync(`
  :host { display: block; margin: 1em 0; font-size: 1rem; }
  :host([hidden]) { display: none; }
  :host([theme="light"]) { color-scheme: light; }
  :host([theme="dark"]) { color-scheme: dark; }
  .panel {
    ${Object.entries(PALETTE).map(([name, pair]) => `--${name}: light-dark(${pair});`).join("")}
    container-type: inline-size;
    padding: 0.9em 1em 1em;
    color: var(--ink);
    background: var(--paper);
    border: 1px solid var(--rule);
    border-radius: 4px;
    font-size: 0.875em;
    line-height: 1.45;
    min-height: 16em;
    /* Lets the script hear of a change of scheme. */
    transition: background-color 1ms;
    overflow-wrap: break-word;
  }
  * { box-sizing: border-box; }
  p { margin: 0.35em 0; }
  h3 { margin: 0; font-size: 1em; font-weight: 600; }
  .soft, label { color: var(--soft); }
  .said { font-size: 1.1em; }
  .bar { display: flex; flex-wrap: wrap; gap: 0.4em 1.2em; align-items: center; margin: 0.6em 0; }
  canvas { display: block; cursor: crosshair; touch-action: manipulation; }
  .reading { min-height: 2.9em; }
  button, select, input {
    font: inherit;
    color: inherit;
    background: var(--paper);
    border: 1px solid var(--rule);
    border-radius: 3px;
    padding: 0.3em 0.6em;
    min-height: 2em;
  }
  button { color: var(--accent); border-color: currentColor; cursor: pointer; }
  a { color: var(--accent); }
  :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
  .fields label { display: block; margin: 0.4em 0; }
  .fields input { display: block; width: 100%; color: var(--ink); }
  progress { width: 100%; accent-color: var(--accent); }
  details { margin-top: 0.4em; }
  summary { color: var(--accent); cursor: pointer; }
  ol { margin: 0.4em 0; padding-left: 1.8em; }
  [hidden] { display: none !important; }
`);

class UnmaskPanel extends HTMLElement {
  static observedAttributes = PARAMETERS;

  #parts;
  #seen = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.#open(), {
    rootMargin: "300px",
  });
  #resized = new ResizeObserver(() => this.#paint());
  #started = false;
  /** What is shown: model, method, input, output and attention, as in a trace. */
  #run;
  #cells;
  #layer = 0;
  /** -1 is the mean over all heads. */
  #head = -1;
  #marks;
  #held = false;
  #geometry;
  /** The loaded model, once the panel is live; what is under way can be stopped. */
  #model;
  #stop;

  constructor() {
    super();
    const parts = (this.#parts = {
      title: make("h3"),
      texts: make("p", { className: "soft" }),
      said: make("p", { className: "said" }),
      fields: make("div", { className: "fields", hidden: true }),
      layer: make("select"),
      head: make("select"),
      canvas: make("canvas", { tabIndex: 0 }),
      reading: make("p", { className: "reading", id: "reading" }),
      rows: make("ol"),
      status: make("p", { className: "soft" }),
      progress: make("progress", { hidden: true, max: 1 }),
      button: make("button", { type: "button" }),
    });
    parts.canvas.setAttribute("role", "application");
    parts.canvas.setAttribute("aria-roledescription", "attention matrix");
    parts.canvas.setAttribute("aria-describedby", "reading");
    parts.reading.ariaLive = parts.status.ariaLive = parts.said.ariaLive = "polite";
    parts.progress.ariaLabel = "Loading";
    parts.words = make("details", {}, make("summary", { textContent: "Row by row, in words" }), parts.rows);
    parts.figure = make(
      "div",
      { hidden: true },
      make("div", { className: "bar" }, make("label", {}, "Layer ", parts.layer), make("label", {}, "Head ", parts.head)),
      parts.canvas,
      parts.reading,
      parts.words,
    );
    const link = make("a", { href: SITE, textContent: "The whole story", target: "_blank", rel: "noopener" });
    parts.panel = make(
      "div",
      { className: "panel" },
      parts.title,
      parts.fields,
      parts.texts,
      parts.said,
      parts.figure,
      parts.progress,
      make("div", { className: "bar" }, parts.button, link),
      parts.status,
    );
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    root.append(parts.panel);
    this.#listen();
  }

  connectedCallback() {
    this.#seen.observe(this);
    this.#resized.observe(this.#parts.panel);
  }

  disconnectedCallback() {
    this.#seen.disconnect();
    this.#resized.disconnect();
    this.#stop?.abort();
  }

  attributeChangedCallback(name) {
    if (!this.#started) return;
    if (name === "layer" || name === "head") this.#adopt(name), this.#choose();
    else if (name === "theme") this.#paint();
    else if (name === "panel") this.#show(this.#run);
    else if (name === "live") this.hasAttribute("live") && this.#goLive();
    else if (!this.#model) this.#open(true);
  }

  #listen() {
    const { canvas, layer, head, button, panel, words, fields } = this.#parts;
    layer.addEventListener("change", () => ((this.#layer = layer.selectedIndex), this.#paint()));
    head.addEventListener("change", () => ((this.#head = head.selectedIndex - 1), this.#paint()));
    button.addEventListener("click", () => (this.#stop && !this.#model ? this.#stop.abort() : this.#goLive()));
    words.addEventListener("toggle", () => this.#paint());
    fields.addEventListener("input", () => this.#ask());
    panel.addEventListener("transitionend", ({ target }) => target === panel && this.#paint());
    canvas.addEventListener("mousemove", (event) => this.#held || this.#mark(this.#hit(event)));
    canvas.addEventListener("mouseleave", () => this.#held || this.#mark());
    canvas.addEventListener("blur", () => this.#held || this.#mark());
    canvas.addEventListener("click", (event) => {
      const marks = this.#hit(event);
      this.#held = Boolean(marks) && !(this.#held && `${marks}` === `${this.#marks}`);
      this.#mark(marks);
    });
    canvas.addEventListener("keydown", (event) => this.#walk(event));
  }

  /** Shows the recorded run; again where the attributes ask for another. */
  async #open(again = false) {
    if (this.#started && !again) return;
    if (!this.#started) ["layer", "head"].forEach((name) => this.#adopt(name));
    this.#started = true;
    this.#seen.disconnect();
    const asked = (name) => this.getAttribute(name);
    try {
      const run = await recording({ trace: asked("trace"), model: asked("model"), text: asked("text") });
      this.#show(run ?? this.#unrecorded());
      if (!run) this.#say("Nobody has recorded this text: run the model to see what it makes of it.");
    } catch (error) {
      this.#run ??= this.#unrecorded();
      this.#say(`The recorded run could not be shown (${error.message}).`);
    }
    this.#offer();
    if (this.hasAttribute("live")) this.#goLive();
  }

  /** What to ask the model where there is nothing recorded. */
  #unrecorded() {
    const model = this.getAttribute("model") ?? "bert";
    const [text, pair] = [this.getAttribute("text") ?? "", this.getAttribute("pair")];
    if (model.startsWith("bart")) return { model: { name: model }, method: "generate", input: { text } };
    if (pair) return { model: { name: model }, method: "nextSentence", input: { a: text, b: pair } };
    return { model: { name: model }, method: "fillMask", input: { text } };
  }

  #show(run) {
    this.#run = run;
    const { title, texts, said, figure, layer, head } = this.#parts;
    const { texts: names, say, lead } = METHODS[run.method];
    const part = run.attention?.[this.getAttribute("panel")] ? this.getAttribute("panel") : "encoder";
    const family = run.method === "generate" ? "BART" : "BERT";
    title.textContent = `${family}: ${PARTS[part][0].toLowerCase()}`;
    texts.textContent = names.map((name) => run.input[name]).filter(Boolean).join(" / ");
    said.textContent = run.output === undefined ? "" : say(run.output).map((words) => (lead ? `${lead}: ${words}` : words)).join("; ");
    figure.hidden = !run.attention;
    if (!run.attention) return;
    this.#cells = { ...cellsOf(run.attention[part]), part };
    layer.replaceChildren(...Array.from({ length: this.#cells.layers }, (_, i) => make("option", { textContent: i + 1 })));
    head.replaceChildren(
      make("option", { textContent: "mean" }),
      ...Array.from({ length: this.#cells.heads }, (_, i) => make("option", { textContent: i + 1 })),
    );
    this.#choose();
  }

  /** Takes layer or head from its attribute, which counts from 1; a head that is no number is the mean. */
  #adopt(name) {
    const place = Number.parseInt(this.getAttribute(name), 10) - 1;
    if (name === "layer") this.#layer = place;
    else this.#head = place;
  }

  /** Keeps layer and head, as the author or the reader chose them, within what there is. */
  #choose() {
    if (!this.#cells) return;
    const { layers, heads } = this.#cells;
    if (!(this.#layer >= 0 && this.#layer < layers)) this.#layer = 0;
    if (!(this.#head >= 0 && this.#head < heads)) this.#head = -1;
    this.#parts.layer.selectedIndex = this.#layer;
    this.#parts.head.selectedIndex = this.#head + 1;
    this.#mark();
  }

  /** The button says what a click costs. */
  async #offer() {
    const { button } = this.#parts;
    const { name } = this.#run.model;
    button.textContent = "Run it here";
    if (typeof WebAssembly === "undefined" || typeof Worker === "undefined") {
      button.hidden = true;
      return this.#say("This browser cannot run the model; what you see was recorded.");
    }
    if (this.#run.attention) this.#say(`A recorded run of ${name}. Nothing you type leaves this page.`);
    const entry = (await catalogue().catch(() => undefined))?.models?.find((model) => model.name === name);
    if (entry && !this.#stop && !models.has(name)) button.textContent = `Run it here (${megabytes(entry.bytes)})`;
  }

  #say(words) {
    this.#parts.status.textContent = words;
  }

  async #goLive() {
    if (this.#stop || this.#model) return;
    const { button, progress } = this.#parts;
    const { name } = this.#run.model;
    this.#stop = new AbortController();
    button.textContent = "Stop";
    progress.hidden = false;
    progress.removeAttribute("value");
    const onProgress = ({ loaded, total }) => {
      if (total) progress.value = loaded / total;
      this.#say(`Loading ${name}: ${megabytes(loaded)}${total ? ` of ${megabytes(total)}` : ""}`);
    };
    this.#say(`Loading ${name} …`);
    try {
      this.#model = await load(name, onProgress, this.#stop.signal);
      button.hidden = true;
      this.#edit();
      await this.#ask();
    } catch (error) {
      const stopped = this.#stop.signal.aborted;
      this.#say(stopped ? "Stopped." : `${error.message} ${error.nextStep ?? ""}`);
      button.textContent = stopped ? "Run it here" : "Try again";
    } finally {
      progress.hidden = true;
      if (!this.#model) this.#stop = undefined;
    }
  }

  /** Fields for the texts, filled with what was recorded. */
  #edit() {
    const { fields, texts } = this.#parts;
    const { method, input } = this.#run;
    const names = METHODS[method].texts.filter((name) => input[name] !== undefined);
    fields.replaceChildren(...names.map((name) => make("label", {}, names.length > 1 ? name : "Your text", make("input", { name, value: input[name] }))));
    fields.hidden = false;
    texts.hidden = true;
  }

  /** Asks the model about what stands in the fields; an older question is dropped. */
  async #ask() {
    const { fields } = this.#parts;
    const { method, model } = this.#run;
    this.#stop?.abort();
    const stop = (this.#stop = new AbortController());
    const { signal } = stop;
    const input = { ...this.#run.input };
    for (const field of fields.querySelectorAll("input")) input[field.name] = field.value;
    const [text, pair] = METHODS[method].texts.map((name) => input[name]);
    try {
      const output = await METHODS[method].ask(this.#model, input, { signal });
      // Without a target BART's attention is that of what it writes by itself, as in a recorded run.
      const writes = method === "generate" ? { task: input.task } : { pair };
      const attention = text.trim() ? await this.#model.attention(text, { ...writes, signal }) : undefined;
      if (stop === this.#stop) this.#show({ model, method, input, output, attention });
      this.#say("Live, on this machine. Nothing you type leaves this page.");
    } catch (error) {
      if (!signal.aborted) this.#say(`${error.message} ${error.nextStep ?? ""}`);
    }
  }

  #weight(row, column) {
    return this.#cells.weight(this.#layer, this.#head, row, column);
  }

  #paint() {
    if (!this.#cells || this.#parts.figure.hidden) return;
    const { canvas, panel, words, rows: list } = this.#parts;
    const { rows, columns } = this.#cells;
    const dark = getComputedStyle(panel).backgroundColor === "rgb(24, 21, 18)";
    const colour = (name) => PALETTE[name][Number(dark)];
    const context = canvas.getContext("2d");
    const font = "12px ui-monospace, Menlo, Consolas, monospace";
    context.font = font;
    const shown = ({ text }) => ([...text].length > 12 ? `${[...text].slice(0, 11).join("")}…` : text);
    const length = (token) => context.measureText(shown(token)).width;
    const upright = (token) => [...token.text].length === 1;
    const left = Math.ceil(Math.max(...rows.map(length)) + 8);
    const top = Math.ceil(Math.max(12, ...columns.filter((token) => !upright(token)).map(length)) + 8);
    const space = canvas.parentElement.clientWidth - left - 2;
    if (space <= 0) return;
    const cell = Math.min(28, Math.max(3, columns.length * 9 <= space ? Math.floor(space / columns.length) : space / columns.length));
    this.#geometry = { left, top, cell };
    const [width, height] = [Math.ceil(left + cell * columns.length + 2), Math.ceil(top + cell * rows.length + 2)];
    canvas.width = width * devicePixelRatio;
    canvas.height = height * devicePixelRatio;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    context.scale(devicePixelRatio, devicePixelRatio);

    // One hue, lightness a straight line in Oklab; the square root keeps the many small weights apart.
    const shade = (weight) => {
      const t = Math.sqrt(Math.min(1, weight));
      const lightness = dark ? 0.275 + 0.575 * t : 0.955 - 0.575 * t;
      const chroma = dark ? 0.012 + 0.44 * t * (0.72 - 0.56 * t) : 0.012 + 0.47 * t * (0.62 - 0.36 * t);
      return `oklch(${lightness} ${chroma} 36)`;
    };
    const gap = cell >= 8 ? 1 : 0;
    const forbidden = new Path2D();
    rows.forEach((_, row) =>
      columns.forEach((_, column) => {
        const weight = this.#weight(row, column);
        const place = [left + column * cell, top + row * cell, cell - gap, cell - gap];
        if (weight === undefined) return forbidden.rect(...place);
        context.fillStyle = shade(weight);
        context.fillRect(...place);
      }),
    );
    context.save();
    context.clip(forbidden);
    context.beginPath();
    for (let x = left - height; x < width; x += 5) {
      context.moveTo(x, top + height);
      context.lineTo(x + height, top);
    }
    context.strokeStyle = colour("hatch");
    context.stroke();
    context.restore();
    context.strokeStyle = colour("rule");
    context.strokeRect(left - 0.5, top - 0.5, cell * columns.length + 1, cell * rows.length + 1);

    const [markedRow, markedColumn] = this.#marks ?? [];
    const write = (token, marked, x, y, align, turn = 0) => {
      if (cell < 9 && !marked) return;
      context.font = marked ? `bold ${font}` : font;
      context.fillStyle = colour(marked ? "accent" : token.special ? "soft" : "ink");
      context.textBaseline = "middle";
      context.textAlign = align;
      context.save();
      context.translate(x, y);
      context.rotate(turn);
      context.fillText(shown(token), 0, 0);
      context.restore();
    };
    rows.forEach((token, row) => write(token, row === markedRow, left - 6, top + (row + 0.5) * cell, "right"));
    columns.forEach((token, column) => {
      const [marked, x] = [column === markedColumn, left + (column + 0.5) * cell];
      if (upright(token)) write(token, marked, x, top - 12, "center");
      else write(token, marked, x, top - 6, "left", -Math.PI / 2);
    });
    context.strokeStyle = colour("ink");
    const outline = (row, column, tall, wide, thick) => {
      context.lineWidth = thick;
      context.strokeRect(left + column * cell - 0.5, top + row * cell - 0.5, wide * cell + 1 - gap, tall * cell + 1 - gap);
    };
    if (markedRow !== undefined) outline(markedRow, 0, 1, columns.length, 1.5);
    if (markedColumn !== undefined) outline(0, markedColumn, rows.length, 1, 1.5);
    if (markedRow !== undefined && markedColumn !== undefined) outline(markedRow, markedColumn, 1, 1, 3);

    canvas.ariaLabel = `${PARTS[this.#cells.part][0]}: ${rows.length} rows, ${columns.length} columns. Arrow keys move over the cells.`;
    this.#parts.reading.textContent = this.#describe();
    if (words.open) list.replaceChildren(...rows.map((_, row) => make("li", { textContent: this.#rowInWords(row) })));
  }

  #mark(marks) {
    if (!marks) this.#held = false;
    this.#marks = marks;
    this.#paint();
  }

  /** Row and column under the pointer; over a label one of them alone. */
  #hit({ offsetX, offsetY }) {
    if (!this.#geometry) return undefined;
    const { left, top, cell } = this.#geometry;
    const index = (offset, { length }) => (offset >= 0 && offset < length * cell ? Math.floor(offset / cell) : undefined);
    const marks = [index(offsetY - top, this.#cells.rows), index(offsetX - left, this.#cells.columns)];
    return marks.some((mark) => mark !== undefined) ? marks : undefined;
  }

  #walk(event) {
    const [rows, columns] = [this.#cells.rows.length, this.#cells.columns.length];
    if (event.key === "Escape") return this.#mark();
    const [row = 0, column = 0] = this.#marks ?? [0, -1];
    const step = {
      ArrowRight: [row, column + 1],
      ArrowLeft: [row, column - 1],
      ArrowDown: [row + 1, column],
      ArrowUp: [row - 1, column],
      Home: [row, 0],
      End: [row, columns - 1],
    }[event.key];
    if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const within = (value, count) => Math.min(Math.max(value, 0), count - 1);
    this.#mark([within(step[0], rows), within(step[1], columns)]);
  }

  #describe() {
    const { rows, columns, part } = this.#cells;
    const [row, column] = this.#marks ?? [];
    if (row === undefined && column === undefined) {
      const all = rows.length * columns.length;
      const hatched = rows.flatMap((_, row) => columns.filter((_, column) => this.#weight(row, column) === undefined)).length;
      const mask = hatched ? `${hatched} of ${all} cells are hatched: there the row may not look.` : "No cell is forbidden.";
      return `${PARTS[part][1]} ${mask}`;
    }
    if (row === undefined) {
      const named = strongest(rows.map((token, row) => [token.text, this.#weight(row, column)]));
      return `“${columns[column].text}” is attended to most by ${named}.`;
    }
    if (column === undefined) return this.#rowInWords(row);
    const weight = this.#weight(row, column);
    const [query, key] = [`“${rows[row].text}”`, `“${columns[column].text}”`];
    const said = weight === undefined ? `${query} may not look at ${key}.` : `${query} to ${key}: ${percent(weight)}.`;
    return `${said} ${this.#rowInWords(row)}`;
  }

  #rowInWords(row) {
    const { rows, columns } = this.#cells;
    const weights = columns.map((token, column) => [token.text, this.#weight(row, column)]);
    const hidden = weights.filter(([, weight]) => weight === undefined).length;
    const out = hidden ? `; ${hidden} of ${columns.length} are out of its sight` : "";
    return `“${rows[row].text}” attends most to ${strongest(weights)}${out}.`;
  }
}

/** The three largest weights with their tokens. */
function strongest(weights) {
  const seen = weights.filter(([, weight]) => weight > 0).sort(([, a], [, b]) => b - a);
  return seen.slice(0, 3).map(([text, weight]) => `“${text}” ${percent(weight)}`).join(", ") || "nothing";
}

/** A view as parameters that panels understand; what is none of them is left out. */
function known(view) {
  return PARAMETERS.filter((name) => view[name] !== undefined && view[name] !== null && view[name] !== false).map((name) => [
    name,
    view[name] === true ? "" : String(view[name]),
  ]);
}

const escaped = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

/**
 * HTML to paste into an article, for a view such as `{ model: "bert", text: "…", layer: 3, head: 7 }`: `element` for a
 * page that may run scripts, `frame` for any other.
 */
export function embedCode(view) {
  const attributes = known(view).map(([name, value]) => (value === "" ? ` ${name}` : ` ${name}="${escaped(value)}"`));
  const frame = new URL("embed.html", HERE);
  frame.search = new URLSearchParams(known(view));
  return {
    element: `<script type="module" src="${escaped(new URL("embed.js", HERE).href)}"></script>\n<unmask-panel${attributes.join("")}></unmask-panel>`,
    frame: `<iframe src="${escaped(frame.href)}" title="Attention of BERT or BART" width="100%" height="640" loading="lazy" style="border: 0"></iframe>`,
  };
}

/** Gives frames of this site on this page the height that they ask for; what others say is ignored. */
function fitFrames() {
  window.addEventListener("message", ({ origin, source, data }) => {
    if (origin !== HERE.origin || data?.context !== "iframe.resize") return;
    const { height } = data;
    if (!Number.isFinite(height) || height < 1 || height > 20_000) return;
    for (const frame of document.querySelectorAll("iframe")) {
      if (frame.contentWindow === source && frame.src.startsWith(HERE.href)) frame.style.height = `${Math.ceil(height)}px`;
    }
  });
}

if (!customElements.get("unmask-panel")) {
  customElements.define("unmask-panel", UnmaskPanel);
  fitFrames();
}
