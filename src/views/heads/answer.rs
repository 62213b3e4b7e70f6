//! A question, a passage, and the answer: marked in it by BERT, in its own words by BART.

use unmask_protocol::GenerateOptions;

use super::field::{asked, field};
use crate::dom::{El, el, p};
use crate::engine::Model;
use crate::latest::Latest;
use crate::page::{ANSWER, Page};
use crate::state::fields::{PASSAGE, QUESTION};
use crate::state::format::percent;
use crate::state::marked::runs;
use crate::state::table::Table;
use crate::var::effect;
use crate::views::error_note::trouble;
use crate::views::take_along::take_table;

/// What stands between a question and its passage where BART reads both.
const SEPARATOR: &str = "<sep>";

/// The question answering head.
pub fn panel(page: Page) -> El {
    let (question, passage) = (page.fields[QUESTION], page.fields[PASSAGE]);
    let latest = Latest::new(move || {
        let (model, question, passage) = (page.bert.model()?, asked(question)?, asked(passage)?);
        Some(async move |signal| {
            let answers = model.answer(&question, &passage, signal).await?;
            Ok((passage, answers))
        })
    });
    let answers = |model: &Model| model.info.tasks.iter().any(|task| task == ANSWER);
    let silent = move || page.bart.model().is_some_and(|model| !answers(&model));
    let own_words = Latest::new(move || {
        let model = page.bart.model().filter(answers)?;
        let text = [asked(question)?.as_str(), SEPARATOR, &asked(passage)?].concat();
        Some(async move |signal| {
            let controls = GenerateOptions {
                task: Some(ANSWER.to_owned()),
                ..GenerateOptions::default()
            };
            let written = model.generate(&text, &controls, signal, |_| ()).await?;
            Ok(written.text)
        })
    });
    effect(move || {
        let marked = latest.settled(|(_, answers)| Some(answers.first()?.text.clone()));
        let own = own_words.settled(|text| Some(text.clone()));
        page.told.answers.put(marked.zip(own));
    });
    let marked = move |place: &El| {
        latest.answer.with(|answer| {
            let Some((passage, best)) = answer
                .as_ref()
                .and_then(|(passage, answers)| Some((passage, answers.first()?)))
            else {
                return;
            };
            let share = percent(best.probability);
            if best.text.is_empty() {
                place.append_text(&format!("BERT finds no answer in this passage ({share})."));
                return;
            }
            for run in runs(passage, &[(best.start, best.end, ())]) {
                match run.mark {
                    None => place.append_text(&run.text),
                    Some(()) => {
                        place.append(el("mark").attr("title", &share).text(&run.text));
                    }
                }
            }
            place.append(el("span").class("number").text(&format!(" {share}")));
        });
    };
    el("article")
        .class("panel")
        .attr("data-head", "question-answering")
        .attr("aria-label", "Question answering")
        .children([
            el("h3").text("Question answering"),
            field("Question", question, 1),
            field("Passage", passage, 3),
            el("div").class("both-answers").children([
                el("div").children([
                    el("h4").text("BERT marks it in the passage"),
                    trouble(latest.asking),
                    el("p")
                        .class("marked")
                        .attr("aria-live", "polite")
                        .live(marked),
                ]),
                el("div").children([
                    el("h4").text("BART says it in its own words"),
                    p(
                        "note",
                        "The BART that is chosen above hasn’t learnt this. Choose the one named bart.",
                    )
                    .shown(silent),
                    trouble(own_words.asking),
                    el("p")
                        .class("own-words")
                        .attr("aria-live", "polite")
                        .live_text(move || {
                            own_words.answer.with(|answer| match answer.as_deref() {
                                None => String::new(),
                                Some("") => "It finds nothing to say to this.".to_owned(),
                                Some(text) => text.to_owned(),
                            })
                        }),
                ]),
            ]),
            take_table("the answers", "answers", move || {
                latest.answer.with(|answer| {
                    let (_, answers) = answer.as_ref()?;
                    let mut table = Table::new(&["model", "text", "start", "end", "probability"]);
                    for answer in answers {
                        table
                            .text("BERT")
                            .text(&answer.text)
                            .count(answer.start)
                            .count(answer.end)
                            .share(answer.probability);
                    }
                    if let Some(text) = own_words.answer.get() {
                        table.text("BART").text(&text).none().none().none();
                    }
                    Some(table)
                })
            }),
        ])
}
