//! From a source to a model: choose between copy and network, stream, verify, keep.

use web_sys::{AbortSignal, Blob};

use crate::catalogue::Entry;
use crate::digest::{Hasher, Sha256Digest};
use crate::download::{Download, Next, Segment};
use crate::facts::{Facts, Watch};
use crate::growing::Growing;
use crate::lock::Lock;
use crate::progress::Meter;
use crate::quota;
use crate::record::{Origin, Part, Stored, id_of, is_id};
use crate::storage::Store;
use crate::stream::Chunks;
use crate::{Error, ErrorKind, Phase, Progress};

/// Where the bytes go as they arrive. What a sink has built counts only once the load has succeeded:
/// a damaged copy is thrown away with its sink, and a fresh sink takes the bytes from the network.
pub trait Sink: Default {
    /// What the bytes become.
    type Model;
    /// How building fails.
    type Error: From<Error>;

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// Where they cannot belong to a model.
    fn push(&mut self, chunk: &[u8]) -> Result<(), Self::Error>;

    /// The file ends here.
    ///
    /// # Errors
    /// Where something is missing.
    fn finish(self) -> Result<Self::Model, Self::Error>;
}

/// For a file that is kept and not loaded.
#[derive(Default)]
struct Nothing;

impl Sink for Nothing {
    type Model = ();
    type Error = Error;

    fn push(&mut self, _: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    fn finish(self) -> Result<(), Error> {
        Ok(())
    }
}

/// A model file that is wanted.
struct Wanted<'a> {
    /// What would stand beside it while it comes.
    part: Part,
    supply: Supply<'a>,
    /// Its length, where somebody promises one.
    bytes: Option<u64>,
    /// Its digest, where somebody promises one.
    sha256: Option<Sha256Digest>,
    /// Whether it is of no use without a copy.
    must_keep: bool,
}

/// Where its bytes are.
enum Supply<'a> {
    Network(Vec<Segment>),
    File(&'a Blob),
}

/// Why bytes stopped coming.
enum Stop<E> {
    /// What is there already is good: the next try goes on.
    Kept(Error),
    /// What is there already is of no use.
    Void(E),
}

impl<E> From<Error> for Stop<E>
where
    E: From<Error>,
{
    fn from(error: Error) -> Self {
        match error.kind {
            ErrorKind::Integrity => Self::Void(error.into()),
            _ => Self::Kept(error),
        }
    }
}

/// Loads a file that the catalogue knows, from the kept copy or else the network, and verifies it.
///
/// # Errors
/// `Network`, `Integrity` where the bytes are not the ones that the catalogue promises, `Aborted` on
/// request, and what the sink reports.
pub async fn load_entry<S: Sink>(
    entry: &Entry,
    report: &dyn Fn(Progress),
    signal: &AbortSignal,
) -> Result<S::Model, S::Error> {
    let segments = match entry.parts.is_empty() {
        true => vec![Segment {
            url: entry.file.clone(),
            bytes: Some(entry.bytes),
        }],
        false => entry
            .parts
            .iter()
            .map(|part| Segment {
                url: part.file.clone(),
                bytes: Some(part.bytes),
            })
            .collect(),
    };
    let wanted = Wanted {
        part: Part {
            id: entry.sha256.to_string(),
            name: entry.name.clone(),
            quantization: entry.quantization.clone(),
            source: entry.name.clone(),
            origin: Origin::Catalogue,
            loaded: 0,
            total: Some(entry.bytes),
            etag: None,
            conversion: None,
        },
        supply: Supply::Network(segments),
        bytes: Some(entry.bytes),
        sha256: Some(entry.sha256),
        must_keep: false,
    };
    let Some(store) = Store::open().await else {
        return fetch_without_copy::<S>(wanted, report, signal).await;
    };
    obtain::<S>(&store, wanted, report, signal).await
}

