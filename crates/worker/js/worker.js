// The engine's entry as a module worker: starts the artifact that this browser can run, and tells the page
// when the engine breaks, which wasm itself cannot.

import { usable } from "./artifacts.js";

function crashed(code, message, nextStep) {
  postMessage({ event: "crashed", error: { code, message, nextStep } });
}

let outOfMemory = false;

/** Called by the engine's allocator when it gets no more; a trap follows. */
self.unmaskOutOfMemory = () => (outOfMemory = true);

function broke(reason) {
  if (outOfMemory) {
    crashed("memory", "The engine ran out of memory.", "Dispose of models, close other pages, or use a smaller model.");
  } else {
    const detail = reason?.message ?? String(reason);
    crashed("engine", `The engine broke (${detail}).`, "Try again: the engine starts anew.");
  }
}

self.addEventListener("error", (event) => {
  event.preventDefault();
  broke(event.error ?? event);
});

self.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  broke(event.reason);
});

/** Starts the first artifact for which there is room. */
async function start([name, ...others]) {
  const engine = await import(`./${name}/unmask_worker.js`);
  let memory;
  try {
    ({ memory } = await engine.default());
  } catch (error) {
    // Memory that is shared has its place in the address space reserved, which a small device may refuse.
    if (!(error instanceof RangeError) || others.length === 0) throw error;
    return start(others);
  }
  engine.start(name, asked.get("matmul") === "candle");
  if (name === "threads") callHelpers(name, engine.default.__wbindgen_wasm_module, memory);
}

/** Most threads that are worth it for a text of a few hundred tokens. */
const MOST_THREADS = 8;

/** Starts the other threads. They join when they are up; until then, or without them, the engine works alone. */
function callHelpers(name, module, memory) {
  const wanted = Number(asked.get("threads")) || navigator.hardwareConcurrency;
  const script = new URL("helper.js", import.meta.url).href;
  for (let i = 1; i < Math.min(wanted, MOST_THREADS); i++) {
    try {
      const helper = new Worker(startable(script), { type: "module", name: "unmask helper" });
      helper.onerror = (event) => event.preventDefault();
      helper.postMessage({ name, module, memory });
    } catch {
      return;
    }
  }
}

/** Browsers start workers from a page's own origin alone, but a module may import from any that lets it. */
function startable(script) {
  if (new URL(script).origin === self.origin) return script;
  return URL.createObjectURL(new Blob([`import ${JSON.stringify(script)};`], { type: "text/javascript" }));
}

const asked = new URL(import.meta.url).searchParams;
const artifacts = usable(asked.get("engine"));
if (artifacts.length > 0) {
  try {
    await start(artifacts);
  } catch (error) {
    const { CompileError, LinkError, RuntimeError } = WebAssembly;
    if ([CompileError, LinkError, RuntimeError].some((kind) => error instanceof kind)) {
      broke(error);
    } else {
      const message = `The engine could not be loaded (${error.message}).`;
      crashed("network", message, "Check the connection and try again.");
    }
  }
} else {
  crashed(
    "unsupported",
    "This browser cannot run the engine: it lacks WebAssembly SIMD, or the build that was asked for.",
    "Use a current version of Firefox, Chrome, Edge or Safari.",
  );
}
