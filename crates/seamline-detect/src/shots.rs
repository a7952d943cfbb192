//! Shot boundaries from luma grids of every decoded picture.

use seamline_core::MediaTime;

/// Mean absolute difference of neighbouring grids, in 8-bit levels, from which a change can be a cut.
const MIN_CHANGE: f32 = 18.0;
/// A cut also exceeds the recent average change by this factor: fast motion is no cut.
const OVER_RECENT: f32 = 4.0;
/// Shots shorter than this are flashes, not shots.
const MIN_SHOT: MediaTime = MediaTime::from_millis(200);

/// Finds hard cuts. Dissolves are seen as one shot or two, never as many.
#[derive(Default)]
pub struct ShotDetector {
    last: Option<(MediaTime, Vec<u8>)>,
    start: MediaTime,
    recent: f32,
    count: u32,
}

impl ShotDetector {
    /// Takes the next picture's grid; `true` if a new shot begins with it. The first picture begins the first shot.
    pub fn push(&mut self, time: MediaTime, luma: &[u8]) -> bool {
        let Some((_, last)) = &self.last else {
            self.last = Some((time, luma.to_vec()));
            self.start = time;
            self.count = 1;
            return true;
        };
        let change = difference(last, luma);
        let cut =
            change >= MIN_CHANGE && change >= OVER_RECENT * self.recent && time.minus(self.start) >= MIN_SHOT;
        if cut {
            self.start = time;
            self.recent = 0.0;
            self.count += 1;
        } else {
            self.recent = 0.8 * self.recent + 0.2 * change;
        }
        self.last = Some((time, luma.to_vec()));
        cut
    }

    /// Shots so far.
    pub fn count(&self) -> u32 {
        self.count
    }
}

/// Mean absolute difference of two grids of one size, in levels; unequal sizes differ in full.
pub fn difference(a: &[u8], b: &[u8]) -> f32 {
    if a.len() != b.len() || a.is_empty() {
        return 255.0;
    }
    a.iter().zip(b).map(|(x, y)| f32::from(x.abs_diff(*y))).sum::<f32>() / a.len() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hard_cut_is_one_and_steady_motion_is_none() {
        let mut s = ShotDetector::default();
        let mut cuts = Vec::new();
        for i in 0..60i64 {
            // A pattern that drifts, then from picture 30 another one.
            let grid: Vec<u8> = (0..576i64)
                .map(|k| if i < 30 { ((k * 3 + i) % 90) as u8 } else { (200 - (k * 5 + i) % 70) as u8 })
                .collect();
            if s.push(MediaTime::from_millis(i * 40), &grid) {
                cuts.push(i);
            }
        }
        assert_eq!(cuts, [0, 30]);
    }
}
