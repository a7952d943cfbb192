//! Voices of real readings: one reader's are alike, another's are not, and silence has none.

#![allow(clippy::unwrap_used)] // helpers outside of #[test] functions

use seamline_core::{AudioBlock, MediaTime, StreamIndex};
use seamline_detect::Sample;
use seamline_detect::speaker::{SpeakerEncoder, Voice};
use seamline_detect::speech::SpeechSampler;
use seamline_infer::{Home, Manifest, Model, Runtime};
use std::path::Path;
use std::process::Command;

fn encoder() -> SpeakerEncoder {
    let home = Home::at(Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap());
    static RUNTIME: std::sync::OnceLock<Runtime> = std::sync::OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| Runtime::load(&home).unwrap());
    let manifest = Manifest::read(&home.models.join("speaker-ge2e")).unwrap();
    SpeakerEncoder::new(Model::load(runtime, manifest, &home.cache, 1).unwrap()).unwrap()
}

/// 16 kHz mono, from a file or from what a synthesiser says.
fn sound(path: &Path) -> Vec<f32> {
    let args = ["-v", "error", "-i", path.to_str().unwrap(), "-ac", "1", "-ar", "16000", "-f", "f32le", "-"];
    let out = Command::new("ffmpeg").args(args).output().unwrap();
    assert!(out.status.success());
    out.stdout.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

fn reading(number: &str) -> Vec<f32> {
    let folder = seamline_testkit::clips::reading().parent().unwrap().to_owned();
    sound(&folder.join(format!("sense_and_sensibility_01_austen_64kb-{number}.wav")))
}

fn synthesised(dir: &Path) -> Vec<f32> {
    let path = dir.join("flite.wav");
    let text = "Nothing is lost, nothing is done twice, and one bad file never stops the rest of them.";
    let said = Command::new("flite").args(["-voice", "awb", "-t", text, "-o"]).arg(&path).status().unwrap();
    assert!(said.success());
    sound(&path)
}

fn voices(encoder: &SpeakerEncoder, samples: &[f32]) -> Vec<Voice> {
    let mut sampler = SpeechSampler::new(StreamIndex(0), &[encoder.window()], false);
    let mut run = encoder.start();
    let mut sink = |s: Sample| match s {
        Sample::Speech(w) => run.push(&w),
        _ => Ok(()),
    };
    for (i, part) in samples.chunks(1_600).enumerate() {
        let time = MediaTime::from_samples(i as u64 * 1_600, AudioBlock::RATE_HZ).unwrap();
        let block = AudioBlock { stream: StreamIndex(0), time, samples: part.to_vec(), native_peak: 0.5 };
        sampler.push(&block, &mut sink).unwrap();
    }
    sampler.finish(&mut sink).unwrap();
    run.finish().unwrap()
}

fn cosine(a: &Voice, b: &Voice) -> f32 {
    a.vector.iter().zip(&b.vector).map(|(x, y)| x * y).sum()
}

#[test]
fn one_reader_is_one_speaker_and_another_voice_is_another() {
    let dir = tempfile::tempdir().unwrap();
    let encoder = encoder();
    let first = voices(&encoder, &[reading("0870"), reading("0880")].concat());
    let second = voices(&encoder, &[reading("0890"), reading("0920"), reading("0930")].concat());
    let other = voices(&encoder, &synthesised(dir.path()));
    assert_eq!((first.len(), second.len(), other.len()), (1, 1, 1));
    for voice in [&first[0], &second[0], &other[0]] {
        assert_eq!(voice.vector.len(), 256);
        assert!((cosine(voice, voice) - 1.0).abs() < 1e-4, "of length 1");
    }
    let (same, different) = (cosine(&first[0], &second[0]), cosine(&first[0], &other[0]));
    assert!(same > 0.86 && different < 0.75, "{same} {different}");
    // Both in one clip: two speakers, in the order in which they are heard.
    let silence = vec![0.0; 16_000];
    let both =
        voices(&encoder, &[synthesised(dir.path()), silence, reading("0870"), reading("0880")].concat());
    assert_eq!(both.len(), 2);
    assert!(cosine(&both[0], &other[0]) > 0.9 && cosine(&both[1], &first[0]) > 0.9);
    assert!(both[0].span.end <= both[1].span.start);
}

#[test]
fn silence_and_noise_have_no_voice() {
    let encoder = encoder();
    let noise: Vec<f32> = (0..80_000_u32)
        .map(|i| f32::from((i.wrapping_mul(2_654_435_761) >> 16) as u16) / 327_680.0 - 0.1)
        .collect();
    assert!(voices(&encoder, &vec![0.0; 80_000]).is_empty());
    assert!(voices(&encoder, &noise).is_empty());
}
