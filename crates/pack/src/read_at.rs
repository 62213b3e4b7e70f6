//! Where bytes come from: a folder of files that can be read by range.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use crate::Error;

/// A file that answers reads by range.
pub trait ReadAt {
    /// Its length in bytes.
    fn len(&self) -> u64;

    /// Whether there is nothing in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills the whole buffer from `offset`, or fails.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

/// A checkpoint's folder: some files by their names, no folders within.
pub trait Folder {
    /// What the folder is called, where that says something: a model without a name of its own takes it.
    fn name(&self) -> Option<String> {
        None
    }

    /// Opens a file; `None` if there is no such file.
    fn open(&self, name: &str) -> io::Result<Option<Box<dyn ReadAt>>>;
}

impl ReadAt for Vec<u8> {
    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let range = usize::try_from(offset)
            .ok()
            .and_then(|begin| Some(begin..begin.checked_add(buffer.len())?));
        let bytes = range
            .and_then(|range| self.get(range))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

/// A file on disk.
struct FileAt {
    file: RefCell<File>,
    len: u64,
}

impl ReadAt for FileAt {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut file = self.file.borrow_mut();
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(buffer)
    }
}

/// A folder on disk.
pub struct Directory(pub PathBuf);

impl Folder for Directory {
    fn name(&self) -> Option<String> {
        Some(
            self.0
                .canonicalize()
                .ok()?
                .file_name()?
                .to_str()?
                .to_owned(),
        )
    }

    fn open(&self, name: &str) -> io::Result<Option<Box<dyn ReadAt>>> {
        match File::open(self.0.join(name)) {
            Ok(file) => {
                let len = file.metadata()?.len();
                Ok(Some(Box::new(FileAt {
                    file: RefCell::new(file),
                    len,
                })))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Opens a file of the folder, if it's there.
pub(crate) fn open(folder: &dyn Folder, file: &str) -> Result<Option<Box<dyn ReadAt>>, Error> {
    // A shard's name comes from the checkpoint: it must not lead out of the folder.
    if file.is_empty() || file == ".." || file.contains(['/', '\\', '\0']) {
        return Err(Error::FileName {
            file: file.to_owned(),
        });
    }
    folder.open(file).map_err(|source| Error::Read {
        file: file.to_owned(),
        source,
    })
}

/// The whole text of a file of at most `limit` bytes, if it's there.
pub(crate) fn text(folder: &dyn Folder, file: &str, limit: u64) -> Result<Option<String>, Error> {
    let Some(source) = open(folder, file)? else {
        return Ok(None);
    };
    let bytes = source.len();
    if bytes > limit {
        return Err(Error::FileTooLong {
            file: file.to_owned(),
            bytes,
            limit,
        });
    }
    let mut text = vec![0; bytes as usize]; // within the limit, and the file is that long
    source.read_at(0, &mut text).map_err(|source| Error::Read {
        file: file.to_owned(),
        source,
    })?;
    String::from_utf8(text).map(Some).map_err(|_| Error::Utf8 {
        file: file.to_owned(),
    })
}
