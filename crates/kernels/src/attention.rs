//! Attention of one head in f32: scores, weights, context. Heads stay where the projections wrote them, side by side.

use crate::dispatch::{Job, Kernels};
use crate::error::{KernelError, expect_len};
use crate::math;
use crate::rows::softmax;
use crate::simd::{LANES, Simd};
use std::ops::Range;

/// Query rows from which it pays to copy keys and values into panels first.
const PANEL_ROWS: usize = 4;

/// Query rows whose scores are alive at once in [`Kernels::attention`]: they stay in the first-level cache.
const ROWS_AT_ONCE: usize = 16;

/// One head's part of a row-major matrix `[rows, stride]`: `width` columns of it.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    values: &'a [f32],
    rows: usize,
    stride: usize,
    width: usize,
}

impl<'a> Head<'a> {
    /// The head whose values are `columns` of each row of a matrix `[rows, stride]`, which may hold more rows than that.
    ///
    /// # Errors
    /// If the matrix is too small, or the columns don't fit in a row.
    pub fn new(
        matrix: &'a [f32],
        rows: usize,
        stride: usize,
        columns: Range<usize>,
    ) -> Result<Self, KernelError> {
        check_head(matrix.len(), rows, stride, &columns)?;
        Ok(Self {
            values: matrix.get(columns.start..).unwrap_or_default(),
            rows,
            stride,
            width: columns.len(),
        })
    }

    #[cfg(test)]
    pub(crate) fn at(&self, row: usize, column: usize) -> f32 {
        self.row(row)[column]
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    #[inline(always)]
    fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.stride..][..self.width]
    }

    /// The rows of a range.
    #[inline(always)]
    fn slice(&self, rows: Range<usize>) -> Self {
        Self {
            values: &self.values[rows.start * self.stride..],
            rows: rows.len(),
            ..*self
        }
    }
}

/// One head's part of a matrix to write to.
#[derive(Debug)]
pub struct HeadMut<'a> {
    values: &'a mut [f32],
    rows: usize,
    stride: usize,
    width: usize,
}

impl<'a> HeadMut<'a> {
    /// As [`Head::new`].
    ///
    /// # Errors
    /// As [`Head::new`].
    pub fn new(
        matrix: &'a mut [f32],
        rows: usize,
        stride: usize,
        columns: Range<usize>,
    ) -> Result<Self, KernelError> {
        check_head(matrix.len(), rows, stride, &columns)?;
        Ok(Self {
            values: matrix.get_mut(columns.start..).unwrap_or_default(),
            rows,
            stride,
            width: columns.len(),
        })
    }

    #[inline(always)]
    fn row(&mut self, row: usize) -> &mut [f32] {
        &mut self.values[row * self.stride..][..self.width]
    }

    /// The rows of a range.
    #[inline(always)]
    fn slice(&mut self, rows: Range<usize>) -> HeadMut<'_> {
        HeadMut {
            values: &mut self.values[rows.start * self.stride..],
            rows: rows.len(),
            ..*self
        }
    }
}

fn check_head(
    actual: usize,
    rows: usize,
    stride: usize,
    columns: &Range<usize>,
) -> Result<(), KernelError> {
    if columns.start > columns.end || columns.end > stride {
        return Err(KernelError::Stride {
            width: columns.end.saturating_sub(columns.start),
            stride,
        });
    }
    let before = rows.saturating_sub(1).checked_mul(stride);
    let expected = before.and_then(|before| before.checked_add(columns.end));
    let expected = expected.ok_or(KernelError::Size { n: rows, k: stride })?;
    if rows > 0 && actual < expected {
        return Err(KernelError::Length {
            what: "a head's matrix",
            expected,
            actual,
        });
    }
    Ok(())
}

/// Memory for [`Kernels::attention`] and its parts, kept between calls.
#[derive(Clone, Debug, Default)]
pub struct AttentionScratch {
    keys: Vec<[f32; LANES]>,
    values: Vec<[f32; LANES]>,
    weights: Vec<f32>,
}

impl Kernels {
    /// `scores = scale * queries · keysᵀ`, `[queries.rows(), keys.rows()]`.
    ///
    /// # Errors
    /// If the heads differ in width, or `scores` in size.
    pub fn attention_scores(
        self,
        queries: Head<'_>,
        keys: Head<'_>,
        scale: f32,
        scores: &mut [f32],
        scratch: &mut AttentionScratch,
    ) -> Result<(), KernelError> {
        expect_len("a key", keys.width, queries.width)?;
        expect_len("the scores", scores.len(), queries.rows * keys.rows)?;
        self.run(Scores {
            queries,
            keys,
            scale,
            scores,
            scratch,
        });
        Ok(())
    }

