// The engine's entry as a module worker: chooses the artifact that this browser can run, starts it, and
// tells the page when the engine breaks, which wasm itself cannot.

// `(func (result v128) i32.const 0 i8x16.splat)`: validates where a browser knows SIMD.
const SIMD128 = new Uint8Array([
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 5, 1, 0x60, 0, 1, 0x7b],
  ...[3, 2, 1, 0],
  ...[10, 8, 1, 6, 0, 0x41, 0, 0xfd, 0x0f, 0x0b],
]);

// Fastest first. Those that the build makes are in ARTIFACTS of xtask/src/build.rs; the folders bear the names.
const ARTIFACTS = [{ name: "simd128", runs: () => WebAssembly.validate(SIMD128) }];

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

function choose() {
  const forced = new URL(import.meta.url).searchParams.get("engine");
  return ARTIFACTS.find(({ name, runs }) => (forced ? name === forced : runs()));
}

const artifact = choose();
if (artifact) {
  try {
    const engine = await import(`./${artifact.name}/unmask_worker.js`);
    await engine.default();
    engine.start(artifact.name);
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
