// Unmask for any page: load a model, ask it. Workers do the work, one for models and one for getting them from
// elsewhere; this file is the one way to both.
// Types and descriptions are in unmask.d.ts, the messages in crates/protocol.

/** What went wrong: `code` for programs, `message` and `nextStep` for people. */
export class UnmaskError extends Error {
  constructor(code, message, nextStep) {
    super(message);
    this.name = "UnmaskError";
    this.code = code;
    this.nextStep = nextStep;
  }
}

/** A loaded model. */
export class Unmask {
  #source;
  #info;
  #engine;
  #handle;
  #disposed = false;

  static async load(source, options) {
    const { onProgress, signal, quantization, requantize } = pick(options, [...LOAD, "requantize"]);
    const model = new Unmask();
    const { imported, ...loaded } = sourceOf(source, quantization);
    if (imported) {
      const { id } = await importModel(imported, { quantization, onProgress, signal });
      model.#source = loadRequest({ from: "stored", id });
    } else {
      model.#source = loaded;
    }
    model.#source.request.requantize = requantize;
    await model.#load(onProgress, signal);
    return model;
  }

  static async describe(source, options) {
    const { signal } = pick(options, ["signal"]);
    const { files, ...from } = importSource(source);
    const { description } = await Importer.start().ask({ kind: "describe", source: from }, { signal, files });
    return present(description);
  }

  static async import(source, options) {
    const { discard, ...controls } = pick(options, [...LOAD, "discard"]);
    const from = importSource(source);
    if (discard) return void (await forget(from, controls));
    // Whether it is granted is the browser's to say, and no reason to wait.
    Unmask.persist().catch(() => {});
    return importModel(from, controls);
  }

  static async stored(options) {
    const { signal } = pick(options, ["signal"]);
    const { models, partial } = await Importer.start().ask({ kind: "stored" }, { signal });
    const storage = globalThis.navigator?.storage;
    const { usage = 0, quota = 0 } = (await storage?.estimate?.()) ?? {};
    const persisted = (await storage?.persisted?.()) ?? false;
    return { models: models.map(present), partial: partial.map(present), usage, quota, persisted };
  }

  static async remove(id) {
    return (await Importer.start().ask({ kind: "remove", id: asText(id, "The id") })).removed;
  }

  static async export(id) {
    const { file } = await Importer.start().ask({ kind: "export", id: asText(id, "The id") });
    return file;
  }

  static async persist() {
    return (await globalThis.navigator?.storage?.persist?.()) ?? false;
  }

  get info() {
    return this.#info;
  }

  get engine() {
    return this.#engine.artifact;
  }

  async tokenize(text, pair, options) {
    const { signal } = pick(options, ["signal"]);
    const request = { kind: "tokenize", text: asText(text), pair: optional(pair, asText) };
    const { tokens, truncation } = await this.#ask(request, { signal });
    return list(tokens, truncation);
  }

  async fillMask(text, options) {
    const { signal, ...controls } = pick(options, ["topK", "positions", "mask", "headsOff", "signal"]);
    const request = { kind: "fillMask", text: asText(text), ...controls };
    const { masks, truncation } = await this.#ask(request, { signal });
    return list(masks, truncation);
  }

  async nextSentence(a, b, options) {
    const { signal } = pick(options, ["signal"]);
    const request = { kind: "nextSentence", a: asText(a), b: asText(b) };
    const { isNext, truncation } = await this.#ask(request, { signal });
    return truncation ? { isNext, truncation } : { isNext };
  }

  async classify(text, options) {
    const { signal, ...controls } = pick(options, ["head", "pair", "labels", "hypothesis", "signal"]);
    const request = { kind: "classify", text: asText(text), ...controls };
    const { labels, truncation } = await this.#ask(request, { signal });
    return list(labels, truncation);
  }

