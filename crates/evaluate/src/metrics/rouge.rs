//! ROUGE-L: the longest common subsequence of words, as the package rouge-score has it without stemming.

fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// F1, 0 to 1.
pub fn rouge_l(guess: &str, reference: &str) -> f64 {
    let (guess, reference) = (words(guess), words(reference));
    let common = super::common(&guess, &reference)
        .into_iter()
        .filter(|&common| common)
        .count();
    2. * common as f64 / (guess.len() + reference.len()).max(1) as f64
}
