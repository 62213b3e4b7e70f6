//! Programs this repository needs beyond rustup, a C compiler and Node: found, or installed.
//!
//! Nothing is installed into the system but Chromium, and that only on Debian as root; the rest goes
//! to `$UNMASK_TOOLS`, or to a folder in the user's cache.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{cargo, output, run, say};
use crate::workspace::{WASM_TARGET, root};

/// The newest that Rust 1.95 compiles.
const TRUNK: &str = "0.21.14";

/// What Chromium is started with: no sandbox, which a container seldom allows, no graphics driver, and no
/// traffic of its own.
pub const CHROMIUM_FLAGS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A browser, and the program that drives it for `wasm-bindgen-test-runner`.
pub struct Browser {
    /// The browser's executable.
    pub chromium: PathBuf,
    /// Its WebDriver.
    pub chromedriver: PathBuf,
}

/// Installs the standard library for wasm where it is missing.
///
/// # Errors
/// rustup is missing or cannot fetch it.
pub fn wasm_target() -> Result<()> {
    if rustlib()?.join(WASM_TARGET).is_dir() {
        return Ok(());
    }
    say(&format!("Installing the Rust target {WASM_TARGET}"));
    run(Command::new("rustup")
        .args(["target", "add", WASM_TARGET])
        .current_dir(root()))
}

/// Installs the standard library's source where it is missing: some builds compile it with their own flags.
///
/// # Errors
/// rustup is missing or cannot fetch it.
pub fn standard_library_source() -> Result<()> {
    if rustlib()?.join("src/rust/library").is_dir() {
        return Ok(());
    }
    say("Installing the source of Rust's standard library");
    run(Command::new("rustup")
        .args(["component", "add", "rust-src"])
        .current_dir(root()))
}

/// Where rustup keeps the parts of the toolchain.
fn rustlib() -> Result<PathBuf> {
    let sysroot = output(
        Command::new("rustc")
            .args(["--print", "sysroot"])
            .current_dir(root()),
    )?;
    Ok(Path::new(sysroot.trim()).join("lib/rustlib"))
}

/// The folder with `wasm-bindgen` and `wasm-bindgen-test-runner`, of the version that Cargo.lock has.
///
/// # Errors
/// Cargo.lock names no version, or the installation fails.
pub fn wasm_bindgen() -> Result<PathBuf> {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).context("reading Cargo.lock")?;
    let version = locked_version(&lock, "wasm-bindgen")
        .context("Cargo.lock has no wasm-bindgen; run `cargo generate-lockfile`")?;
    // Its lock file is older than the crates around it, so cargo chooses.
    cargo_tool("wasm-bindgen-cli", "wasm-bindgen", version, &[])
}

/// The folder with `trunk`.
///
/// # Errors
/// The installation fails.
pub fn trunk() -> Result<PathBuf> {
    // Without its default features it has no TLS and looks for no update: it is not to fetch anything.
    cargo_tool(
        "trunk",
        "trunk",
        TRUNK,
        &["--locked", "--no-default-features"],
    )
}

/// Installs the npm packages of a folder of the repository where they are missing or older than their lock file.
///
/// # Errors
/// npm is missing or fails.
pub fn npm_packages(folder: &str) -> Result<()> {
    let path = root().join(folder);
    let modified = |file: &str| std::fs::metadata(path.join(file)).and_then(|it| it.modified());
    let lock = modified("package-lock.json")
        .with_context(|| format!("reading {folder}/package-lock.json"))?;
    if modified("node_modules/.package-lock.json").is_ok_and(|installed| installed >= lock) {
        return Ok(());
    }
    say(&format!("Installing the packages of {folder}"));
    run(Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(path))
}

/// A Python that has what `requirements` lists: `$UNMASK_PYTHON`, or a virtual environment in `folder`.
///
/// # Errors
/// There is no Python 3, or pip fails.
pub fn python(requirements: &Path, folder: &Path) -> Result<PathBuf> {
    if let Some(python) = set("UNMASK_PYTHON") {
        return Ok(python.into());
    }
    let environment = folder.join("venv");
    let python = environment.join("bin/python");
    let installed = environment.join("requirements.txt");
    let wanted = std::fs::read(requirements)
        .with_context(|| format!("reading {}", requirements.display()))?;
    if std::fs::read(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    say(
        "Installing PyTorch and ONNX for Python (gigabytes, once; UNMASK_PYTHON names one that has them)",
    );
    run(Command::new("python3")
        .args(["-m", "venv"])
        .arg(&environment))?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--requirement"])
        .arg(requirements))?;
    std::fs::write(installed, wanted)?;
    Ok(python)
}

