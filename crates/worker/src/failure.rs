//! Other crates' errors as the protocol tells them.

use unmask_model_store as store;
use unmask_protocol::{ErrorBody, ErrorCode};
use unmask_transformer as transformer;

/// Why a request has no answer.
#[derive(Debug)]
pub struct Failure(pub ErrorBody);

impl Failure {
    pub fn new(code: ErrorCode, message: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self(ErrorBody {
            code,
            message: message.into(),
            next_step: next_step.into(),
        })
    }

    pub fn aborted() -> Self {
        Self::new(
            ErrorCode::Aborted,
            "The request was stopped.",
            "Ask again when you want the answer.",
        )
    }
}

impl From<transformer::Error> for Failure {
    fn from(error: transformer::Error) -> Self {
        use transformer::ErrorKind;
        let code = match error.kind {
            ErrorKind::Integrity => ErrorCode::Integrity,
            ErrorKind::Unsupported => ErrorCode::Unsupported,
            ErrorKind::Memory => ErrorCode::Memory,
            ErrorKind::Input => ErrorCode::Input,
            ErrorKind::Engine => ErrorCode::Engine,
        };
        Self::new(code, error.message, error.next_step)
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        use store::ErrorKind;
        let code = match error.kind {
            ErrorKind::Network => ErrorCode::Network,
            ErrorKind::Integrity => ErrorCode::Integrity,
            ErrorKind::Unsupported => ErrorCode::Unsupported,
            ErrorKind::Memory => ErrorCode::Memory,
            ErrorKind::Input => ErrorCode::Input,
            ErrorKind::Aborted => ErrorCode::Aborted,
        };
        Self::new(code, error.message, error.next_step)
    }
}
