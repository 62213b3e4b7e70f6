//! How the page looks: one file per component.

pub mod app;
mod bart_panel;
mod bert_panel;
mod choice;
mod error_note;
mod heads;
mod legend;
mod loading;
mod mask_panel;
mod matrix;
mod measure;
mod paint;
mod probability;
mod sentence_field;
mod word_strip;
