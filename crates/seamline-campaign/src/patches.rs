//! Regions that stay while the pictures change: a channel's logo in a corner, often a stolen one.
//!
//! For every pixel of the reduced picture the mean and the variance over the sampled frames are kept. A logo is where
//! the variance is small though the picture around it changes, and the mean has structure.

use crate::observables::StaticPatch;
use crate::pdq::{Coefficients, LumaPlane, Rect, Turn};

/// Fewest frames before anything is said to stay: 6 s at two a second.
const LEAST_FRAMES: u32 = 12;
/// Standard deviation over time, in 8-bit levels, under which a pixel stays: encoder noise is 1 to 3.
const STAYS: f32 = 5.0;
/// Half of the picture must change more than this, or everything is a held picture.
const CHANGES: f32 = 14.0;
/// Fewest pixels of a region, of the 160-line picture: 1.2 % of its height squared, a small corner logo.
const LEAST_PIXELS: usize = 120;
/// Largest part of the picture that is a logo rather than a static scene.
const LARGEST: f32 = 0.2;
/// Most regions kept.
const MOST: usize = 4;

/// Accumulates frames.
pub(crate) struct PatchFinder {
    size: (usize, usize),
    base: Rect,
    frames: u32,
    mean: Vec<f32>,
    /// Sum of squared deviations (Welford 1962).
    spread: Vec<f32>,
}

impl Default for PatchFinder {
    fn default() -> Self {
        Self::new()
    }
}

impl PatchFinder {
    /// Nothing seen yet.
    pub(crate) fn new() -> Self {
        let base = Rect { x: 0, y: 0, width: 0, height: 0 };
        Self { size: (0, 0), base, frames: 0, mean: Vec::new(), spread: Vec::new() }
    }

    /// Adds a frame whose picture proper is `base`. A change of size begins anew.
    pub(crate) fn push(&mut self, plane: &LumaPlane, base: Rect) {
        if self.size != (plane.width(), plane.height()) {
            self.size = (plane.width(), plane.height());
            self.frames = 0;
            self.mean = vec![0.0; plane.data().len()];
            self.spread = self.mean.clone();
        }
        self.base = base;
        self.frames += 1;
        let share = 1.0 / self.frames as f32;
        for ((m, s), &v) in self.mean.iter_mut().zip(&mut self.spread).zip(plane.data()) {
            let before = v - *m;
            *m += before * share;
            *s += before * (v - *m);
        }
    }

    /// The regions that stayed, largest first.
    pub(crate) fn finish(&self) -> Vec<StaticPatch> {
        let (w, h) = self.size;
        if self.frames < LEAST_FRAMES || w < 16 || h < 16 {
            return Vec::new();
        }
        let deviation: Vec<f32> =
            self.spread.iter().map(|s| (s / self.frames as f32).max(0.0).sqrt()).collect();
        let mut sorted = deviation.clone();
        let middle = sorted.len() / 2;
        if *sorted.select_nth_unstable_by(middle, f32::total_cmp).1 < CHANGES {
            return Vec::new();
        }
        let in_base = |i: usize| {
            let (x, y) = (i % w, i / w);
            (self.base.x..self.base.x + self.base.width).contains(&x)
                && (self.base.y..self.base.y + self.base.height).contains(&y)
        };
        let mut stays: Vec<bool> =
            deviation.iter().enumerate().map(|(i, d)| *d < STAYS && in_base(i)).collect();
        let mut regions = Vec::new();
        for seed in 0..stays.len() {
            if stays[seed] {
                let (pixels, rect) = take_region(&mut stays, w, h, seed);
                regions.push((pixels, rect));
            }
        }
        regions.sort_by_key(|(pixels, rect)| (std::cmp::Reverse(*pixels), rect.y, rect.x));
        let Some(mean) = LumaPlane::new(w, h, self.mean.clone()) else { return Vec::new() };
        let area = (w * h) as f32;
        regions
            .into_iter()
            .filter(|(pixels, rect)| {
                *pixels >= LEAST_PIXELS
                    && ((rect.width * rect.height) as f32) < LARGEST * area
                    && rect.width >= 8
                    && rect.height >= 8
            })
            .filter_map(|(_, rect)| {
                let c = Coefficients::of(&mean.part(rect))?;
                let of = |n: usize, side: usize| n as f32 / side as f32;
                let region = [of(rect.x, w), of(rect.y, h), of(rect.width, w), of(rect.height, h)];
                let structured = c.quality >= crate::pdq::MIN_QUALITY;
                structured.then(|| StaticPatch { region, hash: c.hash(Turn::Upright), quality: c.quality })
            })
            .take(MOST)
            .collect()
    }
}

/// Takes the connected region (eight neighbours, and across one pixel) around `seed` out of the mask.
fn take_region(stays: &mut [bool], w: usize, h: usize, seed: usize) -> (usize, Rect) {
    let (mut left, mut right, mut top, mut bottom) = (w, 0, h, 0);
    let mut pixels = 0;
    let mut open = vec![seed];
    stays[seed] = false;
    while let Some(i) = open.pop() {
        let (x, y) = (i % w, i / w);
        pixels += 1;
        (left, right, top, bottom) = (left.min(x), right.max(x), top.min(y), bottom.max(y));
        for v in y.saturating_sub(2)..(y + 3).min(h) {
            for u in x.saturating_sub(2)..(x + 3).min(w) {
                if std::mem::take(&mut stays[v * w + u]) {
                    open.push(v * w + u);
                }
            }
        }
    }
    (pixels, Rect { x: left, y: top, width: right - left + 1, height: bottom - top + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(n: u32, logo: bool) -> LumaPlane {
        let (w, h) = (284usize, 160usize);
        let mut data = Vec::with_capacity(w * h);
        for y in 0..h {
            for x in 0..w {
                let phase = n as f32 * 1.7;
                let mut v =
                    128.0 + 80.0 * ((x as f32) * 0.05 + phase).sin() * ((y as f32) * 0.04 - phase).cos();
                if logo && (230..270).contains(&x) && (10..34).contains(&y) {
                    v = if (x / 5 + y / 4) % 3 == 0 { 240.0 } else { 30.0 };
                }
                data.push(v);
            }
        }
        LumaPlane::new(w, h, data).unwrap()
    }

    fn find(logo: bool, still: bool) -> Vec<StaticPatch> {
        let mut finder = PatchFinder::new();
        for n in 0..30 {
            let plane = scene(if still { 1 } else { n }, logo);
            finder.push(&plane, plane.bounds());
        }
        finder.finish()
    }

    #[test]
    fn a_logo_over_changing_pictures_is_found_where_it_is() {
        let found = find(true, false);
        assert_eq!(found.len(), 1, "{found:?}");
        let [x, y, w, h] = found[0].region;
        assert!((x - 230.0 / 284.0).abs() < 0.02 && (y - 10.0 / 160.0).abs() < 0.03, "{found:?}");
        assert!((w - 40.0 / 284.0).abs() < 0.03 && (h - 24.0 / 160.0).abs() < 0.04, "{found:?}");
    }

    #[test]
    fn without_a_logo_or_without_change_there_is_none() {
        assert!(find(false, false).is_empty());
        assert!(find(true, true).is_empty());
    }
}
