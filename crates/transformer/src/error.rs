//! One error type: what kind of failure, a sentence for people, and the next step.

use std::fmt;

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Kinds of failure, as the page tells them apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorKind {
    /// The file's bytes are not what they should be.
    Integrity,
    /// The file is sound, but holds something that this engine or this model cannot do.
    Unsupported,
    /// Memory ran out.
    Memory,
    /// The request makes no sense for this model.
    Input,
    /// The engine itself broke.
    Engine,
}

/// A failure that a person can act on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Error {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// What went wrong, as a sentence.
    pub message: String,
    /// What to do about it, as a sentence.
    pub next_step: String,
}

impl Error {
    /// The file is damaged.
    pub fn integrity(message: impl Into<String>) -> Self {
        Self::new(
            ErrorKind::Integrity,
            message,
            "Download or convert the model again.",
        )
    }

    /// The engine or the model cannot do this.
    pub fn unsupported(message: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message, next_step)
    }

    /// There is no room.
    pub fn memory(message: impl Into<String>) -> Self {
        Self::new(
            ErrorKind::Memory,
            message,
            "Dispose of models, close other pages, or use a smaller model.",
        )
    }

    /// The request makes no sense.
    pub fn input(message: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, message, next_step)
    }

    /// The engine broke.
    pub fn engine(message: impl Into<String>) -> Self {
        Self::new(
            ErrorKind::Engine,
            message,
            "Try again; if it happens again, reload the page and report it.",
        )
    }

    fn new(kind: ErrorKind, message: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            next_step: next_step.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.message, self.next_step)
    }
}

impl std::error::Error for Error {}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::engine(format!("A tensor operation failed: {error}."))
    }
}
