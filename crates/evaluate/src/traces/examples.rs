//! What is recorded: the page's own examples, so that its first paint shows what its models will say.

/// One run to record.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// The trace's name.
    pub name: &'static str,
    /// The catalogue's name of the model.
    pub model: &'static str,
    /// What it is asked.
    pub question: Question,
}

/// What a model is asked, after the methods of `unmask.js`.
#[derive(Clone, Copy, Debug)]
pub enum Question {
    /// Which words fit.
    FillMask {
        /// With a `[MASK]`.
        text: &'static str,
    },
    /// Does one sentence follow another?
    NextSentence {
        /// The first.
        a: &'static str,
        /// The second.
        b: &'static str,
    },
    /// Labels of a whole text, or of a pair.
    Classify {
        /// Which head.
        head: &'static str,
        /// The text.
        text: &'static str,
        /// The hypothesis, for entailment.
        pair: Option<&'static str>,
    },
    /// Labels of words.
    Label {
        /// Which head.
        head: &'static str,
        /// The text.
        text: &'static str,
    },
    /// Where a passage answers a question.
    Answer {
        /// The question.
        question: &'static str,
        /// The passage.
        context: &'static str,
    },
    /// A text out of another.
    Generate {
        /// Which task.
        task: &'static str,
        /// What is read.
        text: &'static str,
    },
}

/// All of them, in the order of the index: the first is the page's opening.
pub const EXAMPLES: &[Example] = &[
    Example {
        name: "fill-mask",
        model: "bert",
        question: Question::FillMask {
            text: "I want to [MASK] to the beach with you.",
        },
    },
    Example {
        name: "next-sentence",
        model: "bert",
        question: Question::NextSentence {
            a: "The company was founded by two brothers in 1920.",
            b: "The company was sold in 1965.",
        },
    },
    Example {
        name: "sentiment",
        model: "bert",
        question: Question::Classify {
            head: "sentiment",
            text: "The film is warm, funny and beautifully acted.",
            pair: None,
        },
    },
    Example {
        name: "entailment",
        model: "bert",
        question: Question::Classify {
            head: "nli",
            text: "A man is playing a guitar on the stage.",
            pair: Some("Somebody is making music."),
        },
    },
    Example {
        name: "names",
        model: "bert",
        question: Question::Label {
            head: "ner",
            text: "Ada Lovelace met Charles Babbage in London and wrote about his engine.",
        },
    },
    Example {
        name: "answer",
        model: "bert",
        question: Question::Answer {
            question: "Where did the keys turn up?",
            context: "Martha looked for her keys all morning. They turned up in the pocket of her raincoat.",
        },
    },
    Example {
        name: "denoise",
        model: "bart",
        question: Question::Generate {
            task: "denoise",
            text: "Then she went home. Mary was at school all day.",
        },
    },
    Example {
        name: "restore",
        model: "bart",
        question: Question::Generate {
            task: "denoise",
            text: "I want to [MASK] to the beach with you.",
        },
    },
    Example {
        name: "summarize",
        model: "bart",
        question: Question::Generate {
            task: "summarize",
            text: "A tool that checks whether the links in a web page still work.",
        },
    },
    Example {
        name: "answer-in-words",
        model: "bart",
        question: Question::Generate {
            task: "answer",
            text: "Where did the keys turn up?<sep>Martha looked for her keys all morning. They turned up in the pocket of her raincoat.",
        },
    },
    Example {
        name: "translate",
        model: "bart-de",
        question: Question::Generate {
            task: "translate",
            text: "My sister is two years older than me.",
        },
    },
    Example {
        name: "pronounce",
        model: "bart-g2p",
        question: Question::Generate {
            task: "pronounce",
            text: "beach",
        },
    },
];
