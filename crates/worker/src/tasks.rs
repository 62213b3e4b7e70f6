//! Each request, answered by the transformer.

use unmask_protocol::{ErrorCode, Reply, Request};
use unmask_transformer::bart::Bart;
use unmask_transformer::bert::Bert;
use unmask_transformer::generation::GenerateOptions;
use unmask_transformer::tasks::Steps;
use unmask_transformer::tasks::answer::AnswerQuestion;
use unmask_transformer::tasks::attention::{BartAttending, bert_attention};
use unmask_transformer::tasks::classify::{self, SequenceClassifier, ZeroShot};
use unmask_transformer::tasks::embed::Embed;
use unmask_transformer::tasks::fill_mask::{fill_mask, fill_positions};
use unmask_transformer::tasks::generate::generate;
use unmask_transformer::tasks::hidden_states::hidden_states;
use unmask_transformer::tasks::label::label;
use unmask_transformer::tasks::logits::{bart_logits, bert_logits};
use unmask_transformer::tasks::next_sentence::next_sentence;

use crate::convert;
use crate::engine::Context;
use crate::failure::Failure;
use crate::messages::Answer;
use crate::model::Model;

/// Answers a request to `model`.
///
/// # Errors
/// `Unsupported` where the model's architecture does not do this, and what the transformer reports.
pub async fn answer(
    model: &Model,
    request: &Request,
    context: &Context,
) -> Result<Answer, Failure> {
    match model {
        Model::Bert(bert) => answer_bert(bert, request, context).await,
        Model::Bart(bart) => answer_bart(bart, request, context).await,
    }
}

async fn answer_bert(bert: &Bert, request: &Request, context: &Context) -> Result<Answer, Failure> {
    Ok(match request {
        Request::Tokenize { text, pair, .. } => {
            convert::tokens(bert.encode(text, pair.as_deref())?).into()
        }
        Request::FillMask {
            text,
            top_k,
            positions,
            mask,
            heads_off,
            ..
        } => {
            let masks = convert::mask_patterns(mask.as_ref(), heads_off.as_ref())?;
            let attending = masks.of_encoder();
            convert::masks(match positions {
                None => fill_mask(bert, text, *top_k, attending)?,
                Some(positions) => fill_positions(bert, text, positions, *top_k, attending)?,
            })
            .into()
        }
        Request::NextSentence { a, b, .. } => {
            convert::next_sentence(next_sentence(bert, a, b)?).into()
        }
        Request::Classify { .. } => classify(bert, request, context).await?,
        Request::Label { text, head, .. } => {
            convert::spans(label(bert, text, head.as_deref())?).into()
        }
        Request::Answer {
            question,
            context: passage,
            top_k,
            ..
        } => {
            let work = AnswerQuestion::new(bert, question, passage, *top_k)?;
            convert::answers(finish(work, context).await?).into()
        }
        Request::Embed { texts, .. } => {
            let work = Embed::new(bert, texts.clone())?;
            convert::embeddings(finish(work, context).await?)
        }
        Request::HiddenStates { text, pair, .. } => {
            convert::hidden_states(hidden_states(bert, text, pair.as_deref())?)
        }
        Request::Logits { text, .. } => convert::logits(bert_logits(bert, text)?),
        Request::Attention {
            text,
            pair,
            mask,
            heads_off,
            ..
        } => {
            let masks = convert::mask_patterns(mask.as_ref(), heads_off.as_ref())?;
            let maps = bert_attention(bert, text, pair.as_deref(), masks.of_encoder())?;
            let mut arrays = Vec::new();
            let reply = Reply::Attention {
                encoder: convert::attention(maps.encoder, "encoder", &mut arrays),
                decoder: None,
                cross: None,
                truncation: maps.truncation.map(convert::truncation),
            };
            Answer { reply, arrays }
        }
        Request::Generate { .. } => {
            return Err(Failure::new(
                ErrorCode::Unsupported,
                "A BERT reads; it does not write.",
                "Load a BART to generate text.",
            ));
        }
        Request::Load { .. } | Request::Dispose { .. } | Request::Cancel { .. } => {
            return Err(not_for_a_model());
        }
    })
}

