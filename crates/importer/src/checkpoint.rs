//! A checkpoint's folder, wherever it is: small files whole, large ones through windows, each fetched when somebody
//! has asked for it in vain.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::rc::Rc;

use js_sys::{ArrayBuffer, Uint8Array};
use unmask_model_store::digest::{Hasher, Sha256Digest};
use unmask_model_store::fetch::{self, Answer, Ask, Failed};
use unmask_model_store::record::Origin;
use unmask_model_store::retry::Retry;
use unmask_model_store::timer;
use unmask_pack::{Folder, ReadAt};
use unmask_protocol::{ErrorCode, SourceFile};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Blob, File};

use crate::failure::Failure;
use crate::hub::{self, ListedFile};
use crate::source::{ChosenFile, Repository};
use crate::windows::Windows;

/// Of small files the largest are tokenizers, which the packer takes up to this length.
const WHOLE_LIMIT: u64 = 64 << 20;

/// Files that are asked about before the folder counts as none.
const MOST_FILES: usize = 1_000;

/// What a server that sends only whole files may be made to send in vain.
const MOST_SKIPPED: u64 = 4 << 20;

/// Where a checkpoint is.
enum Place {
    Hub {
        repository: Repository,
        commit: String,
        files: BTreeMap<String, ListedFile>,
    },
    Folder(String),
    Files(BTreeMap<String, File>),
}

/// A file that is never held whole.
pub struct Large {
    pub name: String,
    pub windows: Windows,
    /// What the server calls the version that has been seen.
    pub etag: RefCell<Option<String>>,
    /// The digest, where the hub says it.
    pub sha256: Cell<Option<Sha256Digest>>,
}

#[derive(Clone)]
enum Entry {
    Absent,
    Whole(Rc<Vec<u8>>),
    /// Longer than any small file may be.
    TooLong(u64),
    Large(Rc<Large>),
}

/// A checkpoint and what is known of it.
pub struct Checkpoint {
    place: Place,
    entries: RefCell<BTreeMap<String, Entry>>,
    /// The file that somebody has asked for in vain.
    wanted: RefCell<Option<String>>,
    /// The folder's name.
    pub name: Option<String>,
    /// What a reader asks for to get it.
    pub asked: String,
    /// Where people look at it.
    pub page: Option<String>,
    /// The exact version.
    pub revision: Option<String>,
    pub origin: Origin,
}

/// What came of asking for a small file.
pub enum Fetched {
    Whole(Vec<u8>),
    TooLong(u64),
    Absent,
}

impl Checkpoint {
    /// A repository, as its hub describes it now.
    ///
    /// # Errors
    /// Those of [`hub::describe`].
    pub async fn on_hub(
        repository: Repository,
        on_wait: &dyn Fn(Option<u32>),
        signal: &AbortSignal,
    ) -> Result<Self, Failure> {
        let described = hub::describe(&repository, on_wait, signal).await?;
        let asked = repository.asked();
        let repository = Repository {
            name: described.name,
            ..repository
        };
        Ok(Self {
            name: repository.name.rsplit('/').next().map(str::to_owned),
            asked,
            page: Some(repository.page()),
            revision: Some(described.commit.clone()),
            origin: Origin::Hub,
            ..Self::at(Place::Hub {
                repository,
                commit: described.commit,
                files: described.files,
            })
        })
    }

    /// A folder at an address, which ends with a slash.
    pub fn in_folder(url: String) -> Self {
        let name = url.trim_end_matches('/').rsplit('/').next();
        Self {
            name: name.map(str::to_owned).filter(|name| !name.is_empty()),
            asked: url.clone(),
            page: Some(url.clone()),
            revision: None,
            origin: Origin::Url,
            ..Self::at(Place::Folder(url))
        }
    }

    /// Files from the disk.
    pub fn of_files(files: Vec<ChosenFile>) -> Self {
        let folder = files.iter().find_map(|file| {
            let (folder, _) = file.path.rsplit_once('/')?;
            folder.rsplit('/').next().map(str::to_owned)
        });
        let by_name = |file: ChosenFile| {
            let name = file.path.rsplit('/').next().unwrap_or_default();
            (name.to_owned(), file.file)
        };
        let files: BTreeMap<_, _> = files.into_iter().map(by_name).collect();
        let asked = folder.clone().unwrap_or_else(|| {
            let names: Vec<_> = files.keys().map(String::as_str).collect();
            names.join(", ")
        });
        Self {
            name: folder,
            asked,
            page: None,
            revision: None,
            origin: Origin::File,
            ..Self::at(Place::Files(files))
        }
    }

