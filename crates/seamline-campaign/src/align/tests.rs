use super::*;
use crate::sound::{STEP_US, SoundPrint};
use proptest::prelude::*;

/// A clip of `n` frames, `step` seconds apart, each showing content number `first + k * rate`.
struct Clip {
    times: Vec<i64>,
    /// What is shown: a moment of an imagined recording, in seconds.
    content: Vec<f64>,
}

impl Clip {
    fn new(n: usize, step: f64, content: impl Fn(f64) -> f64) -> Self {
        let times: Vec<i64> = (0..n).map(|i| (i as f64 * step * 1e6) as i64).collect();
        let content = times.iter().map(|t| content(*t as f64 / 1e6)).collect();
        Self { times, content }
    }
}

/// Pictures change by 20 bits a second, and by more than the match distance at every ten-second cut.
fn pairs(a: &Clip, b: &Clip, mirrored: bool) -> Vec<PicturePair> {
    let mut out = Vec::new();
    for (t, x) in a.times.iter().zip(&a.content) {
        for (u, y) in b.times.iter().zip(&b.content) {
            let distance = 4.0 + 20.0 * (x - y).abs();
            if (x / 10.0).floor() == (y / 10.0).floor() && distance <= 31.0 && *x >= 0.0 && *y >= 0.0 {
                out.push(PicturePair { here_us: *t, there_us: *u, distance: distance as u32, mirrored });
            }
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// A stretch cut out of another clip is found where it is, at its speed, mirrored or not.
    #[test]
    fn a_stretch_is_found(start in 0.0f64..60.0, length in 8.0f64..40.0, speed in 0.82f64..1.22, phase in 0.0f64..0.5, mirrored: bool) {
        let there = Clip::new(240, 0.5, |t| t);
        let here = Clip::new((length / 0.5) as usize, 0.5, |t| start + phase + speed * t);
        let found = align_pictures(&here.times, &there.times, &pairs(&here, &there, mirrored));
        prop_assert!(!found.is_empty());
        let best = found[0];
        prop_assert_eq!(best.mirrored, mirrored);
        prop_assert!(!best.held);
        // Over the whole stretch the line is off by a second and a half at most, three frames: short stretches do not
        // say their speed more closely with two frames a second, and beside a cut up to four frames then miss it.
        prop_assert!((best.speed - speed).abs() * length <= 1.5, "speed {} for {}", best.speed, speed);
        let got = best.there.start.as_secs_f64();
        prop_assert!((got - start - phase).abs() <= 2.0, "start {} for {}", got, start + phase);
        let lasts = best.duration().as_secs_f64();
        prop_assert!((lasts - length).abs() <= 2.0, "lasts {} of {}", lasts, length);
    }

    /// The order of the pairs does not matter.
    #[test]
    fn the_order_of_pairs_does_not_matter(seed: u64) {
        let there = Clip::new(80, 0.5, |t| t);
        let here = Clip::new(40, 0.5, |t| 7.3 + t);
        let all = pairs(&here, &there, false);
        let mut shuffled = all.clone();
        let mut s = seed;
        for i in (1..shuffled.len()).rev() {
            s = s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            shuffled.swap(i, (s >> 33) as usize % (i + 1));
        }
        prop_assert_eq!(
            align_pictures(&here.times, &there.times, &all),
            align_pictures(&here.times, &there.times, &shuffled)
        );
    }
}

#[test]
fn a_bag_of_the_same_frames_in_another_order_is_no_alignment() {
    let there = Clip::new(120, 0.5, |t| t);
    // The same twenty pictures, each from another place, in no order.
    let here = Clip::new(20, 0.5, |t| ((t * 2.0) as usize * 37 % 120) as f64 * 0.5);
    let found = align_pictures(&here.times, &there.times, &pairs(&here, &there, false));
    assert!(found.iter().all(|a| a.matched < 6), "{found:?}");
}

#[test]
fn a_splice_into_another_clip_gives_its_part_only() {
    let there = Clip::new(240, 0.5, |t| t);
    let here = Clip::new(80, 0.5, |t| if (12.0..27.0).contains(&t) { 30.0 + t } else { -1.0 });
    let found = align_pictures(&here.times, &there.times, &pairs(&here, &there, false));
    let best = found[0];
    assert_eq!(found.len(), 1, "{found:?}");
    assert!((best.here.start.as_secs_f64() - 12.0).abs() <= 0.6, "{best:?}");
    assert!((best.here.end.as_secs_f64() - 27.0).abs() <= 0.6, "{best:?}");
    assert!((best.there.start.as_secs_f64() - 42.0).abs() <= 0.6, "{best:?}");
}

#[test]
fn two_parts_in_swapped_order_are_two_alignments() {
    let there = Clip::new(120, 0.5, |t| t);
    let here = Clip::new(60, 0.5, |t| if t < 15.0 { 40.0 + t } else { t - 15.0 });
    let found = align_pictures(&here.times, &there.times, &pairs(&here, &there, false));
    assert_eq!(found.len(), 2, "{found:?}");
    let starts: Vec<f64> = found.iter().map(|a| a.there.start.as_secs_f64()).collect();
    assert!(starts.iter().any(|s| (s - 40.0).abs() <= 0.6) && starts.iter().any(|s| s.abs() <= 0.6));
}

#[test]
fn a_held_picture_is_said_to_be_held_and_stays_within_the_time_it_is_shown() {
    // Sixty seconds of one picture; in the other clip it is shown from 20 to 24 s.
    let here = Clip::new(120, 0.5, |_| 5.0);
    let there = Clip::new(120, 0.5, |t| if (20.0..24.0).contains(&t) { 5.0 } else { 100.0 + t });
    let found = align_pictures(&here.times, &there.times, &pairs(&here, &there, false));
    for a in &found {
        assert!(a.held && a.score <= 0.5, "{a:?}");
        assert!(a.there.duration().as_secs_f64() <= 5.5, "{a:?}");
        assert!(a.duration().as_secs_f64() <= 6.5, "{a:?}");
    }
    // Two clips of one picture: the same picture, but no telling which second is which.
    let other = Clip::new(60, 0.5, |_| 5.0);
    let found = align_pictures(&here.times, &other.times, &pairs(&here, &other, false));
    assert!(found[0].held && found[0].score <= 0.5);
}

#[test]
fn a_still_matches_the_frames_that_show_it() {
    let still = Clip::new(1, 0.5, |_| 12.0);
    let film = Clip::new(120, 0.5, |t| t);
    let found = align_pictures(&still.times, &film.times, &pairs(&still, &film, false));
    assert_eq!(found.len(), 1);
    assert!(found[0].held && (found[0].there.start.as_secs_f64() - 12.0).abs() < 0.6, "{found:?}");
    let back = align_pictures(&film.times, &still.times, &pairs(&film, &still, false));
    assert!(back[0].held && (back[0].here.start.as_secs_f64() - 11.0).abs() < 1.6, "{back:?}");
}

fn noise(n: usize, mut seed: u32) -> Vec<u32> {
    (0..n)
        .map(|_| {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            seed
        })
        .collect()
}

fn near_items(a: &SoundPrint, b: &SoundPrint) -> Vec<SoundPair> {
    let mut out = Vec::new();
    for (i, x) in a.items.iter().enumerate() {
        for (j, y) in b.items.iter().enumerate() {
            let distance = (x ^ y).count_ones();
            if distance <= 2 {
                out.push(SoundPair { here: i as u32, there: j as u32, distance });
            }
        }
    }
    out
}

/// Turns over every bit with probability `rate`.
fn worn(items: &[u32], rate: f64, seed: u32) -> Vec<u32> {
    let mut random = noise(items.len() * 32, seed).into_iter();
    let mut flip = || random.next().is_some_and(|r| f64::from(r) < rate * f64::from(u32::MAX));
    items.iter().map(|item| (0..32).fold(*item, |v, bit| if flip() { v ^ 1 << bit } else { v })).collect()
}

#[test]
fn sound_is_found_through_bit_errors_and_ends_where_it_ends() {
    let there = SoundPrint { items: noise(800, 5), start_us: 0 };
    let mut items = noise(100, 77);
    items.extend(worn(&there.items[300..500], 0.12, 3));
    items.extend(noise(150, 78));
    let here = SoundPrint { items, start_us: 250_000 };
    let found = align_sound(&here, &there, &near_items(&here, &there));
    let step = f64::from(STEP_US) / 1e6;
    assert_eq!(found.len(), 1, "{found:?}");
    let a = found[0];
    assert!((a.here.start.as_secs_f64() - 0.25 - 100.0 * step).abs() <= 1.0, "{a:?}");
    assert!((a.here.end.as_secs_f64() - 0.25 - 300.0 * step).abs() <= 1.0, "{a:?}");
    assert!((a.there.start.as_secs_f64() - 300.0 * step).abs() <= 1.0, "{a:?}");
    assert!(a.score > 0.6 && (a.speed - 1.0).abs() < 1e-9, "{a:?}");
}

#[test]
fn faster_sound_is_found_at_its_speed() {
    let there = SoundPrint { items: noise(800, 5), start_us: 0 };
    let items: Vec<u32> =
        (0..400).map(|n| there.items[(50.0 + 1.1 * f64::from(n)).round() as usize]).collect();
    let here = SoundPrint { items: worn(&items, 0.08, 9), start_us: 0 };
    let found = align_sound(&here, &there, &near_items(&here, &there));
    assert!((found[0].speed - 1.1).abs() < 0.01, "{found:?}");
    assert!(found[0].duration().as_secs_f64() > 45.0, "{found:?}");
}

#[test]
fn other_sound_is_not_aligned_even_if_some_items_agree() {
    let there = SoundPrint { items: noise(800, 5), start_us: 0 };
    let mut items = noise(400, 91);
    // Chance agreements along one line, too few bits in between.
    for n in (0..400).step_by(40) {
        items[n] = there.items[n + 100];
    }
    let here = SoundPrint { items, start_us: 0 };
    assert!(align_sound(&here, &there, &near_items(&here, &there)).is_empty());
}
