//! The part of `scripts/eval/campaign_variants.py` that is Seamline: observes decoded clips and matches them.
//!
//! `campaign_eval observe OUT NAME WIDTH HEIGHT FPS SOUND < RAW`: raw RGB frames on standard input, SOUND a file of
//! 32-bit floats, mono at 16 kHz (may be empty); writes the observables as JSON to OUT.
//!
//! `campaign_eval match FOLDER`: FOLDER holds `sources/*.json` and `variants/*.json`. Sources are recorded in a new
//! store, then each variant is matched against them; one JSON line a match, with the names. Then the variants are
//! recorded too, one after another, each linked with what is there; one line a clip with its cluster.
#![allow(clippy::print_stdout)]

use seamline_campaign::matching::Matcher;
use seamline_campaign::moment::Moment;
use seamline_campaign::observables::{Observables, ObservablesBuilder};
use seamline_campaign::store::{Recording, SqlStore, Store};
use seamline_core::{RgbFrame, Sha256Hash};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["observe", out, name, width, height, fps, sound] => {
            observe(Path::new(out), name, (width.parse()?, height.parse()?), fps.parse()?, Path::new(sound))
        }
        ["match", folder] => matches(Path::new(folder)),
        _ => Err("usage: campaign_eval observe OUT NAME WIDTH HEIGHT FPS SOUND | match FOLDER".into()),
    }
}

fn observe(out: &Path, name: &str, size: (u32, u32), fps: f64, sound: &Path) -> Result<(), Failure> {
    let mut builder = ObservablesBuilder::new();
    let mut raw = vec![0u8; size.0 as usize * size.1 as usize * 3];
    let mut input = std::io::stdin().lock();
    let (mut n, mut hashed, mut picture_s) = (0u64, 0u64, 0.0);
    while fill(&mut input, &mut raw)? {
        let time_us = (n as f64 / fps * 1e6).round() as i64;
        n += 1;
        if builder.wants(time_us) {
            let frame = RgbFrame::new(size.0, size.1, raw.clone()).ok_or("frame size")?;
            let before = cpu_seconds()?;
            builder.push_frame(time_us, &frame);
            picture_s += cpu_seconds()? - before;
            hashed += 1;
        }
    }
    let bytes = std::fs::read(sound)?;
    let samples: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let before = cpu_seconds()?;
    for block in samples.chunks(4_096) {
        builder.push_sound(block);
    }
    let observables = builder.finish(Sha256Hash::of(name.as_bytes()));
    let sound_s = cpu_seconds()? - before;
    std::fs::write(out, serde_json::to_vec(&observables)?)?;
    let media_s = samples.len() as f64 / 16_000.0;
    println!(
        "{}",
        serde_json::json!({"name": name, "frames": hashed, "picture_ms_a_frame": picture_s * 1e3 / hashed.max(1) as f64,
            "sound_s": sound_s, "sound_times_real_time": media_s / sound_s.max(1e-9)})
    );
    Ok(())
}

/// Time this thread has spent on a processor: what a busy machine leaves alone.
fn cpu_seconds() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(stat.split_whitespace().next().ok_or("schedstat")?.parse::<u64>()? as f64 / 1e9)
}

/// False at the end; a frame cut off at the end is dropped.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<bool> {
    match input.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

fn load(folder: &Path) -> Result<Vec<(String, Observables)>, Failure> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?.flatten().map(|e| e.path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "json"));
    paths.sort();
    let name = |p: &Path| p.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    paths.iter().map(|p| Ok((name(p), serde_json::from_slice(&std::fs::read(p)?)?))).collect()
}

fn matches(folder: &Path) -> Result<(), Failure> {
    let work = folder.join("store");
    let _ = std::fs::remove_dir_all(&work);
    std::fs::create_dir_all(&work)?;
    let mut store = SqlStore::open(&work.join("store.db"))?;
    let (matcher, _) = Matcher::open(&work.join("index"), &store)?;
    let (sources, variants) = (load(&folder.join("sources"))?, load(&folder.join("variants"))?);
    for (name, o) in &sources {
        record(&mut store, name, o)?;
    }
    for (name, o) in &variants {
        let clock = Instant::now();
        let found = matcher.matches(o, &store)?;
        let took_ms = clock.elapsed().as_secs_f64() * 1e3;
        println!(
            "{}",
            serde_json::json!({"type": "asked", "name": name, "took_ms": took_ms, "matches": found})
        );
    }
    let clock = Instant::now();
    for (name, o) in sources.iter().chain(&variants) {
        if sources.iter().all(|(n, _)| n != name) {
            record(&mut store, name, o)?;
        }
        let links: Vec<_> = matcher.matches(o, &store)?.iter().filter_map(|m| m.link(o.clip)).collect();
        store.add_links(&links)?;
    }
    for (name, o) in sources.iter().chain(&variants) {
        let cluster = store.clip(&o.clip)?.map(|c| c.cluster);
        println!("{}", serde_json::json!({"type": "clip", "name": name, "cluster": cluster}));
    }
    let (clips, seconds) = (sources.len() + variants.len(), clock.elapsed().as_secs_f64());
    println!("{}", serde_json::json!({"type": "end", "clips": clips, "linking_s": seconds}));
    Ok(())
}

fn record(store: &mut SqlStore, name: &str, o: &Observables) -> Result<(), Failure> {
    store.record(&Recording {
        clip: o.clip,
        path: name,
        size: 0,
        at: Moment::EPOCH,
        pipeline_digest: Sha256Hash::of(b"evaluation"),
        conclusion: "not_assessable",
        llr: None,
        verdict_line: "{}",
        evidence_lines: &[],
        observables: Some(o),
        sightings: &[],
    })?;
    Ok(())
}
