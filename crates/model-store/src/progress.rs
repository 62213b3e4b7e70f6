//! How far a load has come, told often enough to paint and no oftener.

/// Where the bytes come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// The network.
    Download,
    /// The copy that the browser keeps.
    Cache,
    /// A file that the reader chose.
    File,
}

/// Bytes so far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// Where the bytes come from.
    pub phase: Phase,
    /// Bytes done.
    pub loaded: u64,
    /// Bytes in all, where known.
    pub total: Option<u64>,
}

/// Tells about every hundredth of a file, or every 256 KiB of one whose length is unknown, and its end.
pub(crate) struct Meter<'a> {
    report: &'a dyn Fn(Progress),
    now: Progress,
    told: Option<u64>,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(phase: Phase, total: Option<u64>, report: &'a dyn Fn(Progress)) -> Self {
        let now = Progress {
            phase,
            loaded: 0,
            total,
        };
        Self {
            report,
            now,
            told: None,
        }
    }

    /// `bytes` more have arrived.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.now.loaded += bytes;
        let step = self.now.total.map_or(1 << 18, |total| total / 100);
        if self.told.is_none_or(|told| self.now.loaded >= told + step) {
            self.tell();
        }
    }

    /// All bytes have arrived.
    pub(crate) fn finish(&mut self) {
        if self.told != Some(self.now.loaded) {
            self.tell();
        }
    }

    pub(crate) fn loaded(&self) -> u64 {
        self.now.loaded
    }

    fn tell(&mut self) {
        self.told = Some(self.now.loaded);
        (self.report)(self.now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn told(total: Option<u64>, chunks: impl Iterator<Item = u64>) -> Vec<u64> {
        let seen = RefCell::new(Vec::new());
        let report = |progress: Progress| seen.borrow_mut().push(progress.loaded);
        let mut meter = Meter::new(Phase::Download, total, &report);
        chunks.for_each(|bytes| meter.add(bytes));
        meter.finish();
        seen.into_inner()
    }

    #[test]
    fn a_long_file_is_told_in_hundredths_and_its_end_once() {
        let seen = told(Some(100_000), std::iter::repeat_n(10, 10_000));
        assert_eq!(seen.len(), 101);
        assert_eq!(seen.last(), Some(&100_000));
        assert!(seen.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_file_of_unknown_length_is_told_from_time_to_time() {
        assert_eq!(
            told(None, std::iter::repeat_n(1 << 16, 9)),
            [1 << 16, 5 << 16, 9 << 16]
        );
    }
}
