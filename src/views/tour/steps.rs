//! What the tour asks. Every answer is read from what the models say now: nothing here knows it beforehand, so the words
//! around it must be true whatever it is.

use unmask_protocol::FilledMask;

use crate::engine::Read;
use crate::latest::Latest;
use crate::page::{ANSWER, Page};
use crate::state::attention::{Attention, Head};
use crate::state::draft::Stage;
use crate::state::format::{bytes, count, percent};
use crate::state::grid::Cell;
use crate::state::links::Place;

/// Which model a step needs.
#[derive(Clone, Copy)]
pub enum Model {
    /// The one that fills.
    Bert,
    /// The one that writes.
    Bart,
}

impl Model {
    /// Its name for readers.
    pub fn title(self) -> &'static str {
        match self {
            Self::Bert => "BERT",
            Self::Bart => "BART",
        }
    }
}

/// What a step's answer is.
pub enum Truth {
    /// The option that is right, where one is, and the answer in words.
    Is {
        /// Counted from 0.
        right: Option<usize>,
        /// One or two sentences.
        words: String,
    },
    /// The page's model cannot tell.
    Never,
}

/// One step of the tour.
pub struct Step {
    /// For the style, which conceals by it what is to be guessed.
    pub name: &'static str,
    /// What it is called.
    pub title: &'static str,
    /// What has to be known before guessing.
    pub story: &'static str,
    /// What the page shows meanwhile, as an address has it.
    pub view: &'static [(&'static str, &'static str)],
    /// The part of the page that it is about, as a selector.
    pub part: &'static str,
    /// On which side the tour stands then: `start` or `end`.
    pub side: &'static str,
    /// The model that answers.
    pub model: Model,
    /// The question.
    pub question: &'static str,
    /// What may be guessed.
    pub options: &'static [&'static str],
    /// The answer, once the models have given it (tracked).
    pub truth: fn(Page, &Step) -> Option<Truth>,
    /// What follows from it, whatever it is.
    pub moral: &'static str,
    /// Something that can only be done when the model has answered; true once it is done (tracked).
    pub prepare: Option<fn(Page) -> bool>,
}

const LEFT: (&str, &str) = ("mask", "left");
const BART: [(&str, &str); 2] = [("model", "bart"), ("task", "denoise")];

