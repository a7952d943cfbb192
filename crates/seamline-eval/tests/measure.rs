//! Rows, differences and files from small sets whose figures are known by hand.
#![allow(clippy::unwrap_used, clippy::panic)]

use parquet::file::reader::{FileReader, SerializedFileReader};
use seamline_eval::answers::AnswerSet;
use seamline_eval::compare::compare;
use seamline_eval::evidence::{self, Strictness};
use seamline_eval::measure::{MeasureOptions, Row, measure};
use seamline_eval::protocol::{Format, Protocol, ReadOptions};
use seamline_eval::scores::{self, ForeignOptions, ScoreFormat};
use seamline_eval::{arena, html, summary, trials};
use std::path::Path;

fn put(dir: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Two sources, two generators, one clip that is abstained on, and one whose name is hostile.
const CLIPS: [(&str, &str, &str, &str, Option<f64>); 10] = [
    ("a0", "bonafide", "A", "-", Some(-2.0)),
    ("a1", "bonafide", "A", "-", Some(3.0)),
    ("a2", "spoof", "A", "<b>G1", Some(2.5)),
    ("a3", "spoof", "A", "<b>G1", Some(1.0)),
    ("b0", "bonafide", "B", "-", Some(-1.0)),
    ("b1", "bonafide", "B", "-", None),
    ("b2", "spoof", "B", "G2", Some(0.5)),
    ("b3", "spoof", "B", "G2", Some(4.0)),
    ("b4", "spoof", "B", "G2", None),
    ("b5", "bonafide", "B", "-", Some(-3.0)),
];

fn protocol(dir: &Path) -> Protocol {
    let mut text = "trial_id\tpath\tmodality\tlabel\tgenerator\tsource\n".to_owned();
    for (id, label, source, generator, _) in CLIPS {
        text += &format!("{id}\t{id}.wav\taudio\t{label}\t{generator}\t{source}\n");
    }
    Protocol::read(&put(dir, "p.tsv", &text), Format::Seamline, &ReadOptions::default()).unwrap()
}

fn answers(dir: &Path, p: &Protocol) -> AnswerSet {
    let mut text = String::new();
    for (id, _, _, _, llr) in CLIPS {
        let head = format!(
            "{{\"type\":\"evidence\",\"path\":\"{id}.wav\",\"sha256\":null,\"index\":0,\"detector\":\"d\",\"version\":\"1\",\"aspect\":\"voice\",\"subject\":{{\"kind\":\"clip\"}},\"rollup\":true,"
        );
        text += &match llr {
            Some(l) => format!(
                "{head}\"outcome\":\"scored\",\"score\":{{\"value\":{l},\"orientation\":\"higher_is_spoof\",\"unit\":\"logit\"}},\"llr\":{{\"value\":{l},\"lo\":-9,\"hi\":9}},\"supports_spoof_at\":2.0}}\n"
            ),
            None => format!("{head}\"outcome\":\"abstained\",\"reason\":\"no_speech\"}}\n"),
        };
        text += &format!(
            "{{\"type\":\"verdict\",\"path\":\"{id}.wav\",\"sha256\":null,\"conclusion\":\"inconclusive\",\"llr\":null}}\n"
        );
    }
    evidence::read(&put(dir, "e.jsonl", &text), p, Strictness::default()).unwrap()
}

fn find<'r>(rows: &'r [Row], source: &str, generator: &str, metric: &str) -> &'r Row {
    rows.iter()
        .find(|r| r.detector == "d" && r.source == source && r.generator == generator && r.metric == metric)
        .unwrap_or_else(|| panic!("no {metric} of {source} {generator}"))
}

const QUICK: MeasureOptions = MeasureOptions { resamples: 200, seed: 3 };

