//! What the built site weighs, and the budgets it has to keep.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::{Compression, write::GzEncoder};

/// A group of files of the site, measured as one line of the table.
pub struct Part {
    /// What the table calls it.
    pub name: String,
    /// The files.
    pub files: Vec<PathBuf>,
    /// The most it may weigh with gzip -9, in bytes.
    pub budget: Option<usize>,
    /// Whether a host would compress it; quantized weights don't shrink.
    pub compresses: bool,
}

/// Prints the table of `parts`.
///
/// # Errors
/// A file cannot be read, or a part exceeds its budget.
pub fn report(parts: &[Part]) -> Result<()> {
    let mut exceeded = Vec::new();
    println!(
        "\n{:<28}{:>12}{:>12}{:>12}{:>12}",
        "bytes", "raw", "gzip -9", "brotli", "budget"
    );
    for part in parts {
        let contents = part
            .files
            .iter()
            .map(|file| read(file))
            .collect::<Result<Vec<_>>>()?;
        let raw: usize = contents.iter().map(Vec::len).sum();
        if !part.compresses {
            println!(
                "{:<28}{:>12}{:>12}{:>12}{:>12}",
                part.name,
                grouped(raw),
                "-",
                "-",
                "-"
            );
            continue;
        }
        let (mut gzipped, mut brotlied) = (0, 0);
        for content in &contents {
            gzipped += gzip(content)?;
            brotlied += brotli(content)?;
        }
        println!(
            "{:<28}{:>12}{:>12}{:>12}{:>12}",
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

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("reading {}", file.display()))
}

fn gzip(content: &[u8]) -> Result<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    Ok(encoder.finish()?.len())
}

fn brotli(content: &[u8]) -> Result<usize> {
    let mut compressed = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams::default();
    brotli::BrotliCompress(&mut &content[..], &mut compressed, &parameters)?;
    Ok(compressed.len())
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
            compresses: true,
        };
        let error = report(std::slice::from_ref(&part)).unwrap_err();
        assert!(error.to_string().contains("this file"));
        part.budget = Some(1 << 20);
        report(&[part]).unwrap();
    }
}
