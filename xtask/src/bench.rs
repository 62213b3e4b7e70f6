//! `cargo xtask bench`: Unmask and its peers in one page, in turns, and what came out as a table and as JSON.
//!
//! `bench/` holds the page, the contestants and the script that makes the models; docs/PERFORMANCE.md says how to
//! read the numbers.

mod report;
mod statistics;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::files::copy_folder;
use crate::process::{cargo, run as run_command, say};
use crate::site_server::SiteServer;
use crate::{build, tools, workspace};

/// Rounds where the command line doesn't say.
const ROUNDS: u32 = 9;
const QUICK_ROUNDS: u32 = 3;

/// What the command line can say.
pub struct Options {
    only: Option<String>,
    rounds: u32,
    build: bool,
    profile: bool,
    against: Option<PathBuf>,
    checkpoint: Option<PathBuf>,
    json: Option<PathBuf>,
}

impl Options {
    /// # Errors
    /// An argument is unknown or has no sensible value.
    pub fn parse(mut args: pico_args::Arguments) -> Result<Self> {
        let rounds = if args.contains("--quick") {
            QUICK_ROUNDS
        } else {
            ROUNDS
        };
        let options = Self {
            only: args.opt_value_from_str("--only")?,
            rounds: args.opt_value_from_str("--rounds")?.unwrap_or(rounds),
            build: !args.contains("--no-build"),
            profile: args.contains("--profile"),
            against: args.opt_value_from_str("--against")?,
            checkpoint: args.opt_value_from_str("--checkpoint")?,
            json: args.opt_value_from_str("--json")?,
        };
        ensure!(options.rounds > 0, "--rounds takes a number from 1");
        crate::finish(args)?;
        Ok(options)
    }

    /// Whether a cell of this name is asked for. The tiny shape is there to try the benchmark itself.
    fn wants(&self, name: &str) -> bool {
        match &self.only {
            Some(only) => name.contains(only.as_str()),
            None => !name.starts_with("tiny"),
        }
    }
}

/// A model's shape, and what is timed on it.
struct Shape {
    name: &'static str,
    vocabulary: u32,
    /// Its graphs for ONNX Runtime, by what the contestant calls them.
    graphs: &'static [&'static str],
    /// Sequence lengths.
    lengths: &'static [u32],
    /// Tokens to generate; 0 for an encoder.
    new_tokens: u32,
    /// Multiply-accumulates of the encoder's linear layers for each token.
    macs: u64,
}

/// Query, key, value and output, and the two halves of the feed-forward layer.
const fn encoder_macs(layers: u64, hidden: u64, intermediate: u64) -> u64 {
    layers * (4 * hidden * hidden + 2 * hidden * intermediate)
}

const SHAPES: &[Shape] = &[
    Shape {
        name: "tiny",
        vocabulary: 512,
        graphs: &["encoder"],
        lengths: &[16],
        new_tokens: 0,
        macs: encoder_macs(2, 64, 128),
    },
    Shape {
        name: "minilm",
        vocabulary: 30522,
        graphs: &["encoder"],
        lengths: &[16, 128, 512],
        new_tokens: 0,
        macs: encoder_macs(6, 384, 1536),
    },
    Shape {
        name: "bert-base",
        vocabulary: 30522,
        graphs: &["encoder"],
        lengths: &[16, 128, 512],
        new_tokens: 0,
        macs: encoder_macs(12, 768, 3072),
    },
    Shape {
        name: "bart-base",
        vocabulary: 50265,
        graphs: &["encoder", "decoder", "decoder_with_past"],
        lengths: &[128],
        new_tokens: 32,
        macs: 0,
    },
];

/// What everything else has to agree with.
const REFERENCE: &str = "ort f32";

/// Our engine with candle's own quantized matrix product.
const STOCK: &str = "candle stock";

