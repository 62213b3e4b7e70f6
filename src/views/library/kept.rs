//! What is kept on this machine: models, imports that were stopped, and the room that they take.

use super::card::{ability_label, usable, use_it};
use super::{Desk, Stage};
use crate::dom::{El, button, el, p};
use crate::latest::spawn;
use crate::library::{self, Source};
use crate::state::format::bytes;
use crate::state::library::{Kept, Partial, Shelf, day};
use crate::var::Var;

/// The list.
pub fn kept(desk: Desk) -> El {
    let shelf = desk.page.shelf;
    // What the reader is asked about before it is deleted.
    let asked = Var::new(None::<String>);
    let any = move || shelf.with(|shelf| !shelf.models.is_empty() || !shelf.partial.is_empty());
    el("div").class("kept").shown(any).children([
        el("h3").text("Kept on this machine"),
        el("ul").live(move |list| {
            shelf.with(|shelf| {
                for partial in &shelf.partial {
                    list.append(stopped(desk, asked, partial));
                }
                for model in &shelf.models {
                    list.append(one(desk, asked, model));
                }
            });
        }),
        p("note", "").live_text(move || shelf.with(room)),
        button("Ask the browser to keep it", move || {
            spawn(async move {
                if let Err(error) = library::persist().await {
                    desk.error.set(Some(error));
                }
                desk.page.renew_shelf().await;
            });
        })
        .class("quiet")
        .shown(move || shelf.with(|shelf| !shelf.persisted)),
    ])
}

/// 152 MB of 12,000 MB that this site may use.
fn room(shelf: &Shelf) -> String {
    let promise = match shelf.persisted {
        true => "The browser has promised to keep it.",
        false => "A browser that runs out of room may clear it.",
    };
    match shelf.quota {
        0 => promise.into(),
        quota => format!(
            "{} of the {} that this site may use. {promise}",
            bytes(shelf.usage),
            bytes(quota)
        ),
    }
}

fn one(desk: Desk, asked: Var<Option<String>>, model: &Kept) -> El {
    let page = desk.page;
    let mut facts = vec![bytes(model.bytes)];
    facts.extend(model.license.clone());
    facts.push(match model.origin.as_str() {
        "catalogue" => "of this site".into(),
        "file" => "from this machine".into(),
        _ => model.source.clone(),
    });
    if !model.last_used.is_empty() {
        facts.push(format!("last used {}", day(&model.last_used)));
    }
    let abilities = model.abilities.iter().map(|ability| ability_label(ability));
    let abilities = abilities.collect::<Vec<_>>().join(", ");
    let address = match model.origin.as_str() {
        "catalogue" => model.name.clone(),
        _ => model.address(),
    };
    let in_use = move || {
        [page.bert, page.bart]
            .iter()
            .any(|slot| slot.name.with(|name| *name == address))
    };
    let seen = in_use.clone();
    let (id, taken, whole) = (model.id.clone(), model.clone(), model.clone());
    let controls = el("div").class("controls");
    if usable(model) && model.origin != "catalogue" {
        controls.append(
            button("Use it", move || use_it(desk, &taken))
                .class("quiet")
                .live_attr("disabled", move || in_use().then(String::new)),
        );
    }
    controls.append(
        button("Save as a file", move || {
            let id = id.clone();
            spawn(async move {
                if let Err(error) = library::save(&id).await {
                    desk.error.set(Some(error));
                }
            });
        })
        .class("quiet"),
    );
    if matches!(model.origin.as_str(), "hub" | "url") {
        controls.append(
            button("Another quantization", move || {
                desk.look(Source::text(&whole.source), None)
            })
            .class("quiet"),
        );
    }
    controls.append(delete(desk, asked, &model.id, "Delete", model.bytes));
    el("li")
        .attr("data-stored", &model.id)
        .attr("data-origin", &model.origin)
        .live_attr("data-used", move || seen().then(String::new))
        .children([
            el("p")
                .child(el("b").text(&model.title()))
                .text(match abilities.is_empty() {
                    true => "",
                    false => ": ",
                })
                .text(&abilities),
            p("note", &facts.join(", ")),
            controls,
        ])
}

fn stopped(desk: Desk, asked: Var<Option<String>>, partial: &Partial) -> El {
    let whole = partial.clone();
    let controls = el("div").class("controls");
    // Files have to be given again: a page may not open them by itself.
    if ["hub:", "http"]
        .iter()
        .any(|begin| partial.source.starts_with(begin))
    {
        controls.append(
            button("Go on", move || {
                desk.look(
                    Source::text(&whole.source),
                    Some(whole.quantization.clone()),
                );
            })
            .class("quiet")
            .live_attr("disabled", move || {
                (desk.stage.get() == Stage::Running).then(String::new)
            }),
        );
    }
    controls.append(delete(
        desk,
        asked,
        &partial.id,
        "Forget it",
        partial.loaded,
    ));
    el("li").attr("data-partial", &partial.id).children([
        el("p")
            .child(el("b").text(&format!("{} {}", partial.name, partial.quantization)))
            .text(", stopped on its way"),
        p(
            "note",
            &format!(
                "{} of {}, {}",
                bytes(partial.loaded),
                bytes(partial.total),
                partial.source
            ),
        ),
        controls,
    ])
}

/// A button that asks before it deletes.
fn delete(desk: Desk, asked: Var<Option<String>>, id: &str, word: &'static str, size: u64) -> El {
    let id = id.to_owned();
    let (wanted, gone) = (id.clone(), id.clone());
    let is_asked = move || asked.with(|asked| asked.as_ref() == Some(&id));
    let not_asked = is_asked.clone();
    el("span").class("confirm").children([
        button(word, move || asked.set(Some(wanted.clone())))
            .class("quiet")
            .shown(move || !not_asked()),
        el("span").shown(is_asked).children([
            button(&format!("Yes, free {}", bytes(size)), move || {
                asked.set(None);
                let id = gone.clone();
                spawn(async move { desk.forget(id).await });
            }),
            button("No, keep it", move || asked.set(None)).class("quiet"),
        ]),
    ])
}
