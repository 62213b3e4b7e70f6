//! BART: an encoder that reads in both directions, a decoder that writes from left to right, and the
//! cross-attention between them. mBART is the same with its layer norms in front.
//!
//! Lewis et al. 2019, <https://arxiv.org/abs/1910.13461>; Liu et al. 2020, <https://arxiv.org/abs/2001.08210>.

use std::borrow::Cow;

use candle_core::{D, Tensor};
use serde::Deserialize;

use crate::generation::{GenerationConfig, TokenIds};
use crate::{
    Activation, Attending, AttentionInput, AttentionKind, AttentionMask, Capture, Embedding, Error,
    FeedForward, HeadKind, HeadSpec, HeadsOff, KvCache, LayerNorm, Linear, MaskPattern, ModelFile,
    MultiHeadAttention, Result, TaskSpec, Tokenizer, Weights,
};

/// Rows before the first position in the table of learned positions, a habit of the original code.
const POSITION_OFFSET: usize = 2;
const LAYER_NORM_EPS: f64 = 1e-5;

/// The fields of a checkpoint's `config.json` that its computation depends on.
#[derive(Clone, Debug, Deserialize)]
pub struct Config {
    /// `bart` or `mbart`.
    #[serde(default = "bart")]
    pub model_type: String,
    /// Rows of the shared embedding.
    pub vocab_size: usize,
    /// Most tokens on either side.
    pub max_position_embeddings: usize,
    /// Width of the hidden states.
    pub d_model: usize,
    /// Encoder layers.
    pub encoder_layers: usize,
    /// Heads of each encoder attention.
    pub encoder_attention_heads: usize,
    /// Width inside the encoder's feed-forward layers.
    pub encoder_ffn_dim: usize,
    /// Decoder layers.
    pub decoder_layers: usize,
    /// Heads of each decoder attention, self and cross.
    pub decoder_attention_heads: usize,
    /// Width inside the decoder's feed-forward layers.
    pub decoder_ffn_dim: usize,
    /// Between the two halves of a feed-forward layer.
    #[serde(default)]
    pub activation_function: Activation,
    /// Whether token embeddings are multiplied by the square root of `d_model`.
    #[serde(default)]
    pub scale_embedding: bool,
    /// Whether the output layer is the shared embedding.
    #[serde(default = "yes")]
    pub tie_word_embeddings: bool,
    /// What ends a sequence.
    #[serde(default)]
    pub eos_token_id: Option<TokenIds>,
    /// What the decoder reads first; mBART puts a language there.
    #[serde(default)]
    pub decoder_start_token_id: Option<u32>,
}

fn bart() -> String {
    "bart".to_owned()
}

fn yes() -> bool {
    true
}

impl Config {
    /// Whether layers normalize what they read (mBART) and not what they have added up (BART).
    pub fn is_mbart(&self) -> bool {
        self.model_type == "mbart"
    }

    fn validate(&self) -> Result<()> {
        if !matches!(self.model_type.as_str(), "bart" | "mbart") {
            return Err(Error::unsupported(
                format!("The model type {} is not BART.", self.model_type),
                "Use a BART or mBART checkpoint.",
            ));
        }
        let counts = [
            ("vocab_size", self.vocab_size, 1 << 24),
            (
                "max_position_embeddings",
                self.max_position_embeddings,
                1 << 20,
            ),
            ("d_model", self.d_model, 1 << 16),
            ("encoder_layers", self.encoder_layers, 1 << 10),
            ("encoder_ffn_dim", self.encoder_ffn_dim, 1 << 20),
            ("decoder_layers", self.decoder_layers, 1 << 10),
            ("decoder_ffn_dim", self.decoder_ffn_dim, 1 << 20),
        ];
        for (field, value, most) in counts {
            if value == 0 || value > most {
                return Err(Error::integrity(format!(
                    "The configuration's {field} is {value}, which no BART has."
                )));
            }
        }
        Ok(())
    }
}

/// Which position may attend to which, for each of the three attentions, and which of their heads are off.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MaskPatterns {
    /// Encoder self-attention.
    pub encoder: MaskPattern,
    /// Decoder self-attention. While tokens are generated, a position cannot see those that don't exist yet,
    /// whatever the pattern allows.
    pub decoder: MaskPattern,
    /// Cross-attention: rows are decoder positions, columns encoder positions.
    pub cross: MaskPattern,
    /// Heads that do nothing.
    pub heads_off: AllHeadsOff,
}

