//! One word in several sentences: what each layer has made of it there, how alike that is, and where it lies in a plane.

use std::ops::Range;

use unmask_protocol::Token;

use super::sentence::words;

/// Times that every pair of axes is turned: far more than a dozen points need to come to rest.
const SWEEPS: usize = 60;
/// Part of the whole below which what lies off the diagonal no longer matters.
const NOTHING: f32 = 1e-9;

/// What every layer has made of every token of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct HiddenStates {
    tokens: Vec<Token>,
    dimensions: usize,
    /// `[states, tokens, dimensions]`: before the first layer, and behind each.
    values: Vec<f32>,
}

impl HiddenStates {
    /// Checks that the values are whole states of the tokens; the error is a sentence for people.
    pub fn new(tokens: Vec<Token>, dimensions: usize, values: Vec<f32>) -> Result<Self, String> {
        let state = tokens.len() * dimensions;
        if state == 0 || values.is_empty() || !values.len().is_multiple_of(state) {
            return Err(format!(
                "The engine sent {} values for {} vectors of {dimensions}.",
                values.len(),
                tokens.len()
            ));
        }
        Ok(Self {
            tokens,
            dimensions,
            values,
        })
    }

    /// How many states each token has: one more than there are layers.
    pub fn states(&self) -> usize {
        self.values.len() / (self.tokens.len() * self.dimensions)
    }

    /// The mean of the vectors of the pieces within a stretch of the text, which counts UTF-16 units; none where no
    /// piece lies there, as when the text is longer than the model reads. `state` is within [`Self::states`].
    fn vector(&self, state: usize, stretch: &Range<usize>) -> Option<Vec<f32>> {
        let mut mean = vec![0.0; self.dimensions];
        let mut pieces = 0;
        for (at, token) in self.tokens.iter().enumerate() {
            if token.special || token.start < stretch.start || token.end > stretch.end {
                continue;
            }
            pieces += 1;
            let start = (state * self.tokens.len() + at) * self.dimensions;
            let vector = &self.values[start..start + self.dimensions];
            mean.iter_mut()
                .zip(vector)
                .for_each(|(sum, value)| *sum += value);
        }
        mean.iter_mut().for_each(|sum| *sum /= pieces as f32);
        (pieces > 0).then_some(mean)
    }
}

/// A sentence, as a model has read it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The sentence.
    pub text: String,
    /// What became of it.
    pub states: HiddenStates,
}

impl Reading {
    /// The vector of the word at `index` in a state.
    pub fn word(&self, index: usize, state: usize) -> Option<Vec<f32>> {
        let range = words(&self.text).get(index)?.range.clone();
        let units = |end: usize| self.text[..end].encode_utf16().count();
        let stretch = units(range.start)..units(range.end);
        self.states.vector(state, &stretch)
    }
}

/// The spelling of the word at `index` of a text.
pub fn spelling(text: &str, index: usize) -> Option<&str> {
    Some(&text[words(text).get(index)?.range.clone()])
}

/// Where `word` stands in a text, in small letters or capitals.
pub fn place_of(text: &str, word: &str) -> Option<usize> {
    let mut words = words(text).into_iter();
    words.position(|found| text[found.range].eq_ignore_ascii_case(word))
}

/// The longest word that both texts have (the first of several), by its place in each.
pub fn shared_word(a: &str, b: &str) -> Option<(usize, usize)> {
    let mut best: Option<(usize, (usize, usize))> = None;
    for (index, word) in words(a).iter().enumerate() {
        let word = &a[word.range.clone()];
        if let Some(other) = place_of(b, word)
            && best.is_none_or(|(length, _)| word.len() > length)
        {
            best = Some((word.len(), (index, other)));
        }
    }
    best.map(|(_, places)| places)
}

/// How alike two words are in one state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    /// Cosine of their vectors.
    pub pair: f32,
    /// The mean over all pairs of two other words, one of each text, that are spelt differently: what is usual.
    pub others: Option<f32>,
}

