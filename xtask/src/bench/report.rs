//! From raw samples to what a reader compares: medians, ratios, and the bars of the project beside them.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use super::STOCK;
use super::statistics::{median, quantile, ratio};
use crate::sizes;

/// Below this our own engine computes something else than the reference, and no timing is worth anything.
const LEAST_COSINE: f64 = 0.9;
/// In logits, whose standard deviation is about 1.4 in these weights: two tokens nearer than this are a tie that
/// quantization may break.
const TIE: f64 = 0.1;

/// The peer that ratios are against, by its number of threads.
const PEERS: [(u64, &str); 2] = [(1, "ort int8"), (2, "ort int8, 2 threads")];

/// Everything measured, judged and named.
///
/// # Errors
/// The raw results are not what the driver writes, or a contestant of ours computes something else than the peers.
pub fn results(plan: &Value, raw: &Value, folder: &Path) -> Result<Value> {
    let mut cells = Vec::new();
    let mut memory = Map::new();
    let mut profiles = Map::new();
    for shape in list(&plan["shapes"]) {
        let name = shape["name"].as_str().unwrap_or_default();
        let measured = &raw["shapes"][name];
        for cell in list(&measured["cells"]) {
            agrees(cell)?;
            cells.extend(judged(cell, &threads(shape)));
        }
        memory.insert(
            name.to_owned(),
            memory_of(shape, &measured["memory"], folder)?,
        );
        if let Some(found) = measured["profiles"].as_object() {
            profiles.extend(found.clone());
        }
    }
    ensure!(
        !cells.is_empty() || !raw["startup"].is_null() || !raw["fidelity"].is_null(),
        "nothing was measured; --only takes a part of a name such as minilm/128, bart-base, startup or fidelity"
    );
    let startup = match raw["startup"].as_array() {
        Some(rounds) => startup_of(rounds, plan, folder)?,
        None => Value::Null,
    };
    let mut results = json!({
        "machine": { "processor": processor(), "threads": std::thread::available_parallelism()?.get(),
            "chromium": raw["chromium"], "loadAverage": raw["loadAverage"] },
        "rounds": plan["rounds"],
        "cells": cells,
        "memory": memory,
        "startup": startup,
        "fidelity": raw["fidelity"],
        "profiles": profiles,
    });
    results["bars"] = bars(&results).into();
    Ok(results)
}

/// Fails where one of our own engines parts from the reference by more than quantization explains.
fn agrees(cell: &Value) -> Result<()> {
    for (name, agreement) in entries(&cell["agreements"]) {
        if name.starts_with("ort") {
            continue;
        }
        let near = match agreement["cosine"].as_f64() {
            Some(cosine) => cosine >= LEAST_COSINE,
            None => {
                (agreement["same"].is_u64() && agreement["same"] == agreement["of"])
                    || agreement["gap"].as_f64().is_some_and(|gap| gap < TIE)
            }
        };
        ensure!(
            near,
            "{}: {name} computes something else than the reference: {agreement}",
            cell["name"]
        );
    }
    Ok(())
}

/// A contestant's number of threads, by its name.
fn threads(shape: &Value) -> Map<String, Value> {
    let contestants = list(&shape["contestants"]);
    contestants
        .filter_map(|contestant| {
            Some((
                contestant["name"].as_str()?.to_owned(),
                contestant["threads"].clone(),
            ))
        })
        .collect()
}

