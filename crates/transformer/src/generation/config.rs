//! What controls a generation: the checkpoint's defaults, the caller's wishes, and the settings they make.

use serde::Deserialize;

use crate::bart::Config;
use crate::{Error, ModelFile, Result};

/// Most beams: each one is a whole decoder state in memory.
const MOST_BEAMS: usize = 64;
/// New tokens where nobody says a length, as transformers has it.
const DEFAULT_NEW_TOKENS: usize = 20;
/// Candidates to sample among where nobody says a number, as transformers has it.
const DEFAULT_TOP_K: usize = 50;

/// One token id or several, as configurations write them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(untagged)]
pub enum TokenIds {
    /// One.
    One(u32),
    /// Several.
    Many(Vec<u32>),
}

impl TokenIds {
    /// All of them.
    pub fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(id) => std::slice::from_ref(id),
            Self::Many(ids) => ids,
        }
    }
}

/// When a beam search that has `num_beams` finished hypotheses may end.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(from = "EarlyStoppingField")]
pub enum EarlyStopping {
    /// At once.
    Yes,
    /// As soon as the best live beam, at its present length, scores below the worst of them.
    #[default]
    Heuristic,
    /// When no live beam can still overtake them.
    Never,
}

impl From<bool> for EarlyStopping {
    fn from(stop: bool) -> Self {
        if stop { Self::Yes } else { Self::Heuristic }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum EarlyStoppingField {
    Flag(bool),
    Word(NeverWord),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum NeverWord {
    Never,
}

impl From<EarlyStoppingField> for EarlyStopping {
    fn from(field: EarlyStoppingField) -> Self {
        match field {
            EarlyStoppingField::Flag(stop) => stop.into(),
            EarlyStoppingField::Word(NeverWord::Never) => Self::Never,
        }
    }
}

/// The fields of `generation_config.json`, each of which may be left out; a caller's wishes have the same form.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct GenerationConfig {
    /// What the decoder reads first.
    pub decoder_start_token_id: Option<u32>,
    /// The same, where the former is missing.
    pub bos_token_id: Option<u32>,
    /// What ends a sequence.
    pub eos_token_id: Option<TokenIds>,
    /// What the decoder is made to say first.
    pub forced_bos_token_id: Option<u32>,
    /// What the decoder is made to say when it reaches the limit.
    pub forced_eos_token_id: Option<TokenIds>,
    /// Most tokens, the start token included.
    pub max_length: Option<usize>,
    /// Most tokens to generate; stands above `max_length`.
    pub max_new_tokens: Option<usize>,
    /// Fewest tokens before the end may come, the start token included.
    pub min_length: Option<usize>,
    /// Fewest tokens to generate before the end may come; stands above `min_length`.
    pub min_new_tokens: Option<usize>,
    /// Beams; 1 is greedy search or sampling.
    pub num_beams: Option<usize>,
    /// When a beam search may end.
    pub early_stopping: Option<EarlyStopping>,
    /// Exponent of the length that beam scores are divided by.
    pub length_penalty: Option<f32>,
    /// No n-gram of this size appears twice; 0 turns it off.
    pub no_repeat_ngram_size: Option<usize>,
    /// Above 1 discourages tokens that have been used.
    pub repetition_penalty: Option<f32>,
    /// Whether to sample where the caller doesn't say.
    pub do_sample: Option<bool>,
    /// Above 1 evens the distribution out, below 1 sharpens it; a caller's temperature of 0 takes the most
    /// probable token.
    pub temperature: Option<f64>,
    /// Sample among the k most probable; 0 turns it off.
    pub top_k: Option<usize>,
    /// Sample within this cumulative probability.
    pub top_p: Option<f64>,
}

impl GenerationConfig {
    /// A file's defaults: its generation_config.json, or without one what older checkpoints keep in config.json.
    ///
    /// # Errors
    /// `Integrity` where a field has the wrong type.
    pub fn of(file: &ModelFile) -> Result<Self> {
        let legacy = file.generation_config.is_null();
        let (source, json) = match legacy {
            true => ("config.json", &file.config),
            false => ("generation_config.json", &file.generation_config),
        };
        let mut config = Self::deserialize(json).map_err(|error| {
            Error::integrity(format!("The model's {source} does not fit: {error}."))
        })?;
        if legacy && json["force_bos_token_to_be_generated"] == true {
            config.forced_bos_token_id = config.bos_token_id;
        }
        Ok(config)
    }
}

/// A caller's wishes; what is left out comes from the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GenerateOptions {
    /// One of the model's tasks by name; the first where it is left out.
    pub task: Option<String>,
    /// Fields that replace the model's. A temperature above 0 asks for sampling, a number of beams for beam search.
    pub config: GenerationConfig,
    /// Of the sampler; the same seed draws the same tokens.
    pub seed: u64,
    /// How many alternatives each step reports.
    pub alternatives: usize,
}

/// How to draw from a distribution.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sampling {
    pub temperature: f64,
    pub top_k: usize,
    pub top_p: f64,
    pub seed: u64,
}

