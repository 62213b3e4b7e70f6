//! The push decoder, and the same over a reader.

use std::io;

use crate::header::HeaderParser;
use crate::{Error, Header, Limits, StreamError, TensorInfo, Value};

/// Memory for a tensor is taken in steps of at least this many bytes, as its bytes arrive.
const STEP: usize = 1 << 20;

/// Takes each tensor as its last byte arrives.
pub type OnTensor<'a, E> = dyn FnMut(&TensorInfo, Vec<u8>) -> Result<(), E> + 'a;

/// Takes the next bytes of a tensor as they arrive; its last are there when all of [`TensorInfo::bytes`] have come.
pub type OnPiece<'a, E> = dyn FnMut(&TensorInfo, &[u8]) -> Result<(), E> + 'a;

enum Stage {
    Header(Box<HeaderParser>),
    Data {
        header: Header,
        /// Padding still to pass over.
        skip: u64,
        /// The tensor that comes next or is arriving.
        index: usize,
        /// How many of its bytes have arrived.
        arrived: u64,
    },
    Stopped,
}

/// A tensor that is put together from its pieces. Memory is taken as the bytes arrive, or whole where the file's
/// length is known.
#[derive(Debug, Default)]
pub struct TensorBuffer {
    bytes: Vec<u8>,
    whole: bool,
}

impl TensorBuffer {
    /// Takes the next piece of the tensor that `info` describes; gives the tensor if this was its last.
    ///
    /// # Errors
    /// `Memory` where there is no room.
    pub fn push(&mut self, info: &TensorInfo, piece: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let no_memory = || Error::Memory {
            name: info.name.clone(),
            bytes: info.bytes,
        };
        let whole = usize::try_from(info.bytes).map_err(|_| no_memory())?;
        let filled = self.bytes.len() + piece.len();
        if self.bytes.capacity() < filled {
            let step = match self.whole {
                true => whole,
                false => filled.max(2 * self.bytes.len()).max(STEP),
            };
            self.bytes
                .try_reserve_exact(step.min(whole) - self.bytes.len())
                .map_err(|_| no_memory())?;
        }
        self.bytes.extend_from_slice(piece);
        Ok((filled == whole).then(|| std::mem::take(&mut self.bytes)))
    }
}

/// Decodes a GGUF that arrives in chunks of any size, holding no more than its header and one tensor.
pub struct Decoder {
    stage: Stage,
    received: u64,
    expected: Option<u64>,
    tensor: TensorBuffer,
}

impl Decoder {
    /// A decoder for one file.
    pub fn new(limits: Limits) -> Self {
        Self {
            stage: Stage::Header(Box::new(HeaderParser::new(limits))),
            received: 0,
            expected: None,
            tensor: TensorBuffer::default(),
        }
    }

    /// Tells how long the file is, where its source knows: then a header that contradicts it is refused at once, and
    /// a tensor's memory is taken whole.
    pub fn expect_bytes(mut self, bytes: u64) -> Self {
        self.expected = Some(bytes);
        self.tensor.whole = true;
        self
    }

    /// The header, as soon as it is complete.
    pub fn header(&self) -> Option<&Header> {
        match &self.stage {
            Stage::Data { header, .. } => Some(header),
            _ => None,
        }
    }

