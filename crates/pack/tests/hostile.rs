//! Checkpoints that are damaged or mean harm: each is refused with the fault that it has.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is a finding")]

mod common;
#[path = "common/counting.rs"]
mod counting;

use std::cell::Cell;
use std::io::{self, Write};
use std::rc::Rc;

use common::{Memory, options, pack, raw_safetensors, safetensors, unpack, without_weights};
use counting::measure;
use serde_json::json;
use unmask_pack::{Error, Folder, PickleFault, Plan, ReadAt, SafetensorsFault};
use zip::write::SimpleFileOptions;

fn fault(folder: &Memory) -> Error {
    let error = pack(folder, "q8_0").expect_err("the checkpoint is not sound");
    let sentence = error.to_string();
    assert!(
        sentence.ends_with('.') && sentence.contains([':', ';']),
        "a sentence with the next step: {sentence}"
    );
    error
}

fn safetensors_fault(file: Vec<u8>) -> SafetensorsFault {
    match fault(&without_weights().with("model.safetensors", file)) {
        Error::Safetensors { fault, .. } => fault,
        other => panic!("another fault: {other}"),
    }
}

#[test]
fn safetensors_headers_that_are_too_long_or_no_json() {
    assert_eq!(safetensors_fault(vec![1, 2, 3]), SafetensorsFault::TooShort);
    for bytes in [u64::MAX, 1 << 40, 100] {
        let file = [&bytes.to_le_bytes()[..], b"{}"].concat();
        assert_eq!(
            safetensors_fault(file),
            SafetensorsFault::HeaderLength { bytes }
        );
    }
    let deep = format!("{{\"a\":{}", "[".repeat(1_000_000));
    for text in ["[]", "{", "{\"a\":{\"dtype\":\"F32\"}}", "{\"a\":1}", &deep] {
        assert!(matches!(
            safetensors_fault(raw_safetensors(text, &[])),
            SafetensorsFault::Json(_)
        ));
    }
    let long = safetensors(&[(&"n".repeat(1025), &[1])]);
    assert!(
        matches!(safetensors_fault(long), SafetensorsFault::Json(why) if why.contains("longer"))
    );
    let entry = r#""a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
    let twice = raw_safetensors(&format!("{{{entry},{entry}}}"), &[0; 4]);
    assert!(
        matches!(safetensors_fault(twice), SafetensorsFault::Json(why) if why.contains("twice"))
    );
}

#[test]
fn safetensors_entries_that_the_file_contradicts() {
    let one = |dtype: &str, shape: &[u64], offsets: [u64; 2], data: usize| {
        let header = json!({ "a": { "dtype": dtype, "shape": shape, "data_offsets": offsets } });
        safetensors_fault(raw_safetensors(&header.to_string(), &vec![0; data]))
    };
    let a = || "a".to_owned();
    assert_eq!(
        one("F8", &[4], [0, 4], 4),
        SafetensorsFault::Dtype {
            name: a(),
            dtype: "F8".into()
        }
    );
    assert_eq!(
        one("F32", &[2], [0, 4], 4),
        SafetensorsFault::Size { name: a() }
    );
    assert_eq!(
        one("F32", &[2], [0, 8], 4),
        SafetensorsFault::Size { name: a() },
        "outside the file"
    );
    assert_eq!(
        one("F32", &[1 << 32, 1 << 32], [0, 0], 0),
        SafetensorsFault::Size { name: a() },
        "overflows"
    );
    assert_eq!(
        one("F32", &[0], [0, 0], 0),
        SafetensorsFault::Size { name: a() }
    );
    assert_eq!(
        one("F32", &[1], [4, 0], 8),
        SafetensorsFault::Place { name: a() }
    );
    assert_eq!(
        one("F32", &[1], [4, 8], 8),
        SafetensorsFault::Place { name: a() },
        "a hole"
    );
    assert!(
        matches!(one("F32", &[1], [0, 4], 8), SafetensorsFault::Length { .. }),
        "bytes left over"
    );
    let overlap = json!({ "a": { "dtype": "F32", "shape": [2], "data_offsets": [0, 8] },
        "b": { "dtype": "F32", "shape": [2], "data_offsets": [4, 12] } });
    let overlap = raw_safetensors(&overlap.to_string(), &[0; 12]);
    assert_eq!(
        safetensors_fault(overlap),
        SafetensorsFault::Place { name: "b".into() }
    );
}

