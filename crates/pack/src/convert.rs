//! The conversion: a plan from headers alone, then the tensors one by one.

use std::io;

use unmask_gguf::{Layout, StreamError, TensorInfo, TensorType, Writer};

use crate::Error;
use crate::architecture::Architecture;
use crate::checkpoint::{Checkpoint, Stored};
use crate::heads::Abilities;
use crate::json::Object;
use crate::metadata::metadata;
use crate::quantize::{Quantization, Quantized, quantize};
use crate::read_at::Folder;

/// Values that are read and encoded at once: what a tensor takes in memory beside its finished blocks. It is whole
/// blocks of every format, and blocks know nothing of rows, so that pieces need not end where rows do.
const CHUNK: usize = 1 << 20;

/// What the caller decides; what is `None` the checkpoint may say itself.
#[derive(Clone, Debug)]
pub struct Options {
    /// What weights are stored as.
    pub quantization: Quantization,
    /// What the model is called.
    pub name: Option<String>,
    /// Its licence, as an SPDX expression.
    pub license: Option<String>,
    /// Where the checkpoint comes from.
    pub source: Option<String>,
    /// Which version of it this is.
    pub revision: Option<String>,
}

/// Weights whose rows are not whole blocks of the chosen format.
#[derive(Clone, Debug, PartialEq)]
pub struct Fallback {
    /// The values in a row.
    pub columns: usize,
    /// What was chosen.
    pub from: TensorType,
    /// What they are stored as.
    pub to: TensorType,
    /// How many tensors.
    pub tensors: usize,
}

/// How one tensor came out.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorReport {
    /// Its name, shape and type in the file.
    pub info: TensorInfo,
    /// The largest difference between a value and what is left of it.
    pub max_error: f32,
    /// The root mean square of the differences over that of the values.
    pub relative_rms_error: f64,
}

/// A part of one tensor that is read, encoded and written at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Piece {
    /// The tensor's place in the finished file's list.
    tensor: usize,
    /// Its first value, in row-major order.
    first: usize,
    /// How many values.
    count: usize,
}

/// Some of the finished file's bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodedPiece {
    /// Where they belong, from the file's beginning.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Everything about the file to be but the tensors' contents.
pub struct Plan {
    checkpoint: Checkpoint,
    tensors: Vec<Stored>,
    layout: Layout,
    fallbacks: Vec<Fallback>,
    tasks: Vec<String>,
}

impl Plan {
    /// Reads the configuration, the tokenizer and the weights' headers.
    pub fn new(folder: &dyn Folder, options: &Options) -> Result<Self, Error> {
        let config = Object::read(folder, "config.json")?.ok_or(Error::MissingFile {
            files: "config.json",
        })?;
        let architecture = Architecture::of(&config)?;
        let checkpoint = Checkpoint::open(folder)?;
        let selected = architecture.select(&checkpoint, &config)?;
        let abilities = Abilities::of(architecture, &config, &selected)?;
        let tasks = abilities.names().into_iter().map(str::to_owned).collect();
        let metadata = metadata(folder, options, &config, architecture, &abilities)?;
        let mut fallbacks: Vec<Fallback> = Vec::new();
        let mut records = Vec::new();
        for (name, stored) in &selected {
            let (ty, fell_back) = stored_type(name, &stored.shape, options.quantization);
            if fell_back {
                let (from, columns) =
                    (options.quantization.0, stored.shape[stored.shape.len() - 1]);
                match fallbacks
                    .iter_mut()
                    .find(|fallback| fallback.columns == columns)
                {
                    Some(fallback) => fallback.tensors += 1,
                    None => fallbacks.push(Fallback {
                        columns,
                        from,
                        to: ty,
                        tensors: 1,
                    }),
                }
            }
            // A single number has no dimensions in PyTorch, and one here.
            let shape = if stored.shape.is_empty() {
                vec![1]
            } else {
                stored.shape.clone()
            };
            records.push((name.clone(), shape, ty));
        }
        let layout = Layout::new(metadata, records)?;
        let tensors = selected.into_values().cloned().collect();
        Ok(Self {
            tensors,
            layout,
            fallbacks,
            tasks,
            checkpoint,
        })
    }

    /// The file's header and every tensor's place.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where the chosen format did not fit.
    pub fn fallbacks(&self) -> &[Fallback] {
        &self.fallbacks
    }

    /// What the model can do, by the names of its heads and tasks.
    pub fn tasks(&self) -> &[String] {
        &self.tasks
    }

