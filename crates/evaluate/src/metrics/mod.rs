//! How answers are compared with references, each measure as its field computes it.

pub mod bleu;
pub mod entities;
pub mod phonemes;
pub mod rouge;
pub mod sentences;
pub mod squad;

/// The least number of insertions, deletions and replacements between two sequences.
pub fn edits<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = before + usize::from(x != y);
            before = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(before + 1);
        }
    }
    row[b.len()]
}

/// Which elements of `a` a longest common subsequence with `b` has; of several the one that ends first.
pub fn common<T: PartialEq>(a: &[T], b: &[T]) -> Vec<bool> {
    // lengths[i][j]: of the longest common subsequence of a[i..] and b[j..]
    let mut lengths = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            lengths[i][j] = match a[i] == b[j] {
                true => lengths[i + 1][j + 1] + 1,
                false => lengths[i + 1][j].max(lengths[i][j + 1]),
            };
        }
    }
    let mut found = vec![false; a.len()];
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            found[i] = true;
            (i, j) = (i + 1, j + 1);
        } else if lengths[i + 1][j] >= lengths[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_and_common_elements_of_small_words() {
        let letters = |word: &str| word.chars().collect::<Vec<_>>();
        assert_eq!(edits(&letters("kitten"), &letters("sitting")), 3);
        assert_eq!(edits(&letters(""), &letters("abc")), 3);
        assert_eq!(
            common(&letters("abcd"), &letters("xbyd")),
            [false, true, false, true]
        );
        assert_eq!(common(&letters("aa"), &letters("a")), [true, false]);
    }
}
