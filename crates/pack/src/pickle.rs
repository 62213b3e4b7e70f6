//! PyTorch's zip files: the pickle inside is read as data, and nothing that it names is ever called.
//!
//! A pickle is a program for a stack machine. This one knows the operations that a dictionary of tensors takes, and
//! instead of calling what the pickle wants called, it knows what the few harmless names mean: everything else is
//! refused by its name.
//!
//! Operations: <https://github.com/python/cpython/blob/3.13/Lib/pickletools.py>

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::checkpoint::{Dtype, Place, Stored};
use crate::read_at::ReadAt;
use crate::zip_entry::{ZipEntry, entries};
use crate::{Error, PickleFault as Fault};

/// Pickles have a few hundred bytes a tensor.
const PICKLE_LIMIT: u64 = 4 << 20;

/// Objects made, values on the stack, values remembered: ten times what a pickle of that length needs, where a byte
/// could be made to cost a hundred.
const VALUE_LIMIT: usize = 1 << 18;

/// Views of one storage that may cover it whole: tied weights are saved as two or four views of the same values.
const VIEW_LIMIT: usize = 8;

/// A name or a shape that is longer is no tensor's, and naming it again and again would multiply it.
const NAME_LIMIT: usize = 1024;
const DIMENSION_LIMIT: usize = 8;

/// The tensors of one file, which is number `file` of the checkpoint.
pub(crate) fn tensors(source: &dyn ReadAt, name: &str, file: usize) -> Result<Vec<Stored>, Error> {
    read(source, file).map_err(|fault| Error::Pickle {
        file: name.to_owned(),
        fault,
    })
}

fn read(source: &dyn ReadAt, file: usize) -> Result<Vec<Stored>, Fault> {
    let entries = entries(source).map_err(|error| Fault::Zip(error.to_string()))?;
    let (folder, pickle) = entries
        .iter()
        .find_map(|(name, entry)| Some((name.strip_suffix("data.pkl")?, entry)))
        .ok_or(Fault::NoPickle)?;
    if pickle.bytes > PICKLE_LIMIT {
        return Err(Fault::TooLong {
            bytes: pickle.bytes,
        });
    }
    let bytes_of = |entry: &ZipEntry| {
        let within = Some(entry).filter(|entry| entry.stored); // and limited by the callers
        within
            .and_then(|entry| entry.read(source).ok())
            .ok_or(Fault::Malformed)
    };
    if let Some(order) = entries
        .get(&format!("{folder}byteorder"))
        .filter(|entry| entry.bytes < 16)
        && bytes_of(order)? == b"big"
    {
        return Err(Fault::BigEndian);
    }
    let mut tensors = Vec::new();
    let mut viewed: HashMap<Rc<str>, usize> = HashMap::new();
    for (name, tensor) in Machine::new(&bytes_of(pickle)?).run()? {
        let key = &tensor.storage.key;
        let storage = entries.get(&format!("{folder}data/{key}"));
        let needed = tensor
            .storage
            .elements
            .checked_mul(tensor.storage.dtype.bytes());
        let storage = storage
            .filter(|entry| {
                entry.stored && needed.is_some_and(|needed| needed as u64 <= entry.bytes)
            })
            .ok_or_else(|| Fault::Storage {
                key: key.to_string(),
            })?;
        let (key, elements) = (key.clone(), tensor.storage.elements);
        let tensor = tensor.place(name, *storage, file)?;
        // A small file must not become a large model by naming the same values again and again.
        let viewed = viewed.entry(key).or_default();
        *viewed = viewed.saturating_add(tensor.elements());
        if *viewed / VIEW_LIMIT > elements {
            return Err(Fault::Extent { name: tensor.name });
        }
        tensors.push(tensor);
    }
    Ok(tensors)
}

/// A storage that the pickle refers to.
#[derive(Clone)]
struct Storage {
    dtype: Dtype,
    /// Shared by all that views it.
    key: Rc<str>,
    elements: usize,
}

