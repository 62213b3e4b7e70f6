//! Who looked at whom: masks, scores and weights of every layer and head, ready to be drawn.

use candle_core::Tensor;

use super::generate::target_tokens;
use super::{Steps, require_text};
use crate::bart::{Bart, MaskPatterns};
use crate::bert::Bert;
use crate::generation::{GenerateOptions, Generation, Settings};
use crate::{
    Attending, AttentionKind, Capture, Encoding, Error, KvCache, Result, Token, Truncation,
};

/// One kind of attention in every layer and head.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionMaps {
    /// Row labels.
    pub query_tokens: Vec<Token>,
    /// Column labels.
    pub key_tokens: Vec<Token>,
    /// Number of layers.
    pub layers: usize,
    /// Heads per layer.
    pub heads: usize,
    /// `[queries, keys]`, 1 = may attend.
    pub mask: Vec<u8>,
    /// `[layers, heads, queries, keys]`, scaled products before the mask; zero where none was computed.
    pub scores: Vec<f32>,
    /// `[layers, heads, queries, keys]`, after mask and softmax.
    pub weights: Vec<f32>,
}

impl AttentionMaps {
    /// Puts together the rows of one kind that successive forward passes computed: of each [`Capture`] those of
    /// one batch row. A decoder's later rows have more keys than its earlier ones, which end in forbidden zeros.
    ///
    /// # Errors
    /// `Engine` where the records don't fit the tokens.
    pub(crate) fn assemble(
        kind: AttentionKind,
        captures: &[(&Capture, usize)],
        query_tokens: Vec<Token>,
        key_tokens: Vec<Token>,
    ) -> Result<Self> {
        let (queries, keys) = (query_tokens.len(), key_tokens.len());
        let mut maps = Self {
            query_tokens,
            key_tokens,
            layers: 0,
            heads: 0,
            mask: vec![0; queries * keys],
            scores: Vec::new(),
            weights: Vec::new(),
        };
        let mut first_query = 0;
        for &(capture, row) in captures {
            let mut rows = 0;
            for record in capture.of(kind) {
                let (_, heads, new, width) = record.weights.dims4()?;
                if first_query + new > queries || width > keys {
                    return Err(Error::engine(
                        "The recorded attention has more rows than tokens.",
                    ));
                }
                rows = new;
                maps.heads = heads;
                maps.layers = maps.layers.max(record.layer + 1);
                let plane = heads * queries * keys;
                maps.scores.resize(maps.layers * plane, 0.);
                maps.weights.resize(maps.layers * plane, 0.);
                let at = |head: usize, query: usize| {
                    ((record.layer * heads + head) * queries + first_query + query) * keys
                };
                copy_rows(&record.scores, row, &mut maps.scores, at)?;
                copy_rows(&record.weights, row, &mut maps.weights, at)?;
                for (query, cells) in record.mask.allowed().chunks(width.max(1)).enumerate() {
                    let at = (first_query + query) * keys;
                    maps.mask[at..at + width].copy_from_slice(cells);
                }
            }
            first_query += rows;
        }
        Ok(maps)
    }
}

/// Row `row` of `[batch, heads, queries, keys]`, each query's keys to where `at(head, query)` says.
fn copy_rows(
    from: &Tensor,
    row: usize,
    to: &mut [f32],
    at: impl Fn(usize, usize) -> usize,
) -> Result<()> {
    for (head, queries) in from.get(row)?.to_vec3::<f32>()?.iter().enumerate() {
        for (query, keys) in queries.iter().enumerate() {
            let at = at(head, query);
            to[at..at + keys.len()].copy_from_slice(keys);
        }
    }
    Ok(())
}

/// BERT's attention for one input.
#[derive(Clone, Debug)]
pub struct BertAttention {
    /// Every token to every token.
    pub encoder: AttentionMaps,
    /// Set where the text was longer than the model reads.
    pub truncation: Option<Truncation>,
}

/// All attentions of a BERT that reads `text`, and `pair` behind it. A head that is off is recorded as it would look
/// if it were on; the layers behind it see what it leaves out.
///
/// # Errors
/// `Input` for an empty text, a custom mask of the wrong size and heads that the model lacks.
pub fn bert_attention<'a>(
    bert: &Bert,
    text: &str,
    pair: Option<&str>,
    attending: impl Into<Attending<'a>>,
) -> Result<BertAttention> {
    require_text(text, "The text")?;
    let encoding = bert.encode(text, pair)?;
    let mut capture = Capture::default();
    bert.forward(&encoding, attending, Some(&mut capture))?;
    let Encoding {
        tokens, truncation, ..
    } = encoding;
    Ok(BertAttention {
        encoder: AttentionMaps::assemble(
            AttentionKind::Encoder,
            &[(&capture, 0)],
            tokens.clone(),
            tokens,
        )?,
        truncation,
    })
}

