//! What the default models are worth: recorded runs of them, and measurements on held-out data.
//!
//! Nothing of this is shipped. The command `unmask-evaluate` runs it, and `cargo xtask` runs that.

pub mod data;
pub mod error;
pub mod hash;
pub mod measure;
pub mod metrics;
pub mod models;
pub mod rows;
pub mod traces;
