//! The shelf: checkpoints of the hub that are known to work, for each task.

use super::Desk;
use crate::dom::{El, button, el, p};
use crate::library::Source;
use crate::state::library::KNOWN;

/// The table, closed at first.
pub fn known(desk: Desk) -> El {
    let head = el("tr").children([
        el("th").attr("scope", "col").text("Good for"),
        el("th").attr("scope", "col").text("Checkpoint"),
        el("th").attr("scope", "col").text("Weights"),
        el("th").attr("scope", "col").text("Licence"),
    ]);
    let body = el("tbody");
    for known in KNOWN {
        let look = move || desk.look(Source::text(&format!("hub:{}", known.id)), None);
        body.append(
            el("tr").children([
                el("th").attr("scope", "row").text(known.task),
                el("td").child(button(known.id, look).class("plain")),
                el("td")
                    .class("number")
                    .text(&format!("{} MB", known.megabytes)),
                el("td").text(known.license),
            ]),
        );
    }
    el("details").class("known").children([
        el("summary").text("Checkpoints that are known to work (from the hub: needs the network)"),
        p(
            "note",
            "Sizes and licences are those of their pages on huggingface.co; what the hub says when you look is what counts, and \
             a difference is told.",
        ),
        el("table").children([el("thead").child(head), body]),
    ])
}
