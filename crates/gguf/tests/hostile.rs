//! A hand-made file for every fault the decoder knows, and the sentence it must give.

#[path = "../../pack/tests/common/counting.rs"]
mod counting;

use std::convert::Infallible;

use counting::measure;
use unmask_gguf::{Error, Limits, StreamError, TensorType, read};

/// Writes the pieces of a file byte by byte, sound or not.
#[derive(Default, Clone)]
struct Bytes(Vec<u8>);

impl Bytes {
    /// Magic, version 3 and the two counts.
    fn file(tensors: u64, entries: u64) -> Self {
        Self(b"GGUF".to_vec()).u32(3).u64(tensors).u64(entries)
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn u32(self, n: u32) -> Self {
        self.raw(&n.to_le_bytes())
    }

    fn u64(self, n: u64) -> Self {
        self.raw(&n.to_le_bytes())
    }

    fn string(self, text: &str) -> Self {
        self.u64(text.len() as u64).raw(text.as_bytes())
    }

    /// A tensor's record; dimensions in the file's order, innermost first.
    fn tensor(self, name: &str, dimensions: &[u64], ty: u32, offset: u64) -> Self {
        let named = self.string(name).u32(dimensions.len() as u32);
        dimensions
            .iter()
            .fold(named, |bytes, &n| bytes.u64(n))
            .u32(ty)
            .u64(offset)
    }

    fn pad(mut self) -> Self {
        self.0.resize(self.0.len().next_multiple_of(32), 0);
        self
    }
}

fn decode(bytes: &Bytes, limits: Limits) -> Result<(), Error> {
    match read(&bytes.0[..], limits, |_, _| Ok::<(), Infallible>(())) {
        Ok(_) => Ok(()),
        Err(StreamError::Gguf(error)) => Err(error),
        Err(other) => panic!("reading from memory cannot fail: {other}"),
    }
}

/// The fault of a file, read with the default limits.
fn fault(bytes: Bytes) -> Error {
    let error = decode(&bytes, Limits::default()).expect_err("the file is not sound");
    let sentence = error.to_string();
    assert!(
        sentence.ends_with('.') && sentence.contains(':'),
        "a sentence with the next step: {sentence}"
    );
    error
}

fn name(name: &str) -> String {
    name.to_owned()
}

const F32: u32 = 0;
const Q8_0: u32 = 8;

#[test]
fn a_file_of_another_kind() {
    assert_eq!(
        fault(Bytes::default().raw(b"<!DOCTYPE html>")),
        Error::Magic
    );
    assert_eq!(
        fault(Bytes::default().raw(b"PK\x03\x04").u32(0).u64(0).u64(0)),
        Error::Magic
    );
}

#[test]
fn another_version_or_byte_order() {
    let version = |n: u32| Bytes::default().raw(b"GGUF").u32(n).u64(0).u64(0);
    assert_eq!(fault(version(1)), Error::Version(1));
    assert_eq!(fault(version(4)), Error::Version(4));
    assert_eq!(fault(version(3_u32.swap_bytes())), Error::BigEndian);
}

#[test]
fn absurd_counts_and_lengths() {
    let huge = 1 << 60;
    assert_eq!(
        fault(Bytes::file(huge, 0)),
        Error::TooManyTensors { count: huge }
    );
    assert_eq!(
        fault(Bytes::file(0, huge)),
        Error::TooManyEntries { count: huge }
    );
    assert_eq!(
        fault(Bytes::file(0, 1).u64(huge)),
        Error::StringTooLong { bytes: huge }
    );
    let text = Bytes::file(0, 1).string("k").u32(8).u64(u64::MAX);
    assert_eq!(fault(text), Error::StringTooLong { bytes: u64::MAX });
    let array = Bytes::file(0, 1).string("k").u32(9).u32(0).u64(u64::MAX);
    assert_eq!(
        fault(array),
        Error::ArrayTooLong {
            key: name("k"),
            items: u64::MAX
        }
    );
}

#[test]
fn metadata_that_grow_when_decoded() {
    let many_small = Bytes::file(0, 1)
        .string("k")
        .u32(9)
        .u32(0)
        .u64(1000)
        .raw(&[7; 1000]);
    let limits = Limits {
        metadata_bytes: 20_000,
        ..Limits::default()
    };
    assert_eq!(
        decode(&many_small, limits),
        Err(Error::MetadataTooLarge { limit: 20_000 })
    );
    assert_eq!(decode(&many_small.pad(), Limits::default()), Ok(()));
}

#[test]
fn nested_arrays() {
    let nested = |depth: usize| {
        (1..depth).fold(Bytes::file(0, 1).string("k").u32(9), |b, _| b.u32(9).u64(1))
    };
    assert_eq!(
        fault(nested(5).u32(0).u64(0)),
        Error::NestedTooDeep {
            key: name("k"),
            depth: 5
        }
    );
    assert_eq!(
        decode(&nested(4).u32(0).u64(0).pad(), Limits::default()),
        Ok(())
    );
}

#[test]
fn metadata_that_contradict_themselves() {
    assert_eq!(
        fault(Bytes::file(0, 1).u64(2).raw(&[0xff, 0xfe]).u32(0)),
        Error::Utf8
    );
    assert_eq!(
        fault(Bytes::file(0, 1).string("k").u32(13)),
        Error::ValueType {
            key: name("k"),
            id: 13
        }
    );
    let item = Bytes::file(0, 1).string("k").u32(9).u32(99).u64(1);
    assert_eq!(
        fault(item),
        Error::ValueType {
            key: name("k"),
            id: 99
        }
    );
    let truth = Bytes::file(0, 1).string("k").u32(7).raw(&[2]);
    assert_eq!(
        fault(truth),
        Error::Bool {
            key: name("k"),
            byte: 2
        }
    );
    let twice = Bytes::file(0, 2)
        .string("k")
        .u32(0)
        .raw(&[1])
        .string("k")
        .u32(0)
        .raw(&[1]);
    assert_eq!(fault(twice), Error::DuplicateKey { key: name("k") });
    for alignment in [0, 24, 1 << 17] {
        let odd = Bytes::file(0, 1)
            .string("general.alignment")
            .u32(4)
            .u32(alignment);
        assert_eq!(fault(odd), Error::Alignment);
    }
}

#[test]
fn tensors_of_impossible_shape() {
    let tensor = |dimensions: &[u64], ty| fault(Bytes::file(1, 0).tensor("t", dimensions, ty, 0));
    let dimensions = |dimensions| Error::Dimensions {
        name: name("t"),
        dimensions,
        limit: 4,
    };
    assert_eq!(tensor(&[], F32), dimensions(0));
    assert_eq!(tensor(&[1; 5], F32), dimensions(5));
    assert_eq!(
        fault(Bytes::file(1, 0).string("t").u32(u32::MAX)),
        dimensions(u32::MAX)
    );
    assert_eq!(
        tensor(&[4, 0], F32),
        Error::ZeroDimension { name: name("t") }
    );
    assert_eq!(
        tensor(&[1 << 63, 1 << 63], F32),
        Error::TensorTooLarge { name: name("t") }
    );
    assert_eq!(
        tensor(&[1 << 31], F32),
        Error::TensorTooLarge { name: name("t") }
    );
    assert_eq!(
        tensor(&[33, 32], Q8_0),
        Error::Blocks {
            name: name("t"),
            columns: 33,
            ty: TensorType::Q8_0
        }
    );
    assert_eq!(
        tensor(&[32], 4),
        Error::TensorType {
            name: name("t"),
            id: 4
        }
    );
}

#[test]
fn tensors_in_impossible_places() {
    let two = |second: &str, offset| {
        fault(
            Bytes::file(2, 0)
                .tensor("a", &[8], F32, 0)
                .tensor(second, &[8], F32, offset),
        )
    };
    let b = || name("b");
    assert_eq!(
        two("b", 33),
        Error::Unaligned {
            name: b(),
            offset: 33,
            alignment: 32
        }
    );
    assert_eq!(
        two("b", 0),
        Error::Overlap {
            name: b(),
            offset: 0,
            end: 32
        }
    );
    assert_eq!(
        two("b", 64),
        Error::Gap {
            name: b(),
            offset: 64,
            end: 32
        }
    );
    assert_eq!(
        two("b", u64::MAX - 31),
        Error::Gap {
            name: b(),
            offset: u64::MAX - 31,
            end: 32
        }
    );
    assert_eq!(two("a", 32), Error::DuplicateTensor { name: name("a") });
}

#[test]
fn a_length_that_the_header_contradicts() {
    let file = Bytes::file(1, 0)
        .tensor("t", &[8], F32, 0)
        .pad()
        .raw(&[0; 32]);
    assert_eq!(decode(&file, Limits::default()), Ok(()));
    assert_eq!(fault(file.clone().raw(&[0])), Error::TrailingBytes);
    let mut decoder = unmask_gguf::Decoder::new(Limits::default()).expect_bytes(1000);
    let result = decoder.push(&file.0, &mut |_, _| Ok::<(), Infallible>(()));
    let described = file.0.len() as u64;
    assert!(
        matches!(result, Err(StreamError::Gguf(e)) if e == Error::Length { described, actual: 1000 })
    );
    assert_eq!(decoder.finish(), Err(Error::Stopped));
}

#[test]
fn a_promise_of_two_gigabytes_costs_no_memory_until_they_come() {
    let file = Bytes::file(1, 0)
        .tensor("t", &[(1 << 29) - 1], F32, 0)
        .pad()
        .raw(&[0; 100]);
    assert_eq!(
        fault(file.clone()),
        Error::Truncated {
            received: file.0.len() as u64
        }
    );
}

#[test]
fn a_consumer_that_refuses_stops_the_decoder() {
    let file = Bytes::file(1, 0)
        .tensor("t", &[8], F32, 0)
        .pad()
        .raw(&[0; 32]);
    let mut decoder = unmask_gguf::Decoder::new(Limits::default());
    let refused = decoder.push(&file.0, &mut |info, _| Err(info.name.clone()));
    assert!(matches!(refused, Err(StreamError::Consumer(name)) if name == "t"));
    let next = decoder.push(&[0], &mut |_, _| Ok::<(), Infallible>(()));
    assert!(matches!(next, Err(StreamError::Gguf(Error::Stopped))));
}

#[test]
fn what_a_header_promises_is_not_believed_before_it_comes() {
    let huge = 1_u64 << 60;
    let long = (64 << 20) - 1; // still a length that a tokenizer may have
    let many = 1 << 20; // as many items as an array may have
    for (what, file) in [
        ("tensors", Bytes::file(huge, 0)),
        ("tensors that may be", Bytes::file(16384, 0)),
        ("entries", Bytes::file(0, huge)),
        ("entries that may be", Bytes::file(0, 4096)),
        ("a key", Bytes::file(0, 1).u64(huge)),
        ("a text", Bytes::file(0, 1).string("k").u32(8).u64(u64::MAX)),
        (
            "a text that may be",
            Bytes::file(0, 1).string("k").u32(8).u64(long),
        ),
        (
            "an array",
            Bytes::file(0, 1).string("k").u32(9).u32(10).u64(huge),
        ),
        (
            "an array that may be",
            Bytes::file(0, 1).string("k").u32(9).u32(10).u64(many),
        ),
        (
            "a tensor of two gigabytes",
            Bytes::file(1, 0)
                .tensor("t", &[(1 << 29) - 1], F32, 0)
                .pad()
                .raw(&[0; 100]),
        ),
    ] {
        let mut decoder = unmask_gguf::Decoder::new(Limits::default());
        let (_, taken) = measure(|| {
            let pushed = decoder.push(&file.0, &mut |_, _| Ok::<(), Infallible>(()));
            pushed.is_ok() && decoder.finish().is_ok()
        });
        // A tensor's memory is taken by the megabyte.
        assert!(taken.peak < (1 << 20) + (64 << 10), "{what}: {taken:?}");
    }
}

#[test]
fn metadata_cost_a_bounded_number_of_bytes_for_each_of_theirs() {
    // The dearest: a value for each byte.
    let items = 1_u64 << 20;
    let array = |file: Bytes, key: &str| {
        file.string(key)
            .u32(9)
            .u32(0)
            .u64(items)
            .raw(&vec![7; items as usize])
    };
    let file = ["a", "b", "c", "d"]
        .into_iter()
        .fold(Bytes::file(0, 4), array)
        .pad();
    let limits = Limits::default();
    let (decoded, taken) = measure(|| decode(&file, limits.clone()));
    assert!(decoded.is_ok() || matches!(decoded, Err(Error::MetadataTooLarge { .. })));
    assert!(taken.peak as u64 <= 2 * limits.metadata_bytes, "{taken:?}");
    assert!(taken.total < 128 * file.0.len(), "{taken:?}");
}

#[test]
fn a_header_that_comes_byte_by_byte_is_not_read_again_and_again() {
    let text = "x".repeat(1 << 16);
    let file = Bytes::file(0, 1).string("k").u32(8).string(&text).pad();
    let mut decoder = unmask_gguf::Decoder::new(Limits::default());
    let (_, taken) = measure(|| {
        for byte in &file.0 {
            let pushed = decoder.push(&[*byte], &mut |_, _| Ok::<(), Infallible>(()));
            assert!(pushed.is_ok());
        }
    });
    assert!(taken.total < 16 * file.0.len(), "{taken:?}");
}
