//! Fidelity: what the packed model predicts on real text, against what the unquantized one does.

use std::fmt;
use std::fs::File;

use candle_core::Tensor;
use unmask_transformer::bart::{Bart, MaskPatterns};
use unmask_transformer::bert::Bert;
use unmask_transformer::{HeadKind, MaskPattern, ModelFile};

use crate::Result;

/// BERT: one token in so many is masked, beginning with a different one in each sentence.
const MASK_EVERY: usize = 7;

/// How far two models' predictions are apart.
#[derive(Default)]
pub struct Fidelity {
    predictions: u64,
    agreed: u64,
    divergence: f64,
}

impl Fidelity {
    /// Compares the logits of both for some predictions, `[predictions, vocabulary]`.
    fn add(&mut self, reference: &Tensor, quantized: &Tensor) -> Result<()> {
        let rows = |logits: &Tensor| logits.flatten_to(logits.rank() - 2)?.to_vec2::<f32>();
        for (reference, quantized) in rows(reference)?.iter().zip(&rows(quantized)?) {
            self.predictions += 1;
            self.agreed += u64::from(argmax(reference) == argmax(quantized));
            self.divergence += kl_divergence(reference, quantized);
        }
        Ok(())
    }
}

impl fmt::Display for Fidelity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.predictions.max(1) as f64;
        let (agreement, divergence) = (100.0 * self.agreed as f64 / count, self.divergence / count);
        write!(
            f,
            "{} predictions: {agreement:.2}% the same as the F32 model's, mean KL divergence {divergence:.6} nats",
            self.predictions
        )
    }
}

fn argmax(logits: &[f32]) -> Option<usize> {
    (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]))
}

/// KL(p || q) of the distributions with these logits, in nats.
fn kl_divergence(p: &[f32], q: &[f32]) -> f64 {
    let normalizer = |logits: &[f32]| {
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|x| f64::from(x - largest).exp()).sum();
        f64::from(largest) + sum.ln()
    };
    let (log_p, log_q) = (normalizer(p), normalizer(q));
    p.iter()
        .zip(q)
        .map(|(&p, &q)| {
            let (p, q) = (f64::from(p) - log_p, f64::from(q) - log_q);
            p.exp() * (p - q)
        })
        .sum()
}

/// Compares a model in memory with one on disk on each line of a text.
pub fn compare(reference: &[u8], quantized: &std::path::Path, texts: &str) -> Result<Fidelity> {
    let files = [
        ModelFile::read(reference)?,
        ModelFile::read(File::open(quantized)?)?,
    ];
    let texts = texts.lines().filter(|line| !line.trim().is_empty());
    let [reference, quantized] = files;
    let fidelity = match reference.architecture.as_str() {
        "bert" => compare_masked_lm(&Bert::new(reference)?, &Bert::new(quantized)?, texts)?,
        _ => compare_next_tokens(&Bart::new(reference)?, &Bart::new(quantized)?, texts)?,
    };
    if fidelity.predictions == 0 {
        return Err(
            "The text has no line with something to predict: give one sentence a line.".into(),
        );
    }
    Ok(fidelity)
}

fn compare_masked_lm<'t>(
    reference: &Bert,
    quantized: &Bert,
    texts: impl Iterator<Item = &'t str>,
) -> Result<Fidelity> {
    reference.head(HeadKind::MaskedLm, None)?;
    let mask_id = reference
        .tokenizer
        .mask_id()
        .ok_or("The tokenizer has no mask token: only its masked-LM is compared.")?;
    let mut fidelity = Fidelity::default();
    for (number, text) in texts.enumerate() {
        let mut encoding = reference.encode(text, None)?;
        let words = (0..encoding.ids.len()).filter(|&at| !encoding.tokens[at].special);
        let masked: Vec<u32> = words
            .skip(number % MASK_EVERY)
            .step_by(MASK_EVERY)
            .map(|at| at as u32)
            .collect();
        if masked.is_empty() {
            continue;
        }
        for &at in &masked {
            encoding.ids[at as usize] = mask_id;
        }
        let logits = |bert: &Bert| {
            let hidden_states = bert.forward(&encoding, &MaskPattern::Bidirectional, None)?;
            bert.masked_lm_logits(&hidden_states, &masked)
        };
        fidelity.add(&logits(reference)?, &logits(quantized)?)?;
    }
    Ok(fidelity)
}

/// The reference writes its answer to each line; then both predict each of its tokens from those before it.
fn compare_next_tokens<'t>(
    reference: &Bart,
    quantized: &Bart,
    texts: impl Iterator<Item = &'t str>,
) -> Result<Fidelity> {
    const LONGEST: usize = 64;
    let start = reference
        .config
        .decoder_start_token_id
        .ok_or("config.json lacks decoder_start_token_id: add it.")?;
    let ends = reference.config.eos_token_id.clone();
    let masks = MaskPatterns::default();
    let mut fidelity = Fidelity::default();
    for text in texts {
        let encoding =
            reference
                .tokenizer
                .encode(text, None, reference.config.max_position_embeddings)?;
        let encode = |bart: &Bart| bart.encode(&encoding.ids, &masks.encoder, None);
        let (reference_states, quantized_states) = (encode(reference)?, encode(quantized)?);
        let (mut reference_cache, mut quantized_cache) = (
            reference.cache(&reference_states)?,
            quantized.cache(&quantized_states)?,
        );
        let mut token = start;
        for _ in 0..LONGEST.min(reference.config.max_position_embeddings) {
            let logits = reference.logits(&reference.decode(
                &[token],
                1,
                &mut reference_cache,
                &masks,
                None,
            )?)?;
            fidelity.add(
                &logits,
                &quantized.logits(&quantized.decode(
                    &[token],
                    1,
                    &mut quantized_cache,
                    &masks,
                    None,
                )?)?,
            )?;
            token = logits.flatten_all()?.argmax(0)?.to_scalar()?;
            if ends
                .as_ref()
                .is_some_and(|ends| ends.as_slice().contains(&token))
            {
                break;
            }
        }
    }
    Ok(fidelity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divergence_is_zero_for_equal_distributions_and_known_for_others() {
        assert_eq!(kl_divergence(&[1.0, 2.0], &[1.0, 2.0]), 0.0);
        assert!(
            kl_divergence(&[1.0, 2.0], &[101.0, 102.0]).abs() < 1e-9,
            "softmax ignores a shift"
        );
        // p = (1/2, 1/2), q = (1/4, 3/4): ln(2) / 2 + ln(2/3) / 2
        let divergence = kl_divergence(&[0.0, 0.0], &[0.0, 3f32.ln()]);
        assert!((divergence - (2f64.ln() + (2f64 / 3.0).ln()) / 2.0).abs() < 1e-6);
    }
}