    /// Takes the text under a metadata key out of the header, once that is complete: a tokenizer's megabytes need not lie in
    /// memory until the last tensor has come.
    pub fn take_text(&mut self, key: &str) -> Option<String> {
        let Stage::Data { header, .. } = &mut self.stage else {
            return None;
        };
        header.text(key)?;
        match header.metadata.remove(key) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Bytes taken so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Takes the next bytes of the file, calling `on_tensor` for each tensor that they complete, in the file's order.
    /// After an error the decoder takes nothing more.
    pub fn push<E>(
        &mut self,
        chunk: &[u8],
        on_tensor: &mut OnTensor<'_, E>,
    ) -> Result<(), StreamError<E>> {
        let mut tensor = std::mem::take(&mut self.tensor);
        let result = self.forward(chunk, &mut |info, piece| match tensor.push(info, piece)? {
            Some(bytes) => on_tensor(info, bytes).map_err(StreamError::Consumer),
            None => Ok(()),
        });
        self.tensor = tensor;
        result
    }

    /// As [`Decoder::push`], for who puts tensors together or needs them in pieces only: holds nothing but the header.
    pub fn push_pieces<E>(
        &mut self,
        chunk: &[u8],
        on_piece: &mut OnPiece<'_, E>,
    ) -> Result<(), StreamError<E>> {
        self.forward(chunk, &mut |info, piece| {
            on_piece(info, piece).map_err(StreamError::Consumer)
        })
    }

    fn forward<E>(
        &mut self,
        chunk: &[u8],
        on_piece: &mut OnPiece<'_, StreamError<E>>,
    ) -> Result<(), StreamError<E>> {
        let result = self.advance(chunk, on_piece);
        match result {
            Ok(()) => self.received += chunk.len() as u64,
            Err(_) => self.stage = Stage::Stopped,
        }
        result
    }

    /// The header, if the file is complete.
    pub fn finish(self) -> Result<Header, Error> {
        match self.stage {
            Stage::Data {
                header,
                skip: 0,
                index,
                ..
            } if index == header.tensors.len() => Ok(header),
            Stage::Stopped => Err(Error::Stopped),
            _ => Err(Error::Truncated {
                received: self.received,
            }),
        }
    }

    fn advance<E>(
        &mut self,
        mut chunk: &[u8],
        on_piece: &mut OnPiece<'_, StreamError<E>>,
    ) -> Result<(), StreamError<E>> {
        if let Stage::Header(parser) = &mut self.stage {
            let (used, done) = parser.push(chunk)?;
            if !done {
                return Ok(());
            }
            chunk = &chunk[used..];
            self.begin_data()?;
        }
        let Stage::Data {
            header,
            skip,
            index,
            arrived,
        } = &mut self.stage
        else {
            return Err(Error::Stopped.into());
        };
        loop {
            let passed = usize::try_from(*skip)
                .unwrap_or(usize::MAX)
                .min(chunk.len());
            *skip -= passed as u64;
            chunk = &chunk[passed..];
            if chunk.is_empty() {
                return Ok(());
            }
            let Some(info) = header.tensors.get(*index) else {
                return Err(Error::TrailingBytes.into());
            };
            let missing = usize::try_from(info.bytes - *arrived).unwrap_or(usize::MAX);
            let (piece, rest) = chunk.split_at(chunk.len().min(missing));
            chunk = rest;
            *arrived += piece.len() as u64;
            on_piece(info, piece)?;
            if *arrived == info.bytes {
                *arrived = 0;
                *skip = info.bytes.next_multiple_of(header.alignment) - info.bytes;
                *index += 1;
            }
        }
    }

    fn begin_data(&mut self) -> Result<(), Error> {
        if let Stage::Header(parser) = std::mem::replace(&mut self.stage, Stage::Stopped) {
            let consumed = parser.consumed();
            let header = parser.into_header();
            let described = header.file_bytes();
            if let Some(actual) = self.expected.filter(|&actual| actual != described) {
                return Err(Error::Length { described, actual });
            }
            let skip = header.data_offset - consumed;
            self.stage = Stage::Data {
                header,
                skip,
                index: 0,
                arrived: 0,
            };
        }
        Ok(())
    }
}

/// Decodes a whole file from a reader.
pub fn read<R: io::Read, E>(
    mut reader: R,
    limits: Limits,
    mut on_tensor: impl FnMut(&TensorInfo, Vec<u8>) -> Result<(), E>,
) -> Result<Header, StreamError<E>> {
    let mut decoder = Decoder::new(limits);
    let mut buffer = vec![0; STEP];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(decoder.finish()?),
            Ok(count) => decoder.push(&buffer[..count], &mut on_tensor)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}
