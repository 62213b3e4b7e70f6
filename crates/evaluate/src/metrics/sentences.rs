//! Where sentences end, by the rule that the training data were cut by (`training/data.py`).

use std::sync::LazyLock;

use fancy_regex::Regex;

static END: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?<=[.!?])(?:["')\]]+)?\s+(?=["'(\[]?[A-Z0-9])"#)
        .expect("a constant that compiles")
});
static ABBREVIATION: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Prof|Rev|Gen|Capt|Col|Sgt|Lt|Jr|Sr|vs|etc|No|Fig|cf|e\.g|i\.e)|\b[A-Z])\.\z";
    Regex::new(pattern).expect("a constant that compiles")
});

/// The sentences of a paragraph.
pub fn sentences(paragraph: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    // A pattern without backtracking to speak of: the library gives up on none of these.
    for end in END.find_iter(paragraph).flatten() {
        if !ABBREVIATION
            .is_match(&paragraph[start..end.start()])
            .unwrap_or(false)
        {
            parts.push(paragraph[start..end.end()].trim());
            start = end.end();
        }
    }
    parts.push(paragraph[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}
