//! What a head does, in words: where the written tokens' weight goes, on average.

use super::attention::Attention;
use super::format::percent;

/// Shares below this are not worth a word.
const WORTH_A_WORD: f32 = 0.1;

/// 62% of its weight goes to the token before, 21% to special tokens. `plane` counts the heads of all layers.
pub fn habits(attention: &Attention, plane: usize) -> String {
    let (rows, columns) = (attention.queries(), attention.keys());
    let same = rows == columns;
    let mut shares = [
        ("to the token itself", 0.0),
        ("to the token before", 0.0),
        ("to the token after", 0.0),
        ("to special tokens", 0.0),
        (
            if same {
                "to words further away"
            } else {
                "to the source’s own tokens"
            },
            0.0,
        ),
    ];
    let written: Vec<usize> = (0..rows.len()).filter(|&row| !rows[row].special).collect();
    for &row in &written {
        for (column, weight) in attention.weights_of(plane, row).iter().enumerate() {
            let kind = match (same, column) {
                (true, _) if column == row => 0,
                (_, _) if columns[column].special => 3,
                (true, _) if column + 1 == row => 1,
                (true, _) if column == row + 1 => 2,
                _ => 4,
            };
            shares[kind].1 += weight / written.len() as f32;
        }
    }
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    let named: Vec<String> = shares
        .iter()
        .filter(|(_, share)| *share >= WORTH_A_WORD)
        .map(|(what, share)| format!("{} {what}", percent(*share)))
        .collect();
    match named.split_first() {
        None => "It spreads its weight over everything.".into(),
        Some((first, rest)) => {
            let (share, what) = first.split_once(' ').unwrap_or((first, ""));
            let rest: String = rest.iter().map(|next| format!(", {next}")).collect();
            format!("{share} of its weight goes {what}{rest}.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::attention::tests::header;

    #[test]
    fn a_head_that_looks_back_is_said_to() {
        let weights = vec![1.0, 0.0, 0.0, 0.8, 0.2, 0.0, 0.05, 0.7, 0.25];
        let attention = Attention::new(header(3, 1, 1), vec![1; 9], vec![0.0; 9], weights).unwrap();
        assert_eq!(
            habits(&attention, 0),
            "50% of its weight goes to the token before, 48% to the token itself."
        );
    }
}
