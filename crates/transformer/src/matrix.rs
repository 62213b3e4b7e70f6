//! A weight matrix in memory, in the form in which it is multiplied, and how a file's bytes become one.

use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{Device, Tensor};
use unmask_gguf::{TensorBuffer, TensorInfo, TensorType};
use unmask_kernels::{Format, KernelError, PackedMatrix, PackedMatrixBuilder};

use crate::requantize::Requantization;
use crate::{Error, Result, Weights};

/// Longest rows that are packed: a panel of eight is taken when the first byte of it arrives.
const LONGEST_ROW: usize = 1 << 16;

/// Who multiplies with the weights of Q8_0 and Q4_0.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum MatMul {
    /// This project's kernels.
    #[default]
    Kernels,
    /// candle's `QMatMul`, to be compared with.
    Candle,
}

/// A tensor of a file, mostly weights `[rows, columns]`. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Matrix {
    /// Q8_0 and Q4_0, packed for the kernels.
    Packed(Arc<PackedMatrix>),
    /// What candle computes with: every other format, and all that has not two dimensions.
    Plain(Arc<QTensor>),
}

impl Matrix {
    /// Its dimensions.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Packed(packed) => vec![packed.n(), packed.k()],
            Self::Plain(tensor) => tensor.shape().dims().to_vec(),
        }
    }

    /// All of it as f32.
    ///
    /// # Errors
    /// `Engine` where candle fails.
    pub fn dequantize(&self) -> Result<Tensor> {
        match self {
            Self::Packed(packed) => rows(packed, 0..packed.n()),
            Self::Plain(tensor) => Ok(tensor.dequantize(&Device::Cpu)?),
        }
    }

    /// The rows `ids`, as `[ids, columns]`.
    ///
    /// # Errors
    /// `Engine` where there is no such row.
    pub fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        match self {
            Self::Packed(packed) => rows(packed, ids.iter().map(|&id| id as usize)),
            Self::Plain(tensor) => Ok(tensor.embedding(&Tensor::new(ids, &Device::Cpu)?)?),
        }
    }
}

fn rows(packed: &PackedMatrix, rows: impl ExactSizeIterator<Item = usize>) -> Result<Tensor> {
    let shape = (rows.len(), packed.k());
    let mut values = vec![0.; shape.0 * shape.1];
    for (row, out) in rows.zip(values.chunks_exact_mut(packed.k())) {
        packed.dequantize_row(row, out)?;
    }
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// Makes matrices of a file's bytes as they arrive. What is packed never lies in memory twice.
#[derive(Default)]
pub(crate) struct MatrixReader {
    matmul: MatMul,
    requantization: Option<Requantization>,
    arriving: Option<Arriving>,
}

enum Arriving {
    Packed {
        builder: PackedMatrixBuilder,
        missing: u64,
    },
    Plain(TensorBuffer),
    /// To be encoded anew once it is whole.
    Foreign(TensorBuffer),
}

impl MatrixReader {
    pub fn new(matmul: MatMul, requantization: Option<Requantization>) -> Self {
        Self {
            matmul,
            requantization,
            arriving: None,
        }
    }

    /// Takes the next bytes of the tensor that `info` describes, and adds it to `weights` if they are its last.
    ///
    /// # Errors
    /// `Unsupported` for a block format that nobody here computes with, `Integrity` where bytes and shape disagree,
    /// `Memory` where there is no room.
    pub fn push(&mut self, info: &TensorInfo, piece: &[u8], weights: &Weights) -> Result<()> {
        let damaged = |error: &dyn std::fmt::Display| {
            let name = &info.name;
            Error::integrity(format!("The tensor {name} could not be read: {error}."))
        };
        let refused = |error| match error {
            KernelError::Memory { .. } => Error::memory(format!("{}: {error}.", info.name)),
            error => damaged(&error),
        };
        let arriving = match self.arriving.take() {
            Some(arriving) => arriving,
            None if self.type_of(info) != info.ty => Arriving::Foreign(TensorBuffer::default()),
            None => match packed_format(self.matmul, info) {
                Some((format, [n, k])) => Arriving::Packed {
                    builder: PackedMatrixBuilder::new(format, n, k).map_err(refused)?,
                    missing: info.bytes,
                },
                None => Arriving::Plain(TensorBuffer::default()),
            },
        };
        let matrix = match arriving {
            Arriving::Foreign(mut buffer) => {
                let dtype = ggml_type(info)?;
                let Some(bytes) = buffer.push(info, piece)? else {
                    self.arriving = Some(Arriving::Foreign(buffer));
                    return Ok(());
                };
                let Some(requantization) = self.requantization else {
                    return Err(Error::engine("A tensor was to be encoded anew as nothing."));
                };
                let bytes = requantization.encode(info, dtype, bytes)?;
                let info = TensorInfo {
                    ty: requantization.type_of(info),
                    bytes: bytes.len() as u64,
                    ..info.clone()
                };
                return self.push(&info, &bytes, weights);
            }
            Arriving::Packed {
                mut builder,
                missing,
            } => {
                builder.push(piece).map_err(refused)?;
                let missing = missing.saturating_sub(piece.len() as u64);
                if missing > 0 {
                    self.arriving = Some(Arriving::Packed { builder, missing });
                    return Ok(());
                }
                Matrix::Packed(Arc::new(builder.finish().map_err(refused)?))
            }
            Arriving::Plain(mut buffer) => {
                let dtype = ggml_type(info)?;
                let Some(bytes) = buffer.push(info, piece)? else {
                    self.arriving = Some(Arriving::Plain(buffer));
                    return Ok(());
                };
                let storage = QStorage::from_data(bytes.into(), &Device::Cpu, dtype);
                let storage = storage.map_err(|error| damaged(&error))?;
                let tensor = QTensor::new(storage, info.shape.as_slice());
                Matrix::Plain(Arc::new(tensor.map_err(|error| damaged(&error))?))
            }
        };
        weights.insert(&info.name, matrix);
        Ok(())
    }

    fn type_of(&self, info: &TensorInfo) -> TensorType {
        self.requantization
            .map_or(info.ty, |requantization| requantization.type_of(info))
    }
}

/// How the kernels take a tensor: its format, rows and columns.
fn packed_format(matmul: MatMul, info: &TensorInfo) -> Option<(Format, [usize; 2])> {
    let format = match (matmul, info.ty) {
        (MatMul::Kernels, TensorType::Q8_0) => Format::Q8_0,
        (MatMul::Kernels, TensorType::Q4_0) => Format::Q4_0,
        _ => return None,
    };
    match info.shape[..] {
        [n, k] if k <= LONGEST_ROW => Some((format, [n, k])),
        _ => None,
    }
}

fn ggml_type(info: &TensorInfo) -> Result<GgmlDType> {
    Ok(match info.ty {
        TensorType::F32 => GgmlDType::F32,
        TensorType::F16 => GgmlDType::F16,
        TensorType::Q4_0 => GgmlDType::Q4_0,
        TensorType::Q8_0 => GgmlDType::Q8_0,
        TensorType::Q4K => GgmlDType::Q4K,
        TensorType::Q6K => GgmlDType::Q6K,
        other => {
            return Err(Error::unsupported(
                format!(
                    "The tensor {} is stored as {other:?}, which this engine does not compute with.",
                    info.name
                ),
                "Convert the model with unmask-pack to F32, F16, Q8_0, Q6_K, Q4_K or Q4_0.",
            ));
        }
    })
}
