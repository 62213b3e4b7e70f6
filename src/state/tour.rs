//! How far a reader has come with the tour, as the browser keeps it.

/// What became of a step's question.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Guess {
    /// Not asked yet.
    #[default]
    None,
    /// Guessed as it is.
    Right,
    /// Guessed otherwise.
    Wrong,
    /// Looked up without a guess.
    Shown,
}

impl Guess {
    const ALL: [(Self, char); 4] = [
        (Self::None, '-'),
        (Self::Right, 'r'),
        (Self::Wrong, 'w'),
        (Self::Shown, 's'),
    ];
}

/// The step where the reader is or was, and the guesses so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The step, counted from 0.
    pub step: usize,
    /// One a step.
    pub guesses: Vec<Guess>,
}

impl Progress {
    /// Nothing yet, of so many steps.
    pub fn new(steps: usize) -> Self {
        Self {
            step: 0,
            guesses: vec![Guess::None; steps],
        }
    }

    /// What [`Self::write`] wrote. Anything else, such as what an older tour left, is a new beginning.
    pub fn read(kept: &str, steps: usize) -> Self {
        let read = || {
            let (step, letters) = kept.split_once(':')?;
            let step = step.parse().ok().filter(|&step: &usize| step < steps)?;
            let guess = |letter| {
                let found = Guess::ALL.iter().find(|(_, own)| *own == letter);
                found.map(|(guess, _)| *guess)
            };
            let guesses: Vec<Guess> = letters.chars().map(guess).collect::<Option<_>>()?;
            (guesses.len() == steps).then_some(Self { step, guesses })
        };
        read().unwrap_or_else(|| Self::new(steps))
    }

    /// For the browser to keep.
    pub fn write(&self) -> String {
        let letter = |guess: &Guess| Guess::ALL.iter().find(|(one, _)| one == guess);
        let letters = self.guesses.iter().filter_map(letter);
        let letters: String = letters.map(|(_, letter)| *letter).collect();
        format!("{}:{letters}", self.step)
    }

    /// Whether every question has been answered.
    pub fn is_done(&self) -> bool {
        !self.guesses.contains(&Guess::None)
    }

    /// Guesses that were right.
    pub fn right(&self) -> usize {
        let right = self.guesses.iter().filter(|guess| **guess == Guess::Right);
        right.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back() {
        let mut progress = Progress::new(3);
        assert_eq!(progress.write(), "0:---");
        progress.step = 2;
        progress.guesses = vec![Guess::Right, Guess::Wrong, Guess::Shown];
        assert_eq!(progress.write(), "2:rws");
        assert_eq!(Progress::read("2:rws", 3), progress);
        assert!(progress.is_done() && progress.right() == 1);
    }

    #[test]
    fn what_is_not_understood_is_a_new_beginning() {
        for kept in [
            "", "2", "3:rws", "-1:rws", "1:rw", "1:rwsr", "1:rwx", "🎭:rws",
        ] {
            assert_eq!(Progress::read(kept, 3), Progress::new(3), "{kept}");
        }
    }
}
