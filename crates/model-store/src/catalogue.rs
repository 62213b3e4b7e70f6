//! `models.json`: which models there are, and what their files must be.

use serde::Deserialize;
use web_sys::{AbortSignal, Url};

pub use crate::digest::Sha256Digest;
use crate::{Error, ErrorKind, fetch};

/// A catalogue is a few lines for each model: more than this is something else.
const MOST_BYTES: usize = 1 << 20;

/// The models of a site. What only people read (licence, prose) is left to the page.
#[derive(Clone, Debug, Deserialize)]
pub struct Catalogue {
    models: Vec<Entry>,
}

/// One model file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Entry {
    /// By which the page asks for it.
    pub name: String,
    /// Where the file is; relative addresses start at the catalogue.
    pub file: String,
    /// Its exact length.
    pub bytes: u64,
    /// Its digest.
    pub sha256: Sha256Digest,
    /// `Q8_0` and so on; several entries may share a name and differ here.
    #[serde(default)]
    pub quantization: String,
    /// The same bytes in several files one after the other, for hosts that limit files; they come before `file`.
    #[serde(default)]
    pub parts: Vec<Part>,
}

/// One of the files that a model file was cut into.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Part {
    /// Where it is; relative addresses start at the catalogue.
    pub file: String,
    /// Its exact length.
    pub bytes: u64,
}

impl Catalogue {
    /// Reads `models.json`.
    ///
    /// # Errors
    /// `Integrity` where it is not the JSON that it should be.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        let unfit = |reason: &str| {
            Error::new(
                ErrorKind::Integrity,
                format!("The list of models cannot be read: {reason}."),
                "Check models.json on the server.",
            )
        };
        let catalogue: Self =
            serde_json::from_slice(json).map_err(|error| unfit(&error.to_string()))?;
        for Entry {
            name, bytes, parts, ..
        } in &catalogue.models
        {
            let sum = parts
                .iter()
                .try_fold(0u64, |sum, part| sum.checked_add(part.bytes));
            if !parts.is_empty() && sum != Some(*bytes) {
                return Err(unfit(&format!(
                    "the parts of `{name}` are not as long as the whole"
                )));
            }
        }
        Ok(catalogue)
    }

    /// The file for `name`, in the given quantization or else the first.
    ///
    /// # Errors
    /// `Input` where there is no such model or quantization.
    pub fn find(&self, name: &str, quantization: Option<&str>) -> Result<&Entry, Error> {
        let mut candidates = self.models.iter().filter(|entry| entry.name == name);
        let wanted =
            |entry: &&Entry| quantization.is_none_or(|wanted| entry.quantization == wanted);
        if let Some(entry) = candidates.clone().find(wanted) {
            return Ok(entry);
        }
        Err(if let Some(first) = candidates.next() {
            let offered = candidates.fold(first.quantization.clone(), |list, entry| {
                list + ", " + &entry.quantization
            });
            Error::new(
                ErrorKind::Input,
                format!(
                    "The model \"{name}\" is not here in the quantization \"{}\".",
                    quantization.unwrap_or_default()
                ),
                format!("Choose one of {offered}."),
            )
        } else {
            let mut names: Vec<_> = self.models.iter().map(|e| e.name.as_str()).collect();
            names.dedup();
            Error::new(
                ErrorKind::Input,
                format!("There is no model named \"{name}\"."),
                format!(
                    "Choose one of {}, or give the URL of a .gguf file.",
                    names.join(", ")
                ),
            )
        })
    }
}

