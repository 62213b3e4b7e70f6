//! Steps back and forth: what was, and what was taken back.

/// Steps that are kept.
const MOST: usize = 200;

/// The past of a value and, once something was taken back, its future.
#[derive(Clone, Debug)]
pub struct History<T> {
    past: Vec<T>,
    future: Vec<T>,
}

impl<T> Default for History<T> {
    fn default() -> Self {
        Self {
            past: Vec::new(),
            future: Vec::new(),
        }
    }
}

impl<T> History<T> {
    /// Keeps `before`, as the value is about to change. What had been taken back is gone.
    pub fn keep(&mut self, before: T) {
        self.future.clear();
        if self.past.len() == MOST {
            self.past.remove(0);
        }
        self.past.push(before);
    }

    /// The value before the last change, in exchange for the one that is now.
    pub fn undo(&mut self, now: T) -> Option<T> {
        let before = self.past.pop()?;
        self.future.push(now);
        Some(before)
    }

    /// The value that was taken back last, in exchange for the one that is now.
    pub fn redo(&mut self, now: T) -> Option<T> {
        let after = self.future.pop()?;
        self.past.push(now);
        Some(after)
    }

    /// Whether there is anything to take back.
    pub fn can_undo(&self) -> bool {
        !self.past.is_empty()
    }

    /// Whether anything was taken back.
    pub fn can_redo(&self) -> bool {
        !self.future.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_taken_back_and_made_again() {
        let mut history = History::default();
        history.keep(1);
        history.keep(2);
        assert_eq!(history.undo(3), Some(2));
        assert_eq!(history.undo(2), Some(1));
        assert_eq!(history.undo(1), None);
        assert_eq!(history.redo(1), Some(2));
        assert!(history.can_undo() && history.can_redo());
        assert_eq!(history.redo(2), Some(3));
        assert_eq!(history.redo(3), None);
    }

    #[test]
    fn a_new_change_ends_what_was_taken_back() {
        let mut history = History::default();
        history.keep('a');
        history.undo('b');
        history.keep('a');
        assert!(!history.can_redo());
        assert_eq!(history.undo('c'), Some('a'));
    }

    #[test]
    fn the_oldest_steps_are_forgotten() {
        let mut history = History::default();
        (0..MOST + 5).for_each(|step| history.keep(step));
        let mut now = MOST + 5;
        let mut steps = 0;
        while let Some(before) = history.undo(now) {
            (now, steps) = (before, steps + 1);
        }
        assert_eq!((now, steps), (5, MOST));
    }
}
