//! One file from the network, read through cuts: what has arrived is never asked for again where a server allows.

use web_sys::AbortSignal;

use crate::fetch::{self, Ask, Failed};
use crate::retry::Retry;
use crate::stream::Chunks;
use crate::timer;
use crate::{Error, ErrorKind};

/// A file at an address, or a part of one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Segment {
    /// Where it is, absolute.
    pub url: String,
    /// Its length, where known.
    pub bytes: Option<u64>,
}

/// What came of waiting for bytes.
#[derive(Debug, Eq, PartialEq)]
pub enum Next {
    /// The next bytes are in the buffer.
    Chunk,
    /// The file has changed on the server, or is sent from its beginning by one that does not say whether it is the
    /// same: everything so far is void, and the first byte comes next.
    Restart,
    /// The file ends here.
    End,
}

/// A reading of one file, which may be in several segments, from some byte on.
pub struct Download<'a> {
    segments: Vec<Segment>,
    /// The segments as they were given, before answers told of lengths.
    given: Vec<Segment>,
    signal: &'a AbortSignal,
    /// Which segment, and the byte in it, that comes next.
    index: usize,
    at: u64,
    etag: Option<String>,
    open: Option<Open>,
    retry: Retry,
    /// Whether the very first request is tried again as well.
    stubborn: bool,
}

struct Open {
    chunks: Chunks,
    /// Bytes that are there already and come again.
    skip: u64,
}

impl<'a> Download<'a> {
    /// Begins at the byte `from` of all segments together. `etag` is what the server called the version that is
    /// there already. A `stubborn` download tries again even before a server has said that it has the file.
    pub fn new(
        segments: Vec<Segment>,
        from: u64,
        etag: Option<String>,
        stubborn: bool,
        signal: &'a AbortSignal,
    ) -> Self {
        let (mut index, mut at) = (0, from);
        while let Some(Segment {
            bytes: Some(bytes), ..
        }) = segments.get(index)
            && at >= *bytes
            && index + 1 < segments.len()
        {
            at -= bytes;
            index += 1;
        }
        Self {
            given: segments.clone(),
            segments,
            signal,
            index,
            at,
            etag,
            open: None,
            retry: Retry::default(),
            stubborn: stubborn || from > 0,
        }
    }