    /// `context = weights · values`, with weights `[context rows, values.rows()]`.
    ///
    /// # Errors
    /// If the heads differ in width, or `weights` in size.
    pub fn attention_context(
        self,
        weights: &[f32],
        values: Head<'_>,
        context: HeadMut<'_>,
        scratch: &mut AttentionScratch,
    ) -> Result<(), KernelError> {
        expect_len("a value", values.width, context.width)?;
        expect_len("the weights", weights.len(), context.rows * values.rows)?;
        self.run(Context {
            weights,
            values,
            context,
            scratch,
        });
        Ok(())
    }

    /// A head's whole attention, when nobody looks at the weights: scores, softmax over what `mask`
    /// (`[queries.rows(), keys.rows()]`, nonzero where attention is allowed) leaves, and the context, a few rows at a time.
    ///
    /// # Errors
    /// If the heads differ in width, keys and values (or queries and context) in rows, or the mask in size.
    #[expect(clippy::too_many_arguments, reason = "they are what attention is")]
    pub fn attention(
        self,
        queries: Head<'_>,
        keys: Head<'_>,
        values: Head<'_>,
        mask: Option<&[u8]>,
        scale: f32,
        context: HeadMut<'_>,
        scratch: &mut AttentionScratch,
    ) -> Result<(), KernelError> {
        expect_len("a key", keys.width, queries.width)?;
        expect_len("a value", values.width, context.width)?;
        expect_len("the values", values.rows, keys.rows)?;
        expect_len("the context", context.rows, queries.rows)?;
        if let Some(mask) = mask {
            expect_len("the mask", mask.len(), queries.rows * keys.rows)?;
        }
        self.run(Attention {
            queries,
            keys,
            values,
            mask,
            scale,
            context,
            scratch,
        });
        Ok(())
    }
}

struct Scores<'a> {
    queries: Head<'a>,
    keys: Head<'a>,
    scale: f32,
    scores: &'a mut [f32],
    scratch: &'a mut AttentionScratch,
}

impl Job for Scores<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let panels = self.queries.rows >= PANEL_ROWS;
        if panels {
            pack_keys(self.keys, &mut self.scratch.keys);
        }
        let panels = panels.then_some(self.scratch.keys.as_slice());
        scores(
            simd,
            self.queries,
            self.keys,
            panels,
            self.scale,
            self.scores,
        );
    }
}

struct Context<'a> {
    weights: &'a [f32],
    values: Head<'a>,
    context: HeadMut<'a>,
    scratch: &'a mut AttentionScratch,
}

impl Job for Context<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let panels = self.context.rows >= PANEL_ROWS;
        if panels {
            pack_values(self.values, &mut self.scratch.values);
        }
        let panels = panels.then_some(self.scratch.values.as_slice());
        context(simd, self.weights, self.values, panels, &mut self.context);
    }
}

struct Attention<'a> {
    queries: Head<'a>,
    keys: Head<'a>,
    values: Head<'a>,
    mask: Option<&'a [u8]>,
    scale: f32,
    context: HeadMut<'a>,
    scratch: &'a mut AttentionScratch,
}

impl Job for Attention<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let (rows, columns) = (self.queries.rows, self.keys.rows);
        let scratch = self.scratch;
        let panels = rows >= PANEL_ROWS;
        if panels {
            pack_keys(self.keys, &mut scratch.keys);
            pack_values(self.values, &mut scratch.values);
        }
        let keys = panels.then_some(scratch.keys.as_slice());
        let values = panels.then_some(scratch.values.as_slice());
        scratch.weights.resize(ROWS_AT_ONCE * columns, 0.0);
        for start in (0..rows).step_by(ROWS_AT_ONCE) {
            let range = start..(start + ROWS_AT_ONCE).min(rows);
            let queries = self.queries.slice(range.clone());
            let weights = &mut scratch.weights[..range.len() * columns];
            scores(simd, queries, self.keys, keys, self.scale, weights);
            if columns > 0 {
                for (i, row) in weights.chunks_exact_mut(columns).enumerate() {
                    let mask = self
                        .mask
                        .map(|mask| &mask[(start + i) * columns..][..columns]);
                    softmax(simd, row, mask);
                }
            }
            context(
                simd,
                weights,
                self.values,
                values,
                &mut self.context.slice(range),
            );
        }
    }
}

/// Eight keys side by side: `[ceil(keys / 8), width]` vectors with one value of each key.
#[inline(always)]
fn pack_keys(keys: Head<'_>, panels: &mut Vec<[f32; LANES]>) {
    panels.clear();
    panels.resize(keys.rows.div_ceil(LANES) * keys.width, [0.0; LANES]);
    if keys.width == 0 {
        return;
    }
    for (p, panel) in panels.chunks_exact_mut(keys.width).enumerate() {
        let first = p * LANES;
        for lane in 0..LANES.min(keys.rows - first) {
            for (vector, &value) in panel.iter_mut().zip(keys.row(first + lane)) {
                vector[lane] = value;
            }
        }
    }
}