/// State by state: the words at these places of two texts, beside all other pairs.
pub fn similarities(a: (&Reading, usize), b: (&Reading, usize)) -> Vec<Similarity> {
    let states = a.0.states.states().min(b.0.states.states());
    let vectors = |(reading, chosen): (&Reading, usize), state: usize| {
        let count = words(&reading.text).len();
        let others = (0..count).filter(move |&index| index != chosen);
        others
            .filter_map(|index| {
                Some((
                    spelling(&reading.text, index)?.to_owned(),
                    reading.word(index, state)?,
                ))
            })
            .collect::<Vec<_>>()
    };
    let one = |state: usize| {
        let pair = cosine(&a.0.word(a.1, state)?, &b.0.word(b.1, state)?);
        let (mut sum, mut count) = (0.0, 0);
        let right = vectors(b, state);
        for (word, vector) in vectors(a, state) {
            for (other, with) in &right {
                if !word.eq_ignore_ascii_case(other) {
                    sum += cosine(&vector, with);
                    count += 1;
                }
            }
        }
        Some(Similarity {
            pair,
            others: (count > 0).then(|| sum / count as f32),
        })
    };
    (0..states).map_while(one).collect()
}

/// From −1 (opposite) over 0 (nothing in common) to 1 (the same direction); 0 where a vector has no length.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    match lengths > 0.0 {
        true => dot(a, b) / lengths,
        false => 0.0,
    }
}

/// Points in the plane in which they spread most.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// Across and up, from the points' centre.
    pub points: Vec<(f32, f32)>,
    /// Of all variance, what the plane holds across and up, each from 0 to 1.
    pub shares: (f32, f32),
}

/// The two first principal components of `vectors`; none for fewer than three points, or where all are the same. (Two
/// points lie on a line, whatever they are.)
pub fn plane(vectors: &[Vec<f32>]) -> Option<Plane> {
    let count = vectors.len();
    if count < 3 {
        return None;
    }
    let width = vectors.iter().map(Vec::len).min()?;
    let mean: Vec<f32> = (0..width)
        .map(|at| vectors.iter().map(|vector| vector[at]).sum::<f32>() / count as f32)
        .collect();
    let centred: Vec<Vec<f32>> = vectors
        .iter()
        .map(|vector| vector.iter().zip(&mean).map(|(x, mean)| x - mean).collect())
        .collect();
    // There are far fewer points than dimensions: the products of the points with each other have the same spread.
    let mut products = vec![vec![0.0; count]; count];
    for (row, a) in centred.iter().enumerate() {
        for (column, b) in centred.iter().enumerate() {
            products[row][column] = a.iter().zip(b).map(|(a, b)| a * b).sum();
        }
    }
    let total: f32 = (0..count).map(|at| products[at][at]).sum();
    if total <= f32::MIN_POSITIVE {
        return None;
    }
    let axes = principal_axes(products);
    let largest = |but: Option<usize>| {
        let others = (0..count).filter(|&axis| Some(axis) != but);
        others.reduce(|best, axis| match axes.lengths[axis] > axes.lengths[best] {
            true => axis,
            false => best,
        })
    };
    let across = largest(None)?;
    let up = largest(Some(across))?;
    let along = |axis: usize| -> Vec<f32> {
        let scale = axes.lengths[axis].max(0.0).sqrt();
        let mut along: Vec<f32> = axes.vectors.iter().map(|row| row[axis] * scale).collect();
        // An axis may be read either way; the first point that is off the centre goes to the right, or up.
        let first = along.iter().find(|place| place.abs() > scale * 1e-3);
        if first.is_some_and(|place| *place < 0.0) {
            along.iter_mut().for_each(|place| *place = -*place);
        }
        along
    };
    let share = |axis: usize| (axes.lengths[axis] / total).clamp(0.0, 1.0);
    Some(Plane {
        points: along(across).into_iter().zip(along(up)).collect(),
        shares: (share(across), share(up)),
    })
}

/// Eigenvalues of a symmetric matrix and, column by column, its eigenvectors.
struct Axes {
    lengths: Vec<f32>,
    vectors: Vec<Vec<f32>>,
}

