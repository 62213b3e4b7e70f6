//! What the reader means by a source: a repository of a hub, a folder, one file, or files from the disk.

use unmask_model_store::record::id_of;
use unmask_protocol::{ErrorCode, ImportSource};
use web_sys::{File, Url};

use crate::failure::Failure;

/// A file that the reader chose, with the folder it was in where the browser tells.
pub struct ChosenFile {
    pub path: String,
    pub file: File,
}

/// A repository of a hub at some revision.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Repository {
    /// The hub's address, without a slash at its end.
    pub hub: String,
    /// `owner/name`, or the bare name of the oldest ones.
    pub name: String,
    /// What was asked for: a branch, a tag or a commit.
    pub revision: Option<String>,
}

/// A source, understood.
pub enum Source {
    /// A checkpoint on a hub.
    Hub(Repository),
    /// A checkpoint's folder; the address ends with a slash.
    Folder(String),
    /// One model file at an address.
    GgufUrl(String),
    /// One model file from the disk.
    GgufFile(ChosenFile),
    /// A checkpoint's files from the disk.
    Files(Vec<ChosenFile>),
}

impl Repository {
    /// Reads `owner/name@revision`; `None` where it is none.
    pub fn parse(text: &str, hub: &str) -> Option<Self> {
        let (name, revision) = match text.split_once('@') {
            Some((name, revision)) => (name, Some(revision)),
            None => (text, None),
        };
        let parts: Vec<_> = name.split('/').collect();
        let is_word = |word: &&str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !word.is_empty() && word.len() <= 96 && word.bytes().all(allowed) && *word != ".."
        };
        let names = parts.len() <= 2 && parts.iter().all(&is_word);
        let revisions = revision.is_none_or(|revision| revision.split('/').all(|w| is_word(&w)));
        (names && revisions).then(|| Self {
            hub: hub.to_owned(),
            name: name.to_owned(),
            revision: revision.map(str::to_owned),
        })
    }

    /// The repository whose page, or one of whose pages, is at `url`.
    pub fn of_page(url: &str, hub: &str) -> Option<Self> {
        let path = url.strip_prefix(hub)?.strip_prefix('/')?;
        let path = path.split(['?', '#']).next()?.trim_end_matches('/');
        let parts: Vec<_> = path.split('/').collect();
        match parts[..] {
            [owner, name] => Self::parse(&format!("{owner}/{name}"), hub),
            [owner, name, "tree" | "resolve" | "blob", revision] => {
                Self::parse(&format!("{owner}/{name}@{revision}"), hub)
            }
            _ => None,
        }
    }

    /// As a reader asks for it.
    pub fn asked(&self) -> String {
        match &self.revision {
            Some(revision) => format!("hub:{}@{revision}", self.name),
            None => format!("hub:{}", self.name),
        }
    }

    /// Where people look at it.
    pub fn page(&self) -> String {
        format!("{}/{}", self.hub, self.name)
    }

    /// Where the hub describes it, with its files' lengths and digests.
    pub fn description(&self) -> String {
        let revision = self.revision.as_deref().unwrap_or("main");
        format!(
            "{}/api/models/{}/revision/{}?blobs=true",
            self.hub,
            self.name,
            revision.replace('/', "%2F")
        )
    }

    /// Where a file is at a commit.
    pub fn file(&self, commit: &str, file: &str) -> String {
        format!("{}/{}/resolve/{commit}/{file}", self.hub, self.name)
    }
}

