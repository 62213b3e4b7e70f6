//! Running other programs: said before it is done, and explained when it fails.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The cargo that runs this xtask, freed from settings of the caller's that would send its output
/// elsewhere or replace the workspace's own rustflags.
pub fn cargo(subcommand: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .arg(subcommand)
        .current_dir(crate::workspace::root())
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS");
    command
}

/// Prints a heading for the step that follows.
pub fn say(step: &str) {
    println!("\n==> {step}");
}

/// Prints the command and runs it, its output going to ours.
///
/// # Errors
/// The program cannot be started, or fails.
pub fn run(command: &mut Command) -> Result<()> {
    println!("    $ {}", shown(command));
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| not_started(command))?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Prints the command and runs it, handing each line of its standard output to `line` as it comes.
/// Returns whether the program succeeded.
///
/// # Errors
/// The program cannot be started, or its output cannot be read.
pub fn run_watching(command: &mut Command, mut line: impl FnMut(&str)) -> Result<bool> {
    println!("    $ {}", shown(command));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| not_started(command))?;
    let output = child.stdout.take().context("standard output was piped")?;
    for bytes in BufReader::new(output).split(b'\n') {
        let bytes = bytes.context("reading the program's output")?;
        let text = String::from_utf8_lossy(&bytes);
        println!("{text}");
        line(&text);
    }
    Ok(child.wait()?.success())
}

/// Runs the command silently and returns its standard output.
///
/// # Errors
/// The program cannot be started, fails (its standard error is in the message), or prints no UTF-8.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| not_started(command))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed: {}", shown(command), stderr.trim());
    }
    String::from_utf8(output.stdout).context("the program's output is not UTF-8")
}

fn not_started(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    format!("`{program}` cannot be started; is it installed and on PATH?")
}

/// The command line as one would type it, without the folder of the program.
fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(OsStr::new("?"));
    std::iter::once(name)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}
