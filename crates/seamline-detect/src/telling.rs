//! What a face's score rests on, for people to look at: the crops that tell most, and which parts of the first.
//!
//! The map is gradient-free, so it needs nothing of a model but its scores: a part of the crop is replaced by a much
//! coarser version of itself, and what the score falls by is that part's heat. It explains the score, not the forgery.

use crate::DetectError;
use seamline_core::pixels::{self, Kernel};
use seamline_core::{HeatMap, MediaTime, RgbFrame};

/// Whether and of which faces pictures are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Drawing {
    /// None.
    #[default]
    Nothing,
    /// Of faces whose score supports spoof.
    Flagged,
    /// Also of the main face, whatever its score.
    FlaggedAndMain,
}

/// Crops shown of one face.
const SHOWN: usize = 4;
/// Faces of a clip that are shown, those with the highest scores first; each costs 36 runs of the model.
pub(crate) const MOST_DRAWN: usize = 3;
/// Faces whose crops are kept at hand; bounds memory at about 40 MB for crops of 224 px.
pub(crate) const MOST_KEPT: usize = 64;
/// Cells of the map along one side.
const GRID: u32 = 14;
/// A hidden window is four cells wide, and windows lie two cells apart, so that a cell's heat rests on up to four. Smaller
/// ones hide too little for the score to notice (`scripts/train/vision/heat_check.py`).
const WINDOW: u32 = 4;
const STEP: usize = 2;
/// Pixels of a window's soft edge: a sharp one would itself look like a seam.
const EDGE: f32 = 4.0;

/// The crops of one face that support spoof most.
#[derive(Default)]
pub(crate) struct Telling {
    best: Vec<Crop>,
}

/// One crop as the model saw it.
pub(crate) struct Crop {
    /// Turned so that higher supports spoof.
    pub(crate) score: f64,
    pub(crate) time: MediaTime,
    pub(crate) picture: RgbFrame,
}

impl Telling {
    /// Keeps the crop if it is among the most telling. Crops come in order of time; of equal ones the first stays.
    pub(crate) fn push(&mut self, score: f64, time: MediaTime, picture: &RgbFrame) {
        let at = self.best.partition_point(|b| b.score >= score);
        if at < SHOWN {
            self.best.insert(at, Crop { score, time, picture: picture.clone() });
            self.best.truncate(SHOWN);
        }
    }

    /// The most telling first.
    pub(crate) fn into_crops(self) -> Vec<Crop> {
        self.best
    }
}

/// The map of one crop. `score` gives scores turned so that higher supports spoof; `whole` is the crop's own.
pub(crate) fn heat(
    crop: &RgbFrame,
    whole: f64,
    score: &mut dyn FnMut(RgbFrame) -> Result<f64, DetectError>,
) -> Result<Option<HeatMap>, DetectError> {
    if crop.width() == 0 || crop.height() == 0 {
        return Ok(None);
    }
    let coarse = pixels::resize(crop, GRID, GRID, Kernel::Box);
    let coarse = pixels::resize(&coarse, crop.width(), crop.height(), Kernel::Triangle);
    let mut falls = vec![0.0; (GRID * GRID) as usize];
    let mut windows = vec![0u32; falls.len()];
    for y in (0..=GRID - WINDOW).step_by(STEP) {
        for x in (0..=GRID - WINDOW).step_by(STEP) {
            let fall = whole - score(hidden(crop, &coarse, x, y))?;
            for cell in (y..y + WINDOW).flat_map(|row| (x..x + WINDOW).map(move |column| row * GRID + column))
            {
                falls[cell as usize] += fall;
                windows[cell as usize] += 1;
            }
        }
    }
    falls.iter_mut().zip(&windows).for_each(|(fall, &n)| *fall /= f64::from(n.max(1)));
    Ok(HeatMap::from_falls(GRID as u8, GRID as u8, &falls))
}

