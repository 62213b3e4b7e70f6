//! The reader's own checkpoints: opened from a hub, an address or the disk, looked at before they are fetched, and kept.

mod card;
mod kept;
mod known;

use web_sys::{Event, HtmlElement};

use super::app::heading;
use super::error_note::failed;
use crate::dom::{El, el, p, value_of};
use crate::engine::Abort;
use crate::latest::spawn;
use crate::library::{self, Progress, Source};
use crate::page::Page;
use crate::state::library::{Description, Kept, source_of};
use crate::var::Var;
use unmask_protocol::{ErrorBody, ErrorCode};

/// How far the checkpoint on the desk is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// Nothing has been asked for, or it could not be looked at.
    Empty,
    /// It is being looked at.
    Looking,
    /// The reader is to choose.
    Described,
    /// It is coming in.
    Running,
    /// It has been stopped, and can go on.
    Paused,
    /// It is here.
    Done,
}

/// The one checkpoint that the reader is dealing with.
#[derive(Clone, Copy)]
struct Desk {
    page: Page,
    typed: Var<String>,
    source: Var<Option<Source>>,
    stage: Var<Stage>,
    description: Var<Option<Description>>,
    /// Which of the description's choices.
    choice: Var<usize>,
    progress: Var<Progress>,
    brought: Var<Option<Kept>>,
    error: Var<Option<ErrorBody>>,
    abort: Var<Option<Abort>>,
    /// What is begun anew makes the news of what was begun before worthless.
    turn: Var<u32>,
}

impl Desk {
    fn new(page: Page) -> Self {
        Self {
            page,
            typed: Var::new(String::new()),
            source: Var::new(None),
            stage: Var::new(Stage::Empty),
            description: Var::new(None),
            choice: Var::new(0),
            progress: Var::new(Progress::default()),
            brought: Var::new(None),
            error: Var::new(None),
            abort: Var::new(None),
            turn: Var::new(0),
        }
    }

    /// Stops what runs; the turn that what comes next belongs to, and its signal.
    fn next_turn(self) -> (u32, Option<web_sys::AbortSignal>) {
        let abort = Abort::new();
        let signal = abort.signal();
        if let Some(earlier) = self.abort.update(|slot| slot.replace(abort)) {
            earlier.stop();
        }
        self.error.set(None);
        (
            self.turn.update(|turn| {
                *turn += 1;
                *turn
            }),
            signal,
        )
    }

    /// Looks at a checkpoint; `quantization` is chosen at once where the reader has chosen it before.
    fn look(self, source: Source, quantization: Option<String>) {
        let (turn, signal) = self.next_turn();
        self.typed.put(match source.is_files() {
            true => String::new(),
            false => source.name.clone(),
        });
        self.source.set(Some(source.clone()));
        self.description.set(None);
        self.stage.set(Stage::Looking);
        spawn(async move {
            let found = library::describe(&source, signal).await;
            if self.turn.now() != turn {
                return;
            }
            match found {
                Ok(found) => {
                    let wanted = |wanted: &String| {
                        let mut choices = found.choices.iter();
                        choices.position(|choice| choice.quantization == *wanted)
                    };
                    let chosen = quantization.as_ref().and_then(wanted);
                    self.choice
                        .set(chosen.or_else(|| found.usual()).unwrap_or(0));
                    self.description.set(Some(found));
                    self.stage.set(Stage::Described);
                }
                Err(error) => {
                    self.stage.set(Stage::Empty);
                    self.error.set(Some(error));
                }
            }
        });
    }

    /// The quantization that is chosen.
    fn quantization(self) -> Option<String> {
        self.description.peek(|found| {
            let choice = found.as_ref()?.choices.get(self.choice.now())?;
            Some(choice.quantization.clone())
        })
    }

    /// Brings it in, or goes on with that.
    fn begin(self) {
        let (Some(source), Some(quantization)) = (self.source.now(), self.quantization()) else {
            return;
        };
        let (turn, signal) = self.next_turn();
        self.progress.set(Progress::default());
        self.stage.set(Stage::Running);
        spawn(async move {
            let on_progress = move |progress| {
                if self.turn.now() == turn {
                    self.progress.set(progress);
                }
            };
            let brought = library::bring(&source, &quantization, signal, on_progress).await;
            self.page.renew_shelf().await;
            if self.turn.now() != turn {
                return;
            }
            match brought {
                Ok(kept) => {
                    self.brought.set(Some(kept));
                    self.stage.set(Stage::Done);
                }
                Err(error) => {
                    self.stage.set(Stage::Paused);
                    if error.code != ErrorCode::Aborted {
                        self.error.set(Some(error));
                    }
                }
            }
        });
    }

