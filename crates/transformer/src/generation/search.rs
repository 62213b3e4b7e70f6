//! What a search keeps: hypotheses, and the choice of the next token for one of them.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use candle_transformers::generation::{LogitsProcessor, Sampling as Distribution};

use super::config::{Sampling, Settings};
use super::logits_processors::{keep_top_k, process};
use super::scores::top_k;
use crate::Result;

/// What the model said about the next token of one hypothesis.
pub(super) struct Row {
    /// As they come, `[vocab]`.
    pub logits: Vec<f32>,
    /// Log-softmax of them.
    pub log_probs: Vec<f32>,
    /// Ids of the most probable tokens with their log-probabilities, best first.
    pub top: Arc<[(usize, f32)]>,
}

/// A sequence that is being written.
#[derive(Clone, Debug)]
pub(super) struct Hypothesis {
    /// With the start token.
    pub ids: Vec<u32>,
    /// Of each generated token, given everything before it.
    pub probabilities: Vec<f32>,
    /// In which row of the batch each generated token was computed.
    pub rows: Vec<usize>,
    /// What stood on top of the row that each generated token was chosen from.
    pub alternatives: Vec<Arc<[(usize, f32)]>>,
    /// Sum of the generated tokens' scores; normalized by length once it has finished a beam search.
    pub score: f32,
}

impl Hypothesis {
    pub fn new(start: u32) -> Self {
        Self {
            ids: vec![start],
            probabilities: Vec::new(),
            rows: Vec::new(),
            alternatives: Vec::new(),
            score: 0.,
        }
    }

    /// What was generated.
    pub fn generated(&self) -> &[u32] {
        &self.ids[1..]
    }

    /// Itself with one more token, chosen from `rows[row]`.
    pub fn with(&self, id: u32, row: usize, rows: &[Row], score: f32) -> Self {
        let mut next = self.clone();
        next.ids.push(id);
        next.probabilities
            .push(rows[row].log_probs[id as usize].exp());
        next.rows.push(row);
        next.alternatives.push(rows[row].top.clone());
        next.score = score;
        next
    }
}

/// Whether a sequence of `length` tokens that ends in `id` is finished.
pub(super) fn is_finished(settings: &Settings, id: u32, length: usize) -> bool {
    settings.eos.contains(&id) || length >= settings.max_length
}

/// A way through the tree of sequences.
pub(super) trait Search {
    /// Live hypotheses, best first.
    fn running(&self) -> &[Hypothesis];
    /// Extends each live hypothesis by what its row says; a single row stands for all of them. Gives the place
    /// of the hypothesis that each live one grew from.
    fn advance(&mut self, settings: &Settings, rows: &[Row]) -> Result<Vec<usize>>;
    /// Whether nothing better can come.
    fn is_done(&self) -> bool;
    /// The best so far, finished ones first.
    fn best(&self) -> &Hypothesis;
}

/// Greedy search, or sampling: one hypothesis.
pub(super) struct SingleSearch {
    hypothesis: Hypothesis,
    sampler: Option<(Sampling, LogitsProcessor)>,
    done: bool,
}

impl SingleSearch {
    pub fn new(settings: &Settings) -> Self {
        let sampler = |sampling: &Sampling| {
            let temperature = sampling.temperature;
            let distribution = match sampling.top_p {
                p if p < 1. => Distribution::TopP { p, temperature },
                _ => Distribution::All { temperature },
            };
            let processor = LogitsProcessor::from_sampling(sampling.seed, distribution);
            (sampling.clone(), processor)
        };
        Self {
            hypothesis: Hypothesis::new(settings.start),
            sampler: settings.sampling.as_ref().map(sampler),
            done: false,
        }
    }
}

impl Search for SingleSearch {
    fn running(&self) -> &[Hypothesis] {
        std::slice::from_ref(&self.hypothesis)
    }

    fn advance(&mut self, settings: &Settings, rows: &[Row]) -> Result<Vec<usize>> {
        let mut scores = rows[0].logits.clone();
        process(settings, &self.hypothesis.ids, &mut scores);
        let id = match &mut self.sampler {
            Some((sampling, sampler)) => {
                keep_top_k(sampling.top_k, &mut scores);
                sampler.sample(&Tensor::new(scores, &Device::Cpu)?)?
            }
            None => top_k(scores, 1).first().map_or(0, |&(id, _)| id as u32),
        };
        let score = self.hypothesis.score + rows[0].log_probs[id as usize];
        self.hypothesis = self.hypothesis.with(id, 0, rows, score);
        self.done = is_finished(settings, id, self.hypothesis.ids.len());
        Ok(vec![0])
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn best(&self) -> &Hypothesis {
        &self.hypothesis
    }
}
