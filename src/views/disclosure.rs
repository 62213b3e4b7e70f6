//! A part that is folded away until it is asked for. Whether it is open stands in the address.

use web_sys::HtmlDetailsElement;

use crate::dom::{El, el};
use crate::page::Page;

/// The part, after its summary; `name` stands in the address while it is open.
pub fn disclosure(page: Page, name: &str, summary: El) -> El {
    let details = el("details");
    let node: HtmlDetailsElement = details.node();
    let (shown, name) = (name.to_owned(), name.to_owned());
    details
        .live_attr("open", move || is_open(page, &shown).then(String::new))
        .on("toggle", move |_| {
            let open = node.open();
            if page.open.peek(|all| all.contains(&name)) != open {
                page.open.update(|all| {
                    all.retain(|one| *one != name);
                    if open {
                        all.push(name.clone());
                    }
                });
            }
        })
        .child(summary)
}

/// Whether it is open (tracked).
pub fn is_open(page: Page, name: &str) -> bool {
    page.open.with(|all| all.iter().any(|one| one == name))
}
