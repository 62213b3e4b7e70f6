//! From a source to a model: choose between copy and network, stream, verify, keep.

use sha2::{Digest, Sha256};
use web_sys::{AbortSignal, Blob};

use crate::cache::{Copies, NewCopy};
use crate::catalogue::Entry;
use crate::progress::Meter;
use crate::stream::Chunks;
use crate::{Error, ErrorKind, Phase, Progress, fetch};

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
    let copies = Copies::open().await;
    if let Some(body) = copies.get(entry.sha256).await.and_then(|copy| copy.body()) {
        let chunks = Chunks::new(&body, format!("The copy of \"{}\"", entry.name))?;
        let mut meter = Meter::new(Phase::Cache, Some(entry.bytes), report);
        match pour::<S>(
            chunks,
            Some(entry),
            &mut NewCopy::none(),
            &mut meter,
            signal,
        )
        .await
        {
            Ok(sink) => return sink.finish(),
            Err(_) if signal.aborted() => return Err(Error::aborted().into()),
            Err(_) => copies.delete(entry.sha256).await,
        }
    }
    let download = fetch::get(&entry.file, signal).await?;
    let mut meter = Meter::new(Phase::Download, Some(entry.bytes), report);
    let mut copy = copies.begin(entry.sha256);
    match pour::<S>(download.chunks, Some(entry), &mut copy, &mut meter, signal).await {
        Ok(sink) => {
            copy.commit().await;
            sink.finish()
        }
        Err(error) => {
            copy.discard().await;
            Err(error)
        }
    }
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
    let download = fetch::get(url, signal).await?;
    let mut meter = Meter::new(Phase::Download, download.length, report);
    pour::<S>(
        download.chunks,
        None,
        &mut NewCopy::none(),
        &mut meter,
        signal,
    )
    .await?
    .finish()
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
    let chunks = Chunks::new(&file.stream(), format!("The file {name}"))?;
    // A `Blob`'s size is a whole number that JavaScript keeps in a double.
    let mut meter = Meter::new(Phase::File, Some(file.size() as u64), report);
    pour::<S>(chunks, None, &mut NewCopy::none(), &mut meter, signal)
        .await?
        .finish()
}

/// Lets all chunks through to a sink (and a copy), counting and verifying.
async fn pour<S: Sink>(
    mut chunks: Chunks,
    expected: Option<&Entry>,
    copy: &mut NewCopy,
    meter: &mut Meter<'_>,
    signal: &AbortSignal,
) -> Result<S, S::Error> {
    let mut sink = S::default();
    let mut hasher = Sha256::new();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next(&mut bytes, signal).await? {
        meter.add(bytes.len() as u64);
        if let Some(entry) = expected {
            if meter.loaded() > entry.bytes {
                return Err(wrong(entry, "is longer than it should be").into());
            }
            hasher.update(&bytes);
            copy.write(&chunk).await;
        }
        sink.push(&bytes)?;
    }
    if let Some(entry) = expected {
        if meter.loaded() < entry.bytes {
            return Err(wrong(entry, "came in short").into());
        }
        if hasher.finalize()[..] != entry.sha256.0 {
            return Err(wrong(entry, "is not the file that the list of models promises").into());
        }
    }
    meter.finish();
    Ok(sink)
}

fn wrong(entry: &Entry, how: &str) -> Error {
    Error::new(
        ErrorKind::Integrity,
        format!("The file of \"{}\" {how}.", entry.name),
        "Try again; if it happens again, the server's copy is damaged or out of step with models.json.",
    )
}
