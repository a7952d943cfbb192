//! Records made by hand: what each report is tested on.

#![allow(dead_code, unreachable_pub)] // each test file uses its own part

use seamline_core::code;
use seamline_core::*;

/// A small PNG in place of a face.
pub const FACE: &str = "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAAAAAA6mKC9AAAAOElEQVR42mOwQQMMOAROgACSwIkTcBEGJD5YhAGZDxJhAPPlTsAIqACSEvIEMGzBdAemSzH9ggQADeSBOcYcePAAAAAASUVORK5CYII=";
/// A small PNG in place of a spectrogram.
pub const SOUND: &str = "iVBORw0KGgoAAAANSUhEUgAAAEAAAAAQCAAAAACDjCb1AAAA/0lEQVR42mNgoBSwcrFxsXGz83DwcPByksFh4BbhEeUV45cQkBSUEiKDwyAgJ6QgoiSmIqEmpSFDBodBTENCW1pXzkDBSNlUlQwOg4yRvKmSpaqNhr2Okz4ZHAZFG1UHTRddD0MfkwALMjgM6m7a3gb+JiGWEbaxTmRwGHQCDMPMo20SHFPdsrzJ4DAYRVsk2KU553gW+VeEksFhsEi1y3Yp8q4IrI9ojSODw2Cb71LmXRvUEtWdOCmDDA6Dc6VXY1BH1ISkGZkLCsngMHg0B/ZETkmak7W0aG01GRwGv97waQnzM1cUbaze1UIGhyFkeuzC9NWFW6r2tZzoI4MDAABMGnj7gfr9AAAAAElFTkSuQmCC";

pub fn llr(value: f64, half: f64) -> LlrInterval {
    LlrInterval::symmetric(Llr::new(value).unwrap(), half).unwrap()
}

pub fn span(from: i64, to: i64) -> Span {
    Span::new(MediaTime::from_millis(from), MediaTime::from_millis(to))
}

fn scored(raw: f64, llr: Option<LlrInterval>, spoof_at: Option<f64>) -> Outcome {
    let semantics = ScoreSemantics { orientation: Orientation::HigherIsSpoof, unit: ScoreUnit::Logit };
    Outcome::Scored {
        score: Score::new(raw, semantics).unwrap(),
        llr,
        supports_spoof_at: spoof_at.map(|v| Llr::new(v).unwrap()),
        supports_bonafide_at: None,
    }
}

pub fn evidence(
    who: &'static str,
    aspect: Aspect,
    subject: Subject,
    rollup: bool,
    outcome: Outcome,
) -> Evidence {
    let model = matches!(outcome, Outcome::Scored { .. } | Outcome::Abstained(_));
    Evidence {
        detector: DetectorId::builtin(who),
        version: "0.1.0".into(),
        model_sha256: model.then(|| Sha256Hash::of(who.as_bytes())),
        aspect,
        families: match (aspect, model) {
            (Aspect::Voice, true) => vec![AttackFamily::TTS, AttackFamily::VC, AttackFamily::Vocoder],
            (Aspect::Face, true) => vec![AttackFamily::FS, AttackFamily::LS],
            _ => Vec::new(),
        },
        subject,
        rollup,
        outcome,
        quality: Quality::default(),
    }
}

pub fn finding(code: FindingCode, subject: Subject, detail: &[(&str, &str)]) -> Evidence {
    let aspect = if code.name.starts_with("container") { Aspect::Integrity } else { Aspect::Provenance };
    let detail = detail.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    evidence("provenance", aspect, subject, true, Outcome::Finding { code, detail })
}

pub fn abstained(who: &'static str, aspect: Aspect, reason: AbstainReason, detail: &str) -> Evidence {
    let outcome = Outcome::Abstained(Abstain { reason, detail: detail.into() });
    evidence(who, aspect, Subject::Clip, true, outcome)
}

pub fn silent(aspect: Aspect) -> AspectVerdict {
    AspectVerdict {
        aspect,
        conclusion: Conclusion::NotAssessable,
        llr: None,
        score: None,
        families: Vec::new(),
        reasons: Vec::new(),
        carried_by: Vec::new(),
        against: Vec::new(),
    }
}

fn aspects(given: Vec<AspectVerdict>) -> Vec<AspectVerdict> {
    Aspect::ALL
        .iter()
        .map(|&a| given.iter().find(|g| g.aspect == a).cloned().unwrap_or_else(|| silent(a)))
        .collect()
}

