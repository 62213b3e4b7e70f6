// ONNX Runtime Web in a worker of its own: graphs in, hidden states, logits or greedily chosen tokens out.

import * as ort from "./ort/ort.wasm.min.mjs";

// The runtime makes its memory here and tells nobody.
const memories = [];
WebAssembly.Memory = class extends WebAssembly.Memory {
  constructor(descriptor) {
    super(descriptor);
    memories.push(this);
  }
};

/** BART's, which opens its decoder and ends its output; the end is kept off, so that lengths are equal. */
const END = 2;

let sessions;

const int64 = (values) => new ort.Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);

async function load({ threads, graphs }) {
  ort.env.wasm.numThreads = threads;
  sessions = {};
  for (const [name, url] of Object.entries(graphs)) {
    const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
    // What transformers.js asks for.
    sessions[name] = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
  }
  return {};
}

async function runEncoder(ids) {
  const inputs = {
    input_ids: int64(ids),
    attention_mask: int64(ids.map(() => 1)),
    token_type_ids: int64(ids.map(() => 0)),
  };
  const { encoder } = sessions;
  for (const name of Object.keys(inputs)) if (!encoder.inputNames.includes(name)) delete inputs[name];
  return Object.values(await encoder.run(inputs))[0];
}

async function encode({ ids }) {
  const output = await runEncoder(ids);
  return { output: output.data, width: output.dims.at(-1) };
}

/** Greedily; with `distinct`, no token twice, and with the logits of each step. */
async function generate({ ids, newTokens, distinct }) {
  const encoder_hidden_states = await runEncoder(ids);
  const encoder_attention_mask = int64(ids.map(() => 1));
  const [tokens, logits] = [[], []];
  const past = {};
  for (let token = END; tokens.length < newTokens; ) {
    const inputs = { input_ids: int64([token]), encoder_attention_mask };
    const outputs = tokens.length
      ? await sessions.decoder_with_past.run({ ...inputs, ...past })
      : await sessions.decoder.run({ ...inputs, encoder_hidden_states });
    for (const [name, tensor] of Object.entries(outputs)) {
      if (name !== "logits") past[name.replace("present", "past_key_values")] = tensor;
    }
    token = best(outputs.logits.data, distinct ? tokens : []);
    tokens.push(token);
    if (distinct) logits.push(outputs.logits.data);
    else postMessage({ token });
  }
  return { tokens, logits };
}

/** The id of the highest logit that is neither the end nor among `banned`. */
function best(logits, banned) {
  let best = -1;
  for (let id = 0; id < logits.length; id++) {
    if (id !== END && !(logits[id] <= logits[best]) && !banned.includes(id)) best = id;
  }
  return best;
}

function memory() {
  return { bytes: memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0) };
}

self.onmessage = async ({ data }) => {
  try {
    postMessage(await { load, encode, generate, memory }[data.kind](data));
  } catch (error) {
    postMessage({ error: String(error) });
  }
};
