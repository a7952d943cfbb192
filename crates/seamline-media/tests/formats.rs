//! Every container and codec that a newsroom meets, made by ffmpeg and decoded here: how many pictures, how
//! much sound, of what size, with what gaps.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers outside of #[test] functions

use seamline_core::{Gap, Limits, MediaTime, MediaUnit, StreamInfo, StreamKind};
use seamline_media::{DecodeOptions, open};
use seamline_testkit::clips::{generated, transcoded};
use std::path::Path;

const HALF_A_SECOND: Option<MediaTime> = Some(MediaTime::from_millis(500));

struct Decoded {
    streams: Vec<StreamInfo>,
    frames: Vec<MediaTime>,
    size: Option<(u32, u32)>,
    sound: f64,
    sound_start: Option<MediaTime>,
    gaps: Vec<Gap>,
}

fn decode(path: &Path) -> Decoded {
    decode_with(path, None)
}

fn decode_with(path: &Path, longest_gap: Option<MediaTime>) -> Decoded {
    let file = std::fs::File::open(path).unwrap();
    let mut reader = open(file, &Limits::default(), DecodeOptions { longest_gap })
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut d = Decoded {
        streams: reader.streams().to_vec(),
        frames: Vec::new(),
        size: None,
        sound: 0.0,
        sound_start: None,
        gaps: Vec::new(),
    };
    while let Some(unit) = reader.next_unit().unwrap() {
        match unit {
            MediaUnit::Frame(f) => {
                // Every picture must convert, upright, at its own size.
                if d.frames.is_empty() {
                    let rgb = f.pixels.rgb(f.width, f.height).unwrap();
                    assert_eq!((rgb.width(), rgb.height()), (f.width, f.height));
                }
                d.size = Some((f.width, f.height));
                d.frames.push(f.time);
            }
            MediaUnit::Audio(b) => {
                assert!(b.samples.iter().all(|s| s.is_finite()));
                d.sound_start.get_or_insert(b.time);
                d.sound += b.samples.len() as f64 / 16_000.0;
            }
            MediaUnit::Gap(g) => d.gaps.push(g),
        }
    }
    assert!(reader.next_unit().unwrap().is_none(), "the end stays the end");
    assert!(d.frames.is_sorted(), "{}: pictures out of order", path.display());
    d
}

/// Name, encoder arguments, pictures (0 = none wanted), whether sound is wanted.
const CONTAINERS: &[(&str, &[&str], usize, bool)] = &[
    ("h264-aac.mp4", &["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"], 100, true),
    (
        "faststart.mp4",
        &["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-movflags", "+faststart"],
        100,
        true,
    ),
    (
        "fragmented.mp4",
        &["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"],
        100,
        true,
    ),
    ("mjpeg-pcm.mov", &["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-c:a", "pcm_s16le"], 100, true),
    (
        "hevc-opus.mkv",
        &["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-c:a", "libopus"],
        100,
        true,
    ),
    (
        "vp9-opus.webm",
        &["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"],
        100,
        true,
    ),
    ("vp8-vorbis.webm", &["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libvorbis"], 100, true),
    ("av1-opus.mkv", &["-t", "1", "-c:v", "libsvtav1", "-preset", "12", "-c:a", "libopus"], 25, true),
    ("mpeg4-mp3.avi", &["-c:v", "mpeg4", "-q:v", "5", "-c:a", "libmp3lame"], 100, true),
    ("h264-aac.flv", &["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-ar", "44100"], 100, true),
    ("h264-aac.ts", &["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"], 100, true),
    ("mpeg2-mp2.mpg", &["-c:v", "mpeg2video", "-q:v", "5", "-c:a", "mp2"], 100, true),
    (
        "ten-bit.mkv",
        &[
            "-c:v",
            "libx265",
            "-pix_fmt",
            "yuv420p10le",
            "-preset",
            "ultrafast",
            "-x265-params",
            "log-level=none",
            "-an",
        ],
        100,
        false,
    ),
    ("small.gif", &["-t", "2", "-r", "10", "-an"], 20, false),
    ("small.apng", &["-t", "1", "-r", "10", "-f", "apng", "-an"], 10, false),
    ("animated.webp", &["-t", "2", "-r", "10", "-c:v", "libwebp_anim", "-an"], 20, false),
    ("speech.opus", &["-vn", "-c:a", "libopus"], 0, true),
    ("speech.ogg", &["-vn", "-c:a", "libvorbis"], 0, true),
    ("speech.flac", &["-vn", "-c:a", "flac"], 0, true),
    ("speech.mp3", &["-vn", "-c:a", "libmp3lame"], 0, true),
    ("speech.m4a", &["-vn", "-c:a", "aac"], 0, true),
    ("speech.wav", &["-vn", "-c:a", "pcm_s24le", "-ar", "48000", "-ac", "2"], 0, true),
    ("speech.w64", &["-vn", "-c:a", "pcm_f32le"], 0, true),
    ("speech.aiff", &["-vn", "-c:a", "pcm_s16be"], 0, true),
    ("speech.aac", &["-vn", "-c:a", "aac", "-f", "adts"], 0, true),
];

