//! The header: what it holds, how much of it is believed, and a parser that takes it piece by piece.

use std::collections::{BTreeMap, HashSet};

use crate::{Error, TensorType, Value, ValueType};

pub(crate) const MAGIC: &[u8; 4] = b"GGUF";
pub(crate) const ALIGNMENT_KEY: &str = "general.alignment";
pub(crate) const DEFAULT_ALIGNMENT: u64 = 32;

/// How many bytes of a chunk are looked at in one go, so that a whole file as one chunk is not copied.
const SLICE: usize = 64 << 10;

/// What a file may ask for before it is refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Memory that the metadata may take once decoded, in bytes.
    pub metadata_bytes: u64,
    /// Entries of metadata.
    pub metadata_entries: u64,
    /// Bytes of one text: the largest tokenizers of the field have about 20 MB.
    pub string_bytes: u64,
    /// Bytes of a key or a tensor's name.
    pub name_bytes: u64,
    /// Items of one array.
    pub array_items: u64,
    /// Arrays within arrays.
    pub array_depth: usize,
    /// Tensors in the file.
    pub tensors: u64,
    /// Dimensions of a tensor.
    pub dimensions: u32,
    /// Bytes of one tensor.
    pub tensor_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            metadata_bytes: 128 << 20,
            metadata_entries: 4096,
            string_bytes: 64 << 20,
            name_bytes: 1024,
            array_items: 1 << 20,
            array_depth: 4,
            tensors: 16384,
            dimensions: 4,
            tensor_bytes: i32::MAX as u64, // what wasm can allocate at once
        }
    }
}

/// One tensor's record in the header.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// The name, unique in the file.
    pub name: String,
    /// Row-major, outermost dimension first: the file's own order reversed.
    pub shape: Vec<usize>,
    /// The block format.
    pub ty: TensorType,
    /// Where the bytes begin, counted from [`Header::data_offset`].
    pub offset: u64,
    /// How many there are, without the padding behind them.
    pub bytes: u64,
}

/// Everything a file says before its tensors' bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// 2 or 3.
    pub version: u32,
    /// The metadata by key.
    pub metadata: BTreeMap<String, Value>,
    /// The tensors in the order of their bytes.
    pub tensors: Vec<TensorInfo>,
    /// Every tensor begins at a multiple of this.
    pub alignment: u64,
    /// Where the first tensor begins in the file.
    pub data_offset: u64,
}

impl Header {
    /// The length of the whole file, the padding after the last tensor included.
    pub fn file_bytes(&self) -> u64 {
        let data = self
            .tensors
            .last()
            .map_or(0, |last| last.offset + padded(last.bytes, self.alignment));
        self.data_offset + data
    }

    /// The record of the tensor with this name.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// The text under a metadata key.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.metadata.get(key)?.as_str()
    }
}

/// `bytes` rounded up; the callers keep both small enough not to overflow.
pub(crate) fn padded(bytes: u64, alignment: u64) -> u64 {
    bytes.next_multiple_of(alignment)
}

/// The alignment the metadata ask for.
pub(crate) fn alignment_of(metadata: &BTreeMap<String, Value>) -> Result<u64, Error> {
    match metadata.get(ALIGNMENT_KEY) {
        None => Ok(DEFAULT_ALIGNMENT),
        Some(value) => value
            .as_u64()
            .filter(|n| n.is_power_of_two() && *n <= 65536)
            .ok_or(Error::Alignment),
    }
}

/// Why a step stopped: the bytes it still needs, counted from the unread ones, or a fault.
enum Stop {
    More(usize),
    Bad(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Bad(error)
    }
}

/// A view of the bytes that have arrived and were not yet understood.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Stop> {
        let end = self.at.checked_add(count).ok_or(Stop::More(usize::MAX))?;
        let taken = self.bytes.get(self.at..end).ok_or(Stop::More(end))?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        Ok(self
            .take(N)?
            .try_into()
            .expect("take returns as many bytes as asked for"))
    }

    fn u32(&mut self) -> Result<u32, Stop> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Stop> {
        self.array().map(u64::from_le_bytes)
    }

    fn string(&mut self, limit: u64) -> Result<String, Stop> {
        let bytes = self.u64()?;
        let too_long = Error::StringTooLong { bytes };
        if bytes > limit {
            return Err(too_long.into());
        }
        let text = self.take(usize::try_from(bytes).map_err(|_| too_long)?)?;
        Ok(std::str::from_utf8(text)
            .map_err(|_| Error::Utf8)?
            .to_owned())
    }
}