/// Loads the file at an absolute URL. Nothing says what it should be, so no copy is kept.
///
/// # Errors
/// `Network`, `Integrity` where it comes in short, `Aborted` on request, and what the sink reports.
pub async fn load_url<S: Sink>(
    url: &str,
    report: &dyn Fn(Progress),
    signal: &AbortSignal,
) -> Result<S::Model, S::Error> {
    let wanted = Wanted {
        supply: Supply::Network(vec![Segment {
            url: url.to_owned(),
            bytes: None,
        }]),
        part: url_part(url),
        bytes: None,
        sha256: None,
        must_keep: false,
    };
    fetch_without_copy::<S>(wanted, report, signal).await
}

/// Loads a file that the reader chose.
///
/// # Errors
/// `Network` where the browser cannot read it, `Aborted` on request, and what the sink reports.
pub async fn load_file<S: Sink>(
    name: &str,
    file: &Blob,
    report: &dyn Fn(Progress),
    signal: &AbortSignal,
) -> Result<S::Model, S::Error> {
    let wanted = Wanted {
        supply: Supply::File(file),
        part: file_part(name, String::new()),
        bytes: None,
        sha256: None,
        must_keep: false,
    };
    fetch_without_copy::<S>(wanted, report, signal).await
}

/// Loads a file that is stored, verifies it, and notes that it was used. Its digest comes with the model.
///
/// # Errors
/// `Input` where there is none, `Integrity` where it is not what was stored, `Aborted` on request, and what the sink
/// reports.
pub async fn load_stored<S: Sink>(
    id: &str,
    report: &dyn Fn(Progress),
    signal: &AbortSignal,
) -> Result<S::Model, S::Error> {
    let store = Store::require().await?;
    if !is_id(id) || store.stored(id).await.is_none() {
        return Err(not_stored(id).into());
    }
    match from_copy::<S>(&store, id, report, signal).await {
        Some(sink) => sink?.finish(),
        None if signal.aborted() => Err(Error::aborted().into()),
        None => Err(Error::new(
            ErrorKind::Integrity,
            "The stored copy of this model is damaged.",
            "Remove it from the library and import it again.",
        )
        .into()),
    }
}

/// Of a stored file, without reading it.
///
/// # Errors
/// As [`load_stored`].
pub async fn digest_of_stored(id: &str) -> Result<Sha256Digest, Error> {
    let store = Store::require().await?;
    let stored = match is_id(id) {
        true => store.stored(id).await,
        false => None,
    };
    stored
        .map(|(record, _)| record.sha256)
        .ok_or_else(|| not_stored(id))
}

/// The id under which the .gguf file at an address is kept.
pub fn url_id(url: &str) -> String {
    id_of(&["url", url])
}

/// Keeps the .gguf file at an absolute address.
///
/// # Errors
/// `Network`, `Integrity` where it is no model file, `Memory` where there is no room, `Aborted` on request.
pub async fn keep_url(
    store: &Store,
    url: &str,
    report: &dyn Fn(Progress),
    signal: &AbortSignal,
) -> Result<(), Error> {
    let wanted = Wanted {
        supply: Supply::Network(vec![Segment {
            url: url.to_owned(),
            bytes: None,
        }]),
        part: url_part(url),
        bytes: None,
        sha256: None,
        must_keep: true,
    };
    obtain::<Nothing>(store, wanted, report, signal).await
}

/// Keeps a .gguf file that the reader chose, under this id.
///
/// # Errors
/// As [`keep_url`].
pub async fn keep_file(
    store: &Store,
    id: &str,
    name: &str,
    file: &Blob,
    report: &dyn Fn(Progress),
    signal: &AbortSignal,
) -> Result<(), Error> {
    let wanted = Wanted {
        supply: Supply::File(file),
        part: file_part(name, id.to_owned()),
        bytes: Some(file.size() as u64),
        sha256: None,
        must_keep: true,
    };
    obtain::<Nothing>(store, wanted, report, signal).await
}

