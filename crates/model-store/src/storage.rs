//! The browser's private file system, in which model files grow and stay: `ID.gguf` is whole, `ID.part` is on its way,
//! and the JSON beside each says what it is. A file gets its final name only when it is whole and verified.

use js_sys::{Function, JsString, Promise, Reflect, Uint8Array};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DomException, File, FileSystemDirectoryHandle, FileSystemFileHandle,
    FileSystemGetDirectoryOptions, FileSystemGetFileOptions, FileSystemReadWriteOptions,
    FileSystemSyncAccessHandle,
};

use crate::fetch::scope;
use crate::record::{Part, Stored};
use crate::stream::reason_text;
use crate::{Error, ErrorKind};

/// All sites of an origin share it: a model is the same wherever it was asked for.
const FOLDER: &str = "unmask-models";

/// What copies were kept in before.
const OLD_CACHE: &str = "unmask-models-1";

/// How often a file that a closing tab still holds is tried again, and after how many milliseconds.
const TRIES: u32 = 20;
const PAUSE_MS: u32 = 100;

#[wasm_bindgen]
extern "C" {
    /// What every browser's file handles can do, though no standard says it yet.
    #[wasm_bindgen(extends = js_sys::Object)]
    type Movable;
    #[wasm_bindgen(method, catch, js_name = move)]
    fn rename(this: &Movable, name: &str) -> Result<Promise, JsValue>;
}

/// The folder of models.
#[derive(Clone)]
pub struct Store(FileSystemDirectoryHandle);

impl Store {
    /// Opens the folder; `None` where this browser, or this page, has no such storage.
    pub async fn open() -> Option<Self> {
        forget_old_cache();
        let navigator: JsValue = scope().navigator().into();
        // Outside secure contexts there is none, whatever its type says.
        let storage = Reflect::get(&navigator, &"storage".into()).ok()?;
        let get: Function = Reflect::get(&storage, &"getDirectory".into())
            .ok()?
            .dyn_into()
            .ok()?;
        let root = get.call0(&storage).ok()?.dyn_into::<Promise>().ok()?;
        let root: FileSystemDirectoryHandle = JsFuture::from(root).await.ok()?.unchecked_into();
        let options = FileSystemGetDirectoryOptions::new();
        options.set_create(true);
        let folder = root.get_directory_handle_with_options(FOLDER, &options);
        Some(Self(JsFuture::from(folder).await.ok()?.unchecked_into()))
    }