    fn at(place: Place) -> Self {
        Self {
            place,
            entries: RefCell::default(),
            wanted: RefCell::default(),
            name: None,
            asked: String::new(),
            page: None,
            revision: None,
            origin: Origin::Url,
        }
    }

    /// Whether its bytes come over the network.
    pub fn is_remote(&self) -> bool {
        !matches!(self.place, Place::Files(_))
    }

    /// Where a file is, for a checkpoint on the network.
    pub fn url(&self, file: &str) -> Option<String> {
        match &self.place {
            Place::Hub {
                repository, commit, ..
            } => Some(repository.file(commit, file)),
            Place::Folder(folder) => Some(format!("{folder}{file}")),
            Place::Files(_) => None,
        }
    }

    /// A file from the disk.
    pub fn file(&self, name: &str) -> Option<&File> {
        match &self.place {
            Place::Files(files) => files.get(name),
            _ => None,
        }
    }

    /// One of the files that are read through windows.
    pub fn large(&self, name: &str) -> Option<Rc<Large>> {
        match self.entries.borrow().get(name) {
            Some(Entry::Large(large)) => Some(large.clone()),
            _ => None,
        }
    }

    /// Everything that has been found, with its length.
    pub fn files(&self) -> Vec<SourceFile> {
        let known = self.entries.borrow();
        let file = |(name, entry): (&String, &Entry)| {
            let bytes = match entry {
                Entry::Absent => return None,
                Entry::Whole(bytes) => bytes.len() as u64,
                Entry::TooLong(bytes) => *bytes,
                Entry::Large(large) => large.windows.len(),
            };
            Some(SourceFile {
                name: name.clone(),
                bytes,
            })
        };
        known.iter().filter_map(file).collect()
    }

    /// Lets go of all contents, which the plan has taken what it needs of.
    pub fn forget_contents(&self) {
        let entries = &mut self.entries.borrow_mut();
        entries.retain(|_, entry| matches!(entry, Entry::Large(_)));
        for entry in entries.values() {
            if let Entry::Large(large) = entry {
                large.windows.clear();
            }
        }
    }

    /// The range of a file that somebody has asked for in vain.
    pub fn take_missed(&self) -> Option<(Rc<Large>, Range<u64>)> {
        let entries = self.entries.borrow();
        entries.values().find_map(|entry| match entry {
            Entry::Large(large) => Some((large.clone(), large.windows.take_missed()?)),
            _ => None,
        })
    }

    /// Fetches what somebody has asked for in vain; whether there was something.
    ///
    /// # Errors
    /// `Network` and what else a fetch can come to.
    pub async fn provide(
        &self,
        on_wait: &dyn Fn(Option<u32>),
        signal: &AbortSignal,
    ) -> Result<bool, Failure> {
        let wanted = self.wanted.borrow_mut().take();
        if let Some(name) = wanted {
            if self.entries.borrow().len() >= MOST_FILES {
                return Err(Failure::new(
                    ErrorCode::Integrity,
                    "The checkpoint wants more files than any has.",
                    "Do not use this checkpoint.",
                ));
            }
            let entry = self.look_up(&name, on_wait, signal).await?;
            self.entries.borrow_mut().insert(name, entry);
            return Ok(true);
        }
        let Some((large, missed)) = self.take_missed() else {
            return Ok(false);
        };
        let range = large.windows.around(&missed);
        let bytes = self.read(&large, range.clone(), on_wait, signal).await?;
        match large.windows.add(range.start, bytes) {
            true => Ok(true),
            false => Err(Failure::new(
                ErrorCode::Integrity,
                format!(
                    "The headers of {} are longer than any checkpoint's.",
                    large.name
                ),
                "Do not use this checkpoint.",
            )),
        }
    }

