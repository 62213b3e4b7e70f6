// The page's way to the engine: the public module unmask.js, fetched when it is first needed.

let module;

function client() {
  // The link's address changes with the file, so that no cache can hand out an older one.
  const address = document.getElementById("client")?.href ?? new URL("unmask.js", document.baseURI).href;
  module ??= import(address).catch((error) => {
    module = undefined; // the next call tries again
    throw error;
  });
  return module;
}

/** The parsed catalogue, models.json. */
export async function catalogue() {
  const url = new URL("models/models.json", document.baseURI);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url.pathname}: ${response.status}`);
  return response.json();
}

/**
 * A recorded run (docs/TRACES.md) in the form of live answers: { model, text, task, filled, steps, encoder, decoder, cross }.
 * Scores weren't recorded.
 */
export async function recording(name) {
  const response = await fetch(new URL(`traces/${name}.json`, document.baseURI));
  const { format, model, method, input, output, attention } = await response.json();
  if (format !== 1) throw new Error(`a recording of format ${format}`);
  const trace = { model: model.name, text: input.text, task: input.task };
  trace[method === "generate" ? "steps" : "filled"] = output;
  for (const [part, { cells, ...tokens }] of Object.entries(attention)) {
    const bytes = Uint8Array.from(atob(cells), (character) => character.charCodeAt(0));
    const size = tokens.queryTokens.length * tokens.keyTokens.length;
    const mask = bytes.slice(0, size).map((byte) => byte < 255);
    const weights = Float32Array.from(bytes, (byte) => (byte < 255 ? byte / 254 : 0));
    trace[part] = { ...tokens, mask, weights, scores: new Float32Array(bytes.length) };
  }
  return trace;
}

/** Loads a model by name; onProgress gets { loaded, total }. */
export async function load(name, signal, onProgress) {
  const { Unmask } = await client();
  return Unmask.load(name, { signal, onProgress });
}

/** Runs model.generate, hands over each step, and returns the generation. */
export async function generate(model, text, options, onStep) {
  const steps = model.generate(text, options);
  for (;;) {
    const { done, value } = await steps.next();
    if (done) return value;
    onStep(value);
  }
}

/** Loads a model, perhaps with its matrices encoded anew in the quantization `requantize`, to be compared with. */
export async function variant(name, options) {
  const { Unmask } = await client();
  return Unmask.load(name, options);
}

/** The best of three runs of model.logits, with the milliseconds that it took; the first warms the engine up. */
export async function timedLogits(model, text, options) {
  let best;
  for (let run = 0; run < 3; run++) {
    const begun = performance.now();
    const logits = await model.logits(text, options);
    const milliseconds = performance.now() - begun;
    if (!best || milliseconds < best.milliseconds) best = { ...logits, milliseconds };
  }
  return best;
}

/** What a checkpoint is: a source as unmask.js takes it. */
export async function describe(source, options) {
  const { Unmask } = await client();
  return Unmask.describe(source, options);
}

/** Brings a checkpoint in; onProgress gets { phase, loaded, total, secondsLeft }. */
export async function bring(source, options, onProgress) {
  const { Unmask } = await client();
  const model = await Unmask.import(source, { ...options, onProgress });
  remember();
  return model;
}

/** Forgets what has come of one. */
export async function discard(source, quantization) {
  const { Unmask } = await client();
  return Unmask.import(source, { quantization, discard: true });
}

// That there is something of the reader's own to look up: the importer is not started for those who have nothing.
const BROUGHT = "unmask-brought";

function remember() {
  try {
    localStorage.setItem(BROUGHT, "yes");
  } catch {} // a page without storage keeps nothing anyway
}

/** Whether the reader has ever brought a model. */
export function hasBrought() {
  try {
    return localStorage.getItem(BROUGHT) !== null;
  } catch {
    return false;
  }
}

/** Calls act once, when the element comes into view. */
export function whenSeen(element, act) {
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    act();
  });
  observer.observe(element);
}

/** What is kept. */
export async function kept() {
  const { Unmask } = await client();
  return Unmask.stored();
}

/** Deletes a model, or forgets an import that was stopped. */
export async function remove(id) {
  const { Unmask } = await client();
  return Unmask.remove(id);
}

/** Hands a model's file to the reader, as a download. */
export async function save(id) {
  const { Unmask } = await client();
  const file = await Unmask.export(id);
  const url = URL.createObjectURL(file);
  const link = Object.assign(document.createElement("a"), { href: url, download: file.name });
  link.click();
  // The browser reads the address when the click is handled, and needs it no longer than that.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Asks the browser not to clear what is kept. */
export async function persist() {
  const { Unmask } = await client();
  return Unmask.persist();
}

/** The files of a drop, or of a field for files. */
export function filesOf(event) {
  return [...(event.dataTransfer?.files ?? event.target.files ?? [])];
}
