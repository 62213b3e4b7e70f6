//! How wide an element is, as a signal.

use leptos::html::Div;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::ResizeObserver;

/// Width of `element`'s content in CSS pixels, kept up to date; 0 until it is in the page.
pub fn width_of(element: NodeRef<Div>) -> Signal<f64> {
    let width = RwSignal::new(0.0);
    Effect::new(move || {
        let Some(element) = element.get() else {
            return;
        };
        let measured = element.clone();
        let on_resize = Closure::<dyn FnMut()>::new(move || {
            let now = f64::from(measured.client_width());
            if width.get_untracked() != now {
                width.set(now);
            }
        });
        if let Ok(observer) = ResizeObserver::new(on_resize.as_ref().unchecked_ref()) {
            observer.observe(&element);
            // The figures are measured as long as the page lives.
            on_resize.forget();
        }
    });
    width.into()
}
