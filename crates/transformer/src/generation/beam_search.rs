//! Beam search as transformers 5 does it: among all continuations of all beams the best few live on, and the
//! best finished ones, their scores divided by a power of their length, are kept beside them.

use super::config::{EarlyStopping, Settings};
use super::logits_processors::process;
use super::scores::top_k;
use super::search::{Hypothesis, Row, Search, is_finished};
use crate::Result;

/// The score of what is out of the race: a copy of another beam, or a beam that has ended.
const OUT: f32 = -1e9;

pub(super) struct BeamSearch {
    running: Vec<Hypothesis>,
    /// Best first. As many as beams once all of them have been filled.
    finished: Vec<Hypothesis>,
    done: bool,
}

impl BeamSearch {
    pub fn new(settings: &Settings) -> Self {
        let first = Hypothesis::new(settings.start);
        // All beams start as the same sequence: only the first may grow, or they would stay the same.
        let copy = Hypothesis {
            score: OUT,
            ..first.clone()
        };
        let mut running = vec![copy; settings.num_beams];
        running[0] = first;
        Self {
            running,
            finished: Vec::new(),
            done: false,
        }
    }

    /// Whether a live beam may still score higher than the worst of the finished ones.
    fn may_improve(&self, settings: &Settings) -> bool {
        let worst = match self.finished.last() {
            Some(worst) if self.finished.len() == settings.num_beams => worst.score,
            _ => OUT,
        };
        let best = &self.running[0];
        let longest =
            settings.early_stopping == EarlyStopping::Never && settings.length_penalty > 0.;
        let length = if longest {
            settings.max_length - 1
        } else {
            best.generated().len()
        };
        best.score / length_factor(settings, length) > worst
    }
}

impl Search for BeamSearch {
    fn running(&self) -> &[Hypothesis] {
        &self.running
    }

    fn advance(&mut self, settings: &Settings, rows: &[Row]) -> Result<Vec<usize>> {
        let beams = settings.num_beams;
        let row_of = |beam: usize| beam.min(rows.len() - 1);
        let continued = self
            .running
            .iter()
            .enumerate()
            .flat_map(|(beam, hypothesis)| {
                let mut scores = rows[row_of(beam)].log_probs.clone();
                process(settings, &hypothesis.ids, &mut scores);
                scores
                    .into_iter()
                    .map(move |score| hypothesis.score + score)
            });
        // Enough that as many as there are beams live on even if the best of them all end.
        let width = beams * (settings.eos.len() + 1).max(2);
        let vocab = rows[0].log_probs.len();
        let length = self.running[0].ids.len() + 1;
        let candidates: Vec<_> = top_k(continued, width)
            .into_iter()
            .map(|(place, score)| {
                let (beam, id) = (place / vocab, (place % vocab) as u32);
                (beam, id, score, is_finished(settings, id, length))
            })
            .collect();
        let grow = |&(beam, id, score, _): &(usize, u32, f32, bool)| {
            self.running[beam].with(id, row_of(beam), rows, score)
        };

        // Candidates behind the first `beams` are only there to live on.
        let ended = candidates
            .iter()
            .take(beams)
            .filter(|candidate| candidate.3);
        let divisor = length_factor(settings, length - 1);
        for mut hypothesis in ended.map(grow) {
            hypothesis.score /= divisor;
            if hypothesis.score > OUT {
                let better = |other: &Hypothesis| other.score >= hypothesis.score;
                self.finished
                    .insert(self.finished.partition_point(better), hypothesis);
            }
        }
        self.finished.truncate(beams);

        let alive = candidates
            .iter()
            .map(|&(_, _, score, ended)| if ended { score + OUT } else { score });
        let next = top_k(alive, beams);
        let parents = next.iter().map(|&(place, _)| candidates[place].0).collect();
        self.running = next
            .iter()
            .map(|&(place, score)| Hypothesis {
                score,
                ..grow(&candidates[place])
            })
            .collect();

        let full = self.finished.len() == beams && settings.early_stopping == EarlyStopping::Yes;
        let nothing_lives = candidates.iter().all(|candidate| candidate.3);
        self.done = full || nothing_lives || !self.may_improve(settings);
        Ok(parents)
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn best(&self) -> &Hypothesis {
        self.finished.first().unwrap_or(&self.running[0])
    }
}

fn length_factor(settings: &Settings, length: usize) -> f32 {
    (length as f64).powf(settings.length_penalty.into()) as f32
}

/// Whether a live beam is in the race, and no copy of another.
pub(super) fn is_live(hypothesis: &Hypothesis) -> bool {
    hypothesis.score > OUT / 2.
}
