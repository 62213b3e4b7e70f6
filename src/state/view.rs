//! A view of the page as its address has it: names and values that say what differs from the page as it opens.
//!
//! Addresses come from anywhere. What is not understood is left out, and named.

use super::attention::Head;
use super::decoding::{CONTROLS, Decoding};
use super::links::Place;
use super::shapes::{Rule, Sight};

/// UTF-16 units of the longest text that an address carries.
pub const LONGEST_TEXT: usize = 4_000;
/// Painted cells that an address carries.
const MOST_CELLS: usize = 1_000;
/// Layers, heads, tokens and words that an address names are below this.
const LARGEST: usize = 10_000;

/// Everything that a link to the page says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// The reader's text, masks and all.
    pub text: Option<String>,
    /// What the text's masks hide, in order, as far as it is known.
    pub originals: Vec<Option<String>>,
    /// How BERT may look.
    pub sight: Sight,
    /// Layer and head of BERT, where they are not the page's choice.
    pub bert: Option<(usize, Head)>,
    /// Layer and head of BART.
    pub bart: Option<(usize, Head)>,
    /// Which attention is shown head by head.
    pub part: Option<Place>,
    /// Word pieces put back together.
    pub whole_words: bool,
    /// Without special tokens.
    pub written_only: bool,
    /// With padding.
    pub padding: bool,
    /// Weights below this leave no line, in percent.
    pub threshold: Option<usize>,
    /// The BART that writes, by its name in the catalogue.
    pub model: Option<String>,
    /// The BERT that reads, where it is one that the reader's machine keeps.
    pub reader: Option<String>,
    /// What BART does.
    pub task: Option<String>,
    /// Beams of its search.
    pub beams: Option<usize>,
    /// How else BART chooses.
    pub decoding: Decoding,
    /// The word that it pronounces, by its place in the text.
    pub word: Option<usize>,
}

impl View {
    /// Reads names and values; the second result lists what is not understood.
    pub fn read<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> (Self, Vec<String>) {
        let mut view = Self::default();
        let mut unknown = Vec::new();
        for (name, value) in pairs {
            if view.take(name, value).is_none() {
                unknown.push(name.chars().take(40).collect());
            }
        }
        (view, unknown)
    }

    fn take(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "text" => {
                let fits = value.encode_utf16().take(LONGEST_TEXT + 1).count() <= LONGEST_TEXT;
                self.text = Some(fits.then(|| value.to_owned())?);
            }
            "hidden" => {
                let some = |word: &str| (!word.is_empty()).then(|| word.to_owned());
                self.originals = value.split(',').map(some).collect();
            }
            "mask" => self.sight.rule = rule(value)?,
            "painted" => {
                let mut cells = Vec::new();
                for (count, word) in value.split(',').enumerate() {
                    let cell = cell(word).filter(|_| count < MOST_CELLS)?;
                    if !cells.contains(&cell) {
                        cells.push(cell);
                    }
                }
                self.sight.painted = cells;
            }
            "bert" => self.bert = Some(lens(value)?),
            "bart" => self.bart = Some(lens(value)?),
            "show" => {
                let mut places = Place::ATTENTIONS.into_iter();
                self.part = Some(places.find(|place| place.name() == value)?);
            }
            "tokens" => {
                for word in value.split(',') {
                    match word {
                        "whole" => self.whole_words = true,
                        "written" => self.written_only = true,
                        "padded" => self.padding = true,
                        _ => return None,
                    }
                }
            }
            "lines" => self.threshold = Some(number(value).filter(|&percent| percent <= 100)?),
            "model" => self.model = Some(word(value)?),
            "reader" => self.reader = Some(word(value)?),
            "task" => self.task = Some(word(value)?),
            "beams" => self.beams = Some(number(value)?),
            "word" => self.word = Some(number(value)?.checked_sub(1)?),
            name => {
                let mut controls = CONTROLS.iter();
                let at = controls.position(|control| control.name == name)?;
                self.decoding.0[at] = Some(CONTROLS[at].read(value)?);
            }
        }
        Some(())
    }

    /// The names and values of which [`Self::read`] makes this view again. Layers, heads and words count from 1, as
    /// the page shows them.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        let mut add = |name, value: Option<String>| {
            pairs.extend(value.map(|value| (name, value)));
        };
        add("text", self.text.clone());
        let originals = self
            .originals
            .iter()
            .map(|word| word.as_deref().unwrap_or(""));
        let originals = originals.collect::<Vec<_>>().join(",");
        add("hidden", (!originals.is_empty()).then_some(originals));
        add(
            "mask",
            match self.sight.rule {
                Rule::Both => None,
                Rule::Left => Some("left".into()),
                Rule::Prefix(length) => Some(format!("prefix-{length}")),
                Rule::Near(radius) => Some(format!("window-{radius}")),
            },
        );
        let painted = &self.sight.painted;
        let fits = !painted.is_empty() && painted.len() <= MOST_CELLS;
        let cells = painted
            .iter()
            .map(|(query, key)| format!("{}-{}", query + 1, key + 1));
        add("painted", fits.then(|| cells.collect::<Vec<_>>().join(",")));
        add("bert", self.bert.map(lens_words));
        add("bart", self.bart.map(lens_words));
        add("show", self.part.map(|place| place.name().to_owned()));
        let tokens = [
            (self.whole_words, "whole"),
            (self.written_only, "written"),
            (self.padding, "padded"),
        ];
        let tokens = tokens.iter().filter(|(on, _)| *on).map(|(_, word)| *word);
        let tokens = tokens.collect::<Vec<_>>().join(",");
        add("tokens", (!tokens.is_empty()).then_some(tokens));
        add("lines", self.threshold.map(|percent| percent.to_string()));
        add("model", self.model.clone());
        add("reader", self.reader.clone());
        add("task", self.task.clone());
        add("beams", self.beams.map(|beams| beams.to_string()));
        for (control, value) in CONTROLS.iter().zip(self.decoding.0) {
            add(control.name, value.map(|value| control.write(value)));
        }
        add("word", self.word.map(|index| (index + 1).to_string()));
        pairs
    }
}

