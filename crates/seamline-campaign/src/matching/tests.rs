use super::*;
use crate::moment::Moment;
use crate::observables::{FrameHash, StaticPatch, Trace, VERSION, View, VoiceEmbedding};
use crate::sound::SoundPrint;
use crate::store::{Recording, SqlStore};
use seamline_core::Sha256Hash;

fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let x = *seed ^ (*seed >> 29);
    x.wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ (x >> 32)
}

/// What an imagined recording shows at a moment: a new shot every 5 s, six bits of change a second within it.
fn shown(recording: u64, t: f64) -> PdqHash {
    let mut seed = recording * 1_000_003 + (t / 5.0) as u64 + 1;
    let mut words: [u64; 4] = std::array::from_fn(|_| random(&mut seed));
    for _ in 0..((t % 5.0) * 6.0) as usize {
        let bit = random(&mut seed) % 256;
        words[(bit / 64) as usize] ^= 1 << (bit % 64);
    }
    PdqHash(words)
}

fn heard(recording: u64, n: usize) -> u32 {
    let mut seed = recording * 7_919 + n as u64;
    random(&mut seed) as u32
}

/// A clip of `seconds` that shows `recording` from `from` on.
fn clip(name: &str, recording: u64, from: f64, seconds: usize, mirrored: bool) -> Observables {
    let frames = (0..seconds * 2)
        .map(|i| {
            let time = i as f64 * 0.5;
            // The mirror image is some other hash: any fixed change serves.
            let turn = |h: PdqHash| PdqHash(h.0.map(|w| w ^ 0xaaaa_aaaa_aaaa_aaaa));
            let hash = shown(recording, from + time);
            let (hash, other) = if mirrored { (turn(hash), hash) } else { (hash, turn(hash)) };
            FrameHash { time_us: (time * 1e6) as i64, quality: 90, view: View::Whole, hash, mirrored: other }
        })
        .collect();
    let step = f64::from(crate::sound::STEP_US) / 1e6;
    let first = (from / step) as usize;
    let items = (0..(seconds as f64 / step) as usize).map(|n| heard(recording, first + n)).collect();
    Observables {
        version: VERSION,
        clip: Sha256Hash::of(name.as_bytes()),
        duration_us: seconds as i64 * 1_000_000,
        frames,
        sound: Some(SoundPrint { items, start_us: 0 }),
        voices: Vec::new(),
        patches: Vec::new(),
        traces: Vec::new(),
        truncated: false,
        thumbnail: Vec::new(),
    }
}

fn record(store: &mut SqlStore, o: &Observables, path: &str) {
    store
        .record(&Recording {
            clip: o.clip,
            path,
            size: 1,
            at: Moment::EPOCH,
            pipeline_digest: Sha256Hash::of(b"p"),
            conclusion: "inconclusive",
            llr: None,
            verdict_line: "{}",
            evidence_lines: &[],
            observables: Some(o),
            sightings: &[],
        })
        .unwrap();
}

struct Bench {
    dir: tempfile::TempDir,
    store: SqlStore,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = SqlStore::open(&dir.path().join("s.db")).unwrap();
        Self { dir, store }
    }

    fn matcher(&self) -> (Matcher, Option<String>) {
        Matcher::open(&self.dir.path().join("index"), &self.store).unwrap()
    }
}

fn of(found: &[Match], name: &str, kind: LinkKind) -> Option<Match> {
    found.iter().find(|m| m.sha256 == Sha256Hash::of(name.as_bytes()) && m.kind == kind).cloned()
}

