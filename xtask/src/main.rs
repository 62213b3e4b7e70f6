//! `cargo xtask`: every developer command of this repository.

mod bench;
mod budgets;
mod build;
mod check;
mod compress;
mod evaluate;
mod files;
mod fuzz;
mod http;
mod latency;
mod layering;
mod package;
mod portable;
mod process;
mod seal;
mod serve;
mod site_server;
mod sizes;
mod test;
mod tools;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
Usage: cargo xtask <command>

  serve   Build the site and serve it on this machine
            --port <number>   8080 unless given; 0 takes any free port
            --prefix <path>   serve under a sub-path, such as /a/b/
            --no-isolation    leave out the COOP and COEP headers, as a plain static host does
            --no-build        serve what is in dist/ as it is
  build   Write the static site to dist/ and print what each part weighs
  package Gather client, types, engine and models in package/, ready for npm; nothing is published
            --no-build        take what is in dist/ as it is
  portable
          Write the whole site to portable/unmask.html, which runs when opened from a disk
            --no-build        take what is in dist/ as it is
  check   Format, lints, layering and native tests: the quick part of `test`
  test    Everything that continuous integration runs
            --only <part>     native, wasm or browser
  bench   Time Unmask and its peers in one page, in turns (docs/PERFORMANCE.md)
            --only <text>     cells whose name has it, such as minilm/128, bart-base, startup, fidelity
            --rounds <n>      9 unless given; --quick for 3
            --profile         also say where the time goes
            --checkpoint <f>  the default BERT's F32 checkpoint, for the fidelity table
            --against <f>     another built site, whose engine joins
            --json <file>     where all numbers go
            --no-build        measure what is in dist/ as it is
  latency Time a key press until BERT's matrix, and frames while all heads scroll (docs/PERFORMANCE.md)
            --no-build        measure what is in dist/ as it is
  fuzz    Read ten million hostile inputs for each format of a checkpoint or a model file
            --inputs <n>      how many for each
            --seed <n>        others: 1 unless given
            --format <name>   one format alone, a folder of crates/pack/tests/corpus
  traces  Record the default examples with the shipped models, into public/traces
  evaluate [model...]
          Measure the shipped models on held-out data (crates/evaluate/README.md has the options)

Missing tools (the wasm target, wasm-bindgen, trunk, the browser tests' packages) are installed on
the way, into $UNMASK_TOOLS or the user's cache folder.";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let mut args = pico_args::Arguments::from_env();
    if args.contains(["-h", "--help"]) {
        println!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    match args.subcommand()?.as_deref() {
        Some("serve") => serve::run(serve::Options::parse(args)?),
        Some("build") => {
            finish(args)?;
            build::run()?;
            Ok(ExitCode::SUCCESS)
        }
        Some("package") => {
            package::run(args)?;
            Ok(ExitCode::SUCCESS)
        }
        Some("portable") => {
            portable::run(args)?;
            Ok(ExitCode::SUCCESS)
        }
        Some("check") => {
            finish(args)?;
            Ok(check::run())
        }
        Some("fuzz") => {
            fuzz::run_targets(&fuzz::Options::parse(args)?)?;
            Ok(ExitCode::SUCCESS)
        }
        Some("traces") => {
            finish(args)?;
            evaluate::traces()
        }
        Some("evaluate") => evaluate::measure(&args.finish()),
        Some("bench") => bench::run(bench::Options::parse(args)?),
        Some("latency") => latency::run(args),
        Some("test") => test::run(test::Options::parse(args)?),
        Some(other) => bail!("there is no command `{other}`\n\n{HELP}"),
        None => bail!("which command?\n\n{HELP}"),
    }
}

/// Refuses arguments that no option has taken.
fn finish(args: pico_args::Arguments) -> Result<()> {
    let rest = args.finish();
    if rest.is_empty() {
        return Ok(());
    }
    bail!("unknown arguments {rest:?}; `cargo xtask --help` lists what there is");
}
