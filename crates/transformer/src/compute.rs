//! The kernels on candle's tensors: values as slices, this thread's scratch memory, and the operations that run in place.

use std::cell::RefCell;
use std::ops::{Deref, Range};

use candle_core::{CpuStorage, Device, InplaceOp1, Layout, Storage, StorageRef, Tensor};
use unmask_kernels::{
    Activation, AttentionScratch, Epilogue, KernelError, OutColumns, PANEL, PackedMatrix, Rows,
    Scratch, Unquantized,
};
use unmask_threads as threads;

pub(crate) use unmask_kernels::{Head, HeadMut, Kernels, TopK};

use crate::{Error, Result};

thread_local! {
    static KERNELS: Kernels = Kernels::detect();
    static GEMM: RefCell<Scratch> = RefCell::default();
    static ATTENTION: RefCell<AttentionScratch> = RefCell::default();
}

/// The fastest kernels of this machine.
pub(crate) fn kernels() -> Kernels {
    KERNELS.with(|kernels| *kernels)
}

/// Runs `f` with the memory that attention keeps between calls.
pub(crate) fn with_attention_scratch<R>(f: impl FnOnce(&mut AttentionScratch) -> R) -> R {
    ATTENTION.with_borrow_mut(f)
}

/// A contiguous tensor's values, for as long as this lives.
pub(crate) struct Values<'t> {
    storage: StorageRef<'t>,
    range: Range<usize>,
}

/// The values of a contiguous f32 tensor, without a copy.
///
/// # Errors
/// `Engine` for any other tensor.
pub(crate) fn values(tensor: &Tensor) -> Result<Values<'_>> {
    let (storage, layout) = tensor.storage_and_layout();
    let (start, end) = layout
        .contiguous_offsets()
        .ok_or_else(|| Error::engine("A tensor's values do not lie side by side."))?;
    match &*storage {
        Storage::Cpu(CpuStorage::F32(_)) => Ok(Values {
            storage,
            range: start..end,
        }),
        _ => Err(Error::engine("A tensor is not one of f32 in memory.")),
    }
}

impl Deref for Values<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(CpuStorage::F32(values)) => &values[self.range.clone()],
            _ => unreachable!("`values` has looked"),
        }
    }
}

/// `activation(x · wᵀ + bias)`: `[.., k]` to `[.., n]`. The rows of `[.., positions, k]` are a sequence.
///
/// # Errors
/// `Engine` where the shapes don't fit.
pub(crate) fn matmul(
    x: &Tensor,
    weights: &PackedMatrix,
    bias: Option<&Tensor>,
    activation: Activation,
) -> Result<Tensor> {
    let (mut shape, x) = (x.dims().to_vec(), x.contiguous()?);
    let (x, bias) = (values(&x)?, bias.map(values).transpose()?);
    let width = shape.last_mut().filter(|width| **width == weights.k());
    *width.ok_or_else(|| misfit("x", &x, weights))? = weights.n();
    // A step of generation has one position of each of its beams.
    let together = match shape[..] {
        [.., positions, _] if shape.len() > 2 && positions > 1 => Rows::Sequence,
        _ => Rows::Independent,
    };
    let mut out = vec![0.; shape.iter().product()];
    let epilogue = Epilogue {
        bias: bias.as_deref(),
        activation,
        residual: None,
    };
    GEMM.with_borrow_mut(|scratch| -> Result<()> {
        let kernels = kernels();
        let unquantized = kernels.prepare(&x, weights, together, scratch)?;
        let count = parts(x.len() * QUANTIZING, unquantized.pieces(), 1);
        threads::each(split_rows(unquantized, count), |part| {
            kernels.quantize_rows(part);
            Ok::<_, Error>(())
        })?;
        let (rows, columns) = (scratch.rows(), weights.n());
        let count = parts(rows * columns * weights.k(), columns, PANEL);
        let out = OutColumns::new(&mut out, rows, columns)?;
        threads::each(split(out, count), |mut part| {
            kernels.gemm_columns(scratch, weights, &mut part, epilogue)
        })?;
        Ok(())
    })?;
    Ok(Tensor::from_vec(out, shape, &Device::Cpu)?)
}

