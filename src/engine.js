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

/** Loads a model by name; onProgress gets { loaded, total }. */
export async function load(name, onProgress) {
  const { Unmask } = await client();
  return Unmask.load(name, { onProgress });
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
