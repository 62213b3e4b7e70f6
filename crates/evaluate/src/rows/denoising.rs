//! Text put back as it was: hidden stretches, and sentences out of order. `training/README.md` has the rules.

use unmask_transformer::bart::Bart;

use super::writing::written;
use super::{Limit, Measured, each, percent};
use crate::data::Data;
use crate::error::Result;
use crate::hash::hash32;
use crate::metrics::sentences::sentences;
use crate::metrics::{common, edits};

/// One paragraph in so many is used, for each of the two measures.
const PARAGRAPHS: u32 = 8;
/// Words of a text, at least and at most.
const WORDS: std::ops::RangeInclusive<usize> = 10..=50;
/// The share of words that is hidden.
const HIDDEN: f64 = 0.3;
/// P(length <= i) of a Poisson distribution with mean 3, times 2^32.
const POISSON: [u32; 12] = [
    213_833_830,
    855_335_322,
    1_817_587_558,
    2_779_839_795,
    3_501_528_973,
    3_934_542_479,
    4_151_049_233,
    4_243_837_841,
    4_278_633_569,
    4_290_232_146,
    4_293_711_718,
    4_294_660_693,
];
/// All orders of three.
const ORDERS: [[usize; 3]; 6] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
];

/// A text with some of its words hidden.
#[derive(Clone, Debug, PartialEq)]
pub struct Spoilt {
    /// The words as they were.
    pub words: Vec<String>,
    /// Which of them are hidden.
    pub hidden: Vec<bool>,
    /// What the model reads: a mask in place of each stretch.
    pub text: String,
}

/// The first two sentences of paragraph `k` of document `number`, spoilt; none for a paragraph that isn't used.
pub fn spoilt(number: u32, k: u32, paragraph: &str) -> Option<Spoilt> {
    if !hash32([number, k]).is_multiple_of(PARAGRAPHS) {
        return None;
    }
    let text = sentences(paragraph)
        .into_iter()
        .take(2)
        .collect::<Vec<_>>()
        .join(" ");
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    if !WORDS.contains(&words.len()) {
        return None;
    }
    let count = words.len();
    let mut left = (HIDDEN * count as f64).round() as usize;
    let mut hidden = vec![false; count];
    let mut lengths = vec![None; count + 1]; // of the stretch that begins at each place
    let mut draws = (0..).map(|draw| hash32([number, k, draw]));
    for _ in 0..4 * count {
        let (Some(length), Some(at)) = (draws.next(), draws.next()) else {
            break;
        };
        if left == 0 {
            break;
        }
        let length = POISSON
            .iter()
            .filter(|&&below| length >= below)
            .count()
            .min(left);
        let at = at as usize % (count - length + 1);
        // Stretches don't touch.
        let near = at.saturating_sub(1)..(at + length + 1).min(count);
        if hidden[near.clone()].contains(&true)
            || lengths[near.start..=near.end].iter().any(Option::is_some)
        {
            continue;
        }
        hidden[at..at + length].fill(true);
        lengths[at] = Some(length);
        left -= length.max(1);
    }
    let mut pieces = Vec::new();
    for place in 0..=count {
        if lengths[place].is_some() {
            pieces.push("[MASK]");
        }
        if place < count && !hidden[place] {
            pieces.push(&words[place]);
        }
    }
    let text = pieces.join(" ");
    Some(Spoilt {
        words,
        hidden,
        text,
    })
}

/// Three sentences in their order and in the one that the model reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Permuted {
    /// As they stood.
    pub sentences: [String; 3],
    /// What the model reads.
    pub text: String,
}

/// The first three sentences of paragraph `k` of document `number`, out of order or, one time in six, not; none for
/// a paragraph that isn't used.
pub fn permuted(number: u32, k: u32, paragraph: &str) -> Option<Permuted> {
    if hash32([number, k]) % PARAGRAPHS != 1 {
        return None;
    }
    let found = sentences(paragraph);
    let first: [&str; 3] = found.get(..3)?.try_into().ok()?;
    let fits = |sentence: &str| (4..=25).contains(&sentence.split_whitespace().count());
    if !first.into_iter().all(fits)
        || first[0] == first[1]
        || first[1] == first[2]
        || first[0] == first[2]
    {
        return None;
    }
    let order = ORDERS[hash32([number, k, 3]) as usize % ORDERS.len()];
    Some(Permuted {
        sentences: first.map(str::to_owned),
        text: order.map(|i| first[i]).join(" "),
    })
}

impl Permuted {
    /// Whether of all orders the right one is nearest, in words, to what was written.
    pub fn is_put_right_by(&self, written: &str) -> bool {
        let written = plain(written);
        let distance = |order: [usize; 3]| {
            edits(
                &plain(&order.map(|i| self.sentences[i].as_str()).join(" ")),
                &written,
            )
        };
        let [right, others @ ..] = ORDERS.map(distance);
        others.iter().all(|&other| right < other)
    }
}

/// The words of a text, whatever their case and the punctuation around them: not every vocabulary keeps these.
fn plain(text: &str) -> Vec<String> {
    let words = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

fn of_paragraphs<T>(data: &Data, make: fn(u32, u32, &str) -> Option<T>) -> Result<Vec<T>> {
    let documents = data.held_out_prose()?.iter();
    let texts = documents.flat_map(|document| {
        let paragraphs = (0..).zip(&document.paragraphs);
        paragraphs.filter_map(move |(k, paragraph)| make(document.number, k, paragraph))
    });
    Ok(texts.collect())
}

pub fn infilling(bart: &Bart, data: &Data, limit: Limit) -> Result<Measured> {
    let (texts, is_sample) = limit.of(of_paragraphs(data, spoilt)?);
    let counts = each(&texts, |spoilt| {
        let output = plain(&written(bart, "denoise", &spoilt.text)?);
        let words = spoilt.words.iter().zip(&spoilt.hidden);
        let (words, hidden): (Vec<String>, Vec<bool>) = words
            .flat_map(|(word, &hidden)| plain(word).into_iter().map(move |word| (word, hidden)))
            .unzip();
        let mut counts = [0; 4]; // seen, kept, hidden, recovered
        for (found, hidden) in common(&words, &output).into_iter().zip(hidden) {
            let at = 2 * usize::from(hidden);
            counts[at] += 1;
            counts[at + 1] += usize::from(found);
        }
        Ok(counts)
    })?;
    let mut sums = [0; 4];
    for counts in counts {
        sums.iter_mut()
            .zip(counts)
            .for_each(|(sum, count)| *sum += count);
    }
    Ok(Measured {
        figures: vec![percent(sums[1], sums[0]), percent(sums[3], sums[2])],
        unit: "texts",
        items: texts.len(),
        is_sample,
    })
}

pub fn permutation(bart: &Bart, data: &Data, limit: Limit) -> Result<Measured> {
    let (texts, is_sample) = limit.of(of_paragraphs(data, permuted)?);
    let right = each(&texts, |permuted| {
        Ok(permuted.is_put_right_by(&written(bart, "denoise", &permuted.text)?))
    })?;
    Ok(Measured::share(&right, "texts", is_sample))
}