    async fn look_up(
        &self,
        name: &str,
        on_wait: &dyn Fn(Option<u32>),
        signal: &AbortSignal,
    ) -> Result<Entry, Failure> {
        let is_large = name.ends_with(".safetensors") || name.ends_with(".bin");
        let large = |bytes: u64, etag, sha256| {
            Entry::Large(Rc::new(Large {
                name: name.to_owned(),
                windows: Windows::new(bytes),
                etag: RefCell::new(etag),
                sha256: Cell::new(sha256),
            }))
        };
        match &self.place {
            Place::Files(files) => {
                let Some(file) = files.get(name) else {
                    return Ok(Entry::Absent);
                };
                // A whole number that JavaScript keeps in a double.
                let bytes = file.size() as u64;
                Ok(match is_large {
                    true => large(bytes, None, None),
                    false if bytes > WHOLE_LIMIT => Entry::TooLong(bytes),
                    false => Entry::Whole(Rc::new(slice(file, 0..bytes, name).await?)),
                })
            }
            Place::Hub { files, .. } => match files.get(name) {
                None => Ok(Entry::Absent),
                Some(&ListedFile {
                    bytes: Some(bytes),
                    sha256,
                }) if is_large => Ok(large(bytes, None, sha256)),
                Some(&ListedFile {
                    bytes: Some(bytes), ..
                }) if bytes > WHOLE_LIMIT => Ok(Entry::TooLong(bytes)),
                // A hub that does not say lengths is asked like any server.
                Some(_) if is_large => self.probe(name, &large, on_wait, signal).await,
                Some(_) => self.small(name, on_wait, signal).await,
            },
            Place::Folder(_) if is_large => self.probe(name, &large, on_wait, signal).await,
            Place::Folder(_) => self.small(name, on_wait, signal).await,
        }
    }

    /// Asks a server for a large file's length.
    async fn probe(
        &self,
        name: &str,
        large: &impl Fn(u64, Option<String>, Option<Sha256Digest>) -> Entry,
        on_wait: &dyn Fn(Option<u32>),
        signal: &AbortSignal,
    ) -> Result<Entry, Failure> {
        let url = self.url(name).unwrap_or_default();
        // Asked for by range, so that the answer says whether the server knows ranges.
        let ask = Ask {
            to: Some(1),
            ..Ask::default()
        };
        let answer = match asked(&url, &ask, on_wait, signal).await {
            Err(Failed {
                status: Some(404 | 410),
                ..
            }) => return Ok(Entry::Absent),
            // There is not even a first byte.
            Err(Failed {
                status: Some(416), ..
            }) => return Ok(large(0, None, None)),
            answer => answer.map_err(|failed| self.refused(failed))?,
        };
        if is_page(&answer) {
            return Ok(Entry::Absent);
        }
        let mut length = answer.length;
        if length.is_none() {
            let ask = Ask {
                head: true,
                ..Ask::default()
            };
            let head = asked(&url, &ask, on_wait, signal).await;
            length = head.map_err(|failed| self.refused(failed))?.length;
        }
        let length = length.ok_or_else(|| {
            Failure::new(
                ErrorCode::Unsupported,
                format!("The server does not say how long {name} is."),
                "Download the files and drop them here.",
            )
        })?;
        Ok(large(length, answer.etag, answer.sha256))
    }

    async fn small(
        &self,
        name: &str,
        on_wait: &dyn Fn(Option<u32>),
        signal: &AbortSignal,
    ) -> Result<Entry, Failure> {
        let url = self.url(name).unwrap_or_default();
        match whole(&url, WHOLE_LIMIT, on_wait, signal).await {
            Ok(Fetched::Whole(bytes)) => Ok(Entry::Whole(Rc::new(bytes))),
            Ok(Fetched::TooLong(bytes)) => Ok(Entry::TooLong(bytes)),
            Ok(Fetched::Absent) => Ok(Entry::Absent),
            Err((_, Some(401 | 403))) => Err(self.closed()),
            Err((failure, _)) => Err(failure),
        }
    }

    /// A part of a file.
    ///
    /// # Errors
    /// `Network`, `Integrity` where the file has changed, `Unsupported` where the server knows no ranges.
    pub async fn read(
        &self,
        large: &Large,
        range: Range<u64>,
        on_wait: &dyn Fn(Option<u32>),
        signal: &AbortSignal,
    ) -> Result<Vec<u8>, Failure> {
        if let Some(file) = self.file(&large.name) {
            return slice(file, range, &large.name).await;
        }
        let url = self.url(&large.name).unwrap_or_default();
        let mut retry = Retry::default();
        loop {
            let read = self.read_once(&url, large, &range, on_wait, signal).await?;
            if let Some(bytes) = read {
                return Ok(bytes);
            }
            let Some(wait) = retry.wait(None) else {
                return Err(Failure::new(
                    ErrorCode::Network,
                    format!("The connection broke while {} was being read.", large.name),
                    "Check the connection and try again.",
                ));
            };
            timer::sleep(wait, signal).await?;
        }
    }

