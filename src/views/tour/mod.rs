//! The guided tour: questions about the page, each asked before its answer is shown, and answered by the models.
//!
//! It lays a view of its own over the page, step by step, and leaves the page as the reader had it.

mod steps;

use wasm_bindgen::prelude::*;
use web_sys::{Element, Event, KeyboardEvent};

use crate::address;
use crate::dom::{El, button, el, p};
use crate::latest::spawn;
use crate::page::Page;
use crate::slot::Status;
use crate::state::tour::{Guess, Progress};
use crate::state::view::View;
use crate::var::{Var, effect};
use crate::views::loading::loading;
use steps::{Model, STEPS, Step, Truth};

#[wasm_bindgen(module = "/src/tour.js")]
extern "C" {
    #[wasm_bindgen(js_name = keptProgress)]
    fn kept_progress() -> String;

    #[wasm_bindgen(js_name = keepProgress)]
    fn keep_progress(progress: &str);

    fn standpoint() -> JsValue;

    #[wasm_bindgen(js_name = goBack)]
    fn go_back(standpoint: &JsValue);

    fn present(selector: &str);

    fn focus(element: &Element);

    fn dismiss();

    fn visit();

    #[wasm_bindgen(js_name = onEscape)]
    fn on_escape(act: &Closure<dyn FnMut()>);
}

/// What the page was like before the tour.
#[derive(Clone)]
struct Before {
    view: View,
    touched: bool,
    standpoint: JsValue,
}

/// The tour's state.
#[derive(Clone, Copy)]
struct Tour {
    page: Page,
    /// How far the reader has come.
    progress: Var<Progress>,
    /// The step that is shown, while the tour is on.
    step: Var<Option<usize>>,
    /// The option that was guessed last at this step.
    guess: Var<Option<usize>>,
    /// Whether this step's answer may be seen.
    revealed: Var<bool>,
    before: Var<Option<Before>>,
}

/// The way in, and the tour itself, which stands in `root` while it is on.
pub fn tour(page: Page, root: &El) -> [El; 2] {
    let tour = Tour {
        page,
        progress: Var::new(Progress::read(&kept_progress(), STEPS.len())),
        step: Var::new(None),
        guess: Var::new(None),
        revealed: Var::new(false),
        before: Var::new(None),
    };
    let shown = root.clone();
    effect(move || {
        // The style conceals by it what is to be guessed.
        let asked = tour.step.get().filter(|_| !tour.revealed.get());
        shown.set_attr("data-guess", asked.map(|step| STEPS[step].name));
    });
    // A link that is opened meanwhile is what the reader wants to see.
    effect(move || {
        if !page.touring.get() && tour.step.now().is_some() {
            tour.forget();
        }
    });
    let leave = Closure::<dyn FnMut()>::new(move || tour.leave());
    on_escape(&leave);
    // The page listens as long as it lives.
    leave.forget();
    [door(tour), dialog(tour)]
}

/// What the tour is, and the button that starts it.
fn door(tour: Tour) -> El {
    let words = move || {
        tour.progress.with(|progress| {
            let (done, right) = (progress.is_done(), progress.right());
            match (done, progress.step) {
                (true, _) => format!(
                    "You have taken the tour, and guessed {right} of {} right.",
                    STEPS.len()
                ),
                (false, 0) => format!(
                    "New here? A tour of {} questions, each answered by the models. It leaves the page as you have it.",
                    STEPS.len()
                ),
                (false, step) => format!(
                    "You have been to step {} of the tour’s {}.",
                    step + 1,
                    STEPS.len()
                ),
            }
        })
    };
    let label = move || {
        tour.progress.with(|progress| match progress.is_done() {
            true => "Take it again",
            false if progress.step > 0 => "Go on with the tour",
            false => "Take the tour",
        })
    };
    let start = move || {
        if tour.progress.peek(Progress::is_done) {
            tour.progress.set(Progress::new(STEPS.len()));
        }
        tour.start();
    };
    unnoticed(el("div").class("tour-door")).children([
        p("note", "").live_text(words),
        button("", start).live_text(move || label().to_owned()),
    ])
}

/// Pressing something within is no sign that the reader has changed the page.
fn unnoticed(element: El) -> El {
    element
        .on("keydown", |event: Event| {
            if event.unchecked_ref::<KeyboardEvent>().key() != "Escape" {
                event.stop_propagation();
            }
        })
        .on("pointerdown", |event| event.stop_propagation())
}

/// The step that is shown.
fn dialog(tour: Tour) -> El {
    unnoticed(el("div").class("tour"))
        .attr("role", "dialog")
        .attr("aria-labelledby", "tour-title")
        .attr("aria-describedby", "tour-story")
        .live_attr("data-side", move || {
            Some(STEPS[tour.step.get()?].side.to_owned())
        })
        .live_attr("data-step", move || {
            Some((tour.step.get()? + 1).to_string())
        })
        .live(move |place| {
            if let Some(at) = tour.step.get() {
                fill(tour, place, at);
            }
        })
}

