//! What pre-training does with a token that it has chosen (Devlin et al., 2018, arXiv 1810.04805): it hides eight of ten,
//! puts another word in the place of one, and leaves one as it is. BERT has to say in each case what stood there.

use unmask_protocol::{Candidate, Token};

use super::marked::byte_offset;
use super::noise::Draw;
use super::sentence::{MASK, Word, words};

/// What becomes of a chosen token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Treatment {
    /// A mask stands in its place.
    Hidden,
    /// Another word of the vocabulary does.
    Replaced,
    /// It stays.
    Kept,
}

impl Treatment {
    /// All three, with the percentage of the tokens that get each.
    pub const ALL: [(Self, u32); 3] = [(Self::Hidden, 80), (Self::Replaced, 10), (Self::Kept, 10)];

    /// Its name for data and tests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::Replaced => "replaced",
            Self::Kept => "kept",
        }
    }

    /// What the dice say, from 0 to 99.
    pub fn of(dice: u32) -> Self {
        let mut below = 0;
        for (treatment, percent) in Self::ALL {
            below += percent;
            if dice < below {
                return treatment;
            }
        }
        Self::Kept
    }
}

/// What chance decides about one token; the same seed decides the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance {
    /// From 0 to 99.
    pub dice: u32,
    /// For the word that may come in: which, of however many there are.
    word: u32,
}

impl Chance {
    /// The draw of a seed.
    pub fn of(seed: u32) -> Self {
        let mut draw = Draw::new(seed);
        Self {
            dice: draw.below(100) as u32,
            word: draw.below(1 << 31) as u32,
        }
    }

    /// A word of the vocabulary other than `but`: whole, of letters, so that it can stand in a text. (Pre-training
    /// draws pieces and signs as well.) `vocabulary` is in any order.
    pub fn word(self, vocabulary: &[Candidate], but: u32) -> Option<&str> {
        let mut whole: Vec<&Candidate> = vocabulary
            .iter()
            .filter(|one| one.id != but && is_whole_word(&one.token))
            .collect();
        let place = self.word as usize % whole.len().max(1);
        // The place within the vocabulary's own order, whatever the model thinks of them.
        (place < whole.len()).then(|| {
            let (_, found, _) = whole.select_nth_unstable_by_key(place, |one| one.id);
            found.token.as_str()
        })
    }
}

fn is_whole_word(token: &str) -> bool {
    token.len() > 1 && token.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// The words of a text that are one token each, with that token's position.
pub fn single_tokens(text: &str, tokens: &[Token]) -> Vec<(Word, usize)> {
    let within = |word: &Word| {
        let mut pieces = tokens.iter().enumerate().filter(|(_, token)| {
            let (start, end) = (byte_offset(text, token.start), byte_offset(text, token.end));
            let inside = |at: Option<usize>| {
                at.is_some_and(|at| word.range.start <= at && at <= word.range.end)
            };
            !token.special && inside(start) && inside(end)
        });
        let (position, token) = pieces.next()?;
        let whole = byte_offset(text, token.end) == Some(word.range.end)
            && byte_offset(text, token.start) == Some(word.range.start);
        (whole && pieces.next().is_none()).then_some(position)
    };
    words(text)
        .into_iter()
        .filter(|word| !word.hidden)
        .filter_map(|word| within(&word).map(|position| (word, position)))
        .collect()
}

/// The text with `word` treated; `other` comes in its place where it is replaced.
pub fn treated(text: &str, word: &Word, treatment: Treatment, other: &str) -> String {
    let now = match treatment {
        Treatment::Hidden => MASK,
        Treatment::Replaced => other,
        Treatment::Kept => return text.to_owned(),
    };
    [&text[..word.range.start], now, &text[word.range.end..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: u32, token: &str) -> Candidate {
        Candidate {
            token: token.into(),
            id,
            probability: 0.1,
            text: token.into(),
        }
    }

    #[test]
    fn eight_of_ten_are_hidden_one_replaced_and_one_kept() {
        let count = |wanted| {
            (0..100)
                .filter(|&dice| Treatment::of(dice) == wanted)
                .count()
        };
        assert_eq!(count(Treatment::Hidden), 80);
        assert_eq!(count(Treatment::Replaced), 10);
        assert_eq!(count(Treatment::Kept), 10);
        let drawn = |wanted| {
            let seeds = 0..10_000;
            let treatments = seeds.map(|seed| Treatment::of(Chance::of(seed).dice));
            treatments.filter(|&one| one == wanted).count()
        };
        assert!((7_800..8_200).contains(&drawn(Treatment::Hidden)));
        assert!((850..1_150).contains(&drawn(Treatment::Replaced)));
    }

    #[test]
    fn the_word_that_comes_in_depends_on_the_seed_alone_and_is_another() {
        let mut vocabulary = vec![
            candidate(5, "go"),
            candidate(9, "##ing"),
            candidate(2, "[MASK]"),
            candidate(7, "stone"),
            candidate(8, "blue"),
            candidate(3, "x"),
        ];
        let words: Vec<String> = (0..40)
            .filter_map(|seed| Chance::of(seed).word(&vocabulary, 5).map(str::to_owned))
            .collect();
        assert_eq!(words.len(), 40);
        assert!(words.iter().all(|word| word == "stone" || word == "blue"));
        assert!(words.contains(&"stone".to_owned()) && words.contains(&"blue".to_owned()));
        vocabulary.reverse();
        let again = (0..40).filter_map(|seed| Chance::of(seed).word(&vocabulary, 5));
        assert!(again.eq(words.iter().map(String::as_str)));
        assert_eq!(Chance::of(1).word(&vocabulary[..1], 5), None);
    }

    #[test]
    fn only_words_of_one_token_are_on_offer() {
        let text = "É go, unmask it";
        let token = |text: &str, start, end, special| Token {
            id: 1,
            text: text.into(),
            start,
            end,
            segment: 0,
            special,
        };
        let tokens = [
            token("[CLS]", 0, 0, true),
            token("é", 0, 1, false),
            token("go", 2, 4, false),
            token(",", 4, 5, false),
            token("un", 6, 8, false),
            token("##mask", 8, 12, false),
        ];
        let found = single_tokens(text, &tokens);
        let found: Vec<(&str, usize)> = found
            .iter()
            .map(|(word, position)| (&text[word.range.clone()], *position))
            .collect();
        assert_eq!(found, [("É", 1), ("go", 2)], "“it” was not read");
    }

    #[test]
    fn a_text_is_treated_in_one_place() {
        let text = "É go, unmask it";
        let word = &words(text)[1];
        let with = |treatment| treated(text, word, treatment, "stone");
        assert_eq!(with(Treatment::Hidden), "É [MASK], unmask it");
        assert_eq!(with(Treatment::Replaced), "É stone, unmask it");
        assert_eq!(with(Treatment::Kept), text);
    }
}
