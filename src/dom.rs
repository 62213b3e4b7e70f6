//! Elements, built by hand: what the page's views are made of.
//!
//! A `view!` is one type as large as its tree, compiled anew for every panel. Here a panel is a chain of plain calls on
//! one type; each live part boxes a closure and becomes an effect (the public methods only box: what they do is compiled
//! once). Leptos keeps what it is best at: signals, effects
//! and their owners, which clean up whatever a rebuilt part had started.

use leptos::prelude::{LocalStorage, StoredValue, document};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{
    Element, Event, HtmlElement, HtmlInputElement, HtmlTextAreaElement, KeyboardEvent, Node,
};

use crate::var::effect;

/// What can hold the keyboard's focus.
const FOCUSABLE: &str = "button, input, textarea, select, summary, a, [tabindex]";

/// An element under construction, or one that is kept to be changed.
#[derive(Clone)]
pub struct El(Element);

/// A new element; `tag` is one of HTML's.
pub fn el(tag: &str) -> El {
    El(document()
        .create_element(tag)
        .expect("every tag in this crate is one of HTML's"))
}

impl El {
    /// Takes over an element that stands in the page.
    pub fn from_node(element: Element) -> Self {
        Self(element)
    }

    /// The element, as the type that its tag has.
    pub fn node<T: JsCast + Clone>(&self) -> T {
        self.0.unchecked_ref::<T>().clone()
    }

    /// Sets its classes.
    pub fn class(self, names: &str) -> Self {
        self.0.set_class_name(names);
        self
    }

    /// Sets an attribute.
    pub fn attr(self, name: &str, value: &str) -> Self {
        self.set_attr(name, Some(value));
        self
    }

    /// Sets a property of its style. (The page's policy forbids `style` attributes.)
    pub fn style(self, name: &str, value: &str) -> Self {
        self.set_style(name, value);
        self
    }

    /// Keeps a property of its style at what `value` gives; an empty one takes it away.
    pub fn live_style(self, name: &'static str, value: impl Fn() -> String + 'static) -> Self {
        self.live_style_boxed(name, Box::new(value))
    }

    fn live_style_boxed(self, name: &'static str, value: Box<dyn Fn() -> String>) -> Self {
        let element = self.clone();
        effect(move || element.set_style(name, &value()));
        self
    }

    /// Adds a text.
    pub fn text(self, text: &str) -> Self {
        self.append_text(text);
        self
    }

    /// Adds a child.
    pub fn child(self, child: El) -> Self {
        self.append(child);
        self
    }

    /// Adds children.
    pub fn children<const N: usize>(self, children: [El; N]) -> Self {
        for child in children {
            self.append(child);
        }
        self
    }

    /// Adds a text that follows what `text` reads.
    pub fn live_text(self, text: impl Fn() -> String + 'static) -> Self {
        self.live_text_boxed(Box::new(text))
    }

    fn live_text_boxed(self, text: Box<dyn Fn() -> String>) -> Self {
        let node = document().create_text_node("");
        self.append_node(&node);
        effect(move || node.set_data(&text()));
        self
    }

    /// Keeps an attribute at what `value` gives; none takes it away.
    pub fn live_attr(
        self,
        name: &'static str,
        value: impl Fn() -> Option<String> + 'static,
    ) -> Self {
        self.live_attr_boxed(name, Box::new(value))
    }

    fn live_attr_boxed(self, name: &'static str, value: Box<dyn Fn() -> Option<String>>) -> Self {
        let element = self.clone();
        effect(move || element.set_attr(name, value().as_deref()));
        self
    }

    /// Keeps a class while `holds`.
    pub fn live_class(self, name: &'static str, holds: impl Fn() -> bool + 'static) -> Self {
        self.live_class_boxed(name, Box::new(holds))
    }

    fn live_class_boxed(self, name: &'static str, holds: Box<dyn Fn() -> bool>) -> Self {
        let element = self.0.clone();
        effect(move || {
            // A name without spaces is always accepted.
            let _ = element.class_list().toggle_with_force(name, holds());
        });
        self
    }

    /// Shows it only while `shown`.
    pub fn shown(self, shown: impl Fn() -> bool + 'static) -> Self {
        self.live_attr("hidden", move || (!shown()).then(String::new))
    }

    /// Keeps the value of a field at what `value` gives.
    pub fn live_value(self, value: impl Fn() -> String + 'static) -> Self {
        self.live_value_boxed(Box::new(value))
    }

    fn live_value_boxed(self, value: Box<dyn Fn() -> String>) -> Self {
        let element = self.0.clone();
        effect(move || {
            let value = value();
            // Setting what is there already would move the cursor.
            if let Some(area) = element.dyn_ref::<HtmlTextAreaElement>() {
                if area.value() != value {
                    area.set_value(&value);
                }
            } else if let Some(input) = element.dyn_ref::<HtmlInputElement>()
                && input.value() != value
            {
                input.set_value(&value);
            }
        });
        self
    }