fn stream(index: u32, kind: StreamKind, codec: &str, judged: bool) -> StreamInfo {
    let video = kind == StreamKind::Video;
    let audio = kind == StreamKind::Audio;
    StreamInfo {
        index: StreamIndex(index),
        kind,
        codec: codec.into(),
        judged,
        width: video.then_some(1_280),
        height: video.then_some(720),
        rotation_degrees: video.then_some(0),
        sample_rate_hz: audio.then_some(44_100),
        channels: audio.then_some(2),
        duration: (video || audio).then(|| MediaTime::from_millis(31_480)),
        bit_rate: video.then_some(1_250_000),
    }
}

fn track(n: u32, s: Span, side: f32) -> Subject {
    Subject::Track {
        track: TrackId(n),
        span: s,
        face: PixelBox { x: 402.0, y: 118.0, w: side * 0.8, h: side },
    }
}

/// A video whose voice supports spoof; one face judged, one too small.
pub fn spoof_voice() -> ClipRecord {
    let clip = Sha256Hash::of(b"spoof voice");
    let audio = StreamIndex(1);
    let mut all = Vec::new();
    for (i, (from, to, raw)) in
        [(800, 7_200, 1.9), (8_000, 15_100, 3.1), (16_300, 17_700, 0.4), (19_000, 30_900, 3.6)]
            .iter()
            .enumerate()
    {
        let subject = Subject::Segment { stream: audio, span: span(*from, *to) };
        let mut e = evidence("voice-whisper", Aspect::Voice, subject, false, scored(*raw, None, Some(2.2)));
        e.quality.samples = Some(i as u32 + 1);
        all.push(e);
    }
    let mut rollup = evidence(
        "voice-whisper",
        Aspect::Voice,
        Subject::Stream { stream: audio, span: None },
        true,
        scored(2.71, Some(llr(3.2, 1.1)), Some(2.2)),
    );
    rollup.quality = Quality {
        samples: Some(10),
        speech_secs: Some(26.8),
        bandwidth_hz: Some(7_150.0),
        snr_db: Some(34.0),
        clipped: Some(0.0004),
        ..Quality::default()
    };
    all.push(rollup);
    let mut face = evidence(
        "face-swap",
        Aspect::Face,
        track(1, span(0, 14_960), 212.0),
        false,
        scored(-0.4, Some(llr(-0.9, 1.6)), Some(3.0)),
    );
    face.quality = Quality {
        face_px: Some(212.0),
        sharpness: Some(88.0),
        yaw: Some(-0.12),
        samples: Some(30),
        ..Quality::default()
    };
    all.push(face);
    let mut small = evidence(
        "face-swap",
        Aspect::Face,
        track(2, span(15_000, 31_400), 41.0),
        false,
        Outcome::Abstained(Abstain {
            reason: AbstainReason::FaceTooSmall,
            detail: "face 2 is 41 px, needs 64".into(),
        }),
    );
    small.quality = Quality { face_px: Some(41.0), sharpness: Some(14.0), ..Quality::default() };
    all.push(small);
    all.push(evidence(
        "face-swap",
        Aspect::Face,
        Subject::Clip,
        true,
        scored(-0.4, Some(llr(-0.9, 1.6)), Some(3.0)),
    ));
    all.push(finding(code::CONTAINER_ENCODER, Subject::Clip, &[("encoder", "Lavf60.16.100")]));
    let reason = "voice-whisper: LLR +3.20 [+2.10, +4.30] for stream 1 (raw score 2.710)";
    let voice = AspectVerdict {
        conclusion: Conclusion::SupportsSpoof(Support::Moderate),
        llr: Some(llr(3.2, 1.1)),
        score: Some(2.71),
        families: vec![AttackFamily::TTS, AttackFamily::VC, AttackFamily::Vocoder],
        reasons: vec![reason.into()],
        carried_by: vec![4],
        ..silent(Aspect::Voice)
    };
    let face = AspectVerdict {
        conclusion: Conclusion::Inconclusive,
        llr: Some(llr(-0.9, 1.6)),
        score: Some(-0.4),
        reasons: vec![
            "no support for manipulation found at the operating point; that is not proof of a genuine clip"
                .into(),
            "face-swap: LLR -0.90 [-2.50, +0.70] for the clip (raw score -0.400)".into(),
        ],
        against: vec![7],
        ..silent(Aspect::Face)
    };
    let integrity = AspectVerdict {
        reasons: vec![
            "The container or its metadata names the software that wrote it. (encoder: Lavf60.16.100)".into(),
        ],
        ..silent(Aspect::Integrity)
    };
    let exhibit = |kind: &str, subject, caption: &str, base64: &str| Exhibit {
        kind: kind.into(),
        subject,
        caption: caption.into(),
        media_type: "image/png".into(),
        base64: base64.into(),
        heat: None,
        path: None,
    };
    // Mouth and chin weigh, the rest hardly.
    let falls: Vec<f64> = (0..14 * 14)
        .map(|i| (f64::from(i % 14) - 6.5, f64::from(i / 14) - 9.0))
        .map(|(x, y)| 1.83 * (-(x * x / 9.0 + y * y / 4.0)).exp())
        .collect();
    let heated = Exhibit {
        heat: HeatMap::from_falls(14, 14, &falls),
        ..exhibit("crop", track(1, span(0, 14_960), 212.0), "face-swap at 00:04.000: 0.71", FACE)
    };
    ClipRecord {
        path: "telegram/2026-11/professor_statement_subtitled.mp4".into(),
        clip: Some(clip),
        size: 5_242_881,
        streams: vec![
            stream(0, StreamKind::Video, "h264", true),
            stream(1, StreamKind::Audio, "aac", true),
            stream(2, StreamKind::Other, "mov_text", false),
        ],
        policy: "libavcodec, reference frames only; 32 frames spread over the clip".into(),
        gaps: Vec::new(),
        evidence: all,
        exhibits: vec![
            Exhibit {
                path: Some(FacePath {
                    width: 1280,
                    height: 720,
                    seen: vec![FaceAt {
                        at_us: MediaTime::from_millis(3_200),
                        face: PixelBox { x: 402.0, y: 118.0, w: 170.0, h: 212.0 },
                    }],
                }),
                ..exhibit("face", track(1, span(0, 14_960), 212.0), "face 1 at 00:03.200", FACE)
            },
            exhibit("face", track(2, span(15_000, 31_400), 41.0), "face 2 at 00:15.400", FACE),
            exhibit(
                "spectrogram",
                Subject::Stream { stream: audio, span: Some(span(0, 31_480)) },
                "sound, 0 to 8 kHz, 70 dB",
                SOUND,
            ),
            heated,
            exhibit("crop", track(1, span(0, 14_960), 212.0), "face-swap at 00:06.500: 0.40", FACE),
        ],
        verdict: Verdict {
            clip: Some(clip),
            fusion: "max-aspect/1".into(),
            conclusion: Conclusion::SupportsSpoof(Support::Moderate),
            llr: Some(llr(3.2, 1.1)),
            aspects: aspects(vec![voice, face, integrity]),
            reasons: vec![format!("voice: {reason}")],
        },
    }
}

