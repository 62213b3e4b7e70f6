//! Texts made of texts: summaries, answers and translations, greedily written.

use serde::Deserialize;
use unmask_transformer::bart::{Bart, MaskPatterns};
use unmask_transformer::generation::{GenerateOptions, GenerationConfig};
use unmask_transformer::tasks::generate::generate;

use super::answers::Question;
use super::{Limit, Measured, each, mean};
use crate::data::Data;
use crate::error::Result;
use crate::metrics::bleu::bleu;
use crate::metrics::rouge::rouge_l;
use crate::metrics::sentences::sentences;

/// The sets of summaries with a free licence.
const SUMMARIES: [&str; 4] = ["openstax-heading", "openstax-summary", "debian", "scitldr"];
/// What stands between a question and its passage.
const SEPARATOR: &str = "<sep>";

/// What `bart` makes of `text`, each token the most probable one, to the length of its own configuration.
pub(super) fn written(bart: &Bart, task: &str, text: &str) -> Result<String> {
    let options = GenerateOptions {
        task: Some(task.to_owned()),
        config: GenerationConfig {
            num_beams: Some(1),
            ..GenerationConfig::default()
        },
        ..GenerateOptions::default()
    };
    Ok(generate(bart, text, &options, &MaskPatterns::default())?
        .finish()?
        .text)
}

#[derive(Deserialize)]
struct Summary {
    document: String,
    summary: String,
}

/// The mean over the sets; within a set the mean of how far ROUGE-L is above that of the document's first sentence.
pub fn summaries(bart: &Bart, data: &Data, limit: Limit) -> Result<Measured> {
    let (mut above, mut items, mut is_sample) = (Vec::new(), 0, false);
    for name in SUMMARIES {
        let (rows, left_out) = limit.of(data.jsonl::<Summary>(&format!("summ/{name}.test.jsonl"))?);
        let gains = each(&rows, |row| {
            let first = sentences(&row.document)
                .first()
                .copied()
                .unwrap_or_default();
            let written = written(bart, "summarize", &row.document)?;
            Ok(rouge_l(&written, &row.summary) - rouge_l(first, &row.summary))
        })?;
        items += rows.len();
        is_sample |= left_out;
        above.push(100. * mean(gains));
    }
    Ok(Measured {
        figures: vec![mean(above)],
        unit: "documents",
        items,
        is_sample,
    })
}

/// The same questions as BERT's, answered in the model's own words.
pub fn answers(bart: &Bart, data: &Data, limit: Limit) -> Result<Measured> {
    let (questions, is_sample) = limit.of(Question::all(data)?);
    let scores = each(&questions, |question| {
        let text = [question.question.as_str(), SEPARATOR, &question.context].concat();
        Ok(question.f1(&written(bart, "answer", &text)?))
    })?;
    Ok(Measured::mean(scores, "questions", is_sample))
}

pub fn tatoeba(bart: &Bart, data: &Data, limit: Limit) -> Result<Measured> {
    translation(bart, data, "translate/en-de/tatoeba.test.tsv", limit)
}

pub fn multi30k(bart: &Bart, data: &Data, limit: Limit) -> Result<Measured> {
    translation(bart, data, "translate/en-de/multi30k.test2016.tsv", limit)
}

fn translation(bart: &Bart, data: &Data, file: &str, limit: Limit) -> Result<Measured> {
    let (rows, is_sample) = limit.of(data.tsv(file)?);
    let guesses = each(&rows, |row| written(bart, "translate", &row["en"]))?;
    let pairs = guesses
        .iter()
        .zip(&rows)
        .map(|(guess, row)| (guess.as_str(), row["de"].as_str()));
    Ok(Measured {
        figures: vec![bleu(pairs)],
        unit: "sentences",
        items: rows.len(),
        is_sample,
    })
}