fn number(value: &str) -> Option<usize> {
    value.parse().ok().filter(|&number| number < LARGEST)
}

/// A name in the catalogue.
fn word(value: &str) -> Option<String> {
    (!value.is_empty() && value.len() <= 100).then(|| value.to_owned())
}

fn rule(value: &str) -> Option<Rule> {
    if value == "left" {
        return Some(Rule::Left);
    }
    let (rule, size) = value.split_once('-')?;
    let size = number(size).filter(|&size| size > 0)?;
    match rule {
        "prefix" => Some(Rule::Prefix(size)),
        "window" => Some(Rule::Near(size)),
        _ => None,
    }
}

/// Two numbers that count from 1, as two that count from 0.
fn cell(value: &str) -> Option<(usize, usize)> {
    let (query, key) = value.split_once('-')?;
    Some((number(query)?.checked_sub(1)?, number(key)?.checked_sub(1)?))
}

fn lens(value: &str) -> Option<(usize, Head)> {
    if let Some(layer) = value.strip_suffix("-mean") {
        return Some((number(layer)?.checked_sub(1)?, Head::Mean));
    }
    cell(value).map(|(layer, head)| (layer, Head::One(head)))
}

fn lens_words((layer, head): (usize, Head)) -> String {
    match head {
        Head::Mean => format!("{}-mean", layer + 1),
        Head::One(head) => format!("{}-{}", layer + 1, head + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (View, Vec<String>) {
        View::read(pairs.iter().copied())
    }

    #[test]
    fn a_view_comes_back_from_its_own_words() {
        let view = View {
            text: Some("He, & “she”: [MASK] = 100% #1\n____".into()),
            originals: vec![Some("don't".into()), None],
            sight: Sight {
                rule: Rule::Near(3),
                painted: vec![(0, 4), (7, 0)],
            },
            bert: Some((4, Head::One(11))),
            bart: Some((0, Head::Mean)),
            part: Some(Place::Cross),
            whole_words: true,
            written_only: false,
            padding: true,
            threshold: Some(0),
            model: Some("bart-g2p".into()),
            reader: Some("stored:tiny-Q8_0".into()),
            task: Some("pronounce".into()),
            beams: Some(4),
            decoding: Decoding([
                Some(1200),
                None,
                Some(70),
                None,
                Some(95),
                Some(700),
                None,
                Some(250),
            ]),
            word: Some(2),
        };
        let pairs = view.pairs();
        let borrowed = pairs.iter().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(View::read(borrowed), (view, vec![]));
        assert_eq!(View::default().pairs(), []);
        for rule in [Rule::Left, Rule::Prefix(9)] {
            let view = View {
                sight: Sight::of(rule),
                ..View::default()
            };
            let [(name, value)] = &view.pairs()[..] else {
                panic!("one difference, one pair");
            };
            assert_eq!(read(&[(name, value)]).0, view);
        }
    }

    #[test]
    fn what_an_address_counts_from_one_the_page_counts_from_zero() {
        let (view, _) = read(&[("bert", "5-4"), ("painted", "1-2,1-2"), ("word", "1")]);
        assert_eq!(view.bert, Some((4, Head::One(3))));
        assert_eq!(view.sight.painted, [(0, 1)]);
        assert_eq!(view.word, Some(0));
    }

    #[test]
    fn what_makes_no_sense_is_left_out_and_named() {
        let long = "x".repeat(LONGEST_TEXT + 1);
        let many = vec!["1-1"; MOST_CELLS + 1].join(",");
        let nonsense = [
            ("text", long.as_str()),
            ("mask", "sideways"),
            ("mask", "window-0"),
            ("mask", "prefix-99999999999999999999"),
            ("painted", "0-1"),
            ("painted", many.as_str()),
            ("bert", "0-1"),
            ("bert", "5"),
            ("bart", "-mean"),
            ("show", "stages"),
            ("tokens", "whole,of"),
            ("lines", "101"),
            ("model", ""),
            ("beams", "-4"),
            ("temperature", "warm"),
            ("temperature", "9"),
            ("most", "1.5"),
            ("likely", "0"),
            ("word", "0"),
            ("utm_source", "elsewhere"),
        ];
        for pair in nonsense {
            let (mut view, unknown) = read(&[pair]);
            view.whole_words = false;
            assert_eq!((view, unknown), (View::default(), vec![pair.0.to_owned()]));
        }
    }
}
