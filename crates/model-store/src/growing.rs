//! A file that is kept as it comes: appended to, and noted from time to time how far it is.

use web_sys::AbortSignal;

use crate::record::{Part, Stored};
use crate::storage::{Store, Writer};
use crate::{Error, timer};

/// Bytes between two notes: what a closed tab loses at most.
const STEP: u64 = 4 << 20;

/// What a record takes at most, in a browser that hands out room by the megabyte.
const RECORD_ROOM: u64 = 1 << 20;

/// Bytes that are read again at once.
const CHUNK: usize = 1 << 20;

/// The file, and what stands beside it.
pub(crate) struct Growing {
    store: Store,
    part: Part,
    writer: Writer,
    /// Of the bytes that have come, those that the record knows of.
    noted: u64,
}

impl Growing {
    /// Opens what is there of the file that `wanted` describes, or begins it.
    pub(crate) async fn begin(store: &Store, wanted: &Part) -> Result<Self, Error> {
        let writer = store.write_part(&wanted.id).await?;
        let mut part = wanted.clone();
        if let Some(before) = store.part(&wanted.id).await
            && before.conversion.is_none()
            && before.loaded <= writer.bytes()
        {
            part.loaded = before.loaded;
            part.etag = before.etag;
        }
        // What lies behind was not noted, and may be anything.
        writer.truncate(part.loaded)?;
        Ok(Self {
            store: store.clone(),
            noted: part.loaded,
            part,
            writer,
        })
    }

    pub(crate) fn part(&self) -> &Part {
        &self.part
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The length has become known: the file takes all its room at once, because what browsers say of the room they
    /// have is not what they give. Only as much as the record says counts.
    pub(crate) fn expect(&mut self, total: u64) -> Result<(), Error> {
        self.part.total = Some(total);
        match self.writer.bytes() < total {
            true => self.writer.truncate(total),
            false => Ok(()),
        }
    }

    /// Gives all that is there to `take`, and says how much it was. Nothing, where it cannot be read.
    pub(crate) async fn replay<E: From<Error>>(
        &mut self,
        signal: &AbortSignal,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut at = 0;
        while at < self.part.loaded {
            let mut bytes = vec![0; CHUNK.min((self.part.loaded - at) as usize)];
            if !self.writer.read_at(at, &mut bytes) {
                return Err(Error::new(
                    crate::ErrorKind::Integrity,
                    "What has come of the file before cannot be read.",
                    "Try again: it begins anew.",
                )
                .into());
            }
            take(&bytes)?;
            at += bytes.len() as u64;
            // A cancellation arrives between two chunks.
            timer::sleep(0, signal).await?;
        }
        Ok(at)
    }

    /// Adds the next bytes.
    pub(crate) async fn append(&mut self, bytes: &[u8], etag: Option<&str>) -> Result<(), Error> {
        self.writer.write_at(self.part.loaded, bytes)?;
        self.part.loaded += bytes.len() as u64;
        if self.part.etag.as_deref() != etag {
            self.part.etag = etag.map(str::to_owned);
        }
        match self.part.loaded - self.noted >= STEP {
            true => self.save().await,
            false => Ok(()),
        }
    }

    /// Notes how far it is, once that is safe.
    pub(crate) async fn save(&mut self) -> Result<(), Error> {
        self.writer.flush()?;
        self.noted = self.part.loaded;
        self.store.save_part(&self.part).await
    }

    /// As [`Growing::save`] where storage is full, for the last time: the file gives the room back that the record needs, which
    /// browsers take note of when it is closed.
    pub(crate) async fn save_in_no_room(self) -> Result<(), Error> {
        let Self {
            store,
            mut part,
            writer,
            ..
        } = self;
        part.loaded = part.loaded.saturating_sub(RECORD_ROOM);
        writer.truncate(part.loaded)?;
        writer.flush()?;
        drop(writer);
        store.save_part(&part).await
    }

    /// Begins anew.
    pub(crate) fn restart(&mut self) -> Result<(), Error> {
        self.part.loaded = 0;
        self.part.etag = None;
        self.noted = 0;
        self.writer.truncate(0)
    }

    /// It is whole and what it should be.
    pub(crate) async fn finish(self, stored: &Stored) -> Result<(), Error> {
        self.writer.truncate(self.part.loaded)?;
        self.writer.flush()?;
        drop(self.writer);
        self.store.finish(stored).await
    }

    /// It is not to be kept.
    pub(crate) async fn discard(self) {
        drop(self.writer);
        self.store.discard_part(&self.part.id).await;
    }
}