/// Judged, nothing found.
pub fn inconclusive() -> ClipRecord {
    let clip = Sha256Hash::of(b"inconclusive");
    let nothing =
        "no support for manipulation found at the operating point; that is not proof of a genuine clip";
    let rollup = evidence(
        "voice-whisper",
        Aspect::Voice,
        Subject::Stream { stream: StreamIndex(0), span: None },
        true,
        scored(-1.2, Some(llr(-1.4, 2.2)), Some(2.2)),
    );
    let voice = AspectVerdict {
        conclusion: Conclusion::Inconclusive,
        llr: Some(llr(-1.4, 2.2)),
        score: Some(-1.2),
        reasons: vec![nothing.into()],
        against: vec![0],
        ..silent(Aspect::Voice)
    };
    ClipRecord {
        path: "interview.wav".into(),
        clip: Some(clip),
        size: 962_044,
        streams: vec![stream(0, StreamKind::Audio, "pcm_s16le", true)],
        policy: "libavcodec, all sound".into(),
        gaps: Vec::new(),
        evidence: vec![rollup, abstained("face-swap", Aspect::Face, AbstainReason::NoPicture, "")],
        exhibits: Vec::new(),
        verdict: Verdict {
            clip: Some(clip),
            fusion: "max-aspect/1".into(),
            conclusion: Conclusion::Inconclusive,
            llr: Some(llr(-1.4, 2.2)),
            aspects: aspects(vec![voice]),
            reasons: vec![
                format!("voice: {nothing}"),
                "face: face-swap: not judged, no picture in the clip".into(),
            ],
        },
    }
}

