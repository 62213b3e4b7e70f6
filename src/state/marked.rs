//! A text cut into runs by spans that count UTF-16 units, as the engine's answers do.

/// A run of the text, and what marks it.
#[derive(Clone, Debug, PartialEq)]
pub struct Run<T> {
    /// The run.
    pub text: String,
    /// The mark, where it is marked.
    pub mark: Option<T>,
}

/// Cuts `text` at `spans` (start, end, mark), which go by UTF-16 units in the text's order. Spans that begin before
/// an earlier one ends, lie outside the text or split a character are left out.
pub fn runs<T: Clone>(text: &str, spans: &[(usize, usize, T)]) -> Vec<Run<T>> {
    let mut runs = Vec::new();
    let mut copied = 0;
    for (start, end, mark) in spans {
        let (Some(start), Some(end)) = (byte_offset(text, *start), byte_offset(text, *end)) else {
            continue;
        };
        if start < copied || end <= start {
            continue;
        }
        if start > copied {
            runs.push(Run {
                text: text[copied..start].to_owned(),
                mark: None,
            });
        }
        runs.push(Run {
            text: text[start..end].to_owned(),
            mark: Some(mark.clone()),
        });
        copied = end;
    }
    if copied < text.len() {
        runs.push(Run {
            text: text[copied..].to_owned(),
            mark: None,
        });
    }
    runs
}

/// Byte offset of a UTF-16 offset, where one begins there.
pub(super) fn byte_offset(text: &str, utf16: usize) -> Option<usize> {
    let mut units = 0;
    for (at, character) in text.char_indices() {
        if units == utf16 {
            return Some(at);
        }
        units += character.len_utf16();
    }
    (units == utf16).then_some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, spans: &[(usize, usize, u8)]) -> Vec<(String, Option<u8>)> {
        runs(text, spans)
            .into_iter()
            .map(|run| (run.text, run.mark))
            .collect()
    }

    #[test]
    fn offsets_count_utf16_units() {
        assert_eq!(
            cut("𝄞 in Łódź", &[(6, 10, 1)]),
            [("𝄞 in ".to_owned(), None), ("Łódź".to_owned(), Some(1))]
        );
    }

    #[test]
    fn bad_spans_are_left_out() {
        assert_eq!(
            cut(
                "abcd",
                &[
                    (0, 1, 1),
                    (2, 3, 2),
                    (2, 4, 3),
                    (0, 1, 6),
                    (9, 12, 4),
                    (3, 3, 5)
                ]
            ),
            [
                ("a".to_owned(), Some(1)),
                ("b".to_owned(), None),
                ("c".to_owned(), Some(2)),
                ("d".to_owned(), None)
            ]
        );
        assert_eq!(cut("𝄞", &[(0, 1, 1)]), [("𝄞".to_owned(), None)]);
        assert!(cut("", &[(0, 0, 1)]).is_empty());
    }
}
