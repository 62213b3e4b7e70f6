//! The masks' shapes, which need no weights: what BERT is told, and what the page draws before a model has arrived.

use unmask_protocol::MaskPattern;

use super::grid::{Grid, Label};

/// A rule that says who may look at whom.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Rule {
    /// Left and right, as BERT was trained.
    #[default]
    Both,
    /// Itself and what comes before.
    Left,
    /// The first so many tokens see each other; later ones themselves and what comes before.
    Prefix(usize),
    /// Itself and so many neighbours on each side.
    Near(usize),
}

impl Rule {
    /// Whether the token at `query` may look at the one at `key`.
    pub fn allows(self, query: usize, key: usize) -> bool {
        match self {
            Self::Both => true,
            Self::Left => key <= query,
            Self::Prefix(length) => key <= query || (query < length && key < length),
            Self::Near(radius) => key.abs_diff(query) <= radius,
        }
    }

    fn pattern(self) -> Option<MaskPattern> {
        match self {
            Self::Both => None,
            Self::Left => Some(MaskPattern::Causal),
            Self::Prefix(length) => Some(MaskPattern::Prefix { length }),
            Self::Near(radius) => Some(MaskPattern::Window { radius }),
        }
    }
}

/// How BERT is allowed to look: a rule, and the cells in which the reader has painted the opposite.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sight {
    /// The rule.
    pub rule: Rule,
    /// Cells (query, key) that are the other way round, each once.
    pub painted: Vec<(usize, usize)>,
}

impl Sight {
    /// A rule with nothing painted over it.
    pub fn of(rule: Rule) -> Self {
        Self {
            rule,
            painted: Vec::new(),
        }
    }

    /// Whether this is how BERT was trained.
    pub fn as_trained(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the token at `query` may look at the one at `key`.
    pub fn allows(&self, query: usize, key: usize) -> bool {
        self.rule.allows(query, key) != self.painted.contains(&(query, key))
    }

    /// Paints one cell.
    pub fn paint(&mut self, query: usize, key: usize, allowed: bool) {
        self.painted.retain(|&cell| cell != (query, key));
        if self.rule.allows(query, key) != allowed {
            self.painted.push((query, key));
        }
    }

    /// What the engine is told about a text of `tokens` tokens; none leaves the model's own mask.
    pub fn pattern(&self, tokens: usize) -> Option<MaskPattern> {
        if self.painted.is_empty() {
            return self.rule.pattern();
        }
        let cells = 0..tokens * tokens;
        Some(MaskPattern::Custom {
            queries: tokens,
            keys: tokens,
            allowed: cells
                .map(|at| u8::from(self.allows(at / tokens, at % tokens)))
                .collect(),
        })
    }
}

/// The cells (query, key) that a stroke passes from `from` to `to`, without the first: a hand may be faster than what is
/// heard of it.
pub fn stroke(from: (usize, usize), to: (usize, usize)) -> Vec<(usize, usize)> {
    let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1));
    let between = |from: usize, to: usize, step: usize| {
        // Rounded: `steps` is not 0 where this is asked.
        let whole = |from: usize, to: usize| from + ((to - from) * step * 2 + steps) / (steps * 2);
        match to >= from {
            true => whole(from, to),
            false => from - (whole(to, from) - to),
        }
    };
    (1..=steps)
        .map(|step| (between(from.0, to.0, step), between(from.1, to.1, step)))
        .collect()
}

/// Self-attention over `tokens`, mask only.
pub fn self_attention(tokens: Vec<Label>, sight: &Sight) -> Grid {
    let count = tokens.len();
    Grid {
        allowed: (0..count * count)
            .map(|at| sight.allows(at / count, at % count))
            .collect(),
        rows: tokens.clone(),
        columns: tokens,
        weights: None,
    }
}

/// Cross-attention from `rows` to `columns`, mask only: every row sees the whole source.
pub fn cross_attention(rows: Vec<Label>, columns: Vec<Label>) -> Grid {
    Grid {
        allowed: vec![true; rows.len() * columns.len()],
        rows,
        columns,
        weights: None,
    }
}

/// Labels for texts that stand between two special tokens.
pub fn bracketed<'a>(
    first: &str,
    texts: impl IntoIterator<Item = &'a str>,
    last: &str,
) -> Vec<Label> {
    std::iter::once(Label::special(first))
        .chain(texts.into_iter().map(Label::written))
        .chain(std::iter::once(Label::special(last)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(rule: Rule) -> Vec<bool> {
        let labels = bracketed("[CLS]", ["a", "b", "c"], "[SEP]");
        self_attention(labels, &Sight::of(rule)).allowed
    }

    #[test]
    fn each_rule_forbids_what_it_says() {
        assert!(shape(Rule::Both).iter().all(|&allowed| allowed));
        for (at, allowed) in shape(Rule::Left).into_iter().enumerate() {
            assert_eq!(allowed, at % 5 <= at / 5);
        }
        for (at, allowed) in shape(Rule::Near(2)).into_iter().enumerate() {
            assert_eq!(allowed, (at % 5).abs_diff(at / 5) <= 2);
        }
        for (at, allowed) in shape(Rule::Prefix(3)).into_iter().enumerate() {
            let (query, key) = (at / 5, at % 5);
            assert_eq!(
                allowed,
                key <= query.max(2).min(if query < 3 { 2 } else { query })
            );
        }
    }

    #[test]
    fn painting_turns_cells_over_and_back() {
        let mut sight = Sight::of(Rule::Left);
        sight.paint(0, 2, true);
        sight.paint(1, 0, false);
        assert!(sight.allows(0, 2) && !sight.allows(1, 0) && !sight.as_trained());
        let Some(MaskPattern::Custom {
            allowed, keys: 3, ..
        }) = sight.pattern(3)
        else {
            panic!("a painted mask is custom");
        };
        assert_eq!(allowed, [1, 0, 1, 0, 1, 0, 1, 1, 1]);
        sight.paint(0, 2, false);
        sight.paint(1, 0, true);
        assert_eq!(sight, Sight::of(Rule::Left));
        assert_eq!(sight.pattern(3), Some(MaskPattern::Causal));
        assert_eq!(Sight::default().pattern(3), None);
    }

    #[test]
    fn a_fast_stroke_leaves_no_cell_out() {
        assert_eq!(stroke((2, 2), (2, 2)), []);
        assert_eq!(stroke((2, 2), (2, 5)), [(2, 3), (2, 4), (2, 5)]);
        assert_eq!(stroke((3, 1), (0, 4)), [(2, 2), (1, 3), (0, 4)]);
        assert_eq!(stroke((0, 0), (1, 4)), [(0, 1), (1, 2), (1, 3), (1, 4)]);
        for to in [(9, 0), (0, 9), (9, 9), (4, 7)] {
            let cells = stroke((5, 5), to);
            let mut last = (5, 5);
            for cell in cells {
                assert!(cell.0.abs_diff(last.0) <= 1 && cell.1.abs_diff(last.1) <= 1);
                last = cell;
            }
            assert_eq!(last, to);
        }
    }

    #[test]
    fn cross_attention_sees_the_whole_source() {
        let grid = cross_attention(
            bracketed("</s>", ["k"], "</s>"),
            bracketed("<s>", ["c", "a"], "</s>"),
        );
        assert_eq!((grid.rows.len(), grid.columns.len()), (3, 4));
        assert_eq!(grid.forbidden(), 0);
    }
}
