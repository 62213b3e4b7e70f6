//! Quantized matrix multiplication: `out = activation(x · wᵀ + bias) + residual`.

use crate::activations::{MAX_ROWS, Rows, Scratch, Tile, Tiles};
use crate::dispatch::{Job, Kernels};
use crate::error::{KernelError, expect_len};
use crate::math;
use crate::packed::{BLOCK, Block, PANEL, PackedMatrix, Panel, Panels, rolled};
use crate::simd::Simd;
use crate::widened::Widened;
use std::marker::PhantomData;
use std::ops::Range;

/// What a linear layer applies to its output on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// The Gaussian error linear unit in its exact form, by erf.
    Gelu,
}

/// What happens to a product before it is stored: `activation(product + bias) + residual`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// `[n]`
    pub bias: Option<&'a [f32]>,
    /// Applied after the bias.
    pub activation: Activation,
    /// `[m, n]`, added last.
    pub residual: Option<&'a [f32]>,
}

/// A range of the columns of a row-major matrix, to write to. Ranges that came from one [`OutColumns::split_at`] don't
/// overlap, so each can go to a thread of its own.
#[derive(Debug)]
pub struct OutColumns<'a> {
    base: *mut f32,
    rows: usize,
    stride: usize,
    /// The column that `base` points at.
    first: usize,
    columns: Range<usize>,
    matrix: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is a mutable borrow of floats that nothing else borrows: no other `OutColumns` has these columns.
unsafe impl Send for OutColumns<'_> {}

impl<'a> OutColumns<'a> {
    /// All columns of a matrix `[rows, n]`.
    ///
    /// # Errors
    /// If it isn't that large.
    pub fn new(matrix: &'a mut [f32], rows: usize, n: usize) -> Result<Self, KernelError> {
        let expected = rows
            .checked_mul(n)
            .ok_or(KernelError::Size { n: rows, k: n })?;
        expect_len("the output", matrix.len(), expected)?;
        Ok(Self {
            base: matrix.as_mut_ptr(),
            rows,
            stride: n,
            first: 0,
            columns: 0..n,
            matrix: PhantomData,
        })
    }

    /// Memory of its own for some columns of a matrix that doesn't exist as a whole.
    pub(crate) fn window(buffer: &'a mut [f32], rows: usize, columns: Range<usize>) -> Self {
        assert_eq!(buffer.len(), rows * columns.len());
        Self {
            base: buffer.as_mut_ptr(),
            rows,
            stride: columns.len(),
            first: columns.start,
            columns,
            matrix: PhantomData,
        }
    }

    /// The columns before `column`, and the others. A column outside the range leaves one side empty.
    pub fn split_at(self, column: usize) -> (Self, Self) {
        let Range { start, end } = self.columns;
        let column = column.clamp(start, end);
        let part = |columns| Self { columns, ..self };
        (part(start..column), part(column..end))
    }

    /// Which columns of the matrix these are.
    pub fn range(&self) -> Range<usize> {
        self.columns.clone()
    }

    /// `columns` of a row.
    #[inline(always)]
    fn row(&mut self, row: usize, columns: Range<usize>) -> &mut [f32] {
        assert!(row < self.rows && self.columns.start <= columns.start);
        assert!(columns.start <= columns.end && columns.end <= self.columns.end);
        // SAFETY: the assertions keep the slice inside this range of columns of the matrix, which is borrowed mutably
        // for as long as `self` lives, and no other `OutColumns` has any of it.
        unsafe {
            let start = self
                .base
                .add(row * self.stride + columns.start - self.first);
            std::slice::from_raw_parts_mut(start, columns.len())
        }
    }
}

impl Kernels {
    /// `out = activation(x · wᵀ + bias) + residual` with `x` `[m, k]`, weights `[n, k]` and `out` `[m, n]`, for any m rows that are
    /// [independent](Rows::Independent).
    ///
    /// # Errors
    /// If a length doesn't fit these shapes.
    pub fn gemm(
        self,
        x: &[f32],
        weights: &PackedMatrix,
        out: &mut [f32],
        epilogue: Epilogue<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), KernelError> {
        self.quantize(x, weights, Rows::Independent, scratch)?;
        let mut out = OutColumns::new(out, scratch.rows(), weights.n())?;
        self.gemm_columns(scratch, weights, &mut out, epilogue)
    }

    /// As [`Kernels::gemm`] for activations that [`Kernels::quantize`] has prepared, and for some columns only: several
    /// matrices can share the activations, and several threads a matrix.
    ///
    /// The range starts at a multiple of [`PANEL`]. Bias and residual are those of the whole matrix.
    ///
    /// # Errors
    /// If the activations are for another matrix, or a length or the range doesn't fit.
    pub fn gemm_columns(
        self,
        activations: &Scratch,
        weights: &PackedMatrix,
        out: &mut OutColumns<'_>,
        epilogue: Epilogue<'_>,
    ) -> Result<(), KernelError> {
        activations.fits(self, weights)?;
        let (m, n) = (activations.rows(), weights.n());
        let Range { start, end } = out.columns;
        expect_len("the output's rows", out.rows, m)?;
        if !start.is_multiple_of(PANEL) || end > n {
            return Err(KernelError::Columns { start, end, n });
        }
        if let Some(bias) = epilogue.bias {
            expect_len("the bias", bias.len(), n)?;
        }
        if let Some(residual) = epilogue.residual {
            expect_len("the residual", residual.len(), m * n)?;
        }
        match &weights.panels {
            Panels::Q8(panels) => self.run(Gemm {
                n,
                activations,
                panels,
                out,
                epilogue,
            }),
            Panels::Q4(panels) => self.run(Gemm {
                n,
                activations,
                panels,
                out,
                epilogue,
            }),
        }
        Ok(())
    }
}