/// Eight columns of all values: `[ceil(width / 8), values]` vectors.
#[inline(always)]
fn pack_values(values: Head<'_>, panels: &mut Vec<[f32; LANES]>) {
    panels.clear();
    panels.resize(values.width.div_ceil(LANES) * values.rows, [0.0; LANES]);
    for row in 0..values.rows {
        for (p, part) in values.row(row).chunks(LANES).enumerate() {
            panels[p * values.rows + row][..part.len()].copy_from_slice(part);
        }
    }
}

/// `scores = scale * queries · keysᵀ`, by panels of keys if there are any.
#[inline(always)]
fn scores<S: Simd>(
    simd: S,
    queries: Head<'_>,
    keys: Head<'_>,
    panels: Option<&[[f32; LANES]]>,
    scale: f32,
    scores: &mut [f32],
) {
    let columns = keys.rows;
    if columns == 0 {
        return;
    }
    if let Some(panels) = panels {
        let mut out = HeadMut {
            values: scores,
            rows: queries.rows,
            stride: columns,
            width: columns,
        };
        return product(simd, queries, panels, scale, &mut out);
    }
    for (i, scores) in scores.chunks_exact_mut(columns).enumerate() {
        let query = queries.row(i);
        for (j, scores) in scores.chunks_mut(4).enumerate() {
            // Short of four keys, the last stands in for those that aren't there.
            let rows: [&[f32]; 4] = std::array::from_fn(|n| keys.row((4 * j + n).min(columns - 1)));
            let mut sums = [simd.splat(0.0); 4];
            for at in (0..query.len()).step_by(LANES) {
                let q = math::load_padded(simd, &query[at..]);
                for n in 0..4 {
                    sums[n] = simd.mul_add(q, math::load_padded(simd, &rows[n][at..]), sums[n]);
                }
            }
            for (score, sum) in scores.iter_mut().zip(simd.sum4(sums)) {
                *score = scale * sum;
            }
        }
    }
}

/// `context = weights · values`, by panels of values if there are any.
#[inline(always)]
fn context<S: Simd>(
    simd: S,
    weights: &[f32],
    values: Head<'_>,
    panels: Option<&[[f32; LANES]]>,
    context: &mut HeadMut<'_>,
) {
    let columns = values.rows;
    if let Some(panels) = panels {
        let weights = Head {
            values: weights,
            rows: context.rows,
            stride: columns,
            width: columns,
        };
        return product(simd, weights, panels, 1.0, context);
    }
    for row in 0..context.rows {
        let weights = &weights[row * columns..][..columns];
        for (p, out) in context.row(row).chunks_mut(4 * LANES).enumerate() {
            let mut sums = [simd.splat(0.0); 4];
            for (j, &weight) in weights.iter().enumerate() {
                let value = &values.row(j)[4 * LANES * p..][..out.len()];
                let weight = simd.splat(weight);
                for (sum, part) in sums.iter_mut().zip(value.chunks(LANES)) {
                    *sum = simd.mul_add(weight, math::load_padded(simd, part), *sum);
                }
            }
            for (sum, out) in sums.into_iter().zip(out.chunks_mut(LANES)) {
                math::store_padded(simd, sum, out);
            }
        }
    }
}

/// `out = scale * a · b` with `b` in panels `[ceil(out.width / 8), a.width]`.
#[inline(always)]
fn product<S: Simd>(
    simd: S,
    a: Head<'_>,
    panels: &[[f32; LANES]],
    scale: f32,
    out: &mut HeadMut<'_>,
) {
    for p in 0..out.width.div_ceil(LANES) {
        let panel = &panels[p * a.width..][..a.width];
        let mut row = 0;
        while row + 4 <= a.rows {
            product_tile::<S, 4>(simd, a, row, panel, p, scale, out);
            row += 4;
        }
        while row < a.rows {
            product_tile::<S, 1>(simd, a, row, panel, p, scale, out);
            row += 1;
        }
    }
}

/// `ROWS` rows of one panel's columns.
#[inline(always)]
fn product_tile<S: Simd, const ROWS: usize>(
    simd: S,
    a: Head<'_>,
    row: usize,
    panel: &[[f32; LANES]],
    p: usize,
    scale: f32,
    out: &mut HeadMut<'_>,
) {
    let rows: [&[f32]; ROWS] = std::array::from_fn(|i| &a.row(row + i)[..panel.len()]);
    let mut sums = [simd.splat(0.0); ROWS];
    for (j, b) in panel.iter().enumerate() {
        let b = simd.load(b);
        for i in 0..ROWS {
            sums[i] = simd.mul_add(simd.splat(rows[i][j]), b, sums[i]);
        }
    }
    for (i, sum) in sums.into_iter().enumerate() {
        let out = &mut out.row(row + i)[p * LANES..];
        math::store_padded(simd, simd.mul(sum, simd.splat(scale)), out);
    }
}