/// The file could not be read.
pub fn unreadable() -> ClipRecord {
    let outcome = Outcome::Failed { stage: Stage::Open, message: "Permission denied (os error 13)".into() };
    ClipRecord {
        path: "locked/clip.mov".into(),
        clip: None,
        size: 0,
        streams: Vec::new(),
        policy: String::new(),
        gaps: Vec::new(),
        evidence: vec![evidence("seamline", Aspect::Integrity, Subject::Clip, true, outcome)],
        exhibits: Vec::new(),
        verdict: Verdict {
            clip: None,
            fusion: "max-aspect/1".into(),
            conclusion: Conclusion::NotAssessable,
            llr: None,
            aspects: aspects(Vec::new()),
            reasons: vec!["integrity: seamline: failed at open: Permission denied (os error 13)".into()],
        },
    }
}

/// The file ends early; a score without an LLR.
pub fn truncated() -> ClipRecord {
    let mut record = inconclusive();
    record.path = "upload.part.mp4".into();
    record.clip = Some(Sha256Hash::of(b"truncated"));
    record.verdict.clip = record.clip;
    let audio = StreamIndex(0);
    record.gaps = vec![
        Gap { stream: Some(audio), span: span(4_000, 4_620), cause: "decoder: invalid data found".into() },
        Gap {
            stream: None,
            span: span(12_345, 31_480),
            cause: "file ends before its declared length".into(),
        },
    ];
    record.evidence = vec![
        evidence(
            "voice-whisper",
            Aspect::Voice,
            Subject::Stream { stream: audio, span: None },
            true,
            scored(6.5, None, Some(2.2)),
        ),
        abstained("voice-whisper", Aspect::Voice, AbstainReason::OutsideCalibratedRange, ""),
        finding(
            code::CONTAINER_DAMAGED,
            Subject::Stream { stream: audio, span: Some(span(4_000, 4_620)) },
            &[("cause", "decoder: invalid data found")],
        ),
        finding(
            code::CONTAINER_TRUNCATED,
            Subject::Clip,
            &[("cause", "file ends before its declared length")],
        ),
        evidence(
            "voice-whisper",
            Aspect::Voice,
            Subject::Segment { stream: audio, span: span(500, 3_900) },
            false,
            scored(6.5, None, Some(2.2)),
        ),
    ];
    record.verdict.llr = None;
    if let Some(voice) = record.verdict.aspects.iter_mut().find(|a| a.aspect == Aspect::Voice) {
        voice.llr = None;
        voice.score = Some(6.5);
        voice.against.clear();
    }
    record
}

/// A generated still: findings of every strength, no detector.
pub fn findings() -> ClipRecord {
    let clip = Sha256Hash::of(b"findings");
    let picture = Subject::Frame { stream: StreamIndex(0), span: span(0, 0) };
    let xmp = "The IPTC DigitalSourceType says that the content was made or composed with generative AI.";
    let provenance = AspectVerdict {
        conclusion: Conclusion::SupportsSpoof(Support::Moderate),
        reasons: vec![format!("{xmp} (DigitalSourceType: trainedAlgorithmicMedia)")],
        carried_by: vec![1, 2],
        ..silent(Aspect::Provenance)
    };
    ClipRecord {
        path: "eiffel tower on fire (1).png".into(),
        clip: Some(clip),
        size: 1_804_113,
        streams: vec![StreamInfo {
            width: Some(1_024),
            height: Some(1_024),
            ..stream(0, StreamKind::Still, "png", true)
        }],
        policy: "still picture".into(),
        gaps: Vec::new(),
        evidence: vec![
            finding(
                code::C2PA_PRESENT,
                Subject::Clip,
                &[("issuer", "Example Signer"), ("claim_generator", "example/1.0")],
            ),
            finding(code::XMP_DST_AI, Subject::Clip, &[("DigitalSourceType", "trainedAlgorithmicMedia")]),
            finding(
                code::GEN_A1111,
                Subject::Clip,
                &[(
                    "parameters",
                    "the eiffel tower on fire, photograph\nNegative prompt: cartoon\nSteps: 28, Sampler: Euler a, CFG scale: 7",
                )],
            ),
            finding(code::C2PA_INTEGRITY_FAILED, Subject::Clip, &[]),
            evidence(
                "sampler",
                Aspect::Face,
                picture,
                true,
                Outcome::Abstained(Abstain { reason: AbstainReason::NoFace, detail: String::new() }),
            ),
        ],
        exhibits: Vec::new(),
        verdict: Verdict {
            clip: Some(clip),
            fusion: "max-aspect/1".into(),
            conclusion: Conclusion::SupportsSpoof(Support::Moderate),
            llr: None,
            aspects: aspects(vec![provenance]),
            reasons: vec![format!("provenance: {xmp} (DigitalSourceType: trainedAlgorithmicMedia)")],
        },
    }
}

