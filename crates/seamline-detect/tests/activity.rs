//! Speech and what only sounds: a reading is speech with and without the second opinion, a buzz only without.

#![allow(clippy::unwrap_used)] // helpers outside of #[test] functions

use seamline_core::{AudioBlock, MediaTime, Span, StreamIndex};
use seamline_detect::Sample;
use seamline_detect::activity::SpeechModel;
use seamline_detect::speech::SpeechSampler;
use seamline_infer::{Home, Manifest, Model, Runtime};
use seamline_testkit::{clips, wave};
use std::path::Path;

fn model() -> SpeechModel {
    let home = Home::at(Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap());
    let runtime = Runtime::load(&home).unwrap();
    let manifest = Manifest::read(&home.models.join("speech-silero")).unwrap();
    SpeechModel::new(Model::load(&runtime, manifest, &home.cache, 1).unwrap()).unwrap()
}

/// Spans of speech, and how much of the sound windows of three seconds cover.
fn heard(samples: &[f32], block: usize, model: Option<&SpeechModel>) -> (Vec<Span>, f64) {
    let mut sampler = SpeechSampler::new(StreamIndex(0), &[48_000], false).confirmed_by(model);
    let mut covered = 0.0;
    let mut sink = |sample: Sample| {
        if let Sample::Speech(window) = sample {
            covered += window.span.duration().as_secs_f64();
        }
        Ok(())
    };
    for (i, part) in samples.chunks(block).enumerate() {
        let time = MediaTime::from_samples((i * block) as u64, AudioBlock::RATE_HZ).unwrap();
        let samples = part.to_vec();
        sampler
            .push(&AudioBlock { stream: StreamIndex(0), time, samples, native_peak: 0.5 }, &mut sink)
            .unwrap();
    }
    let (speech, _) = sampler.finish(&mut sink).unwrap();
    (speech.segments, covered)
}

#[test]
fn what_only_sounds_is_no_speech_and_a_reading_is() {
    let model = model();
    let reading = clips::reading_samples().unwrap();
    let buzz = wave::harmonics(16_000 * 12);

    let alone = heard(&reading, 1_600, None);
    assert!(!alone.0.is_empty() && alone == heard(&reading, 1_600, Some(&model)));
    assert_eq!(alone, heard(&reading, 7_001, Some(&model)), "whatever the blocks");

    let (first, covered) = heard(&buzz, 1_600, None);
    assert!(covered > 10.0, "the frames alone are deceived: {first:?}");
    assert_eq!(heard(&buzz, 1_600, Some(&model)), (Vec::new(), 0.0));

    // Between two readings the buzz is left out but for a second at each side.
    let both = [reading.as_slice(), &buzz, &reading].concat();
    let (spans, _) = heard(&both, 1_600, Some(&model));
    let at = |samples: usize| MediaTime::from_samples(samples as u64, AudioBlock::RATE_HZ).unwrap();
    let (from, to) = (at(reading.len() + 20_000), at(reading.len() + buzz.len() - 20_000));
    assert!(spans.iter().any(|s| s.end < from) && spans.iter().any(|s| s.start > to), "{spans:?}");
    assert!(spans.iter().all(|s| s.end <= from || s.start >= to), "{from} to {to}: {spans:?}");
}
