//! What stands beside each stored file: what it is, and for one that is on its way, how far it has come.

use serde::{Deserialize, Serialize};

use crate::digest::{Hasher, Sha256Digest};
use crate::facts::{Facts, Head};

/// Where a stored model came from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// The site's own list.
    Catalogue,
    /// The Hugging Face Hub.
    Hub,
    /// Another address.
    Url,
    /// The reader's disk.
    File,
}

/// A finished file.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    /// Its name in the store.
    pub id: String,
    /// What its makers call it.
    pub name: String,
    /// `bert` or `bart`.
    pub architecture: String,
    /// `Q8_0` and so on.
    pub quantization: String,
    /// Its length.
    pub bytes: u64,
    /// Of the whole file.
    pub sha256: Sha256Digest,
    /// Stored parameters.
    pub parameters: u64,
    /// Its task heads.
    pub heads: Vec<Head>,
    /// Its generation tasks.
    pub tasks: Vec<String>,
    /// SPDX expression, where the file says it.
    pub license: Option<String>,
    /// What the reader would ask for to get it again.
    pub source: String,
    /// Which version of that it is.
    pub revision: Option<String>,
    /// Where it came from.
    pub origin: Origin,
    /// When it was finished, as ISO 8601 has it.
    pub imported: String,
    /// When it was last loaded.
    pub last_used: String,
}

/// A file that is on its way.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// The name in the store that it will have.
    pub id: String,
    /// What its makers call it, or what it was asked for as.
    pub name: String,
    /// `Q8_0` and so on; empty where only the file itself knows.
    pub quantization: String,
    /// What the reader asked for.
    pub source: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Bytes that have come, of the download rather than of the file.
    pub loaded: u64,
    /// Bytes that will come, where known.
    pub total: Option<u64>,
    /// What the server calls this version, for a file that is kept as it comes.
    pub etag: Option<String>,
    /// For a checkpoint that is quantized while it comes.
    pub conversion: Option<Conversion>,
}

/// How far the quantization of a checkpoint has come.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Conversion {
    /// Of everything that decides where each byte goes: only the same may go on.
    pub fingerprint: Sha256Digest,
    /// Pieces that have been written.
    pub pieces: usize,
    /// Which of the checkpoint's files is being read; those before it have passed.
    pub file: usize,
    /// What has been seen of it.
    pub hasher: Hasher,
}

impl Stored {
    /// The record of a file whose header says `facts`.
    pub fn new(part: &Part, facts: Facts, bytes: u64, sha256: Sha256Digest, now: String) -> Self {
        Self {
            id: part.id.clone(),
            name: facts.name.unwrap_or_else(|| part.name.clone()),
            architecture: facts.architecture,
            quantization: facts.quantization,
            bytes,
            sha256,
            parameters: facts.parameters,
            heads: facts.heads,
            tasks: facts.tasks,
            license: facts.license,
            source: part.source.clone(),
            revision: facts.revision,
            origin: part.origin,
            imported: now.clone(),
            last_used: now,
        }
    }
}

/// The name in the store of what was asked for in these words: the same words find it again.
pub fn id_of(words: &[&str]) -> String {
    let mut hasher = Hasher::default();
    for word in words {
        hasher.update(&(word.len() as u64).to_le_bytes());
        hasher.update(word.as_bytes());
    }
    hasher.digest().to_string()[..32].to_owned()
}

/// Whether a text can be a name in the store. It becomes a file's name, and comes from the page.
pub fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_depends_on_every_word_and_on_where_words_end() {
        let id = id_of(&["hub", "owner/name", "main", "Q8_0"]);
        assert!(is_id(&id));
        assert_eq!(id, id_of(&["hub", "owner/name", "main", "Q8_0"]));
        assert_ne!(id, id_of(&["hub", "owner/name", "main", "Q4_0"]));
        assert_ne!(id_of(&["ab", "c"]), id_of(&["a", "bc"]));
    }

    #[test]
    fn what_leads_out_of_the_store_is_no_id() {
        for wrong in ["", "..", "a/b", "A.gguf", &"a".repeat(65), "é"] {
            assert!(!is_id(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_record_that_was_cut_or_bent_is_none() {
        let part = Part {
            id: id_of(&["x"]),
            name: "x".into(),
            quantization: "Q8_0".into(),
            source: "hub:a/x".into(),
            origin: Origin::Hub,
            loaded: 7,
            total: Some(9),
            etag: None,
            conversion: Some(Conversion {
                fingerprint: Sha256Digest([1; 32]),
                pieces: 3,
                file: 0,
                hasher: Hasher::default(),
            }),
        };
        let json = serde_json::to_string(&part).unwrap();
        assert_eq!(serde_json::from_str::<Part>(&json).unwrap(), part);
        for cut in 0..json.len() {
            assert!(serde_json::from_str::<Part>(&json[..cut]).is_err());
        }
    }
}
