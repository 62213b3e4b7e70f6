//! Quantized and fused compute for short sequences: GEMM, GEMV, softmax, layer norm, GELU, attention, top-k.
//!
//! Weights stay in the 8 or 4 bits of their file; activations are quantized on the fly, 32 values at a time. Everything
//! is a method of [`Kernels`], a handle that names the instruction set:
//!
//! ```
//! use unmask_kernels::{Activation, Epilogue, Kernels, PackedMatrix, Scratch};
//! # fn main() -> Result<(), unmask_kernels::KernelError> {
//! let kernels = Kernels::detect();
//! // Once, when a tensor arrives: `PackedMatrixBuilder` takes it in pieces.
//! let weights = PackedMatrix::from_f32(&[0.5; 3 * 32], 3, 32)?; // [n = 3, k = 32]
//! // At every call: x [m = 1, k], out [m, n]. The scratch is kept between calls.
//! let (x, bias, mut out) = ([1.0; 32], [0.0; 3], [0.0; 3]);
//! let mut scratch = Scratch::default();
//! let epilogue = Epilogue { bias: Some(&bias), activation: Activation::None, residual: None };
//! kernels.gemm(&x, &weights, &mut out, epilogue, &mut scratch)?;
//! assert!(out.iter().all(|y| (y - 16.0).abs() < 0.01));
//! # Ok(())
//! # }
//! ```
//!
//! # A transformer layer with it
//! - A linear layer is [`Kernels::gemm`], with its bias, GELU and the residual connection in the [`Epilogue`]; one row
//!   (decoding) and few rows (beams) take their own paths inside. Keys and values are one matrix: [`PackedMatrix::stack`].
//! - [`Kernels::attention`] takes a head as columns of those projections ([`Head`]), so nothing is copied out. With
//!   capture on, use [`Kernels::attention_scores`], [`Kernels::softmax_rows`] and [`Kernels::attention_context`].
//! - [`Kernels::layer_norm`] adds a residual first if it's given one.
//! - Embeddings: [`PackedMatrix::dequantize_row`] on the same matrix that a tied head multiplies with.
//! - Masked words: [`Kernels::project_top_k`] gives candidates and the softmax's denominator without the logits' memory.
//!   Generation, which edits the logits: [`Kernels::gemm`], then [`Kernels::top_k`].
//! - Threads: [`Kernels::prepare`], then [`Kernels::quantize_rows`] for each part of the [`Unquantized`], then
//!   [`Kernels::gemm_columns`] for each part of an [`OutColumns`]; heads and rows of everything else are independent as they are.
//!
//! # What is exact
//! Quantized activations and integer sums are the same bits on every instruction set that multiplies bytes, and on every one that
//! multiplies words (simd128, and relaxed SIMD where its dot product takes 7 bits alone); floats may differ by the rounding of
//! a fused multiply-add. The scalar implementation is the reference that the others are tested against.
//!
//! Absent on purpose: tensors, allocation policy, threads and models. This crate knows slices and shapes.

mod activations;
mod attention;
mod dispatch;
mod error;
mod gemm;
mod math;
mod packed;
mod peak;
mod rows;
mod simd;
#[cfg(test)]
mod tests;
mod top_k;
mod widened;

pub use activations::{Rows, Scratch, Unquantized};
pub use attention::{AttentionScratch, Head, HeadMut};
pub use dispatch::{InstructionSet, Kernels};
pub use error::KernelError;
pub use gemm::{Activation, Epilogue, OutColumns};
pub use packed::{BLOCK, Format, PANEL, PackedMatrix, PackedMatrixBuilder};
pub use top_k::{Candidate, TopK};
