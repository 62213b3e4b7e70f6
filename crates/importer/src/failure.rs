//! Other crates' errors as the protocol tells them.

use unmask_model_store as store;
use unmask_pack as pack;
use unmask_protocol::{ErrorBody, ErrorCode};

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure(pub ErrorBody);

impl Failure {
    pub fn new(code: ErrorCode, message: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self(ErrorBody {
            code,
            message: message.into(),
            next_step: next_step.into(),
        })
    }

    /// Whether what has come so far is good, so that the next try may go on.
    pub fn may_go_on(&self) -> bool {
        matches!(
            self.0.code,
            ErrorCode::Network | ErrorCode::Aborted | ErrorCode::Memory
        )
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

impl From<pack::Error> for Failure {
    fn from(error: pack::Error) -> Self {
        use pack::{Error, PickleFault};
        let code = match &error {
            Error::Architecture { .. }
            | Error::IntegerWeight { .. }
            | Error::Quantize { .. }
            | Error::Pickle {
                fault:
                    PickleFault::Zip(_)
                    | PickleFault::Opcode { .. }
                    | PickleFault::BigEndian
                    | PickleFault::NoTensors,
                ..
            } => ErrorCode::Unsupported,
            Error::MissingFile { .. } => ErrorCode::Input,
            Error::Read { .. } => ErrorCode::Network,
            _ => ErrorCode::Integrity,
        };
        // Only a pickle's faults have their advice behind a semicolon.
        let separator = match error {
            Error::Pickle { .. } => "; ",
            _ => ": ",
        };
        let (message, next_step) = sentences(&error.to_string(), separator);
        Self::new(code, message, next_step)
    }
}

/// What went wrong and, behind the last separator, what to do.
pub fn sentences(text: &str, separator: &str) -> (String, String) {
    let Some((message, next)) = text.rsplit_once(separator) else {
        return (text.to_owned(), "Use another checkpoint.".to_owned());
    };
    let mut letters = next.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    (
        format!("{message}."),
        first.unwrap_or_default() + letters.as_str(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packers_sentence_is_cut_into_what_went_wrong_and_what_to_do() {
        let missing = Failure::from(pack::Error::MissingFile {
            files: "config.json",
        });
        assert_eq!(
            missing,
            Failure::new(
                ErrorCode::Input,
                "There is no config.json.",
                "Download the whole checkpoint."
            )
        );
        let harmful = Failure::from(pack::Error::Pickle {
            file: "pytorch_model.bin".into(),
            fault: pack::PickleFault::Forbidden {
                name: "os.system".into(),
            },
        });
        assert_eq!(harmful.0.code, ErrorCode::Integrity);
        assert_eq!(
            harmful.0.message,
            "pytorch_model.bin cannot be opened: it wants to call os.system, which no weights need."
        );
        assert_eq!(
            harmful.0.next_step,
            "Do not use this file, it may be harmful."
        );
    }
}
