//! BERT: a bidirectional encoder, and one or several heads on it. DistilBERT is the same under other names.
//!
//! Devlin et al. 2018, <https://arxiv.org/abs/1810.04805>; Sanh et al. 2019, <https://arxiv.org/abs/1910.01108>.

mod heads;

use std::borrow::Cow;

use candle_core::Tensor;
use serde::Deserialize;

use crate::{
    Activation, Attending, AttentionInput, AttentionKind, AttentionMask, Capture, Embedding,
    Encoding, Error, FeedForward, HeadSpec, LayerHeadsOff, LayerNorm, MaskPattern, ModelFile,
    MultiHeadAttention, Result, Tokenizer, Weights,
};
use heads::Head;

/// The fields of a checkpoint's `config.json` that its computation depends on; the aliases are DistilBERT's.
#[derive(Clone, Debug, Deserialize)]
pub struct Config {
    /// `bert` or `distilbert`.
    #[serde(default = "bert")]
    pub model_type: String,
    /// Rows of the word embedding.
    pub vocab_size: usize,
    /// Most tokens in a sequence.
    pub max_position_embeddings: usize,
    /// Rows of the token type embedding, which DistilBERT lacks.
    #[serde(default = "two")]
    pub type_vocab_size: usize,
    /// Width of the hidden states.
    #[serde(alias = "dim")]
    pub hidden_size: usize,
    /// Encoder layers.
    #[serde(alias = "n_layers")]
    pub num_hidden_layers: usize,
    /// Heads of each attention.
    #[serde(alias = "n_heads")]
    pub num_attention_heads: usize,
    /// Width inside the feed-forward layers.
    #[serde(alias = "hidden_dim")]
    pub intermediate_size: usize,
    /// Between the two halves of a feed-forward layer, and in the masked-LM head.
    #[serde(alias = "activation", default)]
    pub hidden_act: Activation,
    /// What layer norms add to the variance.
    #[serde(default = "layer_norm_eps")]
    pub layer_norm_eps: f64,
    /// Whether the masked-LM decoder is the word embedding.
    #[serde(default = "yes")]
    pub tie_word_embeddings: bool,
    /// Only learned absolute positions are BERT's own.
    #[serde(default)]
    pub position_embedding_type: Option<String>,
    /// Whether the checkpoint was trained as a decoder.
    #[serde(default)]
    pub is_decoder: bool,
}

fn bert() -> String {
    "bert".to_owned()
}

fn two() -> usize {
    2
}

fn layer_norm_eps() -> f64 {
    1e-12
}

fn yes() -> bool {
    true
}

impl Config {
    /// Whether tensors have DistilBERT's names and no token types are embedded.
    pub fn is_distilbert(&self) -> bool {
        self.model_type == "distilbert"
    }

    fn validate(&self) -> Result<()> {
        let positions = self.position_embedding_type.as_deref();
        let other = match (self.model_type.as_str(), positions.unwrap_or("absolute")) {
            ("bert" | "distilbert", "absolute") if !self.is_decoder => None,
            ("bert" | "distilbert", "absolute") => Some("A BERT trained as a decoder".to_owned()),
            ("bert" | "distilbert", positions) => {
                Some(format!("A BERT with {positions} positions"))
            }
            (model_type, _) => Some(format!("The model type {model_type}")),
        };
        if let Some(other) = other {
            return Err(Error::unsupported(
                format!("{other} is not one that this engine computes."),
                "Use a BERT or DistilBERT checkpoint.",
            ));
        }
        let counts = [
            ("vocab_size", self.vocab_size, 1 << 24),
            (
                "max_position_embeddings",
                self.max_position_embeddings,
                1 << 20,
            ),
            ("type_vocab_size", self.type_vocab_size, 1 << 10),
            ("hidden_size", self.hidden_size, 1 << 16),
            ("num_hidden_layers", self.num_hidden_layers, 1 << 10),
            ("intermediate_size", self.intermediate_size, 1 << 20),
        ];
        for (field, value, most) in counts {
            if value == 0 || value > most {
                return Err(Error::integrity(format!(
                    "The configuration's {field} is {value}, which no BERT has."
                )));
            }
        }
        if !(self.layer_norm_eps > 0. && self.layer_norm_eps < 1.) {
            return Err(Error::integrity(format!(
                "The configuration's layer_norm_eps is {}, which no BERT has.",
                self.layer_norm_eps
            )));
        }
        Ok(())
    }
}