/// Signed as captured, over a weak suspicion.
pub fn bona_fide() -> ClipRecord {
    let mut record = inconclusive();
    record.path = "camera/IMG_2041.mov".into();
    record.clip = Some(Sha256Hash::of(b"bona fide"));
    record.verdict.clip = record.clip;
    record.evidence.push(finding(
        code::C2PA_CAPTURE_TRUSTED,
        Subject::Clip,
        &[("issuer", "Example Camera CA")],
    ));
    let conclusion = Conclusion::SupportsBonaFide(Support::Strong);
    for a in record.verdict.aspects.iter_mut().filter(|a| a.aspect == Aspect::Provenance) {
        a.conclusion = conclusion;
        a.carried_by = vec![2];
        a.reasons = vec![code::C2PA_CAPTURE_TRUSTED.summary.into()];
    }
    record.verdict.conclusion = conclusion;
    record.verdict.reasons = vec![format!("provenance: {}", code::C2PA_CAPTURE_TRUSTED.summary)];
    record
}

/// Markup and terminal escapes wherever a clip can put text.
pub fn hostile() -> ClipRecord {
    let bad = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&lt;\u{1b}]0;owned\u{7}\u{202e}4pm";
    let mut record = spoof_voice();
    record.path = format!("clips/{bad}.mp4");
    record.policy = bad.into();
    record.gaps = vec![Gap { stream: None, span: span(100, 900), cause: bad.into() }];
    record.streams[2].codec = bad.into();
    record.evidence.push(finding(code::GEN_OTHER, Subject::Clip, &[(bad, bad)]));
    record.evidence.push(abstained("face-swap", Aspect::Face, AbstainReason::FaceTooSmall, bad));
    let broken = Outcome::Failed { stage: Stage::Decode, message: bad.into() };
    record.evidence.push(evidence("media", Aspect::Integrity, Subject::Clip, true, broken));
    record.evidence[0].version = bad.into();
    for x in &mut record.exhibits {
        x.caption = bad.into();
    }
    record.exhibits[0].media_type = "image/svg+xml".into();
    record.exhibits[1].base64 = format!("{FACE}\" onerror=\"alert(3)");
    record.verdict.reasons = vec![bad.into()];
    record.verdict.fusion = bad.into();
    record.verdict.aspects[0].reasons.push(bad.into());
    record
}

/// Two hours, 30 faces, 400 runs of speech, findings on the timeline.
pub fn crowded() -> ClipRecord {
    let mut record = spoof_voice();
    record.path = "parliament, whole session.mkv".into();
    record.streams.iter_mut().for_each(|s| s.duration = Some(MediaTime::from_millis(7_200_000)));
    record.evidence.retain(|e| e.rollup);
    record.exhibits.retain(|x| x.kind != "face");
    for i in 0..400_i64 {
        let subject =
            Subject::Segment { stream: StreamIndex(1), span: span(i * 18_000, i * 18_000 + 9_000 + i * 10) };
        let raw = (i as f64 * 0.7).sin() * 3.0;
        record.evidence.push(evidence(
            "voice-whisper",
            Aspect::Voice,
            subject,
            false,
            scored(raw, None, Some(2.2)),
        ));
    }
    for i in 0..30_i64 {
        let subject = track(u32::try_from(i).unwrap() + 1, span(i * 240_000, i * 240_000 + 200_000), 90.0);
        let value = (i - 15) as f64 * 0.3;
        let outcome = scored(value, Some(llr(value, 0.8)), Some(2.2));
        record.evidence.push(evidence("face-swap", Aspect::Face, subject, false, outcome));
    }
    let cut = Subject::Stream { stream: StreamIndex(0), span: Some(span(3_000_000, 3_400_000)) };
    record.evidence.push(finding(code::CONTAINER_DAMAGED, cut, &[]));
    record
}

pub fn all() -> Vec<ClipRecord> {
    vec![spoof_voice(), inconclusive(), unreadable(), truncated(), findings(), bona_fide(), hostile()]
}

