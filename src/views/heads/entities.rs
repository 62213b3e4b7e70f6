//! Labelled stretches, marked in the text.

use unmask_protocol::HeadInfo;

use super::field::{asked, field};
use crate::dom::{El, el};
use crate::latest::Latest;
use crate::page::Page;
use crate::state::fields::NAMES;
use crate::state::format::percent;
use crate::state::marked::runs;
use crate::state::table::Table;
use crate::views::error_note::trouble;
use crate::views::take_along::take_table;

/// A token classification head.
pub fn panel(page: Page, head: &HeadInfo) -> El {
    let text = page.fields[NAMES];
    let name = head.name.clone();
    let latest = Latest::new(move || {
        let (model, text, head) = (page.bert.model()?, asked(text)?, name.clone());
        Some(async move |signal| {
            let spans = model.label(&text, &head, signal).await?;
            Ok((text, spans))
        })
    });
    let marked = move |place: &El| {
        latest.answer.with(|answer| {
            let Some((text, spans)) = answer else {
                return;
            };
            let spans: Vec<_> = spans
                .iter()
                .map(|span| (span.start, span.end, (span.label.clone(), span.probability)))
                .collect();
            for run in runs(text, &spans) {
                match run.mark {
                    None => place.append_text(&run.text),
                    Some((label, probability)) => place.append(
                        el("mark")
                            .attr("data-label", &label)
                            .attr("title", &percent(probability))
                            .text(&run.text)
                            .child(el("small").text(&label)),
                    ),
                }
            }
        });
    };
    el("article")
        .class("panel")
        .attr("data-head", &head.name)
        .attr("aria-label", &head.name)
        .children([
            el("h3").text("Named entities"),
            field("Text", text, 2),
            trouble(latest.asking),
            el("p")
                .class("marked")
                .attr("aria-live", "polite")
                .live(marked),
            take_table("the names", "names", move || {
                latest.answer.with(|answer| {
                    let (_, spans) = answer.as_ref()?;
                    let mut table = Table::new(&["start", "end", "text", "label", "probability"]);
                    for span in spans {
                        table
                            .count(span.start)
                            .count(span.end)
                            .text(&span.text)
                            .text(&span.label)
                            .share(span.probability);
                    }
                    Some(table)
                })
            }),
        ])
}
