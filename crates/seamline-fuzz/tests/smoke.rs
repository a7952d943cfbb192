//! Every harness over its seeds and over seeded mutations of them: what the long fuzz runs start from.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers outside of #[test] functions

use seamline_fuzz::{TARGETS, seeds, target};
use seamline_testkit::damage::mutate;
use std::time::{Duration, Instant};

/// Decoding costs milliseconds, parsing microseconds.
fn rounds(name: &str) -> u64 {
    if matches!(name, "container" | "audio_file" | "still" | "animated_webp") { 40 } else { 400 }
}

fn smoke(names: &[&str]) {
    for name in names {
        let target = target(name).unwrap();
        let seeds = seeds(name).unwrap();
        assert!(!seeds.is_empty(), "{name} has seeds");
        for (n, seed) in seeds.iter().enumerate() {
            (target.run)(seed);
            for round in 0..rounds(name) {
                let begun = Instant::now();
                (target.run)(&mutate(seed, round * 31 + n as u64));
                // Not a measure of speed: a minute for kilobytes is a hang.
                assert!(begun.elapsed() < Duration::from_secs(60), "{name}: seed {n} round {round} hangs");
            }
        }
        for tiny in [&[][..], &[0], &[0xff; 64], b"{}", b"[[[[[[[["] {
            (target.run)(tiny);
        }
    }
}

#[test]
fn decoders_survive() {
    smoke(&["container", "audio_file", "still", "animated_webp"]);
}

#[test]
fn metadata_readers_survive() {
    smoke(&["png", "jpeg", "riff", "bmff", "xmp", "exif", "tc260", "generator_text", "c2pa", "stealth"]);
    smoke(&["amf", "ebml", "flac", "flv", "gif", "id3", "ogg", "sei", "vorbis"]);
}

/// A parser that provenance lists has a harness under its own name.
#[test]
fn every_parser_of_provenance_has_a_harness() {
    for (name, _) in seamline_provenance::parsers::ALL {
        let name = if *name == "aigc" { "tc260" } else { name };
        assert!(target(name).is_some(), "{name}");
    }
}

/// Each labelled seed gives its walker something to find.
#[test]
fn labelled_seeds_carry_fields() {
    for name in ["amf", "ebml", "flac", "flv", "id3", "ogg", "vorbis"] {
        let (_, parse) = seamline_provenance::parsers::ALL.iter().find(|(n, _)| *n == name).unwrap();
        for seed in seeds(name).unwrap() {
            assert!(parse(&seed) > 0, "{name}");
        }
    }
}

#[test]
fn readers_of_our_own_formats_survive() {
    smoke(&["manifest", "calibration", "fusion", "wire", "observables"]);
}

/// The seeds are what they claim: each reader accepts its own.
#[test]
fn seeds_of_our_own_formats_are_valid() {
    let text = |name: &str, n: usize| String::from_utf8(seeds(name).unwrap().swap_remove(n)).unwrap();
    for n in 0..2 {
        seamline_infer::Manifest::parse(&text("manifest", n)).unwrap();
    }
    seamline_fuse::FusionData::parse(&text("fusion", 0)).unwrap();
    let model = seamline_core::Sha256Hash::from_bytes([7; 32]);
    seamline_infer::CalibrationData::parse(text("calibration", 0).as_bytes(), model).unwrap();
    for seed in seeds("wire").unwrap() {
        assert!(seamline_pipeline::fuzz_replies(&seed).unwrap() >= 1);
    }
}

/// A target that `fuzz/` does not list would never be fuzzed for long.
#[test]
fn every_target_is_listed_for_cargo_fuzz() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("fuzz");
    let listed = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for target in TARGETS {
        assert!(listed.contains(&format!("name = \"{}\"", target.name)), "{}", target.name);
        let file = root.join("targets").join(format!("{}.rs", target.name));
        assert!(std::fs::read_to_string(&file).unwrap().contains(&format!("\"{}\"", target.name)));
    }
}
