//! `cargo xtask latency`: how long a reader of the built page waits, measured in headless Chromium.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::process::say;
use crate::site_server::SiteServer;
use crate::{build, tools, workspace};

/// Builds the site unless told not to, serves it, and runs `bench/latency.mjs`, whose exit code is the answer.
///
/// # Errors
/// Something cannot be installed, built or started.
pub fn run(mut args: pico_args::Arguments) -> Result<ExitCode> {
    let no_build = args.contains("--no-build");
    crate::finish(args)?;
    let browser = tools::browser()?;
    tools::npm_packages("bench")?;
    if !no_build {
        build::site()?;
    }
    let server = SiteServer::new(&workspace::dist(), "", true)
        .context("dist/ is missing; run without --no-build")?;
    let url = server.start(0)?;
    say("Measuring what a reader waits for");
    let status = Command::new("node")
        .arg(workspace::root().join("bench/latency.mjs"))
        .arg(url)
        .arg(browser.chromium)
        .args(tools::CHROMIUM_FLAGS)
        .status()
        .context("starting node")?;
    Ok(match status.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