#[test]
fn every_container_gives_its_pictures_and_its_sound() {
    for &(name, args, pictures, sound) in CONTAINERS {
        let d = decode(&transcoded(name, args).unwrap());
        let n = d.frames.len();
        assert!(n.abs_diff(pictures) <= 1, "{name}: {n} pictures, expected {pictures}");
        let secs = if args.contains(&"1") && args.contains(&"-t") { 1.0 } else { 4.0 };
        if sound {
            assert!((d.sound - secs).abs() < 0.2, "{name}: {} s of sound", d.sound);
        } else {
            assert_eq!(d.sound, 0.0, "{name}");
        }
        assert!(d.gaps.is_empty(), "{name}: {:?}", d.gaps);
        if pictures > 0 {
            assert_eq!(d.size, Some((320, 240)), "{name}");
            let first = d.frames[0].as_micros();
            assert!(first.abs() < 150_000, "{name}: first picture at {first} us");
        }
        if let Some(start) = d.sound_start {
            assert!(start.as_micros().abs() < 150_000, "{name}: sound starts at {start}");
        }
    }
}

#[test]
fn non_reference_pictures_are_skipped_only_on_request_and_times_stay_true() {
    let path = transcoded("bframes.mp4", &["-c:v", "libx264", "-bf", "3", "-b_strategy", "0", "-c:a", "aac"])
        .unwrap();
    let (all, some) = (decode(&path), decode_with(&path, HALF_A_SECOND));
    assert_eq!(all.frames.len(), 100);
    assert!(some.frames.len() < 75, "{}", some.frames.len());
    assert!(some.frames.iter().all(|t| all.frames.contains(t)));
}

#[test]
fn of_pictures_that_all_stand_alone_only_those_that_a_sampler_wants_are_decoded() {
    let path = transcoded("motion.avi", &["-c:v", "mjpeg", "-c:a", "mp3"]).unwrap();
    let (all, some) = (decode(&path), decode_with(&path, HALF_A_SECOND));
    assert_eq!(all.frames.len(), 100);
    assert!(some.frames.len() <= 100 / 6 + 1, "{}", some.frames.len());
    assert!(some.frames.iter().all(|t| all.frames.contains(t)));
    let widest = some.frames.windows(2).map(|w| w[1].minus(w[0])).max();
    assert!(widest <= HALF_A_SECOND, "{widest:?}");
    assert!(some.gaps.is_empty(), "what was not wanted is no gap: {:?}", some.gaps);
}

#[test]
fn rotation_and_sample_aspect_ratio_give_the_picture_as_shown() {
    let base = transcoded("plain.mp4", &["-c:v", "libx264", "-preset", "ultrafast", "-an"]).unwrap();
    let input = base.to_string_lossy().into_owned();
    let turned =
        generated("turned.mp4", &["-i", &input, "-c", "copy", "-metadata:s:v:0", "rotate=90"]).unwrap();
    let d = decode(&turned);
    assert_eq!(d.size, Some((240, 320)));
    assert!(matches!(d.streams[0].rotation_degrees, Some(90 | 270)));
    let wide =
        transcoded("wide.mp4", &["-c:v", "libx264", "-preset", "ultrafast", "-vf", "setsar=2/1", "-an"])
            .unwrap();
    assert_eq!(decode(&wide).size, Some((640, 240)));
}

