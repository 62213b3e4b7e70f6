//! The entry in `models.json`, by which a site's pages find the model.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use unmask_pack::Plan;

use crate::output::{OutputFile, Written};

/// Adds the model to the catalogue, in place of an entry of the same name and quantization.
pub fn insert(
    catalogue: &Path,
    file: &Path,
    plan: &Plan,
    written: &Written,
    parts: &[(PathBuf, Written)],
) -> crate::Result<()> {
    let mut models: Value = match fs::read_to_string(catalogue) {
        Ok(text) => {
            serde_json::from_str(&text).map_err(|error| unfit(catalogue, &error.to_string()))?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => json!({ "models": [] }),
        Err(error) => return Err(error.into()),
    };
    let list = models.get_mut("models").and_then(Value::as_array_mut);
    let list = list.ok_or_else(|| unfit(catalogue, "it has no list `models`"))?;
    let header = plan.layout().header();
    let text = |key: &str| header.text(key);
    let mut entry = json!({
        "name": text("general.name"),
        "file": relative(catalogue, file)?,
        "bytes": written.bytes,
        "sha256": written.sha256,
        "architecture": text("general.architecture"),
        "quantization": text("unmask.quantization"),
        "tasks": plan.tasks(),
        "license": text("general.license"),
        "description": text("general.description"),
    });
    if !parts.is_empty() {
        let part = |(path, part): &(PathBuf, Written)| {
            Ok(
                json!({ "file": relative(catalogue, path)?, "bytes": part.bytes, "sha256": part.sha256 }),
            )
        };
        entry["parts"] = parts.iter().map(part).collect::<crate::Result<_>>()?;
    }
    let same = |other: &&mut Value| {
        ["name", "quantization"]
            .iter()
            .all(|key| other.get(key) == entry.get(key))
    };
    match list.iter_mut().find(same) {
        Some(other) => *other = entry,
        None => list.push(entry),
    }
    let mut out = OutputFile::create(catalogue)?;
    writeln!(out, "{}", serde_json::to_string_pretty(&models)?)?;
    out.keep()?;
    Ok(())
}

fn unfit(catalogue: &Path, reason: &str) -> String {
    format!(
        "{} is no catalogue of models ({reason}): correct it, or begin a new one.",
        catalogue.display()
    )
}

/// A file's address as seen from the catalogue, below which it must be.
fn relative(catalogue: &Path, file: &Path) -> crate::Result<String> {
    let folder = catalogue
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let (folder, whole) = (folder.canonicalize()?, file.canonicalize()?);
    let below = whole
        .strip_prefix(&folder)
        .ok()
        .and_then(Path::to_str)
        .map(|below| below.replace('\\', "/"));
    Ok(below.ok_or_else(|| {
        format!(
            "{} is not below {}: put it there.",
            file.display(),
            folder.display()
        )
    })?)
}
