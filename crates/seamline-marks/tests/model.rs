//! Marks that a model reads: a real ONNX model, made by recipe, through the real runtime.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers outside of #[test] functions

use seamline_core::{Evidence, MediaTime, Outcome, RgbFrame, Sha256Hash, StreamIndex};
use seamline_infer::{Home, Manifest, Model, Runtime};
use seamline_marks::model::PictureMark;
use seamline_marks::trustmark;
use seamline_testkit::clips;
use seamline_testkit::wave::Random;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

#[derive(serde::Deserialize)]
struct Vectors {
    packets: Vec<Vector>,
}

#[derive(serde::Deserialize)]
struct Vector {
    schema: usize,
    payload: String,
    packet: String,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str::<Vectors>(include_str!("vectors/trustmark.json")).unwrap().packets
}

fn bits(text: &str) -> Vec<bool> {
    text.bytes().map(|b| b == b'1').collect()
}

#[test]
fn packets_of_the_reference_are_read_up_to_what_their_code_corrects() {
    let most = [8, 5, 4, 3];
    let mut random = Random::new(3);
    for v in vectors() {
        let packet = bits(&v.packet);
        for errors in 0..=most[v.schema] {
            let mut damaged = packet.clone();
            let mut places = Vec::new();
            while places.len() < errors {
                let at = random.below(96) as usize;
                if !places.contains(&at) {
                    places.push(at);
                    damaged[at] = !damaged[at];
                }
            }
            let read = trustmark::decode(&damaged).unwrap_or_else(|| panic!("{} {places:?}", v.packet));
            assert_eq!((read.payload, read.schema, read.corrected), (bits(&v.payload), v.schema, errors));
        }
    }
}

#[test]
fn chance_passes_the_check_as_often_as_is_said() {
    // Of random bits whose code corrects three errors, 7 % pass: that is why a packet alone proves nothing.
    let mut random = Random::new(9);
    let mut passed = 0;
    const TRIALS: usize = 4_000;
    for _ in 0..TRIALS {
        let mut packet: Vec<bool> = (0..100).map(|_| random.below(2) == 1).collect();
        (packet[98], packet[99]) = (true, true);
        if let Some(read) = trustmark::decode(&packet) {
            passed += 1;
            assert!(read.ln_chance() > -20.0 && read.ln_chance() <= 0.0);
        }
    }
    // Sum of C(96, 0..=3) over 2^21 is 0.0704, less what would lie in the filling.
    let share = f64::from(passed) / TRIALS as f64;
    assert!((0.055..0.085).contains(&share), "{share}");
    assert_eq!(trustmark::decode(&[true; 99]), None);
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::load(&Home::resolve()).unwrap())
}

fn mark(id: &str, payload: &str) -> PictureMark {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/fixtures/block_bits.py");
    let onnx = clips::cached("block-bits.onnx", "block_bits v1", |out| {
        let python = Home::resolve().cache.join("venv/bin/python");
        assert!(Command::new(python).arg(&script).arg(out).status()?.success());
        Ok(())
    })
    .unwrap();
    let sha256 = Sha256Hash::of(&std::fs::read(&onnx).unwrap());
    let text = format!(
        r#"
schema = 1
id = "{id}"
version = "1"
role = "mark"
aspect = "marks"
title = "Blocks of brightness"
licence = "Apache-2.0"
delivery = "operator"
[file]
path = "{}"
sha256 = "{sha256}"
[input]
name = "picture"
shape = [1, 3, 250, 250]
[preprocess.image]
width = 250
height = 250
layout = "nchw"
colour = "rgb"
range = [-1.0, 1.0]
filter = "bilinear"
[output]
name = "bits"
shape = [1, 100]
select = {{ kind = "index", index = 7 }}
[mark]
scheme = "{id}"
found = {}
weak = 0.0
{payload}
"#,
        onnx.display(),
        if payload.is_empty() { 0.5 } else { 9.0 },
    );
    let manifest = Manifest::parse(&text).unwrap();
    PictureMark::new(Model::load(runtime(), manifest, Path::new("/"), 1).unwrap()).unwrap()
}

/// Blocks of 50 x 40 pixels, lighter or darker than grey, with noise.
fn picture(bits: &[bool], seed: u64) -> RgbFrame {
    let mut random = Random::new(seed);
    let mut data = Vec::new();
    for y in 0..400usize {
        for x in 0..500usize {
            let level = if bits[y / 40 * 10 + x / 50] { 150 } else { 105 };
            for _ in 0..3 {
                data.push((level + random.below(41) as i32 - 20).clamp(0, 255) as u8);
            }
        }
    }
    RgbFrame::new(500, 400, data).unwrap()
}

fn look(mark: &PictureMark, pictures: &[RgbFrame]) -> Option<Evidence> {
    let mut run = mark.start();
    for (i, picture) in (0..).zip(pictures) {
        run.push(picture, StreamIndex(0), MediaTime::from_millis(i * 400));
    }
    run.finish()
}

