//! Between the protocol's types and those of the crates that do the work.

use unmask_model_store as store;
use unmask_protocol as protocol;
use unmask_transformer::bart::{AllHeadsOff, MaskPatterns};
use unmask_transformer::generation::{self, GenerationConfig};
use unmask_transformer::tasks::answer::Answer;
use unmask_transformer::tasks::attention::AttentionMaps;
use unmask_transformer::tasks::classify::Classified;
use unmask_transformer::tasks::embed::Embeddings;
use unmask_transformer::tasks::fill_mask::{self, FilledMask, FilledMasks};
use unmask_transformer::tasks::hidden_states::HiddenStates;
use unmask_transformer::tasks::label::{LabelSpan, Labelled};
use unmask_transformer::tasks::logits::Logits;
use unmask_transformer::tasks::next_sentence::NextSentence;
use unmask_transformer::{AttentionMask, Encoding, HeadsOff, MaskPattern, Token, Truncation};

use crate::failure::Failure;
use crate::messages::{self, ReplyArray, Values};

/// How many alternatives a step reports where the request doesn't say.
const ALTERNATIVES: usize = 5;

pub fn progress(progress: store::Progress) -> protocol::Progress {
    protocol::Progress {
        phase: match progress.phase {
            store::Phase::Download => protocol::Phase::Download,
            store::Phase::Cache => protocol::Phase::Cache,
            store::Phase::File => protocol::Phase::File,
            store::Phase::Verify => protocol::Phase::Verify,
            store::Phase::Waiting => protocol::Phase::Waiting,
        },
        loaded: progress.loaded,
        total: progress.total,
        seconds_left: progress.seconds_left,
    }
}

pub fn token(token: Token) -> protocol::Token {
    protocol::Token {
        id: token.id,
        text: token.text,
        start: token.start,
        end: token.end,
        segment: token.segment,
        special: token.special,
    }
}

pub fn truncation(truncation: Truncation) -> protocol::Truncation {
    protocol::Truncation {
        kept: truncation.kept,
        dropped: truncation.dropped,
        from: truncation.from,
    }
}

pub fn tokens(encoding: Encoding) -> protocol::Reply {
    protocol::Reply::Tokens {
        tokens: encoding.tokens.into_iter().map(token).collect(),
        truncation: encoding.truncation.map(truncation),
    }
}

pub fn masks(filled: FilledMasks) -> protocol::Reply {
    let mask = |filled: FilledMask| protocol::FilledMask {
        position: filled.position,
        candidates: filled.candidates.into_iter().map(candidate).collect(),
    };
    protocol::Reply::Masks {
        masks: filled.masks.into_iter().map(mask).collect(),
        truncation: filled.truncation.map(truncation),
    }
}

fn candidate(candidate: fill_mask::Candidate) -> protocol::Candidate {
    protocol::Candidate {
        token: candidate.token,
        id: candidate.id,
        probability: candidate.probability,
        text: candidate.text,
    }
}

pub fn next_sentence(answer: NextSentence) -> protocol::Reply {
    protocol::Reply::NextSentence {
        is_next: answer.is_next,
        truncation: answer.truncation.map(truncation),
    }
}

pub fn labels(classified: Classified) -> protocol::Reply {
    let labels = classified.labels.into_iter();
    protocol::Reply::Labels {
        labels: labels
            .map(|score| protocol::LabelScore {
                label: score.label,
                probability: score.probability,
            })
            .collect(),
        truncation: classified.truncation.map(truncation),
    }
}

pub fn spans(labelled: Labelled) -> protocol::Reply {
    let span = |span: LabelSpan| protocol::LabelSpan {
        label: span.label,
        probability: span.probability,
        start: span.start,
        end: span.end,
        text: span.text,
    };
    protocol::Reply::Spans {
        spans: labelled.spans.into_iter().map(span).collect(),
        truncation: labelled.truncation.map(truncation),
    }
}

pub fn answers(answers: Vec<Answer>) -> protocol::Reply {
    let answer = |answer: Answer| protocol::Answer {
        text: answer.text,
        start: answer.start,
        end: answer.end,
        probability: answer.probability,
    };
    protocol::Reply::Answers {
        answers: answers.into_iter().map(answer).collect(),
    }
}

pub fn embeddings(embeddings: Embeddings) -> messages::Answer {
    messages::Answer {
        reply: protocol::Reply::Embeddings {
            dimensions: embeddings.dimensions,
        },
        arrays: vec![ReplyArray {
            part: None,
            name: "values",
            values: Values::F32(embeddings.values),
        }],
    }
}

pub fn hidden_states(hidden: HiddenStates) -> messages::Answer {
    messages::Answer {
        reply: protocol::Reply::HiddenStates {
            tokens: hidden.tokens.into_iter().map(token).collect(),
            states: hidden.states,
            dimensions: hidden.dimensions,
            truncation: hidden.truncation.map(truncation),
        },
        arrays: vec![ReplyArray {
            part: None,
            name: "values",
            values: Values::F32(hidden.values),
        }],
    }
}

