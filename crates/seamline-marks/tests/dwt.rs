//! Marks embedded by the testkit's own encoder are found in every form, and unmarked pictures show none.
#![allow(clippy::unwrap_used)] // helpers outside of #[test] functions

use seamline_core::pixels::{self, Kernel};
use seamline_core::{Direction, RgbFrame, Strength};
use seamline_marks::dwt::{Accumulator, PAYLOADS, Place, Scheme, crop};
use seamline_testkit::watermark::{Embedding, embed, scene};
use std::io::Write;
use std::process::{Command, Stdio};

fn marked(picture: &RgbFrame, payload: usize, how: Embedding) -> RgbFrame {
    embed(picture, &PAYLOADS[payload].bits().collect::<Vec<_>>(), how)
}

fn ways() -> impl Iterator<Item = Embedding> {
    (0..8).map(|i| Embedding { float: i & 1 != 0, swapped: i & 2 != 0, singular: i & 4 != 0 })
}

fn look(picture: &RgbFrame) -> Accumulator {
    let mut all = Accumulator::default();
    all.push(picture);
    all
}

#[test]
fn every_payload_is_found_in_every_form() {
    let base = scene(512, 384, 11);
    for (i, payload) in PAYLOADS.iter().enumerate() {
        for how in ways() {
            let hit = look(&marked(&base, i, how)).decide();
            let hit = hit.unwrap_or_else(|| panic!("{} {how:?}: nothing", payload.name));
            assert_eq!(hit.payload.name, payload.name, "{how:?}");
            assert_eq!(hit.scheme == Scheme::Singular, how.singular, "{} {how:?}", payload.name);
            assert_eq!(hit.place, Place::Whole);
        }
    }
}

#[test]
fn unmarked_pictures_show_none_and_stay_far_from_the_bound() {
    for seed in 0..40 {
        let best = look(&scene(512, 384, seed)).best();
        // 64 tests a picture, 40 pictures: the smallest of 2,560 draws lies near 4e-4; ten thousand times that
        // unlikely would mean that the statistic does not follow its law.
        assert!(best.as_ref().is_none_or(|h| h.ln_p > (4e-8f64).ln()), "{seed}: {best:?}");
    }
}

#[test]
fn textures_with_the_payloads_period_show_none() {
    // Tiles of eight blocks: what ASCII's idle bits look like.
    for tile in [32, 64, 128, 256] {
        let mut picture = scene(512, 512, 4);
        let small = scene(tile, tile, 9);
        let data = picture.data_mut();
        for y in 0..512u32 {
            for x in 0..512u32 {
                let at = ((y * 512 + x) * 3) as usize;
                data[at..at + 3].copy_from_slice(&small.pixel((x % tile).into(), (y % tile).into()));
            }
        }
        assert_eq!(look(&picture).decide(), None, "{tile}");
    }
    let flat = RgbFrame::new(256, 256, vec![90; 256 * 256 * 3]).unwrap();
    assert_eq!(look(&flat).decide(), None);
    assert_eq!(crop::search(&flat), None);
}

#[test]
fn half_size_copies_are_found() {
    let base = scene(1024, 768, 21);
    for how in ways() {
        let half = pixels::resize(&marked(&base, 6, how), 512, 384, Kernel::Box);
        let hit = look(&half).decide();
        assert!(hit.as_ref().is_some_and(|h| h.place == Place::Half), "{how:?}: {hit:?}");
    }
}

#[test]
fn pictures_of_a_video_add_up() {
    let how = Embedding { float: true, swapped: false, singular: false };
    let noisy = |seed: u64| {
        let mut picture = marked(&scene(320, 256, seed), 2, how);
        let mut random = seamline_testkit::wave::Random::new(seed);
        for v in picture.data_mut() {
            // Noise like a lossy codec's, which buries most of one picture's mark.
            *v = (i32::from(*v) + random.below(49) as i32 - 24).clamp(0, 255) as u8;
        }
        picture
    };
    let alone = look(&noisy(1)).best().map_or(0.0, |h| h.ln_p);
    let mut all = Accumulator::default();
    for seed in 1..=14 {
        all.push(&noisy(seed));
    }
    let together = all.best().unwrap();
    assert_eq!(together.payload.name, PAYLOADS[2].name);
    assert!(
        together.ln_p < 2.0 * alone.min(-1.0) && together.is_decisive(),
        "{} alone, {} together",
        alone,
        together.ln_p
    );
    assert_eq!(all.pictures(), 14);
    assert!(!all.push(&scene(64, 64, 1)), "another size is no part of the sum");
}

/// Through FFmpeg's JPEG encoder at a quality of about 90, chroma at half size, and back.
fn recompressed(picture: &RgbFrame) -> RgbFrame {
    let size = format!("{}x{}", picture.width(), picture.height());
    let pipe = |arguments: &[&str], input: &[u8]| {
        let mut child = Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "error"])
            .args(arguments)
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input).unwrap());
            child.wait_with_output().unwrap().stdout
        })
    };
    let raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", &size, "-i", "-"];
    let jpeg =
        pipe(&[&raw[..], &["-pix_fmt", "yuvj420p", "-q:v", "3", "-f", "mjpeg"]].concat(), picture.data());
    let back = pipe(&["-f", "mjpeg", "-i", "-", "-f", "rawvideo", "-pix_fmt", "rgb24"], &jpeg);
    RgbFrame::new(picture.width(), picture.height(), back).unwrap()
}

#[test]
fn a_mark_that_a_jpeg_blurred_still_stands_out() {
    let how = Embedding { float: true, swapped: false, singular: false };
    let sdxl = PAYLOADS.iter().position(|p| p.len() == 48).unwrap();
    for seed in 0..4 {
        let plain = scene(1024, 896, seed);
        let hit = look(&recompressed(&marked(&plain, sdxl, how))).decide();
        assert_eq!(hit.map(|h| h.payload.name), Some(PAYLOADS[sdxl].name), "{seed}");
        // Formulas and the codec's grid repeat every eight blocks: what is left without that is chance.
        let best = look(&recompressed(&plain)).best();
        assert!(best.as_ref().is_none_or(|h| h.ln_p_unperiodic > (4e-8f64).ln()), "{seed}: {best:?}");
        assert!(best.is_none_or(|h| !h.is_decisive()), "{seed}");
    }
}

#[test]
fn parts_are_found_without_knowing_the_original() {
    let base = scene(1000, 800, 31);
    for (payload, how) in [
        (6, Embedding { float: false, swapped: false, singular: false }),
        (2, Embedding { float: true, swapped: true, singular: false }),
        (0, Embedding { float: false, swapped: false, singular: true }),
    ] {
        let part = pixels::crop(&marked(&base, payload, how), 133, 57, 600, 500);
        assert_eq!(look(&part).decide(), None, "{how:?}: the whole-picture test cannot see a part");
        let hit = crop::search(&part).unwrap_or_else(|| panic!("{how:?}: nothing"));
        assert_eq!(hit.payload.name, PAYLOADS[payload].name);
        // 133 = 16 x 8 + 5: the next block begins 3 pixels in; 57 = 7 x 8 + 1: 7.
        assert_eq!(hit.place, Place::Part { x: 3, y: 7 }, "{how:?}");
    }
    for seed in 0..3 {
        assert_eq!(crop::search(&scene(400, 400, seed)), None, "{seed}");
    }
}

#[test]
fn the_code_says_what_the_test_can_carry() {
    let code = seamline_core::code::MARK_INVISIBLE;
    assert_eq!((code.strength, code.direction), (Strength::Proves, Direction::Spoof));
}
