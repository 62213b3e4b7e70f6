//! Writing one token after another: greedy search, beam search and sampling, with what transformers' `generate`
//! does to scores and lengths, token for token.
//!
//! A [`Generation`] gives way after each token: its owner may show it, go on, or drop it.

mod beam_search;
mod config;
mod logits_processors;
mod scores;
mod search;

use beam_search::{BeamSearch, is_live};
pub(crate) use config::Settings;
pub use config::{EarlyStopping, GenerateOptions, GenerationConfig, TokenIds};
use scores::top_k;
use search::{Hypothesis, Row, Search, SingleSearch};

use crate::bart::{Bart, MaskPatterns, last_position};
use crate::compute::kernels;
use crate::tasks::fill_mask::Candidate;
use crate::{Capture, Error, KvCache, Result, Truncation};

/// One generated token.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Vocabulary id.
    pub id: u32,
    /// As the vocabulary spells it.
    pub token: String,
    /// Everything generated so far (of the best live beam), as a reader would write it.
    pub text: String,
    /// The model's probability of this token, given everything before it.
    pub probability: f32,
    /// The tokens that the model found most probable here, before penalties and bans.
    pub alternatives: Vec<Candidate>,
    /// All live beams, best first, in a beam search.
    pub beams: Option<Vec<Beam>>,
}

/// One live hypothesis of a beam search.
#[derive(Clone, Debug, PartialEq)]
pub struct Beam {
    /// Place, in the previous step's list, of the beam that this one grew from.
    pub parent: usize,
    /// Its newest token.
    pub id: u32,
    /// As the vocabulary spells it.
    pub token: String,
    /// Its text so far.
    pub text: String,
    /// Sum of its tokens' log-probabilities.
    pub score: f32,
}

/// A finished generation.
#[derive(Clone, Debug)]
pub struct GenerationOutput {
    /// As a reader would write it.
    pub text: String,
    /// The generated tokens, the closing one included.
    pub tokens: Vec<GeneratedToken>,
    /// Length-normalised score of the winning hypothesis of a beam search, else the sum of log-probabilities.
    pub score: f32,
    /// Why it ended.
    pub finish: Finish,
    /// Set where the source was longer than the model reads.
    pub truncation: Option<Truncation>,
}

/// One token of a finished generation.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratedToken {
    /// Vocabulary id.
    pub id: u32,
    /// As the vocabulary spells it.
    pub text: String,
    /// The model's probability, given everything before it.
    pub probability: f32,
    /// The tokens that the model found most probable in its place, before penalties and bans.
    pub alternatives: Vec<Candidate>,
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Finish {
    /// The model ended it.
    Stop,
    /// The limit was reached.
    Length,
}

/// What an encoder has read, with which masks to go on, and how to write.
pub(crate) struct Source {
    pub cache: KvCache,
    pub masks: MaskPatterns,
    pub settings: Settings,
    pub truncation: Option<Truncation>,
    /// Whether to record the decoder's attentions.
    pub capture: bool,
}

/// A text on its way. Drop it to cancel.
pub struct Generation<'m> {
    bart: &'m Bart,
    source: Source,
    search: Box<dyn Search>,
    captures: Vec<Capture>,
}

impl<'m> Generation<'m> {
    pub(crate) fn new(bart: &'m Bart, source: Source) -> Self {
        let search: Box<dyn Search> = match source.settings.num_beams {
            1 => Box::new(SingleSearch::new(&source.settings)),
            _ => Box::new(BeamSearch::new(&source.settings)),
        };
        Self {
            bart,
            source,
            search,
            captures: Vec::new(),
        }
    }

    /// Writes the next token; none where the text is complete.
    ///
    /// # Errors
    /// `Engine` where the model computes nonsense, `Input` for a custom mask that is too small for the output.
    pub fn step(&mut self) -> Result<Option<Step>> {
        if self.search.is_done() {
            return Ok(None);
        }
        let rows = self.next_rows()?;
        let parents = self.search.advance(&self.source.settings, &rows)?;
        if !self.search.is_done() {
            // At first one row stands for all beams.
            let from: Vec<u32> = parents
                .iter()
                .map(|&beam| beam.min(rows.len() - 1) as u32)
                .collect();
            self.source.cache.reorder(&from)?;
        }
        self.describe(&rows, &parents).map(Some)
    }

    /// Runs to the end and gives the whole output.
    ///
    /// # Errors
    /// As [`Generation::step`].
    pub fn finish(mut self) -> Result<GenerationOutput> {
        while self.step()?.is_some() {}
        self.output()
    }

    /// What the decoder has read on the way to the best hypothesis: the start token and all but the last one after.
    pub(crate) fn read(&self) -> &[u32] {
        let ids = &self.search.best().ids;
        &ids[..ids.len() - 1] // it begins with the start token
    }

    /// The recorded attentions of those tokens, each with the row of the batch that was the best hypothesis's.
    pub(crate) fn recorded(&self) -> Vec<(&Capture, usize)> {
        let rows = self.search.best().rows.iter().copied();
        self.captures.iter().zip(rows).collect()
    }

