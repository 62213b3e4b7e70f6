//! A model at another quantization than its file's: each matrix is decoded and encoded again as it arrives.
//!
//! The rules are `unmask-pack`'s, and so are the bytes, as one of its tests says. What the file has lost already does not come
//! back: from a Q8_0 file, F32 shows what the engine's own rounding of activations costs, and Q4_0 is rounded twice.

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{Device, Tensor};
use half::f16;
use unmask_gguf::{Header, TensorInfo, TensorType};

use crate::{Error, Result};

/// What the matrices become.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Requantization(TensorType);

impl Requantization {
    /// The four that can be asked for, the most exact first.
    pub const ALL: [Self; 4] = [
        Self(TensorType::F32),
        Self(TensorType::F16),
        Self(TensorType::Q8_0),
        Self(TensorType::Q4_0),
    ];

    /// By its name, `Q8_0`.
    ///
    /// # Errors
    /// `Input` for another name.
    pub fn named(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|choice| choice.name() == name);
        found.ok_or_else(|| {
            Error::input(
                format!("There is no quantization \"{name}\" to compute with."),
                format!("Choose one of {}.", Self::ALL.map(Self::name).join(", ")),
            )
        })
    }

    /// As files spell it.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// What a tensor is stored as: matrices of weights in the chosen format where their rows are whole blocks of it, tables of
    /// positions and token types in half precision, everything else in single.
    pub(crate) fn type_of(self, info: &TensorInfo) -> TensorType {
        let (&[_, columns], true) = (&info.shape[..], info.name.ends_with(".weight")) else {
            return TensorType::F32;
        };
        let small = [
            "position_embeddings.weight",
            "token_type_embeddings.weight",
            "embed_positions.weight",
        ];
        match self.0 {
            TensorType::F32 => TensorType::F32,
            _ if small.iter().any(|table| info.name.ends_with(table)) => TensorType::F16,
            ty if columns.is_multiple_of(ty.block_len()) => ty,
            _ => TensorType::F16,
        }
    }

    /// The length of the file that would hold the model so.
    pub(crate) fn file_bytes(self, header: &Header) -> u64 {
        let bytes = |info: &TensorInfo| {
            let ty = self.type_of(info);
            let values: usize = info.shape.iter().product();
            let bytes = values.div_ceil(ty.block_len()) * ty.block_bytes();
            (bytes as u64).next_multiple_of(header.alignment)
        };
        header.data_offset + header.tensors.iter().map(bytes).sum::<u64>()
    }

    /// A tensor of the type `from`, given as its bytes, encoded as [`Requantization::type_of`] has it.
    ///
    /// # Errors
    /// `Integrity` where the bytes are not that tensor's.
    pub(crate) fn encode(
        self,
        info: &TensorInfo,
        from: GgmlDType,
        bytes: Vec<u8>,
    ) -> Result<Vec<u8>> {
        let damaged = |error: candle_core::Error| {
            Error::integrity(format!(
                "The tensor {} could not be read: {error}.",
                info.name
            ))
        };
        let storage = QStorage::from_data(bytes.into(), &Device::Cpu, from).map_err(damaged)?;
        let stored = QTensor::new(storage, info.shape.as_slice()).map_err(damaged)?;
        let values = stored.dequantize(&Device::Cpu).map_err(damaged)?;
        encode(&values, self.type_of(info))
    }
}

fn encode(values: &Tensor, ty: TensorType) -> Result<Vec<u8>> {
    let dtype = match ty {
        TensorType::Q8_0 => GgmlDType::Q8_0,
        TensorType::Q4_0 => GgmlDType::Q4_0,
        _ => {
            let values = values.flatten_all()?.to_vec1::<f32>()?;
            let most = f16::MAX.to_f32();
            return Ok(match ty {
                TensorType::F16 => values
                    .iter()
                    .flat_map(|x| f16::from_f32(x.clamp(-most, most)).to_le_bytes())
                    .collect(),
                _ => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            });
        }
    };
    Ok(QTensor::quantize(values, dtype)?.data()?.into_owned())
}
