//! A text field of a head's panel.

use crate::dom::{El, el, value_of};
use crate::var::Var;

/// A labelled text, `rows` lines high.
pub fn field(label: &str, value: Var<String>, rows: u32) -> El {
    let area = el("textarea")
        .attr("rows", &rows.to_string())
        .attr("spellcheck", "false")
        .live_value(move || value.get())
        .on("input", move |event| value.set(value_of(&event)));
    el("label")
        .class("field")
        .children([el("span").text(label), area])
}

/// Text that is worth asking about: none while it is blank (tracked).
pub fn asked(value: Var<String>) -> Option<String> {
    value.with(|text| (!text.trim().is_empty()).then(|| text.clone()))
}
