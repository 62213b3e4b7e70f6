/** Types of unmask.js. Positions in text are UTF-16 code units, as JavaScript counts them. */

/** Kinds of failure. */
export type UnmaskErrorCode =
  /** The network failed or the server refused. */
  | "network"
  /** Bytes are not what they should be. */
  | "integrity"
  /** The model or the browser cannot do this. */
  | "unsupported"
  /** Memory or storage ran out. */
  | "memory"
  /** The request makes no sense. */
  | "input"
  /** Stopped on request. */
  | "aborted"
  /** The engine broke; it starts anew at the next call. */
  | "engine";

/** What every failing call throws. `message` is a sentence for people. */
export class UnmaskError extends Error {
  private constructor();
  readonly name: "UnmaskError";
  readonly code: UnmaskErrorCode;
  /** What to do about it, as a sentence. */
  readonly nextStep: string;
}

/** Bytes so far. */
export interface Progress {
  /**
   * Where they come from: the network, the copy that the browser keeps, or the reader's file. `verify` reads again what
   * was written; while `waiting`, another tab has the file, or a server wants to be left alone.
   */
  phase: "download" | "cache" | "file" | "verify" | "waiting";
  loaded: number;
  /** In all, where known. */
  total?: number;
  /** Seconds until all are done at this pace, or until a server may be asked again. */
  secondsLeft?: number;
}

export interface Cancellable {
  /** Stops the request: at once if it has not started, else at its next step. */
  signal?: AbortSignal;
}

export interface LoadOptions extends Cancellable {
  onProgress?: (progress: Progress) => void;
  /** Which file of a model that the catalogue has in several, such as `"Q8_0"`; of a checkpoint, what it becomes. */
  quantization?: string;
  /**
   * To compare quantizations: the matrices are decoded and encoded anew in this one as they arrive. What the file has lost already
   * does not come back.
   */
  requantize?: "F32" | "F16" | "Q8_0" | "Q4_0";
}

/** What a model is and can do. */
export interface ModelInfo {
  name: string;
  architecture: "bert" | "bart";
  /** Stored parameters. */
  parameters: number;
  quantization: string;
  /** Size of the file. */
  bytes: number;
  /** Encoder layers. */
  layers: number;
  /** Attention heads per layer. */
  attentionHeads: number;
  hiddenSize: number;
  /** Most tokens it reads at once. */
  maxPositions: number;
  heads: HeadInfo[];
  /** Generation tasks by name. */
  tasks: string[];
  /** SPDX expression, where the file says it. */
  license?: string;
  /** Text of the mask token, where it has one; `[MASK]` is always understood as well. */
  maskToken?: string;
}

/** One task head. */
export interface HeadInfo {
  name: string;
  kind: "masked-lm" | "next-sentence" | "sequence-classification" | "token-classification" | "question-answering";
  labels: string[];
}

/** What was cut off because the model reads no more. */
export interface Truncation {
  /** Tokens kept, the tokenizer's own special tokens not counted. */
  kept: number;
  /** Tokens dropped. */
  dropped: number;
  /** First position of the (first truncated) text that the model did not read. */
  from: number;
}

/** A list; `truncation` is set where the text was longer than the model reads. */
export type Truncatable<T> = T[] & { truncation?: Truncation };

/** One token and its place in the reader's text. */
export interface Token {
  id: number;
  /** As the vocabulary spells it. */
  text: string;
  start: number;
  end: number;
  /** 0 for the first text, 1 for the pair. */
  segment: number;
  /** Added by the tokenizer, absent from the text. */
  special: boolean;
}

/** One token that might stand at a position. */
export interface Candidate {
  /** As the vocabulary spells it. */
  token: string;
  id: number;
  probability: number;
  /** As a reader would write it. */
  text: string;
}

export interface FilledMask {
  /** Token position in the sequence. */
  position: number;
  /** Most probable first. */
  candidates: Candidate[];
}

export interface LabelScore {
  label: string;
  probability: number;
}

/** A labelled stretch of the reader's text. */
export interface LabelSpan {
  label: string;
  probability: number;
  start: number;
  end: number;
  text: string;
}

/** An answer out of a passage; an empty text says that the passage holds none. */
export interface Answer {
  text: string;
  start: number;
  end: number;
  probability: number;
}

