//! Alignment over frame hashes.

use super::line::{self, Line, Vote};
use super::{Alignment, span, whole_millionths};
use crate::pdq::MATCH_DISTANCE;

/// Two frames that look alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PicturePair {
    /// When it is shown here, in microseconds.
    pub here_us: i64,
    /// When it is shown there.
    pub there_us: i64,
    /// Distance of the hashes, at most [`MATCH_DISTANCE`].
    pub distance: u32,
    /// Whether the mirrored picture was the one that matched.
    pub mirrored: bool,
}

/// Pairs kept for one frame, the nearest: a talking head looks like itself for minutes.
const PER_FRAME: usize = 24;
/// Frames that must lie on the line, unless a clip has fewer.
const LEAST: usize = 3;
/// Longest stretch without a match inside an alignment, in seconds: an inserted caption card or a lost shot.
const GAP: f64 = 4.0;
/// Pictures stand still where another moment, well off the line but at most this many seconds, is as good as the one
/// on it: on average this part of its weight.
const NEARBY: f64 = 5.0;
const HELD: f64 = 0.93;
/// Part of an alignment's frames that must match.
const COVERAGE: f64 = 0.4;
/// Most stretches looked for between two clips.
const STRETCHES: usize = 16;

/// Stretches that the clip with frames at `here_us` shares with the one with frames at `there_us` (microseconds, both
/// sorted, featureless frames left out), best first.
pub fn align_pictures(here_us: &[i64], there_us: &[i64], pairs: &[PicturePair]) -> Vec<Alignment> {
    let mut found = Vec::new();
    for mirrored in [false, true] {
        align_one(here_us, there_us, pairs, mirrored, &mut found);
    }
    found.sort_by(|a: &Alignment, b| {
        let worth = |x: &Alignment| x.score * (1.0 + f64::from(x.matched)).ln();
        worth(b).total_cmp(&worth(a)).then(a.here.start.cmp(&b.here.start))
    });
    // A symmetrical picture matches both ways: of two stretches that overlap here, the better stays.
    let mut kept: Vec<Alignment> = Vec::new();
    for a in found {
        let taken = |k: &Alignment| {
            let overlap = a.here.end.min(k.here.end).as_micros() - a.here.start.max(k.here.start).as_micros();
            overlap * 2 > a.duration().as_micros() || (a.here == k.here)
        };
        if !kept.iter().any(taken) {
            kept.push(a);
        }
    }
    kept
}

/// The usual distance between frames, in seconds.
fn period(times: &[i64]) -> f64 {
    let mut gaps: Vec<i64> = times.windows(2).map(|w| w[1] - w[0]).filter(|g| *g > 0).collect();
    if gaps.is_empty() {
        return 0.5;
    }
    let middle = gaps.len() / 2;
    (*gaps.select_nth_unstable(middle).1 as f64 / 1e6).clamp(0.04, 5.0)
}

fn align_one(
    here_us: &[i64],
    there_us: &[i64],
    pairs: &[PicturePair],
    mirrored: bool,
    found: &mut Vec<Alignment>,
) {
    let mut votes: Vec<Vote> = Vec::new();
    for p in pairs.iter().filter(|p| p.mirrored == mirrored && p.distance <= MATCH_DISTANCE) {
        let Ok(moment) = here_us.binary_search(&p.here_us) else { continue };
        // Steep, so that the same moment outweighs the moment before it.
        let alike = 1.0 - f64::from(p.distance) / 40.0;
        let (here, there) = (p.here_us as f64 / 1e6, p.there_us as f64 / 1e6);
        votes.push(Vote { moment: moment as u32, here, there, weight: alike * alike });
    }
    votes.sort_by(|a, b| a.moment.cmp(&b.moment).then(b.weight.total_cmp(&a.weight)));
    let mut votes: Vec<Vote> = votes
        .chunk_by(|a, b| a.moment == b.moment)
        .flat_map(|group| &group[..group.len().min(PER_FRAME)])
        .copied()
        .collect();
    let (step_here, step_there) = (period(here_us), period(there_us));
    // Frames are taken at other moments in either clip: half a step apart at worst, and a little for the fit.
    let tolerance = 0.5 * step_here.max(step_there) + 0.2;
    let still = there_us.len() == 1 || here_us.len() == 1;
    let least = LEAST.min(here_us.len()).min(there_us.len());
    for _ in 0..STRETCHES {
        let stretch = if still {
            on_still(here_us, &votes)
        } else {
            line::best(&votes, tolerance).and_then(|l| longest_run(here_us, &votes, &l, tolerance))
        };
        let Some(run) = stretch else { break };
        let (first, last) = (run.moments.start, run.moments.end - 1);
        let enough = run.matched >= least && run.coverage() >= COVERAGE;
        if enough {
            found.push(run.alignment(here_us, &votes, tolerance, step_here, mirrored, still));
        }
        // What lies on this line is spent; if it was not enough, so is whatever it leaned on.
        let before = votes.len();
        votes.retain(|v| {
            let inside = (first as u32..=last as u32).contains(&v.moment);
            if enough { !inside } else { !inside || (v.there - run.line.at(v.here)).abs() > tolerance }
        });
        if votes.len() == before || votes.is_empty() {
            break;
        }
    }
}