/// Everything decided.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    pub start: u32,
    pub eos: Vec<u32>,
    pub forced_bos: Option<u32>,
    pub forced_eos: Vec<u32>,
    pub max_length: usize,
    pub min_length: usize,
    pub num_beams: usize,
    pub early_stopping: EarlyStopping,
    pub length_penalty: f32,
    pub no_repeat_ngram_size: usize,
    pub repetition_penalty: f32,
    pub sampling: Option<Sampling>,
    pub alternatives: usize,
}

impl Settings {
    /// Lays the caller's wishes over the model's defaults and both over transformers' own.
    ///
    /// # Errors
    /// `Input` for a wish that makes no sense, `Integrity` where the model doesn't say how the decoder starts or
    /// names tokens that it doesn't have.
    pub fn new(
        config: &Config,
        model: &GenerationConfig,
        options: &GenerateOptions,
    ) -> Result<Self> {
        let wish = &options.config;
        let number = |wish: Option<f32>, model: Option<f32>| wish.or(model).unwrap_or(1.);
        let start = wish
            .decoder_start_token_id
            .or(model.decoder_start_token_id)
            .or(config.decoder_start_token_id)
            .or(model.bos_token_id)
            .ok_or_else(|| {
                Error::integrity("The model does not say its decoder_start_token_id.")
            })?;
        let ids = |wish: &Option<TokenIds>, model: &Option<TokenIds>| {
            let ids = wish.as_ref().or(model.as_ref());
            ids.map_or(Vec::new(), |ids| ids.as_slice().to_vec())
        };
        let eos = ids(&wish.eos_token_id, &model.eos_token_id);
        let settings = Self {
            start,
            eos: if eos.is_empty() {
                ids(&config.eos_token_id, &None)
            } else {
                eos
            },
            forced_bos: wish.forced_bos_token_id.or(model.forced_bos_token_id),
            forced_eos: ids(&wish.forced_eos_token_id, &model.forced_eos_token_id),
            max_length: max_length(wish, model, config.max_position_embeddings),
            min_length: min_length(wish, model),
            num_beams: num_beams(wish, model),
            early_stopping: wish
                .early_stopping
                .or(model.early_stopping)
                .unwrap_or_default(),
            length_penalty: number(wish.length_penalty, model.length_penalty),
            no_repeat_ngram_size: wish
                .no_repeat_ngram_size
                .or(model.no_repeat_ngram_size)
                .unwrap_or(0),
            repetition_penalty: number(wish.repetition_penalty, model.repetition_penalty),
            sampling: sampling(wish, model, options.seed),
            alternatives: options.alternatives.min(config.vocab_size),
        };
        settings.validate(config.vocab_size)?;
        Ok(settings)
    }