/// A view of a storage.
#[derive(Clone)]
struct Tensor {
    storage: Storage,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl Tensor {
    /// Checks that every value lies in the storage.
    fn place(self, name: String, entry: ZipEntry, file: usize) -> Result<Stored, Fault> {
        let Self {
            storage,
            offset,
            shape,
            strides,
        } = self;
        let elements = shape
            .iter()
            .try_fold(1usize, |product, &n| product.checked_mul(n));
        let last = shape
            .iter()
            .zip(&strides)
            .try_fold(offset, |last, (&n, &stride)| {
                last.checked_add(n.checked_sub(1)?.checked_mul(stride)?)
            });
        // A view that has more values than its storage repeats some: a way to make a large tensor of a small file.
        let sound = shape.len() == strides.len()
            && elements.is_some_and(|elements| elements <= storage.elements)
            && last.is_some_and(|last| last < storage.elements);
        if !sound {
            return Err(Fault::Extent { name });
        }
        let packed = is_row_major(&shape, &strides);
        let offset = (offset * storage.dtype.bytes()) as u64;
        let strides = (!packed).then_some(strides);
        Ok(Stored {
            name,
            dtype: storage.dtype,
            shape,
            file,
            place: Place::InEntry { entry, offset },
            strides,
        })
    }
}

fn is_row_major(shape: &[usize], strides: &[usize]) -> bool {
    let mut step = 1;
    shape.iter().zip(strides).rev().all(|(&n, &stride)| {
        let fits = n == 1 || stride == step;
        step *= n;
        fits
    })
}

/// The names that a dictionary of tensors needs.
#[derive(Clone, Copy)]
enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Dtype),
}

impl Global {
    fn named(module: &str, name: &str) -> Result<Self, Fault> {
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", "FloatStorage") => Self::Storage(Dtype::F32),
            ("torch", "HalfStorage") => Self::Storage(Dtype::F16),
            ("torch", "BFloat16Storage") => Self::Storage(Dtype::BF16),
            ("torch", "DoubleStorage") => Self::Storage(Dtype::F64),
            ("torch", "ByteStorage" | "CharStorage" | "BoolStorage") => {
                Self::Storage(Dtype::Integer(1))
            }
            ("torch", "ShortStorage") => Self::Storage(Dtype::Integer(2)),
            ("torch", "IntStorage") => Self::Storage(Dtype::Integer(4)),
            ("torch", "LongStorage") => Self::Storage(Dtype::Integer(8)),
            _ => {
                return Err(Fault::Forbidden {
                    name: format!("{module}.{name}"),
                });
            }
        })
    }
}

/// A value on the stack. Objects live in one list and are named by their place in it, so that a pickle can neither
/// build a deep tree to be dropped recursively nor a cycle that is never dropped.
#[derive(Clone, Copy)]
enum Value {
    /// None, a float, bytes: nothing that a tensor is made of.
    Other,
    Bool,
    Int(i64),
    Global(Global),
    Object(usize),
}

enum Object {
    Text(String),
    Tuple(Vec<Value>),
    List,
    Dict(Vec<(Value, Value)>),
    Storage(Storage),
    Tensor(Tensor),
}

struct Machine<'a> {
    code: &'a [u8],
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    objects: Vec<Object>,
}

impl<'a> Machine<'a> {
    fn new(code: &'a [u8]) -> Self {
        Self {
            code,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            objects: Vec::new(),
        }
    }

