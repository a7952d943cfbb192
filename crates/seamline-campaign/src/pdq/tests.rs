use super::*;

fn picture(w: u32, h: u32, seed: u32) -> RgbFrame {
    let mut data = Vec::with_capacity((w * h * 3) as usize);
    for y in 0..h {
        for x in 0..w {
            let (u, v) = (x as f32 / w as f32, y as f32 / h as f32);
            let s = seed as f32;
            let wave = |a: f32, b: f32, p: f32| 0.5 + 0.5 * (a * u + b * v + p).sin();
            data.push((255.0 * wave(9.0 + s, 4.0, s)) as u8);
            data.push((255.0 * wave(3.0, 11.0 + s, 2.0 * s) * wave(17.0, 1.0 + s, 0.3)) as u8);
            data.push((255.0 * wave(21.0, 13.0, s * s)) as u8);
        }
    }
    RgbFrame::new(w, h, data).unwrap()
}

fn mirrored(frame: &RgbFrame) -> RgbFrame {
    let w = frame.width() as usize;
    let mut data = Vec::with_capacity(frame.data().len());
    for row in frame.data().chunks_exact(w * 3) {
        row.chunks_exact(3).rev().for_each(|p| data.extend_from_slice(p));
    }
    RgbFrame::new(frame.width(), frame.height(), data).unwrap()
}

#[test]
fn text_and_bytes_go_both_ways_with_bit_255_first() {
    let h = PdqHash([1, 2, 3, 0x8000_0000_0000_0000]);
    assert!(h.to_string().starts_with("8000000000000000") && h.to_string().ends_with("0000000000000001"));
    assert_eq!(PdqHash::parse(&h.to_string()), Some(h));
    assert_eq!(PdqHash::from_bytes(h.to_bytes()), h);
    assert_eq!(PdqHash::parse("8000"), None);
}

#[test]
fn half_of_the_bits_are_set() {
    for seed in 0..5 {
        let (h, q) = hash_full(&picture(320, 180, seed)).unwrap();
        assert_eq!(h.0.iter().map(|w| w.count_ones()).sum::<u32>(), 128);
        assert!(q > MIN_QUALITY);
    }
}

#[test]
fn the_mirror_image_follows_from_the_coefficients() {
    for seed in 0..5 {
        let frame = picture(318, 202, seed);
        let c = Coefficients::of(&LumaPlane::full(&frame)).unwrap();
        let (really, _) = hash_full(&mirrored(&frame)).unwrap();
        // Boxes of even width lean one pixel, and decimation takes the pixel right of the centre.
        let d = c.hash(Turn::Mirrored).distance(&really);
        assert!(d <= 12, "distance {d}");
        assert!(c.hash(Turn::Upright).distance(&really) > MATCH_DISTANCE);
    }
}

#[test]
fn different_pictures_are_far_apart_and_reduced_ones_near() {
    let (a, _) = hash_full(&picture(1280, 720, 1)).unwrap();
    let (b, _) = hash_full(&picture(1280, 720, 4)).unwrap();
    assert!(a.distance(&b) > 80);
    let small = Coefficients::of(&LumaPlane::reduced(&picture(1280, 720, 1), REDUCED_SIDE)).unwrap();
    let d = a.distance(&small.hash(Turn::Upright));
    assert!(d <= 10, "distance {d}");
}

#[test]
fn flat_pictures_have_no_quality_and_empty_ones_no_hash() {
    let flat = RgbFrame::new(100, 80, vec![77; 24_000]).unwrap();
    assert_eq!(hash_full(&flat).unwrap().1, 0);
    assert_eq!(hash_full(&RgbFrame::empty()), None);
}
