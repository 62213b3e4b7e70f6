//! The page: state, views, and the binding to the engine. It knows the protocol and nothing of the models' insides.

mod address;
mod dom;
mod engine;
mod js;
mod latest;
mod library;
mod page;
mod slot;
mod state;
mod var;
mod views;
mod writing;

fn main() {
    let root = views::app::root();
    leptos::mount::mount_to(root.clone(), move || views::app::app(&root)).forget();
}