/// The crop with the window at cell `x`, `y` replaced by `coarse`, its edge soft.
fn hidden(crop: &RgbFrame, coarse: &RgbFrame, x: u32, y: u32) -> RgbFrame {
    let (w, h) = (crop.width() as usize, crop.height() as usize);
    let range = |cell: u32, side: usize| {
        let edge = |c: u32| c as f32 * side as f32 / GRID as f32;
        (edge(cell), edge(cell + WINDOW))
    };
    let (columns, rows) = (range(x, w), range(y, h));
    // 1 inside, 0 outside, a straight ramp of EDGE pixels centred on the border.
    let inside = |at: usize, (low, high): (f32, f32)| {
        let p = at as f32 + 0.5;
        (((p - low).min(high - p)) / EDGE + 0.5).clamp(0.0, 1.0)
    };
    let mut data = crop.data().to_vec();
    for (row, line) in data.chunks_exact_mut(w * 3).enumerate() {
        let down = inside(row, rows);
        if down <= 0.0 {
            continue;
        }
        let soft = coarse.data().get(row * w * 3..).unwrap_or_default();
        for (column, (px, to)) in line.chunks_exact_mut(3).zip(soft.chunks_exact(3)).enumerate() {
            let part = down * inside(column, columns);
            for (a, &b) in px.iter_mut().zip(to) {
                *a = (f32::from(*a) * (1.0 - part) + f32::from(b) * part + 0.5) as u8;
            }
        }
    }
    RgbFrame::new(crop.width(), crop.height(), data).unwrap_or_else(RgbFrame::empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Grain over all of the picture, which hiding smooths away.
    fn grainy(side: u32) -> RgbFrame {
        let level = |i: u32| if (i % side + i / side).is_multiple_of(2) { 160 } else { 80 };
        RgbFrame::new(side, side, (0..side * side).flat_map(|i| [level(i); 3]).collect()).unwrap()
    }

    /// Grain of one quarter: differences of neighbours in a row.
    fn grain_of(frame: &RgbFrame, left: usize, top: usize) -> f64 {
        let (w, half) = (frame.width() as usize, frame.width() as usize / 2);
        let lines = frame.data().chunks_exact(w * 3).skip(top).take(half);
        lines
            .flat_map(|l| l[left * 3..(left + half) * 3].windows(4))
            .map(|p| f64::from(p[0].abs_diff(p[3])))
            .sum()
    }

    #[test]
    fn heat_lies_where_the_score_comes_from() {
        let crop = grainy(224);
        let mut runs = 0;
        let mut score = |f: RgbFrame| {
            runs += 1;
            Ok(grain_of(&f, 112, 0))
        };
        let whole = grain_of(&crop, 112, 0);
        let map = heat(&crop, whole, &mut score).unwrap().unwrap();
        assert_eq!((map.size(), runs), ((14, 14), 36));
        for (i, &v) in map.cells().iter().enumerate() {
            let (x, y) = (i % 14, i / 14);
            if x >= 10 && y <= 3 {
                assert!(v > 200, "inside the quarter, cell {x} {y}: {v}");
            } else if x <= 3 || y >= 10 {
                assert!(v <= 4, "outside of it there is no more than a soft edge, cell {x} {y}: {v}");
            }
        }
    }

    #[test]
    fn a_score_that_nothing_lowers_has_no_map() {
        let crop = grainy(56);
        assert_eq!(heat(&crop, 1.0, &mut |_| Ok(1.5)).unwrap(), None);
    }

    #[test]
    fn the_most_telling_crops_stay_and_of_equal_ones_the_first() {
        let mut telling = Telling::default();
        for (i, score) in [1.0, 3.0, 3.0, 0.0, 2.0, 2.5, 3.0].into_iter().enumerate() {
            telling.push(score, MediaTime::from_millis(i as i64), &grainy(2));
        }
        let kept: Vec<_> = telling.into_crops().iter().map(|c| (c.score, c.time.as_micros())).collect();
        assert_eq!(kept, [(3.0, 1_000), (3.0, 2_000), (3.0, 6_000), (2.5, 5_000)]);
    }
}