/** One attention mask, by rule or cell by cell. */
export type MaskPattern =
  | { pattern: "bidirectional" }
  | { pattern: "causal" }
  /** The first `length` positions see each other; later ones are causal. */
  | { pattern: "prefix"; length: number }
  /** A position sees `radius` neighbours on each side. */
  | { pattern: "window"; radius: number }
  /** `allowed[query * keys + key]` is 1 where query may attend to key, else 0. */
  | { pattern: "custom"; queries: number; keys: number; allowed: ArrayLike<number> };

/** Masks that replace the model's own; a part left out keeps what the model has. */
export interface MaskSpec {
  encoder?: MaskPattern;
  decoder?: MaskPattern;
  cross?: MaskPattern;
}

/** Where an attention head is, counted from 0. */
export interface HeadPlace {
  layer: number;
  head: number;
}

/** Heads that are turned off: what they gather is not passed on. BERT has an encoder only. */
export interface HeadsOff {
  encoder?: HeadPlace[];
  decoder?: HeadPlace[];
  cross?: HeadPlace[];
}

export interface FillMaskOptions extends Cancellable {
  /** Candidates for each mask or position. */
  topK?: number;
  /** Positions of tokens (as `tokenize` counts them) that are asked about instead of the masks, whatever stands there. */
  positions?: number[];
  mask?: MaskSpec;
  headsOff?: HeadsOff;
}

export interface ClassifyOptions extends Cancellable {
  /** Head by name; may be left out where the model has one classification head. */
  head?: string;
  /** A second text, for pair tasks such as entailment. */
  pair?: string;
  /** Your own labels: zero-shot, by a head that knows entailment. */
  labels?: string[];
  /** With `labels`: the sentence that the text should entail, with `{}` in the label's place. "This example is {}." unless given. */
  hypothesis?: string;
}

export interface LabelOptions extends Cancellable {
  /** Head by name; may be left out where the model has one head for tokens. */
  head?: string;
}

export interface AnswerOptions extends Cancellable {
  /** How many answers. */
  topK?: number;
}

/** Decoding controls; what is left out comes from the model's own generation configuration. */
export interface GenerateOptions extends Cancellable {
  /** One of the model's tasks by name. */
  task?: string;
  /** 1 is greedy search or sampling. */
  numBeams?: number;
  maxNewTokens?: number;
  minNewTokens?: number;
  /** Above zero: sample instead of taking the most probable token. */
  temperature?: number;
  topK?: number;
  topP?: number;
  seed?: number;
  /** No n-gram of this size appears twice; 0 turns it off. */
  noRepeatNgramSize?: number;
  /** Above 1 discourages tokens that have been used. */
  repetitionPenalty?: number;
  /** Exponent of the length that beam scores are divided by. */
  lengthPenalty?: number;
  earlyStopping?: boolean;
  /** How many alternatives each step reports. */
  alternatives?: number;
  headsOff?: HeadsOff;
}

/** One generated token. */
export interface Step {
  id: number;
  /** As the vocabulary spells it. */
  token: string;
  /** Everything so far (of the best beam), as a reader would write it. */
  text: string;
  /** Of this token, given everything before it. */
  probability: number;
  /** The most probable tokens at this step. */
  alternatives: Candidate[];
  /** All live beams, best first, where there is more than one. */
  beams?: Beam[];
}

/** One live hypothesis of a beam search. */
export interface Beam {
  /** Index of the beam that this one grew from, in the previous step. */
  parent: number;
  id: number;
  token: string;
  text: string;
  /** Sum of log-probabilities. */
  score: number;
}

/** A finished generation. */
export interface Generation {
  text: string;
  /** With the most probable tokens in the place of each. */
  tokens: { id: number; text: string; probability: number; alternatives: Candidate[] }[];
  /** Length-normalised score of the winner (sum of log-probabilities for one beam). */
  score: number;
  finish: "stop" | "length";
  /** Set where the source was longer than the model reads. */
  truncation?: Truncation;
}

export interface AttentionOptions extends Cancellable {
  /** BERT: a second segment. */
  pair?: string;
  /** BART: what the decoder is made to say; without it, BART generates. */
  target?: string;
  /** BART: one of its tasks. */
  task?: string;
  mask?: MaskSpec;
  /** They are recorded as they would look if they were on; the layers behind see what they leave out. */
  headsOff?: HeadsOff;
}