fn url_part(url: &str) -> Part {
    Part {
        id: url_id(url),
        name: url.rsplit('/').next().unwrap_or(url).to_owned(),
        quantization: String::new(),
        source: url.to_owned(),
        origin: Origin::Url,
        loaded: 0,
        total: None,
        etag: None,
        conversion: None,
    }
}

fn file_part(name: &str, id: String) -> Part {
    Part {
        id,
        name: name.to_owned(),
        quantization: String::new(),
        source: name.to_owned(),
        origin: Origin::File,
        loaded: 0,
        total: None,
        etag: None,
        conversion: None,
    }
}

fn not_stored(id: &str) -> Error {
    Error::new(
        ErrorKind::Input,
        format!("No model is stored as \"{id}\"."),
        "Choose one of those that Unmask.stored() lists, or import the model again.",
    )
}

/// As the time is told in records.
pub fn now() -> String {
    js_sys::Date::new_0().to_iso_string().into()
}

/// From the copy, or else from the network with a copy made.
async fn obtain<S: Sink>(
    store: &Store,
    wanted: Wanted<'_>,
    report: &dyn Fn(Progress),
    signal: &AbortSignal,
) -> Result<S::Model, S::Error> {
    let id = wanted.part.id.clone();
    if let Some(sink) = from_copy::<S>(store, &id, report, signal).await {
        return sink?.finish();
    }
    if signal.aborted() {
        return Err(Error::aborted().into());
    }
    let waiting = Meter::new(Phase::Waiting, wanted.bytes, report);
    let mut waited = false;
    let _lock = Lock::take(&id, signal, || {
        waited = true;
        waiting.waiting(None);
    })
    .await?;
    // Somebody else may have finished the file meanwhile.
    if waited && let Some(sink) = from_copy::<S>(store, &id, report, signal).await {
        return sink?.finish();
    }
    // What is left now is a damaged copy, or a record whose file has gone.
    store.remove(&id).await;
    let mut growing = match Growing::begin(store, &wanted.part).await {
        Ok(growing) => Some(growing),
        Err(error) if wanted.must_keep => return Err(error.into()),
        Err(_) => None,
    };
    match pour::<S>(&wanted, &mut growing, report, signal).await {
        Ok((sink, facts, sha256)) => {
            if let Some(growing) = growing {
                let bytes = growing.part().loaded;
                match facts {
                    Some(facts) => {
                        let stored = Stored::new(growing.part(), facts, bytes, sha256, now());
                        let finished = growing.finish(&stored).await;
                        if wanted.must_keep {
                            finished?;
                        }
                    }
                    None => growing.discard().await,
                }
            }
            sink.finish()
        }
        Err(Stop::Kept(error)) => {
            let mut error = error;
            if let Some(mut growing) = growing {
                if error.kind == ErrorKind::Memory {
                    let (total, loaded) = (growing.part().total, growing.part().loaded);
                    error = explained(store, total, loaded, error).await;
                }
                // What cannot be noted now is lost, which the next try will see.
                let _ = growing.save().await;
            }
            Err(error.into())
        }
        Err(Stop::Void(error)) => {
            if let Some(growing) = growing {
                growing.discard().await;
            }
            Err(error)
        }
    }
}

/// Says how much room was missing, where that is known.
async fn explained(store: &Store, total: Option<u64>, loaded: u64, error: Error) -> Error {
    let Some(total) = total else { return error };
    quota::explain(store, total.saturating_sub(loaded)).await
}

