//! `cargo xtask test`: everything that has to hold before a change lands.
//!
//! Every step runs, whatever became of those before it; the last line counts what passed and failed.

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::process::{cargo, run_watching, say};
use crate::workspace::{Metadata, WASM_TARGET, root};
use crate::{build, check, tools};

/// What the command line can say.
pub struct Options {
    only: Option<String>,
}

impl Options {
    /// # Errors
    /// An argument is unknown.
    pub fn parse(mut args: pico_args::Arguments) -> Result<Self> {
        let only: Option<String> = args.opt_value_from_str("--only")?;
        crate::finish(args)?;
        match only.as_deref() {
            None | Some("native" | "wasm" | "browser") => Ok(Self { only }),
            Some(other) => bail!("--only takes native, wasm or browser, not `{other}`"),
        }
    }

    fn install_tools(&self) -> Result<()> {
        tools::wasm_target()?;
        if self.wants("wasm") || self.wants("browser") {
            tools::wasm_bindgen()?;
            tools::browser()?;
        }
        if self.wants("browser") {
            tools::standard_library_source()?;
            tools::trunk()?;
            tools::npm_packages("tests/browser")?;
        }
        Ok(())
    }

    fn wants(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }
}

/// Runs the parts asked for.
///
/// # Errors
/// None of its own: what fails is counted.
pub fn run(options: Options) -> Result<ExitCode> {
    let mut tally = Tally::default();
    // First, so that a long run doesn't end for want of a tool.
    tally.check("Tools", || options.install_tools());
    if options.wants("native") {
        check::native(&mut tally);
    }
    if options.wants("wasm") {
        wasm(&mut tally);
    }
    if options.wants("browser") {
        browser(&mut tally);
    }
    Ok(tally.finish())
}

/// The tests of every crate that has wasm-bindgen-test, in Chromium.
fn wasm(tally: &mut Tally) {
    tally.prepared("Wasm tests in Chromium", || {
        let browser = tools::browser()?;
        let runner = tools::wasm_bindgen()?;
        let metadata = Metadata::read()?;
        let dependencies = metadata.dependencies();
        let packages = dependencies
            .iter()
            .filter(|(_, dependency, kind)| (*dependency, *kind) == ("wasm-bindgen-test", "dev"))
            .map(|(package, ..)| format!("--package={package}"));

        let mut command = cargo("test");
        command
            .args(packages)
            .args(["--tests", "--no-fail-fast", "--target", WASM_TARGET])
            // One build of the kernels' tests has every instruction set, and compares them.
            .args(["--features", "unmask-kernels/relaxed-simd"])
            .env("PATH", tools::path_with(&[&runner])?)
            .env("CHROMEDRIVER", &browser.chromedriver)
            .env(
                "WASM_BINDGEN_TEST_WEBDRIVER_JSON",
                webdriver_capabilities(&metadata, &browser)?,
            )
            .env("WASM_BINDGEN_USE_BROWSER", "1")
            // Seconds, generous for a busy machine: what hangs still ends.
            .env("WASM_BINDGEN_TEST_TIMEOUT", "300")
            .env("WASM_BINDGEN_TEST_DRIVER_TIMEOUT", "60");
        Ok(command)
    });
}

/// Writes the capabilities that the driver starts Chromium with, and returns the file.
fn webdriver_capabilities(
    metadata: &Metadata,
    browser: &tools::Browser,
) -> Result<std::path::PathBuf> {
    let capabilities = serde_json::json!({
        "goog:chromeOptions": { "binary": browser.chromium, "args": tools::CHROMIUM_FLAGS }
    });
    let file = metadata.target_directory()?.join("webdriver.json");
    std::fs::write(&file, capabilities.to_string())
        .with_context(|| format!("writing {}", file.display()))?;
    Ok(file)
}

/// The built site, driven like a visitor would.
fn browser(tally: &mut Tally) {
    let mut engine = None;
    tally.check("Site", || {
        engine = Some(build::site()?);
        Ok(())
    });
    let Some(engine) = engine else { return };
    tally.check("Budgets", || build::weigh(&engine));
    tally.prepared("Browser tests", || {
        let browser = tools::browser()?;
        // What the page makes of a checkpoint is compared with what the command makes.
        crate::process::run(cargo("build").arg("--package=unmask-pack"))?;
        let pack = format!("debug/unmask-pack{}", std::env::consts::EXE_SUFFIX);
        let pack = Metadata::read()?.target_directory()?.join(pack);
        let folder = root().join("tests/browser");
        let mut tests: Vec<_> = std::fs::read_dir(&folder)?
            .map(|entry| Ok(entry?.file_name()))
            .collect::<Result<_>>()?;
        tests.retain(|name| name.to_string_lossy().ends_with(".test.mjs"));
        tests.sort();

        let mut command = Command::new("node");
        command
            .args(["--test", "--test-reporter=spec"])
            .args(tests)
            .current_dir(folder)
            .env("UNMASK_PACK", pack)
            .env("CHROMIUM", browser.chromium)
            .env("CHROMIUM_FLAGS", tools::CHROMIUM_FLAGS.join(" "))
            .env("UNMASK_XTASK", std::env::current_exe()?);
        Ok(command)
    });
}

