//! `cargo xtask package`: the client, its types, the engine and the models as a folder that npm takes. Nothing is
//! published.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::build;
use crate::compress::is_copy;
use crate::files::{address, is_among, walk};
use crate::process::say;
use crate::workspace::{dist, root};

/// What the package has of the site; folders end with a slash.
const PARTS: [&str; 6] = [
    "unmask.js",
    "unmask.d.ts",
    "embed.js",
    "engine/",
    "models/",
    "traces/",
];

/// Builds the site unless `--no-build` is given, and writes `package/`.
///
/// # Errors
/// An argument is unknown, the build fails, or there is nothing built.
pub fn run(mut args: pico_args::Arguments) -> Result<()> {
    let build = !args.contains("--no-build");
    crate::finish(args)?;
    if build {
        build::site()?;
    }
    let package = root().join("package");
    say("Gathering the package");
    gather(&dist(), &root(), &package)?;
    say(&format!(
        "The package is in {}; `npm pack` there shows what npm would take",
        package.display()
    ));
    Ok(())
}

/// Copies what belongs to the package from the built `site`, and the licences from `root`.
fn gather(site: &Path, root: &Path, package: &Path) -> Result<()> {
    if package.exists() {
        fs::remove_dir_all(package).context("emptying the package's folder")?;
    }
    fs::create_dir_all(package)?;
    for file in walk(site).context("dist/ is missing; run `cargo xtask build`")? {
        let path = address(&file, site)?;
        if is_among(&PARTS, &path) && !is_copy(&file) {
            let target = package.join(&path);
            fs::create_dir_all(target.parent().unwrap_or(package))?;
            fs::copy(&file, &target).with_context(|| format!("copying {path}"))?;
        }
    }
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        fs::copy(root.join(licence), package.join(licence))
            .with_context(|| format!("copying {licence}"))?;
    }
    fs::write(package.join("README.md"), include_str!("package/README.md"))?;
    let manifest = serde_json::to_string_pretty(&manifest())? + "\n";
    fs::write(package.join("package.json"), manifest)?;
    Ok(())
}

fn manifest() -> Value {
    let files: Vec<_> = PARTS
        .iter()
        .map(|part| part.trim_end_matches('/'))
        .collect();
    json!({
        "name": "unmask-web",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Quantized BERT and BART in a web page, with their attention: one ES module and a wasm engine.",
        "keywords": ["bert", "bart", "attention", "transformer", "wasm"],
        "license": "MIT OR Apache-2.0",
        "type": "module",
        "sideEffects": ["./embed.js"],
        "types": "./unmask.d.ts",
        "exports": {
            ".": { "types": "./unmask.d.ts", "default": "./unmask.js" },
            "./embed.js": "./embed.js",
            "./package.json": "./package.json"
        },
        "files": files,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_has_what_its_manifest_names_and_nothing_of_the_page() {
        let folder = std::env::temp_dir().join(format!("unmask-package-{}", std::process::id()));
        let site = folder.join("site");
        for name in [
            "index.html",
            "page/0a1b/page.js",
            "unmask.js",
            "unmask.js.gz",
            "unmask.d.ts",
            "embed.js",
            "engine/0a1b/worker.js",
            "models/models.json",
            "traces/index.json",
        ] {
            let file = site.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, name).unwrap();
        }
        let package = folder.join("package");
        gather(&site, &root(), &package).unwrap();
        let manifest: Value =
            serde_json::from_slice(&fs::read(package.join("package.json")).unwrap()).unwrap();
        for name in manifest["files"].as_array().unwrap() {
            assert!(package.join(name.as_str().unwrap()).exists(), "{name}");
        }
        assert!(package.join("LICENSE-MIT").is_file());
        for absent in ["index.html", "page", "unmask.js.gz"] {
            assert!(!package.join(absent).exists(), "{absent}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
