//! Engine to page.

use serde::{Deserialize, Serialize};

/// One message from the engine, or with another kind of reply from the importer.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(
    tag = "event",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Event<R = Reply> {
    /// The engine's wasm is up and listens; sent once, first.
    Ready {
        /// Which artifact runs: `simd128`, `relaxed`, `threads`, or `importer`.
        artifact: String,
        /// The engine's version.
        version: String,
    },
    /// The engine broke and answers nothing any more; what was pending is lost.
    Crashed {
        /// What went wrong, and what to do.
        error: ErrorBody,
    },
    /// A download or load moves on.
    Progress {
        /// The request.
        id: u32,
        /// What moves.
        progress: Progress,
    },
    /// One more generated token.
    Step {
        /// The request.
        id: u32,
        /// The token.
        step: Step,
    },
    /// The request's answer; nothing follows it.
    Reply {
        /// The request.
        id: u32,
        /// The answer.
        reply: R,
    },
    /// The request failed; nothing follows it.
    Failure {
        /// The request.
        id: u32,
        /// What went wrong, and what to do.
        error: ErrorBody,
    },
}

/// The answer to a request, by its kind.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Reply {
    /// To `Load`.
    Loaded {
        /// Handle for later requests.
        model: u32,
        /// What was loaded.
        info: ModelInfo,
    },
    /// To `Dispose`.
    Done,
    /// To `Tokenize`.
    Tokens {
        /// The pieces.
        tokens: Vec<Token>,
        /// Set where the text was longer than the model reads.
        truncation: Option<Truncation>,
    },
    /// To `FillMask`: a list for each mask, in the text's order, or for each position in the request's.
    Masks {
        /// One entry per mask or position.
        masks: Vec<FilledMask>,
        /// Set where the text was longer than the model reads.
        truncation: Option<Truncation>,
    },
    /// To `NextSentence`.
    NextSentence {
        /// Probability that the second text follows the first.
        is_next: f32,
        /// Set where the texts were longer than the model reads.
        truncation: Option<Truncation>,
    },
    /// To `Classify`, highest first.
    Labels {
        /// Label and probability.
        labels: Vec<LabelScore>,
        /// Set where the text was longer than the model reads.
        truncation: Option<Truncation>,
    },
    /// To `Label`, in the text's order.
    Spans {
        /// The marked spans.
        spans: Vec<LabelSpan>,
        /// Set where the text was longer than the model reads.
        truncation: Option<Truncation>,
    },
    /// To `Answer`, best first.
    Answers {
        /// The answers; an empty text is the refusal.
        answers: Vec<Answer>,
    },
    /// To `Embed`; the values travel as one `Float32Array` `[texts, dimensions]` beside the message.
    Embeddings {
        /// Width of each embedding.
        dimensions: usize,
    },
    /// To `HiddenStates`; the values travel as one `Float32Array` `[states, tokens, dimensions]` beside the message.
    HiddenStates {
        /// The tokens.
        tokens: Vec<Token>,
        /// One before the first layer, and one behind each.
        states: usize,
        /// Width of each vector.
        dimensions: usize,
        /// Set where the text was longer than the model reads.
        truncation: Option<Truncation>,
    },
    /// To `Logits`; the values travel as one `Float32Array` `[positions, vocabulary]` beside the message.
    Logits {
        /// BERT: token positions of the masks. BART: positions of what the decoder has read.
        positions: Vec<usize>,
        /// BART: the token at each position, as the vocabulary spells it.
        read: Vec<String>,
        /// Words in the vocabulary.
        vocabulary: usize,
        /// Set where the text, or else the target, was longer than the model reads.
        truncation: Option<Truncation>,
    },
    /// To `Generate`.
    Generated {
        /// The whole output.
        generation: Generation,
    },
    /// To `Attention`; the tensors travel beside the message.
    Attention {
        /// Encoder self-attention.
        encoder: AttentionHeader,
        /// Decoder self-attention.
        decoder: Option<AttentionHeader>,
        /// Cross-attention.
        cross: Option<AttentionHeader>,
        /// Set where the text was longer than the model reads.
        truncation: Option<Truncation>,
    },
}

/// Bytes so far.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// What is happening.
    pub phase: Phase,
    /// Bytes done.
    pub loaded: u64,
    /// Bytes in all, where known.
    pub total: Option<u64>,
    /// Seconds until all are done at this pace, or until a server may be asked again.
    #[serde(default)]
    pub seconds_left: Option<u32>,
}

/// What a load is busy with.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Bytes come from the network.
    Download,
    /// Bytes come from the browser's own storage.
    Cache,
    /// Bytes come from a file that the reader chose.
    File,
    /// What was written is read again, to be sure.
    Verify,
    /// Nothing moves: another tab has the file, or a server wants to be left alone for a while.
    Waiting,
}

/// What a model is and can do.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelInfo {
    /// Its name.
    pub name: String,
    /// `bert` or `bart`.
    pub architecture: String,
    /// Stored parameters.
    pub parameters: u64,
    /// `Q8_0` and so on.
    pub quantization: String,
    /// Size of the file.
    pub bytes: u64,
    /// Encoder layers.
    pub layers: usize,
    /// Attention heads per layer.
    pub attention_heads: usize,
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Most positions it reads.
    pub max_positions: usize,
    /// Its task heads.
    pub heads: Vec<HeadInfo>,
    /// Its generation tasks by name.
    pub tasks: Vec<String>,
    /// SPDX expression, where the file says it.
    pub license: Option<String>,
    /// Text of the mask token, where it has one.
    pub mask_token: Option<String>,
}