/// An array whose items are still arriving.
struct OpenArray {
    ty: ValueType,
    left: u64,
    items: Vec<Value>,
}

/// What comes next in the file.
enum Stage {
    Preamble,
    Key,
    Value(ValueType),
    Tensor,
    Done,
}

/// Parses the header token by token: every byte is looked at a bounded number of times, however it is cut.
pub(crate) struct HeaderParser {
    limits: Limits,
    stage: Stage,
    /// Arrived and not yet understood.
    pending: Vec<u8>,
    /// The length that `pending` must reach before it's worth trying again.
    need: usize,
    /// Bytes understood so far.
    consumed: u64,
    version: u32,
    entries_left: u64,
    tensors_left: u64,
    key: String,
    open: Vec<OpenArray>,
    metadata: BTreeMap<String, Value>,
    metadata_bytes: u64,
    names: HashSet<String>,
    alignment: u64,
    data_end: u64,
    tensors: Vec<TensorInfo>,
}

impl HeaderParser {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            stage: Stage::Preamble,
            pending: Vec::new(),
            need: 4,
            consumed: 0,
            version: 0,
            entries_left: 0,
            tensors_left: 0,
            key: String::new(),
            open: Vec::new(),
            metadata: BTreeMap::new(),
            metadata_bytes: 0,
            names: HashSet::new(),
            alignment: DEFAULT_ALIGNMENT,
            data_end: 0,
            tensors: Vec::new(),
        }
    }

    /// Takes bytes from the chunk, at most to the header's end, and says how many, and whether that end is reached.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<(usize, bool), Error> {
        let mut used = 0;
        while !matches!(self.stage, Stage::Done) {
            if used == chunk.len() {
                return Ok((used, false));
            }
            let wanted = self.need.saturating_sub(self.pending.len()).max(SLICE);
            let slice = &chunk[used..used + wanted.min(chunk.len() - used)];
            self.pending.extend_from_slice(slice);
            used += slice.len();
            if self.pending.len() >= self.need {
                self.parse()?;
            }
        }
        // What is left lies in the last slice: before it came, the header's last token was incomplete.
        let rest = std::mem::take(&mut self.pending).len();
        Ok((used - rest, true))
    }

    /// The header, once `push` has said that its end is reached.
    pub(crate) fn into_header(self) -> Header {
        Header {
            version: self.version,
            metadata: self.metadata,
            tensors: self.tensors,
            alignment: self.alignment,
            data_offset: padded(self.consumed, self.alignment),
        }
    }

    /// Bytes of the header, without the padding behind it.
    pub(crate) fn consumed(&self) -> u64 {
        self.consumed
    }

    fn parse(&mut self) -> Result<(), Error> {
        let pending = std::mem::take(&mut self.pending);
        let mut read = 0;
        let result = loop {
            if matches!(self.stage, Stage::Done) {
                break Ok(());
            }
            let mut cursor = Cursor {
                bytes: &pending[read..],
                at: 0,
            };
            match self.step(&mut cursor) {
                Ok(()) => read += cursor.at,
                Err(Stop::More(need)) => {
                    self.need = need;
                    break Ok(());
                }
                Err(Stop::Bad(error)) => break Err(error),
            }
        };
        self.consumed += read as u64;
        self.pending = pending;
        self.pending.drain(..read);
        result
    }

    /// Understands one token, or leaves everything as it was.
    fn step(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        match self.stage {
            Stage::Preamble => self.preamble(cursor),
            Stage::Key => self.key(cursor),
            Stage::Value(ty) => self.value(cursor, ty),
            Stage::Tensor => self.tensor(cursor),
            Stage::Done => Ok(()),
        }
    }

    fn preamble(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        if cursor.take(4)? != MAGIC {
            return Err(Error::Magic.into());
        }
        self.version = cursor.u32()?;
        match self.version {
            2 | 3 => {}
            version if matches!(version.swap_bytes(), 1..=3) => return Err(Error::BigEndian.into()),
            version => return Err(Error::Version(version).into()),
        }
        self.tensors_left = cursor.u64()?;
        self.entries_left = cursor.u64()?;
        if self.tensors_left > self.limits.tensors {
            return Err(Error::TooManyTensors {
                count: self.tensors_left,
            }
            .into());
        }
        if self.entries_left > self.limits.metadata_entries {
            return Err(Error::TooManyEntries {
                count: self.entries_left,
            }
            .into());
        }
        Ok(self.next_entry()?)
    }

    fn next_entry(&mut self) -> Result<(), Error> {
        self.stage = Stage::Key;
        if self.entries_left == 0 {
            self.alignment = alignment_of(&self.metadata)?;
            self.next_tensor();
        }
        Ok(())
    }

    fn next_tensor(&mut self) {
        self.stage = if self.tensors_left == 0 {
            Stage::Done
        } else {
            Stage::Tensor
        };
    }

    /// Counts what a value takes in memory.
    fn charge(&mut self, text_bytes: usize) -> Result<(), Error> {
        self.metadata_bytes += (size_of::<Value>() + text_bytes) as u64;
        if self.metadata_bytes > self.limits.metadata_bytes {
            return Err(Error::MetadataTooLarge {
                limit: self.limits.metadata_bytes,
            });
        }
        Ok(())
    }

    fn value_type(&self, cursor: &mut Cursor<'_>, key: &str) -> Result<ValueType, Stop> {
        let id = cursor.u32()?;
        ValueType::from_id(id).ok_or_else(|| {
            Error::ValueType {
                key: key.to_owned(),
                id,
            }
            .into()
        })
    }

    fn key(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        let key = cursor.string(self.limits.name_bytes)?;
        let ty = self.value_type(cursor, &key)?;
        if self.metadata.contains_key(&key) {
            return Err(Error::DuplicateKey { key }.into());
        }
        self.charge(key.len())?;
        self.key = key;
        self.entries_left -= 1;
        self.stage = Stage::Value(ty);
        Ok(())
    }

    fn value(&mut self, cursor: &mut Cursor<'_>, ty: ValueType) -> Result<(), Stop> {
        let value = match ty {
            ValueType::U8 => Value::U8(cursor.array::<1>()?[0]),
            ValueType::I8 => Value::I8(i8::from_le_bytes(cursor.array()?)),
            ValueType::U16 => Value::U16(u16::from_le_bytes(cursor.array()?)),
            ValueType::I16 => Value::I16(i16::from_le_bytes(cursor.array()?)),
            ValueType::U32 => Value::U32(cursor.u32()?),
            ValueType::I32 => Value::I32(i32::from_le_bytes(cursor.array()?)),
            ValueType::F32 => Value::F32(f32::from_le_bytes(cursor.array()?)),
            ValueType::Bool => match cursor.array::<1>()?[0] {
                byte @ 0..=1 => Value::Bool(byte == 1),
                byte => {
                    return Err(Error::Bool {
                        key: self.key.clone(),
                        byte,
                    }
                    .into());
                }
            },
            ValueType::String => Value::String(cursor.string(self.limits.string_bytes)?),
            ValueType::U64 => Value::U64(cursor.u64()?),
            ValueType::I64 => Value::I64(i64::from_le_bytes(cursor.array()?)),
            ValueType::F64 => Value::F64(f64::from_le_bytes(cursor.array()?)),
            ValueType::Array => {
                let ty = self.value_type(cursor, &self.key)?;
                let left = cursor.u64()?;
                if left > self.limits.array_items {
                    return Err(Error::ArrayTooLong {
                        key: self.key.clone(),
                        items: left,
                    }
                    .into());
                }
                if self.open.len() == self.limits.array_depth {
                    return Err(Error::NestedTooDeep {
                        key: self.key.clone(),
                        depth: self.open.len() + 1,
                    }
                    .into());
                }
                self.charge(0)?;
                self.open.push(OpenArray {
                    ty,
                    left,
                    items: Vec::new(),
                });
                return Ok(self.close_arrays()?);
            }
        };
        self.charge(value.as_str().map_or(0, str::len))?;
        self.place(value);
        Ok(self.close_arrays()?)
    }

    /// Puts a finished value into the innermost open array, or under its key.
    fn place(&mut self, value: Value) {
        match self.open.last_mut() {
            Some(array) => {
                array.items.push(value);
                array.left -= 1;
            }
            None => {
                self.metadata.insert(std::mem::take(&mut self.key), value);
            }
        }
    }

    /// Closes the arrays that are complete, and says what comes next.
    fn close_arrays(&mut self) -> Result<(), Error> {
        while let Some(array) = self.open.pop_if(|array| array.left == 0) {
            self.place(Value::Array(array.ty, array.items));
        }
        match self.open.last() {
            Some(array) => self.stage = Stage::Value(array.ty),
            None => self.next_entry()?,
        }
        Ok(())
    }

    fn tensor(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        let name = cursor.string(self.limits.name_bytes)?;
        let dimensions = cursor.u32()?;
        if dimensions == 0 || dimensions > self.limits.dimensions {
            return Err(Error::Dimensions {
                name,
                dimensions,
                limit: self.limits.dimensions,
            }
            .into());
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            let dimension = cursor.u64()?;
            let Ok(dimension) = usize::try_from(dimension) else {
                return Err(Error::TensorTooLarge { name }.into());
            };
            shape.push(dimension);
        }
        shape.reverse();
        let id = cursor.u32()?;
        let offset = cursor.u64()?;
        let Some(ty) = TensorType::from_id(id) else {
            return Err(Error::TensorType { name, id }.into());
        };
        let info = describe(name, shape, ty, &self.limits)?;
        self.place_tensor(TensorInfo { offset, ..info })?;
        self.tensors_left -= 1;
        self.next_tensor();
        Ok(())
    }

    fn place_tensor(&mut self, tensor: TensorInfo) -> Result<(), Error> {
        let TensorInfo {
            name,
            offset,
            bytes,
            ..
        } = &tensor;
        let (name, offset, end, alignment) = (name.clone(), *offset, self.data_end, self.alignment);
        if !offset.is_multiple_of(alignment) {
            return Err(Error::Unaligned {
                name,
                offset,
                alignment,
            });
        }
        // Every writer of the format packs the tensors: anything else hides bytes, or uses some twice.
        if offset < end {
            return Err(Error::Overlap { name, offset, end });
        }
        if offset > end {
            return Err(Error::Gap { name, offset, end });
        }
        // Cannot overflow: both the number of tensors and the bytes of each are limited.
        self.data_end += padded(*bytes, alignment);
        if !self.names.insert(name.clone()) {
            return Err(Error::DuplicateTensor { name });
        }
        self.tensors.push(tensor);
        Ok(())
    }
}

/// A record at offset 0 of a tensor that the limits allow, with its size.
pub(crate) fn describe(
    name: String,
    shape: Vec<usize>,
    ty: TensorType,
    limits: &Limits,
) -> Result<TensorInfo, Error> {
    let name_bytes = name.len() as u64;
    if name_bytes > limits.name_bytes {
        return Err(Error::StringTooLong { bytes: name_bytes });
    }
    let dimensions = u32::try_from(shape.len()).unwrap_or(u32::MAX);
    if dimensions == 0 || dimensions > limits.dimensions {
        return Err(Error::Dimensions {
            name,
            dimensions,
            limit: limits.dimensions,
        });
    }
    if shape.contains(&0) {
        return Err(Error::ZeroDimension { name });
    }
    let columns = shape[shape.len() - 1];
    if !columns.is_multiple_of(ty.block_len()) {
        return Err(Error::Blocks { name, columns, ty });
    }
    match ty.bytes_of(&shape) {
        Some(bytes) if bytes <= limits.tensor_bytes => Ok(TensorInfo {
            name,
            shape,
            ty,
            offset: 0,
            bytes,
        }),
        _ => Err(Error::TensorTooLarge { name }),
    }
}
