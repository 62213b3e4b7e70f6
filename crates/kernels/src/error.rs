//! What can be wrong with the arguments of a kernel.

/// Why a kernel refused its arguments. None of these leaves an output half written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// A slice isn't as long as the shapes say.
    #[error(
        "{what} has {actual} elements where its shape needs {expected}; check the shapes passed beside it"
    )]
    Length {
        /// Which argument.
        what: &'static str,
        /// The number of elements that its shape needs.
        expected: usize,
        /// The number that it has.
        actual: usize,
    },
    /// The inner dimension can't be cut into blocks.
    #[error("rows of {k} values can't be cut into blocks of {block}; keep this tensor in F32", block = crate::BLOCK)]
    Block {
        /// The inner dimension.
        k: usize,
    },
    /// A shape whose number of elements overflows, or is zero.
    #[error(
        "a matrix of {n} by {k} can't be stored; the file is corrupt or its configuration wrong"
    )]
    Size {
        /// Rows.
        n: usize,
        /// Columns.
        k: usize,
    },
    /// A quantized block whose scale isn't finite.
    #[error(
        "row {row} holds a block whose scale isn't a finite number; the file is corrupt: fetch it again"
    )]
    Scale {
        /// The row of the matrix.
        row: usize,
    },
    /// A value that a half-precision scale can't reach.
    #[error(
        "row {row} holds a value too large to quantize (or not a number); keep this tensor in F32"
    )]
    Range {
        /// The row of the matrix.
        row: usize,
    },
    /// More bytes or values than the matrix has room for, or fewer than it needs.
    #[error(
        "a matrix of {expected} blocks was given {actual}; the file is truncated or its shapes are wrong"
    )]
    Blocks {
        /// Blocks that the shape needs.
        expected: usize,
        /// Blocks that arrived.
        actual: usize,
    },
    /// The allocator had no room.
    #[error("no memory for {bytes} bytes of weights; close other tabs or choose a smaller model")]
    Memory {
        /// How many bytes were asked for.
        bytes: usize,
    },
    /// A row of a matrix that isn't there.
    #[error("row {row} of a matrix of {n} rows was asked for; the ids don't belong to this model")]
    Row {
        /// The row asked for.
        row: usize,
        /// The number of rows.
        n: usize,
    },
    /// Activations were quantized for another kind of weights.
    #[error(
        "the activations in this scratch were quantized for another matrix; quantize them for this one first"
    )]
    Activations,
    /// A range of columns doesn't start at a panel.
    #[error("columns {start}..{end} of {n} aren't a range that starts at a multiple of {panel}", panel = crate::PANEL)]
    Columns {
        /// The first column.
        start: usize,
        /// One past the last column.
        end: usize,
        /// Columns of the matrix.
        n: usize,
    },
    /// A head's rows don't fit the matrix that holds them.
    #[error("a head of {width} values doesn't fit rows that lie {stride} apart")]
    Stride {
        /// Values of a row that belong to the head.
        width: usize,
        /// Distance between rows.
        stride: usize,
    },
}

/// Checks a length.
pub(crate) fn expect_len(
    what: &'static str,
    actual: usize,
    expected: usize,
) -> Result<(), KernelError> {
    if actual == expected {
        Ok(())
    } else {
        Err(KernelError::Length {
            what,
            expected,
            actual,
        })
    }
}
