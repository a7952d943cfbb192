//! Scores of others and our own evidence against protocols.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use seamline_core::{Label, Orientation};
use seamline_eval::answers::{AnswerError, AnswerSet};
use seamline_eval::evidence::{self, Strictness};
use seamline_eval::metrics::{Costs, Counts, Ranked};
use seamline_eval::protocol::{Format, Protocol, ReadOptions};
use seamline_eval::scores::{self, Aggregate, ForeignOptions, ScoreFormat, Unit};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn put(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn protocol(dir: &Path, format: Format, text: &str) -> Protocol {
    Protocol::read(&put(dir, "protocol", text), format, &ReadOptions::default()).unwrap()
}

fn asv(dir: &Path) -> Protocol {
    protocol(dir, Format::AsvSpoof5, "filename\tcm-label\nE_0\tspoof\nE_1\tbonafide\nE_2\tspoof\n")
}

fn toward_spoof(set: &AnswerSet) -> Vec<f64> {
    set.values().next().unwrap().by_trial.values().map(|a| a.score.unwrap().toward_spoof()).collect()
}

fn options(polarity: Option<Orientation>) -> ForeignOptions {
    ForeignOptions { polarity, ..ForeignOptions::new("theirs") }
}

const BONAFIDE_HIGH: Option<Orientation> = Some(Orientation::HigherIsBonafide);
const SPOOF_HIGH: Option<Orientation> = Some(Orientation::HigherIsSpoof);

#[test]
fn polarity_is_stated_by_file_or_caller_and_never_guessed() {
    let dir = tempfile::tempdir().unwrap();
    let p = asv(dir.path());
    let plain = put(dir.path(), "plain", "filename\tcm-score\nE_0\t-2.5\nE_1\t4\nE_2\t0.5\n");
    let error = scores::read(&plain, ScoreFormat::AsvSpoof5, &p, &options(None)).unwrap_err();
    assert!(matches!(error, AnswerError::NoPolarity { .. }), "{error}");
    let read = |path: &Path, o| scores::read(path, ScoreFormat::AsvSpoof5, &p, &o).unwrap();
    assert_eq!(toward_spoof(&read(&plain, options(BONAFIDE_HIGH))), [2.5, -4.0, -0.5]);
    assert_eq!(toward_spoof(&read(&plain, options(SPOOF_HIGH))), [-2.5, 4.0, 0.5]);
    let said = put(
        dir.path(),
        "said",
        "# polarity: higher_is_bonafide\n# unit: llr\nfilename\tcm-score\nE_0\t-2.5\nE_1\t4\nE_2\t0.5\n",
    );
    let set = read(&said, options(None));
    let llrs: Vec<f64> =
        set.values().next().unwrap().by_trial.values().map(|a| a.llr.unwrap().nats()).collect();
    assert_eq!(llrs, [2.5, -4.0, -0.5]);
    let error = scores::read(&said, ScoreFormat::AsvSpoof5, &p, &options(SPOOF_HIGH)).unwrap_err();
    assert!(matches!(error, AnswerError::Conflict { .. }), "{error}");
    let wrong = put(dir.path(), "wrong", "# polarity: up\nfilename\tcm-score\nE_0\t1\n");
    assert!(
        scores::read(&wrong, ScoreFormat::AsvSpoof5, &p, &options(SPOOF_HIGH))
            .unwrap_err()
            .to_string()
            .contains("row 1")
    );
}

#[test]
fn gaps_strangers_doubles_and_non_numbers_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let p = asv(dir.path());
    let error = |text: &str| {
        let file = put(dir.path(), "scores", &format!("filename\tcm-score\n{text}"));
        scores::read(&file, ScoreFormat::AsvSpoof5, &p, &options(SPOOF_HIGH)).unwrap_err()
    };
    let e = error("E_0\t1\nE_2\t1\n");
    assert!(
        matches!(e, AnswerError::Missing { count: 1, of: 3, .. }) && e.to_string().contains("row 3 E_1"),
        "{e}"
    );
    let e = error("E_0\t1\nE_1\t1\nE_2\t1\nE_9\t1\n");
    assert!(matches!(e, AnswerError::Unknown { .. }) && e.to_string().contains("row 5 E_9"), "{e}");
    let e = error("E_0\t1\nE_1\t1\nE_0\t2\nE_2\t1\n");
    assert!(
        matches!(e, AnswerError::Duplicate { .. }) && e.to_string().contains("rows 2 and 4 (E_0)"),
        "{e}"
    );
    let e = error("E_0\tnan\nE_1\tinf\nE_2\t1,5\n");
    for row in ["row 2 \"nan\"", "row 3 \"inf\"", "row 4 \"1,5\""] {
        assert!(matches!(e, AnswerError::NotANumber { .. }) && e.to_string().contains(row), "{e}");
    }
    let file = put(dir.path(), "p.csv", "file,score\nE_0,0.5\nE_1,1.5\nE_2,0\n");
    let o = ForeignOptions { unit: Some(Unit::Probability), ..options(SPOOF_HIGH) };
    let e = scores::read(&file, ScoreFormat::Csv, &p, &o).unwrap_err();
    assert!(e.to_string().contains("row 3 \"1.5\""), "{e}");
}