  async label(text, options) {
    const { signal, ...controls } = pick(options, ["head", "signal"]);
    const request = { kind: "label", text: asText(text), ...controls };
    const { spans, truncation } = await this.#ask(request, { signal });
    return list(spans, truncation);
  }

  async answer(question, context, options) {
    const { signal, ...controls } = pick(options, ["topK", "signal"]);
    const request = { kind: "answer", question: asText(question), context: asText(context), ...controls };
    return (await this.#ask(request, { signal })).answers;
  }

  async embed(texts, options) {
    const { signal } = pick(options, ["signal"]);
    const request = { kind: "embed", texts: asTexts(texts) };
    const { dimensions, values } = await this.#ask(request, { signal });
    return request.texts.map((_, i) => values.slice(i * dimensions, (i + 1) * dimensions));
  }

  async hiddenStates(text, options) {
    const { signal, ...controls } = pick(options, ["pair", "signal"]);
    const request = { kind: "hiddenStates", text: asText(text), ...controls };
    const { tokens, states, dimensions, values, truncation } = await this.#ask(request, { signal });
    return { tokens, states, dimensions, values, ...(truncation && { truncation }) };
  }

  async logits(text, options) {
    const { signal, ...controls } = pick(options, ["target", "task", "signal"]);
    const request = { kind: "logits", text: asText(text), ...controls };
    const { positions, read, vocabulary, values, truncation } = await this.#ask(request, { signal });
    return { positions, read, vocabulary, values, ...(truncation && { truncation }) };
  }

  async *generate(text, options) {
    const { signal, headsOff, ...controls } = pick(options, GENERATE);
    const request = { kind: "generate", text: asText(text), options: controls, headsOff };
    const stop = new AbortController();
    const abort = () => stop.abort();
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort);

    const steps = [];
    let generation, failure;
    let wake = () => {};
    const onStep = (step) => {
      steps.push(step);
      wake();
    };
    this.#ask(request, { signal: stop.signal, onStep })
      .then((reply) => (generation = reply.generation), (error) => (failure = error))
      .then(() => wake());
    try {
      while (true) {
        if (failure) throw failure;
        if (steps.length > 0) yield steps.shift();
        else if (generation) return generation;
        else await new Promise((resolve) => (wake = resolve));
      }
    } finally {
      // Also reached when the reader breaks out of the loop: the engine need not go on then.
      signal?.removeEventListener("abort", abort);
      abort();
    }
  }

  async complete(text, options) {
    const { signal, headsOff, ...controls } = pick(options, GENERATE);
    const request = { kind: "generate", text: asText(text), options: controls, headsOff };
    return (await this.#ask(request, { signal })).generation;
  }

  async attention(text, options) {
    const { signal, ...controls } = pick(options, ["pair", "target", "task", "mask", "headsOff", "signal"]);
    const request = { kind: "attention", text: asText(text), ...controls };
    const { encoder, decoder, cross, truncation } = await this.#ask(request, { signal });
    const attentions = decoder ? { encoder, decoder, cross } : { encoder };
    return truncation ? { ...attentions, truncation } : attentions;
  }

  async dispose() {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#engine !== Engine.running) return;
    // An engine that breaks now has freed everything as well.
    await this.#engine.ask({ kind: "dispose", model: this.#handle }).catch(() => {});
  }

  async #ask(request, options) {
    if (this.#disposed) {
      throw new UnmaskError("input", "This model has been disposed of.", "Load it again with Unmask.load.");
    }
    if (this.#engine !== Engine.running) await this.#reload(options.signal);
    return this.#engine.ask({ ...request, model: this.#handle }, options);
  }

  async #load(onProgress, signal) {
    const engine = Engine.start();
    const { request, file } = this.#source;
    const { model, info } = await engine.ask(request, { onProgress, signal, file });
    this.#engine = engine;
    this.#handle = model;
    this.#info = info;
  }

