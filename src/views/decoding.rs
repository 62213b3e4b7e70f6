//! How BART chooses its tokens: numbers that the reader may set, each with its effect at once.

use super::disclosure::disclosure;
use crate::dom::{El, button, el, p, value_of};
use crate::page::Page;
use crate::state::decoding::{CONTROLS, Control, Decoding};
use crate::var::{Derived, Var};

/// The numbers, folded away until they are asked for.
pub fn decoding(page: Page) -> El {
    let wrong = Var::new(None::<usize>);
    let fields = el("div").class("decoding-fields").live(move |place| {
        for (at, control) in CONTROLS.iter().enumerate() {
            place.append(number(page, wrong, at, control));
        }
    });
    let draws = Derived::new(move || page.decoding.with(|set| set.draws(page.beams.get())));
    let another = move || {
        page.decoding.update(|set| {
            let seed = &mut set.0[Decoding::SEED];
            *seed = Some((seed.unwrap_or(0) + 100) % CONTROLS[Decoding::SEED].most);
        });
    };
    let summary = el("summary").text("How it chooses");
    disclosure(page, "choosing", summary).class("decoding").children([
        fields,
        el("p")
            .class("note")
            .attr("role", "alert")
            .live_text(move || wrong.get().map_or_else(String::new, |at| CONTROLS[at].range())),
        p(
            "note",
            "An empty field leaves it to the model. Above a temperature of 0 chance decides, among the top k tokens and \
             within the share top p, with one beam.",
        ),
        el("div").class("controls").children([
            button("Draw again", another).shown(move || draws.get()),
            button("As the model has it", move || {
                wrong.put(None);
                page.decoding.put(Decoding::default());
            })
            .shown(move || page.decoding.get() != Decoding::default() || wrong.get().is_some()),
        ]),
    ])
}

fn number(page: Page, wrong: Var<Option<usize>>, at: usize, control: &'static Control) -> El {
    let bounds = |value| Some(control.write(value));
    let take = move |typed: &str| {
        let value = control.read(typed);
        if value.is_none() && !typed.is_empty() {
            wrong.put(Some(at));
            return;
        }
        if wrong.now() == Some(at) {
            wrong.put(None);
        }
        if page.decoding.peek(|set| set.0[at] != value) {
            page.decoding.update(|set| set.0[at] = value);
        }
    };
    let input = el("input")
        .attr("type", "number")
        .attr("name", control.name)
        .attr("min", &control.write(control.least))
        .attr("max", &control.write(control.most))
        .attr("step", &control.write(control.step))
        .attr("placeholder", "model’s")
        .live_attr("disabled", move || {
            let works = page
                .decoding
                .with(|set| set.works(control, page.beams.get()));
            (!works).then(String::new)
        })
        .live_attr("aria-invalid", move || {
            (wrong.get() == Some(at)).then(|| "true".to_owned())
        })
        .live_value(move || {
            let value = page.decoding.with(|set| set.0[at]);
            value.and_then(bounds).unwrap_or_default()
        })
        .on("change", move |event| take(&value_of(&event)));
    el("label")
        .class("number-field")
        .child(el("span").text(control.label))
        .child(input)
}