/// FaceForensics++ as DeepfakeBench lists it: one real video and four manipulations of each of two ids, all four
/// under the same name.
fn bench_json(frames: usize) -> (String, Vec<(String, &'static str, f64)>) {
    let mut scored = Vec::new();
    let mut classes = serde_json::Map::new();
    for (class, folder, base) in [
        ("FF-real", "original_sequences/youtube", 0.40),
        ("FF-DF", "manipulated_sequences/Deepfakes", 0.90),
        ("FF-F2F", "manipulated_sequences/Face2Face", 0.80),
        ("FF-FS", "manipulated_sequences/FaceSwap", 0.30),
        ("FF-NT", "manipulated_sequences/NeuralTextures", 0.20),
    ] {
        let mut videos = serde_json::Map::new();
        for (n, name) in ["000_003", "003_000"].into_iter().enumerate() {
            let name = if class == "FF-real" { &name[..3] } else { name };
            let list: Vec<String> = (0..frames)
                .map(|f| format!("FaceForensics++/{folder}/c23/frames/{name}/{f:03}.png"))
                .collect();
            for (f, frame) in list.iter().enumerate() {
                scored.push((frame.clone(), class, base + 0.01 * n as f64 + 0.001 * f as f64));
            }
            videos.insert(name.into(), serde_json::json!({"label": class, "frames": list}));
        }
        classes.insert(class.into(), serde_json::json!({"test": {"c23": videos}}));
    }
    (serde_json::json!({"FaceForensics++": classes}).to_string(), scored)
}

fn auc(scores: &[f64], labels: &[Label]) -> f64 {
    Ranked::new(scores, labels).unwrap().rank_metrics(&Costs::ASVSPOOF5, Counts::Once).unwrap().auc
}

#[test]
fn videos_of_several_manipulations_with_one_name_stay_apart() {
    let dir = tempfile::tempdir().unwrap();
    let (json, scored) = bench_json(3);
    let p = protocol(dir.path(), Format::DeepfakeBench, &json);
    assert_eq!(p.trials.len(), 10);
    let mut csv = "# polarity: higher_is_spoof\nframe,score\n".to_owned();
    let mut list = BTreeMap::new();
    for (frame, _, score) in &scored {
        csv += &format!("{frame},{score}\n");
        list.insert(frame.clone(), *score);
    }
    let as_csv = put(dir.path(), "frames.csv", &csv);
    let as_json = put(
        dir.path(),
        "frames.json",
        &serde_json::json!({"polarity": "higher_is_spoof", "scores": list}).to_string(),
    );
    let set = scores::read(&as_csv, ScoreFormat::Frames, &p, &options(None)).unwrap();
    let from_json = toward_spoof(&scores::read(&as_json, ScoreFormat::Frames, &p, &options(None)).unwrap());
    // The JSON reader may differ in the last bit of a number.
    for (a, b) in toward_spoof(&set).iter().zip(&from_json) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }
    assert_eq!(from_json.len(), 10);
    let labels: Vec<Label> = p.trials.iter().map(|t| t.label).collect();
    let ours = auc(&toward_spoof(&set), &labels);
    // Four of eight fakes lie above both real videos: (2 * 4) / (2 * 8).
    assert!((ours - 0.5).abs() < 1e-12, "{ours}");

    // The bug: grouping frames by the name of their parent folder merges four manipulations into one "video",
    // whose mean lies above the real ones, and the figure looks perfect.
    let mut merged: BTreeMap<&str, (Vec<f64>, Label)> = BTreeMap::new();
    for (frame, class, score) in &scored {
        let folder = frame.rsplit('/').nth(1).unwrap();
        let label = if *class == "FF-real" { Label::Bonafide } else { Label::Spoof };
        merged.entry(folder).or_insert((Vec::new(), label)).0.push(*score);
    }
    let means: Vec<f64> = merged.values().map(|v| v.0.iter().sum::<f64>() / v.0.len() as f64).collect();
    let wrong = auc(&means, &merged.values().map(|v| v.1).collect::<Vec<_>>());
    assert_eq!((merged.len(), wrong), (4, 1.0));
    // A frame that no video lists is a stranger, not guessed at by its folder.
    let stray = put(dir.path(), "stray.csv", &format!("{csv}elsewhere/000_003/000.png,0.1\n"));
    let e = scores::read(&stray, ScoreFormat::Frames, &p, &options(None)).unwrap_err();
    assert!(matches!(e, AnswerError::Unknown { .. }), "{e}");
}