/// The heads of BART's three attentions that are off.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AllHeadsOff {
    /// Of encoder self-attention.
    pub encoder: HeadsOff,
    /// Of decoder self-attention.
    pub decoder: HeadsOff,
    /// Of cross-attention.
    pub cross: HeadsOff,
}

impl MaskPatterns {
    /// The encoder's part.
    pub fn of_encoder(&self) -> Attending<'_> {
        Attending {
            mask: &self.encoder,
            heads_off: &self.heads_off.encoder,
        }
    }
}

impl Default for MaskPatterns {
    /// BART's own.
    fn default() -> Self {
        Self {
            encoder: MaskPattern::Bidirectional,
            decoder: MaskPattern::Causal,
            cross: MaskPattern::Bidirectional,
            heads_off: AllHeadsOff::default(),
        }
    }
}

/// A BART with its tokenizers, tasks and generation defaults.
pub struct Bart {
    /// The checkpoint's configuration.
    pub config: Config,
    /// The checkpoint's generation defaults.
    pub generation_config: GenerationConfig,
    /// What splits the encoder's text.
    pub tokenizer: Tokenizer,
    /// What splits and joins the decoder's text, where it differs.
    pub target_tokenizer: Option<Tokenizer>,
    /// Task heads; empty for a model that only generates.
    pub heads: Vec<HeadSpec>,
    /// Generation tasks; empty for a model with just one.
    pub tasks: Vec<TaskSpec>,
    encoder: Encoder,
    decoder: Decoder,
    lm_head: Option<Linear>,
    classification_head: Option<ClassificationHead>,
}

impl Bart {
    /// Builds the model, taking its tensors out of the file.
    ///
    /// # Errors
    /// `Integrity` where the configuration is absurd or contradicts the tensors, `Unsupported` where the file
    /// holds something else than BART or mBART.
    pub fn new(file: ModelFile) -> Result<Self> {
        let config: Config = file.config()?;
        config.validate()?;
        let generation_config = GenerationConfig::of(&file)?;
        let weights = &file.weights;
        let model = match weights.contains("model.encoder.embed_positions.weight") {
            true => weights.pp("model"),
            false => weights.clone(), // saved without a head
        };
        let (head, classification_head) = ClassificationHead::find(&file, &config)?.unzip();
        let generates = classification_head.is_none()
            || weights.contains("final_logits_bias")
            || weights.contains("lm_head.weight");

        let (vocab, d_model) = (config.vocab_size, config.d_model);
        // Savers of tied weights keep one of these names, and not always the first.
        let shared = ["shared", "encoder.embed_tokens", "decoder.embed_tokens"]
            .into_iter()
            .map(|name| model.pp(name))
            .chain([weights.pp("lm_head")])
            .find(|weights| weights.contains("weight"))
            .unwrap_or_else(|| model.pp("shared"))
            .embedding(vocab, d_model)?;
        let lm_head = match generates {
            true => Some(lm_head(weights, &shared, &config)?),
            false => None,
        };
        Ok(Self {
            encoder: Encoder::new(&model.pp("encoder"), &shared, &config)?,
            decoder: Decoder::new(&model.pp("decoder"), &shared, &config)?,
            lm_head,
            classification_head,
            generation_config,
            tokenizer: file.tokenizer,
            target_tokenizer: file.target_tokenizer,
            heads: head.into_iter().collect(),
            tasks: file.tasks,
            config,
        })
    }

    /// The tokenizer of the decoder's side.
    pub fn target_tokenizer(&self) -> &Tokenizer {
        self.target_tokenizer.as_ref().unwrap_or(&self.tokenizer)
    }

    /// Whether it has a language-modelling head.
    pub fn generates(&self) -> bool {
        self.lm_head.is_some()
    }

