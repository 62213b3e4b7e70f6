//! Why a model could not be had, and what to do.

/// Kinds of failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorKind {
    /// The network failed or the server refused.
    Network,
    /// Bytes are not what they should be.
    Integrity,
    /// What was asked for makes no sense.
    Input,
    /// Stopped on request.
    Aborted,
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
    pub(crate) fn new(
        kind: ErrorKind,
        message: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            message: message.into(),
            next_step: next_step.into(),
        }
    }

    /// The request was cancelled.
    pub fn aborted() -> Self {
        Self::new(
            ErrorKind::Aborted,
            "Loading was stopped.",
            "Load the model again when you want it.",
        )
    }
}
