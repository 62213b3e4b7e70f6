//! The five ways in which BART's authors spoilt texts for it to put right (Lewis et al., 2019, arXiv 1910.13461), on
//! words instead of tokens, so that a reader can see what happened.

use std::ops::Range;

/// What a hidden word or span becomes.
pub const MASK: &str = "[MASK]";
/// e to the power of -3: Poisson spans of mean 3 begin from it.
const POISSON_3: f32 = 0.049_787_07;

/// A way to spoil a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    /// Single words become masks.
    Masking,
    /// Single words are gone.
    Deletion,
    /// Spans of words, of Poisson-distributed length (mean 3, perhaps none), become one mask each.
    Infilling,
    /// Sentences change places.
    Permutation,
    /// The text begins at some word, and what stood before it follows at the end.
    Rotation,
}

impl Noise {
    /// All five, in the paper's order.
    pub const ALL: [Self; 5] = [
        Self::Masking,
        Self::Deletion,
        Self::Infilling,
        Self::Permutation,
        Self::Rotation,
    ];

    /// Its name in the address.
    fn word(self) -> &'static str {
        self.name().split_once(' ').map_or("", |(_, kind)| kind)
    }

    /// Its name in the paper.
    pub fn name(self) -> &'static str {
        match self {
            Self::Masking => "token masking",
            Self::Deletion => "token deletion",
            Self::Infilling => "text infilling",
            Self::Permutation => "sentence permutation",
            Self::Rotation => "document rotation",
        }
    }

    /// Whether it has a share of words to take.
    pub fn takes_words(self) -> bool {
        matches!(self, Self::Masking | Self::Deletion | Self::Infilling)
    }
}

/// How a text is spoilt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// In which way.
    pub noise: Noise,
    /// Percent of the words that go, where words go.
    pub share: u32,
    /// Which draw it is.
    pub seed: u32,
}

impl Default for Settings {
    /// As in the paper.
    fn default() -> Self {
        Self {
            noise: Noise::Infilling,
            share: 30,
            seed: 1,
        }
    }
}

impl Settings {
    /// The largest share.
    pub const MOST: u32 = 60;

    /// As an address has it, such as `infilling-30-1`.
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let word = parts.next()?;
        let settings = Self {
            noise: Noise::ALL.into_iter().find(|noise| noise.word() == word)?,
            share: parts.next()?.parse().ok()?,
            seed: parts.next()?.parse().ok()?,
        };
        let sound = (1..=Self::MOST).contains(&settings.share) && parts.next().is_none();
        sound.then_some(settings)
    }

    /// What [`Self::read`] takes.
    pub fn write(&self) -> String {
        format!("{}-{}-{}", self.noise.word(), self.share, self.seed)
    }
}

/// A spoilt text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spoilt {
    /// What is left of it.
    pub text: String,
    /// For each word of the text as it was: whether it can't be seen any more.
    pub hidden: Vec<bool>,
}

/// The words of a text, with what clings to them.
pub fn words(text: &str) -> Vec<&str> {
    text.split_ascii_whitespace().collect()
}

/// Spoils `text`. `share`: of the words that may go, from 0 to 1, where the noise takes words; at least one goes. The
/// same seed gives the same draw.
pub fn spoil(text: &str, noise: Noise, share: f32, seed: u32) -> Spoilt {
    let words = words(text);
    let mut hidden = vec![false; words.len()];
    let mut draw = Draw::new(seed);
    let wanted = ((share * words.len() as f32).round() as usize).clamp(1, words.len().max(1));
    let mut spoilt: Vec<&str> = Vec::new();
    match noise {
        _ if words.is_empty() => {}
        Noise::Masking | Noise::Deletion => {
            for at in draw.permutation(words.len()).into_iter().take(wanted) {
                hidden[at] = true;
            }
            for (word, &hidden) in words.iter().zip(&hidden) {
                match (hidden, noise) {
                    (false, _) => spoilt.push(word),
                    (true, Noise::Masking) => spoilt.push(MASK),
                    (true, _) => {}
                }
            }
        }
        Noise::Infilling => {
            let spans = draw.spans(words.len(), wanted);
            let mut at = 0;
            for span in spans {
                spoilt.extend(&words[at..span.start]);
                spoilt.push(MASK);
                hidden[span.clone()].fill(true);
                at = span.end;
            }
            spoilt.extend(&words[at..]);
        }
        Noise::Permutation => {
            let sentences = sentences(&words);
            let mut order = draw.permutation(sentences.len());
            if order.is_sorted() {
                order.reverse();
            }
            for place in order {
                spoilt.extend(&words[sentences[place].clone()]);
            }
        }
        Noise::Rotation => {
            spoilt.extend(&words);
            if words.len() > 1 {
                spoilt.rotate_left(1 + draw.below(words.len() - 1));
            }
        }
    }
    Spoilt {
        text: spoilt.join(" "),
        hidden,
    }
}

/// Number of sentences in a text.
pub fn sentence_count(text: &str) -> usize {
    sentences(&words(text)).len()
}

/// Each sentence's words: up to one that ends in a full stop, a question mark or an exclamation mark.
fn sentences(words: &[&str]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for (at, word) in words.iter().enumerate() {
        let bare = word.trim_end_matches(['"', '\'', '”', '’', ')']);
        if bare.ends_with(['.', '!', '?']) || at + 1 == words.len() {
            found.push(start..at + 1);
            start = at + 1;
        }
    }
    found
}

