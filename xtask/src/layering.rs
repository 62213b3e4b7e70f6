//! Which part may know which: the arrows of the architecture, held against the manifests.

use anyhow::{Result, bail};

use crate::process;
use crate::workspace::{Metadata, WASM_TARGET};

/// Every arrow there may be between the workspace's packages: from, to.
const ARROWS: &[(&str, &str)] = &[
    ("unmask", "unmask-protocol"),
    ("unmask-worker", "unmask-protocol"),
    ("unmask-worker", "unmask-transformer"),
    ("unmask-worker", "unmask-model-store"),
    ("unmask-model-store", "unmask-gguf"),
    ("unmask-importer", "unmask-model-store"),
    ("unmask-importer", "unmask-pack"),
    ("unmask-importer", "unmask-protocol"),
    ("unmask-transformer", "unmask-gguf"),
    ("unmask-transformer", "unmask-kernels"),
    ("unmask-transformer", "unmask-threads"),
    ("unmask-worker", "unmask-threads"),
    ("unmask-pack", "unmask-gguf"),
    ("unmask-pack", "unmask-transformer"),
    ("unmask-evaluate", "unmask-pack"),
    ("unmask-evaluate", "unmask-protocol"),
    ("unmask-evaluate", "unmask-transformer"),
];

/// Packages that know no browser, so that they build and are tested natively too.
const NO_BROWSER: &[&str] = &[
    "unmask-protocol",
    "unmask-gguf",
    "unmask-kernels",
    "unmask-threads",
    "unmask-transformer",
    "unmask-pack",
    "unmask-evaluate",
];

/// The doors to the browser.
const BROWSER: &[&str] = &["wasm-bindgen", "wasm-bindgen-futures", "js-sys", "web-sys"];

/// What the page must not carry, however indirectly: it paints before the engine has arrived.
const NOT_IN_THE_PAGE: &[&str] = &["candle", "tokenizers", "unmask-transformer"];

/// Checks every rule above.
///
/// # Errors
/// Names each dependency that breaks a rule.
pub fn check(metadata: &Metadata) -> Result<()> {
    let mut broken = forbidden(&metadata.dependencies());
    let tree = process::output(process::cargo("tree").args([
        "--package=unmask",
        "--target",
        WASM_TARGET,
        "--edges=normal",
        "--prefix=none",
    ]))?;
    broken.extend(in_the_page(&tree));
    if broken.is_empty() {
        return Ok(());
    }
    bail!(
        "dependencies against the architecture:\n  {}",
        broken.join("\n  ")
    );
}

fn forbidden(dependencies: &[(&str, &str, &str)]) -> Vec<String> {
    let mut broken = Vec::new();
    for &(from, to, kind) in dependencies {
        if kind != "normal" {
            continue;
        }
        if to.starts_with("unmask") && !ARROWS.contains(&(from, to)) {
            broken.push(format!("{from} -> {to}: no such arrow"));
        }
        if NO_BROWSER.contains(&from) && BROWSER.contains(&to) {
            broken.push(format!("{from} -> {to}: this crate knows no browser"));
        }
    }
    broken
}

fn in_the_page(tree: &str) -> Vec<String> {
    tree.lines()
        .filter(|line| NOT_IN_THE_PAGE.iter().any(|name| line.starts_with(name)))
        .map(|line| format!("unmask (the page) -> ... -> {line}: too heavy for the page"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_upwards_and_a_browser_below_are_named() {
        let broken = forbidden(&[
            ("unmask-kernels", "unmask-transformer", "normal"),
            ("unmask-transformer", "unmask-kernels", "normal"),
            ("unmask-transformer", "js-sys", "normal"),
            ("unmask-transformer", "wasm-bindgen-test", "dev"),
            ("unmask-worker", "js-sys", "normal"),
        ]);
        assert_eq!(
            broken,
            [
                "unmask-kernels -> unmask-transformer: no such arrow",
                "unmask-transformer -> js-sys: this crate knows no browser",
            ]
        );
    }

    #[test]
    fn candle_below_the_page_is_named() {
        let tree = "unmask v0.1.0\nleptos v0.8.23\ncandle-core v0.11.1\n";
        assert_eq!(in_the_page(tree).len(), 1);
        assert!(in_the_page("unmask v0.1.0\nleptos v0.8.23\n").is_empty());
    }
}