#[test]
fn a_mirrored_cut_is_found_in_pictures_and_sound_with_its_times() {
    let mut b = Bench::new();
    let (matcher, _) = b.matcher();
    for n in 0..20 {
        record(&mut b.store, &clip(&format!("other {n}"), n + 50, 0.0, 40, false), "o.mp4");
    }
    record(&mut b.store, &clip("source", 1, 0.0, 60, false), "source.mp4");
    let cut = clip("cut", 1, 31.0, 14, true);
    let found = matcher.matches(&cut, &b.store).unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
    let p = of(&found, "source", LinkKind::SamePictures).unwrap();
    assert_eq!((p.mirrored, p.path.as_str()), (Some(true), "source.mp4"));
    assert!((p.other_start_s.unwrap() - 31.0).abs() < 0.6 && (p.other_end_s.unwrap() - 45.0).abs() < 1.1);
    let s = of(&found, "source", LinkKind::SameAudio).unwrap();
    assert!(s.score > 0.9 && (s.other_start_s.unwrap() - 31.0).abs() < 0.3, "{s:?}");
    // From the other side: the same link.
    record(&mut b.store, &cut, "cut.mp4");
    let back = matcher.matches(&clip("source", 1, 0.0, 60, false), &b.store).unwrap();
    let q = of(&back, "cut", LinkKind::SamePictures).unwrap();
    assert_eq!(q.link(Sha256Hash::of(b"source")), p.link(cut.clip));
    assert!(p.link(cut.clip).unwrap().explain().contains("14 s of pictures, mirrored"));
}

#[test]
fn what_another_process_records_is_found_too_and_survives_a_seal() {
    let mut b = Bench::new();
    let mut other = SqlStore::open(&b.dir.path().join("s.db")).unwrap();
    let (matcher, _) = b.matcher();
    for n in 0..10 {
        record(&mut b.store, &clip(&format!("mine {n}"), n + 20, 0.0, 20, false), "m");
        record(&mut other, &clip(&format!("theirs {n}"), n + 40, 0.0, 20, false), "t");
        matcher.update(&b.store).unwrap();
        matcher.flush().unwrap();
    }
    drop(matcher);
    let (matcher, _) = b.matcher();
    for n in 0..10 {
        assert_eq!(matcher.matches(&clip("ask", n + 20, 3.0, 12, false), &b.store).unwrap().len(), 2);
        assert_eq!(matcher.matches(&clip("ask", n + 40, 3.0, 12, false), &b.store).unwrap().len(), 2);
    }
}

#[test]
fn pictures_and_sound_are_told_apart() {
    let mut b = Bench::new();
    let (matcher, _) = b.matcher();
    record(&mut b.store, &clip("source", 1, 0.0, 40, false), "s.mp4");
    let mut dubbed = clip("dubbed", 1, 0.0, 40, false);
    dubbed.sound = clip("x", 9, 0.0, 40, false).sound;
    let found = matcher.matches(&dubbed, &b.store).unwrap();
    assert!(of(&found, "source", LinkKind::SamePictures).is_some() && found.len() == 1);
    let mut replaced = clip("replaced", 8, 0.0, 40, false);
    replaced.sound = clip("x", 1, 0.0, 40, false).sound;
    let found = matcher.matches(&replaced, &b.store).unwrap();
    assert!(of(&found, "source", LinkKind::SameAudio).is_some() && found.len() == 1);
}

#[test]
fn a_start_catches_up_and_a_damaged_index_is_rebuilt_with_a_message() {
    let mut b = Bench::new();
    for n in 0..30 {
        record(&mut b.store, &clip(&format!("c{n}"), n, 0.0, 30, false), "c.mp4");
    }
    let (matcher, said) = b.matcher();
    assert_eq!(said, None);
    assert_eq!(matcher.len().0, 30 * 60);
    matcher.flush().unwrap();
    matcher.verify().unwrap();
    drop(matcher);
    record(&mut b.store, &clip("late", 99, 0.0, 30, false), "late.mp4");
    let (matcher, said) = b.matcher();
    assert_eq!((said, matcher.len().0), (None, 31 * 60));
    let ask = clip("ask", 99, 5.0, 20, false);
    assert!(of(&matcher.matches(&ask, &b.store).unwrap(), "late", LinkKind::SamePictures).is_some());
    drop(matcher);
    let pictures = b.dir.path().join("index/pictures");
    for e in std::fs::read_dir(&pictures).unwrap() {
        let path = e.unwrap().path();
        if path.extension().is_some_and(|x| x == "seg") {
            std::fs::write(&path, b"rubbish").unwrap();
        }
    }
    let (matcher, said) = b.matcher();
    assert!(said.unwrap().contains("rebuild"));
    assert!(of(&matcher.matches(&ask, &b.store).unwrap(), "late", LinkKind::SamePictures).is_some());
}

