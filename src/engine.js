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