/// The copy of a file, verified; `None` where there is none or it is damaged.
async fn from_copy<S: Sink>(
    store: &Store,
    id: &str,
    report: &dyn Fn(Progress),
    signal: &AbortSignal,
) -> Option<Result<S, S::Error>> {
    let (mut record, file) = store.stored(id).await?;
    let mut chunks = Chunks::new(&file.stream(), "The stored copy".to_owned()).ok()?;
    let mut meter = Meter::new(Phase::Cache, Some(record.bytes), report);
    let (mut sink, mut hasher, mut bytes) = (S::default(), Hasher::default(), Vec::new());
    while chunks.next(&mut bytes, signal).await.ok()?.is_some() {
        meter.add(bytes.len() as u64);
        hasher.update(&bytes);
        // What a sound copy holds is told; of a damaged one, the digest says it first.
        if let Err(error) = sink.push(&bytes) {
            return rest_is_sound(chunks, hasher, &record, signal)
                .await
                .then_some(Err(error));
        }
    }
    if hasher.digest() != record.sha256 {
        return None;
    }
    meter.finish();
    record.last_used = now();
    let store = store.clone();
    // It may not delay the model, and nobody minds if it fails.
    wasm_bindgen_futures::spawn_local(async move {
        let _ = store.save_stored(&record).await;
    });
    Some(Ok(sink))
}

/// Whether a copy is what was stored, although the sink refuses it.
async fn rest_is_sound(
    mut chunks: Chunks,
    mut hasher: Hasher,
    record: &Stored,
    signal: &AbortSignal,
) -> bool {
    let mut bytes = Vec::new();
    while let Ok(Some(_)) = chunks.next(&mut bytes, signal).await {
        hasher.update(&bytes);
    }
    hasher.digest() == record.sha256
}

async fn fetch_without_copy<S: Sink>(
    wanted: Wanted<'_>,
    report: &dyn Fn(Progress),
    signal: &AbortSignal,
) -> Result<S::Model, S::Error> {
    match pour::<S>(&wanted, &mut None, report, signal).await {
        Ok((sink, ..)) => sink.finish(),
        Err(Stop::Kept(error)) => Err(error.into()),
        Err(Stop::Void(error)) => Err(error),
    }
}

/// What has become of a file so far.
struct Poured<S> {
    sink: S,
    watch: Watch,
    hasher: Hasher,
}

impl<S: Sink> Default for Poured<S> {
    fn default() -> Self {
        Self {
            sink: S::default(),
            watch: Watch::default(),
            hasher: Hasher::default(),
        }
    }
}

impl<S: Sink> Poured<S> {
    fn push(&mut self, bytes: &[u8], must_keep: bool) -> Result<(), Stop<S::Error>> {
        self.hasher.update(bytes);
        self.sink.push(bytes).map_err(Stop::Void)?;
        match self.watch.push(bytes) {
            Err(reason) if must_keep => Err(Stop::Void(no_model(&reason).into())),
            _ => Ok(()),
        }
    }
}

