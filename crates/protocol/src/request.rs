//! Page to engine.

use serde::{Deserialize, Serialize};

/// One message from the page. `id` names the request in every event that answers it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// Chosen by the page, unique within one worker.
    pub id: u32,
    /// What is asked.
    pub request: Request,
}

/// What the page may ask. `model` is the handle that [`crate::Reply::Loaded`] gave.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Request {
    /// Fetch or reuse a model. Answers `Progress` events, then `Loaded`.
    Load {
        /// Where the model comes from.
        source: Source,
        /// A quantization that its matrices are encoded in anew as they arrive, to be compared with: `F32`, `F16`, `Q8_0`
        /// or `Q4_0`.
        #[serde(default)]
        requantize: Option<String>,
    },
    /// Free a model's memory. Answers `Done`.
    Dispose {
        /// Handle of the model.
        model: u32,
    },
    /// Stop the request `target` at its next step, or before it starts. Answered by `target`'s own
    /// `aborted` error; unknown ids are ignored.
    Cancel {
        /// The request to stop.
        target: u32,
    },
    /// Pieces with their places in the text. Answers `Tokens`.
    Tokenize {
        /// Handle of the model.
        model: u32,
        /// The text.
        text: String,
        /// A second segment.
        #[serde(default)]
        pair: Option<String>,
    },
    /// Masked language modelling. Answers `Masks`.
    FillMask {
        /// Handle of the model.
        model: u32,
        /// Text with at least one `[MASK]` (the tokenizer's own mask token is accepted as well), unless there are `positions`.
        text: String,
        /// Candidates for each mask or position.
        #[serde(default)]
        top_k: Option<usize>,
        /// Token positions that are asked about instead of the masks, whatever stands there.
        #[serde(default)]
        positions: Option<Vec<usize>>,
        /// Replaces the padding-only mask.
        #[serde(default)]
        mask: Option<MaskSpec>,
        /// Heads that are turned off.
        #[serde(default)]
        heads_off: Option<HeadsOff>,
    },
    /// Does `b` follow `a`? Answers `NextSentence`.
    NextSentence {
        /// Handle of the model.
        model: u32,
        /// First sentence.
        a: String,
        /// Second sentence.
        b: String,
    },
    /// Sequence classification by a head; with `labels`, zero-shot by an entailment head. Answers `Labels`.
    Classify {
        /// Handle of the model.
        model: u32,
        /// The text.
        text: String,
        /// A second segment, for pair tasks such as entailment.
        #[serde(default)]
        pair: Option<String>,
        /// Head by name; may be left out where the model has one classification head.
        #[serde(default)]
        head: Option<String>,
        /// The reader's own labels: each becomes a hypothesis for the entailment head.
        #[serde(default)]
        labels: Option<Vec<String>>,
        /// With `labels`: the sentence in which each takes the place of `{}`.
        #[serde(default)]
        hypothesis: Option<String>,
    },
    /// Token classification. Answers `Spans`.
    Label {
        /// Handle of the model.
        model: u32,
        /// The text.
        text: String,
        /// Head by name.
        #[serde(default)]
        head: Option<String>,
    },
    /// Extractive question answering. Answers `Answers`.
    Answer {
        /// Handle of the model.
        model: u32,
        /// The question.
        question: String,
        /// The passage that holds the answer, or not.
        context: String,
        /// How many answers.
        #[serde(default)]
        top_k: Option<usize>,
    },
    /// Mean-pooled, normalised sentence embeddings. Answers `Embeddings`.
    Embed {
        /// Handle of the model.
        model: u32,
        /// The texts.
        texts: Vec<String>,
    },
    /// Every token's vector before the first layer and behind each. Answers `HiddenStates`.
    HiddenStates {
        /// Handle of the model.
        model: u32,
        /// The text.
        text: String,
        /// A second segment.
        #[serde(default)]
        pair: Option<String>,
    },
    /// Logits over the whole vocabulary: BERT's for each mask, BART's behind each token of the target. Answers `Logits`.
    Logits {
        /// Handle of the model.
        model: u32,
        /// The text.
        text: String,
        /// BART: what the decoder is made to say; without it, the first token's logits alone.
        #[serde(default)]
        target: Option<String>,
        /// BART: the task that chooses language codes.
        #[serde(default)]
        task: Option<String>,
    },
    /// Sequence to sequence. Answers `Step` events, then `Generated`.
    Generate {
        /// Handle of the model.
        model: u32,
        /// Source text.
        text: String,
        /// Decoding controls.
        #[serde(default)]
        options: GenerateOptions,
        /// Heads that are turned off.
        #[serde(default)]
        heads_off: Option<HeadsOff>,
    },
    /// Masks, scores and weights of every layer and head. Answers `Attention`.
    Attention {
        /// Handle of the model.
        model: u32,
        /// The text.
        text: String,
        /// BERT: a second segment.
        #[serde(default)]
        pair: Option<String>,
        /// BART: what the decoder is made to say; without it, BART generates.
        #[serde(default)]
        target: Option<String>,
        /// BART: the task that chooses language codes.
        #[serde(default)]
        task: Option<String>,
        /// Masks that replace the model's own.
        #[serde(default)]
        mask: Option<MaskSpec>,
        /// Heads that are turned off; they are recorded as they would look if they were on.
        #[serde(default)]
        heads_off: Option<HeadsOff>,
    },
}