/// Fetches the catalogue at an absolute `url` and finds a file in it; the entry's `file` comes back absolute.
///
/// # Errors
/// `Network` where the catalogue cannot be fetched, `Integrity` where it or its entry is malformed,
/// `Input` where it has no such model, `Aborted` on request.
pub async fn find(
    url: &str,
    name: &str,
    quantization: Option<&str>,
    signal: &AbortSignal,
) -> Result<Entry, Error> {
    let mut chunks = fetch::get(url, signal).await?.chunks;
    let (mut json, mut chunk) = (Vec::new(), Vec::new());
    while chunks.next(&mut chunk, signal).await?.is_some() {
        json.extend_from_slice(&chunk);
        if json.len() > MOST_BYTES {
            return Err(Error::new(
                ErrorKind::Integrity,
                format!("The list of models at {url} is far too long to be one."),
                "Check models.json on the server.",
            ));
        }
    }
    let mut entry = Catalogue::parse(&json)?.find(name, quantization)?.clone();
    let absolute = |file: &str| {
        Url::new_with_base(file, url)
            .map(|url| url.href())
            .map_err(|_| {
                Error::new(
                    ErrorKind::Integrity,
                    format!("The list of models gives \"{name}\" an address that is none."),
                    "Check models.json on the server.",
                )
            })
    };
    entry.file = absolute(&entry.file)?;
    for part in &mut entry.parts {
        part.file = absolute(&part.file)?;
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "0123456789abcdefABCDEF0123456789abcdef0123456789abcdef0123456789";

    fn json(entries: &str) -> Vec<u8> {
        format!(r#"{{"models":[{entries}]}}"#).into_bytes()
    }

    fn entry(name: &str, quantization: &str) -> String {
        format!(
            r#"{{"name":"{name}","file":"{name}.gguf","bytes":7,"sha256":"{DIGEST}",
                "quantization":"{quantization}","license":"MIT","tasks":[]}}"#
        )
    }

    #[test]
    fn a_model_is_found_by_name_and_quantization() {
        let both = [entry("bert", "Q8_0"), entry("bert", "Q4_0")].join(",");
        let catalogue = Catalogue::parse(&json(&both)).unwrap();
        let found = |quantization| {
            catalogue
                .find("bert", quantization)
                .unwrap()
                .quantization
                .clone()
        };
        assert_eq!(found(None), "Q8_0");
        assert_eq!(found(Some("Q4_0")), "Q4_0");
        assert_eq!(
            catalogue.find("bert", None).unwrap().sha256.to_string(),
            DIGEST.to_lowercase()
        );
    }

    #[test]
    fn a_file_may_come_in_parts() {
        let parts = r#""parts":[{"file":"a.1","bytes":3,"sha256":"x"},{"file":"a.2","bytes":4}]"#;
        let entry = entry("bert", "Q8_0").replace("\"tasks\":[]", parts);
        let catalogue = Catalogue::parse(&json(&entry)).unwrap();
        let parts = &catalogue.find("bert", None).unwrap().parts;
        assert_eq!(
            parts.iter().map(|part| part.bytes).collect::<Vec<_>>(),
            [3, 4]
        );
    }

    #[test]
    fn what_is_not_there_is_an_input_error_that_says_what_is() {
        let both = [entry("bert", "Q8_0"), entry("bert", "Q4_0")].join(",");
        let catalogue = Catalogue::parse(&json(&both)).unwrap();
        let error = catalogue.find("bert", Some("F16")).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Input);
        assert_eq!(error.next_step, "Choose one of Q8_0, Q4_0.");
        let error = catalogue.find("gpt", None).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Input);
        assert!(error.next_step.starts_with("Choose one of bert, or"));
    }

    #[test]
    fn a_hostile_catalogue_is_an_integrity_error() {
        let replaced = |from: &str, to: &str| json(&entry("bert", "Q8_0").replace(from, to));
        let cases = [
            b"".to_vec(),
            b"<!doctype html>".to_vec(),
            b"[]".to_vec(),
            b"{}".to_vec(),
            b"{\"models\":null}".to_vec(),
            b"\xff\xfe".to_vec(),
            b"[".repeat(100_000),
            replaced("\"bytes\":7", "\"bytes\":-7"),
            replaced("\"bytes\":7", "\"bytes\":1e300"),
            replaced("\"bytes\":7", "\"bytes\":\"7\""),
            replaced(DIGEST, "abc"),
            replaced(DIGEST, &"é".repeat(32)),
            replaced(DIGEST, &"+1".repeat(32)),
            replaced("\"file\":", "\"path\":"),
            replaced("\"tasks\":[]", "\"parts\":[{\"file\":\"a.1\",\"bytes\":6}]"),
            replaced(
                "\"tasks\":[]",
                "\"parts\":[{\"file\":\"a.1\",\"bytes\":18446744073709551615},{\"file\":\"a.2\",\"bytes\":8}]",
            ),
        ];
        for case in cases {
            let error = Catalogue::parse(&case).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Integrity, "{case:?}");
        }
    }
}