/// A raw cell as one table, or as three for a generation: all of it, the time until its first token, and that of each
/// other one.
fn judged(cell: &Value, threads: &Map<String, Value>) -> Vec<Value> {
    let name = cell["name"].as_str().unwrap_or_default();
    let new_tokens = cell["workload"]["newTokens"].as_f64().unwrap_or_default();
    let mut series = vec![("", "ms", 1.)];
    if new_tokens > 0. {
        series.push((", until the first token", "first", 1.));
        series.push((", each further token", "rest", new_tokens - 1.));
    }
    let samples = |contestant: &str, key: &str, share: f64| -> Vec<f64> {
        let rounds = list(&cell["samples"][contestant]);
        rounds
            .filter_map(|sample| Some(sample[key].as_f64()? / share))
            .collect()
    };
    let peaks: Vec<f64> = list(&cell["peaks"]).filter_map(Value::as_f64).collect();
    let table = |&(suffix, key, share): &(&str, &str, f64)| {
        let mut rows = Map::new();
        for (contestant, _) in entries(&cell["samples"]) {
            let own = samples(contestant, key, share);
            let mut row = json!({
                "milliseconds": median(&own),
                "quartiles": [quantile(&own, 0.25), quantile(&own, 0.75)],
                "agreement": cell["agreements"][contestant],
                "threads": threads[contestant],
                "samples": own,
            });
            // Measured for a turn as a whole.
            let processor = |contestant| match key {
                "ms" => samples(contestant, "cpu", 1.),
                _ => Vec::new(),
            };
            row["processorMilliseconds"] = median(&processor(contestant)).into();
            let peer = PEERS
                .iter()
                .find(|(count, _)| threads[contestant] == *count);
            if let Some((_, peer)) = peer {
                row["timesAsFastAsOrtInt8"] = ratio(&samples(peer, key, share), &own).into();
                row["timesLessProcessorTime"] =
                    ratio(&processor(peer), &processor(contestant)).into();
            }
            if let Some(macs) = cell["workload"]["macs"].as_f64().filter(|&macs| macs > 0.) {
                let rates: Vec<f64> = own.iter().map(|ms| macs / ms / 1e6).collect();
                row["gmacs"] = median(&rates).into();
                row["ofPeak"] = (1. / ratio(&peaks, &rates)).into();
            }
            rows.insert(contestant.to_owned(), row);
        }
        json!({ "name": format!("{name}{suffix}"), "rows": rows,
            "peak": median(&peaks), "loadAverage": [cell["loadBefore"], cell["loadAfter"]] })
    };
    series.iter().map(table).collect()
}

fn memory_of(shape: &Value, measured: &Value, folder: &Path) -> Result<Value> {
    let size = |file: &str| -> Result<u64> {
        let file = folder.join("page").join(file);
        let metadata =
            fs::metadata(&file).with_context(|| format!("weighing {}", file.display()))?;
        Ok(metadata.len())
    };
    let mut rows = Map::new();
    for contestant in list(&shape["contestants"]) {
        let name = contestant["name"].as_str().unwrap_or_default();
        let file = match contestant["suffix"].as_str() {
            None => size(shape["shape"]["gguf"].as_str().unwrap_or_default())?,
            Some(suffix) => {
                let graphs = entries(&shape["shape"]["graphs"]);
                let sizes = graphs.map(|(_, path)| {
                    size(
                        &path
                            .as_str()
                            .unwrap_or_default()
                            .replace(".onnx", &format!("{suffix}.onnx")),
                    )
                });
                sizes.sum::<Result<u64>>()?
            }
        };
        // A shared memory of ours cannot be asked for.
        let Some(bytes) = measured[name].as_u64() else {
            continue;
        };
        rows.insert(
            name.to_owned(),
            json!({ "bytes": bytes, "file": file, "timesTheFile": bytes as f64 / file as f64 }),
        );
    }
    Ok(rows.into())
}

/// Times to the first prediction, and what had to come over the network for it.
fn startup_of(rounds: &[Value], plan: &Value, folder: &Path) -> Result<Value> {
    let times = |key: &str| -> Vec<f64> {
        rounds
            .iter()
            .filter_map(|round| round[key].as_f64())
            .collect()
    };
    let site = plan["url"]
        .as_str()
        .unwrap_or_default()
        .replace("page/", "dist/");
    let (mut models, mut rest) = (Vec::new(), Vec::new());
    let requested = rounds.first().map(|round| list(&round["requested"]));
    for url in requested.into_iter().flatten().filter_map(Value::as_str) {
        let Some(path) = url.strip_prefix(&site) else {
            continue;
        };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let path = if path.is_empty() { "index.html" } else { path };
        let file = folder.join("dist").join(path);
        match path.ends_with(".gguf") {
            true => models.push(file),
            false => rest.push(file),
        }
    }
    let of = |times: &[f64]| json!({ "milliseconds": median(times), "quartiles": [quantile(times, 0.25), quantile(times, 0.75)] });
    Ok(json!({
        "cold": of(&times("cold")),
        "warm": of(&times("warm")),
        "bytes": { "models": sizes::gzipped(&models)?, "elseGzip": sizes::gzipped(&rest)?,
            "elseBrotli": sizes::brotlied(&rest)? },
    }))
}

