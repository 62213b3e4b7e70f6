//! What has been fetched of a file that is too large to fetch: a synchronous reader finds its bytes here, or leaves
//! word of what is missing.

use std::cell::RefCell;
use std::io;
use std::ops::Range;

use unmask_pack::ReadAt;

/// A miss is answered with at least so much, since whoever reads a header reads on.
const WINDOW: u64 = 256 << 10;

/// Headers come to a few megabytes: what wants more of them is no checkpoint.
const MOST_BYTES: usize = 96 << 20;

/// Reads of so few bytes are kept for good: an entry's own header is read again with each of its pieces.
const SMALL: usize = 64;

/// Pieces of one file.
#[derive(Debug)]
pub struct Windows {
    bytes: u64,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    windows: Vec<(u64, Vec<u8>)>,
    /// Small reads out of what passes by.
    pinned: Vec<(u64, Vec<u8>)>,
    /// What passes by: its place and its bytes.
    passing: (u64, Vec<u8>),
    missed: Option<Range<u64>>,
}

impl Windows {
    /// Nothing yet of a file of so many bytes.
    pub fn new(bytes: u64) -> Self {
        Self {
            bytes,
            state: RefCell::default(),
        }
    }

    /// Takes the word that was left, if there is one.
    pub fn take_missed(&self) -> Option<Range<u64>> {
        self.state.borrow_mut().missed.take()
    }

    /// What to fetch for a miss: at least a window, and not beyond the file.
    pub fn around(&self, missed: &Range<u64>) -> Range<u64> {
        missed.start..missed.end.max(missed.start + WINDOW).min(self.bytes)
    }

    /// Adds what was fetched.
    ///
    /// # Errors
    /// False where the file wants more of its headers than any checkpoint has.
    #[must_use]
    pub fn add(&self, at: u64, bytes: Vec<u8>) -> bool {
        let state = &mut self.state.borrow_mut();
        state.windows.push((at, bytes));
        state
            .windows
            .iter()
            .map(|(_, bytes)| bytes.len())
            .sum::<usize>()
            <= MOST_BYTES
    }

    /// Drops everything but the small reads.
    pub fn clear(&self) {
        let state = &mut self.state.borrow_mut();
        state.windows = Vec::new();
        state.passing = (0, Vec::new());
    }

    /// Drops what was fetched apart from what passes by.
    pub fn forget_windows(&self) {
        self.state.borrow_mut().windows = Vec::new();
    }

    /// Where the bytes that pass by, as far as they are held, begin.
    pub fn passing_from(&self) -> u64 {
        self.state.borrow().passing.0
    }

    /// Where the bytes that pass by end.
    pub fn passed(&self) -> u64 {
        let (at, bytes) = &self.state.borrow().passing;
        at + bytes.len() as u64
    }

    /// Bytes pass by from here on.
    pub fn pass_from(&self, at: u64) {
        self.state.borrow_mut().passing = (at, Vec::new());
    }

    /// The next bytes pass by; those before `needed` go.
    pub fn pass(&self, bytes: &[u8], needed: u64) {
        let (at, passing) = &mut self.state.borrow_mut().passing;
        let gone = needed.saturating_sub(*at).min(passing.len() as u64);
        passing.drain(..gone as usize);
        *at += gone;
        let skipped = match passing.is_empty() {
            true => needed.saturating_sub(*at).min(bytes.len() as u64),
            false => 0,
        };
        *at += skipped;
        passing.extend_from_slice(&bytes[skipped as usize..]);
    }
}

impl ReadAt for Windows {
    fn len(&self) -> u64 {
        self.bytes
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset
            .checked_add(buffer.len() as u64)
            .filter(|&end| end <= self.bytes)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let state = &mut *self.state.borrow_mut();
        let has = |(at, bytes): &(u64, Vec<u8>)| {
            let begin = usize::try_from(offset.checked_sub(*at)?).ok()?;
            Some(begin..begin.checked_add(buffer.len())?).filter(|range| range.end <= bytes.len())
        };
        if let Some(range) = has(&state.passing) {
            buffer.copy_from_slice(&state.passing.1[range]);
            if buffer.len() <= SMALL {
                state.pinned.push((offset, buffer.to_vec()));
            }
            return Ok(());
        }
        // What was added last was asked for last.
        for window in state.windows.iter().chain(&state.pinned).rev() {
            if let Some(range) = has(window) {
                buffer.copy_from_slice(&window.1[range]);
                return Ok(());
            }
        }
        state.missed = Some(offset..end);
        Err(io::ErrorKind::WouldBlock.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(windows: &Windows, range: Range<u64>) -> Option<Vec<u8>> {
        let mut buffer = vec![0xaa; (range.end - range.start) as usize];
        windows
            .read_at(range.start, &mut buffer)
            .ok()
            .map(|()| buffer)
    }

    #[test]
    fn a_miss_leaves_word_and_what_is_added_is_found() {
        let windows = Windows::new(1_000_000);
        assert_eq!(read(&windows, 10..20), None);
        let missed = windows.take_missed().unwrap();
        assert_eq!(missed, 10..20);
        assert_eq!(windows.around(&missed), 10..10 + WINDOW);
        assert_eq!(windows.around(&(999_990..999_995)), 999_990..1_000_000);
        assert!(windows.add(10, (0..100).collect()));
        assert_eq!(read(&windows, 12..15), Some(vec![2, 3, 4]));
        assert_eq!(windows.take_missed(), None);
        assert_eq!(read(&windows, 105..115), None, "half of it is not enough");
        windows.clear();
        assert_eq!(read(&windows, 12..15), None);
    }

    #[test]
    fn nothing_is_read_behind_the_end() {
        let windows = Windows::new(10);
        for range in [5..11, 11..12, u64::MAX - 1..u64::MAX] {
            assert_eq!(read(&windows, range), None);
            assert_eq!(windows.take_missed(), None, "there is nothing to fetch");
        }
    }

    #[test]
    fn what_passes_by_is_held_as_far_as_it_is_needed() {
        let windows = Windows::new(1_000);
        windows.pass_from(100);
        windows.pass(&[1; 50], 120);
        assert_eq!(windows.passed(), 150);
        assert_eq!(read(&windows, 119..121), None);
        assert_eq!(read(&windows, 120..150), Some(vec![1; 30]));
        windows.pass(&[2; 50], 140);
        assert_eq!(read(&windows, 149..151), Some(vec![1, 2]));
        // Everything there goes, and of the next bytes the first.
        windows.pass(&[3; 50], 210);
        assert_eq!(windows.passed(), 250);
        assert_eq!(read(&windows, 209..211), None);
        assert_eq!(read(&windows, 210..250), Some(vec![3; 40]));
        assert!(windows.state.borrow().passing.1.len() == 40);
    }

    #[test]
    fn small_reads_stay_when_their_bytes_have_passed() {
        let windows = Windows::new(10_000);
        windows.pass_from(0);
        windows.pass(&[7; 1_000], 0);
        assert!(read(&windows, 10..40).is_some());
        assert!(read(&windows, 100..600).is_some());
        windows.pass(&[8; 1_000], 1_500);
        assert_eq!(read(&windows, 10..40), Some(vec![7; 30]));
        assert_eq!(read(&windows, 100..600), None);
    }

    #[test]
    fn a_file_that_wants_to_be_fetched_whole_is_refused() {
        let windows = Windows::new(1 << 40);
        assert!(windows.add(0, vec![0; MOST_BYTES]));
        assert!(!windows.add(1 << 30, vec![0; 1]));
    }
}