/// Consecutive frames on one line.
struct Run {
    line: Line,
    moments: std::ops::Range<usize>,
    matched: usize,
    /// Mean of 1 - distance / 64 over the matched frames, recovered from their weights.
    alike: f64,
}

impl Run {
    fn coverage(&self) -> f64 {
        self.matched as f64 / self.moments.len() as f64
    }

    fn is_held(&self, votes: &[Vote], tolerance: f64) -> bool {
        let (mut sum, mut count) = (0.0, 0.0);
        for group in votes.chunk_by(|a, b| a.moment == b.moment) {
            let miss = |v: &Vote| (v.there - self.line.at(v.here)).abs();
            let most = |low: f64, high: f64| {
                let near = group.iter().filter(|v| (low..high).contains(&miss(v)));
                near.map(|v| v.weight).fold(0.0, f64::max)
            };
            let on = most(0.0, tolerance);
            if on > 0.0 && self.moments.contains(&(group[0].moment as usize)) {
                sum += (most(2.0 * tolerance, NEARBY) / on).min(1.0);
                count += 1.0;
            }
        }
        sum >= HELD * count
    }

    fn alignment(
        &self,
        here_us: &[i64],
        votes: &[Vote],
        tolerance: f64,
        step: f64,
        mirrored: bool,
        still: bool,
    ) -> Alignment {
        let held = still || self.is_held(votes, tolerance);
        let at = |moment: usize| here_us[moment] as f64 / 1e6;
        let (start, last) = (at(self.moments.start), at(self.moments.end - 1));
        // A frame stands for the time until the next one.
        let end = if here_us.len() == 1 { last } else { last + step };
        let there = |t: f64| self.line.at(t).max(0.0);
        // Many frames say more than few: three frames count 0.63, eight 0.93.
        let evidence = 1.0 - (-(self.matched as f64) / 3.0).exp();
        let sure = if held { 0.5 } else { evidence };
        Alignment {
            here: span(start * 1e6, end * 1e6),
            there: span(there(start) * 1e6, there(end) * 1e6),
            speed: whole_millionths(self.line.speed),
            mirrored,
            score: (self.coverage() * self.alike * sure).clamp(0.0, 1.0),
            matched: self.matched as u32,
            held,
        }
    }
}

/// The run of frames along `line` with the most matches, across gaps of at most [`GAP`].
fn longest_run(here_us: &[i64], votes: &[Vote], line: &Line, tolerance: f64) -> Option<Run> {
    let on: Vec<(usize, f64)> = votes
        .chunk_by(|a, b| a.moment == b.moment)
        .filter_map(|group| {
            let best = line::best_of(group, line, tolerance)?;
            let miss = (best.there - line.at(best.here)).abs() / tolerance;
            Some((best.moment as usize, alike(best.weight / (1.0 - 0.5 * miss))))
        })
        .collect();
    runs(here_us, &on, *line)
}

/// A still on one side: every frame that looks like it counts, wherever it is.
fn on_still(here_us: &[i64], votes: &[Vote]) -> Option<Run> {
    let first = votes.first()?;
    let on: Vec<(usize, f64)> = votes
        .chunk_by(|a, b| a.moment == b.moment)
        .map(|group| (group[0].moment as usize, alike(group[0].weight)))
        .collect();
    let line = Line { offset: first.there - first.here, speed: 1.0, weight: 0.0 };
    runs(here_us, &on, line)
}

fn alike(weight: f64) -> f64 {
    1.0 - (1.0 - weight.max(0.0).sqrt()) * 40.0 / 64.0
}

fn runs(here_us: &[i64], on: &[(usize, f64)], line: Line) -> Option<Run> {
    let near = |a: &(usize, f64), b: &(usize, f64)| {
        (here_us[b.0] - here_us[a.0]) as f64 / 1e6 <= GAP || b.0 - a.0 <= 2
    };
    let best = on.chunk_by(near).max_by(|a, b| a.len().cmp(&b.len()).then(b[0].0.cmp(&a[0].0)))?;
    let (first, last) = (best.first()?.0, best.last()?.0);
    let alike = best.iter().map(|m| m.1).sum::<f64>() / best.len() as f64;
    Some(Run { line, moments: first..last + 1, matched: best.len(), alike })
}
