//! The packer's plan for a checkpoint that has yet to be fetched: tried, and tried again with what it lacked.

use unmask_model_store::digest::{Hasher, Sha256Digest};
use unmask_pack::{Options, Plan, Quantization};
use unmask_protocol::ErrorCode;
use web_sys::AbortSignal;

use crate::checkpoint::Checkpoint;
use crate::failure::Failure;

/// What is made of a checkpoint: the same as the command makes of its folder with these options.
pub fn options(checkpoint: &Checkpoint, quantization: Quantization) -> Options {
    Options {
        quantization,
        name: None,
        license: None,
        source: checkpoint.page.clone(),
        revision: checkpoint.revision.clone(),
    }
}

/// Reads `Q8_0` and the like.
///
/// # Errors
/// `Input`, with what there is.
pub fn quantization(name: Option<&str>) -> Result<Quantization, Failure> {
    name.map_or(Ok(Quantization::default()), |name| {
        name.parse().map_err(|_| {
            Failure::new(
                ErrorCode::Input,
                format!("There is no quantization \"{name}\"."),
                format!(
                    "Choose one of {}.",
                    Quantization::ALL.map(Quantization::name).join(", ")
                ),
            )
        })
    })
}

/// Plans from small files and headers, which are fetched as they are missed.
///
/// # Errors
/// The packer's, and those of fetching.
pub async fn plan(
    checkpoint: &Checkpoint,
    quantization: Quantization,
    on_wait: &dyn Fn(Option<u32>),
    signal: &AbortSignal,
) -> Result<Plan, Failure> {
    loop {
        let planned = Plan::new(checkpoint, &options(checkpoint, quantization));
        // Even a plan that came about may rest on a miss that somebody took for an end.
        if !checkpoint.provide(on_wait, signal).await? {
            return Ok(planned?);
        }
    }
}

/// Of everything that decides where each byte of the finished file comes from and goes to.
pub fn fingerprint(checkpoint: &Checkpoint, plan: &Plan, samples: Sha256Digest) -> Sha256Digest {
    let mut hasher = Hasher::default();
    hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
    hasher.update(&samples.0);
    hasher.update(plan.layout().header_bytes());
    for (name, bytes) in plan.files() {
        hasher.update(name.as_bytes());
        hasher.update(&bytes.to_le_bytes());
        if let Some(large) = checkpoint.large(name) {
            let sha256 = large.sha256.get().map(|digest| digest.to_string());
            let etag = large.etag.borrow().clone();
            hasher.update(sha256.or(etag).unwrap_or_default().as_bytes());
        }
    }
    hasher.digest()
}
