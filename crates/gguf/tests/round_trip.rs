//! What is written is what is read, however the bytes are cut.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is a finding")]

use std::collections::BTreeMap;
use std::convert::Infallible;

use proptest::prelude::*;
use unmask_gguf::{
    Decoder, Error, Header, Layout, Limits, StreamError, TensorInfo, TensorType, Value, ValueType,
    Writer, read,
};

type Tensors = Vec<(TensorInfo, Vec<u8>)>;

/// Decodes with a cut before each of these positions.
fn decode(file: &[u8], cuts: &[usize]) -> Result<(Header, Tensors), StreamError<Infallible>> {
    let mut decoder = Decoder::new(Limits::default());
    let mut tensors = Vec::new();
    let mut begin = 0;
    for &end in cuts.iter().chain([&file.len()]) {
        decoder.push(&file[begin..end], &mut |info, bytes| {
            tensors.push((info.clone(), bytes));
            Ok(())
        })?;
        begin = end;
    }
    Ok((decoder.finish()?, tensors))
}

/// Writes the tensors with bytes that count up.
fn write(
    metadata: BTreeMap<String, Value>,
    tensors: Vec<(String, Vec<usize>, TensorType)>,
) -> (Layout, Vec<u8>) {
    let layout = Layout::new(metadata, tensors).unwrap();
    let mut writer = Writer::new(layout.clone(), Vec::new()).unwrap();
    for info in &layout.header().tensors {
        writer.tensor(&info.name, &contents(info)).unwrap();
    }
    (layout, writer.finish().unwrap())
}

fn contents(info: &TensorInfo) -> Vec<u8> {
    (0..info.bytes).map(|i| (i + info.offset) as u8).collect()
}

fn small() -> (Layout, Vec<u8>) {
    let words = Value::Array(ValueType::String, vec!["[MASK]".into(), "straße".into()]);
    let nested = Value::Array(
        ValueType::Array,
        vec![Value::Array(ValueType::U8, vec![]), words.clone()],
    );
    let metadata = [
        ("general.architecture", "bert".into()),
        ("general.alignment", Value::U32(64)),
        ("nested", nested),
        ("flag", Value::Bool(true)),
        ("ratio", Value::F64(0.5)),
        ("words", words),
    ];
    let metadata = metadata
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    let tensors = vec![
        (
            "embeddings.weight".to_owned(),
            vec![2, 32],
            TensorType::Q8_0,
        ),
        ("LayerNorm.bias".to_owned(), vec![3], TensorType::F32),
    ];
    write(metadata, tensors)
}

#[test]
fn every_cut_of_a_file_gives_the_same() {
    let (layout, file) = small();
    let whole = decode(&file, &[]).unwrap();
    assert_eq!(&whole.0, layout.header());
    assert_eq!(whole.0.file_bytes(), file.len() as u64);
    assert_eq!(whole.0.tensor("LayerNorm.bias").unwrap().shape, [3]);
    assert!(whole.1.iter().all(|(info, bytes)| *bytes == contents(info)));
    for cut in 0..file.len() {
        assert_eq!(decode(&file, &[cut]).unwrap(), whole, "cut at {cut}");
    }
    let bytewise: Vec<_> = (0..file.len()).collect();
    assert_eq!(decode(&file, &bytewise).unwrap(), whole);
}

#[test]
fn every_truncation_is_an_error() {
    let (_, file) = small();
    for length in 0..file.len() {
        let received = length as u64;
        let result = read(&file[..length], Limits::default(), |_, _| {
            Ok::<(), Infallible>(())
        });
        assert!(
            matches!(result, Err(StreamError::Gguf(e)) if e == Error::Truncated { received }),
            "at {length}"
        );
    }
}

#[test]
fn a_file_larger_than_the_reading_step_arrives_whole() {
    let (layout, file) = write(
        BTreeMap::new(),
        vec![("big".into(), vec![700, 1024], TensorType::F32)],
    );
    let mut tensors = 0;
    let header = read(&file[..], Limits::default(), |info, bytes| {
        tensors += 1;
        assert!(bytes == contents(info));
        Ok::<(), Infallible>(())
    });
    assert_eq!((&header.unwrap(), tensors), (layout.header(), 1));
}