/// Prepares, runs, and prints.
///
/// # Errors
/// Something cannot be installed, built or run, or a contestant computes something else than the others.
pub fn run(options: Options) -> Result<ExitCode> {
    let bench = workspace::root().join("bench");
    let folder = tools::cache_folder()?.join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let browser = tools::browser()?;
    tools::npm_packages("bench")?;
    if options.build {
        build::site_with(match options.profile {
            true => build::Names::Kept,
            false => build::Names::Stripped,
        })?;
    }

    let shapes: Vec<_> = SHAPES
        .iter()
        .map(|shape| (shape, workloads(shape, &options)))
        .filter(|(_, workloads)| !workloads.is_empty())
        .collect();
    let mut missing: Vec<&str> = Vec::new();
    let models = folder.join("models");
    let maker = hash_of(&bench.join("make_models.py"))?;
    for (shape, _) in &shapes {
        if !made(&models.join(shape.name), &maker) {
            missing.push(shape.name);
        }
    }
    let fidelity = options
        .checkpoint
        .as_ref()
        .filter(|_| options.wants("fidelity"));
    let python = if missing.is_empty() && fidelity.is_none() {
        None
    } else {
        Some(tools::python(&bench.join("requirements.txt"), &folder)?)
    };
    if let Some(python) = &python {
        make_models(python, &bench, &models, &missing, &maker)?;
        if let Some(checkpoint) = fidelity {
            make_fidelity(python, &bench, &models, checkpoint, &maker)?;
        }
    }

    say("Putting the page together");
    assemble(&bench, &folder, options.against.as_deref())?;
    let server = SiteServer::new(&folder, "", true).context("the benchmark's folder is missing")?;
    let url = server.start(0)?;
    let contestants = contestants(&folder)?;
    let plan = json!({
        "url": format!("{url}page/"),
        "rounds": options.rounds,
        "chromium": browser.chromium,
        "flags": tools::CHROMIUM_FLAGS,
        "profile": options.profile,
        "startup": options.wants("startup").then(|| json!({ "path": "../dist/" })),
        "fidelity": match fidelity {
            Some(_) => fidelity_plan(&contestants)?,
            None => Value::Null,
        },
        "shapes": shapes.iter().map(|(shape, workloads)| shape_plan(shape, workloads, &contestants))
            .collect::<Vec<_>>(),
    });

    say("Measuring (minutes; a busy machine makes it longer, not wrong)");
    let raw = in_browser(&bench, &folder, &plan)?;
    let results = report::results(&plan, &raw, &folder)?;
    let json = options.json.unwrap_or_else(|| folder.join("results.json"));
    fs::write(&json, format!("{results:#}\n"))
        .with_context(|| format!("writing {}", json.display()))?;
    print!("{}", report::table(&results));
    println!("\nEverything, as JSON: {}", json.display());
    Ok(ExitCode::SUCCESS)
}

fn workloads(shape: &Shape, options: &Options) -> Vec<Value> {
    let cell = |&length: &u32| {
        let name = format!("{}/{length}", shape.name);
        options.wants(&name).then(|| {
            json!({
                "name": name,
                "length": length,
                "vocabulary": shape.vocabulary,
                "newTokens": shape.new_tokens,
                "macs": shape.macs * u64::from(length),
            })
        })
    };
    shape.lengths.iter().filter_map(cell).collect()
}

fn shape_plan(shape: &Shape, workloads: &[Value], contestants: &[Value]) -> Value {
    let graphs: serde_json::Map<_, _> = shape
        .graphs
        .iter()
        .map(|graph| {
            (
                (*graph).to_owned(),
                json!(format!("../models/{}/{graph}.onnx", shape.name)),
            )
        })
        .collect();
    json!({
        "name": shape.name,
        "shape": { "gguf": format!("../models/{}/model.gguf", shape.name), "graphs": graphs },
        "workloads": workloads,
        "contestants": contestants,
        "reference": REFERENCE,
    })
}

fn fidelity_plan(contestants: &[Value]) -> Result<Value> {
    let golden = workspace::root().join("crates/transformer/tests/goldens/default_bert.json");
    let golden: Value = serde_json::from_str(&fs::read_to_string(golden)?)?;
    let sentences: Vec<_> = golden
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| &row["text"])
        .collect();
    Ok(json!({
        "shape": {
            "gguf": "../dist/models/bert.gguf",
            "graphs": { "encoder": "../models/fidelity/model.onnx" },
        },
        "contestants": contestants,
        "sentences": sentences,
        "reference": "../models/fidelity/reference.f32",
    }))
}

/// Every artifact of the built engine, the same with candle's products, the older build where there is one, and ONNX Runtime Web.
fn contestants(folder: &Path) -> Result<Vec<Value>> {
    let unmask = |name: &str, site: &str, artifact: &str| {
        json!({
            "name": name,
            "engine": "unmask",
            "site": site,
            "query": format!("engine={artifact}"),
            "threads": if artifact == "threads" { 2 } else { 1 },
        })
    };
    let ort = |name: &str, suffix: &str, threads: u32| json!({ "name": name, "engine": "ort", "suffix": suffix, "threads": threads });
    let mut all = Vec::new();
    let client = fs::read_to_string(folder.join("dist/unmask.js"))?;
    if client.contains("matmul") {
        let mut stock = unmask(STOCK, "dist", "simd128");
        stock["query"] = json!("engine=simd128&matmul=candle");
        all.push(stock);
    }
    for (site, prefix) in [("dist", "unmask"), ("against", "against")] {
        if folder.join(site).is_dir() {
            for artifact in artifacts(&folder.join(site))? {
                all.push(unmask(&format!("{prefix} {artifact}"), site, &artifact));
            }
        }
    }
    all.extend([
        ort("ort int8", "_quantized", 1),
        ort("ort int8, 2 threads", "_quantized", 2),
        ort(REFERENCE, "", 1),
        ort("ort f32, 2 threads", "", 2),
    ]);
    Ok(all)
}