pub fn logits(logits: Logits) -> messages::Answer {
    messages::Answer {
        reply: protocol::Reply::Logits {
            positions: logits.positions,
            read: logits.read,
            vocabulary: logits.vocabulary,
            truncation: logits.truncation.map(truncation),
        },
        arrays: vec![ReplyArray {
            part: None,
            name: "values",
            values: Values::F32(logits.values),
        }],
    }
}

/// # Errors
/// `Input` where a custom mask's cells don't fit its size.
pub fn mask_pattern(pattern: &protocol::MaskPattern) -> Result<MaskPattern, Failure> {
    Ok(match pattern {
        protocol::MaskPattern::Bidirectional => MaskPattern::Bidirectional,
        protocol::MaskPattern::Causal => MaskPattern::Causal,
        protocol::MaskPattern::Prefix { length } => MaskPattern::Prefix { length: *length },
        protocol::MaskPattern::Window { radius } => MaskPattern::Window { radius: *radius },
        protocol::MaskPattern::Custom {
            queries,
            keys,
            allowed,
        } => MaskPattern::Custom(AttentionMask::custom(*queries, *keys, allowed.clone())?),
    })
}

/// # Errors
/// As [`mask_pattern`].
pub fn mask_patterns(
    spec: Option<&protocol::MaskSpec>,
    heads_off: Option<&protocol::HeadsOff>,
) -> Result<MaskPatterns, Failure> {
    let places = |places: &[protocol::HeadPlace]| {
        let places = places.iter().map(|place| (place.layer, place.head));
        HeadsOff::new(places.collect())
    };
    let mut patterns = MaskPatterns::default();
    if let Some(off) = heads_off {
        patterns.heads_off = AllHeadsOff {
            encoder: places(&off.encoder),
            decoder: places(&off.decoder),
            cross: places(&off.cross),
        };
    }
    let Some(spec) = spec else {
        return Ok(patterns);
    };
    for (asked, pattern) in [
        (&spec.encoder, &mut patterns.encoder),
        (&spec.decoder, &mut patterns.decoder),
        (&spec.cross, &mut patterns.cross),
    ] {
        if let Some(asked) = asked {
            *pattern = mask_pattern(asked)?;
        }
    }
    Ok(patterns)
}

pub fn generate_options(options: &protocol::GenerateOptions) -> generation::GenerateOptions {
    let options = options.clone();
    generation::GenerateOptions {
        task: options.task,
        config: GenerationConfig {
            num_beams: options.num_beams,
            max_new_tokens: options.max_new_tokens,
            min_new_tokens: options.min_new_tokens,
            temperature: options.temperature,
            top_k: options.top_k,
            top_p: options.top_p,
            no_repeat_ngram_size: options.no_repeat_ngram_size,
            repetition_penalty: options.repetition_penalty,
            length_penalty: options.length_penalty,
            early_stopping: options.early_stopping.map(Into::into),
            ..GenerationConfig::default()
        },
        seed: options.seed.unwrap_or_default(),
        alternatives: options.alternatives.unwrap_or(ALTERNATIVES),
    }
}

pub fn step(step: generation::Step) -> protocol::Step {
    let beam = |beam: generation::Beam| protocol::Beam {
        parent: beam.parent,
        id: beam.id,
        token: beam.token,
        text: beam.text,
        score: beam.score,
    };
    let beams = |beams: Vec<_>| beams.into_iter().map(beam).collect();
    protocol::Step {
        id: step.id,
        token: step.token,
        text: step.text,
        probability: step.probability,
        alternatives: step.alternatives.into_iter().map(candidate).collect(),
        beams: step.beams.map(beams),
    }
}

pub fn generation(output: generation::GenerationOutput) -> protocol::Generation {
    let generated = |token: generation::GeneratedToken| protocol::GeneratedToken {
        id: token.id,
        text: token.text,
        probability: token.probability,
        alternatives: token.alternatives.into_iter().map(candidate).collect(),
    };
    protocol::Generation {
        text: output.text,
        tokens: output.tokens.into_iter().map(generated).collect(),
        score: output.score,
        finish: match output.finish {
            generation::Finish::Stop => protocol::Finish::Stop,
            generation::Finish::Length => protocol::Finish::Length,
        },
        truncation: output.truncation.map(truncation),
    }
}

/// One attention's header, and its arrays for the `part` of the reply that the header becomes.
pub fn attention(
    maps: AttentionMaps,
    part: &'static str,
    arrays: &mut Vec<ReplyArray>,
) -> protocol::AttentionHeader {
    let named = [
        ("mask", Values::U8(maps.mask)),
        ("scores", Values::F32(maps.scores)),
        ("weights", Values::F32(maps.weights)),
    ];
    arrays.extend(named.map(|(name, values)| ReplyArray {
        part: Some(part),
        name,
        values,
    }));
    protocol::AttentionHeader {
        query_tokens: maps.query_tokens.into_iter().map(token).collect(),
        key_tokens: maps.key_tokens.into_iter().map(token).collect(),
        layers: maps.layers,
        heads: maps.heads,
    }
}
