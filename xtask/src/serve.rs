//! `cargo xtask serve`: the demo in a browser on this machine.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::site_server::SiteServer;
use crate::{build, workspace};

/// What the command line can say.
pub struct Options {
    port: u16,
    prefix: String,
    isolated: bool,
    build: bool,
}

impl Options {
    /// # Errors
    /// An argument is unknown or has no sensible value.
    pub fn parse(mut args: pico_args::Arguments) -> Result<Self> {
        let options = Self {
            port: args.opt_value_from_str("--port")?.unwrap_or(8080),
            prefix: args.opt_value_from_str("--prefix")?.unwrap_or_default(),
            isolated: !args.contains("--no-isolation"),
            build: !args.contains("--no-build"),
        };
        crate::finish(args)?;
        Ok(options)
    }
}

/// Builds, serves, and prints the address; ends with the process.
///
/// # Errors
/// The build fails, there is nothing built, or the port is taken.
pub fn run(options: Options) -> Result<ExitCode> {
    if options.build {
        build::site()?;
    }
    let server = SiteServer::new(&workspace::dist(), &options.prefix, options.isolated)
        .context("dist/ is missing; run `cargo xtask build`")?;
    let url = server.start(options.port)?;
    println!("\nServing {url} (end with Ctrl-C)");
    loop {
        std::thread::park();
    }
}