/// One task head.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeadInfo {
    /// By which it is asked for.
    pub name: String,
    /// `masked-lm`, `next-sentence`, `sequence-classification`, `token-classification`, `question-answering`.
    pub kind: String,
    /// Its labels in order.
    pub labels: Vec<String>,
}

/// One token and its place in the reader's text.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Vocabulary id.
    pub id: u32,
    /// As the vocabulary spells it.
    pub text: String,
    /// First UTF-16 unit in its segment's text.
    pub start: usize,
    /// One past the last UTF-16 unit.
    pub end: usize,
    /// 0 for the first text, 1 for the pair.
    pub segment: u32,
    /// Added by the tokenizer (`[CLS]`, `</s>`), absent from the text.
    pub special: bool,
}

/// What was cut off to fit.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Truncation {
    /// Tokens kept.
    pub kept: usize,
    /// Tokens dropped.
    pub dropped: usize,
    /// First UTF-16 unit of the (first truncated) text that the model did not read.
    pub from: usize,
}

/// Candidates for one position.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FilledMask {
    /// Token position in the sequence.
    pub position: usize,
    /// Most probable first.
    pub candidates: Vec<Candidate>,
}

/// One token that might stand at a position.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// As the vocabulary spells it.
    pub token: String,
    /// Vocabulary id.
    pub id: u32,
    /// Softmax over the vocabulary.
    pub probability: f32,
    /// As a reader would write it.
    pub text: String,
}

/// A label and how probable it is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelScore {
    /// The label.
    pub label: String,
    /// Softmax, or sigmoid for multi-label heads.
    pub probability: f32,
}

/// A labelled stretch of the reader's text.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelSpan {
    /// The label, without `B-` or `I-`.
    pub label: String,
    /// Mean over its words.
    pub probability: f32,
    /// First UTF-16 unit.
    pub start: usize,
    /// One past the last UTF-16 unit.
    pub end: usize,
    /// The stretch itself.
    pub text: String,
}

/// One extractive answer; an empty text says that the passage holds none.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The stretch of the passage.
    pub text: String,
    /// First UTF-16 unit in the passage.
    pub start: usize,
    /// One past the last UTF-16 unit.
    pub end: usize,
    /// Softmax over all candidate spans and the refusal.
    pub probability: f32,
}

/// One generated token.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Vocabulary id.
    pub id: u32,
    /// As the vocabulary spells it.
    pub token: String,
    /// Everything generated so far (of the best beam), as a reader would write it.
    pub text: String,
    /// Of this token, given everything before it.
    pub probability: f32,
    /// The most probable tokens at this step.
    pub alternatives: Vec<Candidate>,
    /// All live beams, best first, where there is more than one.
    pub beams: Option<Vec<Beam>>,
}

/// One live hypothesis of a beam search.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Beam {
    /// Index of the beam that this one grew from, in the previous step.
    pub parent: usize,
    /// Its newest token.
    pub id: u32,
    /// As the vocabulary spells it.
    pub token: String,
    /// Its text so far.
    pub text: String,
    /// Sum of log-probabilities.
    pub score: f32,
}

/// A finished generation.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Generation {
    /// As a reader would write it.
    pub text: String,
    /// The generated tokens, with their probabilities.
    pub tokens: Vec<GeneratedToken>,
    /// Length-normalised score of the winning hypothesis (sum of log-probabilities for one beam).
    pub score: f32,
    /// Why it ended.
    pub finish: Finish,
    /// Set where the source was longer than the model reads.
    pub truncation: Option<Truncation>,
}

/// One token of a finished generation.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GeneratedToken {
    /// Vocabulary id.
    pub id: u32,
    /// As the vocabulary spells it.
    pub text: String,
    /// Given everything before it.
    pub probability: f32,
    /// The most probable tokens in its place.
    #[serde(default)]
    pub alternatives: Vec<Candidate>,
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Finish {
    /// The model ended it.
    Stop,
    /// The limit was reached.
    Length,
}

/// One attention's shape and tokens. Beside it travel `mask` (`Uint8Array [queries, keys]`, 1 = may attend)
/// and `scores` and `weights` (`Float32Array [layers, heads, queries, keys]`, row-major; scores before the
/// mask, weights after softmax).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttentionHeader {
    /// Row labels.
    pub query_tokens: Vec<Token>,
    /// Column labels.
    pub key_tokens: Vec<Token>,
    /// Number of layers.
    pub layers: usize,
    /// Heads per layer.
    pub heads: usize,
}

/// What went wrong, for programs and for people.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// For programs.
    pub code: ErrorCode,
    /// A sentence for people.
    pub message: String,
    /// What to do next.
    pub next_step: String,
}

/// Kinds of failure.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ErrorCode {
    /// The network failed or the server refused.
    Network,
    /// Bytes are not what they should be.
    Integrity,
    /// The model cannot do this.
    Unsupported,
    /// Memory or storage ran out.
    Memory,
    /// The request makes no sense.
    Input,
    /// Stopped on request.
    Aborted,
    /// The engine broke.
    Engine,
}
