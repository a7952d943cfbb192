//! For the recipe of `face-temporal`: what is measured of the main face of each clip, a JSON object a line, by the very
//! code that scans run.
//!
//! `face_numbers CLIP...`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // a tool of the recipe

use seamline_core::{Limits, MediaUnit, StreamIndex};
use seamline_detect::activity::SpeechModel;
use seamline_detect::faces::FaceDetector;
use seamline_detect::levels::LevelMeter;
use seamline_detect::pictures::{FramePolicy, PictureSampler};
use seamline_detect::speech::SpeechSampler;
use seamline_detect::temporal::{TemporalDetector, features};
use seamline_detect::voice_window::OperatingPoints;
use seamline_detect::{ClipContext, DetectError, DetectorRun, Drawing};
use seamline_infer::{Home, Manifest, Model, Runtime};
use seamline_media::DecodeOptions;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

fn main() {
    let home = Home::resolve();
    let runtime = Runtime::load(&home).expect("ONNX Runtime");
    let load = |id: &str| {
        let manifest = Manifest::read(&home.models.join(id)).expect("manifest");
        Model::load(&runtime, manifest, &home.cache, 1).expect("model")
    };
    let faces = FaceDetector::new(load("face-centerface")).expect("face finder");
    let detector =
        TemporalDetector::new(load("face-temporal"), None, OperatingPoints::default()).expect("detector");
    let voices = SpeechModel::new(load("speech-silero")).expect("speech finder");
    for clip in std::env::args_os().skip(1) {
        let mut line =
            measure(Path::new(&clip), &faces, &voices, &detector).unwrap_or_else(|e| json!({ "error": e }));
        line["file"] = json!(clip.to_string_lossy());
        println!("{line}");
    }
}

fn measure(
    clip: &Path,
    faces: &FaceDetector,
    voices: &SpeechModel,
    detector: &TemporalDetector,
) -> Result<Value, String> {
    let told = |e: DetectError| e.to_string();
    let file = File::open(clip).map_err(|e| e.to_string())?;
    let options = DecodeOptions { longest_gap: None };
    let mut reader = seamline_media::open(file, &Limits::default(), options).map_err(|e| e.to_string())?;
    let mut pictures = PictureSampler::new(faces, FramePolicy::FAST, 64).with_moving(true);
    let mut run = detector.begin(Drawing::Nothing);
    let mut sound: BTreeMap<StreamIndex, (SpeechSampler<'_>, LevelMeter)> = BTreeMap::new();
    let mut log = seamline_core::EvidenceLog::new();
    while let Some(unit) = reader.next_unit().map_err(|e| e.to_string())? {
        match unit {
            MediaUnit::Frame(frame) => {
                pictures.push(&frame, &mut |sample| run.push(&sample, &mut log)).map_err(told)?;
            }
            MediaUnit::Audio(block) => {
                let sampler = || SpeechSampler::new(block.stream, &[], false).confirmed_by(Some(voices));
                let new = || (sampler(), LevelMeter::default());
                let (speech, levels) = sound.entry(block.stream).or_insert_with(new);
                levels.push(&block);
                speech.push(&block, &mut |_| Ok(())).map_err(told)?;
            }
            MediaUnit::Gap(_) => {}
        }
    }
    let mut context = ClipContext { tracks: pictures.finish().tracks, ..ClipContext::default() };
    for (stream, (speech, levels)) in sound {
        context.speech.push(speech.finish(&mut |_| Ok(())).map_err(told)?.0);
        context.levels.push((stream, levels.finish()));
    }
    let numbers = run.numbers(&context);
    let Some(main) = context.main_track() else { return Ok(json!({ "face": null })) };
    let Some(found) = numbers.get(&main.track) else { return Ok(json!({ "face": null })) };
    let named: BTreeMap<&str, f64> = features::NAMES.into_iter().zip(found.features).collect();
    let windows: Vec<_> = found
        .windows
        .iter()
        .map(|w| {
            let at = |t: seamline_core::MediaTime| t.as_secs_f64();
            json!([at(w.span.start), at(w.span.end), w.correlation, at(w.delay)])
        })
        .collect();
    Ok(json!({
        "face": { "px": main.quality.face_px, "features": named, "lips": found.lips, "windows": windows,
                  "score": detector.score_of(found) }
    }))
}
