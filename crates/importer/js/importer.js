// The importer's entry as a module worker: starts its wasm, and tells the page when it breaks, which wasm itself cannot.

function crashed(code, message, nextStep) {
  postMessage({ event: "crashed", error: { code, message, nextStep } });
}

function broke(reason) {
  if (reason instanceof RangeError) {
    crashed("memory", "The importer ran out of memory.", "Close other pages and try again: what has come is kept.");
  } else {
    const detail = reason?.message ?? String(reason);
    crashed("engine", `The importer broke (${detail}).`, "Try again: what has come is kept, and the rest follows.");
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

try {
  const importer = await import("./importer/unmask_importer.js");
  await importer.default();
  importer.start();
} catch (error) {
  const { CompileError, LinkError, RuntimeError } = WebAssembly;
  if (error instanceof CompileError) {
    const nextStep = "Use a current version of Firefox, Chrome, Edge or Safari.";
    crashed("unsupported", `This browser cannot run the importer (${error.message}).`, nextStep);
  } else if (error instanceof LinkError || error instanceof RuntimeError) {
    broke(error);
  } else {
    crashed("network", `The importer could not be loaded (${error.message}).`, "Check the connection and try again.");
  }
}
