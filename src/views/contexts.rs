//! The same word in two contexts: how alike its vectors are, layer by layer, beside what is usual; and where it lies among
//! other sentences.

use wasm_bindgen::JsValue;
use web_sys::HtmlCanvasElement;

use super::app::heading;
use super::canvas::Surface;
use super::choice::choice;
use super::error_note::trouble;
use super::heads::field::{asked, field};
use super::measure::width_of;
use super::probability::bar;
use super::take_along::{picture as picture_of, row, take_table};
use crate::dom::{El, button, el, p};
use crate::latest::Latest;
use crate::page::Page;
use crate::state::contexts::{
    Plane, Reading, Similarity, nearest, place_of, plane, shared_word, similarities, spelling,
};
use crate::state::fields::{Choice, ELSEWHERE, HERE, THERE};
use crate::state::format::{decimal, hundredths, percent};
use crate::state::sentence::words;
use crate::state::table::Table;
use crate::var::{Derived, Var, effect};

/// Sentences that are read beside the two.
const MOST: usize = 10;
/// Height of the plane's picture, and its points' radius, in CSS pixels.
const HEIGHT: f64 = 300.0;
const RADIUS: f64 = 11.0;

/// A word in one of the sentences.
#[derive(Clone, PartialEq)]
struct Point {
    sentence: String,
    word: String,
    vector: Vec<f32>,
}

/// The section.
pub fn contexts(page: Page) -> El {
    let [first, second, more] = [HERE, THERE, ELSEWHERE].map(|field| page.fields[field]);
    let wanted = page.compared;
    let readings = Latest::new(move || {
        let (model, first, second) = (page.bert.model()?, asked(first)?, asked(second)?);
        let more = more.with(|more| {
            let lines = more.lines().map(str::trim).filter(|line| !line.is_empty());
            lines.take(MOST).map(str::to_owned).collect::<Vec<_>>()
        });
        Some(async move |signal: Option<web_sys::AbortSignal>| {
            let mut readings = Vec::new();
            for text in [first, second].into_iter().chain(more) {
                let states = model.hidden_states(&text, signal.clone()).await?;
                readings.push(Reading { text, states });
            }
            Ok(readings)
        })
    });
    let chosen = Derived::new(move || {
        readings.answer.with(|readings| {
            let [a, b, ..] = readings.as_ref()?.as_slice() else {
                return None;
            };
            let shared = shared_word(&a.text, &b.text).unwrap_or((0, 0));
            let pick = |wanted: Option<Choice>, text: &str, shared: usize| {
                wanted
                    .and_then(|choice| choice.of(text))
                    .filter(|&at| at < words(text).len())
                    .unwrap_or(shared)
            };
            let [left, right] = wanted.get();
            Some((
                pick(left, &a.text, shared.0),
                pick(right, &b.text, shared.1),
            ))
        })
    });
    let alike = Derived::new(move || {
        readings.answer.with(|readings| {
            let ((left, right), [a, b, ..]) = (chosen.get()?, readings.as_ref()?.as_slice()) else {
                return None;
            };
            let name = |reading: &Reading, at| Some(spelling(&reading.text, at)?.to_owned());
            let found = similarities((a, left), (b, right));
            Some((name(a, left)?, name(b, right)?, found))
        })
    });
    let states = Derived::new(move || {
        alike.with(|alike| alike.as_ref().map_or(0, |(_, _, found)| found.len()))
    });
    let shown_state = move || {
        let last = states.get().saturating_sub(1);
        page.layer.get().unwrap_or(last).min(last)
    };
    let points = Derived::new(move || {
        readings.answer.with(|readings| {
            let (Some(readings), Some((left, right))) = (readings, chosen.get()) else {
                return Vec::new();
            };
            points(readings, (left, right), shown_state())
        })
    });
    let laid = Derived::new(move || {
        points.with(|points| {
            let vectors: Vec<_> = points.iter().map(|point| point.vector.clone()).collect();
            plane(&vectors)
        })
    });
    let sentence = move |label: &str, which: usize, text: Var<String>| {
        el("div").children([
            field(label, text, 1),
            el("p")
                .class("strip")
                .attr("role", "group")
                .attr(
                    "aria-label",
                    &format!("Word of the {}", label.to_ascii_lowercase()),
                )
                .live(move |strip| {
                    let text = text.get();
                    let mut copied = 0;
                    for (index, word) in words(&text).into_iter().enumerate() {
                        strip.append_text(&text[copied..word.range.start]);
                        let own = text.clone();
                        let choose = move || {
                            let choice = Choice::new(&own, index);
                            wanted.update(|wanted| wanted[which] = Some(choice));
                        };
                        strip.append(
                            button(&text[word.range.clone()], choose)
                                .class("word")
                                .live_attr("aria-pressed", move || {
                                    let chosen = chosen.get().map(|(a, b)| [a, b][which]);
                                    Some((chosen == Some(index)).to_string())
                                }),
                        );
                        copied = word.range.end;
                    }
                    strip.append_text(&text[copied..]);
                }),
        ])
    };
    let layers = move || (0..states.get()).map(|state| state.to_string()).collect();
    el("section")
        .class("contexts")
        .attr("id", "contexts")
        .attr("aria-labelledby", "contexts-title")
        .children([
            heading("h2", "contexts-title", "The same word in two contexts"),
            p(
                "prose",
                "Before the first layer a word has the same vector wherever it stands, but for its place in the \
                 sentence. Each layer mixes in what it looks at. Does the same word end up in two places where it \
                 means two things? A number alone says little: beside each stands what two other words of these \
                 sentences have in common on average.",
            ),
            el("div").class("panels").children([
                sentence("First sentence", 0, first),
                sentence("Second sentence", 1, second),
            ]),
            trouble(readings.asking),
            el("div")
                .class("similarities")
                .live_attr("aria-busy", move || {
                    Some(readings.asking.waiting.get().to_string())
                })
                .live(move |place| {
                    alike.with(|alike| {
                        if let Some((left, right, found)) = alike {
                            table(place, left, right, found);
                        }
                    });
                }),
            heading("h3", "plane-title", "The word in more sentences, laid out in a plane"),
            field("More sentences with the word, one a line", more, 4),
            choice("After layer", layers, move || Some(shown_state()), move |layer| {
                page.layer.put(Some(layer));
            }),
            picture(page, points, laid),
            take_table("the similarities", "similarities", move || {
                alike.with(|alike| {
                    let (_, _, found) = alike.as_ref()?;
                    let mut table = Table::new(&["layer", "cosine", "other_words_mean"]);
                    for (layer, similarity) in found.iter().enumerate() {
                        table.count(layer).share(similarity.pair);
                        match similarity.others {
                            Some(others) => table.share(others),
                            None => table.none(),
                        };
                    }
                    Some(table)
                })
            }),
        ])
}