async fn answer_bart(bart: &Bart, request: &Request, context: &Context) -> Result<Answer, Failure> {
    Ok(match request {
        Request::Tokenize { text, pair, .. } => {
            let most = bart.config.max_position_embeddings;
            convert::tokens(bart.tokenizer.encode(text, pair.as_deref(), most)?).into()
        }
        Request::Classify { .. } => classify(bart, request, context).await?,
        Request::Generate {
            text,
            options,
            heads_off,
            ..
        } => {
            let options = convert::generate_options(options);
            let masks = convert::mask_patterns(None, heads_off.as_ref())?;
            let mut generation = generate(bart, text, &options, &masks)?;
            while let Some(step) = generation.step()? {
                context.show(convert::step(step));
                context.step().await?;
            }
            let generation = convert::generation(generation.finish()?);
            Reply::Generated { generation }.into()
        }
        Request::Logits {
            text, target, task, ..
        } => {
            let options = GenerateOptions {
                task: task.clone(),
                ..GenerateOptions::default()
            };
            convert::logits(bart_logits(bart, text, target.as_deref(), &options)?)
        }
        Request::Attention {
            text,
            target,
            task,
            mask,
            heads_off,
            ..
        } => {
            let options = GenerateOptions {
                task: task.clone(),
                ..GenerateOptions::default()
            };
            let masks = convert::mask_patterns(mask.as_ref(), heads_off.as_ref())?;
            let work = BartAttending::new(bart, text, target.as_deref(), &options, &masks)?;
            let maps = finish(work, context).await?;
            let mut arrays = Vec::new();
            let reply = Reply::Attention {
                encoder: convert::attention(maps.encoder, "encoder", &mut arrays),
                decoder: Some(convert::attention(maps.decoder, "decoder", &mut arrays)),
                cross: Some(convert::attention(maps.cross, "cross", &mut arrays)),
                truncation: maps.truncation.map(convert::truncation),
            };
            Answer { reply, arrays }
        }
        Request::FillMask { .. }
        | Request::NextSentence { .. }
        | Request::Label { .. }
        | Request::Answer { .. }
        | Request::Embed { .. }
        | Request::HiddenStates { .. } => {
            return Err(Failure::new(
                ErrorCode::Unsupported,
                "A BART writes and classifies; this is a task for a BERT.",
                "Load a BERT that has a head for it.",
            ));
        }
        Request::Load { .. } | Request::Dispose { .. } | Request::Cancel { .. } => {
            return Err(not_for_a_model());
        }
    })
}

/// Labels by a head, or the reader's own with the hypothesis they stand in.
async fn classify<M: SequenceClassifier>(
    model: &M,
    request: &Request,
    context: &Context,
) -> Result<Answer, Failure> {
    let Request::Classify {
        text,
        pair,
        head,
        labels,
        hypothesis,
        ..
    } = request
    else {
        return Err(not_for_a_model());
    };
    let (pair, head) = (pair.as_deref(), head.as_deref());
    let classified = match (labels, pair) {
        (None, _) => classify::classify(model, text, pair, head)?,
        (Some(labels), None) => {
            let work = ZeroShot::new(model, text, labels, head, hypothesis.as_deref())?;
            finish(work, context).await?
        }
        (Some(_), Some(_)) => {
            return Err(Failure::new(
                ErrorCode::Input,
                "A pair and labels of your own exclude each other: labels take the second text's place.",
                "Leave out one of them.",
            ));
        }
    };
    Ok(convert::labels(classified).into())
}

/// Does all the work, looking up between its steps.
async fn finish<W: Steps>(mut work: W, context: &Context) -> Result<W::Output, Failure> {
    loop {
        if let Some(output) = work.step()? {
            return Ok(output);
        }
        context.step().await?;
    }
}

fn not_for_a_model() -> Failure {
    Failure::new(
        ErrorCode::Engine,
        "A request went to a model that is not for one.",
        "Try again; if it happens again, reload the page and report it.",
    )
}

/// The model that a request is for; none has the handle 0.
pub fn handle(request: &Request) -> u32 {
    match request {
        Request::Tokenize { model, .. }
        | Request::FillMask { model, .. }
        | Request::NextSentence { model, .. }
        | Request::Classify { model, .. }
        | Request::Label { model, .. }
        | Request::Answer { model, .. }
        | Request::Embed { model, .. }
        | Request::HiddenStates { model, .. }
        | Request::Logits { model, .. }
        | Request::Generate { model, .. }
        | Request::Attention { model, .. }
        | Request::Dispose { model } => *model,
        Request::Load { .. } | Request::Cancel { .. } => 0,
    }
}
