//! Alignment over sound fingerprints: items that are equal or nearly so propose a line, bit errors along it decide.

use super::line::{self, Line, Vote};
use super::{Alignment, span, whole_millionths};
use crate::sound::{STEP_US, SoundPrint};

/// Two items that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoundPair {
    /// Number of the item here.
    pub here: u32,
    /// Number of the item there.
    pub there: u32,
    /// Bits in which they differ.
    pub distance: u32,
}

/// Pairs kept for one item, the nearest.
const PER_ITEM: usize = 16;
/// Items (of 0.124 s) over which bit errors are averaged: 2 s.
const WINDOW: usize = 16;
/// Fraction of wrong bits under which two windows are the same sound. Unrelated music and speech lie at 0.40 to 0.50;
/// Chromaprint's own matcher takes 10 of 32 bits (0.31) for the same.
const SAME: f64 = 0.31;
/// Longest stretch of other sound inside an alignment, in items: 3 s.
const GAP: usize = 24;
/// Shortest alignment, in items: 2 s, besides the 2.6 s that the last item hears.
const LEAST: usize = 16;
/// Fewest pairs on the line.
const PAIRS: usize = 4;
/// Most stretches looked for between two clips.
const STRETCHES: usize = 16;

/// Stretches of sound that `here` shares with `there`, best first.
pub fn align_sound(here: &SoundPrint, there: &SoundPrint, pairs: &[SoundPair]) -> Vec<Alignment> {
    let step = f64::from(STEP_US) / 1e6;
    let mut votes: Vec<Vote> = pairs
        .iter()
        .map(|p| Vote {
            moment: p.here,
            here: f64::from(p.here) * step,
            there: f64::from(p.there) * step,
            weight: 1.0 / f64::from(1 + p.distance),
        })
        .collect();
    votes.sort_by(|a, b| a.moment.cmp(&b.moment).then(b.weight.total_cmp(&a.weight)));
    let mut votes: Vec<Vote> = votes
        .chunk_by(|a, b| a.moment == b.moment)
        // An item that is everywhere (a jingle's silence) says nothing about where.
        .flat_map(|group| &group[..group.len().min(PER_ITEM)])
        .copied()
        .collect();
    let tolerance = 1.5 * step;
    let mut found = Vec::new();
    for _ in 0..STRETCHES {
        let Some(line) = line::best(&votes, tolerance) else { break };
        let on = |v: &Vote| (v.there - line.at(v.here)).abs() <= tolerance;
        if votes.chunk_by(|a, b| a.moment == b.moment).filter(|g| g.iter().any(on)).count() < PAIRS {
            break;
        }
        match extend(here, there, &line, step) {
            Some(run) => {
                let inside = |v: &Vote| (run.from..run.to).contains(&(v.moment as usize));
                let matched = votes.iter().filter(|v| inside(v) && on(v)).count();
                votes.retain(|v| !inside(v));
                // The items of a run overlap: the last one hears on past its own step.
                let (start, end) = (run.from as f64 * step, run.to as f64 * step);
                let (h, t) = (here.start_us as f64, there.start_us as f64);
                found.push(Alignment {
                    here: span(h + start * 1e6, h + end * 1e6),
                    there: span(t + line.at(start).max(0.0) * 1e6, t + line.at(end).max(0.0) * 1e6),
                    speed: whole_millionths(line.speed),
                    mirrored: false,
                    score: (1.0 - 2.0 * run.errors).clamp(0.0, 1.0),
                    matched: matched as u32,
                    held: false,
                });
            }
            None => votes.retain(|v| !on(v)),
        }
        if votes.is_empty() {
            break;
        }
    }
    found.sort_by(|a: &Alignment, b| {
        let worth = |x: &Alignment| x.score * x.duration().as_secs_f64();
        worth(b).total_cmp(&worth(a)).then(a.here.start.cmp(&b.here.start))
    });
    found
}

struct Stretch {
    from: usize,
    to: usize,
    /// Fraction of wrong bits.
    errors: f64,
}

/// The longest stretch along `line` in which windows of items agree.
fn extend(here: &SoundPrint, there: &SoundPrint, line: &Line, step: f64) -> Option<Stretch> {
    // Bit errors of every item with its counterpart; at speeds other than 1 also its neighbours, since the items
    // of a stretched sound fall between those of the other.
    let reach = usize::from((line.speed - 1.0).abs() > 0.004);
    let errors: Vec<Option<u32>> = (0..here.items.len())
        .map(|n| {
            let at = (line.at(n as f64 * step) / step).round();
            if at < 0.0 || at >= there.items.len() as f64 {
                return None;
            }
            let at = at as usize;
            let around = at.saturating_sub(reach)..(at + reach + 1).min(there.items.len());
            there.items[around].iter().map(|t| (here.items[n] ^ t).count_ones()).min()
        })
        .collect();
    let mut same = vec![false; errors.len()];
    for (n, window) in errors.windows(WINDOW).enumerate() {
        let Some(sum) = window.iter().copied().sum::<Option<u32>>() else { continue };
        if f64::from(sum) <= SAME * 32.0 * WINDOW as f64 {
            same[n..n + WINDOW].fill(true);
        }
    }
    let on: Vec<usize> = (0..same.len()).filter(|n| same[*n]).collect();
    let run = on.chunk_by(|a, b| b - a <= GAP).max_by_key(|r| r.len())?;
    let (from, to) = (*run.first()?, *run.last()? + 1);
    if to - from < LEAST {
        return None;
    }
    // A window's outer items may be of other sound that the window's mean has carried.
    let good = |n: &usize| errors[*n].is_some_and(|e| f64::from(e) <= SAME * 32.0);
    let from = (from..to).find(good)?;
    let to = (from..to).rev().find(good)? + 1;
    let counted: Vec<u32> = errors[from..to].iter().flatten().copied().collect();
    let wrong = f64::from(counted.iter().sum::<u32>()) / (32 * counted.len()) as f64;
    (to - from >= LEAST).then_some(Stretch { from, to, errors: wrong })
}