    fn output(&self) -> Result<GenerationOutput> {
        let settings = &self.source.settings;
        let best = self.search.best();
        let forced = best.ids.len() >= settings.max_length && !settings.forced_eos.is_empty();
        let ended = best.ids.last().is_some_and(|id| settings.eos.contains(id));
        let tokens = best.generated().iter().zip(&best.probabilities);
        let tokens = tokens.zip(&best.alternatives);
        Ok(GenerationOutput {
            text: self
                .bart
                .target_tokenizer()
                .decode(best.generated(), true)?,
            tokens: tokens
                .map(|((&id, &probability), alternatives)| {
                    Ok(GeneratedToken {
                        id,
                        text: self.spelling(id),
                        probability,
                        alternatives: self.candidates(alternatives)?,
                    })
                })
                .collect::<Result<_>>()?,
            score: best.score,
            finish: match ended && !forced {
                true => Finish::Stop,
                false => Finish::Length,
            },
            truncation: self.source.truncation,
        })
    }

    /// The model's word on each live hypothesis. Before the first token they are all the same: one row.
    fn next_rows(&mut self) -> Result<Vec<Row>> {
        let running = self.search.running();
        let batch = if self.source.cache.positions() == 0 {
            1
        } else {
            running.len()
        };
        let newest = running
            .iter()
            .take(batch)
            .flat_map(|hypothesis| hypothesis.ids.last());
        let newest: Vec<u32> = newest.copied().collect();
        let mut capture = self.source.capture.then(Capture::default);
        let hidden_states = self.bart.decode(
            &newest,
            batch,
            &mut self.source.cache,
            &self.source.masks,
            capture.as_mut(),
        )?;
        self.captures.extend(capture);
        let logits = self.bart.logits(&last_position(&hidden_states)?)?;
        let rows = logits.to_vec2::<f32>()?;
        rows.into_iter()
            .map(|logits| {
                if logits.iter().any(|logit| !logit.is_finite()) {
                    return Err(Error::integrity(
                        "The model computes values that are no numbers.",
                    ));
                }
                let mut log_probs = logits.clone();
                kernels().log_softmax(&mut log_probs);
                let top = top_k(log_probs.iter().copied(), self.source.settings.alternatives);
                Ok(Row {
                    logits,
                    log_probs,
                    top: top.into(),
                })
            })
            .collect()
    }

    fn describe(&self, rows: &[Row], parents: &[usize]) -> Result<Step> {
        let running = self.search.running();
        let live = running
            .iter()
            .zip(parents)
            .filter(|(hypothesis, _)| is_live(hypothesis));
        let shown = running
            .first()
            .filter(|first| is_live(first))
            .unwrap_or(self.search.best());
        let (&id, &row) = shown
            .ids
            .last()
            .zip(shown.rows.last())
            .ok_or_else(|| Error::engine("A step has generated no token."))?;
        // Where nothing lives on, the winner may have ended some steps ago.
        let is_new = shown.ids.len() == self.source.cache.positions() + 1;
        let row = is_new.then(|| rows.get(row)).flatten();
        let alternatives = row.map_or(&[][..], |row| &row.top);
        let beam = |(hypothesis, &parent): (&Hypothesis, &usize)| {
            let id = hypothesis.ids.last().copied().unwrap_or_default();
            Ok(Beam {
                parent,
                id,
                token: self.spelling(id),
                text: self.text_so_far(hypothesis)?,
                score: hypothesis.score,
            })
        };
        Ok(Step {
            id,
            token: self.spelling(id),
            text: self.text_so_far(shown)?,
            probability: shown.probabilities.last().copied().unwrap_or_default(),
            alternatives: self.candidates(alternatives)?,
            beams: match self.source.settings.num_beams {
                1 => None,
                _ => Some(live.map(beam).collect::<Result<_>>()?),
            },
        })
    }

    fn candidates(&self, log_probs: &[(usize, f32)]) -> Result<Vec<Candidate>> {
        let candidate = |&(id, log_prob): &(usize, f32)| {
            let id = id as u32;
            Ok(Candidate {
                id,
                token: self.spelling(id),
                text: self.bart.target_tokenizer().text_of(id)?,
                probability: log_prob.exp(),
            })
        };
        log_probs.iter().map(candidate).collect()
    }

    fn spelling(&self, id: u32) -> String {
        self.bart
            .target_tokenizer()
            .id_to_token(id)
            .unwrap_or_default()
    }

    /// A byte-level token may end within a character: what isn't whole yet isn't shown.
    fn text_so_far(&self, hypothesis: &Hypothesis) -> Result<String> {
        let mut text = self
            .bart
            .target_tokenizer()
            .decode(hypothesis.generated(), true)?;
        text.truncate(text.trim_end_matches(char::REPLACEMENT_CHARACTER).len());
        Ok(text)
    }
}
