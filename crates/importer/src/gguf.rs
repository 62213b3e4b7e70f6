//! What a .gguf file is, from its header alone.

use unmask_model_store::download::{Download, Next, Segment};
use unmask_model_store::facts::{Facts, Watch};
use unmask_model_store::stream::Chunks;
use unmask_protocol::ErrorCode;
use web_sys::{AbortSignal, Blob};

use crate::failure::{Failure, sentences};

/// The facts of the file at an address.
///
/// # Errors
/// `Network`, `Integrity` where it is no model file, `Aborted` on request.
pub async fn at_url(
    url: &str,
    on_wait: &dyn Fn(Option<u32>),
    signal: &AbortSignal,
) -> Result<Facts, Failure> {
    let segment = Segment {
        url: url.to_owned(),
        bytes: None,
    };
    let mut download = Download::new(vec![segment], 0, None, true, signal);
    let (mut watch, mut bytes) = (Watch::default(), Vec::new());
    loop {
        match download.next(&mut bytes, on_wait).await? {
            Next::Chunk => watch.push(&bytes).map_err(|reason| no_model(&reason))?,
            Next::Restart => watch = Watch::default(),
            Next::End => return watch.finish().map_err(|reason| no_model(&reason)),
        }
        if let Some(facts) = watch.facts() {
            return Ok(facts.clone());
        }
    }
}

/// The facts of a file from the disk.
///
/// # Errors
/// As [`at_url`].
pub async fn in_file(file: &Blob, name: &str, signal: &AbortSignal) -> Result<Facts, Failure> {
    let mut chunks = Chunks::new(&file.stream(), format!("The file {name}"))?;
    let (mut watch, mut bytes) = (Watch::default(), Vec::new());
    while chunks.next(&mut bytes, signal).await?.is_some() {
        watch.push(&bytes).map_err(|reason| no_model(&reason))?;
        if let Some(facts) = watch.facts() {
            return Ok(facts.clone());
        }
    }
    watch.finish().map_err(|reason| no_model(&reason))
}

fn no_model(reason: &str) -> Failure {
    let (message, next_step) = sentences(reason, ": ");
    Failure::new(ErrorCode::Integrity, message, next_step)
}