/// What has passed and what has failed so far: each test of a suite, and each check, counts as one.
#[derive(Default)]
pub struct Tally {
    passed: u64,
    failed: u64,
    failures: Vec<String>,
}

impl Tally {
    /// Runs a check of our own.
    pub fn check(&mut self, name: &str, check: impl FnOnce() -> Result<()>) {
        say(name);
        let started = Instant::now();
        let outcome = check();
        self.count(
            name,
            outcome.map(|()| Counts {
                passed: 1,
                failed: 0,
            }),
            started,
        );
    }

    /// Runs a program that passes or fails as a whole.
    pub fn step(&mut self, name: &str, command: &mut Command) {
        self.check(name, || crate::process::run(command));
    }

    /// Runs a test suite and counts its tests.
    pub fn tests(&mut self, name: &str, command: &mut Command) {
        say(name);
        let started = Instant::now();
        let outcome = suite(command);
        self.count(name, outcome, started);
    }

    /// Runs a test suite that something has to be made ready for.
    pub fn prepared(&mut self, name: &str, prepare: impl FnOnce() -> Result<Command>) {
        say(name);
        let started = Instant::now();
        let outcome = prepare().and_then(|mut command| suite(&mut command));
        self.count(name, outcome, started);
    }

    /// Prints what failed and the counts, which become the exit code.
    pub fn finish(self) -> ExitCode {
        if !self.failures.is_empty() {
            println!("\nFailed: {}", self.failures.join(", "));
        }
        println!("\n{} passed, {} failed", self.passed, self.failed);
        ExitCode::from(u8::from(self.failed > 0))
    }

    fn count(&mut self, name: &str, outcome: Result<Counts>, started: Instant) {
        let counts = outcome.unwrap_or_else(|error| {
            println!("error: {error:#}");
            Counts {
                passed: 0,
                failed: 1,
            }
        });
        self.passed += counts.passed;
        self.failed += counts.failed;
        println!("    {name}: {:.1} s", started.elapsed().as_secs_f32());
        if counts.failed > 0 {
            self.failures.push(name.to_owned());
        }
    }
}

/// How many tests of a suite passed and failed.
#[derive(Debug, Default, PartialEq)]
struct Counts {
    passed: u64,
    failed: u64,
}

impl Counts {
    /// Adds what a line of a suite's output reports: cargo's `test result: ok. 3 passed; 0 failed; ...`
    /// (also wasm-bindgen's), or node's `ℹ pass 3` and `ℹ fail 0`.
    fn read(&mut self, line: &str) {
        if let Some(result) = line.trim().strip_prefix("test result: ") {
            let number_before = |word| {
                let (before, _) = result.split_once(word)?;
                before.split_whitespace().last()?.parse::<u64>().ok()
            };
            self.passed += number_before(" passed").unwrap_or(0);
            self.failed += number_before(" failed").unwrap_or(0);
        } else if let Some(count) = line.strip_prefix("ℹ pass ") {
            self.passed += count.parse::<u64>().unwrap_or(0);
        } else if let Some(count) = line.strip_prefix("ℹ fail ") {
            self.failed += count.parse::<u64>().unwrap_or(0);
        }
    }
}

/// Runs a suite. One that fails without a failed test (it doesn't compile, it crashed, it was cancelled)
/// has one failure all the same.
fn suite(command: &mut Command) -> Result<Counts> {
    let mut counts = Counts::default();
    let succeeded = run_watching(command, |line| counts.read(line))?;
    if !succeeded && counts.failed == 0 {
        counts.failed = 1;
    }
    if succeeded && counts.passed == 0 {
        bail!("the suite ran no test");
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_every_suite() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
            "test result: FAILED. 10 passed; 2 failed; 0 ignored",
            "ℹ tests 5",
            "ℹ pass 4",
            "ℹ fail 1",
        ] {
            counts.read(line);
        }
        assert_eq!(
            counts,
            Counts {
                passed: 17,
                failed: 3
            }
        );
    }
}