    /// Writes the file, and tells about each tensor once it is written.
    pub fn write<W: io::Write>(
        &self,
        out: W,
        on_tensor: &mut dyn FnMut(TensorReport),
    ) -> Result<W, Error> {
        let mut writer = Writer::new(self.layout.clone(), out)?;
        for (tensor, info) in self.layout.header().tensors.iter().enumerate() {
            let mut quantized = Quantized::default();
            for piece in self.pieces_of(tensor) {
                quantized.append(self.quantized(&piece)?);
            }
            writer
                .tensor(&info.name, &quantized.bytes)
                .map_err(unwritten)?;
            on_tensor(TensorReport {
                info: info.clone(),
                max_error: quantized.max_error,
                relative_rms_error: quantized.relative_rms_error(),
            });
        }
        writer.finish().map_err(unwritten)
    }

    /// The checkpoint's files with weights in them, with their lengths, in the order in which [`Plan::pieces`] reads
    /// them.
    pub fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        self.checkpoint.files()
    }

    /// All the work, in the order in which the values lie in the checkpoint's files, one file after another.
    pub fn pieces(&self) -> Vec<Piece> {
        let mut order: Vec<usize> = (0..self.tensors.len()).collect();
        order.sort_by_key(|&tensor| {
            let stored = &self.tensors[tensor];
            (stored.file, stored.place.order())
        });
        order
            .into_iter()
            .flat_map(|tensor| self.pieces_of(tensor))
            .collect()
    }

    /// Reads and encodes one piece.
    ///
    /// # Errors
    /// `Read` where the folder does not give its values, `NotFinite`, `IntegerWeight` and `Quantize` for what they are.
    pub fn encode(&self, piece: &Piece) -> Result<EncodedPiece, Error> {
        let header = self.layout.header();
        let info = &header.tensors[piece.tensor];
        let before = (piece.first / info.ty.block_len()) as u64 * info.ty.block_bytes() as u64;
        Ok(EncodedPiece {
            offset: header.data_offset + info.offset + before,
            bytes: self.quantized(piece)?.bytes,
        })
    }

    /// The bytes between the tensors, which are zero: where they begin, and how many.
    pub fn padding(&self) -> impl Iterator<Item = (u64, usize)> {
        let header = self.layout.header();
        let gap = |(index, info): (usize, &TensorInfo)| {
            (
                header.data_offset + info.offset + info.bytes,
                self.layout.padding_after(index),
            )
        };
        header
            .tensors
            .iter()
            .enumerate()
            .map(gap)
            .filter(|&(_, bytes)| bytes > 0)
    }

    fn pieces_of(&self, tensor: usize) -> impl Iterator<Item = Piece> {
        let stored = &self.tensors[tensor];
        let elements = stored.elements();
        // A strided tensor is fetched whole in any case.
        let step = if stored.strides.is_some() {
            elements
        } else {
            CHUNK
        };
        (0..elements).step_by(step).map(move |first| Piece {
            tensor,
            first,
            count: step.min(elements - first),
        })
    }

    fn quantized(&self, piece: &Piece) -> Result<Quantized, Error> {
        let stored = &self.tensors[piece.tensor];
        let info = &self.layout.header().tensors[piece.tensor];
        let values = self.checkpoint.read(stored, piece.first, piece.count)?;
        if values.iter().any(|value| !value.is_finite()) {
            return Err(Error::NotFinite {
                name: stored.name.clone(),
            });
        }
        quantize(&values, values.len(), info.ty).map_err(|error| Error::Quantize {
            name: stored.name.clone(),
            reason: error.to_string(),
        })
    }
}

fn unwritten(error: StreamError<std::convert::Infallible>) -> Error {
    match error {
        StreamError::Gguf(error) => error.into(),
        StreamError::Io(error) => error.into(),
    }
}

/// What a tensor is stored as, and whether that is not what was chosen: matrices of weights are quantized; norms,
/// biases and whatever has another shape stay as exact as they are, for they are small and everything depends on them.
fn stored_type(name: &str, shape: &[usize], quantization: Quantization) -> (TensorType, bool) {
    let &[_, columns] = shape else {
        return (TensorType::F32, false);
    };
    if !name.ends_with(".weight") {
        return (TensorType::F32, false);
    }
    let small_tables = [
        "position_embeddings.weight",
        "token_type_embeddings.weight",
        "embed_positions.weight",
    ];
    if small_tables.iter().any(|table| name.ends_with(table)) {
        return (quantization.for_small_tables(), false);
    }
    let ty = quantization.for_rows_of(columns);
    (ty, ty != quantization.0)
}
