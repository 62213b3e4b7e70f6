//! The proof of a mask: change a later token, run the model again, and see which rows are the same to the last bit.

use crate::dom::{El, el, p, value_of};
use crate::latest::Latest;
use crate::page::Page;
use crate::state::attention::Attentions;
use crate::state::compare::{Change, row_changes};
use crate::state::fields::{INSTEAD, INSTEAD_WRITTEN};
use crate::state::grid::{Label, labels};
use crate::state::links::Place;
use crate::state::sentence::words;
use crate::state::table::Table;
use crate::var::{Derived, Var, effect};
use crate::views::error_note::trouble;
use crate::views::take_along::take_table;

/// The experiment on BERT's text: its last word becomes another.
pub fn of_bert(page: Page) -> El {
    let last = Derived::new(move || {
        page.sentence.with(|sentence| {
            let text = sentence.masked();
            let words = words(&text);
            let last = words.last()?;
            Some((words.len() - 1, text[last.range.clone()].to_owned()))
        })
    });
    let instead = page.fields[INSTEAD];
    let again = Latest::new(move || {
        let (index, _) = last.get()?;
        let instead = instead.get();
        let text = page
            .sentence
            .with(|sentence| sentence.replaced(index, instead.trim()))?;
        let (model, sight) = (page.bert_model()?, page.sight.get());
        // Only what is drawn whole can be compared.
        if words(&text).len() > crate::state::sentence::MOST_WORDS {
            return None;
        }
        Some(async move |signal: Option<web_sys::AbortSignal>| {
            let mask = model.mask(&sight, &text, signal.clone()).await?;
            model
                .attention(&text, None, None, mask.as_ref(), signal)
                .await
        })
    });
    let word = move || last.get().map(|(_, word)| word);
    experiment(page, Place::Bert, word, instead, again)
}

/// The experiment on what BART wrote: its last token but the end becomes another, and BART is made to say that.
pub fn of_decoder(page: Page) -> El {
    let draft = page.writing.draft;
    // The last character of what is pronounced, the last word of what is a text.
    let last = Derived::new(move || {
        let text = draft.with(|draft| draft.text().to_owned());
        let start = match page.pronounces() {
            true => text.char_indices().last()?.0,
            false => words(&text).last()?.range.start,
        };
        Some((text[..start].to_owned(), text[start..].to_owned()))
    });
    let instead = page.fields[INSTEAD_WRITTEN];
    let again = Latest::new(move || {
        let (before, _) = last.get()?;
        let target = before + instead.get().trim();
        let model = page.bart_model()?;
        let (source, task) =
            draft.with(|draft| (draft.source.clone(), draft.controls.task.clone()));
        let written = page.bart_attention.answer.with(Option::is_some);
        if !written || page.writing.is_running() {
            return None;
        }
        Some(async move |signal| {
            model
                .attention(&source, Some(&target), task.as_deref(), None, signal)
                .await
        })
    });
    let word = move || last.get().map(|(_, word)| word);
    experiment(page, Place::Decoder, word, instead, again)
}

/// The field for the other token, the verdict, and every row's change.
fn experiment(
    page: Page,
    place: Place,
    word: impl Fn() -> Option<String> + Copy + 'static,
    instead: Var<String>,
    again: Latest<Attentions>,
) -> El {
    let changes = move || -> Option<Vec<(Label, Change)>> {
        again.answer.with(|answer| {
            let after = answer.as_ref()?;
            let after = match place {
                Place::Decoder => after.decoder.as_ref()?,
                _ => &after.encoder,
            };
            let (shown, _) = page.extent(place);
            page.attention(place, |before| {
                let changes = row_changes(before, after);
                let rows = labels(before.queries()).into_iter().zip(changes);
                rows.take(shown).collect()
            })
        })
    };
    if place == Place::Bert {
        effect(move || {
            let all = again.settled(|_| changes());
            page.told.unmoved.put(all.map(|all| {
                let same = all
                    .iter()
                    .filter(|(_, change)| *change == Change::Identical);
                (same.count(), all.len())
            }));
        });
    }
    let rows = move |list: &El| {
        for (label, change) in changes().into_iter().flatten() {
            let (class, verdict) = match change {
                Change::Identical => ("same", "=".to_owned()),
                Change::By(size) => ("moved", format!("±{}", points(size))),
            };
            list.append(el("li").class(class).children([
                el("span").class("token").text(&label.text),
                el("span").class("number").text(&verdict),
            ]));
        }
    };
    let verdict = move || {
        let Some(changes) = changes() else {
            return String::new();
        };
        let same = changes
            .iter()
            .filter(|(_, change)| *change == Change::Identical)
            .count();
        let largest = changes.iter().fold(0.0, |most, (_, change)| match change {
            Change::By(size) => size.max(most),
            Change::Identical => most,
        });
        let rows = changes.len();
        match same {
            all if all == rows => {
                format!("All {rows} rows are bit-identical in every layer and head.")
            }
            0 => format!(
                "No row stayed as it was: the change reaches all {rows}, by up to {} points.",
                points(largest)
            ),
            same => format!(
                "{same} of {rows} rows are bit-identical in every layer and head; the others moved by up \
                 to {} points.",
                points(largest)
            ),
        }
    };
    let field = el("label")
        .class("inline-field")
        .child(
            el("span")
                .live_text(move || format!("Instead of “{}”, read", word().unwrap_or_default())),
        )
        .child(
            el("input")
                .attr("type", "text")
                .attr("spellcheck", "false")
                .attr("size", "10")
                .live_value(move || instead.get())
                .on("input", move |event| instead.set(value_of(&event))),
        );
    el("div")
        .class("proof")
        .attr("data-proof", place.name())
        .shown(move || word().is_some())
        .children([
            el("h4").text("Change a later token: which rows notice?"),
            field,
            trouble(again.asking),
            p("reading", "")
                .attr("aria-live", "polite")
                .live_text(verdict),
            el("ol")
                .class("tokens changes")
                .attr("aria-label", "Change of each row")
                .live(rows),
            take_table("the changes", "changed-rows", move || {
                let mut table = Table::new(&["row", "token", "identical", "largest_change"]);
                for (row, (label, change)) in changes()?.into_iter().enumerate() {
                    let (same, size) = match change {
                        Change::Identical => (1, 0.0),
                        Change::By(size) => (0, size),
                    };
                    table
                        .count(row + 1)
                        .text(&label.text)
                        .count(same)
                        .share(size);
                }
                Some(table)
            }),
        ])
}

/// A difference of weights in percentage points.
fn points(size: f32) -> String {
    let hundredths = (size * 10_000.0).round() as u32;
    match hundredths {
        0 => "<0.01".into(),
        _ => format!("{}.{:02}", hundredths / 100, hundredths % 100),
    }
}