#[test]
fn every_slice_has_its_own_figures_and_counts() {
    let dir = tempfile::tempdir().unwrap();
    let p = protocol(dir.path());
    let rows = measure(&p, &answers(dir.path(), &p), &QUICK);
    let check = |source, generator, metric, value: f64, n: [u64; 3]| {
        let r = find(&rows, source, generator, metric);
        assert!((r.value - value).abs() < 1e-12, "{r:?}");
        assert_eq!([r.n_bonafide, r.n_spoof, r.n_abstained], n, "{r:?}");
        r
    };
    // Bona fide -3, -2, -1, 3 against spoof 0.5, 1, 2.5, 4: 3 + 3 + 3 + 4 of 16 pairs in order.
    let auc = check("*", "*", "auc", 13.0 / 16.0, [4, 4, 2]);
    assert!(auc.lo.unwrap() <= auc.value && auc.value <= auc.hi.unwrap() && auc.lo < auc.hi);
    check("A", "*", "auc", 0.5, [2, 2, 0]);
    check("B", "*", "auc", 1.0, [2, 2, 2]);
    check("*", "<b>G1", "auc", 6.0 / 8.0, [4, 2, 1]);
    check("*", "G2", "auc", 7.0 / 8.0, [4, 2, 2]);
    check("*", "*", "macro_source_auc", 0.75, [4, 4, 2]);
    check("*", "*", "macro_generator_auc", 13.0 / 16.0, [4, 4, 2]);
    // Rates are over every clip: the abstained ones were not called spoof.
    let far = check("*", "*", "false_alarm_rate", 1.0 / 5.0, [5, 5, 2]);
    assert!(far.lo.unwrap() > 0.004 && far.hi.unwrap() < 0.72, "{far:?}");
    check("*", "*", "detection_rate", 2.0 / 5.0, [5, 5, 2]);
    check("*", "*", "accuracy", 6.0 / 10.0, [5, 5, 2]);
    check("*", "*", "coverage", 8.0 / 10.0, [5, 5, 2]);
    // Decided at 0: one of eight is wrong.
    let tied = (0.0 + 0.5 / 2.0 + 1.0 / 3.0) + (4..=8).map(|k| 1.0 / f64::from(k)).sum::<f64>();
    // 4; then -3 and 3 together; then 2.5, -2, ...: the wrong one is one of two.
    check("*", "*", "aurc", tied / 8.0, [4, 4, 2]);
    // One class only: no ranking figure at all, rather than a number.
    assert!(!rows.iter().any(|r| r.value.is_nan()));
    assert_eq!(rows, measure(&p, &answers(dir.path(), &p), &QUICK));
    assert_ne!(rows, measure(&p, &answers(dir.path(), &p), &MeasureOptions { seed: 4, ..QUICK }));
}

#[test]
fn a_row_has_the_fields_that_readers_rely_on() {
    let dir = tempfile::tempdir().unwrap();
    let p = protocol(dir.path());
    let rows = measure(&p, &answers(dir.path(), &p), &QUICK);
    let value = serde_json::to_value(find(&rows, "*", "*", "auc")).unwrap();
    let fields: Vec<&String> = value.as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        [
            "detector",
            "aspect",
            "modality",
            "condition",
            "source",
            "generator",
            "n_bonafide",
            "n_spoof",
            "n_abstained",
            "metric",
            "value",
            "lo",
            "hi"
        ]
    );
    let back: Vec<Row> = serde_json::from_str(&serde_json::to_string(&rows).unwrap()).unwrap();
    assert_eq!(back.len(), rows.len());
    // JSON readers may differ in the last bit of a number.
    for (a, b) in back.iter().zip(&rows) {
        assert_eq!((&a.metric, a.n_bonafide, &a.generator), (&b.metric, b.n_bonafide, &b.generator));
        assert!((a.value - b.value).abs() < 1e-12);
    }
}

#[test]
fn a_face_swap_is_no_trial_of_a_voice_detector() {
    let dir = tempfile::tempdir().unwrap();
    let text = "trial_id\tmodality\tlabel\tattack_family\na\tvideo\tspoof\tFS\nb\tvideo\tspoof\tTTS\nc\tvideo\tbonafide\t-\n";
    let p = Protocol::read(&put(dir.path(), "p", text), Format::Seamline, &ReadOptions::default()).unwrap();
    let file = put(dir.path(), "s", "# polarity: higher_is_spoof\nfile,score\na,-5\nb,1\nc,0\n");
    for (aspect, auc, spoof) in [("voice", 1.0, 1), ("face", 0.0, 1), ("*", 0.5, 2)] {
        let o = ForeignOptions { aspect: aspect.into(), ..ForeignOptions::new("d") };
        let rows = measure(&p, &scores::read(&file, ScoreFormat::Csv, &p, &o).unwrap(), &QUICK);
        let r = find(&rows, "*", "*", "auc");
        assert_eq!((r.value, r.n_spoof), (auc, spoof), "{aspect}");
    }
}

