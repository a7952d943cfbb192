//! Published detectors run by a manifest alone: `seamline models add`, then a scan. The weights are reference
//! files that are never shipped; where they are absent the test says so and skips.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)] // helpers outside of #[test] functions

mod common;

use common::{root, seamline};
use seamline_core::Sha256Hash;
use seamline_testkit::clips::{reading, talking_face};
use std::path::{Path, PathBuf};

fn weights() -> PathBuf {
    std::env::var_os("SEAMLINE_REFERENCE_WEIGHTS")
        .map_or_else(|| root().join("../shared/weights"), PathBuf::from)
}

struct Import<'a> {
    id: &'a str,
    file: &'a str,
    aspect: &'a str,
    body: &'a str,
}

const AASIST: &str = r#"
[input]
name = "wave"
shape = [-1, 64600]
[preprocess.waveform]
sample_rate_hz = 16000
samples = 64600
pad = "repeat"
[output]
name = "logits"
shape = [-1, 2]
select = { kind = "index", index = 1 }
[score]
orientation = "higher_is_bonafide"
unit = "logit"
aggregate = "mean"
"#;

const LCNN: &str = r#"
[input]
name = "wave"
shape = [1, -1]
[preprocess.waveform]
sample_rate_hz = 16000
[output]
name = "logit_bonafide"
shape = [-1]
select = { kind = "scalar" }
[score]
orientation = "higher_is_bonafide"
unit = "arbitrary"
aggregate = "mean"
"#;

const MESO4: &str = r#"
[input]
name = "image"
shape = [-1, 3, 256, 256]
[preprocess.image]
width = 256
height = 256
layout = "nchw"
colour = "rgb"
range = [0.0, 1.0]
filter = "bilinear"
crop_margin = 1.3
min_face_px = 48
[output]
name = "p_real"
shape = [-1, 1]
select = { kind = "scalar" }
[score]
orientation = "higher_is_bonafide"
unit = "probability"
aggregate = "mean"
"#;

fn manifest(import: &Import<'_>, sha256: Sha256Hash) -> String {
    format!(
        "schema = 1\nid = \"{0}\"\nversion = \"1\"\nrole = \"detector\"\naspect = \"{1}\"\ntitle = \"{0}\"\n\
         licence = \"MIT\"\ndelivery = \"operator\"\nfamilies = []\n[file]\npath = \"{2}\"\nsha256 = \"{sha256}\"\n{3}",
        import.id, import.aspect, import.file, import.body
    )
}

/// Adds the model in a private folder and scans `clip` with it.
fn add_and_scan(import: &Import<'_>, clip: &Path) -> Option<serde_json::Value> {
    let file = weights().join(import.file);
    if !file.is_file() {
        eprintln!("skipped: {} is not there", file.display());
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let user = dir.path().join("models");
    let manifest_path = dir.path().join("manifest.toml");
    let sha256 = Sha256Hash::of(&std::fs::read(&file).unwrap());
    std::fs::write(&manifest_path, manifest(import, sha256)).unwrap();
    let add = seamline()
        .args(["models", "add"])
        .arg(&file)
        .arg("--manifest")
        .arg(&manifest_path)
        .env("SEAMLINE_USER_MODELS", &user)
        .output()
        .unwrap();
    assert!(add.status.success(), "{}", String::from_utf8_lossy(&add.stderr));
    // Twice is an error, not an overwrite.
    let again = seamline()
        .args(["models", "add"])
        .arg(&file)
        .arg("--manifest")
        .arg(&manifest_path)
        .env("SEAMLINE_USER_MODELS", &user)
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(2));
    let out = dir.path().join("out.jsonl");
    let status = seamline()
        .arg("scan")
        .arg(clip)
        .args(["--quiet", "--detectors", import.id, "--out"])
        .arg(&out)
        .env("SEAMLINE_USER_MODELS", &user)
        .output()
        .unwrap();
    let text = std::fs::read_to_string(&out).unwrap_or_default();
    let line = text.lines().find(|l| l.contains("\"type\":\"verdict\""));
    let line = line.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&status.stderr)));
    Some(serde_json::from_str(line).unwrap())
}

#[test]
fn aasist_and_lcnn_judge_voices_and_meso4_faces_without_a_line_of_code() {
    let imports = [
        (Import { id: "aasist", file: "aasist.onnx", aspect: "voice", body: AASIST }, reading()),
        (
            Import { id: "lfcc-lcnn-lstm", file: "lfcc_lcnn_lstm.onnx", aspect: "voice", body: LCNN },
            reading(),
        ),
        (
            Import { id: "meso4-df", file: "meso4_df.onnx", aspect: "face", body: MESO4 },
            talking_face().unwrap(),
        ),
    ];
    for (import, clip) in imports {
        let Some(verdict) = add_and_scan(&import, &clip) else { continue };
        let aspect = &verdict["aspects"][import.aspect];
        assert!(aspect["score"].is_number(), "{}: {aspect}", import.id);
        // Uncalibrated: the score is shown, and it decides nothing.
        assert!(aspect["llr"].is_null());
        assert_eq!(verdict["conclusion"], "inconclusive", "{}", import.id);
        if import.id == "meso4-df" {
            let p = aspect["score"].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&p), "turned probability {p}");
        }
    }
}

#[test]
fn a_manifest_that_disagrees_with_the_file_is_refused_with_both_sides() {
    let file = weights().join("meso4_df.onnx");
    if !file.is_file() {
        eprintln!("skipped: {} is not there", file.display());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let sha256 = Sha256Hash::of(&std::fs::read(&file).unwrap());
    let add = |body: &str| {
        let path = dir.path().join("manifest.toml");
        let import = Import { id: "meso4-df", file: "meso4_df.onnx", aspect: "face", body };
        std::fs::write(&path, manifest(&import, sha256)).unwrap();
        let out = seamline()
            .args(["models", "add"])
            .arg(&file)
            .arg("--manifest")
            .arg(&path)
            .env("SEAMLINE_USER_MODELS", dir.path().join("models"))
            .output()
            .unwrap();
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (code, text) = add(&MESO4.replace("256, 256", "224, 224").replace("width = 256", "width = 224"));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("224") && text.contains("256"), "{text}");
    let (code, text) = add(&MESO4.replace("p_real", "nothing"));
    assert_eq!(code, Some(2));
    assert!(text.contains("nothing"), "{text}");
    let (code, text) = add(&MESO4.replace("higher_is_bonafide", "higher_is_better"));
    assert_eq!(code, Some(2));
    assert!(text.contains("higher_is_better"), "{text}");
    assert!(!dir.path().join("models/meso4-df").exists());
}