#[test]
fn frames_become_clips_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    let p = protocol(dir.path(), Format::Csv, "file,label\nv/a,spoof\nw/a,bonafide\n");
    let file =
        put(dir.path(), "f.csv", "frame,score\nv/a/0.png,0.1\nv/a/1.png,0.2\nv/a/2.png,0.9\nw/a/0.png,0.5\n");
    for (aggregate, polarity, want) in [
        (Aggregate::Mean, SPOOF_HIGH, 0.4),
        (Aggregate::Median, SPOOF_HIGH, 0.2),
        (Aggregate::Max, SPOOF_HIGH, 0.9),
        (Aggregate::Max, BONAFIDE_HIGH, -0.1),
    ] {
        let o = ForeignOptions { aggregate, ..options(polarity) };
        let got = toward_spoof(&scores::read(&file, ScoreFormat::Frames, &p, &o).unwrap());
        assert!((got[0] - want).abs() < 1e-12, "{aggregate:?} {got:?}");
    }
}

const PROTOCOL: &str = "trial_id\tpath\tlabel\tsource\na\ta.wav\tspoof\ts\nb\tb.wav\tbonafide\ts\n";

fn evidence_lines(path: &str, llr: f64) -> String {
    format!(
        "{{\"type\":\"evidence\",\"path\":\"{path}\",\"sha256\":null,\"index\":0,\"detector\":\"d\",\"version\":\"1\",\"aspect\":\"voice\",\"subject\":{{\"kind\":\"clip\"}},\"rollup\":true,\"outcome\":\"scored\",\"score\":{{\"value\":{llr},\"orientation\":\"higher_is_spoof\",\"unit\":\"logit\"}},\"llr\":{{\"value\":{llr},\"lo\":-9.0,\"hi\":9.0}},\"supports_spoof_at\":2.0}}\n{}",
        verdict_line(path, if llr >= 2.0 { "supports_spoof" } else { "inconclusive" }, &llr.to_string())
    )
}

fn verdict_line(path: &str, conclusion: &str, llr: &str) -> String {
    format!(
        "{{\"type\":\"verdict\",\"path\":\"{path}\",\"sha256\":null,\"conclusion\":\"{conclusion}\",\"llr\":{llr}}}\n"
    )
}

#[test]
fn evidence_gives_scores_decisions_and_abstentions() {
    let dir = tempfile::tempdir().unwrap();
    let p = protocol(dir.path(), Format::Seamline, PROTOCOL);
    let read = |text: &str, strictness| evidence::read(&put(dir.path(), "e.jsonl", text), &p, strictness);
    let strict = Strictness::default();
    // The second clip broke: the detector never spoke of it, and that is an abstention, not a number.
    let text = evidence_lines("a.wav", 2.5) + &verdict_line("b.wav", "not_assessable", "null");
    let set = read(&text, strict).unwrap();
    let (key, d) = set.iter().find(|(k, _)| k.detector == "d").unwrap();
    assert_eq!((key.aspect.as_str(), key.condition.as_str(), d.decides), ("voice", "clean", true));
    assert!(d.by_trial[&0].calls_spoof && d.by_trial[&0].llr.unwrap().nats() == 2.5);
    assert_eq!((d.by_trial[&1].score, d.by_trial[&1].calls_spoof), (None, false));
    let verdicts = set.iter().find(|(k, _)| k.detector == "seamline").unwrap().1;
    assert!(
        verdicts.by_trial[&0].calls_spoof
            && verdicts.by_trial[&1].silence.as_deref() == Some("not_assessable")
    );

    let e = read(&evidence_lines("a.wav", 1.0), strict).unwrap_err();
    assert!(matches!(e, AnswerError::Missing { .. }) && e.to_string().contains("row 3 b"), "{e}");
    assert!(read(&evidence_lines("a.wav", 1.0), Strictness { allow_missing: true, ..strict }).is_ok());
    let both = evidence_lines("a.wav", 1.0) + &evidence_lines("b.wav", 1.0);
    let e = read(&(both.clone() + &evidence_lines("c.wav", 1.0)), strict).unwrap_err();
    assert!(matches!(e, AnswerError::Unknown { .. }) && e.to_string().contains("c.wav"), "{e}");
    let e = read(&(both.clone() + &evidence_lines("a.wav", 1.0)), strict).unwrap_err();
    assert!(matches!(e, AnswerError::Duplicate { .. }) && e.to_string().contains("rows 2 and 6 (a)"), "{e}");
    let e = read(&both.replace("\"value\":1", "\"value\":1e999"), strict).unwrap_err();
    assert!(e.to_string().contains("row 1"), "{e}");
    assert!(read("", strict).is_err() && read("{\"type\":\"begin\"}\n", strict).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_that_a_file_holds_brings_a_reader_down(
        text in "([\\[\\]{}\",:\\t\\n#0-9a-e. -]|score|frame|higher_is_spoof|verdict|\\PC){0,200}",
        head in 0_usize..5,
    ) {
        let head = ["", "filename\tcm-score\n", "# polarity: higher_is_spoof\nframe,score\n", "{\"type\":\"verdict\",", "{\"scores\":"][head];
        let dir = tempfile::tempdir().unwrap();
        let p = asv(dir.path());
        let file = put(dir.path(), "f", &format!("{head}{text}"));
        for (format, _) in ScoreFormat::ALL {
            let _ = scores::read(&file, format, &p, &options(SPOOF_HIGH));
        }
        let _ = evidence::read(&file, &p, Strictness { allow_missing: true, allow_unknown: true });
    }
}