fn fill(tour: Tour, place: &El, at: usize) {
    let step = &STEPS[at];
    let Tour {
        page,
        guess,
        revealed,
        ..
    } = tour;
    let truth = move || (step.truth)(page, step);
    let slot = move || match step.model {
        Model::Bert => page.bert,
        Model::Bart => page.bart,
    };
    // What the guess came to is kept when the answer is there, which may be a download later.
    effect(move || {
        let Some(Truth::Is { right, .. }) = truth().filter(|_| revealed.get()) else {
            return;
        };
        let result = match guess.get() {
            None => Guess::Shown,
            some if some == right => Guess::Right,
            Some(_) => Guess::Wrong,
        };
        if tour
            .progress
            .peek(|progress| progress.guesses[at] == Guess::None)
        {
            tour.change_progress(|progress| progress.guesses[at] = result);
        }
    });
    if let Some(prepare) = step.prepare {
        let done = std::cell::Cell::new(false);
        effect(move || {
            if !done.get() {
                done.set(prepare(page));
            }
        });
    }
    let options = el("div").class("tour-options");
    for (index, words) in step.options.iter().enumerate() {
        let choose = move || {
            if !revealed.now() {
                guess.put(Some(index));
                revealed.put(true);
            }
        };
        let option = button(words, choose)
            .live_attr("aria-pressed", move || {
                Some((guess.get() == Some(index)).to_string())
            })
            .live_attr("data-right", move || {
                let truth = truth().filter(|_| revealed.get())?;
                matches!(truth, Truth::Is { right: Some(right), .. } if right == index)
                    .then(String::new)
            })
            .live_attr("aria-disabled", move || {
                revealed.get().then(|| "true".into())
            });
        options.append(option);
    }
    let verdict = move || {
        if !revealed.get() {
            return String::new();
        }
        match truth() {
            None => format!("Waiting for {}.", step.model.title()),
            Some(Truth::Never) => format!(
                "The {} on this page was not made for this; go on to the next step.",
                step.model.title()
            ),
            Some(Truth::Is { right, words }) => {
                let verdict = match (guess.get(), right) {
                    (None, _) => "",
                    (some, right) if some == right => "Right. ",
                    (_, None) => "None of the three. ",
                    _ => "Not so. ",
                };
                format!("{verdict}{words}")
            }
        }
    };
    let last = at + 1 == STEPS.len();
    let heading = el("h2")
        .attr("id", "tour-title")
        .attr("tabindex", "-1")
        .text(step.title);
    let focused: Element = heading.node();
    let controls = el("div").class("controls").children([
        button("Back", move || tour.go_to(at - 1)).shown(move || at > 0),
        button(if last { "Finish" } else { "Next" }, move || match last {
            true => tour.leave(),
            false => tour.go_to(at + 1),
        })
        .class("tour-next"),
        button("To the panel", visit).class("quiet"),
        button("Leave", move || tour.leave()).class("quiet"),
    ]);
    for child in [
        p("note", &format!("Tour, {} of {}", at + 1, STEPS.len())),
        heading,
        p("tour-story", step.story).attr("id", "tour-story"),
        el("div")
            .shown(move || {
                let status = slot().status;
                !status.with(|status| matches!(status, Status::Ready(_)))
            })
            .live(move |place| place.append(loading(page, slot(), step.model.title()))),
        el("p")
            .class("tour-question")
            .attr("id", "tour-question")
            .text(step.question),
        options
            .attr("role", "group")
            .attr("aria-labelledby", "tour-question"),
        button("Show me, I have no guess", move || revealed.put(true))
            .class("quiet")
            .shown(move || !revealed.get()),
        p("tour-verdict", "")
            .attr("role", "status")
            .live_text(verdict),
        p("tour-moral", step.moral)
            .shown(move || revealed.get() && matches!(truth(), Some(Truth::Is { .. }))),
        controls,
    ] {
        place.append(child);
    }
    focus_soon(focused);
}

/// The focus goes to a step's name once it stands in the page.
fn focus_soon(element: Element) {
    spawn(async move { focus(&element) });
}

impl Tour {
    fn change_progress(self, change: impl FnOnce(&mut Progress)) {
        self.progress.update(change);
        keep_progress(&self.progress.peek(Progress::write));
    }

    fn start(self) {
        self.before.set(Some(Before {
            view: leptos::prelude::untrack(|| address::view(self.page)),
            touched: self.page.touched.now(),
            standpoint: standpoint(),
        }));
        self.page.touring.put(true);
        self.go_to(self.progress.peek(|progress| progress.step));
    }

    fn go_to(self, at: usize) {
        let step: &Step = &STEPS[at];
        let Some(before) = self.before.now() else {
            return;
        };
        self.guess.put(None);
        let known = self
            .progress
            .peek(|progress| progress.guesses[at] != Guess::None);
        self.revealed.put(known);
        self.change_progress(|progress| progress.step = at);
        let (mut view, _) = View::read(step.view.iter().copied());
        // What a step doesn't need stays with the model that the reader has.
        if view.model.is_none() {
            view.model = before.view.model;
        }
        address::show(self.page, view);
        // Behind the questions that the view asks: no older answer must be taken for theirs.
        spawn(async move {
            self.step.put(Some(at));
            present(step.part);
        });
    }

    /// Gives the page back as it was.
    fn leave(self) {
        let Some(before) = self.before.now() else {
            return;
        };
        self.forget();
        address::show(self.page, before.view);
        self.page.touched.put(before.touched);
        self.page.touring.put(false);
        let standpoint = before.standpoint;
        // The focus can only go back to what stands in the page again.
        spawn(async move { go_back(&standpoint) });
    }

    /// Ends the tour with the page as it is.
    fn forget(self) {
        self.before.set(None);
        self.step.put(None);
        dismiss();
    }
}
