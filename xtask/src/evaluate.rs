//! `cargo xtask traces` and `cargo xtask evaluate`: what the shipped models say, recorded and measured.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;

use crate::process::{cargo, run};

/// Records the default examples.
///
/// # Errors
/// The recording fails.
pub fn traces() -> Result<ExitCode> {
    run(cargo("run").args(["--package=unmask-evaluate", "--", "traces"]))?;
    Ok(ExitCode::SUCCESS)
}

/// Measures, with `arguments` for the command.
///
/// # Errors
/// The measuring fails.
pub fn measure(arguments: &[OsString]) -> Result<ExitCode> {
    run(cargo("run")
        .args([
            "--profile=evaluate",
            "--package=unmask-evaluate",
            "--",
            "measure",
        ])
        .args(arguments)
        // candle chooses its instructions while it is compiled.
        .env("RUSTFLAGS", "-Ctarget-cpu=native"))?;
    Ok(ExitCode::SUCCESS)
}
