//! Every protocol format on a small file of its form, and what makes a protocol unfit.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use seamline_core::Label::{self, Bonafide, Spoof};
use seamline_eval::protocol::{Format, Protocol, ProtocolError, ReadOptions, Share};
use std::path::{Path, PathBuf};

struct File {
    dir: tempfile::TempDir,
    path: PathBuf,
}

fn file(name: &str, text: &str) -> File {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    File { dir, path }
}

fn read(format: Format, text: &str) -> Result<Protocol, ProtocolError> {
    Protocol::read(&file("protocol", text).path, format, &ReadOptions::default())
}

fn labels(p: &Protocol) -> Vec<(&str, Label)> {
    p.trials.iter().map(|t| (t.id.as_str(), t.label)).collect()
}

const HEADER: &str = "trial_id\tpath\tsha256\tmodality\tlabel\tattack_family\tgenerator\tsource\tuse";

/// Rows of our format with a hash made of one repeated digit.
fn ours(rows: &[(&str, &str, &str, &str)]) -> String {
    let mut text = format!("{HEADER}\n");
    for (id, digit, label, split) in rows {
        let hash = digit.repeat(64);
        text += &format!("{id}\t{id}.wav\t{hash}\taudio\t{label}\tTTS\tgen\tsrc\t{split}\n");
    }
    text
}

