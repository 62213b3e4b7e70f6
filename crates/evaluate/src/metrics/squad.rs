//! F1 and exact match of answers, as SQuAD's own script has them.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

static ARTICLES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(a|an|the)\b").expect("a constant that compiles"));

fn normalise(text: &str) -> Vec<String> {
    let text: String = text
        .to_lowercase()
        .chars()
        .filter(|c| !c.is_ascii_punctuation())
        .collect();
    let text = ARTICLES.replace_all(&text, " ");
    text.split_whitespace().map(str::to_owned).collect()
}

/// F1 and exact match, 0 to 1 each, of a guess with the best of the references; without any the right guess is none.
pub fn score(guess: &str, references: &[String]) -> (f64, f64) {
    let guess = normalise(guess);
    let none = [String::new()];
    let references = if references.is_empty() {
        &none
    } else {
        references
    };
    let scores = references
        .iter()
        .map(|reference| one(&guess, &normalise(reference)));
    scores.fold(
        (0., 0.),
        |best, score| if score > best { score } else { best },
    )
}

fn one(guess: &[String], truth: &[String]) -> (f64, f64) {
    let exact = f64::from(u8::from(guess == truth));
    if guess.is_empty() || truth.is_empty() {
        return (exact, exact);
    }
    let mut left: HashMap<&str, usize> = HashMap::new();
    for word in truth {
        *left.entry(word).or_default() += 1;
    }
    let mut shared = 0;
    for word in guess {
        if let Some(count) = left.get_mut(word.as_str()).filter(|count| **count > 0) {
            *count -= 1;
            shared += 1;
        }
    }
    (
        2. * f64::from(shared) / (guess.len() + truth.len()) as f64,
        exact,
    )
}
