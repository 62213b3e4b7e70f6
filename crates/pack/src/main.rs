//! The command `unmask-pack`: a checkpoint's folder in, one GGUF out, and how far it is from the original.

mod catalogue;
mod evaluate;
mod output;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::*;
use unmask_pack::{Directory, Options, Plan, Quantization};

use output::OutputFile;
use report::ErrorTable;

const HELP: &str = "\
Packs a Hugging Face checkpoint of a BERT, DistilBERT, BART or mBART into one GGUF file.

Usage: unmask-pack CHECKPOINT_DIR --output FILE.gguf [options]

  -o, --output FILE         where the model goes
  -q, --quantization NAME   F32, F16, Q8_0 (the default), Q6_K, Q4_K or Q4_0
  -e, --evaluate TEXT_FILE  compare predictions with the F32 model's on this text, a sentence a line
  -c, --catalogue FILE      add the model to this models.json, or replace its entry
  -p, --parts BYTES         also write the file in parts of at most so many bytes, for hosts that limit files
      --name NAME           what the model is called (default: what config.json says, or the folder's name)
      --license SPDX        its licence (default: what config.json or the model card says)
      --source URL          where the checkpoint comes from
      --revision NAME       which version of it this is
  -h, --help                this text
";

struct Arguments {
    checkpoint: PathBuf,
    output: PathBuf,
    evaluate: Option<PathBuf>,
    catalogue: Option<PathBuf>,
    parts: Option<u64>,
    options: Options,
}

/// What goes wrong in a command is said in one sentence.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let done = match arguments() {
        Ok(Some(arguments)) => pack(&arguments),
        Ok(None) => {
            print!("{HELP}");
            Ok(())
        }
        Err(error) => Err(format!("{error}. Try unmask-pack --help.").into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The command line; `None` where help is asked for.
fn arguments() -> std::result::Result<Option<Arguments>, lexopt::Error> {
    let (mut checkpoint, mut output, mut evaluate, mut catalogue, mut parts) =
        (None, None, None, None, None);
    let quantization = Quantization::default();
    let mut options = Options {
        quantization,
        name: None,
        license: None,
        source: None,
        revision: None,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('o') | Long("output") => output = Some(parser.value()?.into()),
            Short('q') | Long("quantization") => options.quantization = parser.value()?.parse()?,
            Short('e') | Long("evaluate") => evaluate = Some(parser.value()?.into()),
            Short('c') | Long("catalogue") => catalogue = Some(parser.value()?.into()),
            Short('p') | Long("parts") => {
                parts = Some(parser.value()?.parse()?).filter(|&bytes| bytes > 0)
            }
            Long("name") => options.name = Some(parser.value()?.string()?),
            Long("license") => options.license = Some(parser.value()?.string()?),
            Long("source") => options.source = Some(parser.value()?.string()?),
            Long("revision") => options.revision = Some(parser.value()?.string()?),
            Short('h') | Long("help") => return Ok(None),
            Value(folder) if checkpoint.is_none() => checkpoint = Some(folder.into()),
            other => return Err(other.unexpected()),
        }
    }
    let checkpoint = checkpoint.ok_or("no checkpoint folder is given")?;
    let output = output.ok_or("no --output is given")?;
    Ok(Some(Arguments {
        checkpoint,
        output,
        evaluate,
        catalogue,
        parts,
        options,
    }))
}

fn pack(arguments: &Arguments) -> Result<()> {
    let folder = Directory(arguments.checkpoint.clone());
    let plan = Plan::new(&folder, &arguments.options)?;
    for fallback in plan.fallbacks() {
        println!(
            "{} weights with rows of {} values are stored as {}: {} needs whole blocks of {}.",
            fallback.tensors,
            fallback.columns,
            fallback.to,
            fallback.from,
            fallback.from.block_len()
        );
    }
    let mut table = ErrorTable::default();
    let file = plan.write(OutputFile::create(&arguments.output)?, &mut |tensor| {
        table.add(&tensor)
    })?;
    let written = file.keep()?;
    print!("{table}");
    println!(
        "{}: {:.2} MB ({} bytes), {:.2} M values, {}, sha256 {}",
        arguments.output.display(),
        written.bytes as f64 / 1e6,
        written.bytes,
        table.values() as f64 / 1e6,
        arguments.options.quantization,
        written.sha256
    );
    let parts = match arguments.parts {
        Some(limit) => output::split(&arguments.output, limit)?,
        None => Vec::new(),
    };
    if let Some(catalogue) = &arguments.catalogue {
        catalogue::insert(catalogue, &arguments.output, &plan, &written, &parts)?;
        println!("{} lists it.", catalogue.display());
    }
    if let Some(texts) = &arguments.evaluate {
        let reference = Options {
            quantization: Quantization::F32,
            ..arguments.options.clone()
        };
        let reference = Plan::new(&folder, &reference)?.write(Vec::new(), &mut |_| {})?;
        println!(
            "{}",
            evaluate::compare(
                &reference,
                &arguments.output,
                &std::fs::read_to_string(texts)?
            )?
        );
    }
    Ok(())
}