    /// `None` where the connection broke.
    async fn read_once(
        &self,
        url: &str,
        large: &Large,
        range: &Range<u64>,
        on_wait: &dyn Fn(Option<u32>),
        signal: &AbortSignal,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let ask = Ask {
            from: range.start,
            to: Some(range.end),
            ..Ask::default()
        };
        let answer = asked(url, &ask, on_wait, signal).await;
        let mut answer = answer.map_err(|failed| self.refused(failed))?;
        large.seen(&answer)?;
        let mut skip = range.start.saturating_sub(answer.begin);
        if skip > MOST_SKIPPED || answer.begin > range.start {
            return Err(Failure::new(
                ErrorCode::Unsupported,
                format!("The server sends {} only whole, not in parts.", large.name),
                "Download the files and drop them here.",
            ));
        }
        let wanted = (range.end - range.start) as usize;
        let (mut bytes, mut chunk) = (Vec::new(), Vec::new());
        while bytes.len() < wanted {
            match answer.chunks.next(&mut chunk, signal).await {
                Ok(Some(_)) => {
                    let skipped = skip.min(chunk.len() as u64);
                    skip -= skipped;
                    bytes.extend_from_slice(&chunk[skipped as usize..]);
                }
                _ if signal.aborted() => return Err(unmask_model_store::Error::aborted().into()),
                Ok(None) | Err(_) => return Ok(None),
            }
        }
        bytes.truncate(wanted);
        Ok(Some(bytes))
    }

    /// Why a server did not give a file.
    pub fn refused(&self, failed: Failed) -> Failure {
        match failed.status {
            Some(401 | 403) => self.closed(),
            _ => failed.error.into(),
        }
    }

    fn closed(&self) -> Failure {
        match &self.place {
            Place::Hub { repository, .. } => hub::gated(repository),
            _ => Failure::new(
                ErrorCode::Network,
                "The server gives these files only to those whom it knows.",
                "Download them there, and drop them here.",
            ),
        }
    }

    /// What tells files from the disk apart: their names and lengths, and places all over them.
    ///
    /// # Errors
    /// `Network` where a file cannot be read.
    pub async fn fingerprint(&self) -> Result<Sha256Digest, Failure> {
        let mut hasher = Hasher::default();
        if let Place::Files(files) = &self.place {
            for (name, file) in files {
                hasher.update(name.as_bytes());
                hasher.update(&sample(file, name).await?);
            }
        }
        Ok(hasher.digest())
    }
}

/// The length of a file and some of its bytes, from places all over it.
///
/// # Errors
/// `Network` where it cannot be read.
pub async fn sample(file: &Blob, name: &str) -> Result<Vec<u8>, Failure> {
    const PLACES: u64 = 16;
    const BYTES: u64 = 4 << 10;
    let length = file.size() as u64;
    let mut sample = length.to_le_bytes().to_vec();
    for place in 0..PLACES {
        // The first begins at the beginning and the last ends at the end.
        let at = length.saturating_sub(BYTES) / (PLACES - 1) * place;
        let end = (at + BYTES).min(length);
        sample.extend(slice(file, at..end, name).await?);
    }
    Ok(sample)
}

impl Large {
    /// Holds an answer against what has been seen of the file.
    ///
    /// # Errors
    /// `Integrity` where it is another version.
    pub fn seen(&self, answer: &Answer) -> Result<(), Failure> {
        let mut known = self.etag.borrow_mut();
        let other_tag = known.is_some() && answer.etag.is_some() && *known != answer.etag;
        let other_length = answer
            .length
            .is_some_and(|length| length != self.windows.len());
        if other_tag || other_length {
            return Err(changed(&self.name));
        }
        if known.is_none() {
            known.clone_from(&answer.etag);
        }
        if self.sha256.get().is_none() {
            self.sha256.set(answer.sha256);
        }
        Ok(())
    }
}

/// The file is not what it was.
pub fn changed(name: &str) -> Failure {
    Failure::new(
        ErrorCode::Integrity,
        format!("The file {name} is another one on the server than it was, or than its list says."),
        "Import the model again from the beginning.",
    )
}

impl Folder for Checkpoint {
    fn name(&self) -> Option<String> {
        self.name.clone()
    }