/// How many multiply-accumulates are worth a part of their own: some ten microseconds, several times what it takes to
/// hand them over.
const WORK: usize = 1 << 19;

/// How many multiply-accumulates take as long as quantizing a value.
const QUANTIZING: usize = 16;

/// Parts for each thread: when one is held up, others take what it would have done.
const PARTS_PER_THREAD: usize = 3;

/// Into how many parts to cut a loop over `length` of `work` multiply-accumulates in all, where a part has at least
/// `least` of the length.
pub(crate) fn parts(work: usize, length: usize, least: usize) -> usize {
    let threads = threads::count();
    match threads {
        1 => 1,
        _ => (work / WORK)
            .min(length / least)
            .clamp(1, PARTS_PER_THREAD * threads),
    }
}

/// `count` parts of rows of about the same size.
fn split_rows(mut rows: Unquantized<'_>, count: usize) -> Vec<Unquantized<'_>> {
    let pieces = rows.pieces();
    let mut parts = Vec::with_capacity(count);
    for i in 1..count {
        let (part, rest) = rows.split_at(i * pieces / count - (i - 1) * pieces / count);
        parts.push(part);
        rows = rest;
    }
    parts.push(rows);
    parts
}

/// `count` ranges of columns of about the same size, each a multiple of [`PANEL`] but the last.
fn split(mut out: OutColumns<'_>, count: usize) -> Vec<OutColumns<'_>> {
    let panels = out.range().len().div_ceil(PANEL);
    let mut parts = Vec::with_capacity(count);
    for i in 1..count {
        let (part, rest) = out.split_at(i * panels / count * PANEL);
        parts.push(part);
        out = rest;
    }
    parts.push(out);
    parts
}

/// The `count` highest of `x · wᵀ + bias` in each row of `x` `[m, k]`.
///
/// # Errors
/// `Engine` where the shapes don't fit.
pub(crate) fn matmul_top_k(
    x: &Tensor,
    weights: &PackedMatrix,
    bias: Option<&Tensor>,
    count: usize,
) -> Result<Vec<TopK>> {
    let x = x.contiguous()?;
    let (x, bias) = (values(&x)?, bias.map(values).transpose()?);
    Ok(GEMM.with_borrow_mut(|scratch| {
        kernels().project_top_k(&x, weights, bias.as_deref(), count, scratch)
    })?)
}

fn misfit(what: &str, x: &[f32], weights: &PackedMatrix) -> Error {
    let (count, k) = (x.len(), weights.k());
    Error::engine(format!("{what} has {count} values, no rows of {k}."))
}

/// Replaces the values of `x`, which nobody else holds.
///
/// # Errors
/// What `f` finds wrong; `Engine` for a tensor that isn't contiguous f32.
pub(crate) fn in_place(
    x: Tensor,
    f: impl Fn(&mut [f32]) -> Result<(), KernelError>,
) -> Result<Tensor> {
    let x = x.contiguous()?;
    x.inplace_op1(&InPlace(f))?;
    Ok(x)
}

struct InPlace<F>(F);

impl<F: Fn(&mut [f32]) -> Result<(), KernelError>> InplaceOp1 for InPlace<F> {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        match (storage, layout.contiguous_offsets()) {
            (CpuStorage::F32(values), Some((start, end))) => {
                (self.0)(&mut values[start..end]).map_err(candle_core::Error::wrap)
            }
            _ => candle_core::bail!("a kernel was given a tensor that isn't contiguous f32"),
        }
    }
}

impl From<KernelError> for Error {
    fn from(error: KernelError) -> Self {
        Self::engine(format!("A kernel refused its arguments: {error}."))
    }
}
