//! Block formats: which one a tensor gets, and how far its values move.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use half::f16;
use unmask_gguf::TensorType;

/// What most of a file's weights are stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantization(pub(crate) TensorType);

impl Default for Quantization {
    /// Nearly as good as the original at a quarter of its size.
    fn default() -> Self {
        Self(TensorType::Q8_0)
    }
}

impl Quantization {
    /// The values as they are.
    pub const F32: Self = Self(TensorType::F32);

    /// The choices, the most exact first.
    pub const ALL: [Self; 6] = [
        Self(TensorType::F32),
        Self(TensorType::F16),
        Self(TensorType::Q8_0),
        Self(TensorType::Q6K),
        Self(TensorType::Q4K),
        Self(TensorType::Q4_0),
    ];

    /// As files spell it: `Q8_0`.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The type for a weight whose rows have this many values: the chosen one, or the nearest whose blocks fit.
    pub(crate) fn for_rows_of(self, columns: usize) -> TensorType {
        let next = |ty| match ty {
            TensorType::Q6K => TensorType::Q8_0,
            TensorType::Q4K => TensorType::Q4_0,
            _ => TensorType::F16,
        };
        let mut ty = self.0;
        while !columns.is_multiple_of(ty.block_len()) {
            ty = next(ty);
        }
        ty
    }

    /// The type for a table of positions or token types. It is small, and added to every token's embedding, so that
    /// half precision costs little and keeps its error far below that of the quantized word embeddings.
    pub(crate) fn for_small_tables(self) -> TensorType {
        if self.0 == TensorType::F32 {
            TensorType::F32
        } else {
            TensorType::F16
        }
    }
}

impl fmt::Display for Quantization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Quantization {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let ty = TensorType::from_name(name);
        Self::ALL
            .into_iter()
            .find(|choice| Some(choice.0) == ty)
            .ok_or_else(|| {
                format!(
                    "There is no quantization {name:?}: choose one of {}.",
                    Self::ALL.map(Self::name).join(", ")
                )
            })
    }
}

/// Some rows of a tensor in their block format, and how far that is from what they were.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quantized {
    /// The blocks.
    pub bytes: Vec<u8>,
    /// The largest difference.
    pub max_error: f32,
    /// The sum of squared differences.
    pub squared_error: f64,
    /// The sum of squared values.
    pub squared_values: f64,
}

impl Quantized {
    /// The root mean square of the differences over that of the values.
    pub fn relative_rms_error(&self) -> f64 {
        if self.squared_values == 0.0 {
            0.0
        } else {
            (self.squared_error / self.squared_values).sqrt()
        }
    }

    /// Adds the rows that follow.
    pub(crate) fn append(&mut self, next: Self) {
        self.bytes.extend(next.bytes);
        self.max_error = self.max_error.max(next.max_error);
        self.squared_error += next.squared_error;
        self.squared_values += next.squared_values;
    }
}

/// Encodes rows of `columns` values, which must be whole blocks. The same values give the same bytes on every machine.
///
/// # Errors
/// A format that this cannot write, or rows that are not whole blocks, in candle's words.
pub fn quantize(values: &[f32], columns: usize, ty: TensorType) -> candle_core::Result<Quantized> {
    let (bytes, decoded): (Vec<u8>, Cow<'_, [f32]>) = match ty {
        TensorType::F32 => (
            values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            values.into(),
        ),
        TensorType::F16 => {
            // Finite values stay finite: what half precision cannot hold becomes its largest.
            let halves = || {
                values
                    .iter()
                    .map(|x| f16::from_f32(x.clamp(f16::MIN.to_f32(), f16::MAX.to_f32())))
            };
            (
                halves().flat_map(|x| x.to_le_bytes()).collect(),
                halves().map(f16::to_f32).collect(),
            )
        }
        ty => {
            let dtype = match ty {
                TensorType::Q8_0 => GgmlDType::Q8_0,
                TensorType::Q6K => GgmlDType::Q6K,
                TensorType::Q4K => GgmlDType::Q4K,
                TensorType::Q4_0 => GgmlDType::Q4_0,
                other => candle_core::bail!("{other} is not one of the formats offered"),
            };
            let rows = Tensor::from_slice(
                values,
                (values.len() / columns.max(1), columns),
                &Device::Cpu,
            )?;
            let quantized = QTensor::quantize(&rows, dtype)?;
            let decoded = quantized
                .dequantize(&Device::Cpu)?
                .flatten_all()?
                .to_vec1()?;
            (quantized.data()?.into_owned(), decoded.into())
        }
    };
    let mut quantized = Quantized {
        bytes,
        ..Quantized::default()
    };
    for (value, decoded) in values.iter().zip(decoded.iter()) {
        let difference = value - decoded;
        quantized.max_error = quantized.max_error.max(difference.abs());
        quantized.squared_error += f64::from(difference).powi(2);
        quantized.squared_values += f64::from(*value).powi(2);
    }
    Ok(quantized)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    const QUANTIZED: [TensorType; 4] = [
        TensorType::Q8_0,
        TensorType::Q6K,
        TensorType::Q4K,
        TensorType::Q4_0,
    ];

    /// Values between -1 and 1, the same everywhere.
    fn values(count: usize) -> Vec<f32> {
        let mut state = 1u32;
        let step = || {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        std::iter::repeat_with(step).take(count).collect()
    }

    #[test]
    fn a_block_of_q8_0_is_a_scale_and_bytes() {
        let values: Vec<f32> = (0..32).map(|i| (127 - 8 * i) as f32).collect();
        let quantized = quantize(&values, 32, TensorType::Q8_0).unwrap();
        assert_eq!(quantized.bytes[..2], f16::ONE.to_le_bytes());
        let integers: Vec<f32> = quantized.bytes[2..]
            .iter()
            .map(|&byte| f32::from(byte as i8))
            .collect();
        assert_eq!(integers, values);
        assert_eq!(
            (quantized.max_error, quantized.relative_rms_error()),
            (0.0, 0.0)
        );
    }

    #[test]
    fn more_bits_lose_less() {
        let values = values(1024);
        let errors = QUANTIZED.map(|ty| quantize(&values, 256, ty).unwrap().relative_rms_error());
        assert!(errors.is_sorted(), "{errors:?}");
        assert!(errors[0] < 0.005 && errors[3] < 0.1, "{errors:?}");
    }

    #[test]
    fn the_same_values_give_the_same_bytes_on_every_machine() {
        let digests = QUANTIZED.map(|ty| {
            let bytes = quantize(&values(1024), 256, ty).unwrap().bytes;
            u32::from_be_bytes(Sha256::digest(bytes)[..4].try_into().unwrap())
        });
        assert_eq!(digests, [0x1ca29322, 0x6ba0aeb0, 0xa745de46, 0xc0a763af]);
    }

    #[test]
    fn half_precision_never_becomes_infinite() {
        let quantized = quantize(&[1e9, -1e9], 2, TensorType::F16).unwrap();
        assert_eq!(
            quantized.bytes,
            [f16::MAX.to_le_bytes(), f16::MIN.to_le_bytes()].concat()
        );
    }

    #[test]
    fn names_are_read_in_any_spelling() {
        for name in ["q4_k", "Q4K", "Q4_K"] {
            assert_eq!(name.parse::<Quantization>().unwrap().name(), "Q4_K");
        }
        assert!(
            "Q8_K".parse::<Quantization>().is_err(),
            "a format for activations"
        );
    }
}
