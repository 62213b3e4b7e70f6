//! The entries of PyTorch's zip files, as their directory lists them.
//!
//! The directory says where an entry's own header begins, but only that header says how long it is. It is read
//! together with the entry, so that a file on a server is planned from its end alone.

use std::collections::HashMap;
use std::io::{self, BufReader};

use zip::ZipArchive;

use crate::read_at::{ReadAt, Stream};

/// Bytes of a local header up to the name, and where it says how long the name and the extra field are.
const HEADER: u64 = 30;
const SIGNATURE: [u8; 4] = *b"PK\x03\x04";
const LENGTHS: usize = 26;

/// What may be read to find and understand the directory, which has a hundred bytes or two a tensor.
const DIRECTORY_LIMIT: u64 = 4 << 20;

/// One file within the zip file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ZipEntry {
    /// Where its own header begins.
    pub header: u64,
    /// Length of its contents.
    pub bytes: u64,
    /// Whether the contents are there as they are, and within the file.
    pub stored: bool,
}

impl ZipEntry {
    /// Where the contents begin.
    ///
    /// # Errors
    /// Where the file cannot be read, or its header is none or points out of the file.
    pub fn data(&self, source: &dyn ReadAt) -> io::Result<u64> {
        let mut header = [0; HEADER as usize];
        source.read_at(self.header, &mut header)?;
        let length = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
        let data = self.header + HEADER + length(LENGTHS) + length(LENGTHS + 2);
        let inside = data
            .checked_add(self.bytes)
            .is_some_and(|end| end <= source.len());
        match header[..4] == SIGNATURE && inside {
            true => Ok(data),
            false => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "an entry of the zip file is not where its directory says",
            )),
        }
    }

    /// The whole contents, whose length the caller has limited.
    pub fn read(&self, source: &dyn ReadAt) -> io::Result<Vec<u8>> {
        let mut contents = vec![0; self.bytes as usize];
        source.read_at(self.data(source)?, &mut contents)?;
        Ok(contents)
    }
}

/// Reads the directory.
pub(crate) fn entries(source: &dyn ReadAt) -> zip::result::ZipResult<HashMap<String, ZipEntry>> {
    let archive = ZipArchive::new(BufReader::new(Stream {
        source,
        at: 0,
        budget: DIRECTORY_LIMIT,
    }))?;
    let mut entries = HashMap::new();
    // Entries that share their bytes would make a large model of a small file.
    let mut unclaimed = source.len();
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index)?;
        let (header, bytes) = (entry.header_start(), entry.size());
        let end = header
            .checked_add(HEADER)
            .and_then(|data| data.checked_add(bytes));
        let inside = end.is_some_and(|end| end <= source.len());
        let as_is = entry.compression() == zip::CompressionMethod::Stored
            && !entry.encrypted()
            && entry.compressed_size() == bytes;
        let claimed = unclaimed.checked_sub(bytes);
        unclaimed = claimed.unwrap_or(0);
        let stored = as_is && inside && claimed.is_some();
        entries.insert(
            entry.name()?.into_owned(),
            ZipEntry {
                header,
                bytes,
                stored,
            },
        );
    }
    Ok(entries)
}