struct Gemm<'a, 'b, B> {
    n: usize,
    activations: &'a Scratch,
    panels: &'a [Panel<B>],
    out: &'a mut OutColumns<'b>,
    epilogue: Epilogue<'a>,
}

impl<B: Block> Job for Gemm<'_, '_, B> {
    const MULTIPLIES_BYTES: bool = true;
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        // Panels outside, rows inside: a panel stays in the first-level cache while the activations, which are far
        // smaller than the weights, pass by.
        let Range { start, end } = self.out.range();
        let panels = start / PANEL..end.div_ceil(PANEL);
        let rows = self.activations.rows();
        if S::WORDS && self.activations.wide() {
            let mut widened = Widened::new(self.activations.k());
            for panel in panels {
                widened.fill(simd, &self.panels[panel]);
                for (row, height) in Tiles::of(rows) {
                    match height {
                        MAX_ROWS => self.wide_tile::<S, MAX_ROWS>(simd, &widened, panel, row),
                        3 => self.wide_tile::<S, 3>(simd, &widened, panel, row),
                        2 => self.wide_tile::<S, 2>(simd, &widened, panel, row),
                        _ => self.wide_tile::<S, 1>(simd, &widened, panel, row),
                    }
                }
            }
            return;
        }
        for panel in panels {
            for (row, height) in Tiles::of(rows) {
                match height {
                    MAX_ROWS => self.tile::<S, MAX_ROWS>(simd, panel, row),
                    3 => self.tile::<S, 3>(simd, panel, row),
                    2 => self.tile::<S, 2>(simd, panel, row),
                    _ => self.tile::<S, 1>(simd, panel, row),
                }
            }
        }
    }
}

impl<B: Block> Gemm<'_, '_, B> {
    /// `ROWS` rows of a panel's columns. One panel at a time: a single row waits for weights from memory, and two streams of
    /// them arrive half as fast as one.
    #[inline(always)]
    fn tile<S: Simd, const ROWS: usize>(&mut self, simd: S, panel: usize, row: usize) {
        let activations: Tile<'_, S::Quad, ROWS> = self.activations.tile(row);
        let blocks = &self.panels[panel][..activations.quads.len()];
        let mut sums = [simd.splat(0.0); ROWS];
        for (b, block) in blocks.iter().enumerate() {
            block.multiply_add(simd, &activations, b, &mut sums);
        }
        self.finish(simd, panel, row, sums, activations.row_scales);
    }

    /// `ROWS` rows of a widened panel's columns.
    #[inline(always)]
    fn wide_tile<S: Simd, const ROWS: usize>(
        &mut self,
        simd: S,
        widened: &Widened,
        panel: usize,
        row: usize,
    ) {
        let activations: Tile<'_, S::Quad, ROWS> = self.activations.tile(row);
        let sums = widened.multiply(simd, activations.pairs);
        self.finish(simd, panel, row, sums, activations.row_scales);
    }

    /// Finishes a tile's sums of a panel: scales words, and applies the epilogue.
    #[inline(always)]
    fn finish<S: Simd, const ROWS: usize>(
        &mut self,
        simd: S,
        panel: usize,
        row: usize,
        sums: [S::F32; ROWS],
        row_scales: &[f32],
    ) {
        let mut products = [[0.0; PANEL]; ROWS];
        for (i, (product, mut sum)) in products.iter_mut().zip(sums).enumerate() {
            if S::WORDS {
                sum = simd.mul(sum, simd.splat(row_scales[i]));
            }
            simd.store(sum, product);
        }
        for i in rolled(ROWS) {
            self.store(simd, panel, row + i, simd.load(&products[i]));
        }
    }

    /// Finishes eight columns of a row and writes those of them that exist.
    #[inline(always)]
    fn store<S: Simd>(&mut self, simd: S, panel: usize, row: usize, sums: S::F32) {
        let start = panel * PANEL;
        let columns = start..(start + PANEL).min(self.out.columns.end);
        let mut sums = sums;
        if let Some(bias) = self.epilogue.bias {
            sums = simd.add(sums, math::load_padded(simd, &bias[columns.clone()]));
        }
        if self.epilogue.activation == Activation::Gelu {
            sums = math::gelu(simd, sums);
        }
        if let Some(residual) = self.epilogue.residual {
            let residual = &residual[row * self.n..][columns.clone()];
            sums = simd.add(sums, math::load_padded(simd, residual));
        }
        math::store_padded(simd, sums, self.out.row(row, columns));
    }
}

// A block of the activations and a block of the weights are the same stretch of k.
const _: () = assert!(BLOCK == 32 && PANEL == 8);