fn detail(e: &Evidence, name: &str) -> String {
    let Outcome::Finding { code, detail } = &e.outcome else { panic!("{e:?}") };
    assert_eq!(code.name, "marks.operator_payload");
    detail.iter().find(|d| d.0 == name).unwrap().1.clone()
}

#[test]
fn a_trustmark_packet_is_read_from_pixels_and_chance_is_not() {
    let mark = mark("trustmark", "payload = { kind = \"trustmark\" }");
    let v = vectors().into_iter().find(|v| v.schema == 2).unwrap();
    let mut damaged = bits(&v.packet);
    (damaged[3], damaged[80]) = (!damaged[3], !damaged[80]);
    // Two errors of the weaker code are too many for one in 10^9: the check holds, and nothing is said.
    assert_eq!(look(&mark, &[picture(&damaged, 1)]), None);
    let found = look(&mark, &[picture(&bits(&v.packet), 1), picture(&bits(&v.packet), 2)]);
    // Intact, 28 parity bits are 1 in 2.7 x 10^8: still not one in 10^9.
    assert_eq!(found, None);
    let v = vectors().into_iter().find(|v| v.schema == 0).unwrap();
    let mut damaged = bits(&v.packet);
    (damaged[3], damaged[80]) = (!damaged[3], !damaged[80]);
    let found = look(&mark, &[picture(&damaged, 1), picture(&damaged, 2)]).unwrap();
    assert_eq!(detail(&found, "payload"), format!("0*{}, 2 bits corrected", v.payload));
    assert_eq!(detail(&found, "pictures"), "2");
    let mut random = Random::new(4);
    for seed in 0..20 {
        let noise: Vec<bool> = (0..100).map(|_| random.below(2) == 1).collect();
        assert_eq!(look(&mark, &[picture(&noise, seed)]), None);
    }
}

#[test]
fn the_operators_key_is_found_with_its_errors_counted() {
    let key: String = (0..100).map(|i| if i % 3 == 0 { '1' } else { '0' }).collect();
    let mark = mark("known-key", &format!("payload = {{ kind = \"key\", bits = \"{key}\" }}"));
    let mut marked = bits(&key);
    for at in [2, 50, 77] {
        marked[at] = !marked[at];
    }
    let found = look(&mark, &[picture(&marked, 1)]).unwrap();
    assert_eq!(detail(&found, "payload"), "the operator's key, 3 of 100 bits differ");
    // (1 + 100 + 4950 + 161700) / 2^100 = 10^-24.88
    assert!(detail(&found, "confidence").starts_with("24.88"), "{}", detail(&found, "confidence"));
    let other: Vec<bool> = marked.iter().enumerate().map(|(i, b)| b ^ (i % 2 == 0)).collect();
    assert_eq!(look(&mark, &[picture(&other, 1)]), None);
    assert_eq!(look(&mark, &[]), None);
}

#[test]
fn a_confidence_is_compared_with_the_manifests_threshold() {
    let mark = mark("confidence", "");
    // Output 7: block 7, whose brightness reaches no more than 0.2 of 1.
    assert_eq!(look(&mark, &[picture(&[true; 100], 1)]), None);
    let white = RgbFrame::new(40, 30, vec![255; 40 * 30 * 3]).unwrap();
    let found = look(&mark, &[white]).unwrap();
    assert!(detail(&found, "confidence").starts_with("1.00"));
}

#[test]
fn a_payload_that_the_output_cannot_hold_is_refused() {
    let text = |payload: &str| {
        format!(
            "schema = 1\nid = \"m\"\nversion = \"1\"\nrole = \"mark\"\naspect = \"marks\"\ntitle = \"t\"\nlicence = \"MIT\"\n\
             delivery = \"operator\"\n[file]\npath = \"m.onnx\"\nsha256 = \"{}\"\n[input]\nname = \"x\"\n\
             shape = [1, 3, 8, 8]\n[preprocess.image]\nwidth = 8\nheight = 8\nlayout = \"nchw\"\ncolour = \"rgb\"\n\
             range = [0.0, 1.0]\nfilter = \"area\"\n[output]\nname = \"y\"\nshape = [1, 32]\nselect = {{ kind = \"scalar\" }}\n\
             [mark]\nscheme = \"m\"\nfound = 9.0\nweak = 9.0\npayload = {payload}\n",
            "0".repeat(64)
        )
    };
    let said = Manifest::parse(&text("{ kind = \"trustmark\" }")).unwrap_err();
    assert!(said.contains("100 bits") && said.contains("32"), "{said}");
    assert!(Manifest::parse(&text("{ kind = \"key\", bits = \"012\" }")).unwrap_err().contains("0 or 1"));
    assert!(Manifest::parse(&text(&format!("{{ kind = \"key\", bits = \"{}\" }}", "01".repeat(16)))).is_ok());
}
