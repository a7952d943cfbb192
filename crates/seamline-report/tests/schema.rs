//! `docs/report.schema.json` fits what is written, refuses what is broken, and `docs/report.md` names all of it.

#![allow(clippy::unwrap_used)] // helpers outside of #[test] functions

mod common;

use common::*;
use seamline_core::*;
use seamline_report::jsonl;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const SCHEMA: &str = include_str!("../../../docs/report.schema.json");
const DOC: &str = include_str!("../../../docs/report.md");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

fn validator() -> jsonschema::Validator {
    assert!(jsonschema::meta::is_valid(&schema()), "the schema itself is sound");
    jsonschema::validator_for(&schema()).unwrap()
}

/// One record with every subject, abstention, stage, family, quality and gap there can be.
fn everything() -> ClipRecord {
    let mut record = spoof_voice();
    record.gaps = truncated().gaps;
    let (stream, s) = (StreamIndex(0), span(-40, 1_000));
    let face = PixelBox { x: -3.5, y: 0.0, w: 64.0, h: 80.0 };
    let subjects = [
        Subject::Clip,
        Subject::Stream { stream, span: None },
        Subject::Stream { stream, span: Some(s) },
        Subject::Track { track: TrackId(1), span: s, face },
        Subject::Segment { stream, span: s },
        Subject::Frame { stream, span: s },
    ];
    use AbstainReason::*;
    let reasons = [
        NoPicture,
        NoSound,
        NoFace,
        FaceTooSmall,
        NoSpeech,
        TooLittleSpeech,
        OutsideValidatedConditions,
        OutsideCalibratedRange,
        Uncalibrated,
        NotAssessed,
    ];
    let stages = [
        Stage::Open,
        Stage::Worker,
        Stage::Probe,
        Stage::Demux,
        Stage::Decode,
        Stage::Sample,
        Stage::Infer,
        Stage::Provenance,
        Stage::Fuse,
        Stage::Report,
    ];
    for subject in subjects {
        for reason in reasons {
            let outcome = Outcome::Abstained(Abstain { reason, detail: String::new() });
            record.evidence.push(evidence("x", Aspect::Sync, subject.clone(), true, outcome));
        }
    }
    for stage in stages {
        let outcome = Outcome::Failed { stage, message: "broke".into() };
        record.evidence.push(evidence("x", Aspect::Marks, Subject::Clip, false, outcome));
    }
    for code in code::ALL {
        record.evidence.push(finding(*code, Subject::Clip, &[]));
        record.evidence.push(finding(*code, Subject::Clip, &[("a", "b"), ("a", "")]));
    }
    for (orientation, unit) in [
        (Orientation::HigherIsBonafide, ScoreUnit::Probability),
        (Orientation::HigherIsSpoof, ScoreUnit::Arbitrary),
    ] {
        let outcome = Outcome::Scored {
            score: Score::new(0.25, ScoreSemantics { orientation, unit }).unwrap(),
            llr: Some(llr(1.0, 0.5)),
            supports_spoof_at: None,
            supports_bonafide_at: Llr::new(-2.0).ok(),
        };
        let mut e = evidence("y", Aspect::Reference, Subject::Clip, true, outcome);
        use AttackFamily::*;
        e.families = vec![FS, FR, LS, EFS, FE, TTS, VC, Vocoder, Splice];
        e.quality = Quality {
            face_px: Some(80.0),
            sharpness: Some(12.0),
            yaw: Some(-0.4),
            samples: Some(3),
            speech_secs: Some(1.5),
            bandwidth_hz: Some(3_400.0),
            snr_db: Some(11.0),
            clipped: Some(0.1),
        };
        record.evidence.push(e);
    }
    for kind in [StreamKind::Still, StreamKind::CoverArt] {
        record.streams.push(StreamInfo { kind, ..record.streams[0].clone() });
    }
    record
}