    fn open(&self, name: &str) -> io::Result<Option<Box<dyn ReadAt>>> {
        match self.entries.borrow().get(name) {
            Some(Entry::Absent) => Ok(None),
            Some(Entry::Whole(bytes)) => Ok(Some(Box::new(Shared(bytes.clone())))),
            Some(Entry::TooLong(bytes)) => Ok(Some(Box::new(LengthOnly(*bytes)))),
            Some(Entry::Large(large)) => Ok(Some(Box::new(Windowed(large.clone())))),
            None => {
                *self.wanted.borrow_mut() = Some(name.to_owned());
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
    }
}

struct Shared(Rc<Vec<u8>>);

impl ReadAt for Shared {
    fn len(&self) -> u64 {
        ReadAt::len(&*self.0)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, buffer)
    }
}

struct Windowed(Rc<Large>);

impl ReadAt for Windowed {
    fn len(&self) -> u64 {
        self.0.windows.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.windows.read_at(offset, buffer)
    }
}

/// A file that is refused for its length, and so is never read.
struct LengthOnly(u64);

impl ReadAt for LengthOnly {
    fn len(&self) -> u64 {
        self.0
    }

    fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
        Err(io::ErrorKind::FileTooLarge.into())
    }
}

/// A part of a file from the disk.
///
/// # Errors
/// `Network` where the browser cannot read it.
pub async fn slice(file: &Blob, range: Range<u64>, name: &str) -> Result<Vec<u8>, Failure> {
    let unread = || {
        Failure::new(
            ErrorCode::Network,
            format!("The file {name} cannot be read: it was changed or moved since it was chosen."),
            "Choose the files again.",
        )
    };
    let part = file
        .slice_with_f64_and_f64(range.start as f64, range.end as f64)
        .map_err(|_| unread())?;
    let buffer = JsFuture::from(part.array_buffer())
        .await
        .map_err(|_| unread())?;
    let bytes = Uint8Array::new(buffer.unchecked_ref::<ArrayBuffer>()).to_vec();
    match bytes.len() as u64 == range.end - range.start {
        true => Ok(bytes),
        false => Err(unread()),
    }
}

/// A small file. What a site shows in place of what it has not counts as absent.
///
/// # Errors
/// With the answer's status, where there was one.
pub async fn whole(
    url: &str,
    limit: u64,
    on_wait: &dyn Fn(Option<u32>),
    signal: &AbortSignal,
) -> Result<Fetched, (Failure, Option<u16>)> {
    let mut retry = Retry::default();
    'again: loop {
        let mut answer = match asked(url, &Ask::default(), on_wait, signal).await {
            Ok(answer) if is_page(&answer) => return Ok(Fetched::Absent),
            Ok(answer) => answer,
            Err(Failed {
                status: Some(404 | 410),
                ..
            }) => return Ok(Fetched::Absent),
            Err(failed) => return Err((failed.error.into(), failed.status)),
        };
        if let Some(length) = answer.length.filter(|&length| length > limit) {
            return Ok(Fetched::TooLong(length));
        }
        let (mut bytes, mut chunk) = (Vec::new(), Vec::new());
        loop {
            match answer.chunks.next(&mut chunk, signal).await {
                Ok(Some(_)) => bytes.extend_from_slice(&chunk),
                Ok(None) => return Ok(Fetched::Whole(bytes)),
                Err(error) => {
                    let wait = retry.wait(None).filter(|_| !signal.aborted());
                    let Some(wait) = wait else {
                        return Err((error.into(), None));
                    };
                    let slept = timer::sleep(wait, signal).await;
                    slept.map_err(|error| (error.into(), None))?;
                    continue 'again;
                }
            }
            if bytes.len() as u64 > limit {
                return Ok(Fetched::TooLong(bytes.len() as u64));
            }
        }
    }
}

/// Asks, and asks again where that may help.
async fn asked(
    url: &str,
    ask: &Ask<'_>,
    on_wait: &dyn Fn(Option<u32>),
    signal: &AbortSignal,
) -> Result<Answer, Failed> {
    let mut retry = Retry::default();
    loop {
        let failed = match fetch::ask(url, ask, signal).await {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        let wait = match failed.may_pass {
            true => retry.wait(failed.retry_after),
            false => None,
        };
        let Some(wait) = wait else { return Err(failed) };
        on_wait(failed.retry_after.map(|_| wait / 1_000));
        timer::sleep(wait, signal).await?;
    }
}

/// Whether an answer is a page for people: many sites send one in place of a file that they have not.
fn is_page(answer: &Answer) -> bool {
    let kind = answer.content_type.as_deref();
    kind.is_some_and(|kind| kind.starts_with("text/html"))
}