    /// Keeps a box or a button of a group checked while `checked`.
    pub fn live_checked(self, checked: impl Fn() -> bool + 'static) -> Self {
        self.live_checked_boxed(Box::new(checked))
    }

    fn live_checked_boxed(self, checked: Box<dyn Fn() -> bool>) -> Self {
        let input: HtmlInputElement = self.node();
        effect(move || input.set_checked(checked()));
        self
    }

    /// Keeps its children at what `fill` adds: whenever something changes that `fill` reads, they are made anew, and
    /// the focus goes to the one in the place of the one that had it.
    pub fn live(self, fill: impl Fn(&El) + 'static) -> Self {
        self.live_boxed(Box::new(fill))
    }

    fn live_boxed(self, fill: Box<dyn Fn(&El)>) -> Self {
        let parent = self.clone();
        effect(move || {
            let focused = parent.focused_place();
            parent.0.set_text_content(None);
            fill(&parent);
            if let Some(place) = focused {
                parent.focus_place(place);
            }
        });
        self
    }

    /// Calls `act` on an event.
    pub fn on(self, event: &str, act: impl FnMut(Event) + 'static) -> Self {
        self.on_boxed(event, Box::new(act))
    }

    fn on_boxed(self, event: &str, act: Box<dyn FnMut(Event)>) -> Self {
        let closure = Closure::wrap(act);
        // Fails only for what is no function.
        let _ = self
            .0
            .add_event_listener_with_callback(event, closure.as_ref().unchecked_ref());
        // It lives as long as what is being built.
        StoredValue::<_, LocalStorage>::new_local(closure);
        self
    }

    /// Adds a child to what is kept.
    pub fn append(&self, child: El) {
        self.append_node(&child.0);
    }

    /// Adds a text to what is kept.
    pub fn append_text(&self, text: &str) {
        self.append_node(&document().create_text_node(text));
    }

    /// Sets an attribute of what is kept; none takes it away.
    pub fn set_attr(&self, name: &str, value: Option<&str>) {
        // Fails only for names that are none.
        let _ = match value {
            Some(value) => self.0.set_attribute(name, value),
            None => self.0.remove_attribute(name),
        };
    }

    fn set_style(&self, name: &str, value: &str) {
        // A browser ignores what it does not know.
        let _ = self
            .0
            .unchecked_ref::<HtmlElement>()
            .style()
            .set_property(name, value);
    }

    fn append_node(&self, node: &Node) {
        // Fails only for a node that holds this one.
        let _ = self.0.append_child(node);
    }

    /// Which of what can be focused within this has the focus.
    fn focused_place(&self) -> Option<u32> {
        let active = document().active_element()?;
        if !self.0.contains(Some(&active)) {
            return None;
        }
        let all = self.0.query_selector_all(FOCUSABLE).ok()?;
        (0..all.length()).find(|&place| all.get(place).is_some_and(|node| node == *active))
    }

    /// Lets the arrow keys, Home and End walk among what can be focused within it.
    pub fn walked(self) -> Self {
        let parent = self.clone();
        self.on("keydown", move |event| {
            let key = event.unchecked_ref::<KeyboardEvent>().key();
            let Some(now) = parent.focused_place() else {
                return;
            };
            let to = match key.as_str() {
                "ArrowRight" | "ArrowDown" => now + 1,
                "ArrowLeft" | "ArrowUp" => now.saturating_sub(1),
                "Home" => 0,
                "End" => u32::MAX,
                _ => return,
            };
            event.prevent_default();
            parent.focus_place(to);
        })
    }

    fn focus_place(&self, place: u32) {
        let element = self
            .0
            .query_selector_all(FOCUSABLE)
            .ok()
            .and_then(|all| all.get(place.min(all.length().checked_sub(1)?)));
        if let Some(element) = element {
            // An element that has gone meanwhile cannot be focused, and need not.
            let _ = element.unchecked_ref::<HtmlElement>().focus();
        }
    }
}

/// A button with its words.
pub fn button(text: &str, mut act: impl FnMut() + 'static) -> El {
    el("button")
        .attr("type", "button")
        .text(text)
        .on("click", move |_| act())
}

/// A paragraph of class `class`.
pub fn p(class: &str, text: &str) -> El {
    el("p").class(class).text(text)
}

/// What the field that an event comes from holds now.
pub fn value_of(event: &Event) -> String {
    let Some(target) = event.target() else {
        return String::new();
    };
    match target.dyn_ref::<HtmlTextAreaElement>() {
        Some(area) => area.value(),
        None => target.unchecked_ref::<HtmlInputElement>().value(),
    }
}

/// Whether the box that an event comes from is checked now.
pub fn checked(event: &Event) -> bool {
    event
        .target()
        .is_some_and(|target| target.unchecked_ref::<HtmlInputElement>().checked())
}
