//! What became of a text that was spoilt and put right again, word by word.

use super::noise::words;

/// A word of the repaired text, or one that it lacks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// It was there to be seen, and stayed.
    Kept,
    /// It was hidden, and is back.
    Restored,
    /// It stands where something was hidden, and is not what was there.
    Guessed,
    /// Nobody asked for it: what was there could be seen.
    Unasked,
    /// It could be seen, and is gone.
    Lost,
}

/// The words of `repaired`, and those of `original` that are lost, in order. `hidden`: for each word of `original`,
/// whether the repairer could not see it. Words are alike if their letters and digits are, in either case.
pub fn compare<'a>(original: &'a str, hidden: &[bool], repaired: &'a str) -> Vec<(&'a str, Fate)> {
    let (before, after) = (words(original), words(repaired));
    let is_hidden = |at: usize| hidden.get(at).copied().unwrap_or(false);
    let mut fates = Vec::new();
    let (mut i, mut j) = (0, 0);
    let mut pairs = alike(&before, &after);
    // Everything up to the ends is a gap like any other.
    pairs.push((before.len(), after.len()));
    for (next_i, next_j) in pairs {
        let asked = (i..next_i).any(is_hidden);
        let instead = if asked { Fate::Guessed } else { Fate::Unasked };
        let lost = (i..next_i).filter(|&at| !is_hidden(at));
        fates.extend(lost.map(|at| (before[at], Fate::Lost)));
        fates.extend(after[j..next_j].iter().map(|&word| (word, instead)));
        if let (Some(_), Some(&word)) = (before.get(next_i), after.get(next_j)) {
            let fate = match is_hidden(next_i) {
                true => Fate::Restored,
                false => Fate::Kept,
            };
            fates.push((word, fate));
        }
        (i, j) = (next_i + 1, next_j + 1);
    }
    fates
}

/// Whether two words are the same but for their case and for what clings to them. Bytes will do: what isn't ASCII is
/// compared as it is, and no page should carry all of Unicode for a tally.
fn is_same(before: &str, after: &str) -> bool {
    fn bare(word: &str) -> impl Iterator<Item = u8> + '_ {
        let bytes = word.bytes().map(|byte| byte.to_ascii_lowercase());
        bytes.filter(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii())
    }
    bare(before).eq(bare(after))
}

/// Places of the longest common subsequence.
fn alike(before: &[&str], after: &[&str]) -> Vec<(usize, usize)> {
    let width = after.len() + 1;
    // longest[i * width + j]: of before[i..] and after[j..].
    let mut longest = vec![0u32; (before.len() + 1) * width];
    for i in (0..before.len()).rev() {
        for j in (0..after.len()).rev() {
            longest[i * width + j] = match is_same(before[i], after[j]) {
                true => longest[(i + 1) * width + j + 1] + 1,
                false => longest[(i + 1) * width + j].max(longest[i * width + j + 1]),
            };
        }
    }
    let mut pairs = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < before.len() && j < after.len() {
        if is_same(before[i], after[j]) {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if longest[(i + 1) * width + j] >= longest[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::Fate::*;
    use super::*;

    #[test]
    fn hidden_words_come_back_or_are_guessed_otherwise() {
        let hidden = [false, false, true, false, true];
        let fates = compare("The big dog ate bones.", &hidden, "the big dog ate meat.");
        let expected = [
            ("the", Kept),
            ("big", Kept),
            ("dog", Restored),
            ("ate", Kept),
            ("meat.", Guessed),
        ];
        assert_eq!(fates, expected);
    }

    #[test]
    fn what_nobody_asked_for_is_told_from_a_guess() {
        let fates = compare("a cat sat", &[false; 3], "a dog sat down");
        let expected = [
            ("a", Kept),
            ("cat", Lost),
            ("dog", Unasked),
            ("sat", Kept),
            ("down", Unasked),
        ];
        assert_eq!(fates, expected);
    }

    #[test]
    fn a_hidden_word_that_stays_away_is_not_called_lost() {
        assert_eq!(
            compare("a b c", &[false, true, false], "a c"),
            [("a", Kept), ("c", Kept)]
        );
        assert_eq!(compare("a b", &[true, true], ""), []);
        assert_eq!(compare("", &[], "b"), [("b", Unasked)]);
    }
}
