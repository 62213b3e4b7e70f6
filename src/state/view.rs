//! A view of the page as its address has it: names and values that say what differs from the page as it opens.
//!
//! Addresses come from anywhere. What is not understood is left out, and named.

use super::ablation::Off;
use super::attention::Head;
use super::decoding::{CONTROLS, Decoding};
use super::fields::{FIELDS, Texts};
use super::links::{Marks, Place, Pointer};
use super::noise::Settings;
use super::shapes::{Rule, Sight};

/// UTF-16 units of text that an address carries.
pub const LONGEST_TEXT: usize = 4_000;
/// Folded parts that an address opens, and heads that it takes words from.
const MOST_NAMES: usize = 40;
/// Painted cells that an address carries.
const MOST_CELLS: usize = 1_000;
/// Heads turned off that an address carries.
const MOST_HEADS: usize = 1_000;
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
    /// Heads that are off.
    pub off: Vec<Off>,
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
    /// How many rows of the decoder are shown, where it isn't all.
    pub rows: Option<usize>,
    /// The written token whose alternatives are shown, by its place.
    pub step: usize,
    /// What is held in the matrices.
    pub held: Option<Pointer>,
    /// Whether a click on BERT's matrix paints.
    pub painting: bool,
    /// What the labs' fields hold.
    pub texts: Texts,
    /// How the lab's text is spoilt.
    pub noise: Settings,
    /// The words that are compared, of two sentences, by their places.
    pub compared: [Option<usize>; 2],
    /// The state whose vectors are laid out.
    pub layer: Option<usize>,
    /// The word that pre-training has chosen, by its place.
    pub schooled: Option<usize>,
    /// Which draw decides about it, where it isn't [`Self::DRAWN`].
    pub drawn: Option<u32>,
    /// The heads whose texts have each word hidden in turn, by name.
    pub occluded: Vec<String>,
    /// What is unfolded, by name.
    pub open: Vec<String>,
}

impl View {
    /// The draw at first.
    pub const DRAWN: u32 = 1;
    /// The largest draw.
    pub const MOST_DRAWN: u32 = 999_999;

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

    /// Leaves out the texts for which an address has no room; false where one was left out.
    pub fn fit(&mut self) -> bool {
        let (mut room, mut whole) = (LONGEST_TEXT, true);
        for text in std::iter::once(&mut self.text).chain(&mut self.texts) {
            let length = text
                .as_deref()
                .map_or(0, |text| text.encode_utf16().count());
            match room.checked_sub(length) {
                Some(left) => room = left,
                None => (*text, whole) = (None, false),
            }
        }
        if self.text.is_none() {
            self.originals.clear();
        }
        whole
    }