#[test]
fn a_turned_picture_is_upright() {
    // The top half is white: after a quarter turn either the left or the right half is.
    let base = generated(
        "halves.mp4",
        &[
            "-f",
            "lavfi",
            "-i",
            "color=white:s=64x32:d=0.4,pad=64:64:0:0:black",
            "-c:v",
            "libx264",
            "-pix_fmt",
            "yuv420p",
        ],
    )
    .unwrap();
    let input = base.to_string_lossy().into_owned();
    let turned =
        generated("halves-turned.mp4", &["-i", &input, "-c", "copy", "-metadata:s:v:0", "rotate=90"])
            .unwrap();
    // What ffmpeg itself shows for it.
    let shown = generated("halves-shown.png", &["-i", &turned.to_string_lossy(), "-frames:v", "1"]).unwrap();
    let first = |path: &Path| {
        let mut reader =
            open(std::fs::File::open(path).unwrap(), &Limits::default(), DecodeOptions { longest_gap: None })
                .unwrap();
        loop {
            if let Some(MediaUnit::Frame(f)) = reader.next_unit().unwrap() {
                return f.pixels.rgb(f.width, f.height).unwrap();
            }
        }
    };
    let (ours, theirs) = (first(&turned), first(&shown));
    for (x, y) in [(5, 32), (58, 32)] {
        let (a, b) = (ours.pixel(x, y)[0], theirs.pixel(x, y)[0]);
        assert!(a.abs_diff(b) < 20, "at {x},{y}: {a}, ffmpeg shows {b}");
    }
}

#[test]
fn several_audio_streams_are_each_decoded_and_cover_art_is_not_video() {
    let two =
        transcoded("two.mkv", &["-map", "0:v", "-map", "0:a", "-map", "0:a", "-c:v", "copy", "-c:a", "flac"])
            .unwrap();
    let d = decode(&two);
    assert_eq!(d.streams.iter().filter(|s| s.kind == StreamKind::Audio && s.judged).count(), 2);
    assert!((d.sound - 8.0).abs() < 0.2, "{}", d.sound);
    let art = transcoded(
        "art.m4a",
        &[
            "-map",
            "0:a",
            "-map",
            "0:v",
            "-c:a",
            "aac",
            "-c:v",
            "mjpeg",
            "-pix_fmt",
            "yuvj420p",
            "-frames:v",
            "1",
            "-disposition:v",
            "attached_pic",
        ],
    )
    .unwrap();
    let d = decode(&art);
    assert!(d.frames.is_empty());
    assert!(d.streams.iter().any(|s| s.kind == StreamKind::CoverArt && !s.judged));
}

#[test]
fn edit_lists_variable_rates_and_late_starts_keep_presentation_time() {
    let base =
        transcoded("plain-av.mp4", &["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-c:a", "aac"])
            .unwrap();
    let input = base.to_string_lossy().into_owned();
    // Cutting without re-encoding from between keyframes writes an edit list.
    let cut = generated("edited.mp4", &["-ss", "1.5", "-i", &input, "-c", "copy"]).unwrap();
    let d = decode(&cut);
    assert!(d.frames.len() <= 76 && d.frames.len() >= 60, "{}", d.frames.len());
    let last = d.frames.last().unwrap().as_secs_f64();
    assert!((last - 2.46).abs() < 0.3, "last picture at {last}");
    let vfr = transcoded(
        "vfr.mkv",
        &["-vf", "select='not(mod(n,7))+lt(n,20)'", "-vsync", "vfr", "-c:v", "libx264", "-an"],
    )
    .unwrap();
    let d = decode(&vfr);
    let gaps: Vec<i64> = d.frames.windows(2).map(|w| w[1].minus(w[0]).as_micros()).collect();
    assert!(gaps.iter().any(|&g| g < 45_000) && gaps.iter().any(|&g| g > 250_000), "{gaps:?}");
    let late = transcoded(
        "late.ts",
        &["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-output_ts_offset", "100"],
    )
    .unwrap();
    assert!(decode(&late).frames[0].as_micros().abs() < 150_000);
}

