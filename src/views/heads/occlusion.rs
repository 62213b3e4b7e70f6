//! Which words a label rests on: each is hidden in turn, and the label's probability is asked for again.

use super::field::asked;
use crate::dom::{El, el, p};
use crate::latest::Latest;
use crate::page::Page;
use crate::state::format::{decimal, percent};
use crate::state::occlusion::{Hidden, MOST, Occlusion, occluded, points};
use crate::state::table::Table;
use crate::var::Var;
use crate::views::choice::toggle;
use crate::views::disclosure::disclosure;
use crate::views::error_note::trouble;
use crate::views::take_along::take_table;

/// The switch, the words with their bars, and the same as a table, for the head `head` on `text`.
pub fn occlusion(page: Page, text: Var<String>, head: String) -> El {
    let [name, turned, shown] = [head.clone(), head.clone(), head.clone()];
    let on = move || page.occluded.with(|heads| heads.contains(&name));
    let asks = on.clone();
    let latest = Latest::new(move || {
        if !asks() {
            return None;
        }
        let (model, text, head) = (page.bert.model()?, asked(text)?, head.clone());
        Some(async move |signal: Option<web_sys::AbortSignal>| {
            let whole = model
                .classify(&text, None, &head, None, signal.clone())
                .await?;
            let (label, whole) = whole
                .into_iter()
                .next()
                .map(|first| (first.label, first.probability))
                .unwrap_or_default();
            let mut words = Vec::new();
            for (word, hidden) in occluded(&text) {
                let labels = model
                    .classify(&hidden, None, &head, None, signal.clone())
                    .await?;
                let same = labels.into_iter().find(|score| score.label == label);
                words.push(Hidden {
                    word,
                    probability: same.map_or(0.0, |score| score.probability),
                });
            }
            Ok(Occlusion {
                label,
                whole,
                words,
            })
        })
    });
    let turn = move |wanted: bool| {
        page.occluded.update(|heads| {
            heads.retain(|one| *one != turned);
            if wanted {
                heads.push(turned.clone());
            }
        });
    };
    el("div")
        .class("occlusion")
        .live_attr("aria-busy", move || {
            Some(latest.asking.waiting.get().to_string())
        })
        .children([
            toggle("hide each word in turn: which does this rest on?", on, turn),
            trouble(latest.asking),
            el("div").live(move |place| {
                latest.answer.with(|answer| {
                    if let Some(occlusion) = answer {
                        show(place, occlusion);
                    }
                });
            }),
            // Not made anew with each answer: a part that is folded away tells of it only later.
            disclosure(
                page,
                &format!("table-{shown}"),
                el("summary").text("Word by word, as a table"),
            )
            .shown(move || latest.answer.with(Option::is_some))
            .child(el("div").live(move |place| {
                latest.answer.with(|answer| {
                    if let Some(occlusion) = answer {
                        place.append(table(occlusion));
                    }
                });
            })),
            take_table("the changes", "hidden-words", move || {
                latest.answer.with(|answer| {
                    let occlusion = answer.as_ref()?;
                    let mut table =
                        Table::new(&["hidden_word", "label", "probability", "of_whole"]);
                    for word in &occlusion.words {
                        table
                            .text(&word.word)
                            .text(&occlusion.label)
                            .share(word.probability)
                            .share(occlusion.whole);
                    }
                    Some(table)
                })
            }),
        ])
}

fn show(place: &El, occlusion: &Occlusion) {
    let summary = match occlusion.mainstay() {
        Some(word) => format!(
            "On the whole text, “{}” has {}. It loses most without “{}”: {} points.",
            occlusion.label,
            percent(occlusion.whole),
            word.word,
            points(occlusion.change(word))
        ),
        None => format!(
            "On the whole text, “{}” has {}. No single word holds it up.",
            occlusion.label,
            percent(occlusion.whole)
        ),
    };
    place.append(p("note", &summary).attr("aria-live", "polite"));
    let scale = occlusion.scale() as f32;
    let list = el("ol").class("occluded").attr("aria-hidden", "true");
    for word in &occlusion.words {
        let change = occlusion.change(word);
        let height = (change.abs() as f32 / scale * 100.0).round() as u32;
        let class = if change < 0 { "holds" } else { "hinders" };
        list.append(
            el("li").class(class).children([
                el("span").class("token").text(&word.word),
                el("span")
                    .class("column")
                    .child(el("span").style("height", &format!("{height}%"))),
                el("span").class("number").text(&points(change)),
            ]),
        );
    }
    place.append(list);
    if occlusion.words.len() == MOST {
        place.append(p(
            "note",
            &format!("Only the first {MOST} words are hidden."),
        ));
    }
}

/// The same in numbers.
fn table(occlusion: &Occlusion) -> El {
    let head = el("tr");
    for title in ["Hidden word", &occlusion.label, "Change in points"] {
        head.append(el("th").attr("scope", "col").text(title));
    }
    let body = el("tbody");
    for word in &occlusion.words {
        body.append(
            el("tr")
                .attr("data-probability", &decimal(word.probability))
                .children([
                    el("th").attr("scope", "row").text(&word.word),
                    el("td").class("number").text(&percent(word.probability)),
                    el("td")
                        .class("number")
                        .text(&points(occlusion.change(word))),
                ]),
        );
    }
    el("table")
        .class("shifts")
        .children([el("thead").child(head), body])
}
