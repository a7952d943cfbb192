//! Golden values at each stage, from the Python recipes' own arithmetic (`models/<id>/golden.json`): tensor, raw
//! output, faces, score, LLR. Tolerances and their reasons stand beside the values.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers outside of #[test] functions

use seamline_core::pixels::{Kernel, resize};
use seamline_core::{Calibrator, FrameSource, MediaError, PixelBox, Quality, RgbFrame, Score};
use seamline_detect::face_crop::FaceCropDetector;
use seamline_detect::faces::{FaceDetector, Landmarks, mesh};
use seamline_detect::temporal::{FaceNumbers, TemporalDetector};
use seamline_detect::tensor;
use seamline_detect::voice_window::{OperatingPoints, VoiceWindowDetector};
use seamline_detect::whole_picture::WholePictureDetector;
use seamline_fuse::{FusionData, LogisticCalibrator};
use seamline_infer::{CalibrationData, Home, Manifest, Model, Preprocess, Runtime};
use seamline_testkit::{synthetic, wave};
use serde_json::Value;
use std::path::Path;

fn home() -> Home {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    Home::at(root)
}

fn load(id: &str) -> Model {
    let home = home();
    // One environment a process.
    static RUNTIME: std::sync::OnceLock<Runtime> = std::sync::OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| Runtime::load(&home).unwrap());
    Model::load(runtime, Manifest::read(&home.models.join(id)).unwrap(), &home.cache, 1).unwrap()
}

