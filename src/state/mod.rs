//! What the page knows, apart from how it looks: plain Rust, tested natively.

pub mod ablation;
pub mod attention;
pub mod beam_tree;
pub mod catalogue;
pub mod compare;
pub mod decoding;
pub mod draft;
pub mod export;
pub mod format;
pub mod geometry;
pub mod grid;
pub mod habits;
pub mod library;
pub mod links;
pub mod marked;
pub mod noise;
pub mod occlusion;
pub mod quantizations;
pub mod ramp;
pub mod repair;
pub mod sentence;
pub mod shapes;
pub mod summary;
pub mod thumbnails;
pub mod view;