/// All of them, in order.
pub static STEPS: [Step; 11] = [
    Step {
        name: "gap",
        title: "A word is missing",
        story: "BERT went to school on plain text in which words had been hidden: for each gap it had to say what \
                stood there. Here is one.",
        view: &[],
        part: "#bert",
        side: "end",
        model: Model::Bert,
        question: "“I want to … to the beach with you.” Which word does BERT put first?",
        options: &["come", "go", "visit"],
        truth: first_guess,
        moral: "Nobody labelled anything: the text itself holds the answers. This is masked language modelling.",
        prepare: None,
    },
    Step {
        name: "right",
        title: "What comes after counts",
        story: "The same three words stand before the gap, and others behind it: “I want to … this book before I sleep.”",
        view: &[("text", "I want to [MASK] this book before I sleep.")],
        part: "#bert",
        side: "end",
        model: Model::Bert,
        question: "Which word comes first now?",
        options: &["finish", "go", "read"],
        truth: first_guess,
        moral: "What stands to the right of the gap counts as much as what stands to its left. BERT reads both ways \
                at once: it is bidirectional.",
        prepare: None,
    },
    Step {
        name: "left",
        title: "A mask over BERT’s eyes",
        story: "The mask says who may look at whom. Under this one a token sees itself and what stands before it; the \
                hatched cells are forbidden. The gap has “I want to” to go by, and no beach. BERT was never trained so.",
        view: &[LEFT],
        part: ".masks .group:first-of-type",
        side: "end",
        model: Model::Bert,
        question: "Does BERT’s first guess stay the same?",
        options: &["It stays", "It becomes another"],
        truth: under_the_mask,
        moral: "The model is the same to the last number; only the grid has changed. A mask like this one, which \
                hides what is still to come, is called causal.",
        prepare: None,
    },
    Step {
        name: "rows",
        title: "Who notices a change?",
        story: "BERT still looks to the left only. Now the sentence’s last word becomes another, and BERT reads it all \
                again. Each row of the matrix is one token with all that it has gathered, in every layer and head.",
        view: &[LEFT],
        part: "[data-proof=bert]",
        side: "end",
        model: Model::Bert,
        question: "Which rows change?",
        options: &["All of them", "Those from that word on", "None"],
        truth: rows_that_changed,
        moral: "Under a causal mask nothing earlier can change, not by the last bit. So a model may write word by word \
                and keep what it has computed: that is how a decoder works.",
        prepare: None,
    },
    Step {
        name: "writing",
        title: "BART writes",
        story: "BART reads the sentence with its gap as BERT does, both ways. Then its second half, the decoder, writes \
                the whole sentence anew, one token after the other, each under that causal mask and each with a \
                probability.",
        view: &BART,
        part: "#bart",
        side: "start",
        model: Model::Bart,
        question: "Where is BART least sure of its token?",
        options: &["At the first", "At the gap", "At the end"],
        truth: least_sure,
        moral: "Most of the sentence only has to be copied. Choosing a token, again and again, each from what has been \
                written before: that is generation.",
        prepare: None,
    },
    Step {
        name: "cross",
        title: "Looking back at the source",
        story: "How does the decoder know what to copy? By cross-attention: each row is a token that BART has written, \
                each column one of the source, and no cell is forbidden. The page shows the head that points most \
                sharply. In the row of “to”, the second one, BART is about to write “the”.",
        view: &BART,
        part: "[data-matrix=cross]",
        side: "start",
        model: Model::Bart,
        question: "Where in the source does this head look most from there?",
        options: &["At “the”", "At the gap", "At the full stop"],
        truth: looks_back,
        moral: "Three masks, then: BERT’s encoder sees all of its text, BART’s decoder sees what it has written, and \
                cross-attention sees the whole source.",
        prepare: None,
    },
    Step {
        name: "noise",
        title: "A text out of order",
        story: "BART was schooled on damage: texts with words masked, cut out and shuffled, which it had to write down \
                as they had been. Here two sentences have changed places.",
        view: &[
            BART[0],
            BART[1],
            ("spoil", "Mary was at school all day. Then she went home."),
            ("noise", "permutation-30-1"),
        ],
        part: "#noise",
        side: "end",
        model: Model::Bart,
        question: "What does BART make of it?",
        options: &["The old order", "What it was given", "Something else"],
        truth: put_right,
        moral: "No word says which sentence comes first; BART has to have learnt what follows what. Undoing noise makes \
                a writer out of it, where filling gaps made a reader out of BERT.",
        prepare: None,
    },
    Step {
        name: "follows",
        title: "Does it follow?",
        story: "BERT had a second lesson: two sentences, and the question whether the second came after the first or \
                from somewhere else.",
        view: &[
            (
                "first",
                "The castle was built by the king in the twelfth century.",
            ),
            ("second", "The protein is found in the cells of the liver."),
        ],
        part: "[data-head=next-sentence]",
        side: "end",
        model: Model::Bert,
        question: "A castle, then a protein. What does BERT believe?",
        options: &["It follows", "It is from elsewhere", "It cannot tell"],
        truth: follows,
        moral: "One encoder, and a small head on top for each purpose: the same vectors serve moods, topics, names and \
                answers. It is made to understand.",
        prepare: None,
    },
    Step {
        name: "answers",
        title: "Two ways to answer",
        story: "Asked about a passage, BERT can only mark a stretch of it. BART writes, and may use any words.",
        view: &[
            BART[0],
            BART[1],
            ("question", "Where does photosynthesis take place?"),
            (
                "passage",
                "Photosynthesis is the process by which green plants make food. It takes place in the leaves, and it \
                 gives off oxygen.",
            ),
        ],
        part: "[data-head=question-answering]",
        side: "end",
        model: Model::Bart,
        question: "Do the two give the same words?",
        options: &["The same", "Different words"],
        truth: two_answers,
        moral: "What is marked stands in the passage, and can be checked there. What is written reads better, and may \
                be made up.",
        prepare: None,
    },
    Step {
        name: "silence",
        title: "A head falls silent",
        story: "BERT has many heads, and the page shows the one that points most sharply. It is tempting to say: there, \
                it looks at that word, so that word is why. Now this head is turned off.",
        view: &[],
        part: ".ablation",
        side: "end",
        model: Model::Bert,
        question: "Does BERT’s first guess for the gap change?",
        options: &["It stays", "It becomes another"],
        truth: without_the_head,
        moral: "Where a head looks is not why a model decides. To know what rests on a head, take it away and see.",
        prepare: Some(silence),
    },
    Step {
        name: "size",
        title: "Small enough to stay",
        story: "Trained models hold their numbers in 32 bits. This page’s are quantized: rounded to fewer. So they fit \
                into a download, and run on your machine; nothing you type leaves it.",
        view: &[],
        part: "#bert",
        side: "end",
        model: Model::Bert,
        question: "How large is this BERT, compared with 32 bits a number?",
        options: &["About a half", "About a quarter", "About a tenth"],
        truth: size,
        moral: "The whole page works without a network once it has been here. Try it: cut the connection, and change \
                the sentence.",
        prepare: None,
    },
];

