//! A model on its way: size before it starts, bytes while it comes, facts once it is here.

use unmask_protocol::{ModelInfo, Phase};

use super::error_note::failed;
use crate::dom::{El, button, el, p};
use crate::page::Page;
use crate::slot::{Slot, Status};
use crate::state::format::{bytes, count};
use crate::var::Derived;

/// The state of a model, which the reader calls `label`, in a line or two.
pub fn loading(page: Page, model: Slot, label: &'static str) -> El {
    let size = move || {
        page.catalogue
            .with(|catalogue| catalogue.bytes(&model.name.get()))
    };
    // What comes is counted in place: a button that is made anew with every packet could not be pressed.
    let comes = Derived::new(move || {
        let status = model.status;
        status.with(|status| matches!(status, Status::Loading(_)))
    });
    el("div").class("model").children([
        bar(model, label, size).shown(move || comes.get()),
        el("div").live(move |place| {
            if comes.get() {
                return;
            }
            let shown = model.status.with(|status| match status {
                Status::Loading(_) => None,
                Status::Asleep => {
                    let words = match size() {
                        Some(size) => format!("Fetch {label} ({})", bytes(size)),
                        None => format!("Fetch {label}"),
                    };
                    Some(el("div").class("loading").children([
                        button(&words, move || model.load()),
                        p("note", "Fetched once and kept on this machine."),
                    ]))
                }
                Status::Ready(info) => Some(p("facts", &facts(info))),
                Status::Failed(error) => Some(failed(error, move || model.load())),
            });
            if let Some(shown) = shown {
                place.append(shown);
            }
        }),
    ])
}

/// Bytes so far, as a bar and in words, and the way to stop; `size` is the catalogue's, until the transfer tells its own.
fn bar(model: Slot, label: &'static str, size: impl Fn() -> Option<u64> + Copy + 'static) -> El {
    let progress = move || {
        model.status.with(|status| match status {
            Status::Loading(progress) => progress.clone(),
            _ => None,
        })
    };
    let loaded = move || progress().map_or(0, |progress| progress.loaded);
    let total = move || progress().and_then(|progress| progress.total).or_else(size);
    let words = move || {
        let verb = match progress().map(|progress| progress.phase) {
            Some(Phase::Cache) => "Reading",
            Some(Phase::Waiting) => "Waiting for",
            _ => "Fetching",
        };
        match total() {
            Some(total) => format!("{verb} {label}: {} of {}", bytes(loaded()), bytes(total)),
            None => format!("{verb} {label}: {}", bytes(loaded())),
        }
    };
    let bar = el("progress")
        .attr("aria-label", &format!("Loading {label}"))
        .live_attr("max", move || total().map(|total| total.to_string()))
        .live_attr("value", move || total().map(|_| loaded().to_string()));
    el("div").class("loading").children([
        bar,
        p("note", "").live_text(words),
        button("Stop", move || model.stop())
            .class("quiet")
            .attr("aria-label", &format!("Stop fetching {label}")),
    ])
}

/// 6 layers of 12 heads, 22.7 million parameters in 25.1 MB (Q8_0, Apache-2.0).
fn facts(info: &ModelInfo) -> String {
    let plural = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    };
    let mut format = vec![info.quantization.clone()];
    format.extend(info.license.clone());
    format!(
        "{} of {}, {} parameters in {} ({})",
        plural(info.layers, "layer"),
        plural(info.attention_heads, "head"),
        count(info.parameters),
        bytes(info.bytes),
        format.join(", ")
    )
}