  // After a crash of the engine. Several calls may wait for the same reload; a signal stops only its own wait.
  #reloading;
  async #reload(signal) {
    this.#reloading ??= this.#load().finally(() => (this.#reloading = undefined));
    if (!signal) return this.#reloading;
    let abort;
    const aborted = new Promise((_, reject) => {
      abort = () => reject(abortedError());
      if (signal.aborted) abort();
      signal.addEventListener("abort", abort);
    });
    try {
      await Promise.race([this.#reloading, aborted]);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }
}

/** One life of a worker, from its start to its crash or its end. */
class Peer {
  static running;

  static start() {
    return (this.running ??= new this());
  }

  #worker;
  #blobUrl;
  #lastId = 0;
  #pending = new Map();
  #failure;
  // Messages that wait for the engine's `ready`: a worker loses what it is sent before its wasm is up.
  #waiting = [];

  constructor(script, name) {
    const url = new URL(`engine/dev/${script}`, import.meta.url);
    for (const [name, value] of forced()) url.searchParams.set(name, value);
    let address = url.href;
    if (url.origin !== globalThis.location?.origin) {
      // Browsers start workers from a page's own origin alone, but a module may import from any that lets it.
      const script = new Blob([`import ${JSON.stringify(address)};`], { type: "text/javascript" });
      address = this.#blobUrl = URL.createObjectURL(script);
    }
    try {
      this.#worker = new Worker(address, { type: "module", name });
    } catch (error) {
      throw new UnmaskError(
        "unsupported",
        `This page cannot start the engine's worker (${error.message}).`,
        "Let the page's content security policy allow it, or use a current browser.",
      );
    }
    this.#worker.onmessage = ({ data }) => this.#receive(data);
    this.#worker.onmessageerror = () => this.#crash("A message from the engine could not be read.");
    this.#worker.onerror = (event) => {
      // The worker tells of everything that happens once its script runs: this is what comes before.
      event.preventDefault();
      this.#crash("The engine could not be loaded.", "network", "Check the connection and try again.");
    };
  }

  /** Whether a request that is to be stopped is done only when the worker says so. */
  get finishesFirst() {
    return false;
  }

  /** Nothing is asked any more. */
  idle() {}

  /** Sends a request; resolves with its reply. */
  ask(request, { onProgress, onStep, signal, file, files } = {}) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw abortedError();
      if (this.#failure) throw this.#failure;
      const id = ++this.#lastId;
      const cancel = () => {
        const sent = !this.#waiting;
        if (sent) this.#post({ id: ++this.#lastId, request: { kind: "cancel", target: id } });
        else this.#waiting = this.#waiting.filter((message) => message.id !== id);
        if (sent && this.finishesFirst) return;
        settle();
        reject(abortedError());
      };
      const settle = () => {
        this.#pending.delete(id);
        signal?.removeEventListener("abort", cancel);
        if (this.#pending.size === 0) this.idle();
      };
      this.#post({ id, request, file, files });
      this.#pending.set(id, { onProgress, onStep, settle, resolve, reject });
      signal?.addEventListener("abort", cancel);
    });
  }

  #post(message) {
    if (this.#waiting) {
      this.#waiting.push(message);
    } else {
      this.#worker.postMessage(message);
    }
  }

  #receive({ event, id, artifact, progress, step, reply, error }) {
    const asked = this.#pending.get(id);
    switch (event) {
      case "ready": {
        this.#forgetBlob();
        this.artifact = artifact;
        const messages = this.#waiting;
        this.#waiting = undefined;
        messages.forEach((message) => this.#post(message));
        break;
      }
      case "progress":
        asked?.onProgress?.(present(progress));
        break;
      case "step":
        asked?.onStep?.(step);
        break;
      case "reply":
        asked?.settle();
        asked?.resolve(reply);
        // It was cancelled while its answer was on the way: nobody holds this model.
        if (!asked && reply.kind === "loaded") {
          this.ask({ kind: "dispose", model: reply.model }).catch(() => {});
        }
        break;
      case "failure":
        asked?.settle();
        asked?.reject(new UnmaskError(error.code, error.message, error.nextStep));
        break;
      case "crashed":
        this.#crash(error.message, error.code, error.nextStep);
        break;
    }
  }