export interface HiddenStatesOptions extends Cancellable {
  /** A second segment. */
  pair?: string;
}

/** Every token's vector before the first layer and behind each. */
export interface HiddenStates {
  tokens: Token[];
  /** One more than there are layers. */
  states: number;
  dimensions: number;
  /** `[state, token, dimension]`, row-major. */
  values: Float32Array;
  truncation?: Truncation;
}

export interface LogitsOptions extends Cancellable {
  /** BART: what the decoder is made to say; without it, the logits of the first token alone. */
  target?: string;
  /** BART: one of its tasks. */
  task?: string;
}

/** Logits over the whole vocabulary. */
export interface Logits {
  /** BERT: token positions of the masks. BART: positions of what the decoder has read, from its start token on. */
  positions: number[];
  /** BART: the token at each of the positions, as the vocabulary spells it; the logits are those of the token behind it. */
  read: string[];
  /** Words in the vocabulary. */
  vocabulary: number;
  /** `[position, word]`, row-major, before softmax. */
  values: Float32Array;
  truncation?: Truncation;
}

/** One kind of attention in every layer and head. */
export interface Attention {
  /** Row labels. */
  queryTokens: Token[];
  /** Column labels. */
  keyTokens: Token[];
  layers: number;
  heads: number;
  /** `[query, key]`, 1 = may attend. */
  mask: Uint8Array;
  /** `[layer, head, query, key]`, row-major, before the mask. */
  scores: Float32Array;
  /** `[layer, head, query, key]`, row-major, after softmax. */
  weights: Float32Array;
}

export interface Attentions {
  encoder: Attention;
  decoder?: Attention;
  cross?: Attention;
  truncation?: Truncation;
}

/**
 * What can be kept: `"hub:owner/name"` or `"hub:owner/name@revision"`, the address of a .gguf file or of a checkpoint's
 * folder (relative to the page), or files: a .gguf, or config.json with tokenizer and weights.
 */
export type ImportSource = string | URL | File | readonly File[] | FileList;

export interface ImportOptions extends Cancellable {
  onProgress?: (progress: Progress) => void;
  /** For a checkpoint: `"F32"`, `"F16"`, `"Q8_0"` (unless given), `"Q6_K"`, `"Q4_K"` or `"Q4_0"`. */
  quantization?: string;
  /** Forget what has come of it instead; the promise then resolves with nothing. */
  discard?: boolean;
}

/** One way to store a source. */
export interface Choice {
  quantization: string;
  /** In storage. */
  bytes: number;
  /** About how many bytes of memory the engine needs for it. */
  memory: number;
  /** Whether it is stored already. */
  stored: boolean;
  /** Whether there is room for it, in storage and in memory. */
  fits: boolean;
  /** Why it does not fit, as a sentence. */
  why?: string;
}

/** What a source is and what could become of it. */
export interface Description {
  name: string;
  architecture: "bert" | "bart";
  /** As config.json says it, such as `"distilbert"`. */
  modelType: string;
  license?: string;
  /** What to ask for to get the same again; of files, their folder's name or their own. */
  source: string;
  /** The exact version: a commit, for a model on the hub. */
  revision?: string;
  parameters: number;
  /** Generation tasks by name. */
  tasks: string[];
  heads: HeadInfo[];
  /** Bytes on the wire, or on the disk. */
  download: number;
  /** The files that are read. */
  files: { name: string; bytes: number }[];
  /** The most exact first; of a .gguf file, what it is. */
  choices: Choice[];
  /** What is stored of this source already. */
  stored: StoredModel[];
}

/** A model that the browser keeps. */
export interface StoredModel {
  /** `Unmask.load("stored:" + id)` loads it. */
  id: string;
  name: string;
  architecture: "bert" | "bart";
  quantization: string;
  /** Size of the file. */
  bytes: number;
  parameters: number;
  heads: HeadInfo[];
  tasks: string[];
  license?: string;
  source: string;
  revision?: string;
  origin: "catalogue" | "hub" | "url" | "file";
  /** When it was finished; ISO 8601. */
  imported: string;
  /** When it was last loaded; ISO 8601. */
  lastUsed: string;
}

/** A model that has not come whole: the same import goes on with it. */
export interface PartialModel {
  id: string;
  name: string;
  source: string;
  /** Empty where only the file itself knows. */
  quantization: string;
  /** Bytes that have come. */
  loaded: number;
  total?: number;
}

