// The engine's entry as a module worker: starts the artifact that this browser can run, and tells the page
// when the engine breaks, which wasm itself cannot.

import { choose } from "./artifacts.js";

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

const asked = new URL(import.meta.url).searchParams;
const artifact = choose(asked.get("engine"));
if (artifact) {
  try {
    const engine = await import(`./${artifact.name}/unmask_worker.js`);
    await engine.default();
    engine.start(artifact.name, asked.get("matmul") === "candle");
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
