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

/// Every template of docs/imports fits a file with the tensors and operators of the network that it is for, in which
/// only the weights differ (`scripts/fixtures/published.py`).
#[test]
fn each_template_takes_a_file_of_its_kind_and_gives_a_score_that_decides_nothing() {
    let mut templates: Vec<PathBuf> =
        std::fs::read_dir(root().join("docs/imports")).unwrap().map(|e| e.unwrap().path()).collect();
    templates.sort();
    assert_eq!(templates.len(), 5, "{templates:?}");
    let dir = tempfile::tempdir().unwrap();
    let user = dir.path().join("models");
    let clip = talking_face().unwrap();
    for template in &templates {
        let id = template.file_stem().unwrap().to_string_lossy().into_owned();
        let onnx = seamline_testkit::clips::cached(&format!("{id}.onnx"), "published v1", |out| {
            let python = root().join(".cache/venv/bin/python");
            let script = root().join("scripts/fixtures/published.py");
            let status = std::process::Command::new(python).arg(script).arg(&id).arg(out).status()?;
            assert!(status.success(), "published.py {id} failed");
            Ok(())
        })
        .unwrap();
        let sha256 = Sha256Hash::of(&std::fs::read(&onnx).unwrap()).to_string();
        let text = std::fs::read_to_string(template).unwrap();
        let zeros = "0".repeat(64);
        assert_eq!(text.matches(&zeros).count(), 1, "{id}: the hash is left to whoever brings the file");
        let manifest = dir.path().join("manifest.toml");
        let add = |text: &str| {
            std::fs::write(&manifest, text).unwrap();
            let mut command = seamline();
            command.args(["models", "add"]).arg(&onnx).arg("--manifest").arg(&manifest);
            let out = command.env("SEAMLINE_USER_MODELS", &user).output().unwrap();
            (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
        };
        let (code, said) = add(&text);
        assert_eq!(code, Some(2), "{id}: a template as it is names no file: {said}");
        let (code, said) = add(&text.replace(&zeros, &sha256));
        assert_eq!(code, Some(0), "{id}: {said}");

        let out = dir.path().join(format!("{id}.jsonl"));
        let mut command = seamline();
        command.arg("scan").arg(&clip).args(["--quiet", "--detectors", &id, "--out"]).arg(&out);
        let run = command.env("SEAMLINE_USER_MODELS", &user).output().unwrap();
        let lines = std::fs::read_to_string(&out).unwrap_or_default();
        let verdict = lines.lines().find(|l| l.contains("\"type\":\"verdict\""));
        let verdict: serde_json::Value = serde_json::from_str(
            verdict.unwrap_or_else(|| panic!("{id}: {}", String::from_utf8_lossy(&run.stderr))),
        )
        .unwrap();
        let aspect = if text.contains("aspect = \"face\"") { "face" } else { "imagery" };
        let answer = &verdict["aspects"][aspect];
        assert!(answer["score"].is_number() && answer["llr"].is_null(), "{id}: {answer}");
        assert_eq!(verdict["conclusion"], "inconclusive", "{id}");
    }
}

/// A watermark decoder made by recipe (`scripts/fixtures/block_bits.py`), and a picture that carries a packet.
fn block_bits() -> PathBuf {
    seamline_testkit::clips::cached("block-bits.onnx", "block_bits v1", |out| {
        let script = root().join("scripts/fixtures/block_bits.py");
        let status = std::process::Command::new(root().join(".cache/venv/bin/python"))
            .arg(script)
            .arg(out)
            .status()?;
        assert!(status.success(), "block_bits.py failed");
        Ok(())
    })
    .unwrap()
}

#[test]
fn an_operators_watermark_decoder_is_added_checked_and_reads_a_picture() {
    let onnx = block_bits();
    let dir = tempfile::tempdir().unwrap();
    let user = dir.path().join("models");
    let sha256 = Sha256Hash::of(&std::fs::read(&onnx).unwrap());
    // Block 0 of the golden input, averaged by hand over its 25 x 25 pixels and three channels.
    let golden: f64 = (0..3)
        .flat_map(|c| (0..25).flat_map(move |y| (0..25).map(move |x| (c * 250 + y) * 250 + x)))
        .map(|i: u32| f64::from(i.wrapping_mul(2_654_435_761)) / 4_294_967_296.0 / 1875.0)
        .sum();
    let add = |golden: f64| {
        let path = dir.path().join("manifest.toml");
        let text = format!(
            "schema = 1\nid = \"blocks\"\nversion = \"1\"\nrole = \"mark\"\naspect = \"marks\"\ntitle = \"Blocks\"\n\
             licence = \"Apache-2.0\"\ndelivery = \"operator\"\n[file]\npath = \"blocks.onnx\"\nsha256 = \"{sha256}\"\n\
             [input]\nname = \"picture\"\nshape = [1, 3, 250, 250]\n[preprocess.image]\nwidth = 250\nheight = 250\n\
             layout = \"nchw\"\ncolour = \"rgb\"\nrange = [-1.0, 1.0]\nfilter = \"area\"\n[output]\nname = \"bits\"\n\
             shape = [1, 100]\nselect = {{ kind = \"scalar\" }}\n[mark]\nscheme = \"trustmark\"\nfound = 9.0\nweak = 9.0\n\
             payload = {{ kind = \"trustmark\" }}\n[golden]\noutput = [{golden}]\ntolerance = 0.0001\n"
        );
        std::fs::write(&path, text).unwrap();
        let mut command = seamline();
        command.args(["models", "add"]).arg(&onnx).arg("--manifest").arg(&path);
        let out = command.env("SEAMLINE_USER_MODELS", &user).output().unwrap();
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (code, said) = add(golden + 0.01);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("golden"), "{said}");
    assert!(!user.join("blocks").exists());
    let (code, said) = add(golden);
    assert_eq!(code, Some(0), "{said}");

    // A packet of the reference with 40 bits of payload, as bright and dark blocks.
    let vectors: serde_json::Value = serde_json::from_str(
        &std::fs::read_to_string(root().join("crates/seamline-marks/tests/vectors/trustmark.json")).unwrap(),
    )
    .unwrap();
    let first = &vectors["packets"][0];
    let packet = first["packet"].as_str().unwrap().as_bytes();
    let raw: Vec<u8> = (0..400usize)
        .flat_map(|y| (0..500usize).map(move |x| (y, x)))
        .flat_map(|(y, x)| [if packet[y / 40 * 10 + x / 50] == b'1' { 170 } else { 85 }; 3])
        .collect();
    let picture = dir.path().join("marked.png");
    let frame = seamline_core::RgbFrame::new(500, 400, raw).unwrap();
    std::fs::write(&picture, seamline_media::encode_png(&frame).unwrap().bytes).unwrap();
    let out = dir.path().join("out.jsonl");
    let mut scan = seamline();
    scan.arg("scan").arg(&picture).args(["--quiet", "--out"]).arg(&out).env("SEAMLINE_USER_MODELS", &user);
    scan.output().unwrap();
    let text = std::fs::read_to_string(&out).unwrap();
    let line =
        text.lines().find(|l| l.contains("marks.operator_payload")).unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains(&format!("0*{}, 0 bits corrected", first["payload"].as_str().unwrap())), "{line}");
    let verify = seamline().args(["models", "verify"]).env("SEAMLINE_USER_MODELS", &user).output().unwrap();
    assert_eq!(verify.status.code(), Some(0), "{}", String::from_utf8_lossy(&verify.stdout));
}
