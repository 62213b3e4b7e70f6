//! The reader's sentence: its words, which of them are hidden, and what stood there.

use std::ops::Range;

use super::marked::byte_offset;

/// What the engine reads as a hidden word.
pub const MASK: &str = "[MASK]";

/// Words of a text that a matrix is drawn for: more would be finer than pixels, and take hundreds of megabytes.
pub const MOST_WORDS: usize = 160;

/// A word of the sentence, or the mask in its place. Ranges are byte offsets into the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// Where it stands.
    pub range: Range<usize>,
    /// Whether a mask stands here.
    pub hidden: bool,
}

/// A text with hidden words that remembers what it hides.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentence {
    text: String,
    /// One entry per mask in the text's order: the word that was hidden, where a click hid it.
    originals: Vec<Option<String>>,
}

impl Sentence {
    /// A sentence as typed.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let originals = vec![None; mask_count(&text)];
        Self { text, originals }
    }

    /// A sentence as a link has it: `originals` are what its masks hide. What is no single word is left out.
    pub fn restored(text: String, originals: Vec<Option<String>>) -> Self {
        let mut sentence = Self::new(text);
        for (slot, original) in sentence.originals.iter_mut().zip(originals) {
            *slot = original.filter(|word| {
                let found = words(word);
                let whole = |only: &Word| !only.hidden && only.range == (0..word.len());
                found.len() == 1 && found.iter().all(whole)
            });
        }
        sentence
    }

    /// What the masks hide, in order, as far as it is known.
    pub fn originals(&self) -> &[Option<String>] {
        &self.originals
    }

    /// `text` with its first occurrence of `word` hidden; the text as it is where it has no such word.
    pub fn hiding(text: &str, word: &str) -> Self {
        let mut sentence = Self::new(text);
        let place = words(text)
            .iter()
            .position(|candidate| &text[candidate.range.clone()] == word);
        if let Some(index) = place {
            sentence.toggle(index);
        }
        sentence
    }

    /// The text as the field shows it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The words and masks, in order.
    pub fn words(&self) -> Vec<Word> {
        words(&self.text)
    }

    /// How many words are hidden.
    pub fn hidden_count(&self) -> usize {
        self.originals.len()
    }

    /// [`Self::masked`], where any word is hidden.
    pub fn masked_if_any(&self) -> Option<String> {
        (!self.originals.is_empty()).then(|| self.masked())
    }

    /// The text with every spelling of the mask (`[mask]`, `<mask>`, `___`) as [`MASK`].
    pub fn masked(&self) -> String {
        let mut masked = String::with_capacity(self.text.len());
        let mut copied = 0;
        for mask in self.words().iter().filter(|word| word.hidden) {
            masked.push_str(&self.text[copied..mask.range.start]);
            masked.push_str(MASK);
            copied = mask.range.end;
        }
        masked.push_str(&self.text[copied..]);
        masked
    }

    /// [`Self::masked`], or as much of it as a matrix is drawn for; none for a text without words.
    pub fn beginning(&self) -> Option<String> {
        let mut masked = self.masked();
        let words = words(&masked);
        let last = words.get(MOST_WORDS.min(words.len()).checked_sub(1)?)?;
        if words.len() > MOST_WORDS {
            masked.truncate(last.range.end);
        }
        Some(masked)
    }

    /// The word that `mask` (counted from 0) hides, where it is known.
    pub fn original(&self, mask: usize) -> Option<&str> {
        self.originals.get(mask)?.as_deref()
    }

    /// Which mask the word at `index` is, counted from 0.
    pub fn mask_index(&self, index: usize) -> Option<usize> {
        let words = self.words();
        words.get(index)?.hidden.then(|| {
            words[..index]
                .iter()
                .filter(|earlier| earlier.hidden)
                .count()
        })
    }

    /// Which word begins at or covers a place in [`Self::masked`], which counts UTF-16 units.
    pub fn word_at(&self, place: usize) -> Option<usize> {
        let masked = self.masked();
        let at = byte_offset(&masked, place)?;
        words(&masked)
            .iter()
            .position(|word| word.range.contains(&at))
    }

    /// How many words begin before a place in [`Self::masked`], which counts UTF-16 units.
    pub fn words_before(&self, place: usize) -> usize {
        let masked = self.masked();
        let at = byte_offset(&masked, place).unwrap_or(masked.len());
        words(&masked)
            .iter()
            .take_while(|word| word.range.start < at)
            .count()
    }

    /// The masked text with the word at `index` replaced by `word`.
    pub fn replaced(&self, index: usize, word: &str) -> Option<String> {
        let mut masked = self.masked();
        let range = words(&masked).get(index)?.range.clone();
        masked.replace_range(range, word);
        Some(masked)
    }

    /// Takes a newly typed text, keeping what is known of the masks outside the stretch that changed.
    pub fn edit(&mut self, text: String) {
        let prefix = common_prefix(&self.text, &text);
        let suffix = common_prefix_rev(&self.text[prefix..], &text[prefix..]);
        let before = self.masks_within(0..prefix);
        let after = self.masks_within(self.text.len() - suffix..self.text.len());
        let count = mask_count(&text);
        let mut originals = vec![None; count];
        for (slot, original) in originals.iter_mut().zip(&self.originals[before]) {
            slot.clone_from(original);
        }
        for (slot, original) in originals
            .iter_mut()
            .rev()
            .zip(self.originals[after].iter().rev())
        {
            slot.clone_from(original);
        }
        *self = Self { text, originals };
    }

    /// Hides the word at `index`, or brings it back. A mask that the reader typed has nothing to bring
    /// back and stays.
    pub fn toggle(&mut self, index: usize) {
        let words = self.words();
        let Some(word) = words.get(index) else {
            return;
        };
        let mask = words[..index]
            .iter()
            .filter(|earlier| earlier.hidden)
            .count();
        if !word.hidden {
            let original = self.text[word.range.clone()].to_owned();
            self.text.replace_range(word.range.clone(), MASK);
            self.originals.insert(mask, Some(original));
        } else if let Some(original) = self.originals[mask].take() {
            self.text.replace_range(word.range.clone(), &original);
            self.originals.remove(mask);
        }
    }

    /// The word worth saying aloud: the longest one in sight, the later of two.
    pub fn salient_word(&self) -> Option<usize> {
        self.words()
            .iter()
            .enumerate()
            .filter(|(_, word)| !word.hidden)
            .max_by_key(|(_, word)| self.text[word.range.clone()].chars().count())
            .map(|(index, _)| index)
    }

    /// Indices of the masks that lie wholly within a stretch of the text.
    fn masks_within(&self, stretch: Range<usize>) -> Range<usize> {
        let words = self.words();
        let masks = || words.iter().filter(|word| word.hidden);
        let start = masks()
            .filter(|mask| mask.range.start < stretch.start)
            .count();
        let end = masks().filter(|mask| mask.range.end <= stretch.end).count();
        start..end.max(start)
    }
}