#[test]
fn each_format_reads_its_own_form() {
    let p = read(
        Format::Seamline,
        &ours(&[("a", "1", "spoof", "eval"), ("b", "2", "bonafide", "eval"), ("c", "3", "unknown", "eval")]),
    )
    .unwrap();
    assert_eq!(labels(&p), [("a", Spoof), ("b", Bonafide)]);
    assert_eq!(
        (p.trials[0].generator.as_str(), p.trials[1].generator.as_str(), p.unlabelled),
        ("gen", "", 1)
    );

    let p = read(Format::Csv, "file,label,generator\nx/a.mp4,spoof,G\nx/b.png,bonafide,-\n").unwrap();
    assert_eq!(labels(&p), [("x/a.mp4", Spoof), ("x/b.png", Bonafide)]);
    assert_eq!(p.trials[1].modality.as_str(), "image");

    let p = read(
        Format::InTheWild,
        "file,speaker,label\n0.wav,Alec Guinness,spoof\n1.wav,\"Doe, J\",bona-fide\n",
    )
    .unwrap();
    assert_eq!(labels(&p), [("0.wav", Spoof), ("1.wav", Bonafide)]);
    assert_eq!(p.trials[1].identity, "Doe, J");

    let p = read(Format::Arena, "file_name,label\na.wav,bonafide\nb.wav,spoof\n").unwrap();
    assert_eq!(labels(&p), [("a.wav", Bonafide), ("b.wav", Spoof)]);

    let p =
        read(Format::AsvSpoof2019, "LA_0079 LA_T_1138215 - - bonafide\nLA_0079 LA_T_1271820 - A01 spoof\n")
            .unwrap();
    assert_eq!(labels(&p), [("LA_T_1138215", Bonafide), ("LA_T_1271820", Spoof)]);
    assert_eq!((p.trials[1].generator.as_str(), p.trials[1].path.as_str()), ("A01", "LA_T_1271820.flac"));

    let p = read(Format::AsvSpoof2021, "LA_0009 LA_E_9332881 alaw ita_tx A07 spoof notrim eval\nLA_0020 LA_E_6866159 alaw ita_tx bonafide bonafide notrim progress\n").unwrap();
    assert_eq!(labels(&p), [("LA_E_9332881", Spoof), ("LA_E_6866159", Bonafide)]);
    assert_eq!(p.trials[1].split, "progress");

    let p = read(Format::AsvSpoof5, "filename\tcm-label\nE_0\tspoof\nE_1\tbonafide\n").unwrap();
    assert_eq!(labels(&p), [("E_0", Spoof), ("E_1", Bonafide)]);
    let p = read(
        Format::AsvSpoof5,
        "D_0062 D_0000000001 F - - - AC1 A11 spoof -\nD_0755 D_0000000022 F - - - - bonafide bonafide -\n",
    )
    .unwrap();
    assert_eq!(labels(&p), [("D_0000000001", Spoof), ("D_0000000022", Bonafide)]);

    let p = read(Format::CelebDf, "1 YouTube-real/00170.mp4\n0 Celeb-synthesis/id0_id1_0000.mp4\n").unwrap();
    assert_eq!(
        labels(&p),
        [("YouTube-real/00170.mp4", Bonafide), ("Celeb-synthesis/id0_id1_0000.mp4", Spoof)]
    );

    let p = read(Format::Dfdc, r#"{"a.mp4":{"label":"FAKE","split":"train","original":"b.mp4"},"b.mp4":{"label":"REAL","split":"train"}}"#).unwrap();
    assert_eq!(labels(&p), [("a.mp4", Spoof), ("b.mp4", Bonafide)]);
    let p = read(Format::Dfdc, "filename,label\na.mp4,1\nb.mp4,0\n").unwrap();
    assert_eq!(labels(&p), [("a.mp4", Spoof), ("b.mp4", Bonafide)]);

    let p = read(Format::AvDeepfake1m, r#"[{"file":"a.mp4","modify_type":"audio_modified","split":"val","fake_segments":[[0.5,1.25]],"duration":4.0},{"file":"b.mp4","modify_type":"real","split":"val","fake_segments":[]}]"#).unwrap();
    assert_eq!(labels(&p), [("a.mp4", Spoof), ("b.mp4", Bonafide)]);
    assert_eq!(p.trials[0].segments.as_deref(), Some(&[(0.5, 1.25)][..]));
}

#[test]
fn face_forensics_takes_both_directions_of_a_pair_from_every_method() {
    let f = file("test.json", r#"[["953","974"]]"#);
    let root = f.dir.path().join("ff");
    for method in ["Deepfakes", "Face2Face", "DeepFakeDetection"] {
        std::fs::create_dir_all(root.join("manipulated_sequences").join(method)).unwrap();
    }
    let options = ReadOptions { media: Some(&root), ..ReadOptions::default() };
    let p = Protocol::read(&f.path, Format::FaceForensics, &options).unwrap();
    let paths: Vec<_> = p.trials.iter().map(|t| t.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "original_sequences/youtube/c23/videos/953.mp4",
            "original_sequences/youtube/c23/videos/974.mp4",
            "manipulated_sequences/Deepfakes/c23/videos/953_974.mp4",
            "manipulated_sequences/Deepfakes/c23/videos/974_953.mp4",
            "manipulated_sequences/Face2Face/c23/videos/953_974.mp4",
            "manipulated_sequences/Face2Face/c23/videos/974_953.mp4",
        ]
    );
    assert_eq!((p.trials[0].label, p.trials[2].label), (Bonafide, Spoof));
    // A path in an id would leave the media root.
    let bad = file("test.json", r#"[["../../etc","1"]]"#);
    assert!(Protocol::read(&bad.path, Format::FaceForensics, &options).is_err());
}

#[test]
fn a_word_that_is_no_label_is_named_with_its_rows() {
    let cases = [
        (
            Format::Seamline,
            ours(&[("a", "1", "fake", "eval"), ("b", "2", "spoof", "eval"), ("c", "3", "Bonafide", "eval")]),
            ["row 2 \"fake\"", "row 4 \"Bonafide\""],
        ),
        (
            Format::InTheWild,
            "file,speaker,label\n0.wav,A,bonafide\n1.wav,B,fake\n".into(),
            ["row 2 \"bonafide\"", "row 3 \"fake\""],
        ),
        (Format::CelebDf, "2 a.mp4\n1 b.mp4\nreal c.mp4\n".into(), ["row 1 \"2\"", "row 3 \"real\""]),
        (
            Format::AsvSpoof2019,
            "S a - - genuine\nS b - A01 spoofed\n".into(),
            ["row 1 \"genuine\"", "row 2 \"spoofed\""],
        ),
    ];
    for (format, text, rows) in cases {
        let error = read(format, &text).unwrap_err();
        assert!(matches!(error, ProtocolError::Label { .. }), "{error}");
        for row in rows {
            assert!(error.to_string().contains(row), "{error}");
        }
    }
}

#[test]
fn a_trial_listed_twice_is_refused_with_both_rows() {
    let error = read(
        Format::Seamline,
        &ours(&[("a", "1", "spoof", "eval"), ("b", "2", "spoof", "eval"), ("a", "3", "spoof", "eval")]),
    )
    .unwrap_err();
    assert!(
        matches!(error, ProtocolError::Duplicate { .. })
            && error.to_string().contains("rows 2 (a) and 4 (a)"),
        "{error}"
    );
}

#[test]
fn one_file_in_two_splits_or_with_two_labels_is_refused_and_in_one_split_counts_once() {
    let error = read(Format::Seamline, &ours(&[("a", "1", "spoof", "train"), ("b", "1", "spoof", "eval")]))
        .unwrap_err();
    assert!(
        matches!(error, ProtocolError::HashOverlap { .. })
            && error.to_string().contains("rows 2 (a) and 3 (b)"),
        "{error}"
    );
    let error = read(Format::Seamline, &ours(&[("a", "1", "spoof", "eval"), ("b", "1", "bonafide", "eval")]))
        .unwrap_err();
    assert!(
        matches!(error, ProtocolError::Contradiction { .. })
            && error.to_string().contains("rows 2 (a) and 3 (b)"),
        "{error}"
    );
    let p = read(
        Format::Seamline,
        &ours(&[("a", "1", "spoof", "eval"), ("b", "1", "spoof", "eval"), ("c", "2", "bonafide", "eval")]),
    )
    .unwrap();
    assert_eq!(labels(&p), [("a", Spoof), ("c", Bonafide)]);
    assert_eq!(p.same_file, [("b".to_owned(), "a".to_owned())]);
}

#[test]
fn a_person_in_two_splits_is_refused_even_when_only_one_is_asked_for() {
    let f = file(
        "p.csv",
        "file,label,split,identity\na.wav,spoof,train,Ann\nb.wav,bonafide,train,Bob\nc.wav,spoof,eval,Ann\n",
    );
    let options = ReadOptions { split: Some("eval"), ..ReadOptions::default() };
    let error = Protocol::read(&f.path, Format::Csv, &options).unwrap_err();
    assert!(
        matches!(error, ProtocolError::IdentityOverlap { .. })
            && error.to_string().contains("rows 2 (a.wav) and 4 (c.wav)"),
        "{error}"
    );
}

#[test]
fn a_share_keeps_the_make_up_and_a_larger_one_holds_it() {
    let mut text = format!("{HEADER}\n");
    for (source, bonafide, spoof) in [("big", 40, 20), ("small", 3, 1)] {
        for (label, n) in [("bonafide", bonafide), ("spoof", spoof)] {
            for i in 0..n {
                let id = format!("{source}-{label}-{i}");
                text += &format!("{id}\t{id}.wav\t\taudio\t{label}\tTTS\tgen\t{source}\teval\n");
            }
        }
    }
    let f = file("p.tsv", &text);
    let ids = |fraction: f64| -> Vec<String> {
        let options = ReadOptions { share: Share::new(fraction), ..ReadOptions::default() };
        let p = Protocol::read(&f.path, Format::Seamline, &options).unwrap();
        p.trials.into_iter().map(|t| t.id).collect()
    };
    let quarter = ids(0.25);
    let of = |prefix: &str| quarter.iter().filter(|id| id.starts_with(prefix)).count();
    assert_eq!(["big-b", "big-s", "small-b", "small-s"].map(of), [10, 5, 1, 1]);
    let half = ids(0.5);
    assert!(quarter.iter().all(|id| half.contains(id)) && half.len() == 33, "{half:?}");
    assert_eq!(ids(1.0).len(), 64);
    for none in [0.0, -1.0, 1.1, f64::NAN] {
        assert_eq!(Share::new(none), None);
    }
}

#[test]
fn a_clip_that_is_not_there_is_named() {
    let p = read(Format::Arena, "file_name,label\na.wav,bonafide\nb.wav,spoof\n").unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.wav"), "x").unwrap();
    let error = p.check_media(dir.path()).unwrap_err();
    assert!(error.to_string().contains("row 3 b.wav") && !error.to_string().contains("a.wav"), "{error}");
}

#[test]
fn a_split_that_is_not_there_and_broken_files_are_errors() {
    let f = file("p.tsv", &ours(&[("a", "1", "spoof", "eval")]));
    let options = ReadOptions { split: Some("test"), ..ReadOptions::default() };
    let error = Protocol::read(&f.path, Format::Seamline, &options).unwrap_err().to_string();
    assert!(error.contains("\"test\"") && error.contains("eval"), "{error}");
    for (format, text, what) in [
        (Format::Seamline, "trial_id\tpath\nx\ty\n".to_owned(), "no column \"label\""),
        (Format::Seamline, ours(&[]), "no rows"),
        (Format::Seamline, ours(&[("a", "g", "spoof", "eval")]), "row 2: \"gggg"),
        (Format::AsvSpoof2019, "a b c\n".to_owned(), "row 1: 3 columns, not 5"),
        (
            Format::AvDeepfake1m,
            r#"[{"file":"a","modify_type":"both_modified","fake_segments":[[2,1]]}]"#.to_owned(),
            "2 to 1 is no span",
        ),
        (
            Format::AvDeepfake1m,
            r#"[{"file":"a","modify_type":"real","fake_segments":[[1,2]]}]"#.to_owned(),
            "a real clip with fake segments",
        ),
        (Format::Dfdc, "{\n\"a\": 3}".to_owned(), "row 2"),
        (Format::Csv, "file,label\n\"a,spoof\n".to_owned(), "record with 1 fields"),
    ] {
        let error = read(format, &text).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    let f = file("p", "");
    std::fs::write(&f.path, b"file,label\na,spoof\nb\xff,spoof\n").unwrap();
    let error = Protocol::read(&f.path, Format::Csv, &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("row 3 is not UTF-8"), "{error}");
    assert!(Protocol::read(Path::new("/nowhere/p"), Format::Csv, &ReadOptions::default()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_that_a_file_holds_brings_a_reader_down(
        text in "([\\[\\]{}\",:\\t\\n#01a-f. \\\\-]|spoof|bonafide|label|frames|file|\\PC){0,200}",
        head in 0_usize..5,
    ) {
        let head = ["", "file,label\n", "file_name,label\n", "{\"FF\":{\"FF-real\":{\"test\":", "trial_id\tlabel\n"][head];
        let f = file("p", &format!("{head}{text}"));
        for (format, _) in Format::ALL {
            let options = ReadOptions { media: Some(f.dir.path()), ..ReadOptions::default() };
            let _ = Protocol::read(&f.path, format, &options);
        }
    }

    #[test]
    fn our_own_format_round_trips(rows in proptest::collection::vec(("[a-z]{1,8}", any::<bool>()), 1..20)) {
        let rows: Vec<(String, String, &str)> = rows.into_iter().enumerate()
            .map(|(i, (name, spoof))| (format!("{name}{i}"), format!("{i:064x}"), if spoof { "spoof" } else { "bonafide" }))
            .collect();
        let mut text = format!("{HEADER}\n");
        for (id, hash, label) in &rows {
            text += &format!("{id}\t{id}.wav\t{hash}\taudio\t{label}\t-\t-\tsrc\teval\n");
        }
        let p = read(Format::Seamline, &text).unwrap();
        prop_assert_eq!(p.trials.len(), rows.len());
        for (t, (id, hash, label)) in p.trials.iter().zip(&rows) {
            prop_assert_eq!(&t.id, id);
            prop_assert_eq!(t.sha256.unwrap().to_string(), hash.clone());
            prop_assert_eq!(t.label == Spoof, *label == "spoof");
        }
    }
}
