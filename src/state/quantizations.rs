//! What becomes of a model's answers when its numbers are kept in fewer bits: distributions and attention, held against those of
//! the most exact.

use super::attention::{Attention, Head};
use super::grid::Grid;

/// The four that are compared, the most exact first: name, and bits for each weight, block scales included.
pub const ALL: [(&str, f64); 4] = [("F32", 32.0), ("F16", 16.0), ("Q8_0", 8.5), ("Q4_0", 4.5)];

/// Words of the vocabulary that count as the first ones.
pub const TOP: usize = 5;

/// More memory than this is not asked for to compare: the page has its own models in it already.
const MOST_BYTES: f64 = 1.5e9;

/// The exponential and the natural logarithm: the browser's own, which costs the page nothing.
#[derive(Clone, Copy)]
pub struct Maths {
    /// e to the power of.
    pub exp: fn(f64) -> f64,
    /// The natural logarithm.
    pub ln: fn(f64) -> f64,
}

/// Logits over the vocabulary at some positions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logits {
    /// Words in the vocabulary.
    pub vocabulary: usize,
    /// `[positions, vocabulary]`, row-major.
    pub values: Vec<f32>,
}

impl Logits {
    fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.vocabulary.max(1))
    }

    /// How many positions there are.
    pub fn positions(&self) -> usize {
        self.rows().count()
    }
}

/// How far one run's distributions are from the reference's, over all positions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Divergence {
    /// Mean Kullback–Leibler divergence from the reference, in nats.
    pub mean: f64,
    /// The largest of one position.
    pub largest: f64,
    /// Positions whose most probable word is another one.
    pub first_changed: usize,
    /// Words that are among the first five no more, of all positions.
    pub left_the_top: usize,
    /// Positions.
    pub positions: usize,
}

/// Compares two runs on the same text by the same model.
pub fn divergence(maths: Maths, reference: &Logits, other: &Logits) -> Divergence {
    let mut found = Divergence::default();
    for (p, q) in reference.rows().zip(other.rows()) {
        let one = one_divergence(maths, p, q);
        let (was, is) = (top(p), top(q));
        found.mean += one;
        found.largest = found.largest.max(one);
        found.first_changed += usize::from(was.first() != is.first());
        found.left_the_top += was.iter().filter(|&word| !is.contains(word)).count();
        found.positions += 1;
    }
    found.mean /= found.positions.max(1) as f64;
    found
}

/// KL(p || q) of the distributions with these logits, in nats; never below zero.
fn one_divergence(maths: Maths, p: &[f32], q: &[f32]) -> f64 {
    let normalizer = |logits: &[f32]| {
        let most = logits.iter().copied().fold(f32::MIN, f32::max);
        let sum: f64 = logits
            .iter()
            .map(|x| (maths.exp)(f64::from(x - most)))
            .sum();
        f64::from(most) + (maths.ln)(sum)
    };
    let (all_p, all_q) = (normalizer(p), normalizer(q));
    let part = |(p, q): (&f32, &f32)| {
        let (p, q) = (f64::from(*p) - all_p, f64::from(*q) - all_q);
        (maths.exp)(p) * (p - q)
    };
    p.iter().zip(q).map(part).sum::<f64>().max(0.0)
}

/// The words with the highest logits, highest first.
fn top(logits: &[f32]) -> Vec<usize> {
    let mut best: Vec<usize> = Vec::with_capacity(TOP + 1);
    for (word, logit) in logits.iter().enumerate() {
        let place = best.iter().position(|&other| *logit > logits[other]);
        match place {
            Some(place) => best.insert(place, word),
            None if best.len() < TOP => best.push(word),
            None => {}
        }
        best.truncate(TOP);
    }
    best
}

/// How far one run's attention is from the reference's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AttentionDifference {
    /// Mean over all weights that the mask allows, of all layers and heads.
    pub mean: f32,
    /// The largest of one weight.
    pub largest: f32,
    /// Layer and head of that one.
    pub place: (usize, usize),
}

/// Compares two runs with the same tokens; none where the tokens differ.
pub fn attention_difference(
    reference: &Attention,
    other: &Attention,
) -> Option<AttentionDifference> {
    if (reference.rows(), reference.columns(), reference.planes())
        != (other.rows(), other.columns(), other.planes())
    {
        return None;
    }
    let mut found = AttentionDifference::default();
    let (mut sum, mut count) = (0.0, 0_usize);
    for plane in 0..reference.planes() {
        for row in 0..reference.rows() {
            let (was, is) = (
                reference.weights_of(plane, row),
                other.weights_of(plane, row),
            );
            for (column, (was, is)) in was.iter().zip(is).enumerate() {
                if !reference.allows(row, column) {
                    continue;
                }
                let difference = (was - is).abs();
                sum += f64::from(difference);
                count += 1;
                if difference > found.largest {
                    found.largest = difference;
                    found.place = (plane / reference.heads(), plane % reference.heads());
                }
            }
        }
    }
    found.mean = (sum / count.max(1) as f64) as f32;
    Some(found)
}