#[test]
fn a_clip_observed_again_is_found_once_and_by_what_it_is_now() {
    let mut b = Bench::new();
    let (matcher, _) = b.matcher();
    record(&mut b.store, &clip("c", 1, 0.0, 30, false), "c.mp4");
    let mut anew = clip("c", 2, 0.0, 30, false);
    anew.sound = None;
    record(&mut b.store, &anew, "c.mp4");
    assert!(matcher.matches(&clip("ask", 1, 0.0, 30, false), &b.store).unwrap().is_empty());
    assert_eq!(matcher.matches(&clip("ask", 2, 0.0, 30, false), &b.store).unwrap().len(), 1);
    assert!(matcher.matches(&anew, &b.store).unwrap().is_empty(), "not itself");
}

#[test]
fn a_generator_run_links_and_an_encoder_does_not() {
    let mut b = Bench::new();
    let (matcher, _) = b.matcher();
    let with = |name: &str, recording, kind| {
        let mut o = clip(name, recording, 0.0, 10, false);
        o.traces = vec![Trace { kind, value: "v".into() }];
        o
    };
    record(&mut b.store, &with("a", 1, TraceKind::GeneratorRun), "a");
    record(&mut b.store, &with("b", 2, TraceKind::Encoder), "b");
    let found = matcher.matches(&with("c", 3, TraceKind::GeneratorRun), &b.store).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].kind, found[0].start_s), (LinkKind::SameGeneratorRun, None));
    assert!(matcher.matches(&with("d", 4, TraceKind::Encoder), &b.store).unwrap().is_empty());
}

#[test]
fn voices_link_within_a_model_only() {
    let mut b = Bench::new();
    let (matcher, _) = b.matcher();
    let with = |name: &str, recording, vector: Vec<f32>, model: &[u8]| {
        let mut o = clip(name, recording, 0.0, 3, false);
        let model_sha256 = Sha256Hash::of(model);
        o.voices.push(VoiceEmbedding { start_us: 0, end_us: 1, vector, model_sha256 });
        o
    };
    record(&mut b.store, &with("same", 1, vec![0.9, 0.1], b"m"), "same");
    record(&mut b.store, &with("other", 2, vec![0.6, 0.8], b"m"), "other");
    record(&mut b.store, &with("foreign", 3, vec![1.0, 0.0], b"n"), "foreign");
    record(&mut b.store, &with("short", 4, vec![1.0], b"m"), "short");
    let found = matcher.matches(&with("ask", 9, vec![1.0, 0.0], b"m"), &b.store).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].path.as_str(), found[0].kind), ("same", LinkKind::SameVoice));
    assert!((found[0].score - 0.9 / 0.82f64.sqrt()).abs() < 1e-6);
}

#[test]
fn logos_link_by_their_hash() {
    let mut b = Bench::new();
    let (matcher, _) = b.matcher();
    let with = |name: &str, recording, hash: PdqHash| {
        let mut o = clip(name, recording, 0.0, 3, false);
        o.patches.push(StaticPatch { region: [0.8, 0.1, 0.1, 0.1], hash, quality: 90 });
        o
    };
    let logo = shown(77, 0.0);
    let mut worn = logo;
    worn.0[1] ^= 0b1111;
    record(&mut b.store, &with("same", 1, worn), "same");
    record(&mut b.store, &with("other", 2, shown(78, 0.0)), "other");
    let found = matcher.matches(&with("ask", 9, logo), &b.store).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].path.as_str(), found[0].kind), ("same", LinkKind::SameLogo));
    assert!((found[0].score - (1.0 - 4.0 / 62.0)).abs() < 1e-9);
}
