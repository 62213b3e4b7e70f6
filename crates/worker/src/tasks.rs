//! Each request, answered by the transformer.

use unmask_protocol::{ErrorCode, Reply, Request};
use unmask_transformer::bart::Bart;
use unmask_transformer::bert::Bert;
use unmask_transformer::generation::GenerateOptions;
use unmask_transformer::tasks::{attention, fill_mask, generate};

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

async fn answer_bert(
    bert: &Bert,
    request: &Request,
    _context: &Context,
) -> Result<Answer, Failure> {
    let reply = match request {
        Request::Tokenize { text, pair, .. } => {
            convert::tokens(bert.encode(text, pair.as_deref())?)
        }
        Request::FillMask {
            text, top_k, mask, ..
        } => {
            let mask = convert::mask_patterns(mask.as_ref())?.encoder;
            let filled = fill_mask::fill_mask(bert, text, *top_k, &mask)?;
            Reply::Masks {
                masks: filled.masks.into_iter().map(convert::filled_mask).collect(),
                truncation: filled.truncation.map(convert::truncation),
            }
        }
        _ => {
            return Err(Failure::new(
                ErrorCode::Unsupported,
                "A BERT reads; it does not write.",
                "Load a BART to generate text.",
            ));
        }
    };
    Ok(reply.into())
}

async fn answer_bart(bart: &Bart, request: &Request, context: &Context) -> Result<Answer, Failure> {
    let reply = match request {
        Request::Tokenize { text, pair, .. } => {
            let most = bart.config.max_position_embeddings;
            convert::tokens(bart.tokenizer.encode(text, pair.as_deref(), most)?)
        }
        Request::Generate { text, options, .. } => {
            let options = convert::generate_options(options);
            let masks = convert::mask_patterns(None)?;
            let mut generation = generate::generate(bart, text, &options, &masks)?;
            while let Some(step) = generation.step()? {
                context.show(convert::step(step));
                context.step().await?;
            }
            Reply::Generated {
                generation: convert::generation(generation.finish()?),
            }
        }
        Request::Attention {
            text,
            target,
            task,
            mask,
            ..
        } => {
            let options = GenerateOptions {
                task: task.clone(),
                ..Default::default()
            };
            let masks = convert::mask_patterns(mask.as_ref())?;
            let maps = attention::bart_attention(bart, text, target.as_deref(), &options, &masks)?;
            let mut arrays = Vec::new();
            let reply = Reply::Attention {
                encoder: convert::attention(maps.encoder, "encoder", &mut arrays),
                decoder: Some(convert::attention(maps.decoder, "decoder", &mut arrays)),
                cross: Some(convert::attention(maps.cross, "cross", &mut arrays)),
                truncation: maps.truncation.map(convert::truncation),
            };
            return Ok(Answer { reply, arrays });
        }
        _ => {
            return Err(Failure::new(
                ErrorCode::Unsupported,
                "A BART writes and classifies; this is a task for a BERT.",
                "Load a BERT that has a head for it.",
            ));
        }
    };
    Ok(reply.into())
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
        | Request::Generate { model, .. }
        | Request::Attention { model, .. }
        | Request::Dispose { model } => *model,
        Request::Load { .. } | Request::Cancel { .. } => 0,
    }
}
