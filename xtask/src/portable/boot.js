// Starts the site out of one HTML file that was opened from a disk. There browsers refuse to fetch files, to import
// them, and to start workers from them; what they allow is used instead: blobs for the page's modules, a classic worker
// from a blob, and data: addresses for its modules. `fetch` finds the embedded files, in the page as in the worker.

const BASE = "https://portable.invalid/";
const TYPES = { js: "text/javascript", json: "application/json", wasm: "application/wasm" };
const typeOf = (path) => TYPES[path.split(".").at(-1)] ?? "application/octet-stream";

const elements = new Map(
  Array.from(document.querySelectorAll("script[data-path]"), (element) => [element.dataset.path, element]),
);

function bytesOf(base64) {
  return Uint8Array.fromBase64?.(base64) ?? Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** An embedded file; undefined where there is none. */
async function blobOf(path) {
  const element = elements.get(path);
  if (!element) return undefined;
  const blob = new Blob([bytesOf(element.textContent)], { type: typeOf(path) });
  if (element.dataset.gzip === undefined) return blob;
  const whole = await new Response(blob.stream().pipeThrough(new DecompressionStream("gzip"))).blob();
  return new Blob([whole], { type: typeOf(path) });
}

/** A module's text with what it imports, and the address that it thinks it has. */
async function moduleText(path, addressOf) {
  let text = await (await blobOf(path)).text();
  text = text.replaceAll("import.meta.url", JSON.stringify(BASE + path));
  for (const [whole, before, specifier] of text.matchAll(/(^import .* from )['"](\.\/[^'"]+)['"]/gm)) {
    const imported = new URL(specifier, BASE + path).href.slice(BASE.length);
    text = text.replace(whole, `${before}${JSON.stringify(await addressOf(imported))}`);
  }
  return text.replaceAll("import(`./", "self.unmaskModule(`./");
}

async function blobModule(path) {
  return URL.createObjectURL(new Blob([await moduleText(path, blobModule)], { type: "text/javascript" }));
}

async function dataModule(path) {
  return `data:text/javascript;charset=utf-8,${encodeURIComponent(await moduleText(path, dataModule))}`;
}

/** What runs first in the worker: it asks the page for files, by number. */
function startWorker() {
  self.onmessage = ({ data: { port, entry, modules, base } }) => {
    self.onmessage = null;
    const waiting = new Map();
    let last = 0;
    port.onmessage = ({ data: { id, blob } }) => {
      waiting.get(id)(blob);
      waiting.delete(id);
    };
    self.unmaskModule = (specifier) => import(modules[specifier]);
    self.fetch = async (input) => {
      const url = new URL(input.url ?? input);
      const blob = await new Promise((resolve) => {
        waiting.set(++last, resolve);
        port.postMessage({ id: last, path: url.href.startsWith(base) ? url.pathname.slice(1) : undefined });
      });
      return blob ? new Response(blob) : new Response(null, { status: 404 });
    };
    // The models are in this file already: no copies.
    Object.defineProperty(navigator, "storage", { value: undefined });
    import(entry);
  };
}

const bootWorker = URL.createObjectURL(new Blob([`(${startWorker})()`], { type: "text/javascript" }));

/** The engine's entry and its artifacts, for a worker. */
async function engine() {
  const paths = [...elements.keys()].filter((path) => path.startsWith("engine/"));
  const main = paths.find((path) => path.endsWith("/worker.js"));
  const folder = main.slice(0, -"worker.js".length);
  const glue = paths.filter((path) => path.endsWith("/unmask_worker.js"));
  const modules = await Promise.all(glue.map(async (path) => [`./${path.slice(folder.length)}`, await dataModule(path)]));
  return { entry: await dataModule(main), modules: Object.fromEntries(modules), base: BASE };
}

const WorkerOfThisBrowser = globalThis.Worker;
globalThis.Worker = class extends WorkerOfThisBrowser {
  constructor(address) {
    if (address.includes("/importer.js")) throw new Error("this page is one file, which gets no models from elsewhere");
    super(bootWorker);
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = async ({ data: { id, path } }) => port1.postMessage({ id, blob: await blobOf(path) });
    engine().then((start) => super.postMessage({ port: port2, ...start }, [port2]));
  }
};

const here = new URL(".", location.href).href;
const network = globalThis.fetch;
globalThis.fetch = async (input, options) => {
  const { href } = new URL(input.url ?? input, location.href);
  const base = [here, BASE].find((base) => href.startsWith(base));
  const blob = base && (await blobOf(decodeURIComponent(new URL(href).pathname.slice(new URL(base).pathname.length))));
  return blob ? new Response(blob) : network(input, options);
};

const client = document.createElement("link");
client.id = "client";
client.href = await blobModule("unmask.js");
document.head.append(client);

const page = [...elements.keys()].find((path) => /^page\/.*_bg\.wasm$/.test(path));
const { default: start } = await import(await blobModule(page.replace("_bg.wasm", ".js")));
await start({ module_or_path: await (await blobOf(page)).arrayBuffer() });
