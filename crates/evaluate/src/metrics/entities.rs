//! Named entities as spans of BIO tags, as conlleval reads them.

/// A kind, the first word and the last.
pub type Span<'t> = (&'t str, usize, usize);

/// The spans of a sequence of tags; an `I` without its `B` begins one.
pub fn spans<'t>(tags: &[&'t str]) -> Vec<Span<'t>> {
    let mut found: Vec<Span> = Vec::new();
    let mut is_open = false;
    for (i, tag) in tags.iter().enumerate() {
        let Some((mark, kind)) = tag.split_once('-') else {
            is_open = false;
            continue;
        };
        match found.last_mut() {
            Some(span) if is_open && mark != "B" && span.0 == kind => span.2 = i,
            _ => found.push((kind, i, i)),
        }
        is_open = true;
    }
    found
}