    /// Runs to the end; the result must be a dictionary, whose tensors are returned by name.
    fn run(mut self) -> Result<Vec<(String, Tensor)>, Fault> {
        loop {
            match self.byte()? {
                b'.' => break,
                opcode => self.operate(opcode)?,
            }
        }
        let Value::Object(root) = self.pop()? else {
            return Err(Fault::NoTensors);
        };
        let Object::Dict(items) = &self.objects[root] else {
            return Err(Fault::NoTensors);
        };
        let mut tensors = BTreeMap::new(); // as in Python, the last of equal keys counts
        for &(key, value) in items {
            if let (Some(Object::Text(name)), Some(Object::Tensor(tensor))) =
                (self.object(key), self.object(value))
                && name.len() <= NAME_LIMIT
            {
                tensors.insert(name.as_str(), tensor);
            }
        }
        let tensors: Vec<_> = tensors
            .into_iter()
            .map(|(name, tensor)| (name.to_owned(), tensor.clone()))
            .collect();
        if tensors.is_empty() {
            Err(Fault::NoTensors)
        } else {
            Ok(tensors)
        }
    }

    fn operate(&mut self, opcode: u8) -> Result<(), Fault> {
        match opcode {
            0x80 => drop(self.take(1)?),               // PROTO
            0x95 => drop(self.take(8)?),               // FRAME
            b'(' => self.marks.push(self.stack.len()), // MARK
            b'0' => drop(self.pop()?),                 // POP
            b'1' => drop(self.pop_to_mark()?),         // POP_MARK
            b'N' => self.stack.push(Value::Other),     // NONE
            b'G' => {
                self.take(8)?; // BINFLOAT
                self.stack.push(Value::Other);
            }
            0x88 | 0x89 => self.stack.push(Value::Bool), // NEWTRUE, NEWFALSE
            b'K' => self.int(1)?,                        // BININT1
            b'M' => self.int(2)?,                        // BININT2
            b'J' => {
                let value = i32::from_le_bytes(self.array()?); // BININT
                self.stack.push(Value::Int(value.into()));
            }
            0x8a => {
                let length = self.byte()?; // LONG1
                self.long(length.into())?;
            }
            b'X' => self.text(4)?,                        // BINUNICODE
            0x8c => self.text(1)?,                        // SHORT_BINUNICODE
            0x8d => self.text(8)?,                        // BINUNICODE8
            b'C' => self.opaque(1)?,                      // SHORT_BINBYTES
            b'U' => self.text(1)?,                        // SHORT_BINSTRING
            b')' => self.push(Object::Tuple(Vec::new())), // EMPTY_TUPLE
            0x85..=0x87 => {
                let items = self.pop_last(usize::from(opcode - 0x84))?; // TUPLE1, TUPLE2, TUPLE3
                self.push(Object::Tuple(items));
            }
            b't' => {
                let items = self.pop_to_mark()?; // TUPLE
                self.push(Object::Tuple(items));
            }
            b']' => self.push(Object::List),   // EMPTY_LIST
            b'a' => drop(self.pop()?),         // APPEND: no list matters here, its items are let go
            b'e' => drop(self.pop_to_mark()?), // APPENDS
            b'}' => self.push(Object::Dict(Vec::new())), // EMPTY_DICT
            b's' => {
                let items = self.pop_last(2)?; // SETITEM
                self.set_items(&items)?;
            }
            b'u' => {
                let items = self.pop_to_mark()?; // SETITEMS
                self.set_items(&items)?;
            }
            b'q' => {
                let index = self.byte()?; // BINPUT
                self.put(index.into())?;
            }
            b'r' => {
                let index = u32::from_le_bytes(self.array()?); // LONG_BINPUT
                self.put(index)?;
            }
            0x94 => self.put(u32::try_from(self.memo.len()).map_err(|_| Fault::Malformed)?)?, // MEMOIZE
            b'h' => {
                let index = self.byte()?; // BINGET
                self.get(index.into())?;
            }
            b'j' => {
                let index = u32::from_le_bytes(self.array()?); // LONG_BINGET
                self.get(index)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?); // GLOBAL
                self.stack
                    .push(Value::Global(Global::named(&module, &name)?));
            }
            0x93 => self.stack_global()?,  // STACK_GLOBAL
            b'Q' => self.persistent_id()?, // BINPERSID
            b'R' => self.reduce()?,        // REDUCE
            b'b' => {
                self.pop()?; // BUILD: attributes such as an OrderedDict's _metadata, which nothing here reads
                self.top()?;
            }
            opcode => return Err(Fault::Opcode { opcode }),
        }
        let most = [
            self.objects.len(),
            self.stack.len(),
            self.marks.len(),
            self.memo.len(),
        ];
        match most.into_iter().all(|values| values <= VALUE_LIMIT) {
            true => Ok(()),
            false => Err(Fault::Malformed),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.code.split_at_checked(count).ok_or(Fault::Malformed)?;
        self.code = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        Ok(self
            .take(N)?
            .try_into()
            .expect("take returns as many bytes as asked for"))
    }