/// The bars that the measured cells allow to judge: what it is, where it is accepted, what is aimed for, and what it is.
fn bars(results: &Value) -> Vec<Value> {
    let mut bars = Vec::new();
    let mut bar = |name: String, accept: f64, aim: f64, measured: Option<f64>, less: bool| {
        if let Some(measured) = measured.filter(|value| value.is_finite()) {
            let reaches = |bar: f64| {
                if less {
                    measured <= bar
                } else {
                    measured >= bar
                }
            };
            let verdict = match (reaches(accept), reaches(aim)) {
                (_, true) => "aim reached",
                (true, _) => "accepted",
                _ => "missed",
            };
            bars.push(json!({ "bar": name, "accept": accept, "aim": aim, "measured": measured, "verdict": verdict }));
        }
    };
    let cells: Vec<_> = list(&results["cells"]).collect();
    let cell = |name: &str| cells.iter().find(|cell| cell["name"] == name);
    let row =
        |cell_name: &str, contestant: &str| cell(cell_name).map(|cell| &cell["rows"][contestant]);
    let samples = |cell_name: &str, contestant: &str| -> Vec<f64> {
        let row = row(cell_name, contestant);
        row.into_iter()
            .flat_map(|row| list(&row["samples"]))
            .filter_map(Value::as_f64)
            .collect()
    };
    let contestants: Vec<String> = cells.first().map_or_else(Vec::new, |cell| {
        entries(&cell["rows"])
            .map(|(name, _)| name.to_owned())
            .collect()
    });
    let ours = |part: &str| {
        contestants
            .iter()
            .find(|name| name.starts_with("unmask") && name.contains(part))
    };
    let single = ours("relaxed").or(ours("simd128"));
    let stock = contestants
        .iter()
        .find(|name| *name == STOCK)
        .or_else(|| contestants.iter().find(|name| name.starts_with("against")));

    for (contestant, threads) in [(single, "one thread"), (ours("threads"), "two threads")] {
        let Some(contestant) = contestant else {
            continue;
        };
        let against =
            |cell_name: &str| row(cell_name, contestant)?["timesAsFastAsOrtInt8"].as_f64();
        for shape in ["minilm", "bert-base"] {
            for (length, accept, aim) in [(128, 1.5, 2.5), (16, 1., 2.), (512, 1., 2.)] {
                let name =
                    format!("{shape}, {length} tokens, against ONNX Runtime Web int8, {threads}");
                bar(
                    name,
                    accept,
                    aim,
                    against(&format!("{shape}/{length}")),
                    false,
                );
            }
        }
        let name = format!("bart-base, decoding, against ONNX Runtime Web int8, {threads}");
        bar(
            name,
            2.,
            4.,
            against("bart-base/128, each further token"),
            false,
        );
    }
    if let Some(single) = single {
        for shape in ["minilm", "bert-base"] {
            let name = format!(
                "{shape}, 128 tokens: the whole encoder's products against the register-only peak"
            );
            let of_peak =
                row(&format!("{shape}/128"), single).and_then(|row| row["ofPeak"].as_f64());
            bar(name, 0.45, 0.65, of_peak, false);
        }
    }
    if let (Some(single), Some(threads)) = (single, ours("threads")) {
        let cell_name = "bert-base/128";
        let gain = ratio(&samples(cell_name, single), &samples(cell_name, threads));
        bar(
            "bert-base, 128 tokens: two threads against one".to_owned(),
            1.6,
            1.85,
            Some(gain),
            false,
        );
    }
    if let (Some(simd128), Some(stock)) = (ours("simd128"), stock) {
        for shape in ["minilm", "bert-base"] {
            let cell_name = format!("{shape}/128");
            let gain = ratio(&samples(&cell_name, stock), &samples(&cell_name, simd128));
            bar(
                format!("{shape}, 128 tokens: simd128 against candle's stock path"),
                2.,
                3.,
                Some(gain),
                false,
            );
        }
    }
    if let Some(single) = single {
        let real = entries(&results["memory"]).filter(|(shape, _)| *shape != "tiny");
        for (shape, rows) in real {
            let name = format!("{shape}: most wasm memory over the file's size");
            bar(
                name,
                1.3,
                1.15,
                rows[single.as_str()]["timesTheFile"].as_f64(),
                true,
            );
        }
    }
    bars
}

/// The results for people.
pub fn table(results: &Value) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_table(&mut out, results);
    out
}

