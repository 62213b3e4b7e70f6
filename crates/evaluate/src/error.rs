//! One error type: a sentence that a person can act on.

use std::path::{Path, PathBuf};

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What keeps a measurement or a recording from being made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{path}: {source}.")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path} {problem}.")]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong, as the rest of a sentence that begins with the file.
        problem: String,
    },
    /// The engine refused.
    #[error("{message} {next_step}", message = .0.message, next_step = .0.next_step)]
    Engine(unmask_transformer::Error),
    /// Something else, said in a sentence.
    #[error("{0}")]
    Said(String),
}

impl Error {
    /// Says which file failed.
    pub fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File {
            path: path.to_owned(),
            source,
        }
    }

    /// Says what is wrong with a file.
    pub fn content(path: &Path, problem: impl std::fmt::Display) -> Self {
        Self::Content {
            path: path.to_owned(),
            problem: problem.to_string(),
        }
    }
}

impl From<unmask_transformer::Error> for Error {
    fn from(error: unmask_transformer::Error) -> Self {
        Self::Engine(error)
    }
}