    /// The encoder's states for one input, `[1, ids, d_model]`.
    ///
    /// # Errors
    /// `Input` for a mask of the wrong size and heads that the encoder lacks, `Engine` for ids out of range.
    pub fn encode<'a>(
        &self,
        ids: &[u32],
        attending: impl Into<Attending<'a>>,
        capture: Option<&mut Capture>,
    ) -> Result<Tensor> {
        let Attending { mask, heads_off } = attending.into();
        let (layers, heads) = (
            self.encoder.layers.len(),
            self.config.encoder_attention_heads,
        );
        heads_off.require_within(layers, heads, "encoder")?;
        let mask = mask.matrix(0, ids.len(), ids.len())?;
        self.encoder.forward(ids, &mask, heads_off, capture)
    }

    /// An empty decoder memory over `encoder_hidden_states`, `[1, source positions, d_model]`: the only place
    /// where cross-attention's keys and values are computed.
    ///
    /// # Errors
    /// `Engine` where the shapes don't fit.
    pub fn cache(&self, encoder_hidden_states: &Tensor) -> Result<KvCache> {
        let key_values = self.decoder.layers.iter();
        let key_values =
            key_values.map(|layer| layer.encoder_attn.key_value(encoder_hidden_states));
        Ok(KvCache::new(key_values.collect::<Result<_>>()?))
    }

    /// Reads the next decoder tokens, `ids`, for each of `batch` hypotheses equally many and one hypothesis
    /// after the other; gives the decoder's states, `[batch, new positions, d_model]`.
    ///
    /// # Errors
    /// `Input` for masks of the wrong size and heads that the decoder lacks, `Engine` for ids out of range.
    pub fn decode(
        &self,
        ids: &[u32],
        batch: usize,
        cache: &mut KvCache,
        masks: &MaskPatterns,
        capture: Option<&mut Capture>,
    ) -> Result<Tensor> {
        let (layers, heads) = (
            self.decoder.layers.len(),
            self.config.decoder_attention_heads,
        );
        let off = &masks.heads_off;
        off.decoder.require_within(layers, heads, "decoder")?;
        off.cross.require_within(layers, heads, "cross-attention")?;
        self.decoder.forward(ids, batch, cache, masks, capture)
    }

    /// Logits over the vocabulary, `[.., vocab]`, of decoder states `[.., d_model]`.
    ///
    /// # Errors
    /// `Unsupported` for a model that only classifies.
    pub fn logits(&self, hidden_states: &Tensor) -> Result<Tensor> {
        self.require_lm_head()?.forward(hidden_states)
    }

    pub(crate) fn require_lm_head(&self) -> Result<&Linear> {
        self.lm_head.as_ref().ok_or_else(|| {
            Error::unsupported(
                "This model classifies; it doesn't write.",
                "Ask it to classify, or load a BART that generates.",
            )
        })
    }

    /// Logits of the classification head, `[labels]`, for one encoded input: the whole input is read by both
    /// halves, and the decoder's state at the last end-of-sequence token speaks for it.
    ///
    /// # Errors
    /// `Unsupported` without a classification head or an end-of-sequence token.
    pub fn classify(&self, ids: &[u32]) -> Result<Tensor> {
        let head = self.classification_head.as_ref().ok_or_else(|| {
            Error::unsupported(
                "This model writes; it has no classification head.",
                "Load a BART that was trained to classify.",
            )
        })?;
        let eos = self
            .config
            .eos_token_id
            .as_ref()
            .map_or(&[][..], TokenIds::as_slice);
        let last_eos = ids.iter().rposition(|id| eos.contains(id)).ok_or_else(|| {
            Error::unsupported(
                "The tokenizer doesn't end its input as this model's classification head needs.",
                "Convert the model again with the tokenizer it was trained with.",
            )
        })?;
        let masks = MaskPatterns::default();
        let encoder_hidden_states = self.encode(ids, &masks.encoder, None)?;
        let mut cache = self.cache(&encoder_hidden_states)?;
        let shifted = self.shift_right(ids)?;
        let hidden_states = self.decode(&shifted, 1, &mut cache, &masks, None)?;
        let sentence = hidden_states.narrow(1, last_eos, 1)?;
        Ok(head.forward(&sentence)?.flatten_all()?)
    }

    /// What the decoder reads to say `ids`: one position later, behind the start token (mBART: behind the
    /// language code, which closes its sequences).
    fn shift_right(&self, ids: &[u32]) -> Result<Vec<u32>> {
        let (Some((&last, before)), start) = (ids.split_last(), self.config.decoder_start_token_id)
        else {
            return Ok(Vec::new());
        };
        let start = if self.config.is_mbart() {
            Some(last)
        } else {
            start
        };
        let start = start.ok_or_else(|| {
            Error::integrity("The configuration does not say its decoder_start_token_id.")
        })?;
        Ok([&[start], before].concat())
    }
}