/// Where a model comes from.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(
    tag = "from",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Source {
    /// A name in the catalogue at `catalogue` (absolute URL of `models.json`).
    Catalogue {
        /// The model's name.
        name: String,
        /// Absolute URL of the catalogue.
        catalogue: String,
        /// Which of the model's files, where the catalogue has several; without it, the first.
        #[serde(default)]
        quantization: Option<String>,
    },
    /// One GGUF file at an absolute URL.
    Url {
        /// The address.
        url: String,
    },
    /// A file that the browser keeps.
    Stored {
        /// Its name in the store.
        id: String,
    },
    /// The bytes of one GGUF file that the reader chose; they travel beside the message as a `Blob`.
    File {
        /// Its name, for messages.
        name: String,
    },
}

/// Attention masks that replace a model's own; a part left out keeps what the model has.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MaskSpec {
    /// Encoder self-attention.
    pub encoder: Option<MaskPattern>,
    /// Decoder self-attention.
    pub decoder: Option<MaskPattern>,
    /// Cross-attention: rows are decoder positions, columns encoder positions.
    pub cross: Option<MaskPattern>,
}

/// Heads whose output is zero, in each of a model's attentions; BERT has an encoder only.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HeadsOff {
    /// Of encoder self-attention.
    pub encoder: Vec<HeadPlace>,
    /// Of decoder self-attention.
    pub decoder: Vec<HeadPlace>,
    /// Of cross-attention.
    pub cross: Vec<HeadPlace>,
}

/// Where a head is; both count from 0.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeadPlace {
    /// Its layer.
    pub layer: usize,
    /// Which of the layer's heads.
    pub head: usize,
}

/// One attention mask, by rule or cell by cell.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(
    tag = "pattern",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum MaskPattern {
    /// Every position sees every position.
    Bidirectional,
    /// A position sees itself and what comes before.
    Causal,
    /// The first `length` positions see each other; later ones are causal.
    Prefix {
        /// Positions in the prefix.
        length: usize,
    },
    /// A position sees `radius` neighbours on each side.
    Window {
        /// Neighbours on each side.
        radius: usize,
    },
    /// `allowed[query * keys + key]` is 1 where query may attend to key.
    Custom {
        /// Number of query positions.
        queries: usize,
        /// Number of key positions.
        keys: usize,
        /// Row-major, 0 or 1.
        allowed: Vec<u8>,
    },
}

/// Decoding controls; what is left out comes from the model's own generation configuration.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GenerateOptions {
    /// One of the model's tasks by name.
    pub task: Option<String>,
    /// Beams; 1 is greedy search or sampling.
    pub num_beams: Option<usize>,
    /// Most tokens to generate.
    pub max_new_tokens: Option<usize>,
    /// Fewest tokens before the end may come.
    pub min_new_tokens: Option<usize>,
    /// Above zero: sample instead of taking the most probable token.
    pub temperature: Option<f64>,
    /// Sample among the k most probable.
    pub top_k: Option<usize>,
    /// Sample within this cumulative probability.
    pub top_p: Option<f64>,
    /// Seed of the sampler.
    pub seed: Option<u64>,
    /// No n-gram of this size appears twice; 0 turns it off.
    pub no_repeat_ngram_size: Option<usize>,
    /// Above 1 discourages tokens that have been used.
    pub repetition_penalty: Option<f32>,
    /// Exponent of the length that beam scores are divided by.
    pub length_penalty: Option<f32>,
    /// Stop as soon as there are `num_beams` finished beams.
    pub early_stopping: Option<bool>,
    /// How many alternatives each step reports.
    pub alternatives: Option<usize>,
}
