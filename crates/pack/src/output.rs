//! Files that are there whole or not at all, with their digests.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// A file while it's being written beside its final place.
pub struct OutputFile {
    out: BufWriter<File>,
    partial: PathBuf,
    path: PathBuf,
    digest: Sha256,
    bytes: u64,
}

/// A file that is finished.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// Its length.
    pub bytes: u64,
    /// Its digest in hexadecimal.
    pub sha256: String,
}

impl OutputFile {
    /// Begins a file, and the folder that it belongs in.
    pub fn create(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let out = BufWriter::with_capacity(1 << 20, File::create(&partial)?);
        Ok(Self {
            out,
            partial,
            path: path.to_owned(),
            digest: Sha256::new(),
            bytes: 0,
        })
    }

    /// Puts the finished file in its place.
    pub fn keep(mut self) -> io::Result<Written> {
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        fs::rename(&self.partial, &self.path)?;
        let sha256 = self
            .digest
            .finalize_reset()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Written {
            bytes: self.bytes,
            sha256,
        })
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.digest.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for OutputFile {
    /// An unfinished file leaves nothing behind; a finished one has already been renamed.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.partial);
    }
}

/// Writes a file in parts (`FILE.1`, `FILE.2`, ...) and returns each with its path.
pub fn split(path: &Path, limit: u64) -> io::Result<Vec<(PathBuf, Written)>> {
    let whole = File::open(path)?;
    let mut left = whole.metadata()?.len();
    let mut parts = Vec::new();
    while left > 0 {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}", parts.len() + 1));
        let mut part = OutputFile::create(Path::new(&name))?;
        let copied = io::copy(&mut (&whole).take(limit), &mut part)?;
        if copied == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left = left.saturating_sub(copied);
        parts.push((name.into(), part.keep()?));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> PathBuf {
        let folder = std::env::temp_dir().join(format!(
            "unmask-pack-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn parts_put_together_are_the_file() {
        let folder = folder();
        let path = folder.join("model.gguf");
        let mut file = OutputFile::create(&path).unwrap();
        file.write_all(b"one two three").unwrap();
        let whole = file.keep().unwrap();
        assert_eq!(whole.bytes, 13);
        assert_eq!(
            whole.sha256,
            "6899ee404683a14e8c2a03149860df25d67d34d9cd4dae7350cbe91e4b3976be"
        ); // as sha256sum says
        let parts = split(&path, 5).unwrap();
        assert_eq!(
            parts.iter().map(|(_, part)| part.bytes).collect::<Vec<_>>(),
            [5, 5, 3]
        );
        let joined: Vec<u8> = parts
            .iter()
            .flat_map(|(path, _)| fs::read(path).unwrap())
            .collect();
        assert_eq!(joined, b"one two three");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn an_unfinished_file_leaves_nothing_behind() {
        let folder = folder();
        let mut file = OutputFile::create(&folder.join("model.gguf")).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir_all(folder).unwrap();
    }
}