fn lines() -> Vec<Value> {
    let mut records = all();
    records.push(everything());
    let mut text = jsonl::begin(&info()).unwrap();
    for record in &records {
        text += &jsonl::clip(record, false).unwrap();
        text += &jsonl::clip(record, true).unwrap();
    }
    text += &jsonl::end(&totals(&records)).unwrap();
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn every_line_that_is_written_fits() {
    let validator = validator();
    for line in lines() {
        // A hostile worker's picture type is passed on as it came; the schema is right to refuse it.
        let odd = line["exhibits"].as_array().is_some_and(|x| x[0]["media_type"] == "image/svg+xml");
        let errors: Vec<String> = validator.iter_errors(&line).map(|e| e.to_string()).collect();
        assert_eq!(errors.is_empty(), !odd, "{line}\n{errors:#?}");
    }
}

#[test]
fn fields_may_be_added() {
    let validator = validator();
    for mut line in lines().into_iter().filter(|l| l.get("exhibits").is_none()) {
        line["something_new"] = json!({"a": 1});
        assert!(validator.is_valid(&line));
    }
}

/// Changes one value of a good line and expects a refusal.
fn refuses(line: &Value, pointer: &str, value: Value) {
    let mut broken = line.clone();
    match (broken.pointer_mut(pointer), pointer.rsplit_once('/')) {
        (Some(place), _) => *place = value,
        (None, Some((parent, key))) => broken.pointer_mut(parent).unwrap()[key] = value,
        (None, None) => unreachable!("a pointer has a slash"),
    }
    assert!(!validator().is_valid(&broken), "{pointer}: {broken}");
}

#[test]
fn broken_lines_are_refused() {
    let validator = validator();
    let all = lines();
    let first = |kind: &str, outcome: &str| {
        let fits = |l: &&Value| l["type"] == kind && (outcome.is_empty() || l["outcome"] == outcome);
        all.iter().find(fits).unwrap().clone()
    };
    for line in [
        json!({}),
        json!([]),
        json!(null),
        json!("verdict"),
        json!({"type": "verdict"}),
        json!({"type": "odd"}),
    ] {
        assert!(!validator.is_valid(&line), "{line}");
    }
    // No required field may go missing.
    for line in ["begin", "verdict", "end"].map(|k| first(k, "")) {
        let optional = ["exhibits", "trust_list"];
        for key in line.as_object().unwrap().keys().filter(|k| !optional.contains(&k.as_str())) {
            let mut broken = line.clone();
            broken.as_object_mut().unwrap().remove(key);
            assert!(!validator.is_valid(&broken), "{} without {key}", line["type"]);
        }
    }
    for (outcome, keys) in [
        ("scored", &["score", "index"][..]),
        ("finding", &["code"]),
        ("abstained", &["reason"]),
        ("failed", &["stage", "message"]),
    ] {
        let line = first("evidence", outcome);
        for key in keys
            .iter()
            .copied()
            .chain(["path", "sha256", "detector", "version", "aspect", "subject", "rollup", "outcome"])
        {
            let mut broken = line.clone();
            broken.as_object_mut().unwrap().remove(key);
            assert!(!validator.is_valid(&broken), "{outcome} without {key}");
        }
    }
    let verdict = first("verdict", "");
    for (pointer, value) in [
        ("/conclusion", json!("fake")),
        ("/conclusion", json!("inconclusive")),
        ("/support", json!(null)),
        ("/support", json!("certain")),
        ("/llr", json!("3.2")),
        ("/llr", json!(null)),
        ("/llr_interval", json!([1.0])),
        ("/sha256", json!("ABC")),
        ("/size", json!(-1)),
        ("/aspects", json!({})),
        ("/aspects/voice/support", json!(null)),
        ("/aspects/voice/reasons", json!("because")),
        ("/aspects/voice/families", json!(["deepfake"])),
        ("/aspects/voice/carried_by", json!([-1])),
        ("/aspects/later", json!({"conclusion": "inconclusive"})),
        ("/streams/0/index", json!("0")),
        ("/gaps", json!([{"cause": "no span"}])),
    ] {
        refuses(&verdict, pointer, value);
    }
    let scored = first("evidence", "scored");
    for (pointer, value) in [
        ("/score/value", json!(null)),
        ("/score/orientation", json!("higher_is_fake")),
        ("/llr", json!(1.0)),
        ("/index", json!(0.5)),
        ("/detector", json!("Voice Whisper")),
        ("/aspect", json!("mood")),
        ("/subject", json!({"kind": "segment", "stream": 0})),
        ("/subject/span/start_us", json!(0.5)),
        ("/quality", json!({"clipped": 1.5})),
        ("/model_sha256", json!(null)),
    ] {
        refuses(&scored, pointer, value);
    }
    refuses(&first("evidence", "finding"), "/detail", json!({"a": "b"}));
    refuses(&first("evidence", "finding"), "/code", json!("no dot"));
    refuses(&first("evidence", "abstained"), "/reason", json!("tired"));
    refuses(&first("evidence", "failed"), "/stage", json!("lunch"));
    refuses(&first("begin", ""), "/schema", json!(2));
    refuses(&first("begin", ""), "/models/0/false_alarm_rate", json!([0.1, 0.2]));
    refuses(&first("end", ""), "/clips", json!(null));
}

/// Names of fields and values that the schema knows.
fn names(schema: &Value, out: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("properties", Value::Object(fields)) => out.extend(fields.keys().cloned()),
                    ("enum", Value::Array(values)) => {
                        out.extend(values.iter().filter_map(|v| v.as_str().map(ToOwned::to_owned)));
                    }
                    _ => {}
                }
                names(value, out);
            }
        }
        Value::Array(all) => all.iter().for_each(|v| names(v, out)),
        _ => {}
    }
}

#[test]
fn the_document_names_every_field_and_value() {
    let mut all = BTreeSet::new();
    names(&schema(), &mut all);
    assert!(all.len() > 100);
    for name in all {
        assert!(DOC.contains(&format!("`{name}`")), "docs/report.md does not name `{name}`");
    }
}

#[test]
fn the_schema_knows_every_field_that_is_written() {
    let mut known = BTreeSet::new();
    names(&schema(), &mut known);
    fn written(value: &Value, out: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(k, v)| {
                out.insert(k.clone());
                written(v, out);
            }),
            Value::Array(all) => all.iter().for_each(|v| written(v, out)),
            _ => {}
        }
    }
    let mut keys = BTreeSet::new();
    lines().iter().for_each(|l| written(l, &mut keys));
    let unknown: Vec<_> = keys.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_example_in_the_document_fits() {
    let validator = validator();
    let example = DOC.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let lines: Vec<Value> = example.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 5);
    for line in &lines {
        assert!(validator.is_valid(line), "{line}");
    }
    for line in &lines[1..3] {
        let evidence: Evidence = serde_json::from_value(line.clone()).unwrap();
        assert_eq!(serde_json::to_value(&evidence).unwrap()["aspect"], line["aspect"]);
    }
}
