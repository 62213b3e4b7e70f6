//! A model on its way: size before it starts, bytes while it comes, facts once it is here.

use leptos::either::EitherOf4;
use leptos::prelude::*;
use unmask_protocol::{ModelInfo, Phase, Progress};

use super::error_note::ErrorNote;
use crate::page::Page;
use crate::slot::{Slot, Status};
use crate::state::format::{bytes, count};

/// The state of a model in a line or two.
#[component]
pub fn Loading(
    /// The model.
    model: Slot,
    /// What the reader calls it.
    label: &'static str,
) -> impl IntoView {
    let page = Page::expect();
    let size = move || {
        page.catalogue
            .with(|catalogue| catalogue.bytes(&model.name.get()))
    };
    move || match model.status() {
        Status::Asleep => EitherOf4::A(view! {
            <div class="loading">
                <button type="button" on:click=move |_| model.load()>
                    {move || match size() {
                        Some(size) => format!("Fetch {label} ({})", bytes(size)),
                        None => format!("Fetch {label}"),
                    }}
                </button>
                <p class="note">"Fetched once and kept on this machine."</p>
            </div>
        }),
        Status::Loading(progress) => EitherOf4::B(view! {
            <Bar progress label size=size() />
        }),
        Status::Ready(ready) => EitherOf4::C(view! { <p class="facts">{facts(&ready.info)}</p> }),
        Status::Failed(error) => {
            EitherOf4::D(view! { <ErrorNote error=Some(error) retry=move |()| model.load() /> })
        }
    }
}

/// Bytes so far, as a bar and in words.
#[component]
fn Bar(
    /// What has come.
    progress: Option<Progress>,
    /// What the reader calls the model.
    label: &'static str,
    /// The catalogue's size, until the transfer tells its own.
    size: Option<u64>,
) -> impl IntoView {
    let loaded = progress.as_ref().map_or(0, |progress| progress.loaded);
    let total = progress
        .as_ref()
        .and_then(|progress| progress.total)
        .or(size);
    let verb = match progress.map(|progress| progress.phase) {
        Some(Phase::Cache) => "Reading",
        _ => "Fetching",
    };
    let words = match total {
        Some(total) => format!("{verb} {label}: {} of {}", bytes(loaded), bytes(total)),
        None => format!("{verb} {label}: {}", bytes(loaded)),
    };
    view! {
        <div class="loading">
            <progress
                aria-label=format!("Loading {label}")
                max=total.map(|total| total.to_string())
                value=total.map(|_| loaded.to_string())
            ></progress>
            <p class="note">{words}</p>
        </div>
    }
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