  /** Ends the worker, whose memory returns. */
  end() {
    if (this.constructor.running === this) this.constructor.running = undefined;
    this.#worker.terminate();
    this.#forgetBlob();
  }

  #crash(message, code = "engine", nextStep = "Try again: the engine starts anew.") {
    this.end();
    this.#failure = new UnmaskError(code, message, nextStep);
    for (const asked of [...this.#pending.values()]) {
      asked.settle();
      asked.reject(this.#failure);
    }
  }

  #forgetBlob() {
    if (this.#blobUrl) URL.revokeObjectURL(this.#blobUrl);
    this.#blobUrl = undefined;
  }
}

/** The worker that runs models. */
class Engine extends Peer {
  static running;

  constructor() {
    super("worker.js", "unmask");
  }
}

/** How long the importer stays when nobody asks, in milliseconds. */
const IMPORTER_STAYS = 2000;

/** The worker that gets models from elsewhere and keeps them. It goes when nobody asks. */
class Importer extends Peer {
  static running;
  #timer;

  constructor() {
    super("importer.js", "unmask importer");
  }

  // What has come is written down before a stopped import is over.
  get finishesFirst() {
    return true;
  }

  idle() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.end(), IMPORTER_STAYS);
  }

  ask(request, options) {
    clearTimeout(this.#timer);
    return super.ask(request, options);
  }
}

/** Fetches, quantizes and keeps a model. */
async function importModel({ files, ...source }, { quantization, onProgress, signal }) {
  const request = { kind: "import", source, quantization };
  const { model, importerMemory } = await Importer.start().ask(request, { onProgress, signal, files });
  return { ...present(model), importerMemory };
}

/** Forgets what has come of a model. */
async function forget({ files, ...source }, { quantization, signal }) {
  const request = { kind: "import", source, quantization, discard: true };
  await Importer.start().ask(request, { signal, files });
}

/** An answer without the properties that it leaves open. */
function present(value) {
  if (Array.isArray(value)) return value.map(present);
  if (typeof value !== "object") return value;
  const there = Object.entries(value).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(there.map(([name, value]) => [name, present(value)]));
}

// What can be asked for on this module's address, or else on the page's: `?engine=` an artifact of the engine,
// `?threads=` how many threads it may use, and `?matmul=candle` the product of quantized matrices that ours is compared with.
const FORCIBLE = { engine: ["simd128", "relaxed", "threads"], threads: [..."12345678"], matmul: ["candle"] };

function forced() {
  const asked = (name, url) => new URL(url).searchParams.get(name);
  return Object.entries(FORCIBLE)
    .map(([name, values]) => [name, values, asked(name, import.meta.url) ?? asked(name, globalThis.location.href)])
    .filter(([, values, value]) => values.includes(value))
    .map(([name, , value]) => [name, value]);
}

/** The hub that `hub:` means. Only this module's own address can name another, such as a mirror: a link to a page cannot. */
function hubAddress() {
  const address = new URL(import.meta.url).searchParams.get("hub") ?? "https://huggingface.co";
  return address.replace(/\/+$/, "");
}

function loadRequest(source, file) {
  return { request: { kind: "load", source }, file };
}

/** What the reader calls a model: as a request to the engine, or as what is to be `imported` first. */
function sourceOf(source, quantization) {
  if (source instanceof URL) source = source.href;
  if (typeof source === "string" && /^[\w-][\w.-]*$/.test(source) && !source.endsWith(".gguf")) {
    const catalogue = new URL("models/models.json", import.meta.url).href;
    return loadRequest({ from: "catalogue", name: source, catalogue, quantization });
  }
  const loaded = fileOf(source);
  if (!loaded) return { imported: importSource(source) };
  if (quantization !== undefined) {
    throw new UnmaskError(
      "input",
      "A GGUF file has its quantization already.",
      "Leave the option out, or give the checkpoint that the file was made of.",
    );
  }
  return loaded;
}

