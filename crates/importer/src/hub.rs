//! What a hub says of a repository: its commit, its licence, whether its files are open, and which there are.

use std::collections::BTreeMap;

use serde::Deserialize;
use unmask_model_store::digest::Sha256Digest;
use unmask_protocol::ErrorCode;
use web_sys::AbortSignal;

use crate::checkpoint::{Fetched, whole};
use crate::failure::Failure;
use crate::source::Repository;

/// Descriptions have a hundred bytes a file, and some repositories thousands of files.
const MOST_BYTES: u64 = 8 << 20;

/// A repository as its hub describes it.
#[derive(Debug, PartialEq)]
pub struct Description {
    /// Its name today: repositories move.
    pub name: String,
    /// The commit that the revision means now.
    pub commit: String,
    /// The files by name.
    pub files: BTreeMap<String, ListedFile>,
}

/// One file of a repository.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedFile {
    /// Its length, where the hub says it.
    pub bytes: Option<u64>,
    /// Its digest, which only large files have.
    pub sha256: Option<Sha256Digest>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
    sha: String,
    #[serde(default)]
    gated: serde_json::Value,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: Option<String>,
    size: Option<u64>,
}

/// Asks the hub.
///
/// # Errors
/// `Input` where there is no such repository, `Network` where it is gated or the hub does not answer.
pub async fn describe(
    repository: &Repository,
    on_wait: &dyn Fn(Option<u32>),
    signal: &AbortSignal,
) -> Result<Description, Failure> {
    let answer = whole(&repository.description(), MOST_BYTES, on_wait, signal).await;
    let bytes = match answer {
        Ok(Fetched::Whole(bytes)) => bytes,
        Ok(Fetched::TooLong(_)) => return Err(unfit("it is far too long")),
        // The hub does not tell strangers which of the two it is.
        Ok(Fetched::Absent) => return Err(unknown(repository)),
        Err((_, Some(401 | 403))) => return Err(unknown(repository)),
        Err((failure, _)) => return Err(failure),
    };
    parse(&bytes, repository)
}

fn parse(json: &[u8], repository: &Repository) -> Result<Description, Failure> {
    let model: Model = serde_json::from_slice(json).map_err(|error| unfit(&error.to_string()))?;
    // It becomes a part of addresses.
    if !(7..=64).contains(&model.sha.len()) || !model.sha.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(unfit("its commit is none"));
    }
    if Repository::parse(&model.id, &repository.hub).is_none_or(|r| r.revision.is_some()) {
        return Err(unfit("its name is none"));
    }
    if !matches!(
        model.gated,
        serde_json::Value::Null | serde_json::Value::Bool(false)
    ) {
        return Err(gated(repository));
    }
    let mut files = BTreeMap::new();
    for Sibling {
        rfilename,
        size,
        lfs,
    } in model.siblings
    {
        let listed = ListedFile {
            bytes: lfs.as_ref().and_then(|lfs| lfs.size).or(size),
            sha256: lfs
                .and_then(|lfs| lfs.sha256)
                .and_then(|hex| Sha256Digest::from_hex(&hex)),
        };
        files.insert(rfilename, listed);
    }
    Ok(Description {
        name: model.id,
        commit: model.sha,
        files,
    })
}

fn unfit(reason: &str) -> Failure {
    Failure::new(
        ErrorCode::Integrity,
        format!("The hub's description of the model cannot be read: {reason}."),
        "Try again later, or download the files and drop them here.",
    )
}

fn unknown(repository: &Repository) -> Failure {
    Failure::new(
        ErrorCode::Input,
        format!(
            "The hub shows nobody a model named \"{}\" at this revision: it does not exist, or it is private.",
            repository.name
        ),
        "Check the name and the revision; the files of a private model can be downloaded there and dropped here.",
    )
}

/// The files are given only to those whom their makers know.
pub fn gated(repository: &Repository) -> Failure {
    Failure::new(
        ErrorCode::Network,
        format!(
            "The makers of {} give its files only to those who accept their terms, and this page signs in nowhere.",
            repository.name
        ),
        format!(
            "Accept them at {}, download the files there, and drop them here.",
            repository.page()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(json: &str) -> Result<Description, Failure> {
        let repository = Repository::parse("a/b", "https://huggingface.co").unwrap();
        parse(json.as_bytes(), &repository)
    }

    #[test]
    fn a_description_lists_files_with_their_lengths_and_digests() {
        let oid = "ab".repeat(32);
        let json = format!(
            r#"{{"id":"a/b","sha":"0123456789abcdef","gated":false,"siblings":[
                {{"rfilename":"config.json","size":7,"blobId":"x"}},
                {{"rfilename":"model.safetensors","size":9,"lfs":{{"sha256":"{oid}","size":9,"pointerSize":1}}}},
                {{"rfilename":"odd","lfs":{{"sha256":"zz"}}}}]}}"#
        );
        let description = parsed(&json).unwrap();
        assert_eq!(description.commit, "0123456789abcdef");
        let file = |name: &str| &description.files[name];
        assert_eq!(
            (file("config.json").bytes, file("config.json").sha256),
            (Some(7), None)
        );
        let weights = file("model.safetensors");
        assert_eq!(weights.bytes, Some(9));
        assert_eq!(weights.sha256.unwrap().to_string(), oid);
        assert_eq!((file("odd").bytes, file("odd").sha256), (None, None));
    }

    #[test]
    fn a_gated_model_says_where_to_go() {
        for gated in ["true", "\"auto\"", "\"manual\""] {
            let json = format!(r#"{{"id":"a/b","sha":"0123456789","gated":{gated}}}"#);
            let failure = parsed(&json).unwrap_err();
            assert_eq!(failure.0.code, ErrorCode::Network);
            assert!(failure.0.next_step.contains("https://huggingface.co/a/b"));
        }
    }

    #[test]
    fn what_is_no_description_is_refused() {
        for json in [
            "",
            "[]",
            "<!doctype html>",
            r#"{"id":"a/b"}"#,
            r#"{"id":"a/b","sha":"../../x"}"#,
            r#"{"id":"../x","sha":"0123456789"}"#,
            r#"{"id":"a/b","sha":"0123456789","siblings":7}"#,
        ] {
            assert_eq!(
                parsed(json).unwrap_err().0.code,
                ErrorCode::Integrity,
                "{json}"
            );
        }
    }
}
