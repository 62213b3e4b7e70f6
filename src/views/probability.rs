//! A probability as a row: what it belongs to, a bar, and the number.

use crate::dom::{El, el};
use crate::state::format::{decimal, percent};

/// One row of a list of probabilities (0 to 1), with a remark behind what is probable.
pub fn probability_row(text: &str, remark: Option<&str>, probability: f32) -> El {
    let name = el("span").class("candidate").text(text);
    if let Some(remark) = remark {
        // The space is for those who hear it, too.
        name.append(el("span").class("aside").text(&format!(" {remark}")));
    }
    el("li")
        .attr("data-probability", &decimal(probability))
        .children([
            name,
            bar(probability),
            el("span").class("number").text(&percent(probability)),
        ])
}

/// The bar alone; the number has to stand beside it.
pub fn bar(probability: f32) -> El {
    let width = format!("{}%", (probability * 100.0).round() as u32);
    el("span")
        .class("bar")
        .attr("aria-hidden", "true")
        .child(el("span").style("width", &width))
}
