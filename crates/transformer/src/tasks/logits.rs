//! Whole distributions: what a model thinks of every word of its vocabulary, for the masks of a text or behind each token of an
//! output.

use candle_core::Tensor;

use super::fill_mask::mask_positions;
use crate::bart::{Bart, MaskPatterns};
use crate::bert::Bert;
use crate::generation::GenerateOptions;
use crate::{Error, MaskPattern, Result, Truncation};

/// Values that one answer may have: 128 MB of them.
const MOST_VALUES: usize = 1 << 25;

/// Logits over the vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub struct Logits {
    /// BERT: the positions of the masks. BART: what the decoder has read up to there, from the start token on.
    pub positions: Vec<usize>,
    /// BART: the token at each of the positions, as the vocabulary spells it.
    pub read: Vec<String>,
    /// Words in the vocabulary.
    pub vocabulary: usize,
    /// `[positions, vocabulary]`, row-major.
    pub values: Vec<f32>,
    /// Set where the text, or else the target, was longer than the model reads.
    pub truncation: Option<Truncation>,
}

/// The logits for each mask in `text`.
///
/// # Errors
/// As [`super::fill_mask::fill_mask`], and `Input` for more masks than an answer has room for.
pub fn bert_logits(bert: &Bert, text: &str) -> Result<Logits> {
    let (encoding, positions) = mask_positions(bert, text)?;
    require_room(positions.len(), bert.config.vocab_size)?;
    let hidden_states = bert.forward(&encoding, &MaskPattern::Bidirectional, None)?;
    let logits = bert.masked_lm_logits(&hidden_states, &positions)?;
    Ok(Logits {
        positions: positions
            .iter()
            .map(|&position| position as usize)
            .collect(),
        read: Vec::new(),
        vocabulary: bert.config.vocab_size,
        values: values(&logits)?,
        truncation: encoding.truncation,
    })
}

/// The logits of the token that follows the start token, and each token of `target` if there is one.
///
/// # Errors
/// As [`super::attention::BartAttending::new`], and `Input` for a longer target than an answer has room for.
pub fn bart_logits(
    bart: &Bart,
    text: &str,
    target: Option<&str>,
    options: &GenerateOptions,
) -> Result<Logits> {
    bart.require_lm_head()?;
    let task = bart.task(options.task.as_deref())?;
    let settings = bart.settings(task, options)?;
    let source = bart.source_encoding(text, task)?;
    let (read, cut) = match target {
        Some(target) => bart.decoder_input(target, &settings)?,
        None => (vec![settings.start], None),
    };
    require_room(read.len(), bart.config.vocab_size)?;
    let masks = MaskPatterns::default();
    let encoded = bart.encode(&source.ids, &masks.encoder, None)?;
    let mut cache = bart.cache(&encoded)?;
    let hidden_states = bart.decode(&read, 1, &mut cache, &masks, None)?;
    let logits = bart.logits(&hidden_states.squeeze(0)?)?;
    let spelling = |&id: &u32| bart.target_tokenizer().id_to_token(id).unwrap_or_default();
    Ok(Logits {
        positions: (0..read.len()).collect(),
        read: read.iter().map(spelling).collect(),
        vocabulary: bart.config.vocab_size,
        values: values(&logits)?,
        truncation: source.truncation.or(cut),
    })
}

fn values(logits: &Tensor) -> Result<Vec<f32>> {
    Ok(logits.flatten_all()?.to_vec1()?)
}

fn require_room(positions: usize, vocabulary: usize) -> Result<()> {
    match positions.checked_mul(vocabulary) {
        Some(..=MOST_VALUES) => Ok(()),
        _ => Err(Error::input(
            format!(
                "Logits of {vocabulary} words at {positions} positions are too many for one answer."
            ),
            format!("Ask for at most {} positions.", MOST_VALUES / vocabulary),
        )),
    }
}