/// What the two families of checkpoints call an encoder layer's parts.
struct Names {
    base: &'static str,
    layers: &'static str,
    /// Query, key, value, output.
    attention: [&'static str; 4],
    attention_norm: &'static str,
    up: &'static str,
    down: &'static str,
    output_norm: &'static str,
}

const BERT: Names = Names {
    base: "bert",
    layers: "encoder.layer",
    attention: [
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
    ],
    attention_norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    output_norm: "output.LayerNorm",
};

const DISTILBERT: Names = Names {
    base: "distilbert",
    layers: "transformer.layer",
    attention: [
        "attention.q_lin",
        "attention.k_lin",
        "attention.v_lin",
        "attention.out_lin",
    ],
    attention_norm: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    output_norm: "output_layer_norm",
};

/// A BERT with its tokenizer and heads.
pub struct Bert {
    /// The checkpoint's configuration.
    pub config: Config,
    /// What splits texts.
    pub tokenizer: Tokenizer,
    embeddings: Embeddings,
    layers: Vec<Layer>,
    heads: Vec<Head>,
}

impl Bert {
    /// Builds the model, taking its tensors out of the file.
    ///
    /// # Errors
    /// `Integrity` where the configuration is absurd or contradicts the tensors, `Unsupported` where the file
    /// holds something else than BERT or DistilBERT.
    pub fn new(file: ModelFile) -> Result<Self> {
        let config: Config = file.config()?;
        config.validate()?;
        let names = match config.is_distilbert() {
            true => DISTILBERT,
            false => BERT,
        };
        let weights = &file.weights;
        let encoder = match weights.contains("embeddings.word_embeddings.weight") {
            true => weights.clone(), // saved without a head
            false => weights.pp(names.base),
        };
        let embeddings = Embeddings::new(&encoder.pp("embeddings"), &config)?;
        let layers = encoder.pp(names.layers);
        let layer = |i| Layer::new(&layers.pp(i), &names, &config);
        let layers_found = (0..config.num_hidden_layers)
            .map(layer)
            .collect::<Result<_>>()?;
        let next = layers.pp(config.num_hidden_layers);
        if next.contains(&format!("{}.weight", names.up)) {
            return Err(Error::integrity(format!(
                "The file has more layers than the {} that its configuration says.",
                config.num_hidden_layers
            )));
        }
        let heads = heads::load(file.heads, weights, &encoder, &embeddings.words, &config)?;
        Ok(Self {
            tokenizer: file.tokenizer,
            embeddings,
            layers: layers_found,
            heads,
            config,
        })
    }

    /// What its heads are, in the file's order.
    pub fn heads(&self) -> impl Iterator<Item = &HeadSpec> {
        self.heads.iter().map(|head| &head.spec)
    }

    /// Tokens of a text, or of a pair, as many as the model has positions for.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode(&self, text: &str, pair: Option<&str>) -> Result<Encoding> {
        self.tokenizer
            .encode(text, pair, self.config.max_position_embeddings)
    }

