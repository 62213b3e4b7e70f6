//! Extractive question answering: the stretch of a passage that answers a question, or a refusal.

use super::{Steps, probabilities, require_text};
use crate::bert::Bert;
use crate::tokenization::utf16_slice;
use crate::{Encoding, HeadKind, HeadSpec, Result};

/// Tokens in one window, for heads that say nothing else.
const WINDOW: usize = 384;
/// Tokens that two neighbouring windows share, at most.
const STRIDE: usize = 128;
/// Longest answer in tokens.
const MAX_ANSWER: usize = 30;
/// Spans that one window offers, and that share the probability in the end.
const CANDIDATES: usize = 20;

/// One answer; an empty text says that the passage holds none.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The stretch of the passage, in whole words.
    pub text: String,
    /// First UTF-16 unit in the passage.
    pub start: usize,
    /// One past the last UTF-16 unit.
    pub end: usize,
    /// Softmax over the candidate spans and the refusal.
    pub probability: f32,
}

/// Reads a passage for the answer to a question, one window a step.
pub struct AnswerQuestion<'m> {
    bert: &'m Bert,
    head: &'m HeadSpec,
    context: String,
    top_k: usize,
    windows: std::vec::IntoIter<Encoding>,
    candidates: Vec<Candidate>,
    /// The refusal's score in the window that is least sure of it.
    null_score: f32,
}

/// A span of the passage in UTF-16 units, and the sum of its start and end logits.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Candidate {
    start: usize,
    end: usize,
    score: f32,
}

impl<'m> AnswerQuestion<'m> {
    /// Ready to find `top_k` answers (1 if nobody says) that don't overlap. The refusal counts as one of them.
    ///
    /// # Errors
    /// `Input` for an empty question or passage or a question that is too long, `Unsupported` for a model without a
    /// question-answering head.
    pub fn new(
        bert: &'m Bert,
        question: &str,
        context: &str,
        top_k: Option<usize>,
    ) -> Result<Self> {
        let head = bert.head(HeadKind::QuestionAnswering, None)?;
        require_text(question, "The question")?;
        require_text(context, "The passage")?;
        let window = head
            .max_length
            .unwrap_or(WINDOW)
            .min(bert.config.max_position_embeddings);
        let stride = STRIDE.min(window / 4);
        let windows = bert
            .tokenizer
            .encode_windows(question, context, window, stride)?;
        Ok(Self {
            bert,
            head,
            context: context.to_owned(),
            top_k: top_k.unwrap_or(1),
            windows: windows.into_iter(),
            candidates: Vec::new(),
            null_score: f32::INFINITY,
        })
    }

    fn read(&mut self, window: &Encoding) -> Result<()> {
        let logits = self.bert.token_logits(window, self.head)?;
        // Heads learn to point at the first token where a window holds no answer.
        self.null_score = self.null_score.min(logits[0][0] + logits[0][1]);
        self.candidates.extend(spans(window, &logits));
        keep_best(&mut self.candidates);
        Ok(())
    }

    fn answers(&self) -> Vec<Answer> {
        // The refusal wins where it beats the best span by more than the threshold.
        let null = self.null_score - self.head.null_threshold;
        let scores: Vec<f32> = self
            .candidates
            .iter()
            .map(|span| span.score)
            .chain([null])
            .collect();
        let probabilities = probabilities(&scores);
        let refusal = Answer {
            text: String::new(),
            start: 0,
            end: 0,
            probability: probabilities[self.candidates.len()],
        };
        let mut answers: Vec<Answer> = Vec::new();
        for (span, &probability) in self.candidates.iter().zip(&probabilities) {
            if answers
                .iter()
                .all(|better| span.end <= better.start || better.end <= span.start)
            {
                answers.push(Answer {
                    text: utf16_slice(&self.context, span.start..span.end).to_owned(),
                    start: span.start,
                    end: span.end,
                    probability,
                });
            }
        }
        let rank = answers.partition_point(|answer| answer.probability >= refusal.probability);
        answers.insert(rank, refusal);
        answers.truncate(self.top_k);
        answers
    }
}

impl Steps for AnswerQuestion<'_> {
    /// Best first.
    type Output = Vec<Answer>;

    fn step(&mut self) -> Result<Option<Vec<Answer>>> {
        if let Some(window) = self.windows.next() {
            self.read(&window)?;
        }
        let done = self.windows.len() == 0;
        Ok(done.then(|| self.answers()))
    }
}

/// The best spans of one window: from any token of the passage to a later one, widened to whole words.
fn spans(window: &Encoding, logits: &[Vec<f32>]) -> Vec<Candidate> {
    let in_passage = |i: usize| window.tokens[i].segment == 1 && !window.tokens[i].special;
    let passage: Vec<usize> = (0..window.tokens.len())
        .filter(|&i| in_passage(i))
        .collect();
    let mut best: Vec<(usize, usize, f32)> = Vec::new();
    for (i, &start) in passage.iter().enumerate() {
        for &end in passage[i..].iter().take(MAX_ANSWER) {
            best.push((start, end, logits[start][0] + logits[end][1]));
        }
    }
    // Several spans may widen to the same words: more are kept here than leave.
    let kept = 4 * CANDIDATES;
    if best.len() > kept {
        best.select_nth_unstable_by(kept, |a, b| b.2.total_cmp(&a.2));
        best.truncate(kept);
    }
    let same_word =
        |a: usize, b: usize| window.words[a].is_some() && window.words[a] == window.words[b];
    let mut candidates = best
        .into_iter()
        .map(|(mut start, mut end, score)| {
            while start > 0 && in_passage(start - 1) && same_word(start - 1, start) {
                start -= 1;
            }
            while end + 1 < window.tokens.len() && in_passage(end + 1) && same_word(end, end + 1) {
                end += 1;
            }
            Candidate {
                start: window.tokens[start].start,
                end: window.tokens[end].end,
                score,
            }
        })
        .collect();
    keep_best(&mut candidates);
    candidates
}

/// Sorts by score, keeps of equal spans the best (windows overlap), and of all as many as count.
fn keep_best(candidates: &mut Vec<Candidate>) {
    candidates.sort_by_key(|span| (span.start, span.end));
    candidates.dedup_by(|later, first| {
        let same = (later.start, later.end) == (first.start, first.end);
        if same {
            first.score = first.score.max(later.score);
        }
        same
    });
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    candidates.truncate(CANDIDATES);
}
