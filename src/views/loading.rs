//! A model on its way: size before it starts, bytes while it comes, facts once it is here.

use unmask_protocol::{ModelInfo, Phase, Progress};

use super::error_note::failed;
use crate::dom::{El, button, el, p};
use crate::page::Page;
use crate::slot::{Slot, Status};
use crate::state::format::{bytes, count};

/// The state of a model, which the reader calls `label`, in a line or two.
pub fn loading(page: Page, model: Slot, label: &'static str) -> El {
    let size = move || {
        page.catalogue
            .with(|catalogue| catalogue.bytes(&model.name.get()))
    };
    el("div").class("model").live(move |place| {
        let shown = model.status.with(|status| match status {
            Status::Asleep => {
                let words = match size() {
                    Some(size) => format!("Fetch {label} ({})", bytes(size)),
                    None => format!("Fetch {label}"),
                };
                el("div").class("loading").children([
                    button(&words, move || model.load()),
                    p("note", "Fetched once and kept on this machine."),
                ])
            }
            Status::Loading(progress) => bar(progress.as_ref(), label, size()),
            Status::Ready(info) => p("facts", &facts(info)),
            Status::Failed(error) => failed(error, move || model.load()),
        });
        place.append(shown);
    })
}

/// Bytes so far, as a bar and in words; `size` is the catalogue's, until the transfer tells its own.
fn bar(progress: Option<&Progress>, label: &str, size: Option<u64>) -> El {
    let loaded = progress.map_or(0, |progress| progress.loaded);
    let total = progress.and_then(|progress| progress.total).or(size);
    let verb = match progress.map(|progress| progress.phase) {
        Some(Phase::Cache) => "Reading",
        Some(Phase::Waiting) => "Waiting for",
        _ => "Fetching",
    };
    let words = match total {
        Some(total) => format!("{verb} {label}: {} of {}", bytes(loaded), bytes(total)),
        None => format!("{verb} {label}: {}", bytes(loaded)),
    };
    let bar = el("progress").attr("aria-label", &format!("Loading {label}"));
    if let Some(total) = total {
        bar.set_attr("max", Some(&total.to_string()));
        bar.set_attr("value", Some(&loaded.to_string()));
    }
    el("div")
        .class("loading")
        .children([bar, p("note", &words)])
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
