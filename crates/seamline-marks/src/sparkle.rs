//! The visible corner mark of Gemini and Veo: a white four-pointed star, found by correlation.
//!
//! The star is the set |x|^0.65 + |y|^0.65 < 1.1^0.65 in units of half its box; drawn so it correlates at 0.986
//! with the alpha map seen on real captures. The score is the mean of two normalised cross-correlations, of luma
//! and of the size of its gradient, so that a bright blob without the star's edges scores low.

use seamline_core::{RgbFrame, pixels};
use std::collections::BTreeMap;

/// Mean correlation from which the star is "found": unmarked pictures reached 0.34, a real capture 0.93. See
/// `benches/provenance.md` for the false alarms measured at this value.
pub const FOUND: f32 = 0.60;

/// Side and distance from the right and bottom edges, for a picture whose shorter side is `reference` pixels
/// (0 = of any size: the still generators' two sizes do not scale).
struct Setting {
    side: u32,
    right: u32,
    bottom: u32,
    reference: u32,
}

const SETTINGS: [Setting; 5] = [
    Setting { side: 48, right: 32, bottom: 32, reference: 0 },
    Setting { side: 96, right: 64, bottom: 64, reference: 0 },
    // Reported for Veo at 720 lines; scaled with the picture.
    Setting { side: 56, right: 92, bottom: 92, reference: 720 },
    Setting { side: 48, right: 72, bottom: 72, reference: 720 },
    Setting { side: 44, right: 29, bottom: 40, reference: 720 },
];

/// Pixels by which a mark may lie beside its place: scaled and re-encoded copies.
const SLACK: i64 = 3;

/// Where a star was looked for and how well it fits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sparkle {
    /// Mean of both correlations, -1 to 1.
    pub score: f32,
    /// Left edge of its box.
    pub x: u32,
    /// Top edge of its box.
    pub y: u32,
    /// Side of its box.
    pub side: u32,
}

/// Looks for the star; keeps what it drew for the sizes seen so far.
#[derive(Debug, Default)]
pub struct SparkleSearch {
    stars: BTreeMap<u32, Star>,
}

impl SparkleSearch {
    /// The best fit over every size and place that a generator uses; `None` where the picture is too small for any.
    pub fn best(&mut self, picture: &RgbFrame) -> Option<Sparkle> {
        let (w, h) = (picture.width(), picture.height());
        let mut best: Option<Sparkle> = None;
        for setting in SETTINGS {
            let factor =
                if setting.reference == 0 { 1.0 } else { f64::from(w.min(h)) / f64::from(setting.reference) };
            let scaled = |v: u32| (f64::from(v) * factor).round() as u32;
            let (side, right, bottom) = (scaled(setting.side), scaled(setting.right), scaled(setting.bottom));
            if side < 16 || side + right + 4 > w || side + bottom + 4 > h || side > 512 {
                continue;
            }
            let (x, y) = (w - right - side, h - bottom - side);
            let star = self.stars.entry(side).or_insert_with(|| Star::new(side));
            for dy in -SLACK..=SLACK {
                for dx in -SLACK..=SLACK {
                    let (x, y) = (i64::from(x) + dx, i64::from(y) + dy);
                    let score = star.score(picture, x, y);
                    if best.is_none_or(|b| score > b.score) {
                        best = Some(Sparkle { score, x: x.max(0) as u32, y: y.max(0) as u32, side });
                    }
                }
            }
        }
        best
    }
}

/// The template at one size.
#[derive(Debug)]
struct Star {
    side: usize,
    luma: Vec<f32>,
    gradient: Vec<f32>,
}

impl Star {
    fn new(side: u32) -> Self {
        let side = side as usize;
        // One pixel more on each side, so that the gradient has neighbours.
        let wide = side + 2;
        let bound = 1.1f32.powf(0.65);
        let mut alpha = Vec::with_capacity(wide * wide);
        for y in 0..wide {
            for x in 0..wide {
                // Coverage by 4 x 4 samples.
                let at = |v: usize, k: usize| {
                    ((v as f32 - 1.0 + (k as f32 + 0.5) / 4.0) / side as f32 * 2.0 - 1.0).abs().powf(0.65)
                };
                let inside = (0..16).filter(|s| at(x, s % 4) + at(y, s / 4) < bound).count();
                alpha.push(inside as f32 / 16.0);
            }
        }
        let (luma, gradient) = inner(&alpha, wide);
        Self { side, luma: centred(luma), gradient: centred(gradient) }
    }

    fn score(&self, picture: &RgbFrame, x: i64, y: i64) -> f32 {
        let wide = self.side + 2;
        let mut patch = Vec::with_capacity(wide * wide);
        for row in 0..wide as i64 {
            for column in 0..wide as i64 {
                patch.push(pixels::luma(picture.pixel(x - 1 + column, y - 1 + row)));
            }
        }
        let (luma, gradient) = inner(&patch, wide);
        (correlation(&centred(luma), &self.luma) + correlation(&centred(gradient), &self.gradient)) / 2.0
    }
}

/// The inside of a patch, and the size of its gradient by central differences.
fn inner(patch: &[f32], wide: usize) -> (Vec<f32>, Vec<f32>) {
    let places = (1..wide - 1).flat_map(|y| (1..wide - 1).map(move |x| y * wide + x));
    let luma = places.clone().map(|at| patch[at]).collect();
    let gradient = places
        .map(|at| {
            let dx = patch[at + 1] - patch[at - 1];
            let dy = patch[at + wide] - patch[at - wide];
            (dx * dx + dy * dy).sqrt()
        })
        .collect();
    (luma, gradient)
}

fn centred(mut values: Vec<f32>) -> Vec<f32> {
    let mean = values.iter().sum::<f32>() / values.len().max(1) as f32;
    values.iter_mut().for_each(|v| *v -= mean);
    values
}

/// Of values whose mean is 0; 0 where one of them does not vary by a level.
fn correlation(a: &[f32], b: &[f32]) -> f32 {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(p, q)| p * q).sum::<f32>();
    let (aa, bb) = (dot(a, a), dot(b, b));
    if aa < a.len() as f32 || bb <= 0.0 { 0.0 } else { dot(a, b) / (aa * bb).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seamline_testkit::watermark::{scene, sparkle};

    #[test]
    fn a_drawn_star_is_found_where_it_stands() {
        for (side, margin, strength) in [(48u32, 32u32, 0.7), (96, 64, 0.4)] {
            let mut picture = scene(640, 480, 3);
            sparkle(&mut picture, 640 - margin - side, 480 - margin - side, side, strength);
            let found = SparkleSearch::default().best(&picture).unwrap();
            assert!(found.score >= FOUND, "{found:?}");
            assert_eq!((found.side, found.x, found.y), (side, 640 - margin - side, 480 - margin - side));
        }
    }

    #[test]
    fn scenes_blobs_and_small_pictures_show_none() {
        for seed in 0..20 {
            let found = SparkleSearch::default().best(&scene(640, 480, seed)).unwrap();
            assert!(found.score < FOUND, "{seed}: {found:?}");
        }
        // A round light in the corner.
        let mut picture = scene(640, 480, 1);
        let data = picture.data_mut();
        for y in 0..480i32 {
            for x in 0..640i32 {
                if (x - 584).pow(2) + (y - 424).pow(2) < 24 * 24 {
                    data[(y * 640 + x) as usize * 3..][..3].fill(250);
                }
            }
        }
        assert!(SparkleSearch::default().best(&picture).unwrap().score < FOUND);
        assert!(SparkleSearch::default().best(&scene(60, 60, 1)).is_none());
    }
}
