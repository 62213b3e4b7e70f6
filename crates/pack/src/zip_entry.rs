//! The entries of PyTorch's zip files, as their directory lists them.
//!
//! The directory says where an entry's own header begins, but only that header says how long it is. It is read
//! together with the entry, so that a file on a server is planned from its end alone. Of the format this knows what PyTorch
//! writes; memory is taken for a directory that is there, never for the number of entries that the file's end claims.
//!
//! Format: <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>

use std::collections::HashMap;
use std::io;

use crate::read_at::ReadAt;

/// Bytes of a local header up to the name, and where it says how long the name and the extra field are.
const HEADER: u64 = 30;
const SIGNATURE: [u8; 4] = *b"PK\x03\x04";
const LENGTHS: usize = 26;

/// The end of the directory, with a comment behind it of at most so many bytes; the locator of its longer form before it.
const END: usize = 22;
const COMMENT: usize = u16::MAX as usize;
const LOCATOR: usize = 20;
const LONG_END: usize = 56;

/// An entry of the directory up to its name.
const ENTRY: usize = 46;

/// A directory has a hundred bytes or two a tensor.
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
            false => Err(unsound(
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
///
/// # Errors
/// Where the file cannot be read, or has no directory, or one that contradicts it.
pub(crate) fn entries(source: &dyn ReadAt) -> io::Result<HashMap<String, ZipEntry>> {
    let (offset, bytes) = place_of_directory(source)?;
    if bytes > DIRECTORY_LIMIT {
        return Err(unsound("its directory is longer than any checkpoint's"));
    }
    let mut directory = vec![0; bytes as usize]; // within the limit, and the file is that long
    source.read_at(offset, &mut directory)?;
    let mut rest = &directory[..];
    let mut entries = HashMap::new();
    // Entries that share their bytes would make a large model of a small file.
    let mut unclaimed = source.len();
    while !rest.is_empty() {
        let (name, mut entry) =
            take_entry(&mut rest).ok_or_else(|| unsound("its directory is damaged"))?;
        let end = entry
            .header
            .checked_add(HEADER)
            .and_then(|data| data.checked_add(entry.bytes));
        let inside = end.is_some_and(|end| end <= source.len());
        let claimed = unclaimed.checked_sub(entry.bytes);
        unclaimed = claimed.unwrap_or(0);
        entry.stored &= inside && claimed.is_some();
        entries.insert(name, entry);
    }
    Ok(entries)
}

/// Where the directory begins, and its length, both within the file.
fn place_of_directory(source: &dyn ReadAt) -> io::Result<(u64, u64)> {
    let none = || unsound("it has no directory");
    let length = source.len().min((LOCATOR + END + COMMENT) as u64) as usize;
    let tail_at = source.len() - length as u64;
    let mut tail = vec![0; length];
    source.read_at(tail_at, &mut tail)?;
    let ends = |&at: &usize| {
        tail[at..].starts_with(b"PK\x05\x06")
            && at + END + usize::from(u16_at(&tail, at + 20)) == tail.len()
    };
    let last = tail.len().checked_sub(END).ok_or_else(none)?;
    let end = (0..=last).rev().find(ends).ok_or_else(none)?;
    let mut bytes = u64::from(u32_at(&tail, end + 12));
    let mut offset = u64::from(u32_at(&tail, end + 16));
    if let Some(locator) = end.checked_sub(LOCATOR)
        && tail[locator..].starts_with(b"PK\x06\x07")
    {
        let mut long = [0; LONG_END];
        source.read_at(u64_at(&tail, locator + 8), &mut long)?;
        if !long.starts_with(b"PK\x06\x06") {
            return Err(none());
        }
        (bytes, offset) = (u64_at(&long, 40), u64_at(&long, 48));
    }
    let inside = offset
        .checked_add(bytes)
        .is_some_and(|end_of_directory| end_of_directory <= tail_at + end as u64);
    match inside {
        true => Ok((offset, bytes)),
        false => Err(none()),
    }
}

/// The directory's next entry: its name, and what it says, which is not yet believed.
fn take_entry(directory: &mut &[u8]) -> Option<(String, ZipEntry)> {
    let (fixed, rest) = directory.split_at_checked(ENTRY)?;
    if !fixed.starts_with(b"PK\x01\x02") {
        return None;
    }
    let (name, rest) = rest.split_at_checked(u16_at(fixed, 28).into())?;
    let (extra, rest) = rest.split_at_checked(u16_at(fixed, 30).into())?;
    (_, *directory) = rest.split_at_checked(u16_at(fixed, 32).into())?;
    let (encrypted, method) = (u16_at(fixed, 8) & 1, u16_at(fixed, 10));
    let mut long = long_numbers(extra);
    // A number that does not fit its field stands in the extra one, in this order.
    let mut number = |at: usize| match u32_at(fixed, at) {
        u32::MAX => {
            let (number, rest) = long.split_first_chunk()?;
            long = rest;
            Some(u64::from_le_bytes(*number))
        }
        number => Some(u64::from(number)),
    };
    let (bytes, compressed, header) = (number(24)?, number(20)?, number(42)?);
    let entry = ZipEntry {
        header,
        bytes,
        stored: method == 0 && encrypted == 0 && compressed == bytes,
    };
    Some((String::from_utf8_lossy(name).into_owned(), entry))
}

/// The part of an extra field that holds numbers of 64 bits.
fn long_numbers(mut extra: &[u8]) -> &[u8] {
    while let Some((head, rest)) = extra.split_at_checked(4) {
        let Some((field, rest)) = rest.split_at_checked(u16_at(head, 2).into()) else {
            break;
        };
        if u16_at(head, 0) == 1 {
            return field;
        }
        extra = rest;
    }
    &[]
}

fn unsound(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Numbers at places that the callers know to be there.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
