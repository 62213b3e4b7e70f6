//! The page: state, views, and the binding to the engine. It knows the protocol and nothing of the models' insides.

mod engine;
mod latest;
mod page;
mod slot;
mod state;
mod views;
mod writing;

fn main() {
    console_error_panic_hook::set_once();
    leptos::mount::mount_to(views::app::root(), views::app::App).forget();
}
