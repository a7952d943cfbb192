//! One clip of a minute against a store of many: prints one JSON object.
//!
//! `match_bench FOLDER CLIPS`: a store of CLIPS imagined clips of 20 s, each with four views of every picture, sound and a
//! voice, is made in FOLDER (some 35 KB a clip), with its indexes. The clip that is asked about shares ten seconds of
//! pictures and sound with one clip in the store, and its voice with another. What is timed is a search with indexes open,
//! as in a run over many clips, and a start from nothing, as `seamline match` makes it.
#![allow(clippy::print_stdout)]

use seamline_campaign::cluster::LinkKind;
use seamline_campaign::matching::Matcher;
use seamline_campaign::moment::Moment;
use seamline_campaign::observables::{FrameHash, Observables, VERSION, View, VoiceEmbedding};
use seamline_campaign::pdq::PdqHash;
use seamline_campaign::sound::{STEP_US, SoundPrint};
use seamline_campaign::store::{Recording, SqlStore, Store};
use seamline_core::Sha256Hash;
use std::path::Path;
use std::time::Instant;

type Failure = Box<dyn std::error::Error>;

const VIEWS: [View; 4] = [View::Whole, View::Centre90, View::Centre80, View::Upper80];

fn random(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A picture of a recording: a new shot every 4 s, a few bits of movement within it.
fn shown(recording: u64, half_seconds: u64, view: u64) -> PdqHash {
    let shot = random(recording << 20 | (half_seconds / 8) << 4 | view);
    let mut words: [u64; 4] = std::array::from_fn(|i| random(shot ^ i as u64));
    for step in 0..half_seconds % 8 {
        let bit = random(shot ^ (step << 8)) % 256;
        words[(bit / 64) as usize] ^= 1 << (bit % 64);
    }
    PdqHash(words)
}

fn voice(speaker: u64) -> VoiceEmbedding {
    // As the encoder's vectors are: no negative part, length 1.
    let raw: Vec<f32> = (0..256).map(|i| (random(speaker << 9 | i) >> 40) as f32 / 16_777_216.0).collect();
    let raw: Vec<f32> = raw.iter().map(|v| (v - 0.6).max(0.0)).collect();
    let length = raw.iter().map(|v| v * v).sum::<f32>().sqrt();
    let vector = raw.iter().map(|v| v / length).collect();
    VoiceEmbedding { start_us: 0, end_us: 20_000_000, vector, model_sha256: Sha256Hash::of(b"model") }
}

/// Stretches of recordings, one after another: recording, first half second, number of half seconds.
fn clip(name: u64, stretches: &[(u64, u64, u64)], speaker: u64) -> Observables {
    let (mut frames, mut items, mut at) = (Vec::new(), Vec::new(), 0);
    for &(recording, from, count) in stretches {
        for n in from..from + count {
            for (v, view) in (0..).zip(VIEWS) {
                let hash = shown(recording, n, v);
                let mirrored = PdqHash(hash.0.map(|w| w ^ 0xaaaa_aaaa_aaaa_aaaa));
                frames.push(FrameHash { time_us: at, quality: 90, view, hash, mirrored });
            }
            at += 500_000;
        }
        let step = u64::from(STEP_US);
        items.extend(
            (from * 500_000 / step..(from + count) * 500_000 / step)
                .map(|n| random(recording << 24 | n) as u32),
        );
    }
    Observables {
        version: VERSION,
        clip: Sha256Hash::of(&name.to_le_bytes()),
        duration_us: at,
        frames,
        sound: Some(SoundPrint { items, start_us: 0 }),
        voices: vec![voice(speaker)],
        patches: Vec::new(),
        traces: Vec::new(),
        truncated: false,
        thumbnail: Vec::new(),
    }
}

fn fill(store: &mut SqlStore, clips: u64) -> Result<(), Failure> {
    for n in 0..clips {
        let o = clip(n, &[(n, 0, 40)], n);
        store.record(&Recording {
            clip: o.clip,
            path: "seen.mp4",
            size: 1,
            at: Moment::EPOCH,
            pipeline_digest: Sha256Hash::of(b"p"),
            conclusion: "inconclusive",
            llr: None,
            verdict_line: "{}",
            evidence_lines: &[],
            observables: Some(&o),
            sightings: &[],
        })?;
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, clips] = arguments.as_slice() else { return Err("usage: match_bench FOLDER CLIPS".into()) };
    let (folder, clips): (&Path, u64) = (Path::new(folder), clips.parse()?);
    std::fs::create_dir_all(folder)?;
    let (path, index) = (folder.join("match.db"), folder.join("match.db.index"));
    let clock = Instant::now();
    let mut store = SqlStore::open(&path)?;
    if store.clip(&Sha256Hash::of(&(clips - 1).to_le_bytes()))?.is_none() {
        fill(&mut store, clips)?;
    }
    let record_s = clock.elapsed().as_secs_f64();
    let clock = Instant::now();
    let (matcher, _) = Matcher::open(&index, &store)?;
    matcher.flush()?;
    let index_s = clock.elapsed().as_secs_f64();
    drop(matcher);
    // A minute: 50 s that nobody has seen, 10 s of clip 7, and the voice of clip 11.
    let asked = clip(clips + 1, &[(clips + 5, 0, 60), (7, 10, 20), (clips + 6, 0, 40)], 11);
    let clock = Instant::now();
    let store = SqlStore::open(&path)?;
    let (matcher, _) = Matcher::open(&index, &store)?;
    let found = matcher.matches(&asked, &store)?;
    let first_ms = clock.elapsed().as_secs_f64() * 1e3;
    let mut times = Vec::new();
    for _ in 0..9 {
        let clock = Instant::now();
        matcher.matches(&asked, &store)?;
        times.push(clock.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let of = |kind: LinkKind, n: u64| {
        found.iter().any(|m| m.kind == kind && m.sha256 == Sha256Hash::of(&n.to_le_bytes()))
    };
    println!(
        "{}",
        serde_json::json!({"clips": clips, "picture_hashes": matcher.len().0, "sound_items": matcher.len().1,
            "store_bytes": std::fs::metadata(&path)?.len(), "record_s": record_s, "index_s": index_s,
            "first_match_ms": first_ms, "match_ms_median": times[times.len() / 2], "match_ms_worst": times[times.len() - 1],
            "pictures_found": of(LinkKind::SamePictures, 7), "sound_found": of(LinkKind::SameAudio, 7),
            "voice_found": of(LinkKind::SameVoice, 11), "matches": found.len()})
    );
    Ok(())
}