#[test]
fn a_detector_against_itself_differs_by_exactly_nothing_and_pairs_are_tighter() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = "file,label\n".to_owned();
    let (mut a, mut b) = ("# polarity: higher_is_spoof\nfile,score\n".to_owned(), String::new());
    b += &a;
    for i in 0..200_u32 {
        let spoof = i % 2 == 0;
        text += &format!("{i}.wav,{}\n", if spoof { "spoof" } else { "bonafide" });
        // Two detectors that err alike: a common, scattered part, and a small one of its own.
        let common = f64::from(i.wrapping_mul(2_654_435_761) >> 22) / 200.0 + if spoof { 1.0 } else { 0.0 };
        a += &format!("{i}.wav,{common}\n");
        b += &format!("{i}.wav,{}\n", common + f64::from(i % 7) / 20.0);
    }
    let p = Protocol::read(&put(dir.path(), "p", &text), Format::Csv, &ReadOptions::default()).unwrap();
    let read = |name, text: &str| {
        let set = scores::read(&put(dir.path(), name, text), ScoreFormat::Csv, &p, &ForeignOptions::new("d"))
            .unwrap();
        set.into_values().next().unwrap()
    };
    let (x, y) = (read("a", &a), read("b", &b));
    for d in compare(&p, &x, &x, &QUICK).unwrap() {
        assert_eq!((d.difference, d.lo, d.hi), (0.0, Some(0.0), Some(0.0)), "{d:?}");
    }
    let d = compare(&p, &x, &y, &QUICK).unwrap();
    let auc = d.iter().find(|d| d.metric == "auc").unwrap();
    assert!(auc.lo.unwrap() <= auc.difference && auc.difference <= auc.hi.unwrap());
    let alone = measure(
        &p,
        &scores::read(&put(dir.path(), "a", &a), ScoreFormat::Csv, &p, &ForeignOptions::new("d")).unwrap(),
        &QUICK,
    );
    let alone = find(&alone, "*", "*", "auc");
    let width = |lo: Option<f64>, hi: Option<f64>| hi.unwrap() - lo.unwrap();
    assert!(width(auc.lo, auc.hi) < 0.5 * width(alone.lo, alone.hi), "{auc:?} {alone:?}");
}

#[test]
fn parquet_arena_html_and_tables_say_what_the_rows_say() {
    let dir = tempfile::tempdir().unwrap();
    let p = protocol(dir.path());
    let set = answers(dir.path(), &p);
    let rows = measure(&p, &set, &QUICK);

    let path = dir.path().join("t.parquet");
    trials::write_parquet(std::fs::File::create(&path).unwrap(), &p, &set).unwrap();
    let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let read: Vec<String> = reader.get_row_iter(None).unwrap().map(|r| r.unwrap().to_string()).collect();
    assert_eq!(read.len(), 2 * CLIPS.len());
    let b4 = read.iter().find(|r| r.contains("\"d\"") && r.contains("\"b4\"")).unwrap();
    assert!(
        b4.contains("score: null") && b4.contains("\"no_speech\"") && b4.contains("calls_spoof: false"),
        "{b4}"
    );
    let b3 = read.iter().find(|r| r.contains("\"d\"") && r.contains("\"b3\"")).unwrap();
    assert!(b3.contains("score: 4.0") && b3.contains("calls_spoof: true"), "{b3}");

    let (key, of_d) = set.iter().find(|(k, _)| k.detector == "d").unwrap();
    let result = arena::arena_result(&p, "eval", key, of_d).unwrap();
    let eer = find(&rows, "*", "*", "eer").value * 100.0;
    for line in [format!("eer_percent: {eer:.4}"), "n_trials: 8".into(), "n_skipped: 2".into()] {
        assert!(result.yaml.contains(&line), "{}", result.yaml);
    }
    let hash = seamline_core::Sha256Hash::of(result.scores.as_bytes()).to_string();
    assert!(result.yaml.contains(&hash));
    // Our own reader takes the scores back, polarity and all.
    let o = ForeignOptions {
        strictness: Strictness { allow_missing: true, ..Strictness::default() },
        ..ForeignOptions::new("d")
    };
    let back = scores::read(&put(dir.path(), "s.csv", &result.scores), ScoreFormat::Csv, &p, &o).unwrap();
    assert_eq!(find(&measure(&p, &back, &QUICK), "*", "*", "auc").value, find(&rows, "*", "*", "auc").value);

    let page = html::page(&p, &set, &rows, &[]);
    for outside in ["src=", "href=", "url(", "<script", "<b>G1"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for there in ["ROC", "DET", "Reliability", "Risk and coverage", "&lt;b&gt;G1", "0.812 ["] {
        assert!(page.contains(there), "{there}");
    }
    let text = summary::terminal(&rows);
    assert!(text.contains("0.812 [") && text.contains("20.0 ["), "{text}");
    assert!(summary::markdown("t", &[], &rows).contains("| audio | d | 5 | 5 | 2 | 0.812 ["));
}
