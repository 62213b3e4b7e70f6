//! One writer of a file among all tabs, by the browser's own locks.

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::AbortSignal;

use crate::Error;
use crate::fetch::scope;
use crate::timer::or_aborted;

#[wasm_bindgen]
extern "C" {
    /// `navigator.locks`, which web-sys counts among what may still change.
    type Locks;
    #[wasm_bindgen(method, catch)]
    fn request(
        this: &Locks,
        name: &str,
        options: &Object,
        callback: &JsValue,
    ) -> Result<Promise, JsValue>;
}

/// A lock, until it is dropped. Where the browser has none (outside secure contexts), it locks nothing: there is no
/// storage to protect there either.
pub struct Lock(Option<Function>);

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(release) = &self.0 {
            let _ = release.call0(&JsValue::UNDEFINED);
        }
    }
}

impl Lock {
    /// Takes the lock of a file, if nobody has it.
    pub async fn try_take(id: &str) -> Option<Self> {
        let Some(locks) = locks() else {
            return Some(Self(None));
        };
        let (asked, release) = request(&locks, id, true);
        match wasm_bindgen_futures::JsFuture::from(asked).await {
            Ok(taken) if taken.is_truthy() => Some(Self(Some(release))),
            Ok(_) => None,
            Err(_) => Some(Self(None)),
        }
    }

    /// Takes the lock of a file; `on_wait` is told where somebody else has it.
    ///
    /// # Errors
    /// `Aborted` on request.
    pub async fn take(
        id: &str,
        signal: &AbortSignal,
        on_wait: impl FnOnce(),
    ) -> Result<Self, Error> {
        if let Some(lock) = Self::try_take(id).await {
            return Ok(lock);
        }
        on_wait();
        let Some(locks) = locks() else {
            return Ok(Self(None));
        };
        let (asked, release) = request(&locks, id, false);
        // Whoever stops waiting lets go of the lock as soon as it comes.
        let lock = Self(Some(release));
        or_aborted(&asked, signal).await.map(|_| lock)
    }
}

fn locks() -> Option<Locks> {
    let navigator: JsValue = scope().navigator().into();
    let locks = Reflect::get(&navigator, &"locks".into()).ok()?;
    locks.is_object().then(|| locks.unchecked_into())
}

/// Asks for a lock. The promise says whether it came; the function lets go of it, before or after.
fn request(locks: &Locks, id: &str, if_available: bool) -> (Promise, Function) {
    let mut release = None;
    let held = Promise::new(&mut |resolve, _| release = Some(resolve));
    let asked = Promise::new(&mut |resolve, reject| {
        let held = held.clone();
        let taken = resolve.clone();
        let callback = Closure::once_into_js(move |lock: JsValue| -> JsValue {
            let _ = taken.call1(&JsValue::UNDEFINED, &lock.is_truthy().into());
            match lock.is_truthy() {
                true => held.into(),
                false => JsValue::UNDEFINED,
            }
        });
        let options = Object::new();
        let _ = Reflect::set(&options, &"ifAvailable".into(), &if_available.into());
        match locks.request(&format!("unmask-model {id}"), &options, &callback) {
            Ok(done) => spawn_local(async move {
                if let Err(reason) = wasm_bindgen_futures::JsFuture::from(done).await {
                    let _ = reject.call1(&JsValue::UNDEFINED, &reason);
                }
            }),
            Err(reason) => drop(reject.call1(&JsValue::UNDEFINED, &reason)),
        }
    });
    // `Promise::new` calls its function at once.
    (asked, release.unwrap_or_default())
}
