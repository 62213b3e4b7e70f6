//! How far a load has come and how long it will take, told often enough to paint and no oftener.

/// What a load is busy with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Bytes come from the network.
    Download,
    /// Bytes come from the copy that the browser keeps.
    Cache,
    /// Bytes come from a file that the reader chose.
    File,
    /// What was written is read again, to be sure.
    Verify,
    /// Nothing moves: another tab has the file, or a server wants to be left alone for a while.
    Waiting,
}

/// Bytes so far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// What is happening.
    pub phase: Phase,
    /// Bytes done.
    pub loaded: u64,
    /// Bytes in all, where known.
    pub total: Option<u64>,
    /// Seconds until all are done at the pace of the last ones, or until a server may be asked again.
    pub seconds_left: Option<u32>,
}

/// The pace of what arrives, as a mean in which later bytes weigh more.
#[derive(Debug)]
struct Pace {
    /// When and where it was last looked at: milliseconds, bytes.
    last: (f64, u64),
    /// Bytes in a millisecond; zero before there is something to judge by.
    rate: f64,
}

/// The pace is looked at no oftener than this: shorter times say more of buffers than of a connection.
const LOOK_MS: f64 = 500.0;

/// What a look weighs against everything before it.
const WEIGHT: f64 = 0.25;

impl Pace {
    fn new(now: f64, loaded: u64) -> Self {
        Self {
            last: (now, loaded),
            rate: 0.0,
        }
    }

    /// Seconds left to `total`; `None` while the pace is unknown.
    fn seconds_left(&mut self, now: f64, loaded: u64, total: u64) -> Option<u32> {
        let (then, before) = self.last;
        if now - then >= LOOK_MS {
            let rate = loaded.saturating_sub(before) as f64 / (now - then);
            self.rate += (rate - self.rate) * if self.rate == 0.0 { 1.0 } else { WEIGHT };
            self.last = (now, loaded);
        }
        let left = total.saturating_sub(loaded) as f64;
        // A cast of what is too long saturates.
        (self.rate > 0.0).then(|| (left / self.rate / 1_000.0).ceil() as u32)
    }
}

/// Tells about every hundredth of a file, or every 256 KiB of one whose length is unknown, and its end.
pub struct Meter<'a> {
    report: &'a dyn Fn(Progress),
    clock: fn() -> f64,
    pace: Pace,
    now: Progress,
    told: Option<u64>,
}

impl<'a> Meter<'a> {
    /// A meter of `total` bytes, if that is known.
    pub fn new(phase: Phase, total: Option<u64>, report: &'a dyn Fn(Progress)) -> Self {
        Self::with_clock(phase, total, report, js_sys::Date::now)
    }

    fn with_clock(
        phase: Phase,
        total: Option<u64>,
        report: &'a dyn Fn(Progress),
        clock: fn() -> f64,
    ) -> Self {
        let now = Progress {
            phase,
            loaded: 0,
            total,
            seconds_left: None,
        };
        Self {
            report,
            clock,
            pace: Pace::new(clock(), 0),
            now,
            told: None,
        }
    }

    /// `bytes` more have arrived.
    pub fn add(&mut self, bytes: u64) {
        self.now.loaded += bytes;
        let step = self.now.total.map_or(1 << 18, |total| total / 100);
        if self.told.is_none_or(|told| self.now.loaded >= told + step) {
            self.tell();
        }
    }

    /// The bytes have arrived up to here.
    pub fn reach(&mut self, loaded: u64) {
        if loaded > self.now.loaded {
            self.add(loaded - self.now.loaded);
        }
    }

    /// So many bytes are there already, and say nothing about the pace.
    pub fn begin_at(&mut self, loaded: u64) {
        self.now.loaded = loaded;
        self.pace = Pace::new((self.clock)(), loaded);
        self.tell();
    }

    /// All bytes have arrived.
    pub fn finish(&mut self) {
        if self.told != Some(self.now.loaded) {
            self.tell();
        }
    }

    /// Nothing moves for so many seconds, where that is known.
    pub fn waiting(&self, seconds: Option<u32>) {
        (self.report)(Progress {
            phase: Phase::Waiting,
            seconds_left: seconds,
            ..self.now
        });
    }

    /// Bytes done.
    pub fn loaded(&self) -> u64 {
        self.now.loaded
    }

    /// The length has become known.
    pub(crate) fn expect(&mut self, total: Option<u64>) {
        self.now.total = self.now.total.or(total);
    }

    fn tell(&mut self) {
        self.told = Some(self.now.loaded);
        self.now.seconds_left = self.now.total.and_then(|total| {
            self.pace
                .seconds_left((self.clock)(), self.now.loaded, total)
        });
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
        let mut meter = Meter::with_clock(Phase::Download, total, &report, || 0.0);
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

    #[test]
    fn the_time_left_follows_the_pace_and_not_what_was_there_before() {
        let mut pace = Pace::new(0.0, 5_000);
        assert_eq!(pace.seconds_left(100.0, 5_100, 15_000), None, "too early");
        assert_eq!(pace.seconds_left(1_000.0, 6_000, 15_000), Some(9));
        assert_eq!(pace.seconds_left(1_100.0, 6_001, 15_000), Some(9));
        // Ten times as fast for a second: the mean moves a quarter of the way.
        assert_eq!(pace.seconds_left(2_000.0, 16_000, 26_000), Some(4));
        assert_eq!(pace.seconds_left(3_000.0, 26_000, 26_000), Some(0));
    }
}