fn write_table(out: &mut String, results: &Value) -> std::fmt::Result {
    let machine = &results["machine"];
    writeln!(
        out,
        "\n{}, {} threads, Chromium {}, load average {}; medians of {} rounds",
        text(&machine["processor"]),
        machine["threads"],
        text(&machine["chromium"]),
        machine["loadAverage"],
        results["rounds"]
    )?;
    for cell in list(&results["cells"]) {
        writeln!(
            out,
            "\n{:<38}{:>8}{:>14}{:>12}{:>10}{:>8}{:>9}  agreement",
            text(&cell["name"]),
            "ms",
            "quartiles",
            "x ort int8",
            "CPU, ms",
            "x",
            "of peak"
        )?;
        for (name, row) in entries(&cell["rows"]) {
            let quartiles = &row["quartiles"];
            writeln!(
                out,
                "  {name:<36}{:>8}{:>14}{:>12}{:>10}{:>8}{:>9}  {}",
                number(&row["milliseconds"], 1.),
                format!(
                    "{}-{}",
                    number(&quartiles[0], 1.),
                    number(&quartiles[1], 1.)
                ),
                number(&row["timesAsFastAsOrtInt8"], 1.),
                number(&row["processorMilliseconds"], 1.),
                number(&row["timesLessProcessorTime"], 1.),
                percent(&row["ofPeak"]),
                agreement(&row["agreement"])
            )?;
        }
    }
    for (shape, rows) in entries(&results["memory"]) {
        writeln!(
            out,
            "\n{:<34}{:>10}{:>16}{:>14}",
            format!("{shape}: memory"),
            "MB",
            "file, MB",
            "x file"
        )?;
        for (name, row) in entries(rows) {
            writeln!(
                out,
                "  {name:<32}{:>10}{:>16}{:>14}",
                number(&row["bytes"], 1e-6),
                number(&row["file"], 1e-6),
                number(&row["timesTheFile"], 1.)
            )?;
        }
    }
    if let Some(startup) = results["startup"].as_object() {
        let bytes = &startup["bytes"];
        writeln!(out, "\nNavigation to first prediction, default BERT")?;
        for (name, key) in [("empty browser", "cold"), ("second visit", "warm")] {
            writeln!(
                out,
                "  {name:<32}{:>10} ms",
                number(&startup[key]["milliseconds"], 1.)
            )?;
        }
        writeln!(
            out,
            "  bytes: {} of model; everything else {} with gzip, {} with brotli",
            bytes["models"], bytes["elseGzip"], bytes["elseBrotli"]
        )?;
    }
    if results["fidelity"].is_object() {
        writeln!(
            out,
            "\n{:<34}{:>10}{:>16}",
            "Against F32 PyTorch, 200 masks", "top-1", "KL, nats"
        )?;
        for (name, found) in entries(&results["fidelity"]) {
            let same = format!("{} of {}", found["same"], found["of"]);
            let divergence = found["divergence"].as_f64().unwrap_or(f64::NAN);
            writeln!(out, "  {name:<28}{same:>14}{divergence:>16.6}")?;
        }
    }
    for (name, profile) in entries(&results["profiles"]) {
        let functions: Vec<_> = list(&profile["functions"]).collect();
        let total: f64 = functions
            .iter()
            .filter_map(|function| function[1].as_f64())
            .sum();
        writeln!(out, "\nProfile of {name}: {} passes", profile["passes"])?;
        for function in functions.iter().take(25) {
            let share = function[1].as_f64().unwrap_or_default() / total;
            writeln!(out, "  {:>5.1}%  {}", 100. * share, text(&function[0]))?;
        }
    }
    let bars: Vec<_> = list(&results["bars"]).collect();
    if !bars.is_empty() {
        writeln!(
            out,
            "\n{:<90}{:>8}{:>7}{:>10}",
            "bar", "accept", "aim", "measured"
        )?;
    }
    for bar in bars {
        writeln!(
            out,
            "{:<90}{:>8}{:>7}{:>10}  {}",
            text(&bar["bar"]),
            number(&bar["accept"], 1.),
            number(&bar["aim"], 1.),
            number(&bar["measured"], 1.),
            text(&bar["verdict"])
        )?;
    }
    Ok(())
}

/// Three digits or all before the point; `-` where there is none.
fn number(value: &Value, scale: f64) -> String {
    match value.as_f64().map(|value| value * scale) {
        Some(value) if value >= 100. => format!("{value:.0}"),
        Some(value) if value >= 10. => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
        None => "-".to_owned(),
    }
}

fn percent(value: &Value) -> String {
    value
        .as_f64()
        .map_or("-".to_owned(), |value| format!("{:.0}%", 100. * value))
}

