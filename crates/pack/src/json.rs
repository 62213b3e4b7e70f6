//! JSON from outside: bounded in size by the reader, in depth by `serde_json`, and never a surprise about its type.

use serde_json::{Map, Value};

use crate::Error;
use crate::read_at::{Folder, text};

/// Configurations have a few kilobytes, or a megabyte where thousands of labels are listed.
const CONFIG_LIMIT: u64 = 4 << 20;

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

/// Parses one file's text.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::Json {
        file: file.to_owned(),
        reason: error.to_string(),
    })
}
