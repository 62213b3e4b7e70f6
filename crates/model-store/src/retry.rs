//! How long to wait before a connection is tried again, and when to give up.

/// Growing waits in milliseconds. Together they outlast a change of the network, and no reader's patience.
const WAITS: [u32; 4] = [250, 1_000, 2_000, 4_000];

/// The longest that a server may ask for, in seconds: who wants more is busy for longer than anybody waits.
const LONGEST_ASKED: u32 = 300;

/// Counts the failures since bytes last arrived.
#[derive(Debug, Default)]
pub struct Retry {
    failures: usize,
}

impl Retry {
    /// Bytes have arrived.
    pub fn progressed(&mut self) {
        self.failures = 0;
    }

    /// How many milliseconds to wait after a failure; `None` where it is time to give up. A server may have `asked`
    /// for a number of seconds.
    pub fn wait(&mut self, asked: Option<u32>) -> Option<u32> {
        let wait = *WAITS.get(self.failures)?;
        self.failures += 1;
        match asked {
            Some(seconds) if seconds > LONGEST_ASKED => None,
            Some(seconds) => Some(wait.max(seconds * 1_000)),
            None => Some(wait),
        }
    }
}

/// The seconds of a `Retry-After` header. Its other form, a date, is rare and depends on two clocks: it is not read.
pub(crate) fn retry_after(header: Option<&str>) -> Option<u32> {
    header?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_and_begin_anew_with_progress() {
        let mut retry = Retry::default();
        let waits: Vec<_> = std::iter::from_fn(|| retry.wait(None)).collect();
        assert_eq!(waits, WAITS);
        retry.progressed();
        assert_eq!(retry.wait(None), Some(250));
    }

    #[test]
    fn a_server_is_given_the_time_it_asks_for_within_reason() {
        let mut retry = Retry::default();
        assert_eq!(retry.wait(Some(7)), Some(7_000));
        assert_eq!(retry.wait(Some(0)), Some(1_000));
        assert_eq!(retry.wait(Some(301)), None);
        assert_eq!(retry_after(Some(" 12 ")), Some(12));
        assert_eq!(retry_after(Some("Wed, 21 Oct 2026 07:28:00 GMT")), None);
        assert_eq!(retry_after(Some("-1")), None);
        assert_eq!(retry_after(None), None);
    }
}