/// Jacobi's way: turn one pair of axes after the other until nothing is left off the diagonal.
fn principal_axes(mut matrix: Vec<Vec<f32>>) -> Axes {
    let count = matrix.len();
    let mut vectors: Vec<Vec<f32>> = (0..count)
        .map(|row| (0..count).map(|column| f32::from(row == column)).collect())
        .collect();
    let scale: f32 = matrix.iter().flatten().map(|value| value * value).sum();
    for _ in 0..SWEEPS {
        let mut off = 0.0;
        for p in 0..count {
            for q in p + 1..count {
                off += matrix[p][q] * matrix[p][q];
                rotate(&mut matrix, &mut vectors, p, q);
            }
        }
        if off <= scale * NOTHING {
            break;
        }
    }
    Axes {
        lengths: (0..count).map(|at| matrix[at][at]).collect(),
        vectors,
    }
}

/// Turns the axes `p` and `q` so that nothing is left between them.
fn rotate(matrix: &mut [Vec<f32>], vectors: &mut [Vec<f32>], p: usize, q: usize) {
    let between = matrix[p][q];
    if between == 0.0 {
        return;
    }
    let theta = (matrix[q][q] - matrix[p][p]) / (2.0 * between);
    let tangent = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
    let sine = tangent * cosine;
    let turn = |a: f32, b: f32| (cosine * a - sine * b, sine * a + cosine * b);
    for row in matrix.iter_mut() {
        (row[p], row[q]) = turn(row[p], row[q]);
    }
    // `p` comes before `q`.
    let (upper, lower) = matrix.split_at_mut(q);
    for (a, b) in upper[p].iter_mut().zip(&mut lower[0]) {
        (*a, *b) = turn(*a, *b);
    }
    for row in vectors {
        (row[p], row[q]) = turn(row[p], row[q]);
    }
}

