//! One weight file read once from beginning to end, past windows that hold what the packer needs next, and hashed on
//! the way.

use std::ops::Range;
use std::rc::Rc;

use unmask_model_store::digest::Hasher;
use unmask_model_store::download::{Download, Next, Segment};
use unmask_pack::ReadAt;
use unmask_protocol::ErrorCode;
use web_sys::{AbortSignal, File};

use crate::checkpoint::{Checkpoint, Large, changed, slice};
use crate::failure::Failure;

/// Bytes that are read from the disk at once.
const SLICE: u64 = 4 << 20;

/// The file that is being read.
pub struct Tape<'a> {
    checkpoint: &'a Checkpoint,
    signal: &'a AbortSignal,
    pub large: Rc<Large>,
    stream: Option<Stream<'a>>,
    /// Of all bytes up to some place, where there is a digest to compare with.
    hasher: Option<Hasher>,
    chunk: Vec<u8>,
}

enum Stream<'a> {
    Network {
        download: Box<Download<'a>>,
        /// Bytes that a server sends again.
        again: u64,
    },
    Disk {
        file: File,
        at: u64,
    },
}

impl<'a> Tape<'a> {
    /// A file of which `hasher` has seen the beginning.
    pub fn new(
        checkpoint: &'a Checkpoint,
        large: Rc<Large>,
        hasher: Hasher,
        signal: &'a AbortSignal,
    ) -> Self {
        let hashed = large.sha256.get().is_some();
        Self {
            checkpoint,
            signal,
            large,
            stream: None,
            hasher: hashed.then_some(hasher),
            chunk: Vec::new(),
        }
    }

    /// What has been seen of the file.
    pub fn hasher(&self) -> Hasher {
        self.hasher.clone().unwrap_or_default()
    }

    /// How far it has been read.
    pub fn passed(&self) -> u64 {
        match self.stream {
            Some(_) => self.large.windows.passed(),
            None => self.hasher.as_ref().map_or(0, Hasher::length),
        }
    }

    /// Reads on until the range is there.
    ///
    /// # Errors
    /// `Network`, `Integrity` where the file is another one or too short, `Aborted` on request.
    pub async fn provide(
        &mut self,
        missed: Range<u64>,
        on_wait: &dyn Fn(Option<u32>),
        on_passed: &mut dyn FnMut(u64),
    ) -> Result<(), Failure> {
        if self.stream.is_none() {
            // Nothing may be passed over that is not hashed yet.
            let seen = self.hasher.as_ref().map(Hasher::length);
            self.begin(seen.map_or(missed.start, |seen| seen.min(missed.start)));
        }
        if missed.start < self.large.windows.passing_from() {
            // Rare: two tensors share their values, or one lies before another that was needed first.
            let bytes = self
                .checkpoint
                .read(&self.large, missed.clone(), on_wait, self.signal)
                .await?;
            self.large.windows.forget_windows();
            let _one_piece = self.large.windows.add(missed.start, bytes);
            return Ok(());
        }
        while self.large.windows.passed() < missed.end {
            if !self.advance(missed.start, on_wait).await? {
                return Err(short(&self.large.name));
            }
            on_passed(self.large.windows.passed());
        }
        Ok(())
    }

    /// Reads the rest, and compares the digest where there is one.
    ///
    /// # Errors
    /// As [`Tape::provide`].
    pub async fn finish(
        mut self,
        on_wait: &dyn Fn(Option<u32>),
        on_passed: &mut dyn FnMut(u64),
    ) -> Result<(), Failure> {
        let promised = self.large.sha256.get();
        if let (Some(promised), Some(seen)) = (promised, self.hasher.as_ref().map(Hasher::length)) {
            let end = self.large.windows.len();
            if self.stream.is_none() && seen < end {
                self.begin(seen);
            }
            while self.passed() < end {
                if !self.advance(end, on_wait).await? {
                    return Err(short(&self.large.name));
                }
                on_passed(self.passed());
            }
            if self.hasher().digest() != promised {
                return Err(Failure::new(
                    ErrorCode::Integrity,
                    format!(
                        "The file {} is not the one that the hub promises.",
                        self.large.name
                    ),
                    "Import the model again; if it happens again, the file is damaged there or on the way.",
                ));
            }
        }
        self.large.windows.clear();
        Ok(())
    }

    fn begin(&mut self, at: u64) {
        self.large.windows.pass_from(at);
        let name = &self.large.name;
        self.stream = match self.checkpoint.file(name) {
            Some(file) => Some(Stream::Disk {
                file: file.clone(),
                at,
            }),
            None => {
                let segment = Segment {
                    url: self.checkpoint.url(name).unwrap_or_default(),
                    bytes: Some(self.large.windows.len()),
                };
                let etag = self.large.etag.borrow().clone();
                let download = Download::new(vec![segment], at, etag, true, self.signal);
                Some(Stream::Network {
                    download: Box::new(download),
                    again: 0,
                })
            }
        };
    }

    /// Lets the next bytes pass; false at the file's end.
    async fn advance(
        &mut self,
        needed: u64,
        on_wait: &dyn Fn(Option<u32>),
    ) -> Result<bool, Failure> {
        let Self {
            large,
            chunk,
            hasher,
            ..
        } = self;
        let at = large.windows.passed();
        match self.stream.as_mut() {
            None => return Ok(false),
            Some(Stream::Disk { file, at }) => {
                let end = (*at + SLICE).min(large.windows.len());
                if *at == end {
                    return Ok(false);
                }
                *chunk = slice(file, *at..end, &large.name).await?;
                *at = end;
            }
            Some(Stream::Network { download, again }) => loop {
                let known = large.etag.borrow().clone();
                let next = match download.next(chunk, on_wait).await {
                    Err(error) => {
                        // A length that does not fit is a file that has changed.
                        return Err(match error.kind {
                            unmask_model_store::ErrorKind::Integrity => changed(&large.name),
                            _ => error.into(),
                        });
                    }
                    Ok(next) => next,
                };
                match next {
                    Next::End => return Ok(false),
                    Next::Restart => {
                        if known.is_some() && download.etag() != known.as_deref() {
                            return Err(changed(&large.name));
                        }
                        // The server sends the same file from its beginning: what has passed is passed over.
                        *again = at;
                    }
                    Next::Chunk => {
                        let skipped = (*again).min(chunk.len() as u64);
                        *again -= skipped;
                        chunk.drain(..skipped as usize);
                        if known.is_none() {
                            *large.etag.borrow_mut() = download.etag().map(str::to_owned);
                        }
                        if !chunk.is_empty() {
                            break;
                        }
                    }
                }
            },
        }
        if let Some(hasher) = hasher {
            let seen = hasher.length().saturating_sub(at).min(chunk.len() as u64);
            hasher.update(&chunk[seen as usize..]);
        }
        large.windows.pass(chunk, needed);
        Ok(true)
    }
}

fn short(name: &str) -> Failure {
    Failure::new(
        ErrorCode::Integrity,
        format!("The file {name} ends before its headers say."),
        "Download the checkpoint again.",
    )
}