    /// A little-endian number of up to eight bytes.
    fn number(&mut self, width: usize) -> Result<u64, Fault> {
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(self.take(width)?);
        Ok(u64::from_le_bytes(bytes))
    }

    fn int(&mut self, width: usize) -> Result<(), Fault> {
        let value = self.number(width)? as i64; // one or two bytes
        self.stack.push(Value::Int(value));
        Ok(())
    }

    /// A two's complement integer of some length; one beyond 64 bits is no shape or offset.
    fn long(&mut self, width: usize) -> Result<(), Fault> {
        let bytes = self.take(width)?;
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        let value = match width {
            0..=8 => {
                wide[..width].copy_from_slice(bytes);
                Value::Int(i64::from_le_bytes(wide))
            }
            _ => Value::Other,
        };
        self.stack.push(value);
        Ok(())
    }

    fn text(&mut self, width: usize) -> Result<(), Fault> {
        let length = usize::try_from(self.number(width)?).map_err(|_| Fault::Malformed)?;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| Fault::Malformed)?;
        self.push(Object::Text(text.to_owned()));
        Ok(())
    }

    fn opaque(&mut self, width: usize) -> Result<(), Fault> {
        let length = usize::try_from(self.number(width)?).map_err(|_| Fault::Malformed)?;
        self.take(length)?;
        self.stack.push(Value::Other);
        Ok(())
    }

    fn line(&mut self) -> Result<String, Fault> {
        let length = self
            .code
            .iter()
            .take(NAME_LIMIT + 1)
            .position(|&byte| byte == b'\n');
        let line = self.take(length.ok_or(Fault::Malformed)?)?;
        self.take(1)?;
        Ok(String::from_utf8_lossy(line).into_owned())
    }

    fn push(&mut self, object: Object) {
        self.stack.push(Value::Object(self.objects.len()));
        self.objects.push(object);
    }

    fn object(&self, value: Value) -> Option<&Object> {
        match value {
            Value::Object(index) => self.objects.get(index),
            _ => None,
        }
    }

    /// What lies above the innermost mark may be popped; what is below it may not.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Value, Fault> {
        if self.stack.len() == self.floor() {
            return Err(Fault::Malformed);
        }
        self.stack.pop().ok_or(Fault::Malformed)
    }

    fn top(&self) -> Result<Value, Fault> {
        self.stack.last().copied().ok_or(Fault::Malformed)
    }

    fn pop_last(&mut self, count: usize) -> Result<Vec<Value>, Fault> {
        let begin = self
            .stack
            .len()
            .checked_sub(count)
            .filter(|&begin| begin >= self.floor());
        Ok(self.stack.split_off(begin.ok_or(Fault::Malformed)?))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, Fault> {
        let mark = self.marks.pop().ok_or(Fault::Malformed)?;
        Ok(self.stack.split_off(mark))
    }

    fn put(&mut self, index: u32) -> Result<(), Fault> {
        self.memo.insert(index, self.top()?);
        Ok(())
    }

    fn get(&mut self, index: u32) -> Result<(), Fault> {
        self.stack
            .push(*self.memo.get(&index).ok_or(Fault::Malformed)?);
        Ok(())
    }

    fn set_items(&mut self, items: &[Value]) -> Result<(), Fault> {
        let Value::Object(dict) = self.top()? else {
            return Err(Fault::Malformed);
        };
        let (Object::Dict(dict), []) = (&mut self.objects[dict], items.as_chunks::<2>().1) else {
            return Err(Fault::Malformed);
        };
        dict.extend(
            items
                .as_chunks::<2>()
                .0
                .iter()
                .map(|&[key, value]| (key, value)),
        );
        Ok(())
    }

    fn stack_global(&mut self) -> Result<(), Fault> {
        let names = self.pop_last(2)?;
        let (Some(Object::Text(module)), Some(Object::Text(name))) =
            (self.object(names[0]), self.object(names[1]))
        else {
            return Err(Fault::Malformed);
        };
        if module.len().max(name.len()) > NAME_LIMIT {
            return Err(Fault::Malformed);
        }
        let global = Global::named(module, name)?;
        self.stack.push(Value::Global(global));
        Ok(())
    }

    /// `("storage", type, key, device, elements)` names the bytes of a storage.
    fn persistent_id(&mut self) -> Result<(), Fault> {
        let id = self.pop()?;
        let Some(Object::Tuple(id)) = self.object(id) else {
            return Err(Fault::Malformed);
        };
        let &[
            kind,
            Value::Global(Global::Storage(dtype)),
            key,
            _device,
            Value::Int(elements),
        ] = &id[..]
        else {
            return Err(Fault::Malformed);
        };
        let (Some(Object::Text(kind)), Some(Object::Text(key))) =
            (self.object(kind), self.object(key))
        else {
            return Err(Fault::Malformed);
        };
        if kind != "storage" || key.len() > NAME_LIMIT {
            return Err(Fault::Malformed);
        }
        let elements = usize::try_from(elements).map_err(|_| Fault::Malformed)?;
        let storage = Storage {
            dtype,
            key: key.as_str().into(),
            elements,
        };
        self.push(Object::Storage(storage));
        Ok(())
    }

    /// What the known calls would have made.
    fn reduce(&mut self) -> Result<(), Fault> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let Some(Object::Tuple(arguments)) = self.object(arguments) else {
            return Err(Fault::Malformed);
        };
        let made = match (callable, &arguments[..]) {
            (Value::Global(Global::OrderedDict), []) => Object::Dict(Vec::new()),
            (Value::Global(Global::RebuildParameter), &[tensor, ..]) => match self.object(tensor) {
                Some(Object::Tensor(tensor)) => Object::Tensor(tensor.clone()),
                _ => return Err(Fault::Malformed),
            },
            (
                Value::Global(Global::RebuildTensor),
                &[storage, Value::Int(offset), shape, strides, ..],
            ) => {
                let Some(Object::Storage(storage)) = self.object(storage) else {
                    return Err(Fault::Malformed);
                };
                Object::Tensor(Tensor {
                    storage: storage.clone(),
                    offset: usize::try_from(offset).map_err(|_| Fault::Malformed)?,
                    shape: self.sizes(shape)?,
                    strides: self.sizes(strides)?,
                })
            }
            _ => return Err(Fault::Malformed),
        };
        self.push(made);
        Ok(())
    }

    fn sizes(&self, tuple: Value) -> Result<Vec<usize>, Fault> {
        let Some(Object::Tuple(sizes)) = self.object(tuple) else {
            return Err(Fault::Malformed);
        };
        if sizes.len() > DIMENSION_LIMIT {
            return Err(Fault::Malformed);
        }
        let size = |&size| match size {
            Value::Int(size) => usize::try_from(size).map_err(|_| Fault::Malformed),
            _ => Err(Fault::Malformed),
        };
        sizes.iter().map(size).collect()
    }
}
