//! Inputs bent at random, the same everywhere for the same seed.

use std::collections::HashSet;
use std::path::Path;

/// No input is longer.
pub const LONGEST: usize = 8 << 10;

/// Inputs that are kept because they came to a new end, beside those of the corpus.
const KEPT: usize = 512;

/// xorshift64*: small, and the same everywhere.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.below(among.len())]
    }
}

/// Numbers at which arithmetic goes wrong, as bytes of binary formats and as text of JSON.
const EDGES: [u64; 10] = [
    0,
    1,
    0x7f,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 40,
    i64::MAX as u64,
    u64::MAX,
];
const TOKENS: [&str; 18] = [
    "{", "}", "[", "]", "\"", ":", ",", "null", "true", "-1", "1e999", "0.5", "\\ud800", "\"a\":",
    "[[[[", "{\"a\":{", "\u{feff}", "\0",
];

/// Inputs to begin from: the committed ones, and whatever came to an end that no input before it had come to.
pub struct Corpus {
    inputs: Vec<Vec<u8>>,
    ends: HashSet<String>,
    random: Random,
}

impl Corpus {
    /// The inputs of `corpus/FORMAT`.
    pub fn of(format: &str, seed: u64) -> Self {
        Self {
            inputs: committed(format),
            ends: HashSet::new(),
            random: Random(seed),
        }
    }

    /// The next input.
    pub fn next(&mut self) -> Vec<u8> {
        let begin = self.random.pick(&self.inputs).clone();
        mutate(&mut self.random, begin, &self.inputs)
    }

    /// Takes notice of how an input ended: a sentence, whose names and numbers do not matter.
    pub fn ended(&mut self, input: Vec<u8>, end: &str) {
        if self.ends.len() < KEPT && self.ends.insert(without_details(end)) {
            self.inputs.push(input);
        }
    }

    /// How many different ends there were.
    pub fn ends(&self) -> usize {
        self.ends.len()
    }
}

/// The committed inputs of a format.
pub fn committed(format: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files: Vec<_> = std::fs::read_dir(folder.join(format))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
}

/// A sentence without what is quoted in it and without numbers, cut off where no sentence of ours is that long.
fn without_details(sentence: &str) -> String {
    let mut quoted = false;
    let mut plain = |&letter: &char| {
        quoted ^= matches!(letter, '"' | '`');
        !quoted && !letter.is_numeric()
    };
    sentence.chars().filter(&mut plain).take(120).collect()
}

/// Bends `input` in one to six ways.
fn mutate(random: &mut Random, mut input: Vec<u8>, corpus: &[Vec<u8>]) -> Vec<u8> {
    for _ in 0..=random.below(6) {
        let at = random.below(input.len() + 1);
        let end = at + random.below((input.len() - at).min(64) + 1);
        match random.below(9) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = random.next() as u8,
            2 => drop(input.drain(at..end)),
            3 => drop(input.splice(at..at, input[at..end].to_vec())),
            4 => {
                let width = *random.pick(&[1, 2, 4, 8]);
                let edge = random.pick(&EDGES).to_le_bytes();
                let end = (at + width).min(input.len());
                input[at..end].copy_from_slice(&edge[..end - at]);
            }
            5 => {
                let edge = random.pick(&EDGES).to_string();
                let digits = |byte: &u8| byte.is_ascii_digit();
                let begin = input[at..].iter().position(digits).map_or(at, |d| at + d);
                let length = input[begin..].iter().take_while(|b| digits(b)).count();
                input.splice(begin..begin + length, edge.into_bytes());
            }
            6 => {
                let token = random.pick(&TOKENS).as_bytes().to_vec();
                input.splice(at..at, token);
            }
            7 => input.truncate(at),
            _ => {
                let other = random.pick(corpus);
                let from = random.below(other.len() + 1);
                input.truncate(at);
                input.extend(&other[from..]);
            }
        }
        input.truncate(LONGEST);
    }
    input
}