#[test]
fn amr_decodes() {
    // Debian's ffmpeg has no AMR encoder: 100 frames of mode 7 (12.2 kbit/s, RFC 4867 section 5.3) with bits that
    // are as good as any.
    let frame: Vec<u8> = std::iter::once(0x3c).chain((0..31u8).map(|i| i.wrapping_mul(37))).collect();
    let data: Vec<u8> = b"#!AMR\n".iter().copied().chain(frame.iter().copied().cycle().take(3200)).collect();
    let d = decode(&seamline_testkit::clips::bytes("speech.amr", &data).unwrap());
    assert!((d.sound - 2.0).abs() < 0.1, "{} s", d.sound);
}

#[test]
fn odd_sizes_decode() {
    for (w, h) in [(1u32, 1u32), (15, 17), (7680, 4320)] {
        let size = format!("format=yuv444p,scale={w}:{h},setsar=1");
        let name = format!("odd-{w}x{h}.mkv");
        let source = ["-f", "lavfi", "-i", "color=gray:s=64x64:r=5:d=0.4"];
        let d = decode(&generated(&name, &[&source[..], &["-vf", &size, "-c:v", "ffv1"]].concat()).unwrap());
        assert_eq!(d.size, Some((w, h)));
        assert_eq!(d.frames.len(), 2);
    }
}

#[test]
fn samples_that_are_not_numbers_become_silence_and_a_gap() {
    let path = seamline_testkit::clips::cached("nan.wav", "v1", |out| {
        let mut data = Vec::new();
        for i in 0..16_000u32 {
            let v = if i % 100 == 0 { f32::NAN } else { 0.1 };
            data.extend(v.to_le_bytes());
        }
        let mut wav = b"RIFF".to_vec();
        wav.extend((36 + data.len() as u32).to_le_bytes());
        wav.extend(b"WAVEfmt \x10\0\0\0\x03\0\x01\0");
        wav.extend(16_000u32.to_le_bytes());
        wav.extend(64_000u32.to_le_bytes());
        wav.extend(b"\x04\0\x20\0data");
        wav.extend((data.len() as u32).to_le_bytes());
        wav.extend(data);
        Ok(std::fs::write(out, wav)?)
    })
    .unwrap();
    let d = decode(&path);
    assert!((d.sound - 1.0).abs() < 0.01);
    assert!(d.gaps.iter().any(|g| g.cause.contains("not numbers")), "{:?}", d.gaps);
}

#[test]
fn a_cut_off_file_gives_what_is_there_and_says_so() {
    let whole = transcoded(
        "whole.mp4",
        &["-c:v", "libx264", "-preset", "ultrafast", "-g", "12", "-c:a", "aac", "-movflags", "+faststart"],
    )
    .unwrap();
    let data = std::fs::read(&whole).unwrap();
    let half = seamline_testkit::clips::bytes("half.mp4", &data[..data.len() / 2]).unwrap();
    let d = decode(&half);
    assert!(d.frames.len() > 10 && d.frames.len() < 90, "{}", d.frames.len());
    assert!(d.gaps.iter().any(|g| g.cause.contains("ends before its declared length")), "{:?}", d.gaps);
    let one_less = seamline_testkit::clips::bytes("one-less.mp4", &data[..data.len() - 1]).unwrap();
    assert!(decode(&one_less).frames.len() >= 98);
}

#[test]
fn damage_in_the_middle_is_a_gap_and_the_rest_is_decoded() {
    let whole = transcoded(
        "damaged-src.mkv",
        &["-c:v", "libx264", "-preset", "ultrafast", "-g", "12", "-c:a", "aac"],
    )
    .unwrap();
    let mut data = std::fs::read(&whole).unwrap();
    let n = data.len();
    data[n / 2..n / 2 + n / 40].iter_mut().for_each(|b| *b ^= 0x5a);
    let d = decode(&seamline_testkit::clips::bytes("damaged.mkv", &data).unwrap());
    assert!(d.frames.len() > 60, "{}", d.frames.len());
    assert!(!d.gaps.is_empty());
}
