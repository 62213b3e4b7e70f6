//! A text with one word hidden at a time, and what that does to a label.

use super::sentence::{MASK, words};

/// Words that are hidden in turn: each costs a reading of the whole text.
pub const MOST: usize = 48;
/// Five points: bars are not blown up beyond this, so that next to nothing looks like it.
const SMALL: i32 = 50;

/// The text's first [`MOST`] words, each with the text in which it is hidden. Masks that stand there already are left out.
pub fn occluded(text: &str) -> Vec<(String, String)> {
    let words = words(text).into_iter().filter(|word| !word.hidden);
    words
        .take(MOST)
        .map(|word| {
            let (start, end) = (word.range.start, word.range.end);
            let hidden = [&text[..start], MASK, &text[end..]].concat();
            (text[word.range].to_owned(), hidden)
        })
        .collect()
}

/// A word, and the label's probability while it is hidden.
#[derive(Clone, Debug, PartialEq)]
pub struct Hidden {
    /// The word.
    pub word: String,
    /// From 0 to 1.
    pub probability: f32,
}

/// What hiding each word did to the label that is most probable on the whole text.
#[derive(Clone, Debug, PartialEq)]
pub struct Occlusion {
    /// The label.
    pub label: String,
    /// Its probability on the whole text.
    pub whole: f32,
    /// Word by word, in the text's order.
    pub words: Vec<Hidden>,
}

impl Occlusion {
    /// How much a probability differs from the whole text's, in tenths of percentage points.
    pub fn change(&self, hidden: &Hidden) -> i32 {
        ((hidden.probability - self.whole) * 1000.0).round() as i32
    }

    /// The word without which the label loses most, where it loses anything.
    pub fn mainstay(&self) -> Option<&Hidden> {
        let least =
            self.words
                .iter()
                .reduce(|least, next| match next.probability < least.probability {
                    true => next,
                    false => least,
                })?;
        (self.change(least) < 0).then_some(least)
    }

    /// What fills a bar, in tenths of percentage points: the largest change, but not less than [`SMALL`].
    pub fn scale(&self) -> i32 {
        let changes = self.words.iter().map(|word| self.change(word).abs());
        changes.fold(SMALL, i32::max)
    }
}

/// A change in percentage points with its sign and one decimal.
pub fn points(tenths: i32) -> String {
    let sign = match tenths {
        0 => "±",
        1.. => "+",
        _ => "−",
    };
    let size = tenths.abs();
    format!("{sign}{}.{}", size / 10, size % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_hidden_once_and_nothing_else_changes() {
        let all = occluded("The film, “so-so”, is [MASK] warm.");
        let words: Vec<&str> = all.iter().map(|(word, _)| word.as_str()).collect();
        assert_eq!(words, ["The", "film", "so-so", "is", "warm"]);
        assert_eq!(all[2].1, "The film, “[MASK]”, is [MASK] warm.");
        assert!(occluded(" … ").is_empty());
        assert_eq!(occluded(&"a ".repeat(MOST + 9)).len(), MOST);
    }

    #[test]
    fn the_mainstay_is_the_word_without_which_the_label_falls_most() {
        let word = |word: &str, probability| Hidden {
            word: word.into(),
            probability,
        };
        let mut occlusion = Occlusion {
            label: "positive".into(),
            whole: 0.9,
            words: vec![word("not", 0.95), word("warm", 0.55), word("film", 0.9)],
        };
        assert_eq!(occlusion.mainstay().unwrap().word, "warm");
        assert_eq!(occlusion.scale(), 350);
        let changes: Vec<String> = occlusion
            .words
            .iter()
            .map(|word| points(occlusion.change(word)))
            .collect();
        assert_eq!(changes, ["+5.0", "−35.0", "±0.0"]);
        occlusion.words.truncate(1);
        assert_eq!((occlusion.mainstay(), occlusion.scale()), (None, 50));
    }
}
