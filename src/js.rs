//! Plain objects of JavaScript, read and written by name. What the engine answers is of few types; reading them by
//! hand weighs a tenth of what deserializers for each would.

use js_sys::{Array, Object, Reflect};
use wasm_bindgen::prelude::*;

/// What a value is not.
#[derive(Debug)]
pub struct Misread(pub String);

/// An object, and how to read it.
pub struct Reader(pub JsValue);

impl Reader {
    /// A property; `undefined` where there is none.
    pub fn get(&self, name: &str) -> JsValue {
        Reflect::get(&self.0, &name.into()).unwrap_or(JsValue::UNDEFINED)
    }

    /// A property that may be missing.
    pub fn part(&self, name: &str) -> Option<Reader> {
        let value = self.get(name);
        (!value.is_undefined() && !value.is_null()).then_some(Self(value))
    }

    /// A text that may be missing.
    pub fn text_if_any(&self, name: &str) -> Option<String> {
        self.get(name).as_string()
    }

    /// A text.
    pub fn text(&self, name: &str) -> Result<String, Misread> {
        self.text_if_any(name)
            .ok_or_else(|| misread(name, "a text"))
    }

    /// A number.
    pub fn number(&self, name: &str) -> Result<f64, Misread> {
        self.get(name)
            .as_f64()
            .ok_or_else(|| misread(name, "a number"))
    }

    /// A probability or score.
    pub fn float(&self, name: &str) -> Result<f32, Misread> {
        Ok(self.number(name)? as f32)
    }

    /// A count; what is no whole number becomes the one below.
    pub fn count(&self, name: &str) -> Result<usize, Misread> {
        Ok(self.number(name)? as usize)
    }

    /// What `read` makes of a list's items; an empty list where the property is missing.
    pub fn list<T>(
        &self,
        name: &str,
        read: impl Fn(&Reader) -> Result<T, Misread>,
    ) -> Result<Vec<T>, Misread> {
        let Some(part) = self.part(name) else {
            return Ok(Vec::new());
        };
        part.items(name)?.iter().map(read).collect()
    }

    /// A list of texts; an empty one where the property is missing.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, Misread> {
        self.list(name, |item| {
            item.0.as_string().ok_or_else(|| misread(name, "texts"))
        })
    }

    /// The items of a list that is called `name`.
    pub fn items(&self, name: &str) -> Result<Vec<Reader>, Misread> {
        match self.0.dyn_ref::<Array>() {
            Some(list) => Ok(list.iter().map(Reader).collect()),
            None => Err(misread(name, "a list")),
        }
    }
}

fn misread(name: &str, kind: &str) -> Misread {
    Misread(format!("`{name}` is not {kind}"))
}

/// A new object, property by property; what is `None` is left out.
pub struct Writer(Object);

impl Writer {
    /// Without properties.
    pub fn new() -> Self {
        Self(Object::new())
    }

    /// Any value.
    pub fn set(self, name: &str, value: Option<impl Into<JsValue>>) -> Self {
        if let Some(value) = value {
            // Setting a property of a plain object cannot fail.
            let _ = Reflect::set(&self.0, &name.into(), &value.into());
        }
        self
    }

    /// A text.
    pub fn text(self, name: &str, value: Option<&str>) -> Self {
        self.set(name, value.map(JsValue::from_str))
    }

    /// A count.
    pub fn count(self, name: &str, value: Option<usize>) -> Self {
        self.set(name, value.map(|value| value as f64))
    }

    /// The object.
    pub fn done(self) -> JsValue {
        self.0.into()
    }
}
