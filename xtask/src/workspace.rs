//! Where things are in this checkout, and what its manifests say.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

/// The target of everything that runs in a page.
pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The folder of the workspace's `Cargo.toml`.
pub fn root() -> PathBuf {
    // Set by `cargo run`; what was compiled in serves when the binary is started by hand.
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    xtask.parent().map_or(xtask.clone(), Path::to_owned)
}

/// The built site.
pub fn dist() -> PathBuf {
    root().join("dist")
}

/// `cargo metadata` of the workspace's own packages.
pub struct Metadata(Value);

impl Metadata {
    /// Asks cargo.
    ///
    /// # Errors
    /// A manifest is broken.
    pub fn read() -> Result<Self> {
        let json =
            process::output(process::cargo("metadata").args(["--no-deps", "--format-version=1"]))?;
        Ok(Self(
            serde_json::from_str(&json).context("cargo metadata printed no JSON")?,
        ))
    }

    /// The folder of compiled files, wherever the developer has put it.
    pub fn target_directory(&self) -> Result<PathBuf> {
        let directory = self.0["target_directory"].as_str();
        Ok(directory
            .context("cargo metadata names no target directory")?
            .into())
    }

    /// Each package with its direct dependencies as `(package, dependency, kind)`, where kind is
    /// `normal`, `dev` or `build`.
    pub fn dependencies(&self) -> Vec<(&str, &str, &str)> {
        fn list(value: &Value) -> impl Iterator<Item = &Value> {
            value.as_array().into_iter().flatten()
        }
        list(&self.0["packages"])
            .flat_map(|package| {
                let name = package["name"].as_str().unwrap_or_default();
                list(&package["dependencies"]).map(move |dependency| {
                    (
                        name,
                        dependency["name"].as_str().unwrap_or_default(),
                        dependency["kind"].as_str().unwrap_or("normal"),
                    )
                })
            })
            .collect()
    }
}