    fn pause(self) {
        if let Some(abort) = self.abort.update(Option::take) {
            abort.stop();
        }
    }

    /// Stops it for good, and forgets what has come.
    fn cancel(self) {
        let (turn, _) = self.next_turn();
        self.stage.set(Stage::Described);
        let (Some(source), Some(quantization)) = (self.source.now(), self.quantization()) else {
            return;
        };
        spawn(async move {
            if let Err(error) = library::discard(&source, &quantization).await
                && self.turn.now() == turn
            {
                self.error.set(Some(error));
            }
            self.page.renew_shelf().await;
        });
    }

    /// Deletes what is kept under an id.
    async fn forget(self, id: String) {
        if let Err(error) = library::remove(&id).await {
            self.error.set(Some(error));
        }
        self.page.renew_shelf().await;
        self.page.let_go();
    }

    /// Takes everything off the desk.
    fn clear(self) {
        self.next_turn();
        self.source.set(None);
        self.description.set(None);
        self.typed.put(String::new());
        self.stage.set(Stage::Empty);
    }
}

/// The section.
pub fn library(page: Page) -> El {
    let desk = Desk::new(page);
    let retry = move || match (desk.stage.now(), desk.source.now()) {
        (Stage::Empty, Some(source)) => desk.look(source, None),
        (Stage::Paused, _) => desk.begin(),
        _ => desk.error.set(None),
    };
    let trouble = el("div").class("trouble").live(move |place| {
        desk.error.with(|error| {
            if let Some(error) = error {
                place.append(failed(error, retry).attr("data-code", code(error.code)));
            }
        });
    });
    let section = el("section");
    library::when_seen(&section.node(), move || {
        spawn(page.renew_shelf());
    });
    section
        .class("library")
        .attr("id", "library")
        .attr("aria-labelledby", "library-title")
        .live_attr("data-stage", move || Some(format!("{:?}", desk.stage.get()).to_lowercase()))
        .children([
            heading("h2", "library-title", "Your own BERT, your own BART"),
            p(
                "prose",
                "Any BERT, DistilBERT, BART or mBART opens here as Hugging Face has it. It is quantized in this page \
                 while it comes in, kept on this machine, and takes the place of the model above. The page fetches \
                 from where you say, and sends nothing there.",
            ),
            open(desk),
            trouble,
            card::card(desk),
            kept::kept(desk),
            known::known(desk),
        ])
}

/// The three ways in: a hub's checkpoint, an address, files.
fn open(desk: Desk) -> El {
    let submit = move |event: Event| {
        event.prevent_default();
        if let Some(source) = desk.typed.peek(|typed| source_of(typed)) {
            desk.look(Source::text(&source), None);
        }
    };
    let take_files = move |event: Event| {
        event.prevent_default();
        if let Some(source) = Source::files(&event) {
            desk.look(source, None);
        }
    };
    let form = el("form").on("submit", submit).children([
        el("label").class("field").children([
            el("span").text(
                "A checkpoint on the hub, such as google-bert/bert-base-uncased, perhaps with @revision; or the address of a \
                 .gguf file or of a checkpoint’s folder",
            ),
            el("input")
                .attr("type", "text")
                .attr("autocomplete", "off")
                .attr("autocapitalize", "none")
                .attr("spellcheck", "false")
                .live_value(move || desk.typed.get())
                .on("input", move |event| desk.typed.put(value_of(&event))),
        ]),
        el("button").attr("type", "submit").text("Look at it"),
    ]);
    let drop = el("div").class("drop");
    let over = drop.clone();
    let left: HtmlElement = drop.node();
    let files = drop
        .on("dragover", move |event| {
            event.prevent_default();
            over.set_attr("data-over", Some(""));
        })
        .on("dragleave", move |_| {
            // Removing an attribute cannot fail.
            let _ = left.remove_attribute("data-over");
        })
        .on("drop", take_files)
        .child(
            el("label").class("field").children([
                el("span").text("Or files from this machine: a .gguf, or config.json, the tokenizer’s files and the weights. Drop them here, or choose them"),
                el("input")
                    .attr("type", "file")
                    .attr("multiple", "")
                    .on("change", take_files),
            ]),
        );
    el("div").class("ways-in").children([form, files])
}

/// For whoever looks for an error by its kind.
fn code(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Network => "network",
        ErrorCode::Integrity => "integrity",
        ErrorCode::Unsupported => "unsupported",
        ErrorCode::Memory => "memory",
        ErrorCode::Input => "input",
        ErrorCode::Aborted => "aborted",
        ErrorCode::Engine => "engine",
    }
}