/** The request to load one model file without keeping it; undefined for everything else. */
function fileOf(source) {
  if (typeof source === "string") {
    if (source.startsWith("stored:")) return loadRequest({ from: "stored", id: source.slice("stored:".length) });
    if (source === "" || source.startsWith("hub:")) return undefined;
    const url = parseUrl(source);
    if (url.protocol !== "blob:" && !url.pathname.endsWith(".gguf")) return undefined;
    return loadRequest({ from: "url", url: url.href });
  }
  const files = filesOf(source);
  if (files?.length !== 1) return undefined;
  const [file] = files;
  const name = file.name ?? "that was given";
  if (file.name !== undefined && !name.endsWith(".gguf")) return undefined;
  return loadRequest({ from: "file", name }, file);
}

/** What can be kept: a repository of the hub, an address, or files. */
function importSource(source) {
  if (source instanceof URL) source = source.href;
  const hub = hubAddress();
  if (typeof source === "string" && source !== "") {
    if (source.startsWith("hub:")) return { from: "hub", repository: source.slice("hub:".length), hub };
    return { from: "url", url: parseUrl(source).href, hub };
  }
  const files = filesOf(source);
  if (files?.length > 0 && files.every((file) => file instanceof File)) {
    return { from: "files", files: files.map((file) => ({ path: file.webkitRelativePath || file.name, file })) };
  }
  throw new UnmaskError(
    "input",
    "That is neither a model's name, nor an address, nor a file.",
    "Give a name in models.json, hub:owner/name, the URL of a .gguf file or a checkpoint's folder, or files.",
  );
}

/** The files of a File, a list of them, or a FileList; undefined for everything else. */
function filesOf(source) {
  if (source instanceof Blob) return [source];
  const isList = Array.isArray(source) || (globalThis.FileList && source instanceof FileList);
  if (!isList) return undefined;
  const files = [...source];
  return files.every((file) => file instanceof Blob) ? files : undefined;
}

function parseUrl(text) {
  try {
    return new URL(text, globalThis.document?.baseURI ?? globalThis.location.href);
  } catch {
    throw new UnmaskError("input", `"${text}" is not an address.`, "Give a name in models.json or a URL.");
  }
}

function abortedError() {
  return new UnmaskError("aborted", "The request was stopped.", "Ask again when you want the answer.");
}

/** A list, with what was cut off to get it where something was. */
function list(items, truncation) {
  return truncation ? Object.assign(items, { truncation }) : items;
}

function mustBe(holds, name, what) {
  if (!holds) throw new UnmaskError("input", `${name} is not ${what}.`, `Give ${what}.`);
}

/** A text without lone surrogates, which UTF-8 cannot hold; its length and all positions stay. */
function asText(value, name = "The text") {
  mustBe(typeof value === "string", name, "a string");
  return value.replace(/\p{Surrogate}/gu, "\uFFFD");
}

function asTexts(value, name = "The list of texts") {
  mustBe(Array.isArray(value), name, "an array of strings");
  return value.map((text, i) => asText(text, `Number ${i} of ${name.toLowerCase()}`));
}

function asCount(value, name) {
  mustBe(Number.isSafeInteger(value) && value >= 0 && value <= 0xffffffff, name, "a whole number from 0");
  return value;
}

function asCounts(value, name) {
  mustBe(Array.isArray(value), name, "an array of whole numbers");
  return value.map((count, i) => asCount(count, `Number ${i} of ${name}`));
}

function asSeed(value, name) {
  mustBe(Number.isSafeInteger(value) && value >= 0, name, "a whole number from 0");
  return value;
}

function asNumber(value, name) {
  mustBe(Number.isFinite(value), name, "a finite number");
  return value;
}

