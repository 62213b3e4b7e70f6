//! Running one example and keeping what came of it, in the words of the protocol.

use serde::Serialize;
use serde_json::{Value, json};
use unmask_protocol as protocol;
use unmask_transformer::bart::{Bart, MaskPatterns};
use unmask_transformer::bert::Bert;
use unmask_transformer::generation::{GenerateOptions, Step};
use unmask_transformer::tasks::Steps;
use unmask_transformer::tasks::answer::AnswerQuestion;
use unmask_transformer::tasks::attention::{AttentionMaps, BartAttending, bert_attention};
use unmask_transformer::tasks::classify::classify;
use unmask_transformer::tasks::fill_mask::{Candidate, fill_mask};
use unmask_transformer::tasks::generate::generate;
use unmask_transformer::tasks::label::label;
use unmask_transformer::tasks::next_sentence::next_sentence;
use unmask_transformer::{MaskPattern, Token};

use super::{Attention, Cells, Example, FORBIDDEN, FORMAT, Question, Trace, WHOLE};
use crate::error::{Error, Result};
use crate::models::{Entry, Model};

/// Candidates of a mask, and alternatives to a written token.
const TOP_K: usize = 5;

/// Asks `model`, which is the file of `entry`, what `example` says.
///
/// # Errors
/// The model cannot do it.
pub fn record(example: &Example, model: &Model, entry: &Entry) -> Result<Trace> {
    let (method, input, output, attention) = match (example.question, model) {
        (Question::Generate { task, text }, Model::Bart(bart)) => {
            let (steps, attention) = generated(bart, task, text)?;
            let input = json!({ "text": text, "task": task });
            ("generate", input, steps, attention)
        }
        (question, Model::Bert(bert)) => {
            let (method, input, output, text, pair) = answered(bert, question)?;
            let maps = bert_attention(bert, text, pair, &MaskPattern::Bidirectional)?;
            let attention = Attention {
                encoder: cells(maps.encoder),
                decoder: None,
                cross: None,
            };
            (method, input, output, attention)
        }
        (_, Model::Bart(_)) => return Err(unfit(example)),
    };
    Ok(Trace {
        format: FORMAT,
        name: example.name.to_owned(),
        model: entry.into(),
        method: method.to_owned(),
        input,
        output,
        attention,
    })
}

fn unfit(example: &Example) -> Error {
    Error::Said(format!(
        "The example {} asks {} for what its architecture does not do.",
        example.name, example.model
    ))
}

/// Method, input, output, and the text and pair that the encoder read.
type Answered = (
    &'static str,
    Value,
    Value,
    &'static str,
    Option<&'static str>,
);

fn answered(bert: &Bert, question: Question) -> Result<Answered> {
    Ok(match question {
        Question::FillMask { text } => {
            let filled = fill_mask(bert, text, Some(TOP_K), &MaskPattern::Bidirectional)?;
            let masks = filled.masks.into_iter().map(|mask| protocol::FilledMask {
                position: mask.position,
                candidates: mask.candidates.into_iter().map(candidate).collect(),
            });
            let output = masks.collect::<Vec<_>>();
            (
                "fillMask",
                json!({ "text": text }),
                value(&output)?,
                text,
                None,
            )
        }
        Question::NextSentence { a, b } => {
            let is_next = short(next_sentence(bert, a, b)?.is_next);
            let output = json!({ "isNext": value(&is_next)? });
            (
                "nextSentence",
                json!({ "a": a, "b": b }),
                output,
                a,
                Some(b),
            )
        }
        Question::Classify { head, text, pair } => {
            let labels = classify(bert, text, pair, Some(head))?.labels.into_iter();
            let output: Vec<_> = labels
                .map(|score| protocol::LabelScore {
                    label: score.label,
                    probability: short(score.probability),
                })
                .collect();
            let mut input = json!({ "text": text, "head": head });
            if let Some(pair) = pair {
                input["pair"] = pair.into();
            }
            ("classify", input, value(&output)?, text, pair)
        }
        Question::Label { head, text } => {
            let spans = label(bert, text, Some(head))?.spans.into_iter();
            let output: Vec<_> = spans
                .map(|span| protocol::LabelSpan {
                    label: span.label,
                    probability: short(span.probability),
                    start: span.start,
                    end: span.end,
                    text: span.text,
                })
                .collect();
            (
                "label",
                json!({ "text": text, "head": head }),
                value(&output)?,
                text,
                None,
            )
        }
        Question::Answer { question, context } => {
            let answers = AnswerQuestion::new(bert, question, context, None)?.finish()?;
            let output: Vec<_> = answers
                .into_iter()
                .map(|answer| protocol::Answer {
                    text: answer.text,
                    start: answer.start,
                    end: answer.end,
                    probability: short(answer.probability),
                })
                .collect();
            let input = json!({ "question": question, "context": context });
            ("answer", input, value(&output)?, question, Some(context))
        }
        Question::Generate { .. } => {
            return Err(Error::Said("A BERT reads; it does not write.".into()));
        }
    })
}

fn generated(bart: &Bart, task: &str, text: &str) -> Result<(Value, Attention)> {
    let options = GenerateOptions {
        task: Some(task.to_owned()),
        alternatives: TOP_K,
        ..GenerateOptions::default()
    };
    let masks = MaskPatterns::default();
    let mut generation = generate(bart, text, &options, &masks)?;
    let mut steps = Vec::new();
    while let Some(step) = generation.step()? {
        steps.push(written(step));
    }
    let maps = BartAttending::new(bart, text, None, &options, &masks)?.finish()?;
    let attention = Attention {
        encoder: cells(maps.encoder),
        decoder: Some(cells(maps.decoder)),
        cross: Some(cells(maps.cross)),
    };
    Ok((value(&steps)?, attention))
}

/// The JSON of `output`, by way of its text: an f32 has more decimals as a [`Value`] than when it is written out.
fn value(output: &impl Serialize) -> Result<Value> {
    let json = serde_json::to_string(output).and_then(|text| serde_json::from_str(&text));
    json.map_err(|error| Error::Said(format!("What the model says has no JSON: {error}.")))
}

/// Four decimals: what a reader can see, and the same on every machine.
fn short(probability: f32) -> f32 {
    (probability * 1e4).round() / 1e4
}

fn candidate(candidate: Candidate) -> protocol::Candidate {
    protocol::Candidate {
        token: candidate.token,
        id: candidate.id,
        probability: short(candidate.probability),
        text: candidate.text,
    }
}

fn written(step: Step) -> protocol::Step {
    protocol::Step {
        id: step.id,
        token: step.token,
        text: step.text,
        probability: short(step.probability),
        alternatives: step.alternatives.into_iter().map(candidate).collect(),
        beams: None,
    }
}

fn token(token: Token) -> protocol::Token {
    protocol::Token {
        id: token.id,
        text: token.text,
        start: token.start,
        end: token.end,
        segment: token.segment,
        special: token.special,
    }
}

fn cells(maps: AttentionMaps) -> Cells {
    let mask = maps.mask.iter().cycle();
    let cell = |(&weight, &allowed): (&f32, &u8)| match allowed {
        0 => FORBIDDEN,
        _ => (weight * WHOLE).round() as u8, // a weight is at most one
    };
    Cells {
        cells: maps.weights.iter().zip(mask).map(cell).collect(),
        header: protocol::AttentionHeader {
            query_tokens: maps.query_tokens.into_iter().map(token).collect(),
            key_tokens: maps.key_tokens.into_iter().map(token).collect(),
            layers: maps.layers,
            heads: maps.heads,
        },
    }
}
