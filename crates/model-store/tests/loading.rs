//! Loading in a real browser: `blob:` addresses are the network, Cache Storage is Cache Storage.
#![cfg(target_arch = "wasm32")]

use std::cell::RefCell;

use js_sys::{Array, Uint8Array};
use sha2::{Digest, Sha256};
use unmask_model_store::catalogue::{self, Entry, Sha256Digest};
use unmask_model_store::{
    Error, ErrorKind, Phase, Progress, Sink, load_entry, load_file, load_url,
};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::{AbortController, AbortSignal, Blob, Cache, Response, Url, WorkerGlobalScope};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// Keeps the bytes; a byte 0xff cannot belong to a model.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Sink for Bytes {
    type Model = Vec<u8>;
    type Error = Error;

    fn push(&mut self, chunk: &[u8]) -> Result<(), Error> {
        self.0.extend_from_slice(chunk);
        match chunk.contains(&0xff) {
            true => Err(Error {
                kind: ErrorKind::Integrity,
                message: "That is no model.".into(),
                next_step: "Give another.".into(),
            }),
            false => Ok(()),
        }
    }

    fn finish(self) -> Result<Vec<u8>, Error> {
        Ok(self.0)
    }
}

fn blob(bytes: &[u8]) -> Blob {
    let parts = Array::of1(&Uint8Array::from(bytes));
    Blob::new_with_u8_array_sequence(&parts).unwrap()
}

/// Puts a file on the "network".
fn serve(bytes: &[u8]) -> String {
    Url::create_object_url_with_blob(&blob(bytes)).unwrap()
}

fn bytes(seed: u8) -> Vec<u8> {
    (0..300_000u32)
        .map(|i| (i % 251) as u8 ^ (seed & 1))
        .collect()
}

fn digest(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest(Sha256::digest(bytes).into())
}

fn entry(file: String, promised: &[u8]) -> Entry {
    Entry {
        name: "test".into(),
        file,
        bytes: promised.len() as u64,
        sha256: digest(promised),
        quantization: "Q8_0".into(),
    }
}

fn signal() -> AbortSignal {
    AbortController::new().unwrap().signal()
}

/// Loads, and gives what was told on the way.
async fn load(entry: &Entry) -> (Result<Vec<u8>, Error>, Vec<Progress>) {
    let told = RefCell::new(Vec::new());
    let report = |progress| told.borrow_mut().push(progress);
    let loaded = load_entry::<Bytes>(entry, &report, &signal()).await;
    (loaded, told.into_inner())
}

async fn cache() -> Cache {
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let cache = scope.caches().unwrap().open("unmask-models-1");
    JsFuture::from(cache).await.unwrap().unchecked_into()
}

fn key(digest: Sha256Digest) -> String {
    format!("https://models.unmask.invalid/sha256/{digest}")
}

async fn is_kept(digest: Sha256Digest) -> bool {
    let found = JsFuture::from(cache().await.match_with_str(&key(digest))).await;
    !found.unwrap().is_undefined()
}

#[wasm_bindgen_test]
async fn a_verified_file_is_kept_and_needs_no_network_the_next_time() {
    let file = bytes(0);
    let entry = entry(serve(&file), &file);
    let (loaded, told) = load(&entry).await;
    assert_eq!(loaded.unwrap(), file);
    let total = file.len() as u64;
    let end = |phase| Progress {
        phase,
        loaded: total,
        total: Some(total),
    };
    assert_eq!(told.last(), Some(&end(Phase::Download)));
    assert!(told.is_sorted_by(|a, b| a.loaded < b.loaded));

    Url::revoke_object_url(&entry.file).unwrap();
    let (loaded, told) = load(&entry).await;
    assert_eq!(loaded.unwrap(), file);
    assert_eq!(told.last(), Some(&end(Phase::Cache)));
}

