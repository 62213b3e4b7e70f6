//! A checkpoint's tensors, whatever files they are in: found by name, read as f32 piece by piece.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use half::{bf16, f16};
use serde::Deserialize;

use crate::read_at::{Folder, ReadAt, open, text};
use crate::zip_entry::ZipEntry;
use crate::{Error, json, pickle, safetensors};

const INDEX_LIMIT: u64 = 4 << 20;

/// Types of stored values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dtype {
    F32,
    F16,
    BF16,
    F64,
    /// Integers and booleans of this many bytes: positions and counters, never weights.
    Integer(usize),
}

impl Dtype {
    pub fn from_safetensors(name: &str) -> Option<Self> {
        Some(match name {
            "F32" => Self::F32,
            "F16" => Self::F16,
            "BF16" => Self::BF16,
            "F64" => Self::F64,
            "BOOL" | "U8" | "I8" => Self::Integer(1),
            "U16" | "I16" => Self::Integer(2),
            "U32" | "I32" => Self::Integer(4),
            "U64" | "I64" => Self::Integer(8),
            _ => return None,
        })
    }

    /// Bytes of one value.
    pub fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::BF16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Integer(bytes) => bytes,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::F64 => "F64",
            Self::Integer(_) => "integer",
        }
    }
}

/// Where a tensor's first value is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Place {
    /// So many bytes from the file's beginning.
    At(u64),
    /// So many bytes into an entry of a zip file.
    InEntry { entry: ZipEntry, offset: u64 },
}

impl Place {
    /// What orders tensors as they lie in their file.
    pub fn order(self) -> (u64, u64) {
        match self {
            Self::At(offset) => (offset, 0),
            Self::InEntry { entry, offset } => (entry.header, offset),
        }
    }

    /// The distance from the file's beginning.
    fn offset(self, source: &dyn ReadAt) -> io::Result<u64> {
        match self {
            Self::At(offset) => Ok(offset),
            Self::InEntry { entry, offset } => Ok(entry.data(source)? + offset),
        }
    }
}

/// One tensor as it lies in a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    pub name: String,
    pub dtype: Dtype,
    /// Row-major, outermost first.
    pub shape: Vec<usize>,
    /// Which of the checkpoint's files.
    pub file: usize,
    /// Where its first value is in that file.
    pub place: Place,
    /// Steps in values for each dimension, where the values are not packed in order.
    pub strides: Option<Vec<usize>>,
}

impl Stored {
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// All the weights of a folder.
pub(crate) struct Checkpoint {
    files: Vec<(String, Box<dyn ReadAt>)>,
    pub tensors: BTreeMap<String, Stored>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Finds the weights: safetensors before pickles, one file before shards.
    pub fn open(folder: &dyn Folder) -> Result<Self, Error> {
        let mut checkpoint = Self {
            files: Vec::new(),
            tensors: BTreeMap::new(),
        };
        for (single, index) in [
            ("model.safetensors", "model.safetensors.index.json"),
            ("pytorch_model.bin", "pytorch_model.bin.index.json"),
        ] {
            if let Some(source) = open(folder, single)? {
                checkpoint.add(single, source)?;
                return Ok(checkpoint);
            }
            if let Some(index_text) = text(folder, index, INDEX_LIMIT)? {
                checkpoint.add_shards(folder, json::parse(index, &index_text)?)?;
                return Ok(checkpoint);
            }
        }
        Err(Error::MissingFile {
            files: "model.safetensors or pytorch_model.bin",
        })
    }

    fn add_shards(&mut self, folder: &dyn Folder, index: Index) -> Result<(), Error> {
        for file in index.weight_map.values().collect::<BTreeSet<_>>() {
            let source = open(folder, file)?.ok_or(Error::MissingFile {
                files: "file that the index names",
            })?;
            self.add(file, source)?;
        }
        for (name, file) in index.weight_map {
            let found = self
                .tensors
                .get(&name)
                .map(|stored| &self.files[stored.file].0);
            if found != Some(&file) {
                return Err(Error::MissingShardTensor { file, name });
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, source: Box<dyn ReadAt>) -> Result<(), Error> {
        let number = self.files.len();
        let tensors = match name.ends_with(".safetensors") {
            true => safetensors::tensors(&*source, name, number)?,
            false => pickle::tensors(&*source, name, number)?,
        };
        for tensor in tensors {
            if self.tensors.contains_key(&tensor.name) {
                return Err(Error::DuplicateTensor { name: tensor.name });
            }
            self.tensors.insert(tensor.name.clone(), tensor);
        }
        self.files.push((name.to_owned(), source));
        Ok(())
    }

    /// The files with weights in them, with their lengths; a tensor's file is a place in this list.
    pub fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        self.files
            .iter()
            .map(|(name, source)| (name.as_str(), source.len()))
    }

    /// `count` values of a tensor from the one numbered `first` in row-major order.
    pub fn read(&self, tensor: &Stored, first: usize, count: usize) -> Result<Vec<f32>, Error> {
        if let Dtype::Integer(_) = tensor.dtype {
            return Err(Error::IntegerWeight {
                name: tensor.name.clone(),
                dtype: tensor.dtype.name(),
            });
        }
        let width = tensor.dtype.bytes();
        let (file, source) = &self.files[tensor.file];
        let fetch = |at: usize, count: usize| {
            let read = |bytes: &mut [u8]| {
                let begin = tensor.place.offset(&**source)?;
                source.read_at(begin + at as u64 * width as u64, bytes)
            };
            let mut bytes = vec![0; count * width];
            read(&mut bytes).map_err(|source| Error::Read {
                file: file.clone(),
                source,
            })?;
            Ok::<_, Error>(bytes)
        };
        let Some(strides) = &tensor.strides else {
            return Ok(decode(tensor.dtype, &fetch(first, count)?));
        };
        // Rare (a transposed matrix in a pickle): fetch everything that it spans once, then pick.
        let span = span(&tensor.shape, strides);
        let values = decode(tensor.dtype, &fetch(0, span)?);
        Ok((first..first + count)
            .map(|index| values[position(index, &tensor.shape, strides)])
            .collect())
    }
}

/// How many values lie between a strided tensor's first and last, both included.
fn span(shape: &[usize], strides: &[usize]) -> usize {
    1 + shape
        .iter()
        .zip(strides)
        .map(|(n, stride)| (n - 1) * stride)
        .sum::<usize>()
}

/// Where the value with this row-major number lies.
fn position(mut index: usize, shape: &[usize], strides: &[usize]) -> usize {
    let mut at = 0;
    for (n, stride) in shape.iter().zip(strides).rev() {
        at += index % n * stride;
        index /= n;
    }
    at
}

fn decode(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
    fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        bytes
            .as_chunks::<N>()
            .0
            .iter()
            .map(|&chunk| value(chunk))
            .collect()
    }
    match dtype {
        Dtype::F32 => each(bytes, f32::from_le_bytes),
        Dtype::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
        Dtype::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
        Dtype::Integer(_) => Vec::new(), // refused by `read`
    }
}