/// The builds of the engine that a site has: the folders in its engine's folder.
fn artifacts(site: &Path) -> Result<Vec<String>> {
    let client =
        fs::read_to_string(site.join("unmask.js")).context("reading the site's unmask.js")?;
    let engine = client
        .split_once("engine/")
        .and_then(|(_, rest)| rest.split_once('/'))
        .context("unmask.js does not say where the engine is")?;
    let mut names = Vec::new();
    for entry in fs::read_dir(site.join("engine").join(engine.0))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() && name != build::IMPORTER {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// What is served beside the models: the page, ONNX Runtime Web, and the built sites.
fn assemble(bench: &Path, folder: &Path, against: Option<&Path>) -> Result<()> {
    for site in ["page", "dist", "against"] {
        let old = folder.join(site);
        if old.is_dir() {
            fs::remove_dir_all(&old).with_context(|| format!("clearing {}", old.display()))?;
        }
    }
    copy_folder(&workspace::dist(), &folder.join("dist"))
        .context("dist/ is missing; run without --no-build")?;
    if let Some(against) = against {
        copy_folder(against, &folder.join("against"))?;
    }
    let page = folder.join("page");
    fs::create_dir_all(page.join("ort"))?;
    for file in [
        "index.html",
        "page.js",
        "peak.js",
        "unmask_model.js",
        "ort_model.js",
        "ort_worker.js",
    ] {
        fs::copy(bench.join(file), page.join(file))
            .with_context(|| format!("copying bench/{file}"))?;
    }
    for file in [
        "ort.wasm.min.mjs",
        "ort-wasm-simd-threaded.mjs",
        "ort-wasm-simd-threaded.wasm",
    ] {
        let from = bench.join("node_modules/onnxruntime-web/dist").join(file);
        fs::copy(&from, page.join("ort").join(file))
            .with_context(|| format!("copying {}", from.display()))?;
    }
    Ok(())
}

/// Whether `folder` was made by this very script.
fn made(folder: &Path, maker: &str) -> bool {
    fs::read_to_string(folder.join("made-by")).is_ok_and(|made_by| made_by == maker)
}

fn make_models(
    python: &Path,
    bench: &Path,
    models: &Path,
    shapes: &[&str],
    maker: &str,
) -> Result<()> {
    for shape in shapes {
        say(&format!(
            "Making {shape}: a checkpoint, its graphs and its GGUF"
        ));
        let folder = models.join(shape);
        run_command(
            Command::new(python)
                .arg(bench.join("make_models.py"))
                .arg(models)
                .arg(shape),
        )?;
        run_command(
            cargo("run")
                .args(["--quiet", "--package=unmask-pack", "--"])
                .arg(folder.join("checkpoint"))
                .arg("--output")
                .arg(folder.join("model.gguf")),
        )?;
        fs::write(folder.join("made-by"), maker)?;
    }
    Ok(())
}

fn make_fidelity(
    python: &Path,
    bench: &Path,
    models: &Path,
    checkpoint: &Path,
    maker: &str,
) -> Result<()> {
    let weights = hash_of(&checkpoint.join("model.safetensors"))?;
    let golden = workspace::root().join("crates/transformer/tests/goldens/default_bert.json");
    let maker = format!("{maker} {weights} {}", hash_of(&golden)?);
    let folder = models.join("fidelity");
    if made(&folder, &maker) {
        return Ok(());
    }
    say("Asking PyTorch about the default BERT's sentences");
    run_command(
        Command::new(python)
            .arg(bench.join("make_models.py"))
            .arg(&folder)
            .arg("--fidelity")
            .arg(checkpoint)
            .arg(golden),
    )?;
    Ok(fs::write(folder.join("made-by"), maker)?)
}

fn in_browser(bench: &Path, folder: &Path, plan: &Value) -> Result<Value> {
    let (plan_file, raw_file) = (folder.join("plan.json"), folder.join("raw.json"));
    fs::write(&plan_file, plan.to_string())?;
    run_command(
        Command::new("node")
            .arg(bench.join("drive.mjs"))
            .arg(&plan_file)
            .arg(&raw_file),
    )?;
    serde_json::from_str(&fs::read_to_string(&raw_file)?).context("the driver wrote no JSON")
}

fn hash_of(file: &Path) -> Result<String> {
    let content = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    Ok(format!("{:x}", Sha256::digest(content)))
}