#[wasm_bindgen_test]
async fn a_file_that_is_not_the_promised_one_is_refused_and_not_kept() {
    let promised = [bytes(0), vec![1]].concat();
    let flipped = [bytes(0), vec![0]].concat();
    let short = bytes(0);
    let long = [bytes(0), vec![1, 1]].concat();
    let no_model = [vec![0xff], bytes(0)].concat();
    for wrong in [flipped, short, long, no_model] {
        let (loaded, _) = load(&entry(serve(&wrong), &promised)).await;
        assert_eq!(loaded.unwrap_err().kind, ErrorKind::Integrity);
        assert!(!is_kept(digest(&promised)).await);
    }
    let (loaded, _) = load(&entry(serve(&promised), &promised)).await;
    assert_eq!(loaded.unwrap(), promised, "the next request works");
}

#[wasm_bindgen_test]
async fn a_damaged_copy_is_replaced_from_the_network() {
    let file = [bytes(1), vec![7]].concat();
    for damage in [vec![], bytes(1), [bytes(1), vec![8]].concat()] {
        let copy = Response::new_with_opt_blob(Some(&blob(&damage))).unwrap();
        let put = cache().await.put_with_str(&key(digest(&file)), &copy);
        JsFuture::from(put).await.unwrap();

        let entry = entry(serve(&file), &file);
        let (loaded, told) = load(&entry).await;
        assert_eq!(loaded.unwrap(), file);
        assert_eq!(told.last().unwrap().phase, Phase::Download);

        Url::revoke_object_url(&entry.file).unwrap();
        let (loaded, _) = load(&entry).await;
        assert_eq!(loaded.unwrap(), file, "the new copy is sound");
    }
}

#[wasm_bindgen_test]
async fn what_cannot_be_fetched_is_a_network_error() {
    let gone = serve(&[]);
    Url::revoke_object_url(&gone).unwrap();
    let error = load_url::<Bytes>(&gone, &|_| {}, &signal())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Network);
    let error = catalogue::find(&gone, "bert", None, &signal())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Network);
}

#[wasm_bindgen_test]
async fn a_cancelled_load_stops_between_chunks_and_keeps_nothing() {
    let file = [bytes(1), vec![9]].concat();
    let abort = AbortController::new().unwrap();
    let stop = |_| abort.abort();
    let entry = entry(serve(&file), &file);
    let error = load_entry::<Bytes>(&entry, &stop, &abort.signal())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Aborted);
    assert!(!is_kept(entry.sha256).await);
    assert_eq!(
        load(&entry).await.0.unwrap(),
        file,
        "the next request works"
    );
}

#[wasm_bindgen_test]
async fn a_chosen_file_and_a_bare_address_load_without_a_catalogue() {
    let file = bytes(0);
    let told = RefCell::new(Vec::new());
    let report = |progress| told.borrow_mut().push(progress);
    let loaded = load_file::<Bytes>("a.gguf", &blob(&file), &report, &signal()).await;
    assert_eq!(loaded.unwrap(), file);
    assert_eq!(told.borrow().last().unwrap().phase, Phase::File);
    assert_eq!(
        load_url::<Bytes>(&serve(&file), &|_| {}, &signal())
            .await
            .unwrap(),
        file
    );
}

#[wasm_bindgen_test]
async fn a_catalogue_is_fetched_and_its_addresses_made_absolute() {
    let sha256 = digest(&[]);
    let entry = |name, file| {
        format!(r#"{{"name":"{name}","file":"{file}","bytes":1,"sha256":"{sha256}"}}"#)
    };
    let bert = entry("bert", "https://example.org/a b.gguf");
    let lost = entry("lost", "relative.gguf");
    let url = serve(format!(r#"{{"models":[{bert},{lost}]}}"#).as_bytes());
    let found = catalogue::find(&url, "bert", None, &signal())
        .await
        .unwrap();
    assert_eq!(found.file, "https://example.org/a%20b.gguf");
    let lost = catalogue::find(&url, "lost", None, &signal())
        .await
        .unwrap_err();
    assert_eq!(
        lost.kind,
        ErrorKind::Integrity,
        "nothing is relative to a blob"
    );
    let long = serve(&vec![b' '; 2 << 20]);
    let error = catalogue::find(&long, "bert", None, &signal())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Integrity);
}