    /// As [`Store::open`], for what cannot do without.
    ///
    /// # Errors
    /// `Unsupported` where there is no storage.
    pub async fn require() -> Result<Self, Error> {
        Self::open().await.ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                "This browser keeps no files for this page: it is not served over HTTPS, or the window is private.",
                "Open the page over HTTPS in an ordinary window, or load a .gguf file, which needs no storage.",
            )
        })
    }

    /// The record of a finished file, if there is one with its file.
    pub async fn stored(&self, id: &str) -> Option<(Stored, File)> {
        let record = self.read_json(&stored_record(id)).await?;
        Some((record, self.file(&whole(id)).await?))
    }

    /// The record of a file that is on its way.
    pub async fn part(&self, id: &str) -> Option<Part> {
        self.read_json(&part_record(id)).await
    }

    /// All finished files and all that are on their way.
    pub async fn list(&self) -> (Vec<Stored>, Vec<Part>) {
        let (mut finished, mut parts) = (Vec::new(), Vec::new());
        for name in self.names().await {
            if let Some(id) = name.strip_suffix(PART_RECORD) {
                parts.extend(self.part(id).await);
            } else if let Some(id) = name.strip_suffix(WHOLE) {
                finished.extend(self.stored(id).await.map(|(record, _)| record));
            }
        }
        (finished, parts)
    }

    /// Says what is known of a file that is on its way.
    ///
    /// # Errors
    /// `Memory` where there is no room, `Unsupported` where the browser refuses.
    pub async fn save_part(&self, part: &Part) -> Result<(), Error> {
        self.write_json(&part_record(&part.id), part).await
    }

    /// Says what is known of a finished file.
    ///
    /// # Errors
    /// As [`Store::save_part`].
    pub async fn save_stored(&self, stored: &Stored) -> Result<(), Error> {
        self.write_json(&stored_record(&stored.id), stored).await
    }

    /// Opens a growing file for writing.
    ///
    /// # Errors
    /// `Unsupported` where the browser refuses.
    pub async fn write_part(&self, id: &str) -> Result<Writer, Error> {
        self.writer(&part_file(id)).await
    }

    /// Makes a growing file the finished one that `record` describes. The record comes first, so that a finished
    /// file always has one.
    ///
    /// # Errors
    /// `Unsupported` or `Memory` where the browser refuses.
    pub async fn finish(&self, record: &Stored) -> Result<(), Error> {
        self.save_stored(record).await?;
        self.rename(&part_file(&record.id), &whole(&record.id))
            .await?;
        self.delete(&part_record(&record.id)).await;
        Ok(())
    }

    /// Forgets a growing file.
    pub async fn discard_part(&self, id: &str) {
        self.delete(&part_record(id)).await;
        self.delete(&part_file(id)).await;
    }

    /// Forgets a finished file; whether there was one.
    pub async fn remove(&self, id: &str) -> bool {
        // Without its file a record says nothing, so that this order leaves no file unnamed.
        let removed = self.delete(&whole(id)).await;
        self.delete(&stored_record(id)).await;
        removed
    }

    /// The names in the folder.
    async fn names(&self) -> Vec<String> {
        let keys = self.0.keys();
        let mut names = Vec::new();
        while let Ok(next) = keys.next() {
            let Ok(next) = JsFuture::from(next).await else {
                break;
            };
            let value = Reflect::get(&next, &"value".into()).unwrap_or_default();
            match value.dyn_ref::<JsString>() {
                Some(name) => names.push(name.into()),
                None => break,
            }
        }
        names
    }

    async fn handle(&self, name: &str, create: bool) -> Result<FileSystemFileHandle, JsValue> {
        let options = FileSystemGetFileOptions::new();
        options.set_create(create);
        let handle = self.0.get_file_handle_with_options(name, &options);
        JsFuture::from(handle).await.map(JsCast::unchecked_into)
    }

    async fn file(&self, name: &str) -> Option<File> {
        let handle = self.handle(name, false).await.ok()?;
        let file = JsFuture::from(handle.get_file()).await.ok()?;
        Some(file.unchecked_into())
    }

    async fn writer(&self, name: &str) -> Result<Writer, Error> {
        let handle = self.handle(name, true).await.map_err(|e| refused(&e))?;
        let mut tries = 0;
        loop {
            match JsFuture::from(handle.create_sync_access_handle()).await {
                Ok(access) => return Ok(Writer(access.unchecked_into())),
                // A tab that is closing lets go of its locks before its files.
                Err(reason) if is(&reason, "NoModificationAllowedError") && tries < TRIES => {
                    tries += 1;
                    pause().await;
                }
                Err(reason) => return Err(refused(&reason)),
            }
        }
    }

    async fn read_json<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        // Another tab may replace it between the two steps; then the next look finds the new one.
        for _ in 0..TRIES {
            let file = self.file(name).await?;
            if let Ok(text) = JsFuture::from(file.text()).await {
                return serde_json::from_str(&text.as_string()?).ok();
            }
        }
        None
    }

    /// Replaces a record at once: a reader finds the old one or the new one.
    async fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Error> {
        let json = serde_json::to_vec(value).map_err(|error| {
            Error::new(
                ErrorKind::Unsupported,
                format!("A record could not be written: {error}."),
                "Try again.",
            )
        })?;
        let new = format!("{name}.new");
        let writer = self.writer(&new).await?;
        writer.truncate(0)?;
        writer.write_at(0, &json)?;
        writer.flush()?;
        drop(writer);
        self.rename(&new, name).await
    }

    async fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        let handle = self.handle(from, false).await.map_err(|e| refused(&e))?;
        let renamed = handle
            .unchecked_ref::<Movable>()
            .rename(to)
            .map_err(|e| refused(&e))?;
        JsFuture::from(renamed)
            .await
            .map(drop)
            .map_err(|e| refused(&e))
    }

    async fn delete(&self, name: &str) -> bool {
        JsFuture::from(self.0.remove_entry(name)).await.is_ok()
    }
}

