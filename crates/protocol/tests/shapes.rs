//! The shapes that `public/unmask.js` builds and reads, and what is no request at all.

use serde_json::{Value, from_value, json, to_value};
use unmask_protocol::{
    Candidate, Envelope, ErrorBody, ErrorCode, Event, FilledMask, Finish, Generation, Phase,
    Progress, Reply, Step, Token,
};

#[test]
fn requests_read_as_the_client_builds_them() {
    let source = |source: Value| json!({ "kind": "load", "source": source });
    let requests = [
        source(
            json!({ "from": "catalogue", "name": "bert", "catalogue": "https://a.org/models.json" }),
        ),
        source(
            json!({ "from": "catalogue", "name": "bert", "catalogue": "x", "quantization": "Q8_0" }),
        ),
        source(json!({ "from": "url", "url": "https://a.org/bert.gguf" })),
        source(json!({ "from": "file", "name": "bert.gguf" })),
        json!({ "kind": "load", "source": { "from": "url", "url": "x" }, "requantize": "Q4_0" }),
        json!({ "kind": "dispose", "model": 1 }),
        json!({ "kind": "cancel", "target": 7 }),
        json!({ "kind": "tokenize", "model": 1, "text": "a", "pair": null }),
        json!({ "kind": "fillMask", "model": 1, "text": "[MASK]", "topK": 3, "mask": {
            "encoder": { "pattern": "custom", "queries": 1, "keys": 1, "allowed": [1] },
            "decoder": { "pattern": "prefix", "length": 2 },
            "cross": { "pattern": "window", "radius": 2 },
        } }),
        json!({ "kind": "fillMask", "model": 1, "text": "[MASK]", "headsOff": {
            "encoder": [{ "layer": 2, "head": 5 }],
        } }),
        json!({ "kind": "fillMask", "model": 1, "text": "a", "positions": [1, 4], "topK": 3 }),
        json!({ "kind": "hiddenStates", "model": 1, "text": "a", "pair": "b" }),
        json!({ "kind": "logits", "model": 1, "text": "a", "target": "b", "task": "summarize" }),
        json!({ "kind": "nextSentence", "model": 1, "a": "a", "b": "b" }),
        json!({ "kind": "classify", "model": 1, "text": "a", "head": "topic", "labels": ["x"],
            "hypothesis": "This is about {}." }),
        json!({ "kind": "label", "model": 1, "text": "a" }),
        json!({ "kind": "answer", "model": 1, "question": "a", "context": "b", "topK": 2 }),
        json!({ "kind": "embed", "model": 1, "texts": ["a", "b"] }),
        json!({ "kind": "generate", "model": 1, "text": "a", "options": {
            "task": "summarize", "numBeams": 4, "maxNewTokens": 9, "minNewTokens": 1, "temperature": 0.5,
            "topK": 5, "topP": 0.9, "seed": 9007199254740991u64, "noRepeatNgramSize": 3,
            "repetitionPenalty": 1.5, "lengthPenalty": 2, "earlyStopping": true, "alternatives": 3,
        } }),
        json!({ "kind": "attention", "model": 1, "text": "a", "target": "b", "task": "summarize" }),
    ];
    for request in requests {
        let envelope: Envelope =
            from_value(json!({ "id": 3, "request": request })).expect("the client sends this");
        let written = to_value(&envelope).unwrap();
        assert_eq!(written["id"], 3);
        assert!(
            holds(&written["request"], &request),
            "{request} became {written}"
        );
    }
}

/// Whether everything that `part` says is in `whole`, which may say more.
fn holds(whole: &Value, part: &Value) -> bool {
    match part.as_object() {
        Some(fields) => fields
            .iter()
            .all(|(name, value)| holds(&whole[name], value)),
        None => whole == part || (whole.is_f64() && whole.as_f64() == part.as_f64()),
    }
}