pub fn info() -> RunInfo {
    let model = |id: &str, role: &str, title: &str, calibrated, rate| ModelInfo {
        id: id.into(),
        version: "0.1.0".into(),
        title: title.into(),
        role: role.into(),
        sha256: Sha256Hash::of(id.as_bytes()),
        licence: "Apache-2.0 AND MIT".into(),
        calibrated,
        false_alarm_rate: rate,
    };
    RunInfo {
        version: "0.1.0".into(),
        pipeline_digest: Sha256Hash::of(b"pipeline"),
        profile: "fast".into(),
        fusion: "max-aspect/1".into(),
        trust_list: Some(seamline_core::TrustListInfo {
            sha256: seamline_core::Sha256Hash::of(b"list"),
            certificates: 3,
            products: 0,
            issued: Some("2026-08-05T00:11:39Z".into()),
        }),
        models: vec![
            model(
                "voice-whisper",
                "detector",
                "Voice clone detector on shallow Whisper layers",
                true,
                Some([0.017, 0.006, 0.036]),
            ),
            model("face-swap", "detector", "Face manipulation detector", true, None),
            model("face-blazeface", "face-detector", "Short-range face detector", false, None),
        ],
        onnxruntime: "1.28.0".into(),
        libavcodec: "61.19.101".into(),
        jail: JailStatus { seccomp: true, landlock: "full".into() },
    }
}

pub fn totals(records: &[ClipRecord]) -> RunTotals {
    let mut totals = RunTotals::default();
    records.iter().for_each(|r| totals.count(r));
    totals
}

/// A confirmed campaign of three clips whose every string is hostile; one has a thumbnail, one something else.
pub fn dossier() -> seamline_campaign::export::Dossier {
    use seamline_campaign::align::Alignment;
    use seamline_campaign::cluster::{Decision, Link, LinkKind, Ruling};
    use seamline_campaign::export::{Dossier, Judged};
    use seamline_campaign::moment::Moment;
    use seamline_campaign::store::{Appearance, ClusterDetail, ClusterSummary, Sighting, StoredClip};
    let bad = "\"><script>alert(1)</script>\u{1b}[31m\u{202e}";
    let at = |day: i64| Moment::from_millis(1_790_000_000_000 + day * 86_400_000).unwrap();
    let id = |n: u8| Sha256Hash::of(&[n]);
    let clips: Vec<StoredClip> = (0..3)
        .map(|n| StoredClip {
            sha256: id(n),
            path: format!("{bad}{n}.mp4"),
            size: 9,
            recorded_at: at(0),
            conclusion: if n == 0 { "supports_spoof".into() } else { bad.into() },
            llr: (n == 0).then_some(3.2),
            cluster: 7,
        })
        .collect();
    let seen = |day, channel: &str| Sighting { url: bad.into(), channel: channel.into(), seen_at: at(day) };
    let stretch = Alignment {
        here: span(3_000, 17_000),
        there: span(41_000, 55_000),
        speed: 1.0,
        mirrored: true,
        score: 0.9,
        matched: 28,
        held: false,
    };
    let links = [(0, 1, LinkKind::SamePictures, vec![stretch]), (1, 2, LinkKind::SameVoice, vec![])];
    let decide = |ruling| Decision { author: bad.into(), at: at(9), ruling };
    let judged =
        |day, conclusion: &str| Judged { at: at(day), conclusion: conclusion.into(), llr: Some(0.1) };
    Dossier {
        detail: ClusterDetail {
            summary: ClusterSummary {
                id: 7,
                founder: id(0),
                name: Some(bad.into()),
                confirmed: true,
                members: 3,
                sightings: 3,
                first_seen: Some(at(1)),
                last_seen: Some(at(5)),
            },
            clips,
            links: links.into_iter().filter_map(|(a, b, k, s)| Link::new(id(a), id(b), k, 0.9, s)).collect(),
            sightings: vec![(id(0), seen(1, bad)), (id(1), seen(2, "")), (id(0), seen(5, "@second"))],
            decisions: vec![
                decide(Ruling::Confirm { clips: (0..3).map(id).collect() }),
                decide(Ruling::Name { clip: id(0), name: bad.into() }),
            ],
        },
        verdicts: Default::default(),
        history: [(id(0), vec![judged(0, "inconclusive"), judged(4, "supports_spoof")])].into(),
        appearances: [
            (
                id(0),
                Appearance {
                    duration: MediaTime::from_millis(20_000),
                    thumbnail: b"\xff\xd8\xff\xe0 picture".to_vec(),
                },
            ),
            (id(1), Appearance { duration: MediaTime::from_millis(60_000), thumbnail: b"<script>".to_vec() }),
        ]
        .into(),
    }
}