    fn validate(&self, vocab: usize) -> Result<()> {
        let special = [&[self.start][..], &self.eos, &self.forced_eos].concat();
        if let Some(id) = special
            .iter()
            .chain(&self.forced_bos)
            .find(|&&id| id as usize >= vocab)
        {
            return Err(Error::integrity(format!(
                "The generation configuration names token {id}, but the vocabulary has {vocab}."
            )));
        }
        let sound = |ok: bool, message: &str, next_step: &str| match ok {
            true => Ok(()),
            false => Err(Error::input(message, next_step)),
        };
        sound(
            (1..=MOST_BEAMS).contains(&self.num_beams),
            "The number of beams is out of range.",
            "Ask for 1 to 64 beams.",
        )?;
        sound(
            self.max_length > 1,
            "There is no room for a single new token.",
            "Ask for at least one new token.",
        )?;
        sound(
            self.repetition_penalty > 0. && self.repetition_penalty.is_finite(),
            "The repetition penalty is not a positive number.",
            "Use 1 for none, and a little more to discourage repetition.",
        )?;
        sound(
            self.length_penalty.is_finite(),
            "The length penalty is not a number.",
            "Use 1 for the usual one, more for longer texts, less for shorter ones.",
        )?;
        let Some(sampling) = &self.sampling else {
            return Ok(());
        };
        sound(
            sampling.temperature > 0. && sampling.temperature.is_finite(),
            "The temperature is not a positive number.",
            "Use 1 for the model's own distribution, or 0 for its most probable token.",
        )?;
        sound(
            sampling.top_p > 0. && sampling.top_p <= 1.,
            "The cumulative probability top_p is not between 0 and 1.",
            "Use 1 to sample from everything.",
        )?;
        sound(
            self.num_beams == 1,
            "Sampling and beam search exclude each other.",
            "Ask for one beam, or leave the temperature out.",
        )
    }
}

/// In tokens with the start token, and within what the decoder has positions for: its last token is never read.
fn max_length(wish: &GenerationConfig, model: &GenerationConfig, positions: usize) -> usize {
    let length =
        |config: &GenerationConfig| with_start(config.max_new_tokens).or(config.max_length);
    let length = length(wish).or_else(|| length(model));
    let length = length.unwrap_or((DEFAULT_NEW_TOKENS + 1).min(positions));
    length.min(positions + 1)
}

/// In tokens with the start token.
fn min_length(wish: &GenerationConfig, model: &GenerationConfig) -> usize {
    let length =
        |config: &GenerationConfig| with_start(config.min_new_tokens).or(config.min_length);
    length(wish).or_else(|| length(model)).unwrap_or(0)
}

fn with_start(new_tokens: Option<usize>) -> Option<usize> {
    Some(new_tokens?.saturating_add(1))
}

/// A caller who only asks for a temperature wants to sample, even from a model that beams by default.
fn num_beams(wish: &GenerationConfig, model: &GenerationConfig) -> usize {
    let samples = wish
        .temperature
        .is_some_and(|temperature| temperature != 0.);
    match wish.num_beams {
        None if samples => 1,
        beams => beams.or(model.num_beams).unwrap_or(1),
    }
}

fn sampling(wish: &GenerationConfig, model: &GenerationConfig, seed: u64) -> Option<Sampling> {
    let wanted = match (wish.temperature, wish.do_sample) {
        (Some(temperature), _) => temperature != 0.,
        (None, Some(sample)) => sample,
        // Beams that the caller asks for stand above a model that samples by default.
        (None, None) => {
            model.do_sample == Some(true) && wish.num_beams.is_none_or(|beams| beams == 1)
        }
    };
    wanted.then(|| Sampling {
        temperature: wish.temperature.or(model.temperature).unwrap_or(1.),
        top_k: wish.top_k.or(model.top_k).unwrap_or(DEFAULT_TOP_K),
        top_p: wish.top_p.or(model.top_p).unwrap_or(1.),
        seed,
    })
}
