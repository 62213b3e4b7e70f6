//! `cargo xtask build`: the static site, complete in `dist/`.
//!
//! Every address in it is relative, so that it works under any sub-path of any static host.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::process::{cargo, run as run_command, say};
use crate::sizes::{Part, report};
use crate::tools;
use crate::workspace::{Metadata, WASM_TARGET, dist, root};

/// What `public/unmask.js` calls the engine's folder; the build puts the folder's real name there.
const ENGINE_PLACEHOLDER: &str = "engine/dev/";

// What the page weighs today, held so that it does not grow. The aim is 150 000: not reached yet.
const APP_BUDGET: usize = 210_000;
const ENGINE_BUDGET: usize = 1_300_000;

/// One build of the engine for browsers that have certain instructions.
struct Artifact {
    /// The folder that it gets beside `worker.js`.
    name: &'static str,
    /// Instructions beyond those that `.cargo/config.toml` asks for, such as `+relaxed-simd`.
    target_features: Option<&'static str>,
}

/// Every build of the engine that the site carries; `worker.js` chooses among them.
const ARTIFACTS: &[Artifact] = &[Artifact {
    name: "simd128",
    target_features: None,
}];

/// `cargo xtask build`.
///
/// # Errors
/// Those of [`site`] and [`weigh`].
pub fn run() -> Result<()> {
    let engine = site()?;
    weigh(&engine)
}

/// Builds page and engine, writes the site, and returns the name of the engine's folder.
///
/// # Errors
/// A tool is missing, or something doesn't compile.
pub fn site() -> Result<String> {
    tools::wasm_target()?;
    let wasm_bindgen = tools::wasm_bindgen()?;
    let trunk = tools::trunk()?;

    build_page(&trunk, &wasm_bindgen)?;
    let engine = build_engine(&wasm_bindgen)?;
    copy_public(&engine)?;
    say(&format!("The site is in {}", dist().display()));
    Ok(engine)
}

/// Prints what the site's parts weigh.
///
/// # Errors
/// A part is over its budget.
pub fn weigh(engine: &str) -> Result<()> {
    report(&parts(&dist(), &dist().join("engine").join(engine))?)
}

/// Trunk empties `dist/` and writes the page to it.
fn build_page(trunk: &Path, wasm_bindgen: &Path) -> Result<()> {
    say("Building the page");
    run_command(
        Command::new(trunk.join("trunk"))
            .args(["build", "--release", "--skip-version-check"])
            .current_dir(root())
            .env("PATH", tools::path_with(&[wasm_bindgen])?)
            .env_remove("CARGO_BUILD_TARGET")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("RUSTFLAGS")
            // Some environments set it to 1, which trunk refuses.
            .env_remove("NO_COLOR"),
    )
}

/// Writes the engine to a folder of `dist/engine/` and returns that folder's name: a hash of all that
/// is in it, since neither a browser nor a host may mix the files of two versions.
fn build_engine(wasm_bindgen: &Path) -> Result<String> {
    let compiled = Metadata::read()?.target_directory()?.join(WASM_TARGET);
    let staging = dist().join("engine/staging");
    for artifact in ARTIFACTS {
        say(&format!("Building the engine for {}", artifact.name));
        let mut build = cargo("build");
        build.args([
            "--package=unmask-worker",
            "--lib",
            "--release",
            "--target",
            WASM_TARGET,
        ]);
        if let Some(features) = artifact.target_features {
            // Cargo adds this to the flags it finds in `.cargo/config.toml`.
            let flags =
                format!("target.{WASM_TARGET}.rustflags=['-C', 'target-feature={features}']");
            build.args(["--config", &flags]);
        }
        run_command(&mut build)?;
        run_command(
            Command::new(wasm_bindgen.join("wasm-bindgen"))
                .args(["--target=web", "--no-typescript", "--out-dir"])
                .arg(staging.join(artifact.name))
                .arg(compiled.join("release/unmask_worker.wasm")),
        )?;
    }
    copy_folder(&root().join("crates/worker/js"), &staging)?;
    let hash = content_hash(&staging)?;
    fs::rename(&staging, dist().join("engine").join(&hash))
        .context("naming the engine's folder")?;
    Ok(hash)
}

