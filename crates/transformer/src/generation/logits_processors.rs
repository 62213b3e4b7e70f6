//! What is done to a hypothesis's scores before the next token is chosen from them, in transformers' order.

use super::config::Settings;

/// Changes `scores`, one for each token of the vocabulary (logits, or log-probabilities in a beam search), for a
/// hypothesis that so far is `ids`, its start token included.
pub(super) fn process(settings: &Settings, ids: &[u32], scores: &mut [f32]) {
    discourage_repetition(settings.repetition_penalty, ids, scores);
    forbid_repeated_ngrams(settings.no_repeat_ngram_size, ids, scores);
    if ids.len() < settings.min_length {
        forbid(&settings.eos, scores);
    }
    if let (1, Some(bos)) = (ids.len(), settings.forced_bos) {
        force(&[bos], scores);
    }
    if ids.len() + 1 == settings.max_length && !settings.forced_eos.is_empty() {
        force(&settings.forced_eos, scores);
    }
}

/// Keeps the `k` highest scores, and those equal to the last of them.
pub(super) fn keep_top_k(k: usize, scores: &mut [f32]) {
    if k == 0 || k >= scores.len() {
        return;
    }
    let mut sorted = scores.to_vec();
    let (_, &mut least, _) = sorted.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
    for score in scores.iter_mut().filter(|score| **score < least) {
        *score = f32::NEG_INFINITY;
    }
}

/// Divides positive scores of used tokens by the penalty and multiplies negative ones (CTRL, Keskar et al. 2019).
fn discourage_repetition(penalty: f32, ids: &[u32], scores: &mut [f32]) {
    if penalty == 1. {
        return;
    }
    let mut used = ids.to_vec();
    used.sort_unstable();
    used.dedup();
    for id in used {
        let score = &mut scores[id as usize];
        *score = if *score < 0. {
            *score * penalty
        } else {
            *score / penalty
        };
    }
}

/// Forbids each token that would complete an n-gram which `ids` already has.
fn forbid_repeated_ngrams(size: usize, ids: &[u32], scores: &mut [f32]) {
    if size == 0 || ids.len() < size {
        return;
    }
    let newest = &ids[ids.len() + 1 - size..];
    for ngram in ids.windows(size) {
        let (&last, before) = ngram
            .split_last()
            .expect("an n-gram of size 0 was ruled out above");
        if before == newest {
            scores[last as usize] = f32::NEG_INFINITY;
        }
    }
}

fn forbid(ids: &[u32], scores: &mut [f32]) {
    for &id in ids {
        scores[id as usize] = f32::NEG_INFINITY;
    }
}

fn force(ids: &[u32], scores: &mut [f32]) {
    scores.fill(f32::NEG_INFINITY);
    for &id in ids {
        scores[id as usize] = 0.;
    }
}