/** What the browser keeps. Sites of the same origin share it. */
export interface Library {
  models: StoredModel[];
  partial: PartialModel[];
  /** Bytes that this origin takes in all, as far as the browser says. */
  usage: number;
  /** Bytes that it may take. */
  quota: number;
  /** Whether the browser has promised to delete nothing by itself. */
  persisted: boolean;
}

/**
 * A loaded model. Requests to all models of a page are answered in order, by one worker. Every method throws
 * `UnmaskError`. If the engine breaks, what is pending fails, and the next call loads the model again.
 */
export class Unmask {
  private constructor();

  /**
   * @param source a name in models.json; `"stored:ID"` for a model that is kept; the URL of a .gguf file (relative to the
   * page), or a .gguf file, which are loaded without being kept; or what `import` takes, which is imported first (as
   * `quantization`, Q8_0 unless given) and then loaded.
   */
  static load(source: string | URL | Blob | readonly Blob[] | FileList, options?: LoadOptions): Promise<Unmask>;

  /** What a source is, its size at each quantization, and whether there is room. Fetches small files and headers only. */
  static describe(source: ImportSource, options?: Cancellable): Promise<Description>;

  /**
   * Fetches a model, quantizes it where it is a checkpoint, verifies it and keeps it. Stopped by its signal, by a cut or
   * with the tab, it keeps what has come, and the same call goes on. What is kept already is not fetched again.
   * `importerMemory` is the most memory that the importer has had, in bytes.
   */
  static import(source: ImportSource, options: ImportOptions & { discard: true }): Promise<void>;
  static import(source: ImportSource, options?: ImportOptions): Promise<StoredModel & { importerMemory: number }>;

  /** What is kept, whole and in part. */
  static stored(options?: Cancellable): Promise<Library>;

  /** Forgets a model, or what has come of one; whether there was something. */
  static remove(id: string): Promise<boolean>;

  /** A kept model as a .gguf file. */
  static export(id: string): Promise<File>;

  /** Asks the browser to delete nothing by itself; whether it promises. Imports ask as well. */
  static persist(): Promise<boolean>;

  readonly info: ModelInfo;

  /** The build of the engine that runs, the fastest that this browser can: `threads` (relaxed SIMD on several threads, where the page is
   * cross-origin isolated), `relaxed` (SIMD) or `simd128`. */
  readonly engine: string;

  tokenize(text: string, pair?: string | null, options?: Cancellable): Promise<Truncatable<Token>>;

  /** A list for each `[MASK]` in the text, in order, or for each of `positions`. */
  fillMask(text: string, options?: FillMaskOptions): Promise<Truncatable<FilledMask>>;

  /** Probability that `b` follows `a`. */
  nextSentence(a: string, b: string, options?: Cancellable): Promise<{ isNext: number; truncation?: Truncation }>;

  /** Highest first. */
  classify(text: string, options?: ClassifyOptions): Promise<Truncatable<LabelScore>>;

  /** Labelled spans in the text's order. */
  label(text: string, options?: LabelOptions): Promise<Truncatable<LabelSpan>>;

  /** Best first. Long passages are read in overlapping windows. */
  answer(question: string, context: string, options?: AnswerOptions): Promise<Answer[]>;

  /** Mean-pooled over real tokens, normalised; one for each text. */
  embed(texts: readonly string[], options?: Cancellable): Promise<Float32Array[]>;

  /** BERT: what each layer has made of each token. */
  hiddenStates(text: string, options?: HiddenStatesOptions): Promise<HiddenStates>;

  /** BERT: for each `[MASK]`. BART: behind each token of the target. */
  logits(text: string, options?: LogitsOptions): Promise<Logits>;

  /** One step a token. Leaving the loop stops the engine; the iterator's return value is the whole generation. */
  generate(text: string, options?: GenerateOptions): AsyncGenerator<Step, Generation, void>;

  /** The same, awaited. */
  complete(text: string, options?: GenerateOptions): Promise<Generation>;

  /** Masks, scores and weights of every layer and head. */
  attention(text: string, options?: AttentionOptions): Promise<Attentions>;

  /** Frees the model's memory; using it afterwards is an `input` error. */
  dispose(): Promise<void>;
}