#[test]
fn layouts_that_cannot_be_written_are_refused() {
    let tensor = |name: &str, shape: &[usize], ty| (name.to_owned(), shape.to_vec(), ty);
    let refused = |tensors| Layout::new(BTreeMap::new(), tensors).unwrap_err();
    let twice = vec![
        tensor("a", &[1], TensorType::F32),
        tensor("a", &[1], TensorType::F32),
    ];
    assert!(matches!(refused(twice), Error::DuplicateTensor { .. }));
    assert!(matches!(
        refused(vec![tensor("a", &[4, 33], TensorType::Q4_0)]),
        Error::Blocks { columns: 33, .. }
    ));
    let long = tensor(&"n".repeat(1025), &[1], TensorType::F32);
    assert_eq!(refused(vec![long]), Error::StringTooLong { bytes: 1025 });
    let mixed = Value::Array(ValueType::U8, vec![Value::U8(1), Value::I8(1)]);
    let mixed = Layout::new([("k".to_owned(), mixed)].into(), vec![]).unwrap_err();
    assert_eq!(mixed, Error::MixedArray { key: "k".into() });
}

#[test]
fn a_writer_holds_to_its_layout() {
    let layout = || {
        Layout::new(
            BTreeMap::new(),
            vec![("a".into(), vec![2], TensorType::F32)],
        )
        .unwrap()
    };
    let writer = || Writer::new(layout(), Vec::new()).unwrap();
    let fault = |result: Result<_, StreamError<Infallible>>| match result {
        Err(StreamError::Gguf(error)) => error,
        _ => panic!("a fault was expected"),
    };
    assert_eq!(
        fault(writer().tensor("b", &[0; 8])),
        Error::UnexpectedTensor { name: "b".into() }
    );
    let short = Error::TensorBytes {
        name: "a".into(),
        expected: 8,
        actual: 7,
    };
    assert_eq!(fault(writer().tensor("a", &[0; 7])), short);
    assert_eq!(
        fault(writer().finish().map(|_| ())),
        Error::MissingTensors { missing: 1 }
    );
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u8>().prop_map(Value::U8),
        any::<i8>().prop_map(Value::I8),
        any::<u16>().prop_map(Value::U16),
        any::<i16>().prop_map(Value::I16),
        any::<u32>().prop_map(Value::U32),
        any::<i32>().prop_map(Value::I32),
        (-1e30f32..1e30).prop_map(Value::F32),
        any::<bool>().prop_map(Value::Bool),
        ".{0,12}".prop_map(Value::String),
        any::<u64>().prop_map(Value::U64),
        any::<i64>().prop_map(Value::I64),
        (-1e300f64..1e300).prop_map(Value::F64),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let array = (scalar(), 0..4usize)
        .prop_map(|(item, count)| Value::Array(item.value_type(), vec![item; count]))
        .boxed();
    let nested = (array.clone(), 0..3usize)
        .prop_map(|(item, count)| Value::Array(ValueType::Array, vec![item; count]));
    prop_oneof![scalar(), array, nested]
}

fn tensor() -> impl Strategy<Value = (Vec<usize>, TensorType)> {
    let ty = proptest::sample::select(TensorType::all().collect::<Vec<_>>());
    (proptest::collection::vec(1..4usize, 1..4), ty).prop_map(|(mut shape, ty)| {
        *shape.last_mut().unwrap() *= ty.block_len();
        (shape, ty)
    })
}

proptest! {
    #[test]
    fn any_file_comes_back_whole(
        metadata in proptest::collection::btree_map("[a-z]{1,8}", value(), 0..6),
        tensors in proptest::collection::btree_map("[a-z.]{1,12}", tensor(), 0..6),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let tensors = tensors.into_iter().map(|(name, (shape, ty))| (name, shape, ty)).collect();
        let (layout, file) = write(metadata, tensors);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(file.len())).collect();
        cuts.sort_unstable();
        let (header, tensors) = decode(&file, &cuts).unwrap();
        prop_assert_eq!(&header, layout.header());
        prop_assert!(tensors.iter().all(|(info, bytes)| *bytes == contents(info)));
        prop_assert_eq!(tensors.len(), header.tensors.len());
    }

    #[test]
    fn a_damaged_header_never_panics(position in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (layout, mut file) = small();
        let position = position.index(layout.header_bytes().len());
        file[position] = byte;
        let _ = decode(&file, &[position]);
    }
}
