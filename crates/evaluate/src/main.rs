//! The command `unmask-evaluate`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::*;
use unmask_evaluate::traces;

const HELP: &str = "\
Usage: unmask-evaluate <command>

  traces    Record a run of every default example with the shipped models, into public/traces
";

/// What goes wrong in a command is said in one sentence.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut parser = lexopt::Parser::from_env();
    let Some(argument) = parser.next()? else {
        return Err(format!("which command?\n\n{HELP}").into());
    };
    match argument {
        Short('h') | Long("help") => print!("{HELP}"),
        Value(command) if command == "traces" => {
            if let Some(argument) = parser.next()? {
                return Err(argument.unexpected().into());
            }
            let public = repository().join("public");
            let index = traces::write_all(&public.join("models"), &public.join("traces"))?;
            println!("{} traces in public/traces", index.traces.len());
        }
        other => return Err(format!("{}\n\n{HELP}", other.unexpected()).into()),
    }
    Ok(())
}

/// The checkout that this was built from.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
