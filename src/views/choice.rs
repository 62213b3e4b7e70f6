//! One of several options, set in a line: a group of radio buttons.

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::dom::{El, el};

/// Names of the groups, which must differ within the document.
static GROUPS: AtomicUsize = AtomicUsize::new(0);

/// A line of options after its legend, shown where there is more than one. Options go by their place in the line:
/// `value` gives the one that is chosen, `choose` takes the reader's choice.
pub fn choice(
    legend: &str,
    options: impl Fn() -> Vec<String> + 'static,
    value: impl Fn() -> Option<usize> + 'static,
    choose: impl Fn(usize) + 'static,
) -> El {
    line(legend, Box::new(options), Rc::new(value), Rc::new(choose))
}

fn line(
    legend: &str,
    options: Box<dyn Fn() -> Vec<String>>,
    value: Rc<dyn Fn() -> Option<usize>>,
    choose: Rc<dyn Fn(usize)>,
) -> El {
    let group = format!("choice-{}", GROUPS.fetch_add(1, Ordering::Relaxed));
    let fieldset = el("fieldset").class("choice");
    let kept = fieldset.clone();
    let fill = move |line: &El| {
        let options = options();
        kept.set_attr("hidden", (options.len() < 2).then_some(""));
        for (index, words) in options.iter().enumerate() {
            let (value, choose) = (value.clone(), choose.clone());
            let input = el("input")
                .attr("type", "radio")
                .attr("name", &group)
                .live_checked(move || value() == Some(index))
                .on("change", move |_| choose(index));
            line.append(
                el("label")
                    .class("option")
                    .children([input, el("span").text(words)]),
            );
        }
    };
    fieldset.children([
        el("legend").text(legend),
        el("div").class("options").live(fill),
    ])
}

/// A check box with its words.
pub fn toggle(
    label: &str,
    value: impl Fn() -> bool + 'static,
    turn: impl Fn(bool) + 'static,
) -> El {
    let input = el("input")
        .attr("type", "checkbox")
        .live_checked(value)
        .on("change", move |event| turn(crate::dom::checked(&event)));
    el("label").class("toggle").child(input).text(label)
}