/// For each point the other one that it is most like, by cosine, and how much.
pub fn nearest(vectors: &[Vec<f32>]) -> Vec<Option<(usize, f32)>> {
    let of = |at: usize| {
        let others = (0..vectors.len()).filter(move |&other| other != at);
        others
            .map(|other| (other, cosine(&vectors[at], &vectors[other])))
            .reduce(|best, next| if next.1 > best.1 { next } else { best })
    };
    (0..vectors.len()).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One state more than none; each token is a word of `text` and has its own axis, scaled.
    fn reading(text: &str, vectors: &[&[f32]]) -> Reading {
        let found = words(text);
        let special = Token {
            id: 0,
            text: "[CLS]".into(),
            start: 0,
            end: 0,
            segment: 0,
            special: true,
        };
        let mut tokens = vec![special];
        tokens.extend(found.iter().map(|word| Token {
            id: 1,
            text: text[word.range.clone()].into(),
            start: text[..word.range.start].encode_utf16().count(),
            end: text[..word.range.end].encode_utf16().count(),
            segment: 0,
            special: false,
        }));
        let dimensions = vectors[0].len();
        let mut values = vec![9.0; dimensions];
        values.extend(vectors.iter().copied().flatten());
        Reading {
            text: text.into(),
            states: HiddenStates::new(tokens, dimensions, values).unwrap(),
        }
    }

    #[test]
    fn values_that_are_no_whole_states_are_refused_in_words() {
        let error = HiddenStates::new(Vec::new(), 4, vec![0.0; 4]).unwrap_err();
        assert!(error.contains("4 values for 0 vectors of 4"), "{error}");
    }

    #[test]
    fn a_words_vector_is_the_mean_of_its_pieces() {
        let token = |text: &str, start, end| Token {
            id: 1,
            text: text.into(),
            start,
            end,
            segment: 0,
            special: false,
        };
        let tokens = vec![token("é", 0, 1), token("un", 2, 4), token("##mask", 4, 8)];
        let values = vec![1.0, 1.0, 2.0, 0.0, 4.0, 6.0];
        let reading = Reading {
            text: "é unmask far".into(),
            states: HiddenStates::new(tokens, 2, values).unwrap(),
        };
        assert_eq!(reading.states.states(), 1);
        assert_eq!(reading.word(1, 0), Some(vec![3.0, 3.0]));
        assert_eq!(reading.word(2, 0), None, "the model has not read it");
        assert_eq!(reading.word(7, 0), None);
    }

    #[test]
    fn the_shared_word_is_the_longest_in_any_case() {
        let (a, b) = ("The bank of a river.", "A bank lends to the river folk.");
        assert_eq!(shared_word(a, b), Some((4, 5)));
        assert_eq!(spelling(a, 4), Some("river"));
        assert_eq!(shared_word("Bank!", "the bank"), Some((0, 1)));
        assert_eq!(shared_word("one", "two"), None);
    }

    #[test]
    fn a_pair_is_measured_against_all_pairs_of_other_words() {
        let a = reading("the bank", &[&[1.0, 0.0], &[0.0, 2.0]]);
        let b = reading("The bank fell", &[&[0.5, 0.0], &[0.0, 1.0], &[1.0, 1.0]]);
        let [found] = similarities((&a, 1), (&b, 1))[..] else {
            panic!("one state");
        };
        assert!((found.pair - 1.0).abs() < 1e-6);
        // "the" and "The" are one word: only "the" and "fell" are left.
        assert!((found.others.unwrap() - 0.5f32.sqrt()).abs() < 1e-6);
        let alone = reading("bank", &[&[1.0, 0.0]]);
        assert_eq!(similarities((&alone, 0), (&b, 1))[0].others, None);
        assert_eq!(similarities((&alone, 3), (&b, 1)), []);
    }

    #[test]
    fn a_cosine_is_that_of_the_angle() {
        assert!((cosine(&[3.0, 0.0], &[1.0, 1.0]) - 0.5f32.sqrt()).abs() < 1e-6);
        assert!((cosine(&[1.0, 2.0], &[-2.0, -4.0]) + 1.0).abs() < 1e-6);
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 0.0]), 0.0);
    }

    #[test]
    fn points_that_lie_in_a_plane_keep_all_their_distances() {
        // A rectangle, turned and moved somewhere in five dimensions.
        let (u, v) = ([0.6, 0.8, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.28, 0.96]);
        let at = |a: f32, b: f32| -> Vec<f32> {
            let both = u.iter().zip(&v);
            both.map(|(u, v)| 7.0 + a * u + b * v).collect()
        };
        let vectors = [at(0.0, 0.0), at(4.0, 0.0), at(4.0, 1.0), at(0.0, 1.0)];
        let plane = plane(&vectors).unwrap();
        let (across, up) = plane.shares;
        assert!((across - 16.0 / 17.0).abs() < 1e-4 && (up - 1.0 / 17.0).abs() < 1e-4);
        for (i, (x, y)) in plane.points.iter().enumerate() {
            for (j, (other, higher)) in plane.points.iter().enumerate() {
                let shown = ((x - other).powi(2) + (y - higher).powi(2)).sqrt();
                let true_one = vectors[i].iter().zip(&vectors[j]);
                let true_one: f32 = true_one.map(|(a, b)| (a - b).powi(2)).sum();
                assert!((shown - true_one.sqrt()).abs() < 1e-3, "{i} and {j}");
            }
        }
        assert!(plane.points[0].0 > 0.0 && plane.points[0].1 > 0.0);
    }

    #[test]
    fn what_a_plane_leaves_out_is_not_counted() {
        // The corners of a regular simplex: each axis holds the same.
        let vectors: Vec<Vec<f32>> = (0..5)
            .map(|corner| (0..5).map(|at| f32::from(at == corner)).collect())
            .collect();
        let (across, up) = plane(&vectors).unwrap().shares;
        assert!((across - 0.25).abs() < 1e-3 && (up - 0.25).abs() < 1e-3);
    }

    #[test]
    fn there_is_no_plane_without_three_different_points() {
        assert_eq!(plane(&[vec![0.0, 1.0], vec![1.0, 0.0]]), None);
        assert_eq!(plane(&vec![vec![3.0, 1.0]; 4]), None);
        assert_eq!(plane(&[]), None);
        let line = [vec![0.0, 0.0], vec![1.0, 1.0], vec![3.0, 3.0]];
        let (across, up) = plane(&line).unwrap().shares;
        assert!(across > 0.999 && up < 1e-3);
    }

    #[test]
    fn each_point_has_its_nearest_one() {
        let vectors = [vec![1.0, 0.0], vec![1.0, 0.1], vec![0.0, 1.0]];
        let near: Vec<_> = nearest(&vectors)
            .into_iter()
            .map(|near| near.unwrap().0)
            .collect();
        assert_eq!(near, [1, 0, 1]);
        assert_eq!(nearest(&vectors[..1]), [None]);
    }
}
