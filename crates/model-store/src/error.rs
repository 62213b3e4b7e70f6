//! Why a model could not be had, and what to do.

/// Kinds of failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorKind {
    /// The network failed or the server refused.
    Network,
    /// Bytes are not what they should be.
    Integrity,
    /// The browser or the server cannot do this.
    Unsupported,
    /// Storage ran out.
    Memory,
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
    /// A failure with what went wrong and what to do, both whole sentences.
    pub fn new(kind: ErrorKind, message: impl Into<String>, next_step: impl Into<String>) -> Self {
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
            "Load the model again when you want it: what has come already is kept where there is storage.",
        )
    }
}
