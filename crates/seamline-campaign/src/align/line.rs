//! The line `there = offset + speed * here` that most pairs lie on.

use super::SPEEDS;

/// A pair of moments with its weight, times in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vote {
    /// Moment of `here`, by number.
    pub(super) moment: u32,
    pub(super) here: f64,
    pub(super) there: f64,
    /// Above 0, at most 1.
    pub(super) weight: f64,
}

/// A fitted line with the weight of what lies on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) offset: f64,
    pub(super) speed: f64,
    pub(super) weight: f64,
}

impl Line {
    pub(super) fn at(&self, here: f64) -> f64 {
        self.offset + self.speed * here
    }
}

/// Speeds that are tried; 1 is among them.
const SPEED_STEP: f64 = 0.0125;
/// Rounds of fitting; the set of inliers settles in two or three.
const ROUNDS: usize = 5;
/// Speed 1 is kept if it carries this part of what the freely fitted line carries: clips are mostly not resped.
const PREFER_ONE: f64 = 0.98;
/// Speeds whose cells hold this part of the fullest cells' weight are looked at closely.
const PROMISING: f64 = 0.9;
/// Longest range of offsets that is voted over, in cells; a day at half-second cells is 172,800.
const MAX_CELLS: usize = 1 << 22;

/// The best line among `votes`, which must be sorted by moment; `tolerance` in seconds.
pub(super) fn best(votes: &[Vote], tolerance: f64) -> Option<Line> {
    let mut cells = Cells::default();
    let steps = ((SPEEDS.1 - SPEEDS.0) / SPEED_STEP).round() as i32;
    let mut peaks: Vec<Line> = (0..=steps)
        .map(|i| SPEEDS.0 + f64::from(i) * SPEED_STEP)
        .filter_map(|speed| {
            let (offset, weight) = cells.peak(votes, speed, tolerance)?;
            Some(Line { offset, speed, weight })
        })
        .collect();
    // From 1 outwards, so that of equal lines the one nearest to 1 stays.
    peaks.sort_by(|a, b| (a.speed - 1.0).abs().total_cmp(&(b.speed - 1.0).abs()));
    let most = peaks.iter().map(|p| p.weight).fold(0.0, f64::max);
    // Cells are as wide as a line's drift over many seconds: only the distance from the line tells speeds apart.
    let mut found: Option<Line> = None;
    for peak in peaks.iter().filter(|p| p.weight >= PROMISING * most) {
        let settled = fit(votes, *peak, tolerance, true);
        if found.is_none_or(|f| settled.weight > f.weight) {
            found = Some(settled);
        }
    }
    let fitted = fit(votes, found?, tolerance, false);
    let straight = fit(votes, *peaks.first()?, tolerance, true);
    Some(if straight.weight >= PREFER_ONE * fitted.weight { straight } else { fitted })
}

/// The weight on a line: of every moment its best pair counts.
pub(super) fn weight_on(votes: &[Vote], line: &Line, tolerance: f64) -> f64 {
    let mut sum = 0.0;
    for group in votes.chunk_by(|a, b| a.moment == b.moment) {
        sum += best_of(group, line, tolerance).map_or(0.0, |v| v.weight);
    }
    sum
}

/// The pair of one moment that fits the line best, if any does. A pair loses weight with its distance from the line,
/// so that of two equally similar pictures the one nearer in time counts.
pub(super) fn best_of(group: &[Vote], line: &Line, tolerance: f64) -> Option<Vote> {
    let worth = |v: &Vote| {
        let miss = (v.there - line.at(v.here)).abs() / tolerance;
        (miss <= 1.0).then_some(v.weight * (1.0 - 0.5 * miss))
    };
    group
        .iter()
        .filter_map(|v| worth(v).map(|w| Vote { weight: w, ..*v }))
        .max_by(|a, b| a.weight.total_cmp(&b.weight))
}

/// Weighted least squares over what lies near the line, repeated; with `fixed` only the offset moves.
fn fit(votes: &[Vote], start: Line, tolerance: f64, fixed: bool) -> Line {
    let mut line = Line { weight: weight_on(votes, &start, tolerance), ..start };
    for _ in 0..ROUNDS {
        let (mut n, mut sx, mut sy, mut sxx, mut sxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for group in votes.chunk_by(|a, b| a.moment == b.moment) {
            if let Some(v) = best_of(group, &line, tolerance) {
                n += v.weight;
                sx += v.weight * v.here;
                sy += v.weight * v.there;
                sxx += v.weight * v.here * v.here;
                sxy += v.weight * v.here * v.there;
            }
        }
        if n <= 0.0 {
            break;
        }
        let spread = sxx - sx * sx / n;
        let free = !fixed && spread > 1e-6;
        let speed = if free { (sxy - sx * sy / n) / spread } else { line.speed };
        let speed = speed.clamp(SPEEDS.0, SPEEDS.1);
        let mut next = Line { speed, offset: (sy - speed * sx) / n, weight: 0.0 };
        next.weight = weight_on(votes, &next, tolerance);
        if next.weight <= line.weight {
            break;
        }
        line = next;
    }
    line
}

/// Cells of half the tolerance over offsets; kept between speeds.
#[derive(Default)]
struct Cells {
    weight: Vec<f64>,
    /// Which moment voted last in a cell, plus one, and with how much.
    last: Vec<(u32, f64)>,
}

impl Cells {
    /// The offset with the most weight at `speed`. A moment votes once a cell, with its best pair.
    fn peak(&mut self, votes: &[Vote], speed: f64, tolerance: f64) -> Option<(f64, f64)> {
        let offset = |v: &Vote| v.there - speed * v.here;
        let low = votes.iter().map(offset).min_by(f64::total_cmp)?;
        let high = votes.iter().map(offset).max_by(f64::total_cmp)?;
        let count = ((high - low) / tolerance) as usize + 2;
        if count > MAX_CELLS {
            return None;
        }
        self.weight.clear();
        self.weight.resize(count, 0.0);
        self.last.clear();
        self.last.resize(count, (0, 0.0));
        for v in votes {
            let cell = ((offset(v) - low) / tolerance) as usize;
            let (moment, gave) = self.last[cell];
            if moment != v.moment + 1 {
                self.weight[cell] += v.weight;
                self.last[cell] = (v.moment + 1, v.weight);
            } else if v.weight > gave {
                self.weight[cell] += v.weight - gave;
                self.last[cell].1 = v.weight;
            }
        }
        // Two neighbours together: a line on the border of two cells is not halved.
        let pairs = self.weight.windows(2).map(|w| w[0] + w[1]).enumerate();
        let (cell, weight) = pairs.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
        Some((low + (cell as f64 + 1.0) * tolerance, weight))
    }
}
