//! What of the site is weighed, and the most that it may weigh.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::build::IMPORTER;
use crate::compress::is_copy;
use crate::files::{files_in, walk};
use crate::seal::Kept;
use crate::sizes::{Part, report};

/// The page's wasm with every panel's view in it: the labs, the tour, the library. Title, introduction and pictures are
/// painted from `index.html` before it is there.
const APP: usize = 245_000;
const ENGINE: usize = 1_300_000;
/// What gets models from elsewhere; fetched when somebody asks.
const IMPORTER_BYTES: usize = 500_000;
/// Everything before the page is alive.
const FIRST_PAINT: usize = 285_000;
/// What one browser keeps for offline use before any large model.
const PRECACHE: usize = 4_000_000;
/// A frame that stays a recorded run, with the largest one there is.
const EMBED: usize = 60_000;
/// The largest file that every usual host takes: 25 MiB.
const LARGEST_FILE: u64 = 25 << 20;

/// Prints what the parts of the site weigh, whose engine is in the folder `engine` of `engine/`.
///
/// # Errors
/// A part is over its budget, or a file too large for a host.
pub fn weigh(site: &Path, engine: &str) -> Result<()> {
    for file in walk(site)? {
        let bytes = fs::metadata(&file)?.len();
        ensure!(
            bytes <= LARGEST_FILE,
            "{} has {bytes} bytes: hosts take files up to {LARGEST_FILE}",
            file.display()
        );
    }
    report(&parts(site, engine)?)
}

fn parts(site: &Path, engine: &str) -> Result<Vec<Part>> {
    let part = |name: &str, mut files: Vec<PathBuf>, budget| {
        files.retain(|file| !is_copy(file));
        Part {
            name: name.to_owned(),
            files,
            budget,
        }
    };
    let ends = |files: &[PathBuf], endings: &[&str]| -> Vec<PathBuf> {
        let ending = |file: &&PathBuf| {
            file.extension()
                .is_some_and(|end| endings.iter().any(|e| end == *e))
        };
        files.iter().filter(ending).cloned().collect()
    };
    let page = walk(&site.join("page"))?;
    let index = vec![site.join("index.html")];
    let client = vec![site.join("unmask.js")];
    let folder = site.join("engine").join(engine);
    let mut parts = vec![
        part("page, wasm", ends(&page, &["wasm"]), Some(APP)),
        part("page, scripts", ends(&page, &["js"]), None),
        part(
            "page, html and css",
            [index.clone(), ends(&page, &["css"])].concat(),
            None,
        ),
        part("unmask.js", client.clone(), None),
        part(
            "first paint: all of these",
            [index, page, client].concat(),
            Some(FIRST_PAINT),
        ),
        part("engine, scripts of its worker", files_in(&folder)?, None),
        part(
            "importer",
            walk(&folder.join(IMPORTER))?,
            Some(IMPORTER_BYTES),
        ),
    ];
    let kept = Kept::of(site, engine)?;
    for (name, files) in &kept.artifacts {
        parts.push(part(
            &format!("engine, {name}"),
            files.clone(),
            Some(ENGINE),
        ));
    }
    let mut artifacts = Vec::new();
    for files in kept.artifacts.into_values() {
        artifacts.push((crate::sizes::gzipped(&files)?, files));
    }
    artifacts.sort();
    // One for the page, which may have threads, and one for frames in other pages, which may not.
    let artifacts = artifacts.into_iter().rev().take(2);
    let artifacts = artifacts.flat_map(|(_, files)| files).collect();
    parts.push(part(
        "kept for offline use",
        [kept.files, artifacts].concat(),
        Some(PRECACHE),
    ));
    let mut embed = ["embed.html", "frame.js", "embed.js", "models/models.json"]
        .map(|name| site.join(name))
        .to_vec();
    let traces = files_in(&site.join("traces"))?;
    let largest = traces.into_iter().filter(|file| !is_copy(file));
    embed
        .extend(largest.max_by_key(|file| fs::metadata(file).map_or(0, |metadata| metadata.len())));
    parts.push(part("an embed with its trace", embed, Some(EMBED)));
    let models = site.join("models");
    for file in if models.is_dir() {
        files_in(&models)?
    } else {
        Vec::new()
    } {
        let name = file
            .file_name()
            .map(OsStr::to_string_lossy)
            .unwrap_or_default();
        parts.push(part(&format!("models/{name}"), vec![file.clone()], None));
    }
    parts.retain(|part| !part.files.is_empty());
    Ok(parts)
}