/// Copies what needs no compiler, telling `unmask.js` where the engine is.
fn copy_public(engine: &str) -> Result<()> {
    copy_folder(&root().join("public"), &dist())?;
    let client = dist().join("unmask.js");
    let source = fs::read_to_string(&client).context("reading public/unmask.js")?;
    let stamped = stamp(&source, engine)?;
    fs::write(&client, stamped).context("writing dist/unmask.js")
}

fn stamp(client: &str, engine: &str) -> Result<String> {
    ensure!(
        client.contains(ENGINE_PLACEHOLDER),
        "public/unmask.js doesn't contain `{ENGINE_PLACEHOLDER}`, which the build replaces by the engine's \
         folder"
    );
    Ok(client.replace(ENGINE_PLACEHOLDER, &format!("engine/{engine}/")))
}

fn parts(site: &Path, engine: &Path) -> Result<Vec<Part>> {
    let ending = |end: &str| -> Result<Vec<PathBuf>> {
        let all = files_in(site)?.into_iter();
        Ok(all
            .filter(|file| file.to_string_lossy().ends_with(end))
            .collect())
    };
    let part = |name: &str, files, budget| Part {
        name: name.to_owned(),
        files,
        budget,
        compresses: true,
    };
    let client = vec![site.join("unmask.js")];
    let app_script = ending(".js")?
        .into_iter()
        .filter(|file| !client.contains(file))
        .collect();
    let mut parts = vec![
        part("page, wasm", ending(".wasm")?, Some(APP_BUDGET)),
        part("page, scripts", app_script, None),
        part(
            "page, html and css",
            [ending(".html")?, ending(".css")?].concat(),
            None,
        ),
        part("unmask.js", client, None),
        part("engine, scripts of its worker", files_in(engine)?, None),
    ];
    for artifact in ARTIFACTS {
        let files = files_in(&engine.join(artifact.name))?;
        let name = format!("engine, {}", artifact.name);
        parts.push(part(&name, files, Some(ENGINE_BUDGET)));
    }
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
        parts.push(Part {
            name: format!("models/{name}"),
            files: vec![file.clone()],
            budget: None,
            compresses: false,
        });
    }
    Ok(parts)
}

/// The first 16 digits of the SHA-256 of every file's path and content, in order of path.
fn content_hash(folder: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    for file in walk(folder)? {
        let content = fs::read(&file)?;
        let path = file
            .strip_prefix(folder)?
            .to_string_lossy()
            .replace('\\', "/");
        hash.update((path.len() as u64).to_le_bytes());
        hash.update(path);
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(content);
    }
    Ok(format!("{:x}", hash.finalize())[..16].to_owned())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    for file in walk(from)? {
        let target = to.join(file.strip_prefix(from)?);
        let copied = fs::create_dir_all(target.parent().unwrap_or(to))
            .and_then(|()| fs::copy(&file, &target));
        copied.with_context(|| format!("copying {} to {}", file.display(), target.display()))?;
    }
    Ok(())
}

/// The files directly in `folder`, sorted.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?
        .into_iter()
        .filter(|path| path.is_file())
        .collect())
}

/// Every file below `folder`, sorted.
fn walk(folder: &Path) -> Result<Vec<PathBuf>> {
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

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
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
    fn the_client_learns_the_engines_folder() {
        let stamped = stamp(
            "const engine = new URL('engine/dev/', import.meta.url);",
            "0a1b",
        )
        .unwrap();
        assert_eq!(
            stamped,
            "const engine = new URL('engine/0a1b/', import.meta.url);"
        );
    }

    #[test]
    fn a_client_without_the_placeholder_fails_the_build() {
        assert!(stamp("const engine = 'somewhere/';", "0a1b").is_err());
    }

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
