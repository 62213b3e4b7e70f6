//! Loading in a real browser: `blob:` addresses are the network, the private file system is itself.
#![cfg(target_arch = "wasm32")]

use std::cell::RefCell;
use std::collections::BTreeMap;

use js_sys::{Array, Uint8Array};
use sha2::{Digest, Sha256};
use unmask_gguf::{Layout, TensorType, Writer};
use unmask_model_store::catalogue::{self, Entry, Part, Sha256Digest};
use unmask_model_store::record::{Origin, Stored};
use unmask_model_store::storage::Store;
use unmask_model_store::{
    Error, ErrorKind, Phase, Progress, Sink, keep_file, load_entry, load_file, load_stored,
    load_url,
};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::{AbortController, AbortSignal, Blob, Url};

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

/// A model file with one tensor; each seed has its own.
fn bytes(seed: u8) -> Vec<u8> {
    let values: Vec<u8> = (0..300_000u32)
        .map(|i| (i % 251) as u8 ^ (seed & 3))
        .collect();
    let metadata = BTreeMap::from([("general.architecture".to_owned(), "bert".into())]);
    let tensors = vec![("weight".to_owned(), vec![75_000], TensorType::F32)];
    let layout = Layout::new(metadata, tensors).unwrap();
    let mut writer = Writer::new(layout, Vec::new()).unwrap();
    writer.tensor("weight", &values).unwrap();
    writer.finish().unwrap()
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
        parts: Vec::new(),
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

async fn store() -> Store {
    Store::open().await.unwrap()
}

async fn is_kept(digest: Sha256Digest) -> bool {
    store().await.stored(&digest.to_string()).await.is_some()
}

async fn forget(file: &[u8]) {
    store().await.remove(&digest(file).to_string()).await;
}

#[wasm_bindgen_test]
async fn a_verified_file_is_kept_and_needs_no_network_the_next_time() {
    let file = bytes(0);
    forget(&file).await;
    let entry = entry(serve(&file), &file);
    let (loaded, told) = load(&entry).await;
    assert_eq!(loaded.unwrap(), file);
    let end = told.last().unwrap();
    assert_eq!(
        (end.phase, end.loaded),
        (Phase::Download, file.len() as u64)
    );
    assert!(told.is_sorted_by(|a, b| a.loaded < b.loaded));

    Url::revoke_object_url(&entry.file).unwrap();
    let (loaded, told) = load(&entry).await;
    assert_eq!(loaded.unwrap(), file);
    let end = told.last().unwrap();
    assert_eq!((end.phase, end.loaded), (Phase::Cache, file.len() as u64));

    let (stored, _) = store()
        .await
        .stored(&entry.sha256.to_string())
        .await
        .unwrap();
    assert_eq!(stored.parameters, 75_000);
    assert_eq!(stored.origin, Origin::Catalogue);
    let loaded = load_stored::<Bytes>(&stored.id, &|_| {}, &signal()).await;
    assert_eq!(loaded.unwrap(), file);
}

#[wasm_bindgen_test]
async fn a_file_in_parts_is_put_together_and_kept_whole() {
    let file = bytes(3);
    forget(&file).await;
    let cuts = [0, 7, 100_000, 100_001, file.len()];
    let part = |range: &[usize]| Part {
        file: serve(&file[range[0]..range[1]]),
        bytes: (range[1] - range[0]) as u64,
    };
    let entry = Entry {
        parts: cuts.windows(2).map(part).collect(),
        ..entry("https://example.org/not-there.gguf".into(), &file)
    };
    assert_eq!(load(&entry).await.0.unwrap(), file);
    assert!(is_kept(entry.sha256).await);
}

#[wasm_bindgen_test]
async fn a_file_that_is_not_the_promised_one_is_refused_and_not_kept() {
    let promised = bytes(0);
    forget(&promised).await;
    let mut flipped = promised.clone();
    flipped[200_000] ^= 1;
    let short = promised[..promised.len() - 1].to_vec();
    let long = [&promised[..], &[1]].concat();
    let no_model = [vec![0xff], promised[1..].to_vec()].concat();
    for wrong in [flipped, short, long, no_model] {
        let (loaded, _) = load(&entry(serve(&wrong), &promised)).await;
        assert_eq!(loaded.unwrap_err().kind, ErrorKind::Integrity);
        assert!(!is_kept(digest(&promised)).await);
        let (_, parts) = store().await.list().await;
        assert_eq!(parts, [], "nothing of it is there to go on with");
    }
    let (loaded, _) = load(&entry(serve(&promised), &promised)).await;
    assert_eq!(loaded.unwrap(), promised, "the next request works");
}

#[wasm_bindgen_test]
async fn a_damaged_copy_is_replaced_from_the_network() {
    let file = bytes(1);
    let mut flipped = file.clone();
    flipped[200_000] ^= 1;
    for damage in [vec![], file[..1_000].to_vec(), flipped] {
        forget(&file).await;
        let store = store().await;
        let record = Stored {
            id: digest(&file).to_string(),
            name: "test".into(),
            architecture: "bert".into(),
            quantization: "Q8_0".into(),
            bytes: file.len() as u64,
            sha256: digest(&file),
            parameters: 1,
            heads: Vec::new(),
            tasks: Vec::new(),
            license: None,
            source: "test".into(),
            revision: None,
            origin: Origin::Catalogue,
            imported: "2026-11-24T00:00:00.000Z".into(),
            last_used: "2026-11-24T00:00:00.000Z".into(),
        };
        let writer = store.write_part(&record.id).await.unwrap();
        writer.write_at(0, &damage).unwrap();
        drop(writer);
        store.finish(&record).await.unwrap();

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
async fn a_file_that_is_no_model_is_not_kept_for_its_own_sake() {
    let store = store().await;
    for wrong in [vec![], b"GGUF".to_vec(), bytes(2)[..200_000].to_vec()] {
        let kept = keep_file(&store, "ab", "x.gguf", &blob(&wrong), &|_| {}, &signal()).await;
        assert_eq!(kept.unwrap_err().kind, ErrorKind::Integrity);
    }
    let sound = bytes(2);
    keep_file(&store, "ab", "x.gguf", &blob(&sound), &|_| {}, &signal())
        .await
        .unwrap();
    let loaded = load_stored::<Bytes>("ab", &|_| {}, &signal()).await;
    assert_eq!(loaded.unwrap(), sound);
    assert!(store.remove("ab").await);
    let gone = load_stored::<Bytes>("ab", &|_| {}, &signal()).await;
    assert_eq!(gone.unwrap_err().kind, ErrorKind::Input);
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
async fn a_cancelled_load_stops_between_chunks_and_the_next_one_goes_on() {
    let file = bytes(2);
    forget(&file).await;
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