/// The words and masks of a text; punctuation and spaces lie between them.
pub fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (length, hidden) = match mask_length(rest) {
            Some(length) => (length, true),
            None => (word_length(rest), false),
        };
        if length > 0 {
            words.push(Word {
                range: at..at + length,
                hidden,
            });
        }
        at += if length > 0 { length } else { first.len_utf8() };
    }
    words
}

fn mask_count(text: &str) -> usize {
    words(text).iter().filter(|word| word.hidden).count()
}

/// Length of the mask that `text` begins with, in any of its spellings.
fn mask_length(text: &str) -> Option<usize> {
    let underscores = text.bytes().take_while(|&byte| byte == b'_').count();
    if underscores >= 3 {
        return Some(underscores);
    }
    [MASK, "<mask>"].iter().find_map(|mask| {
        let start = text.get(..mask.len())?;
        start.eq_ignore_ascii_case(mask).then_some(mask.len())
    })
}

/// Length of the word that `text` begins with: letters and digits, with apostrophes and hyphens inside.
fn word_length(text: &str) -> usize {
    let mut end = 0;
    for (at, character) in text.char_indices() {
        let joins = matches!(character, '\'' | '’' | '-') && at > 0;
        if character.is_alphanumeric() {
            end = at + character.len_utf8();
        } else if !joins {
            break;
        }
    }
    end
}

fn common_prefix(a: &str, b: &str) -> usize {
    a.chars()
        .zip(b.chars())
        .take_while(|(x, y)| x == y)
        .map(|(x, _)| x.len_utf8())
        .sum()
}