/// The output layer: the shared embedding, transposed, and a bias of its own.
fn lm_head(weights: &Weights, shared: &Embedding, config: &Config) -> Result<Linear> {
    let (vocab, d_model) = (config.vocab_size, config.d_model);
    let table = match !config.tie_word_embeddings && weights.contains("lm_head.weight") {
        true => weights.take("lm_head.weight", &[vocab, d_model])?,
        false => shared.table(),
    };
    let bias = match weights.contains("final_logits_bias") {
        true => Some(
            weights
                .dense("final_logits_bias", &[1, vocab])?
                .flatten_all()?,
        ),
        false => None,
    };
    Linear::new(table, bias)
}

/// Token plus position, normalized.
struct Embeddings {
    tokens: Embedding,
    positions: Embedding,
    scale: f64,
    layernorm_embedding: LayerNorm,
}

impl Embeddings {
    fn new(weights: &Weights, shared: &Embedding, config: &Config) -> Result<Self> {
        let rows = config.max_position_embeddings + POSITION_OFFSET;
        let d_model = config.d_model;
        Ok(Self {
            tokens: shared.clone(),
            positions: weights.pp("embed_positions").embedding(rows, d_model)?,
            scale: if config.scale_embedding {
                (d_model as f64).sqrt()
            } else {
                1.
            },
            layernorm_embedding: weights
                .pp("layernorm_embedding")
                .layer_norm(d_model, LAYER_NORM_EPS)?,
        })
    }

    /// `ids`, `batch` rows of them, the first at position `first`: `[batch, positions, d_model]`.
    fn forward(&self, ids: &[u32], batch: usize, first: usize) -> Result<Tensor> {
        let length = ids.len() / batch;
        let start = first + POSITION_OFFSET;
        let positions: Vec<u32> = (start..start + length).map(|row| row as u32).collect();
        let tokens = (self.tokens.forward(ids)? * self.scale)?;
        let tokens = tokens.reshape((batch, length, ()))?;
        let embedded = tokens.broadcast_add(&self.positions.forward(&positions)?)?;
        self.layernorm_embedding.forward(&embedded)
    }
}

/// A sublayer's way around itself. BART normalizes the sum; mBART what goes in.
struct Residual {
    norm: LayerNorm,
    pre_norm: bool,
}

impl Residual {
    fn new(weights: &Weights, config: &Config) -> Result<Self> {
        Ok(Self {
            norm: weights.layer_norm(config.d_model, LAYER_NORM_EPS)?,
            pre_norm: config.is_mbart(),
        })
    }

    fn around(
        &self,
        hidden_states: &Tensor,
        sublayer: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        if self.pre_norm {
            Ok((hidden_states + sublayer(&self.norm.forward(hidden_states)?)?)?)
        } else {
            self.norm
                .forward_sum(sublayer(hidden_states)?, hidden_states)
        }
    }
}

fn feed_forward(weights: &Weights, inner: usize, config: &Config) -> Result<FeedForward> {
    Ok(FeedForward::new(
        weights.pp("fc1").linear(config.d_model, inner)?,
        config.activation_function,
        weights.pp("fc2").linear(inner, config.d_model)?,
    ))
}

/// `count` layers, and no more of them in the file.
fn layers<L>(
    weights: &Weights,
    count: usize,
    layer: impl Fn(Weights) -> Result<L>,
) -> Result<Vec<L>> {
    let layers = weights.pp("layers");
    if layers.pp(count).contains("fc1.weight") {
        return Err(Error::integrity(format!(
            "The file has more layers than the {count} that its configuration says."
        )));
    }
    (0..count).map(|index| layer(layers.pp(index))).collect()
}

fn attention(weights: &Weights, heads: usize, config: &Config) -> Result<MultiHeadAttention> {
    let names = ["q_proj", "k_proj", "v_proj", "out_proj"];
    weights.attention(names, config.d_model, heads)
}