/// A PyTorch file with this pickle and one storage of 16 bytes.
fn torch(pickle: &[u8]) -> Vec<u8> {
    torch_with(
        pickle,
        zip::CompressionMethod::Stored,
        "m/byteorder",
        b"little",
    )
}

fn torch_with(
    pickle: &[u8],
    method: zip::CompressionMethod,
    extra: &str,
    contents: &[u8],
) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in [
        ("m/data.pkl", pickle),
        ("m/data/0", &[0; 16]),
        (extra, contents),
    ] {
        zip.start_file(name, stored).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn file_fault(file: Vec<u8>) -> PickleFault {
    match fault(&without_weights().with("pytorch_model.bin", file)) {
        Error::Pickle { fault, .. } => fault,
        other => panic!("another fault: {other}"),
    }
}

fn pickle_fault(pickle: &[u8]) -> PickleFault {
    file_fault(torch(pickle))
}

/// A pickled dictionary with a tensor `a` of this storage (elements) and view.
fn tensor(key: &str, elements: u8, offset: u8, shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let mut pickle =
        b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storage"
            .to_vec();
    pickle.extend(b"ctorch\nFloatStorage\n");
    pickle.extend([b"X", &(key.len() as u32).to_le_bytes()[..], key.as_bytes()].concat());
    pickle.extend(
        [
            b"X\x03\x00\x00\x00cpuK".as_slice(),
            &[elements],
            b"tQK",
            &[offset],
        ]
        .concat(),
    );
    for tuple in [shape, strides] {
        pickle.push(b'(');
        tuple.iter().for_each(|&n| pickle.extend([b'K', n]));
        pickle.push(b't');
    }
    pickle.extend(b"\x89}tRs.");
    pickle
}

#[test]
fn a_sound_pickle_is_read_strides_included() {
    let file = torch(&tensor("0", 4, 0, &[2, 2], &[1, 2]));
    let packed = pack(&without_weights().with("pytorch_model.bin", file), "f32").unwrap();
    assert_eq!(unpack(&packed).0.tensor("a").unwrap().shape, [2, 2]);
}

#[test]
fn a_pickle_that_wants_to_run_code() {
    let forbidden = |name: &str| PickleFault::Forbidden {
        name: name.to_owned(),
    };
    assert_eq!(
        pickle_fault(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R."),
        forbidden("os.system")
    );
    let stacked = b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.";
    assert_eq!(pickle_fault(stacked), forbidden("builtins.eval"));
    let loader = b"\x80\x02ctorch.storage\n_load_from_bytes\n.";
    assert_eq!(
        pickle_fault(loader),
        forbidden("torch.storage._load_from_bytes")
    );
    // INST, OBJ and the extension registry are other ways to name something callable.
    for opcode in [b'i', b'o', 0x81, 0x82] {
        assert_eq!(
            pickle_fault(&[0x80, 2, opcode]),
            PickleFault::Opcode { opcode }
        );
    }
}

#[test]
fn pickles_that_contradict_themselves() {
    for pickle in [
        &b""[..],
        b"\x80",
        b"\x80\x02}",
        b"X\xff\xff\xff\xffabc.",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc.",
        b"0.",
        b"(0.",
        b"t.",
        b"}s.",
        b"}(K\x01u.",
        b"K\x01K\x02K\x03s.",
        b"h\x07.",
        b"R.",
        &[b"c", &[b'x'; 2000][..], b"\nsystem\n."].concat(),
        b"ccollections\nOrderedDict\nK\x01R.",
        b"ctorch\nFloatStorage\n)R.",
        b"K\x01Q.",
    ] {
        assert_eq!(pickle_fault(pickle), PickleFault::Malformed, "{pickle:?}");
    }
    for pickle in [&b"K\x01."[..], b"}.", b").", b"N."] {
        assert_eq!(pickle_fault(pickle), PickleFault::NoTensors, "{pickle:?}");
    }
}

#[test]
fn a_pickle_that_nests_without_end_costs_no_stack() {
    let nested = [&b")"[..], &[0x85; 200_000], b"."].concat();
    assert_eq!(pickle_fault(&nested), PickleFault::NoTensors);
}

#[test]
fn views_outside_their_storage() {
    let extent = PickleFault::Extent { name: "a".into() };
    let storage = |key: &str| PickleFault::Storage {
        key: key.to_owned(),
    };
    assert_eq!(pickle_fault(&tensor("0", 4, 1, &[2, 2], &[2, 1])), extent);
    assert_eq!(pickle_fault(&tensor("0", 4, 0, &[2, 2], &[3, 1])), extent);
    assert_eq!(
        pickle_fault(&tensor("0", 4, 0, &[200, 200], &[0, 0])),
        extent,
        "one value again and again"
    );
    assert_eq!(pickle_fault(&tensor("0", 4, 0, &[2], &[2, 1])), extent);
    assert_eq!(pickle_fault(&tensor("0", 4, 0, &[0], &[1])), extent);
    assert_eq!(
        pickle_fault(&tensor("0", 5, 0, &[5], &[1])),
        storage("0"),
        "longer than its bytes"
    );
    assert_eq!(pickle_fault(&tensor("1", 4, 0, &[4], &[1])), storage("1"));
    assert_eq!(
        pickle_fault(&tensor("../data.pkl", 4, 0, &[4], &[1])),
        storage("../data.pkl")
    );
}

#[test]
fn files_that_are_no_pytorch_checkpoints() {
    assert!(matches!(
        file_fault(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.".to_vec()),
        PickleFault::Zip(_)
    ));
    let sound = tensor("0", 4, 0, &[4], &[1]);
    let big = torch_with(
        &sound,
        zip::CompressionMethod::Stored,
        "m/byteorder",
        b"big",
    );
    assert_eq!(file_fault(big), PickleFault::BigEndian);
    let long = torch(&vec![b'N'; (4 << 20) + 1]);
    assert_eq!(
        file_fault(long),
        PickleFault::TooLong {
            bytes: (4 << 20) + 1
        }
    );
    let mut none = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    none.start_file(
        "m/other",
        SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored),
    )
    .unwrap();
    assert_eq!(
        file_fault(none.finish().unwrap().into_inner()),
        PickleFault::NoPickle
    );
    let mut cut = torch(&sound);
    cut.truncate(cut.len() - 10);
    assert!(matches!(file_fault(cut), PickleFault::Zip(_)));
}

#[test]
fn indexes_that_lead_astray() {
    let index = |file: &str| {
        let index = json!({ "weight_map": { "a": file } });
        without_weights().with("model.safetensors.index.json", index.to_string())
    };
    for file in ["../secret.safetensors", "/etc/passwd", "..", "a\\b", ""] {
        assert!(
            matches!(fault(&index(file)), Error::FileName { .. }),
            "{file}"
        );
    }
    assert!(matches!(
        fault(&index("one.safetensors")),
        Error::MissingFile { .. }
    ));
    let other = index("one.safetensors").with("one.safetensors", safetensors(&[("b", &[1])]));
    assert!(matches!(fault(&other), Error::MissingShardTensor { .. }));
    let twice = json!({ "weight_map": { "a": "1.safetensors", "b": "2.safetensors" } });
    let twice = without_weights()
        .with("model.safetensors.index.json", twice.to_string())
        .with("1.safetensors", safetensors(&[("a", &[1])]))
        .with("2.safetensors", safetensors(&[("a", &[1]), ("b", &[1])]));
    assert!(matches!(fault(&twice), Error::DuplicateTensor { .. }));
}

#[test]
fn configurations_that_are_none() {
    let with_config = |config: &str| without_weights().with("config.json", config);
    assert!(matches!(
        fault(&Memory::default()),
        Error::MissingFile { .. }
    ));
    assert!(matches!(fault(&with_config("[]")), Error::Json { .. }));
    assert!(matches!(
        fault(&with_config(&"[".repeat(100_000))),
        Error::Json { .. }
    ));
    assert!(matches!(
        fault(&with_config(&" ".repeat(5 << 20))),
        Error::FileTooLong { .. }
    ));
    let not_text = without_weights().with("config.json", vec![0xff; 10]);
    assert!(matches!(fault(&not_text), Error::Utf8 { .. }));
    assert!(matches!(
        fault(&with_config(r#"{"model_type":"gpt2"}"#)),
        Error::Architecture { .. }
    ));
    assert!(
        matches!(fault(&without_weights()), Error::MissingFile { .. }),
        "no weights"
    );
    let heads = r#"{"model_type":"bert","unmask_heads":[{"name":"x","kind":"no-such-kind"}]}"#;
    let heads = with_config(heads).with("model.safetensors", safetensors(&[("a", &[1])]));
    assert!(matches!(fault(&heads), Error::Heads { .. }));
}

#[test]
fn tokenizers_that_are_none() {
    let weights = safetensors(&[("a", &[1])]);
    let with = |files: &[(&str, &str)]| {
        let config = r#"{"model_type":"bart","grapheme_chars":"____aa","phoneme_chars":"____b"}"#;
        let folder = Memory::default()
            .with("config.json", config)
            .with("model.safetensors", weights.clone());
        files
            .iter()
            .fold(folder, |folder, (name, text)| folder.with(name, *text))
    };
    assert!(matches!(
        fault(&with(&[("tokenizer.json", "{")])),
        Error::Json { .. }
    ));
    assert!(matches!(
        fault(&with(&[("vocab.txt", "a\nb\n")])),
        Error::Tokenizer {
            file: "vocab.txt",
            ..
        }
    ));
    assert!(
        matches!(
            fault(&with(&[])),
            Error::Tokenizer {
                file: "config.json",
                ..
            }
        ),
        "a letter comes twice"
    );
    let merges = |merges| {
        [
            ("vocab.json", r#"{"<s>":0,"</s>":1}"#),
            ("merges.txt", merges),
        ]
    };
    assert!(matches!(
        fault(&with(&merges("#version\nab"))),
        Error::Tokenizer {
            file: "merges.txt",
            ..
        }
    ));
    assert!(pack(&with(&merges("#version\na b")), "f32").is_ok());
    let none = Memory::default()
        .with("config.json", r#"{"model_type":"bert"}"#)
        .with("model.safetensors", weights.clone());
    assert!(matches!(fault(&none), Error::MissingFile { .. }));
}

#[test]
fn values_that_no_weight_has() {
    let not_finite = json!({ "a": { "dtype": "F32", "shape": [1], "data_offsets": [0, 4] } });
    let not_finite = raw_safetensors(&not_finite.to_string(), &f32::NAN.to_le_bytes());
    let folder = without_weights().with("model.safetensors", not_finite);
    assert!(matches!(fault(&folder), Error::NotFinite { name } if name == "a"));
    let integer = json!({ "a": { "dtype": "I64", "shape": [1], "data_offsets": [0, 8] } });
    let integer = raw_safetensors(&integer.to_string(), &[0; 8]);
    let folder = without_weights().with("model.safetensors", integer);
    assert!(matches!(fault(&folder), Error::IntegerWeight { name, .. } if name == "a"));
}

#[test]
fn two_old_names_for_one_tensor() {
    let tensors = safetensors(&[
        ("bert.pooler.dense.bias", &[1]),
        ("pooler.dense.bias", &[1]),
    ]);
    let folder = without_weights().with("model.safetensors", tensors);
    assert!(
        matches!(fault(&folder), Error::DuplicateTensor { name } if name == "bert.pooler.dense.bias")
    );
}

#[test]
fn no_flipped_byte_makes_the_reader_panic() {
    let pickle = torch(&tensor("0", 4, 0, &[2, 2], &[1, 2]));
    for (name, file) in [
        ("pytorch_model.bin", pickle),
        (
            "model.safetensors",
            safetensors(&[("a", &[2, 2]), ("b", &[3])]),
        ),
    ] {
        for position in 0..file.len() {
            for flip in [0x01, 0x20, 0x80, 0xff] {
                let mut damaged = file.clone();
                damaged[position] ^= flip;
                // Whether it is still sound depends on the byte: only a panic would fail.
                let _ = pack(&without_weights().with(name, damaged), "f32");
            }
            let cut = without_weights().with(name, &file[..position]);
            assert!(pack(&cut, "f32").is_err(), "{name} cut at {position}");
        }
    }
}

/// A folder with one file more that says it is very long: some bytes at its beginning, then zeros. Counts what is read of it.
struct Promise {
    folder: Memory,
    file: &'static str,
    begin: Vec<u8>,
    len: u64,
    read: Rc<Cell<u64>>,
}

#[derive(Clone)]
struct PromisedFile {
    begin: Vec<u8>,
    len: u64,
    read: Rc<Cell<u64>>,
}

impl Folder for Promise {
    fn open(&self, name: &str) -> io::Result<Option<Box<dyn ReadAt>>> {
        if name != self.file {
            return self.folder.open(name);
        }
        Ok(Some(Box::new(PromisedFile {
            begin: self.begin.clone(),
            len: self.len,
            read: self.read.clone(),
        })))
    }
}

impl ReadAt for PromisedFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read.set(self.read.get() + buffer.len() as u64);
        buffer.fill(0);
        let known = self.begin.get(offset as usize..).unwrap_or_default();
        let count = known.len().min(buffer.len());
        buffer[..count].copy_from_slice(&known[..count]);
        Ok(())
    }
}

/// The fault of a folder with such a file, the bytes read of it, and the most memory that this took.
fn promised(folder: Memory, file: &'static str, begin: &[u8], len: u64) -> (Error, u64, usize) {
    let promise = Promise {
        folder,
        file,
        begin: begin.to_vec(),
        len,
        read: Rc::default(),
    };
    let (planned, taken) = measure(|| Plan::new(&promise, &options("q8_0")));
    let error = planned.err().expect("the checkpoint is not sound");
    (error, promise.read.get(), taken.peak)
}

#[test]
fn a_tokenizer_of_200_megabytes_is_refused_unread() {
    let weights = safetensors(&[("a", &[1])]);
    let bare = Memory::default()
        .with("config.json", r#"{"model_type":"bart"}"#)
        .with("model.safetensors", weights)
        .with("merges.txt", "a b");
    for file in ["tokenizer.json", "vocab.txt", "vocab.json"] {
        let (error, read, peak) = promised(bare.clone(), file, b"{", 200 << 20);
        assert!(matches!(error, Error::FileTooLong { bytes, .. } if bytes == 200 << 20));
        assert_eq!(read, 0, "{file}");
        assert!(peak < 64 << 10, "{file}: {peak} bytes");
    }
    let target = without_weights().with("model.safetensors", safetensors(&[("a", &[1])]));
    for file in [
        "tokenizer.target.json",
        "config.json",
        "generation_config.json",
        "README.md",
    ] {
        let (error, read, peak) = promised(target.clone(), file, b"{", 200 << 20);
        assert!(
            matches!(error, Error::FileTooLong { .. }),
            "{file}: {error}"
        );
        assert_eq!(read, 0, "{file}");
        assert!(peak < 64 << 10, "{file}: {peak} bytes");
    }
}

#[test]
fn headers_that_fill_a_file_of_gigabytes_are_refused_unread() {
    for bytes in [u64::MAX, 3 << 30, (3 << 30) - 8, 5 << 20] {
        let (error, read, peak) = promised(
            without_weights(),
            "model.safetensors",
            &bytes.to_le_bytes(),
            3 << 30,
        );
        let fault = SafetensorsFault::HeaderLength { bytes };
        assert!(matches!(error, Error::Safetensors { fault: found, .. } if found == fault));
        assert!(read == 8 && peak < 64 << 10, "{read} read, {peak} taken");
    }
    let index = "model.safetensors.index.json";
    let (error, read, _) = promised(without_weights(), index, b"{", 200 << 20);
    assert!(matches!(error, Error::FileTooLong { .. }));
    assert_eq!(read, 0);
}

#[test]
fn a_zip_file_of_gigabytes_without_a_directory_is_not_read_through() {
    let (error, read, peak) = promised(without_weights(), "pytorch_model.bin", b"PK", 3 << 30);
    assert!(matches!(
        error,
        Error::Pickle {
            fault: PickleFault::Zip(_),
            ..
        }
    ));
    assert!(read <= 4 << 20, "{read} bytes read");
    assert!(peak < 1 << 20, "{peak} bytes taken");
}

#[test]
fn a_directory_that_is_longer_than_any_checkpoints() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for entry in 0..30_000 {
        zip.start_file(format!("{entry:0>150}"), stored).unwrap();
    }
    let file = zip.finish().unwrap().into_inner();
    let folder = without_weights().with("pytorch_model.bin", file.clone());
    let (error, taken) = measure(|| fault(&folder));
    assert!(matches!(
        error,
        Error::Pickle {
            fault: PickleFault::Zip(_),
            ..
        }
    ));
    let beside = taken.peak - file.len(); // the folder in memory hands out a copy
    assert!(beside < 64 << 20, "{beside} bytes");
}

/// A PyTorch file whose directory lists this many storages, all of them the same bytes.
fn one_storage_under_many_names(names: usize, bytes: usize) -> Vec<u8> {
    let local = |name: &str, contents: &[u8]| {
        let sizes = [contents.len() as u32; 2].map(u32::to_le_bytes).concat();
        let lengths = [name.len() as u16, 0].map(u16::to_le_bytes).concat();
        [
            b"PK\x03\x04\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0",
            &sizes[..],
            &lengths,
            name.as_bytes(),
            contents,
        ]
        .concat()
    };
    let central = |name: &str, size: usize, header: usize| {
        let sizes = [size as u32; 2].map(u32::to_le_bytes).concat();
        let rest = [
            &(name.len() as u16).to_le_bytes()[..],
            &[0; 12],
            &(header as u32).to_le_bytes(),
        ]
        .concat();
        [
            b"PK\x01\x02\x0a\0\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0",
            &sizes[..],
            &rest,
            name.as_bytes(),
        ]
        .concat()
    };
    let last = (names - 1).to_string();
    let pickle = tensor(&last, 4, 0, &[4], &[1]);
    let mut file = local("m/data.pkl", &pickle);
    let header = file.len();
    file.extend(local("m/data/0", &vec![0; bytes]));
    let directory = file.len();
    file.extend(central("m/data.pkl", pickle.len(), 0));
    for name in 0..names {
        file.extend(central(&format!("m/data/{name}"), bytes, header));
    }
    let count = (names as u16 + 1).to_le_bytes();
    let length = (file.len() - directory) as u32;
    file.extend(
        [
            &b"PK\x05\x06\0\0\0\0"[..],
            &count,
            &count,
            &length.to_le_bytes(),
        ]
        .concat(),
    );
    file.extend([&(directory as u32).to_le_bytes()[..], &[0; 2]].concat());
    file
}

#[test]
fn storages_that_share_their_bytes() {
    let folder = |names| {
        let file = one_storage_under_many_names(names, 4096);
        without_weights().with("pytorch_model.bin", file)
    };
    assert!(pack(&folder(1), "f32").is_ok());
    assert!(matches!(
        fault(&folder(100)),
        Error::Pickle { fault: PickleFault::Storage { key }, .. } if key == "99"
    ));
}

#[test]
fn one_storage_that_is_many_tensors() {
    // The one tensor of a sound pickle, under as many names as there are letters.
    let many = |names: std::ops::RangeInclusive<u8>| {
        let one = tensor("0", 4, 0, &[4], &[1]);
        let dictionary = &one[3..one.len() - 1];
        let mut pickle = one[..3].to_vec();
        for name in names {
            let mut item = dictionary.to_vec();
            item[5] = name;
            pickle.extend(item);
        }
        pickle.push(b'.');
        torch(&pickle)
    };
    let tied = without_weights().with("pytorch_model.bin", many(b'a'..=b'd'));
    assert!(pack(&tied, "f32").is_ok(), "four tied tensors");
    assert!(matches!(
        file_fault(many(b'a'..=b'z')),
        PickleFault::Extent { .. }
    ));
}

#[test]
fn a_pickle_that_repeats_itself_is_not_multiplied() {
    let long = "k".repeat(1000);
    let one = tensor(&long, 4, 0, &[4], &[1]);
    // The call's two parts, remembered, then called again and again: five bytes a tensor with a long name in it.
    let call = one.windows(2).position(|bytes| bytes == b"ct").unwrap();
    let end = one.iter().rposition(|&byte| byte == b'R').unwrap();
    let arguments = one[call..end]
        .iter()
        .position(|&byte| byte == b'(')
        .unwrap()
        + call;
    let mut calls = [&one[..arguments], b"q\x00", &one[arguments..end], b"q\x01R"].concat();
    let mut makes = [&one[..arguments], b"q\x00", &one[arguments..end]].concat();
    while calls.len() < 4_000_000 {
        calls.extend(b"0h\x00h\x01R");
    }
    // Values pushed, values remembered, marks: a byte or two each.
    makes.extend(vec![0x94; 4_000_000]);
    for (what, pickle) in [
        ("calls", calls),
        ("memo", makes),
        ("values", vec![b'N'; 4_000_000]),
        ("marks", vec![b'('; 4_000_000]),
        ("objects", vec![b'}'; 4_000_000]),
    ] {
        let file = torch(&pickle);
        let length = file.len();
        let folder = without_weights().with("pytorch_model.bin", file);
        let (error, taken) = measure(|| fault(&folder));
        assert!(
            matches!(
                error,
                Error::Pickle {
                    fault: PickleFault::Malformed,
                    ..
                }
            ),
            "{what}: {error}"
        );
        let beside = taken.peak - 2 * length; // a copy from the folder, one of the pickle
        assert!(beside < 80 << 20, "{what}: {beside} bytes");
    }
}

#[test]
fn deep_nesting_is_refused_without_depth_of_stack_or_memory() {
    let sound = without_weights().with("model.safetensors", safetensors(&[("a", &[1])]));
    let arrays = [vec![b'['; 500_000], vec![b']'; 500_000]].concat();
    let objects = format!("{}1{}", r#"{"a":"#.repeat(200_000), "}".repeat(200_000));
    for deep in [arrays, objects.into_bytes()] {
        let inside = [&b"{\"a\":"[..], &deep, b"}"].concat();
        for file in [
            "config.json",
            "tokenizer.json",
            "generation_config.json",
            "model.safetensors.index.json",
        ] {
            let mut folder = sound.clone().with(file, inside.clone());
            if file.ends_with("index.json") {
                folder.0.remove("model.safetensors");
            }
            let (error, taken) = measure(|| fault(&folder));
            assert!(matches!(error, Error::Json { .. }), "{file}: {error}");
            assert!(taken.peak < 8 << 20, "{file}: {} bytes", taken.peak);
        }
        let header = String::from_utf8(inside).unwrap();
        assert!(matches!(
            safetensors_fault(raw_safetensors(&header, &[])),
            SafetensorsFault::Json(_)
        ));
    }
}

#[test]
fn what_a_configuration_costs_is_bounded_by_its_length() {
    let dearest = format!("{{\"a\":[{}{{}}]}}", r#"{"":0},"#.repeat(280_000));
    assert!(dearest.len() < 2 << 20);
    let folder = without_weights().with("config.json", dearest);
    let (_, taken) = measure(|| fault(&folder));
    assert!(taken.peak < 256 << 20, "{} bytes", taken.peak);
}
