//! Room in the browser's storage: asked for before a download, and explained where there is none.

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::fetch::scope;
use crate::record::Stored;
use crate::storage::Store;
use crate::{Error, ErrorKind};

/// What the browser says of its storage for this origin, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Taken.
    pub usage: u64,
    /// All there is.
    pub quota: u64,
}

impl Estimate {
    /// Asks the browser; `None` where it doesn't say.
    pub async fn ask() -> Option<Self> {
        let navigator: JsValue = scope().navigator().into();
        let storage = Reflect::get(&navigator, &"storage".into()).ok()?;
        let estimate: Function = Reflect::get(&storage, &"estimate".into())
            .ok()?
            .dyn_into()
            .ok()?;
        let asked = estimate.call0(&storage).ok()?.dyn_into::<Promise>().ok()?;
        let said = JsFuture::from(asked).await.ok()?;
        let number = |name: &str| Reflect::get(&said, &name.into()).ok()?.as_f64();
        Some(Self {
            usage: number("usage")? as u64,
            quota: number("quota")? as u64,
        })
    }

    /// What is left.
    pub fn free(&self) -> u64 {
        self.quota.saturating_sub(self.usage)
    }
}

/// Sees whether there is room for so many more bytes.
///
/// # Errors
/// `Memory`, with what to delete.
pub async fn check(store: &Store, needed: u64) -> Result<(), Error> {
    match Estimate::ask().await {
        Some(estimate) if estimate.free() < needed => {
            let (stored, _) = store.list().await;
            Err(no_room(needed, Some(estimate.free()), stored))
        }
        _ => Ok(()),
    }
}

/// What to say where so many bytes have been refused.
pub async fn explain(store: &Store, needed: u64) -> Error {
    let free = Estimate::ask().await.map(|estimate| estimate.free());
    let (stored, _) = store.list().await;
    no_room(needed, free, stored)
}

/// Says how much is needed, how much there is, and what would make room: models that have not been used for the
/// longest time come first. Some browsers say more than they give, so that other sites cannot tell devices by it; then
/// nothing is said of how much there is.
pub fn no_room(needed: u64, free: Option<u64>, mut stored: Vec<Stored>) -> Error {
    let free = free.filter(|&free| free < needed);
    stored.sort_by(|a, b| a.last_used.cmp(&b.last_used));
    let mut missing = needed - free.unwrap_or(0);
    let mut list = Vec::new();
    for model in stored {
        if missing == 0 {
            break;
        }
        missing = missing.saturating_sub(model.bytes);
        list.push(format!("{} ({})", model.name, megabytes(model.bytes)));
    }
    let next_step = match list.is_empty() {
        true => "Free space on this device, or choose a smaller quantization.".to_owned(),
        false => format!(
            "Delete what has not been used for long, such as {}, or choose a smaller quantization.",
            list.join(", ")
        ),
    };
    Error::new(
        ErrorKind::Memory,
        match free {
            Some(free) => format!(
                "This needs {} of storage, and the browser has {} left.",
                megabytes(needed),
                megabytes(free)
            ),
            None => format!(
                "This needs {} of storage, more than the browser gives.",
                megabytes(needed)
            ),
        },
        next_step,
    )
}

/// As a person would say it.
pub fn megabytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} KB", bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", bytes.div_ceil(1_000_000)),
        _ => format!(
            "{}.{} GB",
            bytes / 1_000_000_000,
            bytes % 1_000_000_000 / 100_000_000
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256Digest;
    use crate::record::Origin;

    fn stored(name: &str, bytes: u64, last_used: &str) -> Stored {
        Stored {
            id: name.into(),
            name: name.into(),
            architecture: "bert".into(),
            quantization: "Q8_0".into(),
            bytes,
            sha256: Sha256Digest([0; 32]),
            parameters: 1,
            heads: Vec::new(),
            tasks: Vec::new(),
            license: None,
            source: name.into(),
            revision: None,
            origin: Origin::Hub,
            imported: last_used.into(),
            last_used: last_used.into(),
        }
    }

    #[test]
    fn no_room_says_how_much_and_what_to_delete_first() {
        let models = vec![
            stored("new", 50_000_000, "2026-11-03"),
            stored("old", 30_000_000, "2026-11-01"),
            stored("middle", 80_000_000, "2026-11-02"),
        ];
        let error = no_room(120_000_000, Some(20_500_000), models.clone());
        assert_eq!(error.kind, ErrorKind::Memory);
        assert_eq!(
            error.message,
            "This needs 120 MB of storage, and the browser has 21 MB left."
        );
        assert_eq!(
            error.next_step,
            "Delete what has not been used for long, such as old (30 MB), middle (80 MB), or choose a smaller \
             quantization."
        );
        let none = no_room(5, Some(0), Vec::new());
        assert!(none.next_step.starts_with("Free space"));
        // A browser that says more than it gives.
        let refused = no_room(20_000_000, Some(10_000_000_000), models);
        assert_eq!(
            refused.message,
            "This needs 20 MB of storage, more than the browser gives."
        );
        assert!(refused.next_step.contains("such as old (30 MB), or"));
    }

    #[test]
    fn sizes_are_said_as_people_say_them() {
        for (bytes, text) in [
            (0, "0 KB"),
            (1, "1 KB"),
            (999_999, "1000 KB"),
            (25_000_001, "26 MB"),
            (1_650_000_000, "1.6 GB"),
        ] {
            assert_eq!(megabytes(bytes), text);
        }
    }
}
