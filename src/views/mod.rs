//! How the page looks: one file per component.

mod ablation;
pub mod app;
mod attention_panel;
mod bart_panel;
mod bert_panel;
mod choice;
mod differences;
mod error_note;
mod heads;
mod legend;
mod lines;
mod loading;
mod mask_panel;
mod matrix;
mod measure;
mod noise_lab;
mod overview;
mod paint;
mod probability;
mod proof;
mod sentence_field;
mod sheet;
mod sight;
mod stages;
mod take_along;
mod word_strip;