/// mBART's closing norm.
fn closing_norm(weights: &Weights, config: &Config) -> Result<Option<LayerNorm>> {
    match config.is_mbart() {
        true => Ok(Some(
            weights
                .pp("layer_norm")
                .layer_norm(config.d_model, LAYER_NORM_EPS)?,
        )),
        false => Ok(None),
    }
}

struct EncoderLayer {
    self_attn: MultiHeadAttention,
    self_attn_layer_norm: Residual,
    feed_forward: FeedForward,
    final_layer_norm: Residual,
}

struct Encoder {
    embeddings: Embeddings,
    layers: Vec<EncoderLayer>,
    layer_norm: Option<LayerNorm>,
}

impl Encoder {
    fn new(weights: &Weights, shared: &Embedding, config: &Config) -> Result<Self> {
        let layer = |weights: Weights| {
            let heads = config.encoder_attention_heads;
            Ok(EncoderLayer {
                self_attn: attention(&weights.pp("self_attn"), heads, config)?,
                self_attn_layer_norm: Residual::new(&weights.pp("self_attn_layer_norm"), config)?,
                feed_forward: feed_forward(&weights, config.encoder_ffn_dim, config)?,
                final_layer_norm: Residual::new(&weights.pp("final_layer_norm"), config)?,
            })
        };
        Ok(Self {
            embeddings: Embeddings::new(weights, shared, config)?,
            layers: layers(weights, config.encoder_layers, layer)?,
            layer_norm: closing_norm(weights, config)?,
        })
    }

    fn forward(
        &self,
        ids: &[u32],
        mask: &AttentionMask,
        heads_off: &HeadsOff,
        mut capture: Option<&mut Capture>,
    ) -> Result<Tensor> {
        let mut hidden_states = self.embeddings.forward(ids, 1, 0)?;
        for (index, layer) in self.layers.iter().enumerate() {
            let capture = capture.as_deref_mut();
            hidden_states = layer.self_attn_layer_norm.around(&hidden_states, |x| {
                layer.self_attn.forward(AttentionInput {
                    hidden_states: x,
                    key_value: Cow::Owned(layer.self_attn.key_value(x)?),
                    mask,
                    heads_off: heads_off.of_layer(index),
                    capture: capture.map(|capture| (capture, AttentionKind::Encoder, index)),
                })
            })?;
            hidden_states = layer
                .final_layer_norm
                .around(&hidden_states, |x| layer.feed_forward.forward(x))?;
        }
        match &self.layer_norm {
            Some(norm) => norm.forward(&hidden_states),
            None => Ok(hidden_states),
        }
    }
}

struct DecoderLayer {
    self_attn: MultiHeadAttention,
    self_attn_layer_norm: Residual,
    encoder_attn: MultiHeadAttention,
    encoder_attn_layer_norm: Residual,
    feed_forward: FeedForward,
    final_layer_norm: Residual,
}

struct Decoder {
    embeddings: Embeddings,
    layers: Vec<DecoderLayer>,
    layer_norm: Option<LayerNorm>,
}

impl Decoder {
    fn new(weights: &Weights, shared: &Embedding, config: &Config) -> Result<Self> {
        let layer = |weights: Weights| {
            let heads = config.decoder_attention_heads;
            let residual = |name| Residual::new(&weights.pp(name), config);
            Ok(DecoderLayer {
                self_attn: attention(&weights.pp("self_attn"), heads, config)?,
                self_attn_layer_norm: residual("self_attn_layer_norm")?,
                encoder_attn: attention(&weights.pp("encoder_attn"), heads, config)?,
                encoder_attn_layer_norm: residual("encoder_attn_layer_norm")?,
                feed_forward: feed_forward(&weights, config.decoder_ffn_dim, config)?,
                final_layer_norm: residual("final_layer_norm")?,
            })
        };
        Ok(Self {
            embeddings: Embeddings::new(weights, shared, config)?,
            layers: layers(weights, config.decoder_layers, layer)?,
            layer_norm: closing_norm(weights, config)?,
        })
    }