fn agreement(agreement: &Value) -> String {
    match (agreement["cosine"].as_f64(), &agreement["same"]) {
        (Some(cosine), _) => format!("cosine {cosine:.5}"),
        (None, Value::Null) => "-".to_owned(),
        (None, same) => format!("{same} of {} tokens", agreement["of"]),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

fn processor() -> String {
    let found = fs::read_to_string("/proc/cpuinfo").ok().and_then(|info| {
        let (_, rest) = info.split_once("model name")?;
        Some(rest.split_once(':')?.1.lines().next()?.trim().to_owned())
    });
    found.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(name: &str, samples: Value) -> Value {
        json!({ "name": name, "workload": { "newTokens": 0, "macs": 1e9 }, "samples": samples, "peaks": [80., 80.],
            "agreements": { "unmask simd128": { "cosine": 0.999 } } })
    }

    fn plan_of(names: &[(&str, u32)]) -> Map<String, Value> {
        names
            .iter()
            .map(|&(name, threads)| (name.to_owned(), threads.into()))
            .collect()
    }

    #[test]
    fn a_contestant_is_compared_with_the_peer_of_as_many_threads() {
        let ms = |values: [f64; 2]| json!([{ "ms": values[0] }, { "ms": values[1] }]);
        let raw = cell(
            "bert-base/128",
            json!({ "unmask relaxed": ms([25., 25.]), "unmask threads": ms([10., 10.]),
                "ort int8": ms([50., 100.]), "ort int8, 2 threads": ms([30., 30.]) }),
        );
        let threads = plan_of(&[
            ("unmask relaxed", 1),
            ("unmask threads", 2),
            ("ort int8", 1),
            ("ort int8, 2 threads", 2),
        ]);
        let [table] = judged(&raw, &threads).try_into().unwrap();
        let rows = &table["rows"];
        assert_eq!(rows["unmask relaxed"]["timesAsFastAsOrtInt8"], 3.);
        assert_eq!(rows["unmask threads"]["timesAsFastAsOrtInt8"], 3.);
        assert_eq!(rows["unmask relaxed"]["gmacs"], 40.);
        assert_eq!(rows["unmask relaxed"]["ofPeak"], 0.5);

        let results = json!({ "cells": [table] });
        let bars = bars(&results);
        let verdict = |part: &str| {
            let bar = bars.iter().find(|bar| text(&bar["bar"]).contains(part));
            bar.map(|bar| (bar["measured"].as_f64().unwrap(), text(&bar["verdict"])))
        };
        assert_eq!(verdict("int8, one thread"), Some((3., "aim reached")));
        assert_eq!(verdict("register-only peak"), Some((0.5, "accepted")));
        assert_eq!(
            verdict("two threads against one"),
            Some((2.5, "aim reached"))
        );
        assert_eq!(
            verdict("stock"),
            None,
            "what was not measured is not judged"
        );
    }

    #[test]
    fn a_generation_makes_three_tables() {
        let samples = json!({ "ort int8": [{ "first": 100., "rest": 62. }] });
        let mut raw = cell("bart-base/128", samples);
        raw["workload"] = json!({ "newTokens": 32, "macs": 0 });
        let [_, first, rest] = judged(&raw, &plan_of(&[("ort int8", 1)]))
            .try_into()
            .unwrap();
        assert_eq!(first["rows"]["ort int8"]["milliseconds"], 100.);
        assert_eq!(rest["rows"]["ort int8"]["milliseconds"], 2.);
        assert_eq!(rest["name"], "bart-base/128, each further token");
    }

    #[test]
    fn a_wrong_answer_stops_the_run_and_a_near_tie_does_not() {
        let with =
            |agreement| json!({ "name": "x", "agreements": { "unmask simd128": agreement } });
        assert!(agrees(&with(json!({ "cosine": 0.999 }))).is_ok());
        assert!(agrees(&with(json!({ "cosine": 0.5 }))).is_err());
        assert!(agrees(&with(json!({ "cosine": null }))).is_err());
        assert!(agrees(&with(json!({ "same": 32, "of": 32 }))).is_ok());
        assert!(agrees(&with(json!({ "same": 3, "of": 32, "gap": 0.01 }))).is_ok());
        assert!(agrees(&with(json!({ "same": 3, "of": 32, "gap": 4.0 }))).is_err());
        // Peers are shown, not judged.
        assert!(agrees(&json!({ "agreements": { "ort int8": { "cosine": 0.5 } } })).is_ok());
    }
}