    /// Hidden states `[1, tokens, hidden]` of one sequence, under a mask and perhaps without some heads.
    ///
    /// # Errors
    /// `Input` for a sequence that is empty or longer than the model's positions, for a custom mask of the
    /// wrong size and for heads that the model lacks; `Integrity` for ids that the embeddings lack.
    pub fn forward<'a>(
        &self,
        encoding: &Encoding,
        attending: impl Into<Attending<'a>>,
        capture: Option<&mut Capture>,
    ) -> Result<Tensor> {
        self.run(encoding, attending.into(), capture, |_| ())
    }

    /// Hidden states `[1, tokens, hidden]` as they enter the first layer and as they leave each one.
    ///
    /// # Errors
    /// As [`Bert::forward`].
    pub fn hidden_states(&self, encoding: &Encoding) -> Result<Vec<Tensor>> {
        let mut states = Vec::with_capacity(self.layers.len() + 1);
        let all = &MaskPattern::Bidirectional;
        self.run(encoding, all.into(), None, |state| {
            states.push(state.clone());
        })?;
        Ok(states)
    }

    /// Shows `watch` the hidden states between layers, the first and the last among them.
    fn run(
        &self,
        encoding: &Encoding,
        Attending { mask, heads_off }: Attending<'_>,
        mut capture: Option<&mut Capture>,
        mut watch: impl FnMut(&Tensor),
    ) -> Result<Tensor> {
        let tokens = encoding.ids.len();
        if tokens == 0 || tokens > self.config.max_position_embeddings {
            return Err(Error::input(
                format!("The model was given {tokens} tokens."),
                format!(
                    "Give between 1 and {}.",
                    self.config.max_position_embeddings
                ),
            ));
        }
        let heads = self.config.num_attention_heads;
        heads_off.require_within(self.layers.len(), heads, "encoder")?;
        let mask = mask.matrix(0, tokens, tokens)?;
        let mut hidden_states = self.embeddings.forward(&encoding.ids, &encoding.type_ids)?;
        watch(&hidden_states);
        for (i, layer) in self.layers.iter().enumerate() {
            let capture = capture
                .as_deref_mut()
                .map(|capture| (capture, AttentionKind::Encoder, i));
            let off = heads_off.of_layer(i);
            hidden_states = layer.forward(&hidden_states, &mask, off, capture)?;
            watch(&hidden_states);
        }
        Ok(hidden_states)
    }
}

/// Word, position and token type, added and normalized.
struct Embeddings {
    words: Embedding,
    positions: Embedding,
    token_types: Option<Embedding>,
    norm: LayerNorm,
}

impl Embeddings {
    fn new(weights: &Weights, config: &Config) -> Result<Self> {
        let hidden = config.hidden_size;
        let table = |name: &str, rows| weights.pp(name).embedding(rows, hidden);
        Ok(Self {
            words: table("word_embeddings", config.vocab_size)?,
            positions: table("position_embeddings", config.max_position_embeddings)?,
            token_types: match config.is_distilbert() {
                true => None,
                false => Some(table("token_type_embeddings", config.type_vocab_size)?),
            },
            norm: weights
                .pp("LayerNorm")
                .layer_norm(hidden, config.layer_norm_eps)?,
        })
    }

    /// `[1, ids, hidden]`.
    fn forward(&self, ids: &[u32], type_ids: &[u32]) -> Result<Tensor> {
        let positions: Vec<u32> = (0..ids.len() as u32).collect();
        let mut sum = (self.words.forward(ids)? + self.positions.forward(&positions)?)?;
        if let Some(token_types) = &self.token_types {
            sum = (sum + token_types.forward(type_ids)?)?;
        }
        self.norm.forward(&sum.unsqueeze(0)?)
    }
}

/// Attention and feed-forward, each followed by a layer norm over its input and output together.
struct Layer {
    attention: MultiHeadAttention,
    attention_norm: LayerNorm,
    feed_forward: FeedForward,
    output_norm: LayerNorm,
}

impl Layer {
    fn new(weights: &Weights, names: &Names, config: &Config) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let norm = |name: &str| weights.pp(name).layer_norm(hidden, config.layer_norm_eps);
        Ok(Self {
            attention: weights.attention(names.attention, hidden, config.num_attention_heads)?,
            attention_norm: norm(names.attention_norm)?,
            feed_forward: FeedForward::new(
                weights.pp(names.up).linear(hidden, inner)?,
                config.hidden_act,
                weights.pp(names.down).linear(inner, hidden)?,
            ),
            output_norm: norm(names.output_norm)?,
        })
    }

    fn forward(
        &self,
        hidden_states: &Tensor,
        mask: &AttentionMask,
        heads_off: LayerHeadsOff<'_>,
        capture: Option<(&mut Capture, AttentionKind, usize)>,
    ) -> Result<Tensor> {
        let attended = self.attention.forward(AttentionInput {
            hidden_states,
            key_value: Cow::Owned(self.attention.key_value(hidden_states)?),
            mask,
            heads_off,
            capture,
        })?;
        let hidden_states = self.attention_norm.forward_sum(attended, hidden_states)?;
        self.output_norm
            .forward_sum(self.feed_forward.forward(&hidden_states)?, &hidden_states)
    }
}