impl Source {
    /// Understands what the page sent.
    ///
    /// # Errors
    /// `Input` where it is none of the kinds.
    pub fn new(source: ImportSource, mut files: Vec<ChosenFile>) -> Result<Self, Failure> {
        match source {
            ImportSource::Hub { repository, hub } => Repository::parse(&repository, &hub)
                .map(Self::Hub)
                .ok_or_else(|| {
                    Failure::new(
                        ErrorCode::Input,
                        format!("\"{repository}\" is not the name of a model on the hub."),
                        "Give it as hub:owner/name, or as hub:owner/name@revision.",
                    )
                }),
            ImportSource::Url { url, hub } => {
                if let Some(repository) = Repository::of_page(&url, &hub) {
                    return Ok(Self::Hub(repository));
                }
                let parsed = Url::new(&url).map_err(|_| no_address(&url))?;
                if parsed.pathname().ends_with(".gguf") || parsed.protocol() == "blob:" {
                    return Ok(Self::GgufUrl(url));
                }
                if !matches!(parsed.protocol().as_str(), "http:" | "https:") {
                    return Err(no_address(&url));
                }
                // Files are named below it, so it may not have anything behind its path.
                parsed.set_hash("");
                parsed.set_search("");
                let folder = parsed.href();
                Ok(Self::Folder(format!("{}/", folder.trim_end_matches('/'))))
            }
            ImportSource::Files => {
                let is_gguf = |file: &ChosenFile| file.path.ends_with(".gguf");
                match files.len() {
                    0 => Err(Failure::new(
                        ErrorCode::Input,
                        "There is no file.",
                        "Choose a .gguf file, or a checkpoint's config.json, tokenizer and weights.",
                    )),
                    1 if is_gguf(&files[0]) => Ok(Self::GgufFile(files.remove(0))),
                    _ => Ok(Self::Files(shallowest(files))),
                }
            }
        }
    }
}

/// Of a folder's files those that lie highest, each name once: what lies deeper are other forms of the same model.
fn shallowest(mut files: Vec<ChosenFile>) -> Vec<ChosenFile> {
    let depth = |path: &str| path.matches('/').count();
    let top = files.iter().map(|file| depth(&file.path)).min();
    files.retain(|file| Some(depth(&file.path)) == top);
    files
}

fn no_address(url: &str) -> Failure {
    Failure::new(
        ErrorCode::Input,
        format!("\"{url}\" is not the address of a file or a folder."),
        "Give the http or https address of a .gguf file, or of a folder with config.json in it.",
    )
}

/// The name in the store of a checkpoint at some quantization.
pub fn conversion_id(origin: &str, source: &str, revision: &str, quantization: &str) -> String {
    id_of(&["checkpoint", origin, source, revision, quantization])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUB: &str = "https://huggingface.co";

    fn parsed(text: &str) -> Option<(String, Option<String>)> {
        let repository = Repository::parse(text, HUB)?;
        Some((repository.name, repository.revision))
    }

    #[test]
    fn a_repository_is_owner_and_name_and_perhaps_a_revision() {
        let at = |name: &str, revision: Option<&str>| {
            Some((name.to_owned(), revision.map(str::to_owned)))
        };
        let bert = "google-bert/bert-base-uncased";
        assert_eq!(parsed(bert), at(bert, None));
        assert_eq!(parsed("a/b@refs/pr/1"), at("a/b", Some("refs/pr/1")));
        assert_eq!(parsed("bert-base-uncased"), at("bert-base-uncased", None));
        for wrong in [
            "", "/", "a/", "/b", "a/b/c", "a b/c", "../c", "a/..", "a/b@", "a/b@..", "a/b@x y",
            "a/b?c=d", "a/b#c", "é/b", "a/b@a@b",
        ] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_page_of_the_hub_is_its_repository_and_a_file_there_is_not() {
        let of = |path: &str| Repository::of_page(&format!("{HUB}{path}"), HUB).map(|r| r.asked());
        assert_eq!(of("/a/b").as_deref(), Some("hub:a/b"));
        assert_eq!(of("/a/b/tree/main?x#y").as_deref(), Some("hub:a/b@main"));
        assert_eq!(of("/a/b/resolve/v1/").as_deref(), Some("hub:a/b@v1"));
        for other in [
            "",
            "/",
            "/a",
            "/a/b/resolve/main/model.gguf",
            "/a/b/discussions",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(Repository::of_page("https://example.org/a/b", HUB), None);
    }

    #[test]
    fn addresses_are_the_hubs() {
        let repository = Repository::parse("a/b@refs/pr/1", HUB).unwrap();
        assert_eq!(
            repository.description(),
            "https://huggingface.co/api/models/a/b/revision/refs%2Fpr%2F1?blobs=true"
        );
        assert_eq!(
            repository.file("0123", "config.json"),
            "https://huggingface.co/a/b/resolve/0123/config.json"
        );
    }
}