fn guess_of(read: Latest<Read<Vec<FilledMask>>>) -> Option<(String, f32)> {
    read.settled(|read| {
        let guess = read.answer.first()?.candidates.first()?;
        Some((guess.text.trim().to_owned(), guess.probability))
    })
}

fn first_guess(page: Page, step: &Step) -> Option<Truth> {
    let (guess, share) = guess_of(page.fills)?;
    Some(Truth::Is {
        right: step.options.iter().position(|option| *option == guess),
        words: format!("BERT’s first guess is “{guess}”, with {}.", percent(share)),
    })
}

fn under_the_mask(page: Page, _: &Step) -> Option<Truth> {
    let (now, share) = guess_of(page.fills)?;
    let (before, as_trained) = guess_of(page.reference)?;
    Some(Truth::Is {
        right: Some(usize::from(now != before)),
        words: format!(
            "Looking left only, its first guess is “{now}” ({}); looking both ways, it is “{before}” ({}).",
            percent(share),
            percent(as_trained)
        ),
    })
}

fn rows_that_changed(page: Page, _: &Step) -> Option<Truth> {
    let (same, all) = page.told.unmoved.get()?;
    Some(Truth::Is {
        right: Some(match same {
            0 => 0,
            same if same == all => 2,
            _ => 1,
        }),
        words: format!(
            "{same} of {all} rows are the same to the last bit, and {} are not.",
            all - same
        ),
    })
}

/// Whether BART has learnt a task, once it is here.
fn writes(page: Page, task: &str) -> Option<bool> {
    let info = page.bart.info()?;
    Some(info.tasks.iter().any(|own| own == task))
}

fn least_sure(page: Page, _: &Step) -> Option<Truth> {
    if !writes(page, "denoise")? {
        return Some(Truth::Never);
    }
    // The gap's place: the source begins with a token that names the task.
    let gap = cross(page, |cross| {
        let gap = cross
            .keys()
            .iter()
            .position(|token| token.text.contains("MASK"));
        gap.and_then(|gap| gap.checked_sub(1))
    })?;
    page.writing.draft.with(|draft| {
        let tokens = &draft.leading.tokens;
        let least = tokens.iter().enumerate().reduce(|least, next| {
            match next.1.probability < least.1.probability {
                true => next,
                false => least,
            }
        });
        let (at, least) = least.filter(|_| draft.stage == Stage::Finished)?;
        Some(Truth::Is {
            right: match at {
                0 => Some(0),
                at if Some(at) == gap => Some(1),
                at if at + 2 >= tokens.len() => Some(2),
                _ => None,
            },
            words: format!(
                "Its least probable token is number {}, “{}”, with {}.",
                at + 1,
                least.text,
                percent(least.probability)
            ),
        })
    })
}

/// Reads the cross-attention of what BART has written, once it is there.
fn cross<U>(page: Page, read: impl FnOnce(&Attention) -> U) -> Option<U> {
    page.bart_attention
        .settled(|answer| answer.of(Place::Cross).map(read))
}

