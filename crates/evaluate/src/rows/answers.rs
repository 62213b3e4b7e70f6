//! Answers marked in a passage, on the English half of XQuAD.

use serde::Deserialize;
use unmask_transformer::bert::Bert;
use unmask_transformer::tasks::Steps;
use unmask_transformer::tasks::answer::AnswerQuestion;

use super::{Limit, Measured, each};
use crate::data::Data;
use crate::error::Result;
use crate::metrics::squad::score;

/// A question about a passage.
#[derive(Deserialize)]
pub(super) struct Question {
    pub question: String,
    pub context: String,
    answers: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    text: String,
}

impl Question {
    /// The evaluation set.
    pub fn all(data: &Data) -> Result<Vec<Self>> {
        data.jsonl("qa/xquad-en.test.jsonl")
    }

    /// F1 of an answer, 0 to 1.
    pub fn f1(&self, answer: &str) -> f64 {
        let references: Vec<String> = self
            .answers
            .iter()
            .map(|answer| answer.text.clone())
            .collect();
        score(answer, &references).0
    }
}

/// The best answer, though the model may rather refuse.
pub fn always(bert: &Bert, data: &Data, limit: Limit) -> Result<Measured> {
    f1(bert, data, limit, true)
}

/// What the model says, refusals included. Every question has an answer.
pub fn refusing(bert: &Bert, data: &Data, limit: Limit) -> Result<Measured> {
    f1(bert, data, limit, false)
}

fn f1(bert: &Bert, data: &Data, limit: Limit, always: bool) -> Result<Measured> {
    let (questions, is_sample) = limit.of(Question::all(data)?);
    let scores = each(&questions, |question| {
        // Of the best two one may be the refusal.
        let answers =
            AnswerQuestion::new(bert, &question.question, &question.context, Some(2))?.finish()?;
        let said = answers
            .iter()
            .find(|answer| !always || !answer.text.is_empty());
        Ok(question.f1(said.map_or("", |answer| &answer.text)))
    })?;
    Ok(Measured::mean(scores, "questions", is_sample))
}
