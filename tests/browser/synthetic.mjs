// Checkpoints with random weights in real models' shapes, from a seed: their files are computed as they are read, and
// lie neither in memory nor on the disk.

import { createHash } from "node:crypto";

const LETTERS = "abcdefghijklmnopqrstuvwxyz".split("");

/** Always the same numbers, evenly between -1 and 1 (Park and Miller's generator). */
export function* noise(seed) {
  for (let state = seed; ; yield (2 * state) / 0x7fffffff - 1) state = (state * 48271) % 0x7fffffff;
}

/** Values of which all weights are made: as many as no row, block or piece divides. */
const BLOCK = 262_139;

/** A safetensors file of F32 tensors `[name, shape]` whose values repeat a random block. */
function safetensors(tensors, seed) {
  const header = {};
  let end = 0;
  for (const [name, shape] of tensors) {
    const bytes = 4 * shape.reduce((product, size) => product * size, 1);
    header[name] = { dtype: "F32", shape, data_offsets: [end, (end += bytes)] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const head = Buffer.concat([length, text]);

  const random = noise(seed);
  const values = Float32Array.from({ length: BLOCK }, () => 0.05 * random.next().value);
  const block = Buffer.from(values.buffer);
  const read = (begin, end) => {
    const parts = [head.subarray(begin, end)];
    for (let at = Math.max(begin - head.length, 0); at < end - head.length; ) {
      const within = at % block.length;
      const taken = Math.min(block.length - within, end - head.length - at);
      parts.push(block.subarray(within, within + taken));
      at += taken;
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts);
  };
  const bytes = head.length + end;
  const hash = createHash("sha256");
  for (let at = 0; at < bytes; at += 1 << 24) hash.update(read(at, Math.min(at + (1 << 24), bytes)));
  return { bytes, sha256: hash.digest("hex"), read };
}

/** A BERT as wide, deep and rich in words as asked for, with a head that fills gaps. */
export function syntheticBert({ hidden, inner = 4 * hidden, layers, heads, words, positions = 512, seed = 1 }) {
  const tensors = [
    ["bert.embeddings.word_embeddings.weight", [words, hidden]],
    ["bert.embeddings.position_embeddings.weight", [positions, hidden]],
    ["bert.embeddings.token_type_embeddings.weight", [2, hidden]],
  ];
  const norm = (name) => tensors.push([`${name}.weight`, [hidden]], [`${name}.bias`, [hidden]]);
  const linear = (name, from, to) => tensors.push([`${name}.weight`, [to, from]], [`${name}.bias`, [to]]);
  norm("bert.embeddings.LayerNorm");
  for (let layer = 0; layer < layers; layer++) {
    const name = `bert.encoder.layer.${layer}`;
    for (const part of ["self.query", "self.key", "self.value", "output.dense"]) linear(`${name}.attention.${part}`, hidden, hidden);
    norm(`${name}.attention.output.LayerNorm`);
    linear(`${name}.intermediate.dense`, hidden, inner);
    linear(`${name}.output.dense`, inner, hidden);
    norm(`${name}.output.LayerNorm`);
  }
  linear("cls.predictions.transform.dense", hidden, hidden);
  norm("cls.predictions.transform.LayerNorm");
  tensors.push(["cls.predictions.bias", [words]]);
  const config = {
    model_type: "bert",
    architectures: ["BertForMaskedLM"],
    vocab_size: words,
    hidden_size: hidden,
    intermediate_size: inner,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    max_position_embeddings: positions,
    type_vocab_size: 2,
    hidden_act: "gelu",
  };
  const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...LETTERS];
  const vocabulary = [...special, ...Array.from({ length: words - special.length }, (_, i) => `word${i}`)];
  return {
    "config.json": Buffer.from(JSON.stringify(config)),
    "vocab.txt": Buffer.from(vocabulary.join("\n") + "\n"),
    "model.safetensors": safetensors(tensors, seed),
  };
}

/** A BART that writes summaries, as wide, deep and rich in words as asked for. */
export function syntheticBart({ hidden, layers, heads, words, positions = 1024, seed = 1 }) {
  const tensors = [["final_logits_bias", [1, words]], ["model.shared.weight", [words, hidden]]];
  const norm = (name) => tensors.push([`${name}.weight`, [hidden]], [`${name}.bias`, [hidden]]);
  const linear = (name, from, to) => tensors.push([`${name}.weight`, [to, from]], [`${name}.bias`, [to]]);
  for (const half of ["encoder", "decoder"]) {
    tensors.push([`model.${half}.embed_positions.weight`, [positions + 2, hidden]]);
    norm(`model.${half}.layernorm_embedding`);
    for (let layer = 0; layer < layers; layer++) {
      const name = `model.${half}.layers.${layer}`;
      for (const attention of half === "encoder" ? ["self_attn"] : ["self_attn", "encoder_attn"]) {
        for (const part of ["q_proj", "k_proj", "v_proj", "out_proj"]) linear(`${name}.${attention}.${part}`, hidden, hidden);
        norm(`${name}.${attention}_layer_norm`);
      }
      linear(`${name}.fc1`, hidden, 4 * hidden);
      linear(`${name}.fc2`, 4 * hidden, hidden);
      norm(`${name}.final_layer_norm`);
    }
  }
  const config = {
    model_type: "bart",
    architectures: ["BartForConditionalGeneration"],
    vocab_size: words,
    d_model: hidden,
    encoder_layers: layers,
    decoder_layers: layers,
    encoder_attention_heads: heads,
    decoder_attention_heads: heads,
    encoder_ffn_dim: 4 * hidden,
    decoder_ffn_dim: 4 * hidden,
    max_position_embeddings: positions,
    activation_function: "gelu",
    scale_embedding: false,
    bos_token_id: 0,
    pad_token_id: 1,
    eos_token_id: 2,
    decoder_start_token_id: 2,
    forced_eos_token_id: 2,
    task_specific_params: { summarization: {} },
  };
  const special = ["<s>", "<pad>", "</s>", "<unk>", ...LETTERS, "Ġ", "ab"];
  const others = Array.from({ length: words - special.length - 1 }, (_, i) => `word${i}`);
  const vocabulary = Object.fromEntries([...special, ...others, "<mask>"].map((token, id) => [token, id]));
  return {
    "config.json": Buffer.from(JSON.stringify(config)),
    "vocab.json": Buffer.from(JSON.stringify(vocabulary)),
    "merges.txt": Buffer.from("#version: 0.2\na b\n"),
    "model.safetensors": safetensors(tensors, seed),
  };
}

/** All of a file, for those that may lie on the disk after all. */
export const whole = (files) =>
  Object.fromEntries(Object.entries(files).map(([name, file]) => [name, Buffer.isBuffer(file) ? file : file.read(0, file.bytes)]));