/// BART's three attentions for one source and what was made of it.
#[derive(Clone, Debug)]
pub struct BartAttention {
    /// Source to source.
    pub encoder: AttentionMaps,
    /// What the decoder read, to itself. Row `i` is where the decoder chose the token of row `i + 1`.
    pub decoder: AttentionMaps,
    /// What the decoder read, to the source.
    pub cross: AttentionMaps,
    /// Set where the source, or else the target, was longer than the model reads.
    pub truncation: Option<Truncation>,
}

/// Attends with a BART that reads a text and says a target, or without one what it generates, one token a step.
pub struct BartAttending<'m> {
    bart: &'m Bart,
    source: Encoding,
    encoder: Capture,
    saying: Saying<'m>,
}

/// How the decoder comes to its words.
enum Saying<'m> {
    /// They are given: one pass over all of them.
    Target {
        read: Vec<u32>,
        cache: KvCache,
        masks: Box<MaskPatterns>,
    },
    /// It chooses them.
    Generated(Box<Generation<'m>>),
}

impl<'m> BartAttending<'m> {
    /// Reads `text`, and gets ready to say `target`.
    ///
    /// # Errors
    /// As [`super::generate::generate`], and `Input` for a custom mask that is too small.
    pub fn new(
        bart: &'m Bart,
        text: &str,
        target: Option<&str>,
        options: &GenerateOptions,
        masks: &MaskPatterns,
    ) -> Result<Self> {
        let task = bart.task(options.task.as_deref())?;
        let settings = bart.settings(task, options)?;
        let mut source = bart.source_encoding(text, task)?;
        let mut encoder = Capture::default();
        let saying = match target {
            None => Saying::Generated(Box::new(bart.begin(
                &source,
                settings,
                masks,
                Some(&mut encoder),
            )?)),
            Some(target) => {
                let encoded = bart.encode(&source.ids, masks.of_encoder(), Some(&mut encoder))?;
                let (read, cut) = bart.decoder_input(target, &settings)?;
                source.truncation = source.truncation.or(cut);
                Saying::Target {
                    read,
                    cache: bart.cache(&encoded)?,
                    masks: Box::new(masks.clone()),
                }
            }
        };
        Ok(Self {
            bart,
            source,
            encoder,
            saying,
        })
    }
}

impl Steps for BartAttending<'_> {
    type Output = BartAttention;

    fn step(&mut self) -> Result<Option<BartAttention>> {
        match &mut self.saying {
            Saying::Target { read, cache, masks } => {
                let (mut capture, read) = (Capture::default(), std::mem::take(read));
                self.bart
                    .decode(&read, 1, cache, masks, Some(&mut capture))?;
                let recorded = [(&capture, 0)];
                BartAttention::new(self.bart, &self.source, &self.encoder, &read, &recorded)
                    .map(Some)
            }
            Saying::Generated(generation) => {
                if generation.step()?.is_some() {
                    return Ok(None);
                }
                let (read, recorded) = (generation.read(), generation.recorded());
                BartAttention::new(self.bart, &self.source, &self.encoder, read, &recorded)
                    .map(Some)
            }
        }
    }
}

impl BartAttention {
    /// Puts together what the encoder recorded for `source`, and the decoder, perhaps in several passes, for `read`.
    fn new(
        bart: &Bart,
        source: &Encoding,
        encoder: &Capture,
        read: &[u32],
        decoder: &[(&Capture, usize)],
    ) -> Result<Self> {
        let keys = || source.tokens.clone();
        let queries = target_tokens(bart, read)?;
        let assemble = AttentionMaps::assemble;
        Ok(Self {
            encoder: assemble(AttentionKind::Encoder, &[(encoder, 0)], keys(), keys())?,
            decoder: assemble(
                AttentionKind::Decoder,
                decoder,
                queries.clone(),
                queries.clone(),
            )?,
            cross: assemble(AttentionKind::Cross, decoder, queries, keys())?,
            truncation: source.truncation,
        })
    }
}

impl Bart {
    /// What the decoder reads in order to say `target`: the start token, what comes first (the tokenizer's own
    /// opening token, or the forced one in its place), and the text, without the tokens that would close it.
    pub(super) fn decoder_input(
        &self,
        target: &str,
        settings: &Settings,
    ) -> Result<(Vec<u32>, Option<Truncation>)> {
        let tokenizer = self.target_tokenizer();
        // One position less: the start token comes in front.
        let most = self.config.max_position_embeddings - 1;
        let Encoding {
            ids,
            tokens,
            truncation,
            ..
        } = tokenizer.encode(target, None, most)?;
        let text = |token: &Token| !token.special;
        let from = tokens.iter().position(text).unwrap_or(tokens.len());
        let to = tokens.iter().rposition(text).map_or(from, |last| last + 1);
        let opening = ids[..from].first().copied().filter(|&id| !self.is_eos(id));
        let mut read = vec![settings.start];
        read.extend(settings.forced_bos.or(opening));
        read.extend(&ids[from..to]);
        // A tokenizer without an opening token leaves no place for a forced one.
        read.truncate(self.config.max_position_embeddings);
        Ok((read, truncation))
    }
}
