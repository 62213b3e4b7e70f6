//! Words that the pronouncing model never learnt, against the dictionary.

use unmask_transformer::bart::Bart;

use super::writing::written;
use super::{Limit, Measured, each, percent};
use crate::data::Data;
use crate::error::Result;
use crate::metrics::phonemes::{errors, held_out};

/// As the literature counts.
pub fn without_stress(bart: &Bart, data: &Data, limit: Limit) -> Result<Measured> {
    error_rate(bart, data, limit, false)
}

/// A wrong stress is a wrong vowel.
pub fn with_stress(bart: &Bart, data: &Data, limit: Limit) -> Result<Measured> {
    error_rate(bart, data, limit, true)
}

fn error_rate(bart: &Bart, data: &Data, limit: Limit, stress: bool) -> Result<Measured> {
    let (words, is_sample) = limit.of(held_out(&data.dictionary()?).into_iter().collect());
    let counts = each(&words, |(word, references)| {
        Ok(errors(
            &written(bart, "pronounce", word)?,
            references,
            stress,
        ))
    })?;
    let (wrong, all) = counts
        .iter()
        .fold((0, 0), |(a, b), (wrong, all)| (a + wrong, b + all));
    Ok(Measured {
        figures: vec![percent(wrong, all)],
        unit: "words",
        items: words.len(),
        is_sample,
    })
}
