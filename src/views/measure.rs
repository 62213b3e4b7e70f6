//! How wide an element is, as a variable.

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{Element, ResizeObserver};

use crate::dom::El;
use crate::var::Var;

/// Width of `element`'s content in CSS pixels, kept up to date; 0 until it is in the page.
pub fn width_of(element: &El) -> Var<f64> {
    let width = Var::new(0.0);
    let measured: Element = element.node();
    let observed = measured.clone();
    let on_resize =
        Closure::<dyn FnMut()>::new(move || width.put(f64::from(measured.client_width())));
    if let Ok(observer) = ResizeObserver::new(on_resize.as_ref().unchecked_ref()) {
        observer.observe(&observed);
        // The figures are measured as long as the page lives.
        on_resize.forget();
    }
    width
}
