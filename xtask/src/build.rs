//! `cargo xtask build`: the static site, complete in `dist/`.
//!
//! Every address in it is relative, so that it works under any sub-path of any static host.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::files::{content_hash, copy_folder};
use crate::process::{cargo, run as run_command, say};
use crate::workspace::{Metadata, WASM_TARGET, dist, root};
use crate::{budgets, seal, tools};

/// One build of the engine for browsers that have certain instructions.
struct Artifact {
    /// The folder that it gets beside `worker.js`.
    name: &'static str,
    /// Features of `unmask-worker` that it is built with.
    features: &'static [&'static str],
    /// Whether its memory is shared between threads.
    shared: bool,
}

/// Every build of the engine that the site carries; `worker.js` chooses among them.
const ARTIFACTS: &[Artifact] = &[
    Artifact {
        name: "simd128",
        features: &[],
        shared: false,
    },
    Artifact {
        name: "relaxed",
        features: &["relaxed-simd"],
        shared: false,
    },
    Artifact {
        name: "threads",
        features: &["relaxed-simd", "threads"],
        shared: true,
    },
];

/// The folder of the importer beside `importer.js`.
pub const IMPORTER: &str = "importer";

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
    site_with(Names::Stripped)
}

/// Whether the engine's functions keep their names.
#[derive(Clone, Copy, PartialEq)]
pub enum Names {
    /// As it is shipped.
    Stripped,
    /// For a profiler; a fifth larger.
    Kept,
}

/// As [`site`].
///
/// # Errors
/// As [`site`].
pub fn site_with(names: Names) -> Result<String> {
    tools::wasm_target()?;
    tools::standard_library_source()?;
    let wasm_bindgen = tools::wasm_bindgen()?;
    let trunk = tools::trunk()?;

    build_page(&trunk, &wasm_bindgen)?;
    let engine = build_engine(&wasm_bindgen, names)?;
    copy_folder(&root().join("public"), &dist())?;
    say("Sealing the site");
    seal::seal(&dist(), &engine)?;
    say(&format!("The site is in {}", dist().display()));
    Ok(engine)
}

/// Prints what the site's parts weigh.
///
/// # Errors
/// A part is over its budget.
pub fn weigh(engine: &str) -> Result<()> {
    budgets::weigh(&dist(), engine)
}

/// Trunk empties `dist/` and writes the page to it.
fn build_page(trunk: &Path, wasm_bindgen: &Path) -> Result<()> {
    say("Building the page");
    let target = Metadata::read()?.target_directory()?;
    run_command(
        Command::new(trunk.join("trunk"))
            .args(["build", "--release", "--skip-version-check"])
            .current_dir(root())
            .env("PATH", tools::path_with(&[wasm_bindgen])?)
            .env_remove("CARGO_BUILD_TARGET")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("RUSTFLAGS")
            // A standard library compiled with the page is made for size as the page is, and a panic stops
            // at once without a text that nobody would read: a sixth of the page's wasm. What is unstable in
            // that is the flags, not the code; the compiler is the pinned stable one.
            .envs(with_own_std("-Zunstable-options -Cpanic=immediate-abort"))
            .env("CARGO_UNSTABLE_BUILD_STD_FEATURES", "optimize_for_size")
            .env("CARGO_TARGET_DIR", target.join("page"))
            // Some environments set it to 1, which trunk refuses.
            .env_remove("NO_COLOR"),
    )?;
    seal::gather_page(&dist())
}

/// What makes cargo compile the standard library too, with `flags` beside those of `.cargo/config.toml`. To be used with
/// a target directory of its own: build scripts probe what such a compiler allows, and their answers must not mix with
/// a plain build's.
fn with_own_std(flags: &str) -> [(&'static str, &str); 3] {
    [
        ("RUSTC_BOOTSTRAP", "1"),
        ("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort"),
        ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags),
    ]
}

/// Atomic instructions, and a memory that the page makes, shared, of up to 4 GiB; every thread has its own stack and
/// thread-local variables, which wasm-bindgen's glue sets up through the exports.
const SHARED_MEMORY: &str = "-Ctarget-feature=+atomics,+bulk-memory -Clink-arg=--shared-memory \
    -Clink-arg=--import-memory -Clink-arg=--max-memory=4294967296 -Clink-arg=--export=__wasm_init_tls \
    -Clink-arg=--export=__tls_size -Clink-arg=--export=__tls_align -Clink-arg=--export=__tls_base";

/// Writes the engine to a folder of `dist/engine/` and returns that folder's name: a hash of all that
/// is in it, since neither a browser nor a host may mix the files of two versions.
fn build_engine(wasm_bindgen: &Path, names: Names) -> Result<String> {
    let target = Metadata::read()?.target_directory()?;
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
        for feature in artifact.features {
            build.args(["--features", feature]);
        }
        if names == Names::Kept {
            build.env("CARGO_PROFILE_RELEASE_STRIP", "none");
        }
        let compiled = match artifact.shared {
            false => target.clone(),
            true => {
                build.envs(with_own_std(SHARED_MEMORY));
                let own = target.join("threads");
                build.env("CARGO_TARGET_DIR", &own);
                own
            }
        };
        run_command(&mut build)?;
        run_command(
            Command::new(wasm_bindgen.join("wasm-bindgen"))
                .args(["--target=web", "--no-typescript", "--out-dir"])
                .arg(staging.join(artifact.name))
                .arg(
                    compiled
                        .join(WASM_TARGET)
                        .join("release/unmask_worker.wasm"),
                ),
        )?;
    }
    copy_folder(&root().join("crates/worker/js"), &staging)?;
    build_importer(wasm_bindgen, &target, &staging)?;
    let hash = content_hash(&staging)?;
    fs::rename(&staging, dist().join("engine").join(&hash))
        .context("naming the engine's folder")?;
    Ok(hash)
}

/// Writes the importer beside the engine. It waits for bytes more than it computes, so that one build for every
/// browser serves.
fn build_importer(wasm_bindgen: &Path, target: &Path, staging: &Path) -> Result<()> {
    say("Building the importer");
    run_command(cargo("build").args([
        "--package=unmask-importer",
        "--lib",
        "--release",
        "--target",
        WASM_TARGET,
    ]))?;
    run_command(
        Command::new(wasm_bindgen.join("wasm-bindgen"))
            .args(["--target=web", "--no-typescript", "--out-dir"])
            .arg(staging.join(IMPORTER))
            .arg(
                target
                    .join(WASM_TARGET)
                    .join("release/unmask_importer.wasm"),
            ),
    )?;
    copy_folder(&root().join("crates/importer/js"), staging)
}
