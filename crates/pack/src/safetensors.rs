//! The header of a safetensors file: names, types, shapes and places, believed only where the file bears them out.
//!
//! Format: <https://github.com/huggingface/safetensors#format>

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};

use crate::checkpoint::{Dtype, Place, Stored};
use crate::read_at::ReadAt;
use crate::{Error, SafetensorsFault as Fault};

/// Headers have about a hundred bytes a tensor.
const HEADER_LIMIT: u64 = 4 << 20;
const NAME_LIMIT: usize = 1024;

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// The entries by name; a name that comes twice is an error.
struct Header(BTreeMap<String, Entry>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tensors by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    if name.len() > NAME_LIMIT {
                        return Err(A::Error::custom("a name is longer than any tensor's"));
                    }
                    let entry = map.next_value()?;
                    if let Some(_twice) = entries.insert(name.clone(), entry) {
                        return Err(A::Error::custom(format_args!(
                            "the tensor {name:?} comes twice"
                        )));
                    }
                }
                Ok(Header(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// The tensors of one file, which is number `file` of the checkpoint.
pub(crate) fn tensors(source: &dyn ReadAt, name: &str, file: usize) -> Result<Vec<Stored>, Error> {
    let unsound = |fault| Error::Safetensors {
        file: name.to_owned(),
        fault,
    };
    let unread = |source| Error::Read {
        file: name.to_owned(),
        source,
    };
    if source.len() < 8 {
        return Err(unsound(Fault::TooShort));
    }
    let mut length = [0; 8];
    source.read_at(0, &mut length).map_err(unread)?;
    let bytes = u64::from_le_bytes(length);
    if bytes > HEADER_LIMIT.min(source.len() - 8) {
        return Err(unsound(Fault::HeaderLength { bytes }));
    }
    let mut header = vec![0; bytes as usize]; // within the limit, and the file is that long
    source.read_at(8, &mut header).map_err(unread)?;
    let Header(entries) =
        serde_json::from_slice(&header).map_err(|error| unsound(Fault::Json(error.to_string())))?;
    place(entries, 8 + bytes, source.len(), file).map_err(unsound)
}

/// Checks that the tensors fill the file from `data` to its end, each once.
fn place(
    entries: BTreeMap<String, Entry>,
    data: u64,
    len: u64,
    file: usize,
) -> Result<Vec<Stored>, Fault> {
    let mut entries: Vec<_> = entries.into_iter().collect();
    entries.sort_by_key(|(_, entry)| entry.data_offsets);
    let mut end = 0;
    let mut tensors = Vec::with_capacity(entries.len());
    for (
        name,
        Entry {
            dtype,
            shape,
            data_offsets: [first, last],
        },
    ) in entries
    {
        let Some(dtype) = Dtype::from_safetensors(&dtype) else {
            return Err(Fault::Dtype { name, dtype });
        };
        if first != end {
            return Err(Fault::Place { name });
        }
        let sized = shape
            .iter()
            .try_fold(dtype.bytes() as u64, |bytes, &n| bytes.checked_mul(n));
        if last < first || sized != Some(last - first) || last > len - data {
            return Err(Fault::Size { name });
        }
        let dims = shape
            .iter()
            .map(|&n| usize::try_from(n))
            .collect::<Result<Vec<_>, _>>();
        // A tensor of nothing has no place in a model, nor one that this machine's memory could not address.
        let addressable = usize::try_from(last - first).is_ok() && last > first;
        let (Ok(shape), true) = (dims, addressable) else {
            return Err(Fault::Size { name });
        };
        end = last;
        tensors.push(Stored {
            name,
            dtype,
            shape,
            file,
            place: Place::At(data + first),
            strides: None,
        });
    }
    if end != len - data {
        return Err(Fault::Length {
            described: data + end,
            actual: len,
        });
    }
    Ok(tensors)
}
