//! Perth's decoder on speech that its own encoder marked, whole and in part, and on speech that nobody marked.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers outside of #[test] functions

use seamline_core::{AudioBlock, Evidence, MediaTime, Outcome, Span, StreamIndex};
use seamline_infer::{Home, Manifest, Model, Runtime};
use seamline_marks::speech::SpeechMark;
use seamline_testkit::{clips, wave};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

fn home() -> Home {
    Home::resolve()
}

/// ONNX Runtime takes one environment a process, so the tests share the model.
fn mark() -> &'static SpeechMark {
    static MARK: OnceLock<SpeechMark> = OnceLock::new();
    MARK.get_or_init(|| {
        let home = home();
        let manifest = Manifest::read(&home.models.join("perth")).unwrap();
        let runtime = Runtime::load(&home).unwrap();
        SpeechMark::new(Model::load(&runtime, manifest, &home.cache, 1).unwrap()).unwrap()
    })
}

/// A reading that `scripts/fixtures/perth_marked.py` marked, all of it or from second 3 to 6.
fn marked(name: &str, span: &[&str]) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    clips::cached(name, &format!("perth v1 {span:?}"), |out| {
        let status = Command::new(home().cache.join("venv/bin/python"))
            .arg(root.join("scripts/fixtures/perth_marked.py"))
            .args([clips::reading().as_path(), out])
            .args(span)
            .status()?;
        assert!(status.success(), "perth_marked.py failed");
        Ok(())
    })
    .unwrap()
}

/// Samples of a 16-bit mono WAV with a header of 44 bytes.
fn samples(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    bytes[44..].as_chunks::<2>().0.iter().map(|b| f32::from(i16::from_le_bytes(*b)) / 32_768.0).collect()
}

/// As the decoder hands sound on: in blocks.
fn look(mark: &SpeechMark, sound: &[f32]) -> Vec<Evidence> {
    let mut run = mark.start();
    for (i, chunk) in sound.chunks(7_001).enumerate() {
        let time = MediaTime::from_samples(i as u64 * 7_001, AudioBlock::RATE_HZ).unwrap();
        let block = AudioBlock { stream: StreamIndex(1), time, samples: chunk.to_vec(), native_peak: 0.5 };
        run.push(&block).unwrap();
    }
    // All of it is taken for speech, so that the decoder alone is tested.
    let all = Span::new(MediaTime::ZERO, MediaTime::from_millis(3_600_000));
    run.finish(&[(StreamIndex(1), vec![all])].into()).unwrap()
}

fn code(e: &Evidence) -> &'static str {
    match &e.outcome {
        Outcome::Finding { code, .. } => code.name,
        other => panic!("{other:?}"),
    }
}

#[test]
fn marked_speech_is_found_from_end_to_end() {
    let mark = mark();
    let sound = samples(&marked("perth-whole.wav", &[]));
    let found = look(mark, &sound);
    assert_eq!(found.iter().map(code).collect::<Vec<_>>(), ["marks.perth"]);
    let span = found[0].subject.span().unwrap();
    assert_eq!(span.start, MediaTime::ZERO);
    assert!(span.duration().as_secs_f64() > sound.len() as f64 / 16_000.0 - 1.0, "{span}");
    assert_eq!(found.len(), 1, "all of it is one finding");
    // A clip shorter than a window is not judged; less than seven seconds are a hint, for so much of unmarked sound
    // looks marked now and then.
    assert!(look(mark, &sound[16_000..40_000]).is_empty());
    for part in [&sound[16_000..50_000], &sound[..16_000 * 6]] {
        assert_eq!(look(mark, part).iter().map(code).collect::<Vec<_>>(), ["marks.perth_weak"]);
    }
    // Without speech around it, a high score is no finding.
    let mut run = mark.start();
    let block =
        AudioBlock { stream: StreamIndex(1), time: MediaTime::ZERO, samples: sound, native_peak: 0.5 };
    run.push(&block).unwrap();
    assert!(run.finish(&[(StreamIndex(0), vec![])].into()).unwrap().is_empty());
}

#[test]
fn a_marked_insert_is_a_hint_where_it_stands() {
    let found = look(mark(), &samples(&marked("perth-insert.wav", &["3", "6"])));
    assert_eq!(found.iter().map(code).collect::<Vec<_>>(), ["marks.perth_weak"], "{found:?}");
    let span = found[0].subject.span().unwrap();
    let secs = (span.start.as_secs_f64(), span.end.as_secs_f64());
    assert!(secs.0 >= 2.0 && secs.1 <= 7.0 && secs.1 - secs.0 >= 2.0, "{span}");
}

#[test]
fn unmarked_speech_noise_and_silence_show_none() {
    let mark = mark();
    for entry in std::fs::read_dir(clips::READINGS).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "wav") {
            let found = look(mark, &samples(&path));
            assert!(found.is_empty(), "{}: {found:?}", path.display());
        }
    }
    for sound in [wave::lcg_noise(80_000), wave::harmonics(80_000), vec![0.0; 80_000]] {
        let found = look(mark, &sound);
        assert!(found.is_empty(), "{found:?}");
    }
    // A swept tone, which is no speech, reaches the threshold in one window: no more than a hint.
    let found = look(mark, &wave::sine_sweep(80_000));
    assert!(found.iter().all(|e| code(e) == "marks.perth_weak"), "{found:?}");
    assert!(look(mark, &[0.1; 100]).is_empty());
}
