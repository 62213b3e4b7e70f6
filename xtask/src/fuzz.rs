//! `cargo xtask fuzz`: hostile inputs by the million for each format that a checkpoint or a model file can bring.

use anyhow::Result;

use crate::process::{cargo, run};

/// As many as have to pass before a reader of a format is trusted.
const INPUTS: u64 = 10_000_000;

/// What the command line can say.
pub struct Options {
    inputs: u64,
    seed: u64,
    format: Option<String>,
}

impl Options {
    /// # Errors
    /// An argument is unknown.
    pub fn parse(mut args: pico_args::Arguments) -> Result<Self> {
        let options = Self {
            inputs: args.opt_value_from_str("--inputs")?.unwrap_or(INPUTS),
            seed: args.opt_value_from_str("--seed")?.unwrap_or(1),
            format: args.opt_value_from_str("--format")?,
        };
        crate::finish(args)?;
        Ok(options)
    }
}

/// Runs the targets of `crates/pack/tests/fuzz.rs`, optimised, overflow checks included.
///
/// # Errors
/// An input panicked or took more memory than any may; its file is named.
pub fn run_targets(options: &Options) -> Result<()> {
    let mut command = cargo("test");
    command
        .args(["--profile=evaluate", "--package=unmask-pack", "--test=fuzz"])
        .args(["--", "--nocapture"])
        .env("UNMASK_FUZZ_INPUTS", options.inputs.to_string())
        .env("UNMASK_FUZZ_SEED", options.seed.to_string());
    if let Some(format) = &options.format {
        command.env("UNMASK_FUZZ_FORMAT", format);
    }
    run(&mut command)
}