/// Chromium with its driver: what `$CHROMIUM` and `$CHROMEDRIVER` name, what is on PATH, or, on Debian
/// as root, what apt installs.
///
/// # Errors
/// There is none and it cannot be installed; the message says what to do.
pub fn browser() -> Result<Browser> {
    if let Some(browser) = find_browser() {
        return Ok(browser);
    }
    let debian = std::fs::read_to_string("/etc/os-release")
        .is_ok_and(|release| release.lines().any(|line| line == "ID=debian"));
    let root = output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if debian && root {
        say("Installing Chromium");
        run(Command::new("apt-get").arg("update"))?;
        run(Command::new("apt-get")
            .args(["install", "--yes", "--no-install-recommends"])
            .args(["chromium", "chromium-driver"])
            .env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    find_browser().context(
        "no Chromium with chromedriver found: install both (Debian: `apt-get install chromium \
         chromium-driver`), or name them in CHROMIUM and CHROMEDRIVER",
    )
}

fn find_browser() -> Option<Browser> {
    const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    const MACOS: [&str; 2] = [
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ];
    let named = |variable| std::env::var_os(variable).map(PathBuf::from);
    let chromium = named("CHROMIUM")
        .or_else(|| NAMES.iter().find_map(on_path))
        .or_else(|| MACOS.iter().map(PathBuf::from).find(|path| path.exists()))?;
    let chromedriver = named("CHROMEDRIVER").or_else(|| on_path("chromedriver"))?;
    Some(Browser {
        chromium,
        chromedriver,
    })
}

/// This process's PATH with `folders` before it.
///
/// # Errors
/// A folder's name contains the separator.
pub fn path_with(folders: &[&Path]) -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = folders.iter().map(|folder| folder.to_path_buf());
    std::env::join_paths(folders.chain(std::env::split_paths(&path)))
        .context("a tool's folder cannot stand on PATH")
}

/// The folder of a program that cargo can install: on PATH in this very version, installed by an earlier
/// run, or installed now.
fn cargo_tool(package: &str, program: &str, version: &str, options: &[&str]) -> Result<PathBuf> {
    let home = tools_folder()?.join(format!("{package}-{version}"));
    let installed = home.join("bin");
    let existing = [Some(installed.join(program)), on_path(program)];
    for candidate in existing.into_iter().flatten() {
        if reports_version(&candidate, version)
            && let Some(folder) = candidate.parent()
        {
            return Ok(folder.to_owned());
        }
    }
    say(&format!(
        "Installing {package} {version} (some minutes, once)"
    ));
    run(cargo("install")
        .args([package, "--version", version, "--root"])
        .arg(&home)
        .args(options))
    .with_context(|| format!("{package} {version} could not be installed"))?;
    Ok(installed)
}

fn tools_folder() -> Result<PathBuf> {
    match set("UNMASK_TOOLS") {
        Some(tools) => Ok(tools.into()),
        None => Ok(cache_folder()?.join("tools")),
    }
}

/// This project's folder in the user's cache.
///
/// # Errors
/// No variable says where that is.
pub fn cache_folder() -> Result<PathBuf> {
    let cache = match set("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(set("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
            .join(".cache"),
    };
    Ok(cache.join("unmask"))
}

/// An environment variable that says something.
fn set(variable: &str) -> Option<OsString> {
    std::env::var_os(variable).filter(|value| !value.is_empty())
}

fn reports_version(program: &Path, version: &str) -> bool {
    program.is_file()
        && output(Command::new(program).arg("--version"))
            .is_ok_and(|said| said.split_whitespace().any(|word| word == version))
}

fn on_path(program: impl AsRef<OsStr>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program.as_ref()))
        .find(|candidate| candidate.is_file())
}

fn locked_version<'lock>(lock: &'lock str, package: &str) -> Option<&'lock str> {
    let entry = lock
        .split_once(&format!("name = \"{package}\"\nversion = \""))?
        .1;
    Some(entry.split_once('"')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_the_entry_of_that_very_name() {
        let lock = "[[package]]\nname = \"wasm-bindgen-futures\"\nversion = \"0.4.1\"\n\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n";
        assert_eq!(locked_version(lock, "wasm-bindgen"), Some("0.2.130"));
        assert_eq!(locked_version(lock, "trunk"), None);
    }
}
