// A BERT with random weights and a head of every kind, as the bytes of a .gguf file: small enough to be made
// anew for each test, and bent in whatever way a test wants to see refused.

import { writeGguf } from "./gguf.mjs";

const LABELS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const LETTERS = "abcdefghijklmnopqrstuvwxyz".split("");
const VOCAB = [...LABELS, ".", "?", ...LETTERS, ...LETTERS.map((letter) => `##${letter}`)];
const [HIDDEN, INNER, LAYERS, HEADS, POSITIONS] = [32, 64, 2, 2, 48];

const CONFIG = {
  model_type: "bert",
  vocab_size: VOCAB.length,
  hidden_size: HIDDEN,
  intermediate_size: INNER,
  num_hidden_layers: LAYERS,
  num_attention_heads: HEADS,
  max_position_embeddings: POSITIONS,
  type_vocab_size: 2,
  hidden_act: "gelu",
};

const TASK_HEADS = [
  { name: "masked-lm", kind: "masked-lm" },
  { name: "next-sentence", kind: "next-sentence" },
  { name: "topic", kind: "sequence-classification", labels: ["sports", "science", "arts"], prefix: "topic" },
  { name: "moods", kind: "sequence-classification", labels: ["glad", "sad"], prefix: "moods", multi_label: true },
  {
    name: "nli",
    kind: "sequence-classification",
    labels: ["entailment", "neutral", "contradiction"],
    prefix: "nli",
  },
  { name: "entities", kind: "token-classification", labels: ["B-PER", "I-PER", "B-LOC"], prefix: "entities" },
  { name: "answers", kind: "question-answering", prefix: "qa_outputs" },
];

function tokenizer() {
  const special = (id) => ({ SpecialToken: { id, type_id: 0 } });
  const segment = (id, type_id) => ({ Sequence: { id, type_id } });
  const template = (id) => ({ id, ids: [VOCAB.indexOf(id)], tokens: [id] });
  return {
    version: "1.0",
    added_tokens: LABELS.map((content, id) => ({
      id,
      content,
      special: true,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
    })),
    normalizer: { type: "BertNormalizer", clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: [special("[CLS]"), segment("A", 0), special("[SEP]")],
      pair: [special("[CLS]"), segment("A", 0), special("[SEP]"), segment("B", 1), { SpecialToken: { id: "[SEP]", type_id: 1 } }],
      special_tokens: { "[CLS]": template("[CLS]"), "[SEP]": template("[SEP]") },
    },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(VOCAB.map((token, id) => [token, id])),
    },
  };
}

/** Names and shapes of all tensors, in PyTorch's order of dimensions. */
function shapes() {
  const shapes = {
    "bert.embeddings.word_embeddings.weight": [VOCAB.length, HIDDEN],
    "bert.embeddings.position_embeddings.weight": [POSITIONS, HIDDEN],
    "bert.embeddings.token_type_embeddings.weight": [2, HIDDEN],
    "cls.predictions.bias": [VOCAB.length],
  };
  const norm = (name) => Object.assign(shapes, { [`${name}.weight`]: [HIDDEN], [`${name}.bias`]: [HIDDEN] });
  const linear = (name, from, to) => Object.assign(shapes, { [`${name}.weight`]: [to, from], [`${name}.bias`]: [to] });
  norm("bert.embeddings.LayerNorm");
  for (let layer = 0; layer < LAYERS; layer++) {
    const name = `bert.encoder.layer.${layer}`;
    for (const part of ["self.query", "self.key", "self.value", "output.dense"]) {
      linear(`${name}.attention.${part}`, HIDDEN, HIDDEN);
    }
    norm(`${name}.attention.output.LayerNorm`);
    linear(`${name}.intermediate.dense`, HIDDEN, INNER);
    linear(`${name}.output.dense`, INNER, HIDDEN);
    norm(`${name}.output.LayerNorm`);
  }
  linear("bert.pooler.dense", HIDDEN, HIDDEN);
  linear("cls.predictions.transform.dense", HIDDEN, HIDDEN);
  norm("cls.predictions.transform.LayerNorm");
  linear("cls.seq_relationship", HIDDEN, 2);
  linear("qa_outputs", HIDDEN, 2);
  for (const { prefix, labels } of TASK_HEADS) if (labels) linear(prefix, HIDDEN, labels.length);
  return shapes;
}

/** Always the same numbers, evenly between -1 and 1 (Park and Miller's generator). */
function* noise(seed) {
  for (let state = seed; ; yield (2 * state) / 0x7fffffff - 1) state = (state * 48271) % 0x7fffffff;
}

/**
 * The file's bytes. `change({ config, metadata, shapes, values })` may bend everything that goes into it;
 * `values(name, count)` gives a tensor's numbers.
 */
export function tinyBert(change = () => {}) {
  const random = noise(7);
  const model = {
    config: { ...CONFIG },
    metadata: {
      "general.architecture": "bert",
      "general.name": "tiny",
      "tokenizer.huggingface.json": JSON.stringify(tokenizer()),
      "unmask.heads": JSON.stringify(TASK_HEADS),
      "unmask.quantization": "F32",
    },
    shapes: shapes(),
    values: (name, count) =>
      Float32Array.from({ length: count }, () => (name.includes("LayerNorm.weight") ? 1 : 0.3 * random.next().value)),
  };
  change(model);
  const metadata = { ...model.metadata, "config.huggingface.json": JSON.stringify(model.config) };

  const tensors = Object.entries(model.shapes).map(([name, shape]) => {
    const count = shape.reduce((product, size) => product * size, 1);
    return { name, shape, values: model.values(name, count) };
  });
  return writeGguf(metadata, tensors);
}
