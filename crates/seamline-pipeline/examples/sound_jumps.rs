//! For the bench that sets thresholds: the largest jump of background and band in each clip, a JSON object a line.
//!
//! `sound_jumps CLIP...`

#![allow(clippy::expect_used, clippy::print_stdout)] // a tool of the bench

use seamline_core::{Limits, MediaUnit, StreamIndex};
use seamline_detect::activity::SpeechModel;
use seamline_detect::consistency::ConsistencyMeter;
use seamline_detect::speech::SpeechSampler;
use seamline_infer::{Home, Manifest, Model, Runtime};
use seamline_media::DecodeOptions;
use std::collections::BTreeMap;
use std::fs::File;

fn main() {
    let home = Home::resolve();
    let runtime = Runtime::load(&home).expect("ONNX Runtime");
    let manifest = Manifest::read(&home.models.join("speech-silero")).expect("manifest");
    let model = Model::load(&runtime, manifest, &home.cache, 1).expect("model");
    let voices = SpeechModel::new(model).expect("speech finder");
    for clip in std::env::args_os().skip(1) {
        let found = measure(&clip, &voices);
        let name = clip.to_string_lossy();
        let line = match found {
            Ok(Some((floor, band))) => serde_json::json!({ "file": name, "floor": floor, "band": band }),
            Ok(None) => serde_json::json!({ "file": name }),
            Err(e) => serde_json::json!({ "file": name, "error": e }),
        };
        println!("{line}");
    }
}

fn measure(clip: &std::ffi::OsStr, voices: &SpeechModel) -> Result<Option<(f32, f32)>, String> {
    let file = File::open(clip).map_err(|e| e.to_string())?;
    let options = DecodeOptions { longest_gap: None };
    let mut reader = seamline_media::open(file, &Limits::default(), options).map_err(|e| e.to_string())?;
    let mut streams: BTreeMap<StreamIndex, (SpeechSampler<'_>, ConsistencyMeter)> = BTreeMap::new();
    while let Some(unit) = reader.next_unit().map_err(|e| e.to_string())? {
        if let MediaUnit::Audio(block) = unit {
            let sampler = || SpeechSampler::new(block.stream, &[], false).confirmed_by(Some(voices));
            let new = || (sampler(), ConsistencyMeter::default());
            let (speech, meter) = streams.entry(block.stream).or_insert_with(new);
            meter.push(&block);
            speech.push(&block, &mut |_| Ok(())).map_err(|e| e.to_string())?;
        }
    }
    let Some((speech, meter)) = streams.into_values().next() else { return Ok(None) };
    let segments = speech.finish(&mut |_| Ok(())).map_err(|e| e.to_string())?.0.segments;
    Ok(meter.largest(&segments))
}