/// The differences of one head's weights as a matrix, the largest of them drawn as a weight of one; and that largest.
pub fn difference_grid(
    reference: &Attention,
    other: &Attention,
    (layer, head): (usize, usize),
) -> (Grid, f32) {
    let mut grid = reference.grid(layer, Head::One(head));
    let other = other.grid(layer, Head::One(head));
    let mut largest = 0.0_f32;
    if let (Some(weights), Some(others)) = (&mut grid.weights, other.weights) {
        for (weight, other) in weights.iter_mut().zip(others) {
            *weight = (*weight - other).abs();
            largest = largest.max(*weight);
        }
        for weight in weights {
            *weight /= largest.max(f32::MIN_POSITIVE);
        }
    }
    (grid, largest)
}

/// Whether a model of so many parameters can be computed with, besides what the page has in memory already.
pub fn fits(parameters: u64, bits: f64) -> bool {
    // Halves are computed with as singles.
    let bits = if bits == 16.0 { 32.0 } else { bits };
    parameters as f64 * bits / 8.0 <= MOST_BYTES
}

/// Which of a checkpoint's files a quantization is computed from: its own, or else the most exact. Files are given by their
/// quantizations; the second value says whether it has to be encoded anew.
pub fn source_of(wanted: &str, files: &[String]) -> Option<(usize, bool)> {
    let own = files.iter().position(|file| file == wanted);
    let exact = || {
        let mut all = ALL.iter().map(|(name, _)| *name);
        all.find_map(|name| files.iter().position(|file| file == name))
            .or(if files.is_empty() { None } else { Some(0) })
    };
    own.map(|own| (own, false))
        .or_else(|| exact().map(|file| (file, true)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::attention::tests::header;

    const MATHS: Maths = Maths {
        exp: f64::exp,
        ln: f64::ln,
    };

    fn logits(rows: &[&[f32]]) -> Logits {
        Logits {
            vocabulary: rows[0].len(),
            values: rows.concat(),
        }
    }

    #[test]
    fn a_distribution_is_no_way_from_itself_and_some_from_another() {
        let reference = logits(&[&[0.0, 0.0], &[2.0, -1.0]]);
        let same = divergence(MATHS, &reference, &reference);
        assert_eq!(
            (same.mean, same.first_changed, same.left_the_top),
            (0.0, 0, 0)
        );
        // A logit for every word more is the same distribution.
        let shifted = logits(&[&[5.0, 5.0], &[7.0, 4.0]]);
        assert!(divergence(MATHS, &reference, &shifted).largest < 1e-6);
        // KL of (1/2, 1/2) from (3/4, 1/4): ln 2 - ln 3 / 2.
        let three = logits(&[&[3.0_f32.ln(), 0.0], &[2.0, -1.0]]);
        let found = divergence(MATHS, &reference, &three);
        assert!((found.largest - (2.0_f64.ln() - 3.0_f64.ln() / 2.0)).abs() < 1e-6);
        assert!((found.mean - found.largest / 2.0).abs() < 1e-9);
        assert_eq!(found.positions, 2);
    }

    #[test]
    fn words_that_leave_the_first_five_are_counted() {
        let reference = logits(&[&[9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0]]);
        assert_eq!(top(&reference.values), [0, 1, 2, 3, 4]);
        let other = logits(&[&[8.0, 9.0, 7.0, 6.0, 0.0, 4.0, 3.0]]);
        let found = divergence(MATHS, &reference, &other);
        assert_eq!((found.first_changed, found.left_the_top), (1, 1));
        assert_eq!(top(&[1.0, 3.0]), [1, 0], "a small vocabulary");
    }

    #[test]
    fn attention_is_compared_where_the_mask_allows_it() {
        let run = |weights: Vec<f32>| {
            let scores = vec![0.0; weights.len()];
            Attention::new(header(2, 1, 2), vec![1, 0, 1, 1], scores, weights).unwrap()
        };
        let reference = run(vec![1.0, 0.0, 0.5, 0.5, 1.0, 0.0, 0.25, 0.75]);
        let other = run(vec![1.0, 0.9, 0.5, 0.5, 1.0, 0.0, 0.5, 0.5]);
        let found = attention_difference(&reference, &other).unwrap();
        assert_eq!((found.largest, found.place), (0.25, (0, 1)));
        assert!(
            (found.mean - 0.5 / 6.0).abs() < 1e-6,
            "six weights are allowed"
        );
        let (grid, largest) = difference_grid(&reference, &other, found.place);
        assert_eq!(
            (grid.weights, largest),
            (Some(vec![0.0, 0.0, 1.0, 1.0]), 0.25)
        );
        let longer = Attention::new(header(1, 1, 2), vec![1], vec![0.0; 2], vec![1.0; 2]).unwrap();
        assert_eq!(attention_difference(&reference, &longer), None);
    }

    #[test]
    fn a_quantization_comes_from_its_own_file_or_the_most_exact() {
        let files = ["Q4_0".to_owned(), "Q8_0".to_owned()];
        assert_eq!(source_of("Q4_0", &files), Some((0, false)));
        assert_eq!(source_of("F32", &files), Some((1, true)));
        assert_eq!(source_of("F16", &["Q6_K".to_owned()]), Some((0, true)));
        assert_eq!(source_of("F16", &[]), None);
    }

    #[test]
    fn what_is_too_large_is_not_asked_for() {
        assert!(fits(23_000_000, 32.0));
        assert!(!fits(406_000_000, 32.0) && !fits(406_000_000, 16.0));
        assert!(fits(406_000_000, 8.5));
    }
}
