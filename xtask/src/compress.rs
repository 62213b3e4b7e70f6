//! Precompressed copies of the site's files, for hosts that hand them out: `x.js.gz` and `x.js.br` beside `x.js`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::{Compression, write::GzEncoder};

/// Endings of files that shrink; quantized weights and pictures don't.
const SHRINKS: [&str; 9] = [
    "css",
    "html",
    "js",
    "json",
    "map",
    "svg",
    "ts",
    "wasm",
    "webmanifest",
];

/// Writes the copies of `file` beside it, where its kind shrinks at all.
///
/// # Errors
/// A file cannot be read or written.
pub fn compress(file: &Path) -> Result<()> {
    if !shrinks(file) {
        return Ok(());
    }
    let content = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    for (ending, compressed) in [("gz", gzip(&content)?), ("br", brotli(&content)?)] {
        let copy = copy_of(file, ending);
        std::fs::write(&copy, compressed).with_context(|| format!("writing {}", copy.display()))?;
    }
    Ok(())
}

/// Whether a host that compresses would compress this file.
pub fn shrinks(file: &Path) -> bool {
    let ending = file.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| SHRINKS.contains(&ending))
}

/// Whether this is one of the copies.
pub fn is_copy(file: &Path) -> bool {
    let ending = file.extension().and_then(|ending| ending.to_str());
    matches!(ending, Some("gz" | "br")) && shrinks(&file.with_extension(""))
}

/// The compressed copy of `file` with this ending, `gz` or `br`.
pub fn copy_of(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}

fn brotli(content: &[u8]) -> Result<Vec<u8>> {
    let mut compressed = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams::default();
    brotli::BrotliCompress(&mut &content[..], &mut compressed, &parameters)?;
    Ok(compressed)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn copies_hold_the_same_and_weights_get_none() {
        let folder = std::env::temp_dir().join(format!("unmask-compress-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let content = "attention ".repeat(100);
        for name in ["page.css", "model.gguf"] {
            std::fs::write(folder.join(name), &content).unwrap();
            compress(&folder.join(name)).unwrap();
        }
        let open = |name: &str| std::fs::File::open(folder.join(name)).unwrap();
        let mut unzipped = String::new();
        let mut gzip = flate2::read::GzDecoder::new(open("page.css.gz"));
        gzip.read_to_string(&mut unzipped).unwrap();
        let mut unbrotlied = Vec::new();
        brotli::BrotliDecompress(&mut open("page.css.br"), &mut unbrotlied).unwrap();
        assert_eq!(unzipped, content);
        assert_eq!(unbrotlied, content.as_bytes());
        assert!(!folder.join("model.gguf.gz").exists());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn copies_are_told_from_files_that_merely_end_alike() {
        assert!(is_copy(Path::new("dist/unmask.js.gz")));
        assert!(is_copy(Path::new("dist/index.html.br")));
        assert!(!is_copy(Path::new("dist/archive.tar.gz")));
        assert!(!is_copy(Path::new("dist/unmask.js")));
    }
}