fn looks_back(page: Page, _: &Step) -> Option<Truth> {
    if !writes(page, "denoise")? {
        return Some(Truth::Never);
    }
    let lens = page.lens(Place::Cross);
    let (layer, head) = (lens.layer.get(), lens.head.get());
    cross(page, |cross| {
        let rows = cross.queries();
        // From the row before “the”, which is where it is chosen.
        let row = rows
            .iter()
            .position(|token| token.text == "the")?
            .checked_sub(1)?;
        let grid = cross.grid(layer, head);
        let weights = (0..cross.columns()).map(|column| match grid.cell(row, column) {
            Cell::Weight(weight) => (column, weight),
            _ => (column, 0.0),
        });
        let (column, weight) =
            weights.reduce(|most, next| if next.1 > most.1 { next } else { most })?;
        let text = cross.keys()[column].text.clone();
        Some(Truth::Is {
            right: match text.as_str() {
                "the" => Some(0),
                "[MASK]" => Some(1),
                "." => Some(2),
                _ => None,
            },
            words: format!(
                "From there it gives {} of its weight to “{text}”. This is layer {}, {}.",
                percent(weight),
                layer + 1,
                match head {
                    Head::Mean => "the mean of all heads".to_owned(),
                    Head::One(head) => format!("head {}", head + 1),
                }
            ),
        })
    })
    .map(|truth| truth.unwrap_or(Truth::Never))
}

fn put_right(page: Page, _: &Step) -> Option<Truth> {
    if !writes(page, "denoise")? {
        return Some(Truth::Never);
    }
    let (original, spoilt, text) = page.told.repaired.get()?;
    let same = |other: &str| {
        let bare = |text: &str| {
            let letters = text.bytes().filter(u8::is_ascii_alphanumeric);
            letters
                .map(|byte| byte.to_ascii_lowercase())
                .collect::<Vec<_>>()
        };
        bare(&text) == bare(other)
    };
    Some(Truth::Is {
        right: Some(match (same(&original), same(&spoilt)) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        }),
        words: format!("It got “{spoilt}”, and wrote “{text}”"),
    })
}

/// Whether BERT has a head of a kind, once it is here.
fn has_head(page: Page, kind: &str) -> Option<bool> {
    let info = page.bert.info()?;
    Some(info.heads.iter().any(|head| head.kind == kind))
}

fn follows(page: Page, _: &Step) -> Option<Truth> {
    if !has_head(page, "next-sentence")? {
        return Some(Truth::Never);
    }
    let share = page.told.follows.get()?;
    Some(Truth::Is {
        right: Some(match share {
            ..0.35 => 1,
            0.35..0.65 => 2,
            _ => 0,
        }),
        words: format!(
            "BERT gives {} to the second coming after the first.",
            percent(share)
        ),
    })
}

fn two_answers(page: Page, _: &Step) -> Option<Truth> {
    if !has_head(page, "question-answering")? || !writes(page, ANSWER)? {
        return Some(Truth::Never);
    }
    let (marked, written) = page.told.answers.get()?;
    let quoted = |answer: &str| match answer {
        "" => "no answer".to_owned(),
        answer => format!("“{answer}”"),
    };
    Some(Truth::Is {
        right: Some(usize::from(!marked.eq_ignore_ascii_case(&written))),
        words: format!(
            "BERT marks {}; BART writes {}.",
            quoted(&marked),
            quoted(&written)
        ),
    })
}

/// Shows BERT's most telling head, and turns it off.
fn silence(page: Page) -> bool {
    let attention = page.bert_attention;
    let Some((layer, head)) = attention.settled(|answer| answer.encoder.most_telling()) else {
        return false;
    };
    page.bert_lens.choose(layer, Head::One(head));
    page.off.put(vec![(Place::Bert, layer, head)]);
    true
}

fn without_the_head(page: Page, _: &Step) -> Option<Truth> {
    let [(before, whole), (after, less)] = page.told.silenced.get()?;
    Some(Truth::Is {
        right: Some(usize::from(before != after)),
        words: format!(
            "With every head it is “{before}” ({}), without this one “{after}” ({}).",
            percent(whole),
            percent(less)
        ),
    })
}

fn size(page: Page, _: &Step) -> Option<Truth> {
    let info = page.bert.info()?;
    let full = info.parameters * 4;
    // Tenths, rounded.
    let tenths = (info.bytes * 10 + full / 2) / full.max(1);
    Some(Truth::Is {
        right: match tenths {
            4..=6 => Some(0),
            2..=3 => Some(1),
            1 => Some(2),
            _ => None,
        },
        words: format!(
            "Its {} numbers would take {} at 32 bits each. The file, vocabulary and all, has {} ({}).",
            count(info.parameters),
            bytes(full),
            bytes(info.bytes),
            info.quantization
        ),
    })
}
