//! The checks that need no browser, each a step of a [`Tally`].

use std::process::ExitCode;

use crate::layering;
use crate::process::cargo;
use crate::test::Tally;
use crate::workspace::{Metadata, WASM_TARGET};

/// Packages that run in a page, linted once more as they are compiled for it.
const IN_THE_PAGE: [&str; 6] = [
    "unmask",
    "unmask-importer",
    "unmask-kernels",
    "unmask-model-store",
    "unmask-transformer",
    "unmask-worker",
];

/// `cargo xtask check`.
pub fn run() -> ExitCode {
    let mut tally = Tally::default();
    native(&mut tally);
    tally.finish()
}

/// Format, lints, layering and native tests.
pub fn native(tally: &mut Tally) {
    tally.step("Format", cargo("fmt").args(["--all", "--check"]));
    tally.check("Layering", || layering::check(&Metadata::read()?));
    tally.step(
        "Lints",
        cargo("clippy").args(["--workspace", "--all-targets", "--", "--deny=warnings"]),
    );
    let packages = IN_THE_PAGE.map(|name| format!("--package={name}"));
    tally.step(
        "Lints of what runs in the page",
        cargo("clippy")
            .args(packages)
            .args(["--target", WASM_TARGET, "--", "--deny=warnings"]),
    );
    tally.tests(
        "Native tests",
        cargo("test").args(["--workspace", "--no-fail-fast"]),
    );
}
