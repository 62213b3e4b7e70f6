//! The command `unmask-evaluate`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::*;
use unmask_evaluate::data::Data;
use unmask_evaluate::measure::{self, Request};
use unmask_evaluate::rows::Limit;
use unmask_evaluate::traces;

const HELP: &str = "\
Usage: unmask-evaluate <command>

  traces               Record a run of every default example with the shipped models, into public/traces
  measure [MODEL...]   Measure models, by their names in public/models or the paths of GGUF files, on held-out data
      --export FOLDER  an exported checkpoint, to set beside the model that was made of it; may be repeated
      --only NAME      a head or task; may be repeated
      --limit NUMBER   most items a row, evenly spread

The data folder is ../shared/data beside the repository, or what UNMASK_DATA says; UNMASK_CMUDICT says where the CMU
Pronouncing Dictionary's cmudict.dict lies.
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
    match parser.next()? {
        Some(Value(command)) if command == "traces" => match parser.next()? {
            None => record(),
            Some(other) => Err(other.unexpected().into()),
        },
        Some(Value(command)) if command == "measure" => measure(&mut parser),
        Some(Short('h') | Long("help")) => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => Err(format!("{}\n\n{HELP}", other.unexpected()).into()),
        None => Err(format!("which command?\n\n{HELP}").into()),
    }
}

fn record() -> Result<()> {
    let public = repository().join("public");
    let index = traces::write_all(&public.join("models"), &public.join("traces"))?;
    println!("{} traces in public/traces", index.traces.len());
    Ok(())
}

fn measure(parser: &mut lexopt::Parser) -> Result<()> {
    let mut request = Request::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("export") => request.exports.push(parser.value()?.into()),
            Long("only") => request.only.push(parser.value()?.string()?),
            Long("limit") => request.limit = Limit(Some(parser.value()?.parse()?)),
            Value(model) => request.models.push(model.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    let folder = path("UNMASK_DATA").unwrap_or_else(|| repository().join("../shared/data"));
    let data = Data::at(folder, path("UNMASK_CMUDICT"))?;
    let mut print = |line: &str| {
        println!("{line}");
        // Hours may pass before the next one.
        let _ = std::io::stdout().flush();
    };
    Ok(measure::measure(
        &request,
        &repository().join("public/models"),
        &data,
        &mut print,
    )?)
}

/// The checkout that this was built from.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
