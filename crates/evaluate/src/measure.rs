//! The table: shipped models against the bar, and against themselves before they were quantized.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::data::Data;
use crate::error::{Error, Result};
use crate::models::{self, Catalogue, Label, Model};
use crate::rows::{BART, BERT, Bar, Limit, Measured, Row};

/// What to measure.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Names of the catalogue, or paths of GGUF files; all of the catalogue where there are none.
    pub models: Vec<String>,
    /// Exported checkpoints to set beside the models that were made of them.
    pub exports: Vec<PathBuf>,
    /// Heads and tasks to measure; all where there are none.
    pub only: Vec<String>,
    /// Most items a row.
    pub limit: Limit,
}

/// Measures what `request` says and hands each line of Markdown to `print` as soon as it is known.
///
/// # Errors
/// A model or a part of the data is missing, or the engine refuses.
pub fn measure(
    request: &Request,
    catalogue: &Path,
    data: &Data,
    print: &mut dyn FnMut(&str),
) -> Result<()> {
    let listed = Catalogue::read(catalogue)?;
    let mut names = request.models.clone();
    if names.is_empty() {
        names.extend(listed.models.iter().map(|entry| entry.name.clone()));
    }
    let exports = request
        .exports
        .iter()
        .map(|folder| models::read_export(folder));
    let exports: Vec<(Label, Model)> = exports.collect::<Result<_>>()?;
    for name in &names {
        let path = match name.ends_with(".gguf") {
            true => PathBuf::from(name),
            false => catalogue.join(&listed.entry(name)?.file),
        };
        let (label, model) = models::read(&path)?;
        let export = exports
            .iter()
            .find(|(export, _)| export.name == label.name)
            .map(|(_, model)| model);
        let beside = if export.is_some() {
            " F32 | lost |"
        } else {
            ""
        };
        print(&format!(
            "\n| {} | {} |{beside} accepted at | aimed at | |",
            label.name, label.quantization
        ));
        print(&format!(
            "| --- | --- |{} --- | --- | --- |",
            if export.is_some() { " --- | --- |" } else { "" }
        ));
        let wanted = |needs: &str| {
            let asked = request.only.is_empty() || request.only.iter().any(|only| only == needs);
            asked && label.abilities.iter().any(|ability| ability == needs)
        };
        let limit = request.limit;
        match &model {
            Model::Bert(bert) => {
                let export = export.and_then(Model::bert);
                rows(BERT, bert.as_ref(), export, wanted, data, limit, print)?;
            }
            Model::Bart(bart) => {
                let export = export.and_then(Model::bart);
                rows(BART, bart.as_ref(), export, wanted, data, limit, print)?;
            }
        }
    }
    Ok(())
}

fn rows<M>(
    rows: &[Row<M>],
    model: &M,
    export: Option<&M>,
    wanted: impl Fn(&str) -> bool,
    data: &Data,
    limit: Limit,
    print: &mut dyn FnMut(&str),
) -> Result<()> {
    for row in rows.iter().filter(|row| wanted(row.needs)) {
        let started = Instant::now();
        let shipped = (row.measure)(model, data, limit)?;
        let seconds = started.elapsed().as_secs();
        let exported = export
            .map(|export| (row.measure)(export, data, limit))
            .transpose()?;
        print(&line(row.name, row.bar, &shipped, exported.as_ref())?);
        eprintln!("({}: {seconds} s)", row.name);
    }
    Ok(())
}

/// One line of the table.
fn line(name: &str, bar: Bar, shipped: &Measured, exported: Option<&Measured>) -> Result<String> {
    let sample = if shipped.is_sample {
        "a sample of "
    } else {
        ""
    };
    let mut line = format!(
        "| {name} ({sample}{} {}) | {} |",
        shipped.items,
        shipped.unit,
        figures(&shipped.figures, 1)
    );
    let (accept, aim, sign) = match bar {
        Bar::AtLeast { accept, aim } => (accept, aim, 1.),
        Bar::AtMost { accept, aim } => (accept, aim, -1.),
        Bar::None => (&[][..], &[][..], 1.),
    };
    if let Some(exported) = exported {
        let pairs = exported.figures.iter().zip(&shipped.figures);
        let lost: Vec<f64> = pairs
            .map(|(exported, shipped)| sign * (exported - shipped))
            .collect();
        write!(
            line,
            " {} | {} |",
            figures(&exported.figures, 1),
            figures(&lost, 2)
        )
        .map_err(|error| Error::Said(error.to_string()))?;
    }
    let holds = shipped
        .figures
        .iter()
        .zip(accept)
        .all(|(figure, accept)| sign * figure >= sign * accept);
    let verdict = match (accept, holds) {
        ([], _) => "",
        (_, true) => "holds",
        (_, false) => "missed",
    };
    Ok(format!(
        "{line} {} | {} | {verdict} |",
        figures(accept, 0),
        figures(aim, 0)
    ))
}

/// Numbers with slashes between them, with at least so many decimals.
fn figures(numbers: &[f64], decimals: usize) -> String {
    let number = |&number: &f64| match decimals == 0 && number.fract() != 0. {
        true => format!("{number}"),
        false => format!("{number:.decimals$}"),
    };
    numbers.iter().map(number).collect::<Vec<_>>().join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(figures: &[f64]) -> Measured {
        Measured {
            figures: figures.to_vec(),
            unit: "words",
            items: 12,
            is_sample: false,
        }
    }

    #[test]
    fn a_line_says_what_was_lost_and_whether_every_figure_holds() {
        let bar = Bar::AtLeast {
            accept: &[42., 62.],
            aim: &[55., 91.5],
        };
        let shown = line(
            "masks",
            bar,
            &measured(&[42., 61.94]),
            Some(&measured(&[42.5, 62.])),
        )
        .unwrap();
        assert_eq!(
            shown,
            "| masks (12 words) | 42.0 / 61.9 | 42.5 / 62.0 | 0.50 / 0.06 | 42 / 62 | 55 / 91.5 | missed |"
        );
        let bar = Bar::AtMost {
            accept: &[9.],
            aim: &[6.],
        };
        let sample = Measured {
            is_sample: true,
            ..measured(&[7.5])
        };
        assert_eq!(
            line("errors", bar, &sample, Some(&measured(&[7.25]))).unwrap(),
            "| errors (a sample of 12 words) | 7.5 | 7.2 | 0.25 | 9 | 6 | holds |"
        );
        assert_eq!(
            line("other", Bar::None, &measured(&[1.]), None).unwrap(),
            "| other (12 words) | 1.0 |  |  |  |"
        );
    }
}