    fn forward(
        &self,
        ids: &[u32],
        batch: usize,
        cache: &mut KvCache,
        masks: &MaskPatterns,
        mut capture: Option<&mut Capture>,
    ) -> Result<Tensor> {
        let (first, new) = (cache.positions(), ids.len() / batch);
        let self_mask = masks.decoder.matrix(first, new, first + new)?;
        let source = cache.cross_attention(0).positions;
        let cross_mask = masks.cross.matrix(first, new, source)?;
        let mut hidden_states = self.embeddings.forward(ids, batch, first)?;
        for (index, layer) in self.layers.iter().enumerate() {
            hidden_states = layer.self_attn_layer_norm.around(&hidden_states, |x| {
                let capture = capture.as_deref_mut();
                layer.self_attn.forward(AttentionInput {
                    hidden_states: x,
                    key_value: Cow::Owned(cache.append(index, &layer.self_attn.key_value(x)?)?),
                    mask: &self_mask,
                    heads_off: masks.heads_off.decoder.of_layer(index),
                    capture: capture.map(|capture| (capture, AttentionKind::Decoder, index)),
                })
            })?;
            hidden_states = layer.encoder_attn_layer_norm.around(&hidden_states, |x| {
                let capture = capture.as_deref_mut();
                layer.encoder_attn.forward(AttentionInput {
                    hidden_states: x,
                    key_value: Cow::Borrowed(cache.cross_attention(index)),
                    mask: &cross_mask,
                    heads_off: masks.heads_off.cross.of_layer(index),
                    capture: capture.map(|capture| (capture, AttentionKind::Cross, index)),
                })
            })?;
            hidden_states = layer
                .final_layer_norm
                .around(&hidden_states, |x| layer.feed_forward.forward(x))?;
        }
        cache.advance(new);
        match &self.layer_norm {
            Some(norm) => norm.forward(&hidden_states),
            None => Ok(hidden_states),
        }
    }
}

/// A label for the whole input.
struct ClassificationHead {
    dense: Linear,
    out_proj: Linear,
}

impl ClassificationHead {
    /// The one head that the file names, or that a checkpoint has under its usual name.
    fn find(file: &ModelFile, config: &Config) -> Result<Option<(HeadSpec, Self)>> {
        let usual = || {
            let found = file.weights.contains("classification_head.dense.weight");
            found.then(|| HeadSpec {
                name: "classification".to_owned(),
                kind: HeadKind::SequenceClassification,
                labels: Vec::new(),
                prefix: "classification_head".to_owned(),
                multi_label: false,
                null_threshold: 0.,
                max_length: None,
            })
        };
        let Some(mut spec) = file.heads.first().cloned().or_else(usual) else {
            return Ok(None);
        };
        if spec.kind != HeadKind::SequenceClassification {
            return Err(Error::unsupported(
                format!(
                    "A BART with a {} head is not something this engine runs.",
                    spec.kind.as_str()
                ),
                "Use a checkpoint that generates or classifies.",
            ));
        }
        let weights = file.weights.pp(&spec.prefix);
        let labels = match weights.shape("out_proj.weight").as_deref() {
            Some(&[labels, _]) => labels,
            _ => spec.labels.len(),
        };
        if spec.labels.is_empty() {
            spec.labels = labels_of(&file.config, labels);
        }
        if spec.labels.len() != labels {
            return Err(Error::integrity(format!(
                "The head {} names {} labels but computes {labels}.",
                spec.name,
                spec.labels.len()
            )));
        }
        let head = Self {
            dense: weights.pp("dense").linear(config.d_model, config.d_model)?,
            out_proj: weights.pp("out_proj").linear(config.d_model, labels)?,
        };
        Ok(Some((spec, head)))
    }

    /// `[.., d_model]` to `[.., labels]`.
    fn forward(&self, hidden_states: &Tensor) -> Result<Tensor> {
        self.out_proj
            .forward(&self.dense.forward(hidden_states)?.tanh()?)
    }
}

/// The configuration's `id2label`, in order.
fn labels_of(config: &serde_json::Value, count: usize) -> Vec<String> {
    let name = |id: usize| {
        config["id2label"][id.to_string()]
            .as_str()
            .map(str::to_owned)
    };
    (0..count)
        .map(|id| name(id).unwrap_or_else(|| format!("LABEL_{id}")))
        .collect()
}

/// The last position's row of `[batch, positions, d_model]`, as `[batch, d_model]`.
pub(crate) fn last_position(hidden_states: &Tensor) -> Result<Tensor> {
    let last = hidden_states.dim(D::Minus2)? - 1;
    Ok(hidden_states.narrow(1, last, 1)?.squeeze(1)?)
}