fn common_prefix_rev(a: &str, b: &str) -> usize {
    a.chars()
        .rev()
        .zip(b.chars().rev())
        .take_while(|(x, y)| x == y)
        .map(|(x, _)| x.len_utf8())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restored_sentence_brings_back_what_it_hides_and_takes_nothing_else() {
        let words = ["book", "two words", "[MASK]", "never shown"];
        let originals = words.iter().map(|&word| Some(word.to_owned())).collect();
        let mut sentence = Sentence::restored("A [MASK], a ___, a [MASK].".into(), originals);
        assert_eq!(sentence.originals(), [Some("book".to_owned()), None, None]);
        sentence.toggle(1);
        assert_eq!(sentence.text(), "A book, a ___, a [MASK].");
    }

    fn texts(text: &str) -> Vec<&str> {
        words(text)
            .into_iter()
            .map(|word| &text[word.range])
            .collect()
    }

    #[test]
    fn words_leave_punctuation_out_and_keep_it_inside() {
        assert_eq!(
            texts("“Don’t,” said the well-known naïf -- twice."),
            ["Don’t", "said", "the", "well-known", "naïf", "twice"]
        );
        assert!(texts(" … ?! ").is_empty());
    }

    #[test]
    fn every_spelling_of_the_mask_is_understood() {
        let sentence = Sentence::new("a [mask], a <MASK> and ____.");
        assert_eq!(sentence.hidden_count(), 3);
        assert_eq!(sentence.masked(), "a [MASK], a [MASK] and [MASK].");
    }

    #[test]
    fn hiding_and_revealing_a_word_gives_the_text_back() {
        let mut sentence = Sentence::new("The cat sat.");
        sentence.toggle(1);
        assert_eq!(sentence.text(), "The [MASK] sat.");
        assert_eq!(sentence.original(0), Some("cat"));
        sentence.toggle(2);
        assert_eq!(sentence.text(), "The [MASK] [MASK].");
        sentence.toggle(1);
        assert_eq!(sentence.text(), "The cat [MASK].");
        assert_eq!(sentence.original(0), Some("sat"));
    }

    #[test]
    fn a_typed_mask_has_nothing_to_reveal() {
        let mut sentence = Sentence::new("The [MASK] sat.");
        sentence.toggle(1);
        assert_eq!(sentence.text(), "The [MASK] sat.");
        sentence.toggle(99);
        assert_eq!(sentence.text(), "The [MASK] sat.");
    }

    #[test]
    fn typing_elsewhere_keeps_what_the_masks_hide() {
        let mut sentence = Sentence::new("The cat sat on the mat.");
        sentence.toggle(1);
        sentence.toggle(5);
        sentence.edit("The [MASK] slept and slept on the [MASK].".into());
        assert_eq!(sentence.original(0), Some("cat"));
        assert_eq!(sentence.original(1), Some("mat"));
        sentence.edit("The [MASK] slept [MASK] slept on the [MASK].".into());
        assert_eq!(sentence.original(1), None);
        assert_eq!(sentence.original(2), Some("mat"));
        sentence.edit("on the [MASK].".into());
        assert_eq!(sentence.hidden_count(), 1);
        assert_eq!(sentence.original(0), Some("mat"));
    }

    #[test]
    fn editing_anything_into_anything_keeps_one_entry_per_mask() {
        let texts = [
            "",
            "[MASK]",
            "[MASK][MASK]",
            "é[MASK]é",
            "____[MASK]____",
            "[MAS",
            "a b",
        ];
        for from in texts {
            for to in texts {
                let mut sentence = Sentence::new(from);
                sentence.edit(to.into());
                assert_eq!(
                    sentence.hidden_count(),
                    mask_count(to),
                    "{from:?} to {to:?}"
                );
            }
        }
    }

    #[test]
    fn a_word_is_found_by_its_place_in_the_masked_text() {
        let sentence = Sentence::new("Łódź is a ___ in Poland.");
        assert_eq!(sentence.masked(), "Łódź is a [MASK] in Poland.");
        assert_eq!(sentence.word_at(0), Some(0));
        assert_eq!(sentence.word_at(10), Some(3));
        assert_eq!(sentence.word_at(20), Some(5));
        assert_eq!(sentence.word_at(26), None);
        assert_eq!(sentence.word_at(99), None);
        let before = |place| sentence.words_before(place);
        assert_eq!((before(0), before(1), before(10), before(16)), (0, 1, 3, 4));
        assert_eq!((before(20), before(99)), (5, 6));
        let replaced = sentence.replaced(5, "Spain");
        assert_eq!(replaced.as_deref(), Some("Łódź is a [MASK] in Spain."));
        assert_eq!(sentence.replaced(9, "x"), None);
    }

    #[test]
    fn a_matrix_takes_the_beginning_of_a_long_text() {
        assert_eq!(
            Sentence::new("Two words!").beginning().as_deref(),
            Some("Two words!")
        );
        assert_eq!(Sentence::new(" … ").beginning(), None);
        let long = "word ".repeat(MOST_WORDS + 1);
        let beginning = Sentence::new(long).beginning().unwrap();
        assert_eq!(words(&beginning).len(), MOST_WORDS);
        assert!(beginning.ends_with("word"));
    }

    #[test]
    fn the_salient_word_is_the_longest_in_sight() {
        let sentence = Sentence::hiding("A small elephant sneezed.", "elephant");
        assert_eq!(sentence.text(), "A small [MASK] sneezed.");
        assert_eq!(sentence.salient_word(), Some(3));
        assert_eq!(Sentence::new("[MASK]!").salient_word(), None);
    }
}