/// The chosen words of the first two sentences, and the same in the others: where one has the word.
fn points(readings: &[Reading], (left, right): (usize, usize), state: usize) -> Vec<Point> {
    let [a, b, others @ ..] = readings else {
        return Vec::new();
    };
    let spelt = [spelling(&a.text, left), spelling(&b.text, right)];
    let of = |reading: &Reading, index: usize| {
        Some(Point {
            sentence: reading.text.clone(),
            word: spelling(&reading.text, index)?.to_owned(),
            vector: reading.word(index, state)?,
        })
    };
    let others = others.iter().filter_map(|reading| {
        let mut places = spelt.iter().flatten();
        let place = places.find_map(|word| place_of(&reading.text, word))?;
        of(reading, place)
    });
    let pair = [of(a, left), of(b, right)].into_iter().flatten();
    pair.chain(others).collect()
}

/// Layer by layer, in bars and numbers, and the sum of it in a sentence.
fn table(place: &El, left: &str, right: &str, found: &[Similarity]) {
    let pair = match left.eq_ignore_ascii_case(right) {
        true => format!("“{left}” and “{right}”"),
        false => format!("“{left}” and “{right}”, two words"),
    };
    let (Some(start), Some(end)) = (found.first(), found.last()) else {
        place.append(p(
            "note",
            "One of the words stands beyond what BERT reads of its sentence.",
        ));
        return;
    };
    let usual = match end.others {
        Some(others) => format!(
            "; two other words of these sentences have {} there",
            hundredths(others)
        ),
        None => String::new(),
    };
    place.append(
        p(
            "verdict-line",
            &format!(
                "{pair}: {} before the first layer, {} after the last{usual}. (1 is the same direction, 0 has nothing \
                 in common. Layer 0 is before the first.)",
                hundredths(start.pair),
                hundredths(end.pair)
            ),
        )
        .attr("aria-live", "polite"),
    );
    let head = el("tr");
    for title in ["Layer", &pair, "other words, mean"] {
        head.append(el("th").attr("scope", "col").text(title));
    }
    let body = el("tbody");
    for (layer, similarity) in found.iter().enumerate() {
        let cell = |class: &str, value: Option<f32>| {
            let cell = el("td").class(class);
            match value {
                None => cell.text("–"),
                Some(value) => cell
                    .attr("data-cosine", &decimal(value.max(0.0)))
                    .children([
                        bar(value.clamp(0.0, 1.0)),
                        el("span").class("number").text(&hundredths(value)),
                    ]),
            }
        };
        body.append(el("tr").children([
            el("th").attr("scope", "row").text(&layer.to_string()),
            cell("same", Some(similarity.pair)),
            cell("others", similarity.others),
        ]));
    }
    place.append(
        el("table")
            .class("shifts")
            .children([el("thead").child(head), body]),
    );
}

