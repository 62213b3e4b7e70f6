//! One attention matrix: a canvas that can be pointed at, walked by keyboard, and heard.

use leptos::ev::{KeyboardEvent, MouseEvent};
use leptos::html::Canvas;
use leptos::prelude::*;

use super::paint::paint;
use crate::page::Page;
use crate::state::geometry::Geometry;
use crate::state::grid::Grid;
use crate::state::links::{Marks, Place, Pointer};
use crate::state::summary::{describe, row_summary};

/// A figure with its matrix, its reading, and every row in words.
#[component]
pub fn Matrix(
    /// Which of the page's matrices it is.
    place: Place,
    /// Its title.
    title: &'static str,
    /// What its mask allows, shown while nothing is pointed at.
    #[prop(into)]
    rule: Signal<&'static str>,
    /// The cells.
    grid: Memo<Grid>,
    /// Where they lie.
    #[prop(into)]
    geometry: Signal<Geometry>,
) -> impl IntoView {
    let page = Page::expect();
    let pointer = page.pointer;
    let canvas = NodeRef::<Canvas>::new();
    let marks = Memo::new(move |_| {
        pointer
            .get()
            .map_or_else(Marks::default, |pointer| pointer.marks_in(place))
    });
    Effect::new(move || {
        let scheme = page.scheme.get();
        if let Some(canvas) = canvas.get() {
            grid.with(|grid| {
                // A canvas that cannot be drawn on leaves the words beside it.
                let _ = paint(&canvas, grid, geometry.get(), marks.get(), scheme);
            });
        }
    });

    let size = move || grid.with(|grid| (grid.rows.len(), grid.columns.len()));
    let here = move || {
        pointer
            .get_untracked()
            .filter(|pointer| pointer.place == place)
    };
    let locked = move || {
        pointer
            .get_untracked()
            .is_some_and(|pointer| pointer.locked)
    };
    let point = move |marks: Option<Marks>, locked: bool| {
        let next = marks.map(|marks| Pointer {
            place,
            marks,
            locked,
        });
        if pointer.get_untracked() != next {
            pointer.set(next);
        }
    };
    let hit = move |event: &MouseEvent| {
        let (rows, columns) = untrack(size);
        let (x, y) = (f64::from(event.offset_x()), f64::from(event.offset_y()));
        geometry.get_untracked().hit(x, y, rows, columns)
    };
    let on_click = move |event: MouseEvent| {
        let marks = hit(&event);
        let again = here().is_some_and(|pointer| pointer.locked && Some(pointer.marks) == marks);
        point(marks, !again);
    };
    let on_key = move |event: KeyboardEvent| {
        let (rows, columns) = untrack(size);
        let from = here().map(|here| here.marks);
        let Some(marks) = Marks::walk(from, &event.key(), rows, columns) else {
            match event.key().as_str() {
                "Enter" | " " if here().is_some() => {
                    point(here().map(|here| here.marks), !locked());
                    event.prevent_default();
                }
                "Escape" => point(None, false),
                _ => {}
            }
            return;
        };
        event.prevent_default();
        point(Some(marks), locked());
    };
    let pointed_at = move || pointer.get().is_some_and(|pointer| pointer.place == place);
    let reading = move || {
        let mut marks = marks.get();
        // Elsewhere the token counts, not the cell where it meets itself.
        if !pointed_at() && marks.row.is_some() {
            marks.column = None;
        }
        grid.with(|grid| describe(grid, marks))
            .unwrap_or_else(|| rule.get().to_owned())
    };
    let width = move || format!("{}px", geometry.get().width(size().1) as u32);
    let height = move || format!("{}px", geometry.get().height(size().0) as u32);
    let reading_id = format!("{}-reading", place.name());
    view! {
        <figure
            class="matrix"
            data-matrix=place.name()
            data-rows=move || size().0
            data-columns=move || size().1
            data-forbidden=move || grid.with(Grid::forbidden)
            data-weights=move || grid.with(|grid| grid.weights.is_some()).to_string()
            data-row=move || marks.get().row
            data-column=move || marks.get().column
            data-locked=move || pointer.get().is_some_and(|pointer| pointer.locked).to_string()
        >
            <figcaption>{title}</figcaption>
            <div class="scroller">
                <canvas
                    node_ref=canvas
                    style:width=width
                    style:height=height
                    tabindex="0"
                    role="application"
                    aria-roledescription="attention matrix"
                    aria-label=move || {
                        let (rows, columns) = size();
                        format!("{title}: {rows} rows, {columns} columns. Arrow keys move over the cells.")
                    }
                    aria-describedby=reading_id.clone()
                    on:mousemove=move |event| if !locked() { point(hit(&event), false) }
                    on:mouseleave=move |_| if !locked() && here().is_some() { point(None, false) }
                    on:blur=move |_| if !locked() && here().is_some() { point(None, false) }
                    on:click=on_click
                    on:keydown=on_key
                ></canvas>
            </div>
            // Of linked matrices, only the one in hand speaks.
            <p
                class="reading"
                id=reading_id
                aria-live=move || if pointed_at() { "polite" } else { "off" }
            >{reading}</p>
            <RowsInWords grid />
        </figure>
    }
}

/// Every row's summary, for whoever would rather read than look; made only while it is open.
#[component]
fn RowsInWords(
    /// The matrix.
    grid: Memo<Grid>,
) -> impl IntoView {
    let open = RwSignal::new(false);
    let rows = move || {
        open.get().then(|| {
            grid.with(|grid| {
                (0..grid.rows.len())
                    .map(|row| view! { <li>{row_summary(grid, row)}</li> })
                    .collect_view()
            })
        })
    };
    view! {
        <details on:toggle:target=move |event| open.set(event.target().open())>
            <summary>"Row by row, in words"</summary>
            <ol>{rows}</ol>
        </details>
    }
}
