//! Writing: the header and every offset from shapes and types alone, then the tensors one by one.

use std::collections::{BTreeMap, HashSet};
use std::io;

use crate::header::{MAGIC, alignment_of, describe, padded};
use crate::{Error, Header, Limits, StreamError, TensorType, Value, ValueType};

/// A file without its tensors' contents: what to write first, and what goes where.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    header: Header,
    bytes: Vec<u8>,
}

impl Layout {
    /// Lays out a version 3 file with these tensors (name, row-major shape, type) in this order.
    pub fn new(
        metadata: BTreeMap<String, Value>,
        tensors: Vec<(String, Vec<usize>, TensorType)>,
    ) -> Result<Self, Error> {
        let limits = Limits {
            metadata_bytes: u64::MAX,
            tensor_bytes: u64::MAX >> 16,
            ..Limits::default()
        };
        let alignment = alignment_of(&metadata)?;
        if tensors.len() as u64 > limits.tensors {
            return Err(Error::TooManyTensors {
                count: tensors.len() as u64,
            });
        }
        let mut names = HashSet::new();
        let mut infos = Vec::with_capacity(tensors.len());
        let mut offset = 0;
        for (name, shape, ty) in tensors {
            if !names.insert(name.clone()) {
                return Err(Error::DuplicateTensor { name });
            }
            let mut info = describe(name, shape, ty, &limits)?;
            info.offset = offset;
            // Cannot overflow: at most 2^14 tensors of less than 2^48 bytes.
            offset += padded(info.bytes, alignment);
            infos.push(info);
        }
        let mut header = Header {
            version: 3,
            metadata,
            tensors: infos,
            alignment,
            data_offset: 0,
        };
        let mut bytes = encode(&header)?;
        header.data_offset = padded(bytes.len() as u64, alignment);
        bytes.resize(bytes.len().next_multiple_of(alignment as usize), 0);
        Ok(Self { header, bytes })
    }

    /// The header as a decoder will report it.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The file's first bytes, up to where the first tensor begins.
    pub fn header_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many zero bytes follow the tensor at this place in [`Header::tensors`].
    pub fn padding_after(&self, index: usize) -> usize {
        let bytes = self
            .header
            .tensors
            .get(index)
            .map_or(0, |tensor| tensor.bytes);
        (padded(bytes, self.header.alignment) - bytes) as usize // less than the alignment
    }
}

fn encode(header: &Header) -> Result<Vec<u8>, Error> {
    let mut out = MAGIC.to_vec();
    out.extend(header.version.to_le_bytes());
    out.extend((header.tensors.len() as u64).to_le_bytes());
    out.extend((header.metadata.len() as u64).to_le_bytes());
    for (key, value) in &header.metadata {
        string(&mut out, key);
        out.extend((value.value_type() as u32).to_le_bytes());
        encode_value(&mut out, key, value)?;
    }
    for tensor in &header.tensors {
        string(&mut out, &tensor.name);
        out.extend((tensor.shape.len() as u32).to_le_bytes());
        for &dimension in tensor.shape.iter().rev() {
            out.extend((dimension as u64).to_le_bytes());
        }
        out.extend(tensor.ty.id().to_le_bytes());
        out.extend(tensor.offset.to_le_bytes());
    }
    Ok(out)
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn encode_value(out: &mut Vec<u8>, key: &str, value: &Value) -> Result<(), Error> {
    match value {
        Value::U8(n) => out.extend(n.to_le_bytes()),
        Value::I8(n) => out.extend(n.to_le_bytes()),
        Value::U16(n) => out.extend(n.to_le_bytes()),
        Value::I16(n) => out.extend(n.to_le_bytes()),
        Value::U32(n) => out.extend(n.to_le_bytes()),
        Value::I32(n) => out.extend(n.to_le_bytes()),
        Value::F32(x) => out.extend(x.to_le_bytes()),
        Value::Bool(truth) => out.push((*truth).into()),
        Value::String(text) => string(out, text),
        Value::U64(n) => out.extend(n.to_le_bytes()),
        Value::I64(n) => out.extend(n.to_le_bytes()),
        Value::F64(x) => out.extend(x.to_le_bytes()),
        Value::Array(ty, items) => encode_array(out, key, *ty, items)?,
    }
    Ok(())
}

fn encode_array(out: &mut Vec<u8>, key: &str, ty: ValueType, items: &[Value]) -> Result<(), Error> {
    out.extend((ty as u32).to_le_bytes());
    out.extend((items.len() as u64).to_le_bytes());
    for item in items {
        if item.value_type() != ty {
            return Err(Error::MixedArray {
                key: key.to_owned(),
            });
        }
        encode_value(out, key, item)?;
    }
    Ok(())
}

/// Writes a laid-out file in one pass: each tensor as it is ready, in the layout's order.
pub struct Writer<W> {
    layout: Layout,
    out: W,
    written: usize,
}

impl<W: io::Write> Writer<W> {
    /// Writes the header.
    pub fn new(layout: Layout, mut out: W) -> io::Result<Self> {
        out.write_all(layout.header_bytes())?;
        Ok(Self {
            layout,
            out,
            written: 0,
        })
    }

    /// Writes the next tensor and the padding behind it.
    pub fn tensor(
        &mut self,
        name: &str,
        bytes: &[u8],
    ) -> Result<(), StreamError<std::convert::Infallible>> {
        let Some(info) = self
            .layout
            .header
            .tensors
            .get(self.written)
            .filter(|info| info.name == name)
        else {
            return Err(Error::UnexpectedTensor {
                name: name.to_owned(),
            }
            .into());
        };
        if info.bytes != bytes.len() as u64 {
            let (expected, actual) = (info.bytes, bytes.len() as u64);
            return Err(Error::TensorBytes {
                name: name.to_owned(),
                expected,
                actual,
            }
            .into());
        }
        self.out.write_all(bytes)?;
        self.out
            .write_all(&vec![0; self.layout.padding_after(self.written)])?;
        self.written += 1;
        Ok(())
    }

    /// Flushes, and gives the sink back, if every tensor has been written.
    pub fn finish(mut self) -> Result<W, StreamError<std::convert::Infallible>> {
        match self.layout.header.tensors.len() - self.written {
            0 => {
                self.out.flush()?;
                Ok(self.out)
            }
            missing => Err(Error::MissingTensors { missing }.into()),
        }
    }
}