fn cases(id: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(home().models.join(id).join("golden.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["cases"].as_array().unwrap().clone()
}

fn expect(case: &Value, got: &[f64]) {
    let want: Vec<f64> = case["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    let tolerance = case["tolerance"].as_f64().unwrap();
    assert_eq!(want.len(), got.len(), "{}", case["name"]);
    for (w, g) in want.iter().zip(got) {
        assert!(
            (w - g).abs() <= tolerance,
            "{}: {got:?}, expected {want:?} within {tolerance}",
            case["name"]
        );
    }
}

fn calibrator(id: &str) -> LogisticCalibrator {
    let manifest = Manifest::read(&home().models.join(id)).unwrap();
    let data = CalibrationData::read(&manifest.calibration().unwrap(), manifest.sha256()).unwrap();
    LogisticCalibrator {
        slope: data.slope,
        intercept: data.intercept,
        score_range: data.score_range,
        llr_range: data.llr_range,
        half_width: data.llr_halfwidth,
        fusion: FusionData::current().unwrap(),
    }
}

fn stats(values: &[f32]) -> Vec<f64> {
    let n = values.len() as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let var = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
    let min = values.iter().copied().fold(f32::INFINITY, f32::min);
    let max = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    vec![mean, var.sqrt(), f64::from(min), f64::from(max)]
}

#[test]
fn voice_whisper_from_waveform_to_llr() {
    let detector = VoiceWindowDetector::new(load("voice-whisper"), None, OperatingPoints::default()).unwrap();
    let calibrator = calibrator("voice-whisper");
    let semantics = Manifest::read(&home().models.join("voice-whisper")).unwrap().score.unwrap().semantics;
    let mut seen = 0;
    for case in cases("voice-whisper") {
        let name = case["name"].as_str().unwrap();
        let samples = match name.trim_end_matches("-llr") {
            "sine-sweep" => wave::sine_sweep(48_000),
            "harmonics" => wave::harmonics(48_000),
            "harmonics-short" => wave::harmonics(30_000),
            "lcg-noise" => wave::lcg_noise(48_000),
            "silence" => vec![0.0; 48_000],
            other => panic!("golden case {other} has no recipe here"),
        };
        let tensor = detector.tensor(&samples);
        assert_eq!(tensor.len(), 48_000);
        let raw = detector.scores(&[tensor]).unwrap()[0];
        match case["stage"].as_str().unwrap() {
            "raw" => expect(&case, &[raw]),
            "llr" => {
                let llr = calibrator.llr(Score::new(raw, semantics).unwrap(), &Quality::default()).unwrap();
                expect(&case, &[llr.value.nats()]);
            }
            other => panic!("stage {other}"),
        }
        seen += 1;
    }
    assert!(seen >= 8);
}

#[test]
fn a_batch_scores_as_its_windows_one_by_one() {
    let detector = VoiceWindowDetector::new(load("voice-whisper"), None, OperatingPoints::default()).unwrap();
    let windows = [wave::sine_sweep(48_000), wave::harmonics(48_000), wave::lcg_noise(48_000)];
    let batch = detector.scores(&windows).unwrap();
    for (window, together) in windows.iter().zip(&batch) {
        let alone = detector.scores(std::slice::from_ref(window)).unwrap()[0];
        // Matrix products of another batch size may round differently in the last bits.
        assert!((alone - together).abs() < 1e-3, "{alone} {together}");
    }
}

struct Drawn(RgbFrame);

impl FrameSource for Drawn {
    fn rgb(&self, width: u32, height: u32) -> Result<RgbFrame, MediaError> {
        Ok(resize(&self.0, width, height, Kernel::Triangle))
    }
}

#[test]
fn face_finders_from_picture_to_faces() {
    for id in ["face-blazeface", "face-centerface", "face-centerface-640"] {
        let manifest = Manifest::read(&home().models.join(id)).unwrap();
        let Preprocess::Image(spec) = manifest.preprocess.clone() else { panic!("{id}") };
        let mut faces_checked = false;
        for case in cases(id) {
            let name = case["name"].as_str().unwrap();
            let picture = synthetic::by_name(case["fixture"].as_str().unwrap()).unwrap();
            if name == "tensor-no-resize" {
                let mut data = Vec::new();
                tensor::push_image(&picture, &spec, &mut data);
                expect(&case, &stats(&data));
            } else if let Some(output) = name.strip_prefix("raw-") {
                let mut data = Vec::new();
                tensor::push_image(&picture, &spec, &mut data);
                let shape = tensor::image_shape(1, picture.width(), picture.height(), spec.layout);
                let outputs = load(id).run(&shape, &data).unwrap();
                let tensor = outputs.iter().find(|o| o.name == output).unwrap();
                expect(&case, &stats(&tensor.data));
            } else if name == "faces" {
                let threshold: f64 = case["why"]
                    .as_str()
                    .unwrap()
                    .split("score_threshold ")
                    .nth(1)
                    .unwrap()
                    .split(',')
                    .next()
                    .unwrap()
                    .parse()
                    .unwrap();
                let detector = FaceDetector::new(load(id)).unwrap().with_threshold(threshold as f32);
                let (w, h) = (picture.width(), picture.height());
                let faces = detector.detect(&Drawn(picture), w, h).unwrap();
                let best = faces.first().unwrap_or_else(|| panic!("{id}: no face"));
                let want: Vec<f64> =
                    case["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
                let tolerance = case["tolerance"].as_f64().unwrap();
                let b = best.face;
                let got = [b.x, b.y, b.x + b.w, b.y + b.h].map(f64::from);
                for (g, w) in got.iter().zip(&want[1..5]) {
                    assert!((g - w).abs() <= tolerance, "{id}: {got:?}, expected {:?}", &want[1..5]);
                }
                assert!((f64::from(best.confidence) - want[5]).abs() <= 0.03, "{id}: {}", best.confidence);
                let (rx, ry) = best.landmarks.right_eye;
                assert!(
                    (f64::from(rx) - want[6]).abs() <= tolerance
                        && (f64::from(ry) - want[7]).abs() <= tolerance
                );
                faces_checked = true;
            }
        }
        assert!(faces_checked, "{id}");
    }
}

#[test]
fn face_blend_from_crop_to_llr() {
    let id = "face-blend";
    let detector = FaceCropDetector::new(load(id), None, OperatingPoints::default()).unwrap();
    let calibrator = calibrator(id);
    let semantics = Manifest::read(&home().models.join(id)).unwrap().score.unwrap().semantics;
    let Preprocess::Image(spec) = Manifest::read(&home().models.join(id)).unwrap().preprocess else {
        panic!()
    };
    let mut seen = 0;
    for case in cases(id) {
        let fixture = case["fixture"].as_str().unwrap();
        if let Some(value) = fixture.strip_prefix("score:") {
            let score = Score::new(value.parse().unwrap(), semantics).unwrap();
            expect(&case, &[calibrator.llr(score, &Quality::default()).unwrap().value.nats()]);
            seen += 1;
            continue;
        }
        // `PICTURE box(x0,y0,x1,y1)`: the crop around a face box; without a box the picture is the crop.
        let (name, corners) = fixture.split_once(" box").unwrap_or((fixture, ""));
        let picture = synthetic::by_name(name).unwrap();
        let c: Vec<f32> =
            corners.trim_matches(['(', ')']).split(',').filter_map(|v| v.parse().ok()).collect();
        let mut side = None;
        let crop = match c.as_slice() {
            &[x0, y0, x1, y1] => {
                let face = PixelBox { x: x0, y: y0, w: x1 - x0, h: y1 - y0 };
                side = Some(f64::from(tensor::face_crop(&picture, &face, spec.crop_margin).width()));
                tensor::model_crop(&picture, &face, &spec)
            }
            _ => resize(&picture, spec.width, spec.height, tensor::kernel(spec.filter)),
        };
        let data = detector.tensor(&crop);
        let raw = detector.scores(&[crop]).unwrap()[0];
        match case["stage"].as_str().unwrap() {
            "tensor" => {
                let all: Vec<f64> = side.into_iter().chain(stats(&data)).collect();
                expect(&case, &all);
            }
            "raw" | "score" => expect(&case, &[raw]),
            "llr" => {
                let llr = calibrator.llr(Score::new(raw, semantics).unwrap(), &Quality::default()).unwrap();
                expect(&case, &[llr.value.nats()]);
            }
            other => panic!("stage {other}"),
        }
        seen += 1;
    }
    assert!(seen >= 3);
}

#[test]
fn synthetic_image_from_picture_to_llr() {
    let id = "synthetic-image";
    let detector = WholePictureDetector::new(load(id), None, OperatingPoints::default()).unwrap();
    let manifest = Manifest::read(&home().models.join(id)).unwrap();
    let (semantics, calibrator) = (manifest.score.unwrap().semantics, calibrator(id));
    let Preprocess::Image(spec) = manifest.preprocess else { panic!("{id}") };
    let mut seen = 0;
    for case in cases(id) {
        let picture = synthetic::by_name(case["fixture"].as_str().unwrap()).unwrap();
        match case["stage"].as_str().unwrap() {
            "tensor" => {
                let small = tensor::reduced(&picture, &spec);
                let data = detector.tensor(&picture);
                let plane = data.len() / 3;
                let mut got = vec![f64::from(small.width()), f64::from(small.height())];
                got.extend(stats(&data));
                got.extend((0..3).map(|c| f64::from(data[c * plane + 100 * 224 + 37])));
                expect(&case, &got);
            }
            "raw" => expect(&case, &[detector.raw_score(&picture).unwrap()]),
            "llr" => {
                let score = Score::new(detector.raw_score(&picture).unwrap(), semantics).unwrap();
                let llr = calibrator.llr(score, &Quality::default());
                // Outside the calibrated range there is none, and the recipe says so with null.
                match case["values"][0].as_f64() {
                    Some(_) => expect(&case, &[llr.unwrap().value.nats()]),
                    None => assert!(llr.is_none(), "{}", case["name"]),
                }
            }
            other => panic!("stage {other}"),
        }
        seen += 1;
    }
    assert!(seen >= 12);
}

#[test]
fn face_temporal_from_picture_to_llr() {
    let id = "face-temporal";
    let manifest = Manifest::read(&home().models.join(id)).unwrap();
    let (semantics, calibrator) = (manifest.score.unwrap().semantics, calibrator(id));
    let (model, detector) =
        (load(id), TemporalDetector::new(load(id), None, OperatingPoints::default()).unwrap());
    let mut stages = Vec::new();
    for case in cases(id) {
        let fixture = case["fixture"].as_str().unwrap();
        let stage = case["stage"].as_str().unwrap().to_owned();
        match stage.as_str() {
            "raw" => {
                let picture = synthetic::by_name(fixture).unwrap();
                let face = PixelBox { x: 146.0, y: 116.0, w: 220.0, h: 280.0 };
                let (right_eye, left_eye) = ((209.8, 229.6), (302.2, 229.6));
                let marks = Landmarks { right_eye, left_eye, nose: (0.0, 0.0), mouth: (0.0, 0.0) };
                let found = mesh::mesh(&model, &picture, &face, &marks).unwrap().unwrap();
                let points = [1, 33, 263, 13, 14, 152].map(|i| found.at(i));
                expect(
                    &case,
                    &points.iter().flat_map(|p| [f64::from(p.0), f64::from(p.1)]).collect::<Vec<_>>(),
                );
                // The oval holds the points of the drawing's eyes and mouth.
                let o = found.outline();
                assert!(o.x > 140.0 && o.x + o.w < 372.0 && o.y + o.h > 380.0, "{o:?}");
            }
            "score" => {
                let numbers = fixture.strip_prefix("numbers:").unwrap();
                let n: Vec<f64> = numbers.split(',').map(|v| v.parse().unwrap()).collect();
                let features = n[..12].try_into().unwrap();
                let numbers = FaceNumbers { features, lips: n.get(12).copied(), windows: Vec::new() };
                expect(&case, &[detector.score_of(&numbers)]);
            }
            "llr" => {
                let score =
                    Score::new(fixture.strip_prefix("score:").unwrap().parse().unwrap(), semantics).unwrap();
                let llr = calibrator.llr(score, &Quality::default());
                match case["values"][0].as_f64() {
                    Some(_) => expect(&case, &[llr.unwrap().value.nats()]),
                    None => assert!(llr.is_none(), "{}", case["name"]),
                }
            }
            other => panic!("stage {other}"),
        }
        stages.push(stage);
    }
    assert!(["raw", "score", "llr"].iter().all(|s| stages.iter().any(|t| t == s)), "{stages:?}");
}