/// A stream of numbers that depends on its seed alone (SplitMix32).
pub(super) struct Draw(u32);

impl Draw {
    pub(super) fn new(seed: u32) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9);
        let mut z = self.0;
        z = (z ^ (z >> 16)).wrapping_mul(0x21F0_AAAD);
        z = (z ^ (z >> 15)).wrapping_mul(0x735A_2D97);
        z ^ (z >> 15)
    }

    /// From 0 to below `end`, which is above 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.next() as usize % end
    }

    fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }

    /// Knuth's way: how many uniform numbers can be multiplied before the product falls below e to the power of -3.
    fn poisson_3(&mut self) -> usize {
        let (mut product, mut count) = (1.0, 0);
        loop {
            product *= (self.next() >> 8) as f32 / (1 << 24) as f32;
            if product <= POISSON_3 {
                return count;
            }
            count += 1;
        }
    }

    /// Spans that cover about `wanted` of `count` words, in order, with a word between each two.
    fn spans(&mut self, count: usize, wanted: usize) -> Vec<Range<usize>> {
        let mut spans: Vec<Range<usize>> = Vec::new();
        let mut left = wanted;
        for _ in 0..8 * count {
            if left == 0 {
                break;
            }
            let length = self.poisson_3().min(left);
            let start = self.below(count - length + 1);
            let span = start..start + length;
            let apart = |other: &Range<usize>| span.end < other.start || other.end < span.start;
            if spans.iter().all(apart) {
                left -= length.max(1);
                let place = spans.partition_point(|other| other.start < span.start);
                spans.insert(place, span);
            }
        }
        spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "He was very tired. He brushed his teeth. Then he went to bed.";

    #[test]
    fn masking_and_deletion_take_the_share_that_is_asked_for() {
        for seed in 0..50 {
            let masked = spoil(TEXT, Noise::Masking, 0.3, seed);
            assert_eq!(masked.text.matches(MASK).count(), 4);
            assert_eq!(words(&masked.text).len(), 13);
            let deleted = spoil(TEXT, Noise::Deletion, 0.3, seed);
            assert_eq!(words(&deleted.text).len(), 9);
            assert_eq!(deleted.hidden, masked.hidden, "the same draw");
            let kept = words(TEXT).into_iter().zip(&deleted.hidden);
            let kept: Vec<_> = kept.filter(|(_, hidden)| !**hidden).map(|k| k.0).collect();
            assert_eq!(kept.join(" "), deleted.text);
        }
    }

    #[test]
    fn infilling_puts_one_mask_in_the_place_of_a_span() {
        let mut lengths = Vec::new();
        for seed in 0..200 {
            let spoilt = spoil(TEXT, Noise::Infilling, 0.4, seed);
            let gone = spoilt.hidden.iter().filter(|&&hidden| hidden).count();
            let masks = spoilt.text.matches(MASK).count();
            assert!(masks > 0 && gone <= 5, "{spoilt:?}");
            assert_eq!(words(&spoilt.text).len(), 13 - gone + masks);
            lengths.push(gone as f32 / masks as f32);
        }
        let mean = lengths.iter().sum::<f32>() / lengths.len() as f32;
        assert!((1.5..3.5).contains(&mean), "{mean}");
    }

    #[test]
    fn spans_are_as_long_as_poissons_of_mean_3() {
        let mut draw = Draw(1);
        let lengths: Vec<usize> = (0..4000).map(|_| draw.poisson_3()).collect();
        let mean = lengths.iter().sum::<usize>() as f32 / 4000.0;
        assert!((mean - 3.0).abs() < 0.1, "{mean}");
        let none = lengths.iter().filter(|&&length| length == 0).count();
        assert!((140..260).contains(&none), "about a twentieth: {none}");
    }

    #[test]
    fn permutation_never_leaves_the_order_and_rotation_never_the_beginning() {
        let mut sorted = words(TEXT);
        sorted.sort_unstable();
        for noise in [Noise::Permutation, Noise::Rotation] {
            for seed in 0..50 {
                let spoilt = spoil(TEXT, noise, 0.3, seed);
                assert_ne!(spoilt.text, TEXT);
                let mut still = words(&spoilt.text);
                still.sort_unstable();
                assert_eq!(still, sorted);
                assert!(!spoilt.hidden.contains(&true));
            }
        }
    }

    #[test]
    fn settings_come_back_from_an_address() {
        for noise in Noise::ALL {
            let settings = Settings {
                noise,
                share: 60,
                seed: u32::MAX,
            };
            assert_eq!(Settings::read(&settings.write()), Some(settings));
        }
        assert_eq!(Settings::default().write(), "infilling-30-1");
        for bad in [
            "",
            "infilling",
            "infilling-0-1",
            "infilling-61-1",
            "heat-30-1",
        ] {
            assert_eq!(Settings::read(bad), None, "{bad}");
        }
        assert_eq!(Settings::read("masking-30-1-1"), None);
    }

    #[test]
    fn little_text_is_spoilt_as_far_as_it_goes() {
        for noise in Noise::ALL {
            assert_eq!(spoil(" ", noise, 0.3, 1), Spoilt::default());
            let one = spoil("Hello", noise, 0.3, 1);
            assert_eq!(one.hidden.len(), 1, "{noise:?}");
        }
        assert_eq!(sentence_count("He said “Go!” Then he went"), 2);
    }
}
