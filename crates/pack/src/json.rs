//! JSON from outside: bounded in size by the reader, in depth by `serde_json`, and never a surprise about its type.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::Error;
use crate::read_at::{Folder, text};

/// Configurations have a few kilobytes, or a megabyte where thousands of labels are listed. A byte of JSON can cost a
/// hundred once it is parsed.
const CONFIG_LIMIT: u64 = 2 << 20;

/// A JSON object, as text and parsed.
pub(crate) struct Object {
    pub text: String,
    pub fields: Map<String, Value>,
}

impl Object {
    /// Reads a file that must hold a JSON object, if it's there.
    pub fn read(folder: &dyn Folder, file: &str) -> Result<Option<Self>, Error> {
        let Some(text) = text(folder, file, CONFIG_LIMIT)? else {
            return Ok(None);
        };
        let fields = parse(file, &text)?;
        Ok(Some(Self { text, fields }))
    }

    /// A text field.
    pub fn str(&self, key: &str) -> Option<&str> {
        self.fields.get(key)?.as_str()
    }
}

/// JSON of any form, kept nowhere, and nested no deeper than whoever reads it next can follow: `IgnoredAny` knows no depth.
pub(crate) struct Shallow;

impl<'de> Deserialize<'de> for Shallow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Shallow {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while let Some(Self) = items.next_element()? {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        while let Some((Self, Self)) = entries.next_entry()? {}
        Ok(self)
    }
}

/// Parses one file's text.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::Json {
        file: file.to_owned(),
        reason: error.to_string(),
    })
}
