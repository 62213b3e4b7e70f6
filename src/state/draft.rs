//! What BART has written so far, of a search that may change its mind.

use unmask_protocol::{Beam, ErrorBody, GenerateOptions, GeneratedToken, Step, Truncation};

/// How far a generation is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Stage {
    /// Nothing to write.
    #[default]
    Idle,
    /// Tokens are coming.
    Running,
    /// The model came to its end.
    Finished,
    /// The reader stopped it.
    Stopped,
    /// It failed.
    Failed,
}

/// What is being written.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// What it is written from.
    pub source: String,
    /// How.
    pub controls: GenerateOptions,
    /// The live beams of every step so far, where there is more than one.
    beams: Vec<Vec<Beam>>,
    /// What leads: the best live beam's while the search goes on, at last the winner's.
    pub leading: Written,
    /// How far it is.
    pub stage: Stage,
    /// Why it failed.
    pub error: Option<ErrorBody>,
}

impl Draft {
    /// Nothing yet, of what is to be written from `source`.
    pub fn begin(source: String, controls: GenerateOptions) -> Self {
        Self {
            source,
            controls,
            stage: Stage::Running,
            ..Self::default()
        }
    }

    /// What these steps wrote.
    pub fn of(steps: Vec<Step>) -> Self {
        let mut draft = Self::default();
        for step in steps {
            draft.push(step);
        }
        draft
    }

    /// Everything written so far.
    pub fn text(&self) -> &str {
        &self.leading.text
    }

    /// The live beams of every step so far; none of a search with one.
    pub fn beams(&self) -> &[Vec<Beam>] {
        &self.beams
    }

    /// One more step of the search.
    pub fn push(&mut self, step: Step) {
        self.leading.text = step.text;
        match step.beams {
            None => self.leading.tokens.push(GeneratedToken {
                id: step.id,
                text: step.token,
                probability: step.probability,
                alternatives: step.alternatives,
            }),
            Some(beams) => {
                self.beams.push(beams);
                self.leading.tokens = best_beam(&self.beams);
            }
        }
    }

    /// The search is over. The winner needn't be the beam that led last: it may have ended long before.
    pub fn finish(&mut self, written: Written) {
        self.leading = written;
        self.stage = Stage::Finished;
    }
}

/// The tokens of the beam that leads at the last step, found by going back from beam to parent. Another one may have
/// led at any earlier step.
fn best_beam(steps: &[Vec<Beam>]) -> Vec<GeneratedToken> {
    let mut place = 0;
    let mut tokens = Vec::with_capacity(steps.len());
    for (at, beams) in steps.iter().enumerate().rev() {
        let Some(beam) = beams.get(place) else {
            // A parent that never was: what came before it is unknown.
            break;
        };
        place = beam.parent;
        let before = at.checked_sub(1).and_then(|at| steps[at].get(place));
        tokens.push(GeneratedToken {
            id: beam.id,
            text: beam.token.clone(),
            probability: (beam.score - before.map_or(0.0, |beam| beam.score)).exp(),
            // A step lists what stood beside the beam that led then, which needn't be this one.
            alternatives: Vec::new(),
        });
    }
    tokens.reverse();
    tokens
}

/// A text, and the tokens that it is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    /// As a reader would write it.
    pub text: String,
    /// With their probabilities.
    pub tokens: Vec<GeneratedToken>,
    /// Set where the source was longer than the model reads.
    pub truncation: Option<Truncation>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(beams: &[(usize, &str, f32)]) -> Step {
        let beams: Vec<Beam> = beams
            .iter()
            .map(|&(parent, token, score)| Beam {
                parent,
                id: 0,
                token: token.into(),
                text: String::new(),
                score,
            })
            .collect();
        Step {
            id: 0,
            token: beams.first().map_or("greedy", |beam| &beam.token).into(),
            text: "so far".into(),
            probability: 0.5,
            alternatives: Vec::new(),
            beams: (!beams.is_empty()).then_some(beams),
        }
    }

    fn spelling(draft: &Draft) -> Vec<&str> {
        let tokens = draft.leading.tokens.iter();
        tokens.map(|token| token.text.as_str()).collect()
    }

    #[test]
    fn the_leading_beams_own_tokens_are_shown_though_another_led_before() {
        let mut draft = Draft::default();
        draft.push(step(&[(0, "a", -0.5), (0, "b", -1.0)]));
        draft.push(step(&[(0, "c", -1.5), (1, "d", -2.0)]));
        assert_eq!(spelling(&draft), ["a", "c"]);
        draft.push(step(&[(1, "e", -2.25), (0, "f", -4.0)]));
        assert_eq!(spelling(&draft), ["b", "d", "e"]);
        let probability = draft.leading.tokens[2].probability;
        assert!((probability - (-0.25f32).exp()).abs() < 1e-6);
        assert_eq!(draft.text(), "so far");
    }

    #[test]
    fn without_beams_every_step_is_a_token() {
        let mut draft = Draft::default();
        draft.push(step(&[]));
        draft.push(step(&[]));
        assert_eq!(spelling(&draft), ["greedy", "greedy"]);
        assert_eq!(draft.leading.tokens[1].probability, 0.5);
    }

    #[test]
    fn the_winner_replaces_what_led_last() {
        let mut draft = Draft::default();
        draft.push(step(&[(0, "a", -0.5), (0, "b", -1.0)]));
        let winner = Written {
            text: "b".into(),
            ..Written::default()
        };
        draft.finish(winner.clone());
        assert_eq!((draft.leading, draft.stage), (winner, Stage::Finished));
    }

    #[test]
    fn a_parent_that_never_was_is_no_panic() {
        let mut draft = Draft::default();
        draft.push(step(&[(0, "a", -0.5), (0, "b", -1.0)]));
        draft.push(step(&[(9, "c", -1.5), (1, "d", -2.0)]));
        assert_eq!(spelling(&draft), ["c"]);
    }
}