/// Lets all bytes through to a sink and a copy, through cuts, counting and verifying.
async fn pour<S: Sink>(
    wanted: &Wanted<'_>,
    growing: &mut Option<Growing>,
    report: &dyn Fn(Progress),
    signal: &AbortSignal,
) -> Result<(S, Option<Facts>, Sha256Digest), Stop<S::Error>> {
    let mut poured = Poured::<S>::default();
    let mut bytes = Vec::new();
    let loaded = match &wanted.supply {
        Supply::File(file) => {
            if let Some(growing) = growing {
                growing.restart()?;
            }
            make_room(wanted, growing, 0, wanted.bytes).await?;
            // A `Blob`'s size is a whole number that JavaScript keeps in a double.
            let mut meter = Meter::new(Phase::File, Some(file.size() as u64), report);
            let what = format!("The file {}", wanted.part.name);
            let mut chunks = Chunks::new(&file.stream(), what)?;
            while chunks.next(&mut bytes, signal).await?.is_some() {
                meter.add(bytes.len() as u64);
                append(wanted, growing, &bytes, None).await?;
                poured.push(&bytes, wanted.must_keep)?;
            }
            meter.finish();
            meter.loaded()
        }
        Supply::Network(segments) => {
            let mut meter = Meter::new(Phase::Download, wanted.bytes, report);
            let kept = match growing {
                Some(growing) => {
                    growing
                        .replay(signal, |chunk| poured.push(chunk, wanted.must_keep))
                        .await?
                }
                None => 0,
            };
            if kept > 0 {
                meter.begin_at(kept);
            }
            let etag = growing.as_ref().and_then(|g| g.part().etag.clone());
            let mut download =
                Download::new(segments.clone(), kept, etag, wanted.must_keep, signal);
            let mut room_is_made = false;
            loop {
                let next = download.next(&mut bytes, &|s| meter.waiting(s)).await?;
                if !room_is_made && download.length().is_some() {
                    room_is_made = true;
                    meter.expect(download.length());
                    make_room(wanted, growing, meter.loaded(), download.length()).await?;
                }
                match next {
                    Next::End => break,
                    Next::Restart => {
                        poured = Poured::default();
                        meter.begin_at(0);
                        if let Some(growing) = growing {
                            growing.restart()?;
                        }
                    }
                    Next::Chunk => {
                        meter.add(bytes.len() as u64);
                        if wanted.bytes.is_some_and(|total| meter.loaded() > total) {
                            return Err(wrong(wanted, "is longer than it should be").into());
                        }
                        append(wanted, growing, &bytes, download.etag()).await?;
                        poured.push(&bytes, wanted.must_keep)?;
                    }
                }
            }
            meter.finish();
            meter.loaded()
        }
    };
    if wanted.bytes.is_some_and(|total| loaded < total) {
        return Err(wrong(wanted, "came in short").into());
    }
    let digest = poured.hasher.digest();
    if wanted.sha256.is_some_and(|promised| promised != digest) {
        return Err(wrong(wanted, "is not the file that was promised").into());
    }
    let facts = match poured.watch.finish() {
        Ok(facts) => Some(facts),
        Err(reason) if wanted.must_keep => return Err(Stop::Void(no_model(&reason).into())),
        Err(_) => None,
    };
    Ok((poured.sink, facts, digest))
}

/// Sees whether the rest of the file has room; a copy that is not needed is given up where it has none.
async fn make_room(
    wanted: &Wanted<'_>,
    growing: &mut Option<Growing>,
    kept: u64,
    total: Option<u64>,
) -> Result<(), Error> {
    let (Some(open), Some(total)) = (growing.as_mut(), total) else {
        return Ok(());
    };
    let checked = match quota::check(open.store(), total.saturating_sub(kept)).await {
        Ok(()) => open.expect(total),
        refused => refused,
    };
    match checked {
        Err(_) if !wanted.must_keep => {
            if let Some(growing) = growing.take() {
                growing.discard().await;
            }
            Ok(())
        }
        checked => checked,
    }
}

/// Writes the next bytes of the copy; one that is not needed ends here where there is no room.
async fn append(
    wanted: &Wanted<'_>,
    growing: &mut Option<Growing>,
    bytes: &[u8],
    etag: Option<&str>,
) -> Result<(), Error> {
    let Some(open) = growing else { return Ok(()) };
    match open.append(bytes, etag).await {
        Err(_) if !wanted.must_keep => {
            if let Some(growing) = growing.take() {
                growing.discard().await;
            }
            Ok(())
        }
        appended => appended,
    }
}

fn wrong(wanted: &Wanted<'_>, how: &str) -> Error {
    Error::new(
        ErrorKind::Integrity,
        format!("The file of \"{}\" {how}.", wanted.part.name),
        "Try again; if it happens again, the server's copy is damaged or out of step with models.json.",
    )
}

/// The container's sentences say what is wrong and, behind a colon, what to do.
fn no_model(reason: &str) -> Error {
    let (message, next_step) = match reason.rsplit_once(": ") {
        Some((message, next)) => {
            let mut letters = next.chars();
            let first = letters.next().map(|first| first.to_uppercase().to_string());
            (
                format!("{message}."),
                first.unwrap_or_default() + letters.as_str(),
            )
        }
        None => (reason.to_owned(), "Download it again.".to_owned()),
    };
    Error::new(ErrorKind::Integrity, message, next_step)
}
