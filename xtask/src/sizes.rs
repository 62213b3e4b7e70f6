//! What the built site weighs, and the budgets it has to keep.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::compress::{copy_of, shrinks};

/// A group of files of the site, measured as one line of the table.
pub struct Part {
    /// What the table calls it.
    pub name: String,
    /// The files.
    pub files: Vec<PathBuf>,
    /// The most it may weigh with gzip -9, in bytes.
    pub budget: Option<usize>,
}

/// Prints the table of `parts`.
///
/// # Errors
/// A file cannot be read, or a part exceeds its budget.
pub fn report(parts: &[Part]) -> Result<()> {
    let mut exceeded = Vec::new();
    println!(
        "\n{:<31}{:>12}{:>12}{:>12}{:>12}",
        "bytes", "raw", "gzip -9", "brotli", "budget"
    );
    for part in parts {
        let raw: usize = part
            .files
            .iter()
            .map(|file| size(file))
            .sum::<Result<_>>()?;
        let (gzipped, brotlied) = (gzipped(&part.files)?, brotlied(&part.files)?);
        println!(
            "{:<31}{:>12}{:>12}{:>12}{:>12}",
            part.name,
            grouped(raw),
            grouped(gzipped),
            grouped(brotlied),
            part.budget.map_or("-".to_owned(), grouped),
        );
        if part.budget.is_some_and(|budget| gzipped > budget) {
            exceeded.push(part.name.as_str());
        }
    }
    if !exceeded.is_empty() {
        bail!(
            "over budget: {}; see what it carries with `cargo tree -e normal`, or `twiggy top` on an \
             unstripped build",
            exceeded.join(", ")
        );
    }
    Ok(())
}

/// Bytes that travel when the host compresses with gzip -9.
///
/// # Errors
/// A file is missing.
pub fn gzipped(files: &[PathBuf]) -> Result<usize> {
    travelling(files, "gz")
}

/// Bytes that travel when the host compresses with brotli.
///
/// # Errors
/// A file is missing.
pub fn brotlied(files: &[PathBuf]) -> Result<usize> {
    travelling(files, "br")
}

/// Bytes of the compressed copies, or of the files themselves where they don't shrink.
fn travelling(files: &[PathBuf], ending: &str) -> Result<usize> {
    let bytes = |file: &PathBuf| match shrinks(file) {
        true => size(&copy_of(file, ending)),
        false => size(file),
    };
    files.iter().map(bytes).sum()
}

fn size(file: &Path) -> Result<usize> {
    let metadata =
        std::fs::metadata(file).with_context(|| format!("weighing {}", file.display()))?;
    usize::try_from(metadata.len()).context("a file beyond this machine's memory")
}

/// `1234567` as `1 234 567`.
fn grouped(bytes: usize) -> String {
    let digits = bytes.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let texts = groups.map(|group| String::from_utf8_lossy(group).into_owned());
    texts.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_from_the_right() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(123_456), "123 456");
        assert_eq!(grouped(1_234_567), "1 234 567");
    }

    #[test]
    fn a_part_over_its_budget_fails_and_is_named() {
        let this_file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sizes.rs");
        let mut part = Part {
            name: "this file".into(),
            files: vec![this_file],
            budget: Some(10),
        };
        let error = report(std::slice::from_ref(&part)).unwrap_err();
        assert!(error.to_string().contains("this file"));
        part.budget = Some(1 << 20);
        report(&[part]).unwrap();
    }
}