function asBoolean(value, name) {
  mustBe(typeof value === "boolean", name, "true or false");
  return value;
}

function asFunction(value, name) {
  mustBe(typeof value === "function", name, "a function");
  return value;
}

function asSignal(value, name) {
  mustBe(value instanceof AbortSignal, name, "an AbortSignal");
  return value;
}

function asMaskSpec(value, name) {
  mustBe(typeof value === "object", name, "an object of masks");
  return mapDefined(value, ["encoder", "decoder", "cross"], (pattern, part) => {
    mustBe(typeof pattern === "object" && typeof pattern.pattern === "string", part, "a mask pattern");
    const { pattern: rule, length, radius, queries, keys, allowed } = pattern;
    switch (rule) {
      case "bidirectional":
      case "causal":
        return { pattern: rule };
      case "prefix":
        return { pattern: rule, length: asCount(length, "length") };
      case "window":
        return { pattern: rule, radius: asCount(radius, "radius") };
      case "custom": {
        const cells = Array.from(allowed ?? [], Number);
        mustBe(cells.every((cell) => cell === 0 || cell === 1), "allowed", "a list of 0 and 1");
        return { pattern: rule, queries: asCount(queries, "queries"), keys: asCount(keys, "keys"), allowed: cells };
      }
      default:
        throw new UnmaskError(
          "input",
          `There is no mask pattern "${rule}".`,
          "Choose bidirectional, causal, prefix, window or custom.",
        );
    }
  });
}

function asHeadsOff(value, name) {
  mustBe(typeof value === "object", name, "an object of lists of heads");
  return mapDefined(value, ["encoder", "decoder", "cross"], (heads, part) => {
    mustBe(Array.isArray(heads), part, "an array of { layer, head }");
    return heads.map((place) => {
      mustBe(typeof place === "object" && place !== null, `A head of ${part}`, "an object { layer, head }");
      return { layer: asCount(place.layer, "layer"), head: asCount(place.head, "head") };
    });
  });
}

const OPTIONS = {
  onProgress: asFunction,
  signal: asSignal,
  quantization: asText,
  requantize: asText,
  discard: asBoolean,
  head: asText,
  pair: asText,
  target: asText,
  task: asText,
  labels: asTexts,
  positions: asCounts,
  hypothesis: asText,
  mask: asMaskSpec,
  headsOff: asHeadsOff,
  numBeams: asCount,
  maxNewTokens: asCount,
  minNewTokens: asCount,
  temperature: asNumber,
  topK: asCount,
  topP: asNumber,
  seed: asSeed,
  noRepeatNgramSize: asCount,
  repetitionPenalty: asNumber,
  lengthPenalty: asNumber,
  earlyStopping: asBoolean,
  alternatives: asCount,
};

const LOAD = ["onProgress", "signal", "quantization"];

const GENERATE = [
  "task", "numBeams", "maxNewTokens", "minNewTokens", "temperature", "topK", "topP", "seed",
  "noRepeatNgramSize", "repetitionPenalty", "lengthPenalty", "earlyStopping", "alternatives", "headsOff", "signal",
];

function optional(value, check, name) {
  return value === undefined || value === null ? undefined : check(value, name);
}

/** The options that a method knows, checked. */
function pick(options, names) {
  mustBe(options === undefined || (typeof options === "object" && options !== null), "The last argument", "an object of options");
  return mapDefined(options ?? {}, names, (value, name) => OPTIONS[name](value, name));
}

/** Checks the properties of `object` that are set; a name that is not among `names` is a mistake. */
function mapDefined(object, names, check) {
  const checked = {};
  for (const [name, value] of Object.entries(object)) {
    if (!names.includes(name)) {
      throw new UnmaskError("input", `There is no option "${name}" here.`, `Choose among ${names.join(", ")}.`);
    }
    if (value !== undefined && value !== null) checked[name] = check(value, name);
  }
  return checked;
}
