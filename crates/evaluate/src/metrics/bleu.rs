//! BLEU of a corpus, as the package sacrebleu computes it by default: 13a tokenization, exponential smoothing.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

const ORDER: usize = 4;

/// The steps of mteval-v13a, in its order.
static STEPS: LazyLock<[(Regex, &str); 4]> = LazyLock::new(|| {
    let step = |pattern, by| (Regex::new(pattern).expect("a constant that compiles"), by);
    [
        step(r"([\{-\~\[-\` -\&\(-\+\:-\@/])", " ${1} "),
        step(r"([^0-9])([\.,])", "${1} ${2} "),
        step(r"([\.,])([^0-9])", " ${1} ${2}"),
        step(r"([0-9])(-)", "${1} ${2} "),
    ]
});

/// Tokens of a line.
pub fn tokenize(line: &str) -> Vec<String> {
    let mut line = line
        .replace("<skipped>", "")
        .replace("-\n", "")
        .replace('\n', " ");
    for (entity, character) in [
        ("&quot;", "\""),
        ("&amp;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
    ] {
        line = line.replace(entity, character);
    }
    line = format!(" {line} ");
    for (pattern, by) in STEPS.iter() {
        line = pattern.replace_all(&line, *by).into_owned();
    }
    line.split_whitespace().map(str::to_owned).collect()
}

/// BLEU of guesses, each with its one reference, 0 to 100.
pub fn bleu<'t>(pairs: impl IntoIterator<Item = (&'t str, &'t str)>) -> f64 {
    let (mut matches, mut totals) = ([0usize; ORDER], [0usize; ORDER]);
    let (mut guess_length, mut reference_length) = (0, 0);
    for (guess, reference) in pairs {
        let (guess, reference) = (tokenize(guess), tokenize(reference));
        guess_length += guess.len();
        reference_length += reference.len();
        for n in 1..=ORDER {
            let mut left: HashMap<&[String], usize> = HashMap::new();
            for gram in reference.windows(n) {
                *left.entry(gram).or_default() += 1;
            }
            totals[n - 1] += (guess.len() + 1).saturating_sub(n);
            for gram in guess.windows(n) {
                if let Some(count) = left.get_mut(gram).filter(|count| **count > 0) {
                    *count -= 1;
                    matches[n - 1] += 1;
                }
            }
        }
    }
    if matches == [0; ORDER] || totals.contains(&0) {
        return 0.;
    }
    let (mut smooth, mut logarithms) = (1., 0.);
    for (&matched, &total) in matches.iter().zip(&totals) {
        let matched = match matched {
            0 => {
                smooth *= 2.;
                1. / smooth
            }
            matched => matched as f64,
        };
        logarithms += (matched / total as f64).ln();
    }
    let brevity = match guess_length < reference_length {
        true => 1. - reference_length as f64 / guess_length as f64,
        false => 0.,
    };
    100. * (brevity + logarithms / ORDER as f64).exp()
}