#[test]
fn what_is_no_request_is_an_error() {
    let whole = json!({ "id": 1, "request": { "kind": "fillMask", "model": 1, "text": "[MASK]" } });
    assert!(from_value::<Envelope>(whole.clone()).is_ok());
    let with = |pointer: &str, value: Value| {
        let mut request = whole.clone();
        *request.pointer_mut(pointer).unwrap() = value;
        request
    };
    let cases = [
        json!(null),
        json!("fillMask"),
        json!([]),
        json!({}),
        json!({ "id": 1 }),
        with("/id", json!(-1)),
        with("/id", json!(1.5)),
        with("/id", json!("1")),
        with("/request", json!({ "model": 1 })),
        with("/request/kind", json!("fill_mask")),
        with("/request/kind", json!("__proto__")),
        with("/request/model", json!(4294967296u64)),
        with("/request/text", json!(7)),
        json!({ "id": 1, "request": { "kind": "fillMask", "model": 1, "text": "a", "topK": -1 } }),
        json!({ "id": 1, "request": { "kind": "fillMask", "model": 1, "text": "a", "positions": [-1] } }),
        json!({ "id": 1, "request": { "kind": "embed", "model": 1, "texts": "a" } }),
        json!({ "id": 1, "request": { "kind": "load", "source": { "from": "hub" } } }),
    ];
    for case in cases {
        assert!(from_value::<Envelope>(case.clone()).is_err(), "{case}");
    }
}

#[test]
fn events_are_written_as_the_client_reads_them() {
    let candidate = Candidate {
        token: "##ing".into(),
        id: 5,
        probability: 0.5,
        text: "ing".into(),
    };
    let candidate_json = json!({ "token": "##ing", "id": 5, "probability": 0.5, "text": "ing" });
    let error = ErrorBody {
        code: ErrorCode::Integrity,
        message: "It broke.".into(),
        next_step: "Mend it.".into(),
    };
    let error_json = json!({ "code": "integrity", "message": "It broke.", "nextStep": "Mend it." });
    let reply = |reply| Event::Reply { id: 2, reply };
    let reply_json = |reply: Value| json!({ "event": "reply", "id": 2, "reply": reply });
    let cases = [
        (
            Event::Ready {
                artifact: "simd128".into(),
                version: "1.0.0".into(),
            },
            json!({ "event": "ready", "artifact": "simd128", "version": "1.0.0" }),
        ),
        (
            Event::Crashed {
                error: error.clone(),
            },
            json!({ "event": "crashed", "error": error_json }),
        ),
        (
            Event::Failure { id: 2, error },
            json!({ "event": "failure", "id": 2, "error": error_json }),
        ),
        (
            Event::Progress {
                id: 2,
                progress: Progress {
                    phase: Phase::Cache,
                    loaded: 1,
                    total: Some(2),
                    seconds_left: Some(3),
                },
            },
            json!({ "event": "progress", "id": 2, "progress": { "phase": "cache", "loaded": 1, "total": 2, "secondsLeft": 3 } }),
        ),
        (
            Event::Step {
                id: 2,
                step: Step {
                    id: 5,
                    token: "##ing".into(),
                    text: "sing".into(),
                    probability: 0.5,
                    alternatives: vec![candidate.clone()],
                    beams: None,
                },
            },
            json!({ "event": "step", "id": 2, "step": { "id": 5, "token": "##ing", "text": "sing",
                "probability": 0.5, "alternatives": [candidate_json], "beams": null } }),
        ),
        (reply(Reply::Done), reply_json(json!({ "kind": "done" }))),
        (
            reply(Reply::Tokens {
                tokens: vec![Token {
                    id: 5,
                    text: "a".into(),
                    start: 0,
                    end: 1,
                    segment: 0,
                    special: false,
                }],
                truncation: None,
            }),
            reply_json(json!({ "kind": "tokens", "truncation": null, "tokens": [
                { "id": 5, "text": "a", "start": 0, "end": 1, "segment": 0, "special": false },
            ] })),
        ),
        (
            reply(Reply::Masks {
                masks: vec![FilledMask {
                    position: 1,
                    candidates: vec![candidate],
                }],
                truncation: None,
            }),
            reply_json(json!({ "kind": "masks", "truncation": null, "masks": [
                { "position": 1, "candidates": [candidate_json] },
            ] })),
        ),
        (
            reply(Reply::NextSentence {
                is_next: 0.5,
                truncation: None,
            }),
            reply_json(json!({ "kind": "nextSentence", "isNext": 0.5, "truncation": null })),
        ),
        (
            reply(Reply::Generated {
                generation: Generation {
                    text: "a".into(),
                    tokens: Vec::new(),
                    score: -0.5,
                    finish: Finish::Stop,
                    truncation: None,
                },
            }),
            reply_json(
                json!({ "kind": "generated", "generation": { "text": "a", "tokens": [],
                "score": -0.5, "finish": "stop", "truncation": null } }),
            ),
        ),
    ];
    for (event, expected) in cases {
        assert_eq!(to_value(event).unwrap(), expected);
    }
}