/// The plane, what it leaves out, and each point in words.
fn picture(page: Page, points: Derived<Vec<Point>>, laid: Derived<Option<Plane>>) -> El {
    let figure = el("figure").class("plane");
    let width = width_of(&figure);
    let canvas = el("canvas")
        .attr("role", "img")
        .attr("aria-labelledby", "plane-title")
        .attr("aria-describedby", "plane-reading")
        .live_style("width", move || format!("{}px", width.get() as u32))
        .live_style("height", || format!("{}px", HEIGHT as u32));
    let drawn: HtmlCanvasElement = canvas.node();
    let saved = drawn.clone();
    effect(move || {
        let width = width.get();
        page.scheme.get();
        laid.with(|laid| {
            // A canvas that cannot be drawn on leaves the words below it.
            let _ = draw(&drawn, laid.as_ref(), width);
        });
    });
    let reading = move || {
        laid.with(|laid| match laid {
            None => "A plane takes three sentences with the word, in which it isn’t just the same.".to_owned(),
            Some(Plane { shares: (across, up), .. }) => format!(
                "The plane holds {} of what sets these vectors apart, {} across and {} up; the rest is left out. It is \
                 the plane in which the points spread most (principal components).",
                percent(across + up),
                percent(*across),
                percent(*up)
            ),
        })
    };
    let list = move |list: &El| {
        points.with(|points| {
            let vectors: Vec<_> = points.iter().map(|point| point.vector.clone()).collect();
            let near = nearest(&vectors);
            laid.with(|laid| {
                for (at, point) in points.iter().enumerate() {
                    let item = el("li").text(&point.sentence);
                    if let Some((other, cosine)) = near[at] {
                        item.append(el("span").class("aside").text(&format!(
                            " “{}” here is most like the one in {} ({})",
                            point.word,
                            other + 1,
                            hundredths(cosine)
                        )));
                        item.set_attr("data-nearest", Some(&(other + 1).to_string()));
                    }
                    let place = laid.as_ref().and_then(|laid| laid.points.get(at));
                    let place =
                        place.map(|(x, y)| format!("{},{}", hundredths(*x), hundredths(*y)));
                    item.set_attr("data-place", place.as_deref());
                    list.append(item);
                }
            });
        });
    };
    figure
        .live_attr("data-share", move || {
            laid.with(|laid| {
                let shares = laid.as_ref()?.shares;
                Some(decimal(shares.0 + shares.1))
            })
        })
        .children([
            canvas.shown(move || laid.with(Option::is_some)),
            el("p")
                .class("reading")
                .attr("id", "plane-reading")
                .attr("aria-live", "polite")
                .live_text(reading),
            el("ol").class("places").live(list),
            row("the plane")
                .shown(move || laid.with(Option::is_some))
                .child(picture_of(
                    || "contexts".to_owned(),
                    move || Some(saved.clone()),
                )),
            take_table("the places", "contexts", move || {
                let mut table = Table::new(&["sentence", "word", "across", "up"]);
                points.with(|points| {
                    laid.with(|laid| {
                        for (at, point) in points.iter().enumerate() {
                            let place = laid.as_ref().and_then(|laid| laid.points.get(at));
                            table.text(&point.sentence).text(&point.word);
                            match place {
                                Some(&(across, up)) => table.share(across).share(up),
                                None => table.none().none(),
                            };
                        }
                    });
                });
                Some(table)
            }),
        ])
}

/// Numbered points, those of the two sentences filled.
fn draw(canvas: &HtmlCanvasElement, plane: Option<&Plane>, width: f64) -> Result<(), JsValue> {
    let (Some(plane), Some(surface)) = (plane, Surface::of(canvas, width, HEIGHT)?) else {
        return Ok(());
    };
    let context = &surface.context;
    // One scale for both ways, so that distances are true.
    let reach = |pick: fn(&(f32, f32)) -> f32| {
        let places = plane.points.iter().map(pick).map(f32::abs);
        f64::from(places.fold(f32::MIN_POSITIVE, f32::max))
    };
    let room = (width / 2.0 - 2.0 * RADIUS, HEIGHT / 2.0 - 2.0 * RADIUS);
    let scale = (room.0 / reach(|place| place.0)).min(room.1 / reach(|place| place.1));
    let (centre, middle) = (width / 2.0, HEIGHT / 2.0);
    surface.stroke("--rule", 1.0);
    context.begin_path();
    context.move_to(0.0, middle);
    context.line_to(width, middle);
    context.move_to(centre, 0.0);
    context.line_to(centre, HEIGHT);
    context.stroke();
    context.set_font(&format!("600 12px {}", surface.variable("--sans")));
    context.set_text_align("center");
    context.set_text_baseline("middle");
    // The two sentences' points last, on top.
    for (at, &(across, up)) in plane.points.iter().enumerate().rev() {
        let (x, y) = (
            centre + f64::from(across) * scale,
            middle - f64::from(up) * scale,
        );
        let pair = at < 2;
        context.begin_path();
        context.arc(x, y, RADIUS, 0.0, std::f64::consts::TAU)?;
        surface.fill(if pair { "--accent" } else { "--paper" });
        context.fill();
        surface.stroke(if pair { "--paper" } else { "--ink" }, 1.5);
        context.stroke();
        surface.fill(if pair { "--on-accent" } else { "--ink" });
        context.fill_text(&(at + 1).to_string(), x, y)?;
    }
    Ok(())
}
