//! The block formats a tensor can have, by their numbers in the file.

use std::fmt;

/// How a tensor's values are encoded: in blocks of [`block_len`](Self::block_len) values along the last dimension.
#[allow(non_camel_case_types)] // the field writes Q4_0 and Q4_1, and an underscore between digits has to stay
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TensorType {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of a single: eight bits of exponent, seven of mantissa.
    BF16,
    /// IEEE double precision.
    F64,
    /// 8-bit integers.
    I8,
    /// 16-bit integers.
    I16,
    /// 32-bit integers.
    I32,
    /// 64-bit integers.
    I64,
    /// 32 nibbles and a half-precision scale.
    Q4_0,
    /// 32 nibbles, a scale and a minimum.
    Q4_1,
    /// 32 values of 5 bits and a scale.
    Q5_0,
    /// 32 values of 5 bits, a scale and a minimum.
    Q5_1,
    /// 32 signed bytes and a half-precision scale.
    Q8_0,
    /// 32 signed bytes, a scale and the scaled sum.
    Q8_1,
    /// 256 values of 2 bits in sub-blocks of 16.
    Q2K,
    /// 256 values of 3 bits in sub-blocks of 16.
    Q3K,
    /// 256 values of 4 bits in sub-blocks of 32.
    Q4K,
    /// 256 values of 5 bits in sub-blocks of 32.
    Q5K,
    /// 256 values of 6 bits in sub-blocks of 16.
    Q6K,
    /// 256 signed bytes, a single-precision scale and sums: a format for activations.
    Q8K,
}

use TensorType::*;

/// Type, number in the file, name, values a block, bytes a block.
const TYPES: [(TensorType, u32, &str, usize, usize); 20] = [
    (F32, 0, "F32", 1, 4),
    (F16, 1, "F16", 1, 2),
    (Q4_0, 2, "Q4_0", 32, 18),
    (Q4_1, 3, "Q4_1", 32, 20),
    (Q5_0, 6, "Q5_0", 32, 22),
    (Q5_1, 7, "Q5_1", 32, 24),
    (Q8_0, 8, "Q8_0", 32, 34),
    (Q8_1, 9, "Q8_1", 32, 36),
    (Q2K, 10, "Q2_K", 256, 84),
    (Q3K, 11, "Q3_K", 256, 110),
    (Q4K, 12, "Q4_K", 256, 144),
    (Q5K, 13, "Q5_K", 256, 176),
    (Q6K, 14, "Q6_K", 256, 210),
    (Q8K, 15, "Q8_K", 256, 292),
    (I8, 24, "I8", 1, 1),
    (I16, 25, "I16", 1, 2),
    (I32, 26, "I32", 1, 4),
    (I64, 27, "I64", 1, 8),
    (F64, 28, "F64", 1, 8),
    (BF16, 30, "BF16", 1, 2),
];

impl TensorType {
    /// Every type, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        TYPES.iter().map(|row| row.0)
    }

    /// The type with this number in the file, if it is one that this crate knows.
    pub fn from_id(id: u32) -> Option<Self> {
        TYPES.iter().find(|row| row.1 == id).map(|row| row.0)
    }

    /// The type with this name, in any case, with or without the underscore before a K.
    pub fn from_name(name: &str) -> Option<Self> {
        let plain = |s: &str| s.replace('_', "").to_ascii_uppercase();
        TYPES
            .iter()
            .find(|row| plain(row.2) == plain(name))
            .map(|row| row.0)
    }

    fn row(self) -> &'static (Self, u32, &'static str, usize, usize) {
        TYPES
            .iter()
            .find(|row| row.0 == self)
            .expect("every variant has a row, as a test shows")
    }

    /// Its number in the file.
    pub fn id(self) -> u32 {
        self.row().1
    }

    /// The name ggml uses: `Q4_0`, `Q6_K`.
    pub fn name(self) -> &'static str {
        self.row().2
    }

    /// Values in one block.
    pub fn block_len(self) -> usize {
        self.row().3
    }

    /// Bytes of one block.
    pub fn block_bytes(self) -> usize {
        self.row().4
    }

    /// Bytes of a tensor of this row-major shape; `None` if its last dimension is not whole blocks or the size
    /// overflows.
    pub fn bytes_of(self, shape: &[usize]) -> Option<u64> {
        let last = *shape.last()?;
        if !last.is_multiple_of(self.block_len()) {
            return None;
        }
        let row_bytes = ((last / self.block_len()) as u64).checked_mul(self.block_bytes() as u64)?;
        shape[..shape.len() - 1]
            .iter()
            .try_fold(row_bytes, |bytes, &dim| bytes.checked_mul(dim as u64))
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_its_number_and_its_name() {
        let every = [
            F32, F16, BF16, F64, I8, I16, I32, I64, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q8_1, Q2K, Q3K,
            Q4K, Q5K, Q6K, Q8K,
        ];
        assert_eq!(every.len(), TYPES.len());
        for ty in every {
            assert_eq!(TensorType::from_id(ty.id()), Some(ty));
            assert_eq!(TensorType::from_name(ty.name()), Some(ty));
        }
        assert_eq!(TensorType::from_name("q4k"), Some(Q4K));
        assert_eq!(TensorType::from_id(4), None, "a number that ggml withdrew");
    }

    #[test]
    fn bytes_follow_from_whole_blocks_of_the_last_dimension() {
        assert_eq!(Q8_0.bytes_of(&[3, 64]), Some(3 * 2 * 34));
        assert_eq!(Q8_0.bytes_of(&[64, 3]), None);
        assert_eq!(Q4K.bytes_of(&[2, 512]), Some(2 * 2 * 144));
        assert_eq!(F32.bytes_of(&[]), None);
        assert_eq!(F32.bytes_of(&[usize::MAX, usize::MAX, usize::MAX]), None);
    }
}