/// A file that is open for writing, by nobody else.
pub struct Writer(FileSystemSyncAccessHandle);

impl Writer {
    /// Its length.
    pub fn bytes(&self) -> u64 {
        // A whole number that JavaScript keeps in a double.
        self.0.get_size().map_or(0, |size| size as u64)
    }

    /// Fills the buffer from `offset`; whether the file has so many bytes.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> bool {
        let read = self
            .0
            .read_with_u8_array_and_options(buffer, &at(offset))
            .unwrap_or(0.0);
        read as usize == buffer.len()
    }

    /// Writes all bytes at `offset`.
    ///
    /// # Errors
    /// `Memory` where there is no room, `Unsupported` where the browser refuses.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        // A copy: what engines with shared memory hand out as a view, not every browser writes.
        let bytes = Uint8Array::from(bytes);
        let written = self
            .0
            .write_with_js_u8_array_and_options(&bytes, &at(offset))
            .map_err(|e| refused(&e))?;
        match written as u32 == bytes.length() {
            true => Ok(()),
            false => Err(no_room()),
        }
    }

    /// Cuts the file, or fills it up with zeros.
    ///
    /// # Errors
    /// As [`Writer::write_at`].
    pub fn truncate(&self, bytes: u64) -> Result<(), Error> {
        self.0
            .truncate_with_f64(bytes as f64)
            .map_err(|e| refused(&e))
    }

    /// What has been written stays, whatever happens to the tab.
    ///
    /// # Errors
    /// As [`Writer::write_at`].
    pub fn flush(&self) -> Result<(), Error> {
        self.0.flush().map_err(|e| refused(&e))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.close();
    }
}

const WHOLE: &str = ".gguf";
const PART_RECORD: &str = ".part.json";

fn whole(id: &str) -> String {
    format!("{id}{WHOLE}")
}

fn stored_record(id: &str) -> String {
    format!("{id}.json")
}

fn part_file(id: &str) -> String {
    format!("{id}.part")
}

fn part_record(id: &str) -> String {
    format!("{id}{PART_RECORD}")
}

fn at(offset: u64) -> FileSystemReadWriteOptions {
    let options = FileSystemReadWriteOptions::new();
    options.set_at(offset as f64);
    options
}

fn is(reason: &JsValue, name: &str) -> bool {
    reason
        .dyn_ref::<DomException>()
        .is_some_and(|exception| exception.name() == name)
}

fn refused(reason: &JsValue) -> Error {
    if is(reason, "QuotaExceededError") {
        return no_room();
    }
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "The browser's storage refused a file: {}.",
            reason_text(reason)
        ),
        "Try again; if it happens again, delete what is stored, or use another browser.",
    )
}

/// There is no room; whoever knows how much is needed says more.
fn no_room() -> Error {
    Error::new(
        ErrorKind::Memory,
        "The browser has no room left for the file.",
        "Delete a stored model and try again: what has come is kept, and the rest follows.",
    )
}

async fn pause() {
    let Ok(abort) = web_sys::AbortController::new() else {
        return;
    };
    let _ = crate::timer::sleep(PAUSE_MS, &abort.signal()).await;
}

/// Copies of the scheme before this one are of no use any more.
fn forget_old_cache() {
    if let Ok(caches) = scope().caches()
        && !caches.is_undefined()
    {
        let deleted = JsFuture::from(caches.delete(OLD_CACHE));
        wasm_bindgen_futures::spawn_local(async move {
            let _ = deleted.await;
        });
    }
}