    /// What the server calls this version of the file.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// The whole length, where it is known.
    pub fn length(&self) -> Option<u64> {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Waits for the next bytes and puts them into `bytes`. `on_wait` is told where nothing moves, with the seconds
    /// where a server asks for them.
    ///
    /// # Errors
    /// `Network` where it was tried often enough, `Integrity` where a server contradicts itself, `Aborted` on request.
    pub async fn next(
        &mut self,
        bytes: &mut Vec<u8>,
        on_wait: &dyn Fn(Option<u32>),
    ) -> Result<Next, Error> {
        loop {
            let known = self.segments[self.index].bytes;
            let Some(open) = &mut self.open else {
                if known == Some(self.at) {
                    match self.index + 1 < self.segments.len() {
                        true => self.next_segment(),
                        false => return Ok(Next::End),
                    }
                    continue;
                }
                match self.connect().await {
                    Ok(anew) => {
                        // The file is there. A body that breaks before its first chunk is worth another try, too.
                        self.stubborn = true;
                        if anew {
                            return Ok(Next::Restart);
                        }
                    }
                    Err(failed) => self.wait_or_fail(failed, on_wait).await?,
                }
                continue;
            };
            match open.chunks.next(bytes, self.signal).await {
                Ok(Some(_)) => {
                    let skipped = open.skip.min(bytes.len() as u64);
                    open.skip -= skipped;
                    bytes.drain(..skipped as usize);
                    if bytes.is_empty() {
                        continue;
                    }
                    self.at += bytes.len() as u64;
                    if known.is_some_and(|known| self.at > known) {
                        return Err(self.wrong("is longer than it should be"));
                    }
                    self.retry.progressed();
                    return Ok(Next::Chunk);
                }
                Ok(None) => {
                    self.open = None;
                    // A body that ends early was cut; without a length the end is wherever the server stops.
                    match known {
                        Some(known) if self.at < known => {
                            let error = self.cut();
                            self.wait_or_fail(error, on_wait).await?;
                        }
                        Some(_) => {}
                        None => self.segments[self.index].bytes = Some(self.at),
                    }
                }
                Err(error) if error.kind == ErrorKind::Network => {
                    self.open = None;
                    let failed = Failed {
                        may_pass: true,
                        ..error.into()
                    };
                    self.wait_or_fail(failed, on_wait).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn next_segment(&mut self) {
        self.index += 1;
        self.at = 0;
        self.etag = None;
    }

    /// Asks for what is missing of the segment; true where everything so far is void.
    async fn connect(&mut self) -> Result<bool, Failed> {
        let Segment { url, bytes } = &self.segments[self.index];
        let ask = Ask {
            from: self.at,
            if_range: self.etag.as_deref(),
            no_store: true,
            ..Ask::default()
        };
        let answer = match fetch::ask(url, &ask, self.signal).await {
            // There is nothing behind the last byte, so the file has become shorter, or its length was unknown.
            Err(failed) if failed.status == Some(416) && self.at > 0 => {
                self.restart();
                return Ok(true);
            }
            answer => answer?,
        };
        let other = |known: &Option<String>| {
            known.is_some() && answer.etag.is_some() && *known != answer.etag
        };
        let same_tag = self.etag.is_some() && self.etag == answer.etag;
        let other_length = bytes.is_some() && answer.length.is_some() && *bytes != answer.length;
        if other_length && !(self.at > 0 && other(&self.etag)) {
            return Err(self.wrong("has another length than it should have").into());
        }
        let again = self.at > 0 && (other(&self.etag) || (answer.begin == 0 && !same_tag))
            || answer.begin > self.at;
        if again {
            // The answer that has begun is of use where it is the whole file.
            let useful = answer.begin == 0 && self.index == 0;
            self.restart();
            if useful {
                self.etag = answer.etag;
                self.segments[0].bytes = self.segments[0].bytes.or(answer.length);
                self.open = Some(Open {
                    chunks: answer.chunks,
                    skip: 0,
                });
            }
            return Ok(true);
        }
        self.open = Some(Open {
            skip: self.at - answer.begin,
            chunks: answer.chunks,
        });
        self.etag = answer.etag.or(self.etag.take());
        let segment = &mut self.segments[self.index];
        segment.bytes = segment.bytes.or(answer.length);
        Ok(false)
    }

    fn restart(&mut self) {
        self.segments.clone_from(&self.given);
        self.index = 0;
        self.at = 0;
        self.etag = None;
        self.open = None;
    }

    async fn wait_or_fail(
        &mut self,
        failed: Failed,
        on_wait: &dyn Fn(Option<u32>),
    ) -> Result<(), Error> {
        let polite = failed.retry_after.is_some();
        if !failed.may_pass || !(self.stubborn || polite) {
            return Err(failed.error);
        }
        let Some(wait) = self.retry.wait(failed.retry_after) else {
            return Err(match failed.status {
                Some(429) => Error::new(
                    ErrorKind::Network,
                    format!(
                        "{} The server has been asked too often.",
                        failed.error.message
                    ),
                    "Try again in some minutes: it goes on from where it stopped.",
                ),
                _ => Error::new(
                    ErrorKind::Network,
                    failed.error.message,
                    "Check the connection and try again: what has come is kept, and the rest follows.",
                ),
            });
        };
        on_wait(failed.retry_after.map(|_| wait / 1_000));
        timer::sleep(wait, self.signal).await
    }

    fn cut(&self) -> Failed {
        Failed {
            may_pass: true,
            ..Error::new(
                ErrorKind::Network,
                format!(
                    "The file at {} came in short.",
                    self.segments[self.index].url
                ),
                "Check the connection and try again.",
            )
            .into()
        }
    }

    fn wrong(&self, how: &str) -> Error {
        Error::new(
            ErrorKind::Integrity,
            format!("The file at {} {how}.", self.segments[self.index].url),
            "Try again; if it happens again, the server's copy is damaged or out of step.",
        )
    }
}
