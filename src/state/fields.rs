//! The labs' text fields: what each is called in the address, and what it holds as the page opens.

/// One text that the reader may change.
#[derive(Debug)]
pub struct Field {
    /// In the address.
    pub name: &'static str,
    /// As the page opens.
    pub opening: &'static str,
}

const fn field(name: &'static str, opening: &'static str) -> Field {
    Field { name, opening }
}

/// All of them, in the order of [`Texts`].
pub static FIELDS: [Field; 19] = [
    field(
        "spoil",
        "He was very tired. He brushed his teeth. Then he went to bed.",
    ),
    field("first", "The company was founded by two brothers in 1920."),
    field("second", "The company was sold in 1965."),
    field(
        "sentiment",
        "The plot is thin, but the actors are wonderful.",
    ),
    field(
        "topic",
        "The planets move around the sun because of gravity.",
    ),
    field("labelled", "The film is warm, funny and beautifully acted."),
    field("premise", "A man is playing a guitar on the stage."),
    field("hypothesis", "Somebody is making music."),
    field(
        "judged",
        "The team scored twice in the second half and won the cup.",
    ),
    field("labels", "sport, cooking, politics"),
    field(
        "names",
        "Ada Lovelace met Charles Babbage in London and wrote about his engine.",
    ),
    field("question", "Where did the keys turn up?"),
    field(
        "passage",
        "Martha looked for her keys all morning. They turned up in the pocket of her raincoat.",
    ),
    field("instead", "page"),
    field("instead-written", "z"),
    field("schooled", "The king ruled the country for ten years."),
    field("here", "He swam to the bank of the river."),
    field("there", "He took the money to the bank."),
    field(
        "elsewhere",
        "Trees grow on the north bank of the river.\n\
         The bank of the stream was muddy.\n\
         She works for a large bank in the city.\n\
         The bank lent money to the farmers.",
    ),
];

/// The text that is spoilt and put right.
pub const SPOIL: usize = 0;
/// Two sentences of which the second may follow the first.
pub const FIRST: usize = 1;
/// See [`FIRST`].
pub const SECOND: usize = 2;
/// A text whose mood is judged.
pub const SENTIMENT: usize = 3;
/// A text whose topic is judged.
pub const TOPIC: usize = 4;
/// A text for labels that this page does not know.
pub const LABELLED: usize = 5;
/// A text that may entail another.
pub const PREMISE: usize = 6;
/// See [`PREMISE`].
pub const HYPOTHESIS: usize = 7;
/// A text for the reader's own labels.
pub const JUDGED: usize = 8;
/// The reader's own labels.
pub const LABELS: usize = 9;
/// A text with names in it.
pub const NAMES: usize = 10;
/// What is asked about a passage.
pub const QUESTION: usize = 11;
/// See [`QUESTION`].
pub const PASSAGE: usize = 12;
/// What takes the place of the last word, to see which rows notice.
pub const INSTEAD: usize = 13;
/// The same for what BART has written.
pub const INSTEAD_WRITTEN: usize = 14;
/// A text of which pre-training chooses a word.
pub const SCHOOLED: usize = 15;
/// Two sentences with one word.
pub const HERE: usize = 16;
/// See [`HERE`].
pub const THERE: usize = 17;
/// More sentences with it, one a line.
pub const ELSEWHERE: usize = 18;

/// A word that the reader has chosen of a text, by its place; of another text it says nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    text: String,
    word: usize,
}

impl Choice {
    /// The word at a place of `text`.
    pub fn new(text: &str, word: usize) -> Self {
        Self {
            text: text.to_owned(),
            word,
        }
    }

    /// The word's place, where it was chosen of `text`.
    pub fn of(&self, text: &str) -> Option<usize> {
        (self.text == text).then_some(self.word)
    }
}

/// What the fields hold, as far as it isn't what they hold at first.
pub type Texts = [Option<String>; FIELDS.len()];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_their_places_say() {
        let places = [
            (SPOIL, "spoil"),
            (FIRST, "first"),
            (SECOND, "second"),
            (SENTIMENT, "sentiment"),
            (TOPIC, "topic"),
            (LABELLED, "labelled"),
            (PREMISE, "premise"),
            (HYPOTHESIS, "hypothesis"),
            (JUDGED, "judged"),
            (LABELS, "labels"),
            (NAMES, "names"),
            (QUESTION, "question"),
            (PASSAGE, "passage"),
            (INSTEAD, "instead"),
            (INSTEAD_WRITTEN, "instead-written"),
            (SCHOOLED, "schooled"),
            (HERE, "here"),
            (THERE, "there"),
            (ELSEWHERE, "elsewhere"),
        ];
        assert_eq!(places.len(), FIELDS.len());
        for (place, name) in places {
            assert_eq!(FIELDS[place].name, name);
        }
    }
}