    fn take(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "text" => self.text = Some(text(value)?),
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
            "off" => {
                let mut off = Vec::new();
                for (count, word) in value.split(',').enumerate() {
                    let head = head_off(word).filter(|_| count < MOST_HEADS)?;
                    if !off.contains(&head) {
                        off.push(head);
                    }
                }
                self.off = off;
            }
            "show" => self.part = Some(place(value)?),
            "tokens" => {
                for word in value.split(',') {
                    match word {
                        "whole" => self.whole_words = true,
                        "written" => self.written_only = true,
                        "padded" => self.padding = true,
                        "painting" => self.painting = true,
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
            "rows" => self.rows = Some(number(value).filter(|&rows| rows > 0)?),
            "token" => self.step = number(value)?.checked_sub(1)?,
            "held" => self.held = Some(held(value)?),
            "noise" => self.noise = Settings::read(value)?,
            "compared" => {
                let (left, right) = value.split_once('-')?;
                let place = |word| Some(number(word)?.checked_sub(1));
                self.compared = [place(left)?, place(right)?];
            }
            "layer" => self.layer = Some(number(value)?),
            "chosen" => self.schooled = Some(number(value)?.checked_sub(1)?),
            "draw" => {
                let draw = value.parse().ok().filter(|&draw| draw <= Self::MOST_DRAWN);
                self.drawn = Some(draw?);
            }
            "occlude" => self.occluded = names(value)?,
            "open" => self.open = names(value)?,
            name => {
                if let Some(at) = FIELDS.iter().position(|field| field.name == name) {
                    self.texts[at] = Some(text(value)?);
                } else {
                    let mut controls = CONTROLS.iter();
                    let at = controls.position(|control| control.name == name)?;
                    self.decoding.0[at] = Some(CONTROLS[at].read(value)?);
                }
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
        let fits = !self.off.is_empty() && self.off.len() <= MOST_HEADS;
        let off = self.off.iter();
        let off =
            off.map(|(place, layer, head)| format!("{}-{}-{}", place.name(), layer + 1, head + 1));
        add("off", fits.then(|| off.collect::<Vec<_>>().join(",")));
        add("show", self.part.map(|place| place.name().to_owned()));
        let tokens = [
            (self.whole_words, "whole"),
            (self.written_only, "written"),
            (self.padding, "padded"),
            (self.painting, "painting"),
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
        add("rows", self.rows.map(|rows| rows.to_string()));
        let step = (self.step > 0).then(|| (self.step + 1).to_string());
        add("token", step);
        add("held", self.held.map(held_words));
        for (field, text) in FIELDS.iter().zip(&self.texts) {
            add(field.name, text.clone());
        }
        let usual = self.noise == Settings::default();
        add("noise", (!usual).then(|| self.noise.write()));
        let count = |place: Option<usize>| place.map_or(0, |place| place + 1);
        let [left, right] = self.compared.map(count);
        add(
            "compared",
            (left + right > 0).then(|| format!("{left}-{right}")),
        );
        add("layer", self.layer.map(|layer| layer.to_string()));
        add("chosen", self.schooled.map(|word| (word + 1).to_string()));
        add("draw", self.drawn.map(|draw| draw.to_string()));
        for (name, list) in [("occlude", &self.occluded), ("open", &self.open)] {
            add(name, (!list.is_empty()).then(|| list.join(",")));
        }
        pairs
    }
}

fn number(value: &str) -> Option<usize> {
    value.parse().ok().filter(|&number| number < LARGEST)
}

fn text(value: &str) -> Option<String> {
    let fits = value.encode_utf16().take(LONGEST_TEXT + 1).count() <= LONGEST_TEXT;
    fits.then(|| value.to_owned())
}

fn names(value: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for (count, name) in value.split(',').enumerate() {
        let name = word(name).filter(|_| count < MOST_NAMES)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Some(names)
}

/// A matrix, a row and a column, such as `cross-3-5`; where none is held, a 0.
fn held(value: &str) -> Option<Pointer> {
    let (name, marks) = value.split_once('-')?;
    let (row, column) = marks.split_once('-')?;
    let marks = Marks {
        row: number(row)?.checked_sub(1),
        column: number(column)?.checked_sub(1),
    };
    let mut places = Place::ATTENTIONS.into_iter().chain([Place::Stages]);
    (marks != Marks::default()).then_some(Pointer {
        place: places.find(|place| place.name() == name)?,
        marks,
        locked: true,
    })
}

fn held_words(pointer: Pointer) -> String {
    let count = |place: Option<usize>| place.map_or(0, |place| place + 1);
    let Marks { row, column } = pointer.marks;
    format!("{}-{}-{}", pointer.place.name(), count(row), count(column))
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

fn place(value: &str) -> Option<Place> {
    let mut places = Place::ATTENTIONS.into_iter();
    places.find(|place| place.name() == value)
}

/// An attention, a layer and a head, such as `cross-1-4`.
fn head_off(value: &str) -> Option<Off> {
    let (name, head) = value.split_once('-')?;
    let (layer, head) = cell(head)?;
    Some((place(name)?, layer, head))
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
    use super::super::noise::Noise;
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
            off: vec![(Place::Bert, 4, 11), (Place::Cross, 0, 2)],
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
            rows: Some(5),
            step: 3,
            held: Some(Pointer {
                place: Place::Cross,
                marks: Marks {
                    row: Some(4),
                    column: None,
                },
                locked: true,
            }),
            painting: true,
            texts: std::array::from_fn(|at| (at % 2 == 0).then(|| format!("field {at}, & ="))),
            noise: Settings {
                noise: Noise::Rotation,
                share: 12,
                seed: 9,
            },
            compared: [None, Some(4)],
            layer: Some(0),
            schooled: Some(2),
            drawn: Some(17),
            occluded: vec!["sentiment".into(), "topic".into()],
            open: vec!["beams".into()],
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
            ("off", "bert-0-1"),
            ("off", "stages-1-1"),
            ("off", "bert-1"),
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
            ("rows", "0"),
            ("token", "0"),
            ("held", "cross"),
            ("held", "cross-0-0"),
            ("held", "nowhere-1-1"),
            ("first", long.as_str()),
            ("noise", "infilling-99-1"),
            ("compared", "1"),
            ("layer", "last"),
            ("chosen", "0"),
            ("draw", "1000000"),
            ("occlude", ""),
            ("open", "beams,,"),
            ("utm_source", "elsewhere"),
        ];
        for pair in nonsense {
            let (mut view, unknown) = read(&[pair]);
            view.whole_words = false;
            assert_eq!((view, unknown), (View::default(), vec![pair.0.to_owned()]));
        }
    }

    #[test]
    fn an_address_carries_the_texts_for_which_it_has_room() {
        let mut view = View {
            text: Some("a".repeat(LONGEST_TEXT - 3)),
            originals: vec![Some("b".into())],
            ..View::default()
        };
        view.texts[0] = Some("four".into());
        view.texts[2] = Some("two".into());
        let mut short = view.clone();
        assert!(!short.fit());
        assert_eq!(short.texts[0], None);
        assert_eq!(short.texts[2].as_deref(), Some("two"));
        assert!(short.fit(), "the rest has room");
        view.text = Some("é".repeat(LONGEST_TEXT + 1));
        assert!(!view.fit());
        assert_eq!((view.text, view.originals), (None, vec![]));
        assert_eq!(view.texts[0].as_deref(), Some("four"));
    }
}
