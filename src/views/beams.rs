//! How BART came to what it wrote: each token's alternatives, and the tree of its beams.

use unmask_protocol::GeneratedToken;

use super::disclosure::disclosure;
use super::probability::probability_row;
use super::take_along::take_table;
use crate::dom::{El, el, p};
use crate::page::Page;
use crate::state::beam_tree::{Branch, Fate, Tree};
use crate::state::format::percent;
use crate::state::table::Table;
use crate::var::{Derived, Var};

/// What has been written, a token at a time. The one with the focus shows its alternatives.
pub fn tokens(page: Page) -> El {
    el("ol")
        .class("tokens")
        .attr("aria-label", "Tokens written")
        .live(move |list| {
            page.shown_draft(|draft| {
                for (at, written) in draft.leading.tokens.iter().enumerate() {
                    list.append(token(page, at, written));
                }
            });
        })
        .walked()
}

/// One written token and how sure the model was.
fn token(page: Page, at: usize, written: &GeneratedToken) -> El {
    el("li").children([
        el("button")
            .attr("type", "button")
            .class("token")
            .text(&plain(&written.text))
            .live_attr("aria-pressed", move || {
                Some((page.step.get() == at).to_string())
            })
            .on("focus", move |_| page.step.put(at))
            .on("click", move |_| page.step.put(at)),
        el("span")
            .class("number")
            .text(&percent(written.probability)),
    ])
}

/// A token as the reader sees it: byte-level vocabularies spell a space `Ġ`.
fn plain(token: &str) -> String {
    let text = token.replace('Ġ', " ");
    match text.trim() {
        "" => "␣".into(),
        text => text.into(),
    }
}

/// What might have stood in the place of the chosen token.
pub fn alternatives(page: Page) -> El {
    let chosen = Derived::new(move || {
        let step = page.step.get();
        page.shown_draft(|draft| {
            let tokens = &draft.leading.tokens;
            let at = step.min(tokens.len().checked_sub(1)?);
            Some((at, tokens[at].clone()))
        })
    });
    el("div")
        .class("alternatives")
        .attr("aria-live", "polite")
        .live(move |place| {
            chosen.with(|chosen| {
                let Some((at, written)) = chosen else { return };
                if written.alternatives.is_empty() {
                    return;
                }
                place.append(p("note", &format!("Most probable as token {}:", at + 1)));
                let rows = el("ol").class("candidates");
                for candidate in &written.alternatives {
                    let remark = (candidate.id == written.id).then_some(" taken");
                    rows.append(probability_row(
                        &plain(&candidate.token),
                        remark,
                        candidate.probability,
                    ));
                }
                if written
                    .alternatives
                    .iter()
                    .all(|candidate| candidate.id != written.id)
                {
                    rows.append(probability_row(
                        &plain(&written.text),
                        Some(" taken"),
                        written.probability,
                    ));
                }
                place.append(rows);
            });
        })
}

/// The beams of the search: the winner's tokens one below the other, and beside each the branches that left there.
pub fn beam_tree(page: Page) -> El {
    let draft = page.writing.draft;
    let tree = Derived::new(move || {
        draft.with(|draft| match draft.stage {
            crate::state::draft::Stage::Running => Tree::default(),
            _ => Tree::grow(draft.beams(), &draft.leading.tokens),
        })
    });
    let read = Var::new(None::<usize>);
    let reading = move || {
        tree.with(|tree| {
            let branch = tree.branches.get(read.get()?)?;
            Some(format!("{}: “{}”", words(branch.fate), branch.text))
        })
        .unwrap_or_else(|| {
            "Walk the tree by the arrow keys to read what each branch had written.".into()
        })
    };
    let summary = el("summary").live_text(move || {
        tree.with(|tree| {
            format!(
                "The beams: {} tokens tried, {} pruned",
                tree.branches.len(),
                tree.pruned()
            )
        })
    });
    disclosure(page, "beams", summary)
        .class("beam-tree")
        .shown(move || tree.with(|tree| !tree.branches.is_empty()))
        .children([
            el("p")
                .class("note")
                .attr("aria-live", "polite")
                .live_text(reading),
            el("div")
                .live(move |place| {
                    tree.with(|tree| {
                        let list = el("ol").attr("aria-label", "Beams, the winner’s tokens first");
                        fill(&list, tree, &tree.roots, read);
                        place.append(list);
                    });
                })
                .walked(),
            take_table("the beams", "bart-beams", move || {
                let mut table = Table::new(&["step", "token", "probability", "fate", "text"]);
                tree.with(|tree| {
                    for branch in &tree.branches {
                        let fate = match branch.fate {
                            Fate::Won => "won",
                            Fate::Lived => "lived",
                            Fate::Pruned => "pruned",
                        };
                        table
                            .count(branch.step + 1)
                            .text(&branch.token)
                            .share(branch.probability)
                            .text(fate)
                            .text(&branch.text);
                    }
                });
                Some(table)
            }),
        ])
}

/// Lists branches of one parent. The winner goes on in the same list, so that only what left it is set deeper.
fn fill(list: &El, tree: &Tree, places: &[usize], read: Var<Option<usize>>) {
    let mut level = places;
    loop {
        let mut won = None;
        let beside = el("ol");
        let mut some = false;
        for &place in level {
            match tree.branches[place].fate {
                Fate::Won => won = Some(place),
                _ => {
                    some = true;
                    beside.append(side(tree, place, read));
                }
            }
        }
        let Some(place) = won else {
            for &place in level {
                list.append(side(tree, place, read));
            }
            return;
        };
        let item = el("li").class("won").child(knot(tree, &[place], read));
        if some {
            item.append(beside.attr("aria-label", "instead"));
        }
        list.append(item);
        level = &tree.branches[place].children;
    }
}

/// A branch that left the winner, as far as it doesn't fork, and what it forks into.
fn side(tree: &Tree, place: usize, read: Var<Option<usize>>) -> El {
    let run = tree.run(place);
    let end = &tree.branches[run[run.len() - 1]];
    let item = el("li")
        .class(match end.fate {
            Fate::Pruned => "pruned",
            _ => "lived",
        })
        .child(knot(tree, &run, read));
    if !end.children.is_empty() {
        let forks = el("ol");
        for &child in &end.children {
            forks.append(side(tree, child, read));
        }
        item.append(forks);
    }
    item
}

/// One button for a run of tokens: their spelling, the first one's probability, and what became of them.
fn knot(tree: &Tree, run: &[usize], read: Var<Option<usize>>) -> El {
    let branches: Vec<&Branch> = run.iter().map(|&place| &tree.branches[place]).collect();
    let spelled: Vec<String> = branches.iter().map(|branch| plain(&branch.token)).collect();
    let (first, last) = (branches[0], branches[branches.len() - 1]);
    let end = run[run.len() - 1];
    el("button")
        .attr("type", "button")
        .class("knot")
        .on("focus", move |_| read.put(Some(end)))
        .on("click", move |_| read.put(Some(end)))
        .children([
            el("span").class("token").text(&spelled.join(" ")),
            el("span").class("number").text(&percent(first.probability)),
            el("span").class("aside").text(match last.fate {
                Fate::Won => "",
                fate if last.children.is_empty() => words(fate),
                _ => "",
            }),
        ])
}

fn words(fate: Fate) -> &'static str {
    match fate {
        Fate::Won => "won",
        Fate::Lived => "lost at the end",
        Fate::Pruned => "✕ pruned",
    }
}
