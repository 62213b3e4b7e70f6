//! Files and folders, in an order that doesn't depend on the machine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// The first 16 digits of the SHA-256 of every file's path and content, in order of path.
///
/// # Errors
/// A file cannot be read.
pub fn content_hash(folder: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    for file in walk(folder)? {
        let content = fs::read(&file)?;
        let path = address(&file, folder)?;
        hash.update((path.len() as u64).to_le_bytes());
        hash.update(path);
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(content);
    }
    Ok(format!("{:x}", hash.finalize())[..16].to_owned())
}

/// Where `file` is below `folder`, with slashes on every system.
///
/// # Errors
/// It is not below it.
pub fn address(file: &Path, folder: &Path) -> Result<String> {
    let inside = file.strip_prefix(folder)?;
    Ok(inside.to_string_lossy().replace('\\', "/"))
}

/// Whether one of `parts` has the file at `address`; a part that ends with a slash is a folder.
pub fn is_among(parts: &[&str], address: &str) -> bool {
    let has = |part: &&str| address == *part || (part.ends_with('/') && address.starts_with(*part));
    parts.iter().any(has)
}

/// Copies every file below `from` to the same place below `to`.
///
/// # Errors
/// A file cannot be read or written.
pub fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    for file in walk(from)? {
        let target = to.join(file.strip_prefix(from)?);
        let copied = fs::create_dir_all(target.parent().unwrap_or(to))
            .and_then(|()| fs::copy(&file, &target));
        copied.with_context(|| format!("copying {} to {}", file.display(), target.display()))?;
    }
    Ok(())
}

/// The files directly in `folder`, sorted.
///
/// # Errors
/// The folder cannot be listed.
pub fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?
        .into_iter()
        .filter(|path| path.is_file())
        .collect())
}

/// Every file below `folder`, sorted.
///
/// # Errors
/// A folder cannot be listed.
pub fn walk(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() {
            files.extend(walk(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

/// What is directly in `folder`, sorted.
///
/// # Errors
/// The folder cannot be listed.
pub fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let listing = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut paths = listing
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_depends_on_content_and_on_names() {
        let folder = std::env::temp_dir().join(format!("unmask-hash-{}", std::process::id()));
        let hash_of = |name: &str, content: &str| {
            fs::create_dir_all(folder.join("inner")).unwrap();
            fs::write(folder.join("inner").join(name), content).unwrap();
            let hash = content_hash(&folder).unwrap();
            fs::remove_dir_all(&folder).unwrap();
            hash
        };
        let hash = hash_of("a", "one");
        assert_eq!(hash, hash_of("a", "one"));
        assert_ne!(hash, hash_of("a", "two"));
        assert_ne!(hash, hash_of("b", "one"));
        assert_eq!(hash.len(), 16);
    }
}
