//! Temporal localisation: which spans of a clip were manipulated.
//!
//! Spans are half-open in any unit of time. Proposals carry a score that supports spoof the more the higher it is.

use super::MetricError;

/// One proposed span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proposal {
    /// Start.
    pub start: f64,
    /// End, not before the start.
    pub end: f64,
    /// How strongly it is proposed.
    pub score: f64,
}

/// A clip's true spans and what was proposed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClipSegments {
    /// Manipulated spans; none in a bona fide clip.
    pub truth: Vec<(f64, f64)>,
    /// Proposals in any order.
    pub proposals: Vec<Proposal>,
}

/// Intersection over union of two spans; 0 where both are empty.
fn iou(a: (f64, f64), b: (f64, f64)) -> f64 {
    let inter = (a.1.min(b.1) - a.0.max(b.0)).max(0.0);
    let union = (a.1 - a.0) + (b.1 - b.0) - inter;
    if union > 0.0 { inter / union } else { 0.0 }
}

fn check(clips: &[ClipSegments]) -> Result<usize, MetricError> {
    let mut truths = 0;
    let mut at = 0;
    for clip in clips {
        for t in &clip.truth {
            if !(t.0.is_finite() && t.1.is_finite() && t.0 <= t.1) {
                return Err(MetricError::Parameter("a true span"));
            }
        }
        for p in &clip.proposals {
            if !(p.start.is_finite() && p.end.is_finite() && p.score.is_finite() && p.start <= p.end) {
                return Err(MetricError::NotFinite(at));
            }
            at += 1;
        }
        truths += clip.truth.len();
    }
    if truths == 0 { Err(MetricError::Empty) } else { Ok(truths) }
}

/// AP@IoU: proposals of all clips in falling order of score; each takes the free true span of its clip that it
/// overlaps most, if the IoU reaches `at_least`, and is a hit, otherwise a false alarm; the average precision is
/// the area under the precision envelope. Source: PASCAL VOC 2010 devkit, section 3.4.1, as used for time spans by
/// ActivityNet and by AV-Deepfake1M (2024). Proposals with equal scores are one threshold; among them the larger
/// overlap chooses first.
pub fn average_precision_at_iou(clips: &[ClipSegments], at_least: f64) -> Result<f64, MetricError> {
    if !(at_least > 0.0 && at_least <= 1.0) {
        return Err(MetricError::Parameter("the IoU"));
    }
    let truths = check(clips)?;
    let mut all: Vec<(f64, f64, usize, usize)> = Vec::new();
    for (c, clip) in clips.iter().enumerate() {
        for (p, proposal) in clip.proposals.iter().enumerate() {
            let best = clip.truth.iter().map(|&t| iou((proposal.start, proposal.end), t)).fold(0.0, f64::max);
            all.push((proposal.score, best, c, p));
        }
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)).then((a.2, a.3).cmp(&(b.2, b.3))));
    let mut taken: Vec<Vec<bool>> = clips.iter().map(|c| vec![false; c.truth.len()]).collect();
    let (mut hits, mut seen) = (0_u64, 0_u64);
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (i, &(score, _, c, p)) in all.iter().enumerate() {
        let (Some(clip), Some(taken)) = (clips.get(c), taken.get_mut(c)) else { continue };
        let Some(proposal) = clip.proposals.get(p) else { continue };
        let free = clip
            .truth
            .iter()
            .zip(taken.iter_mut())
            .filter(|(_, taken)| !**taken)
            .map(|(&t, taken)| (iou((proposal.start, proposal.end), t), taken))
            .filter(|(overlap, _)| *overlap >= at_least)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        seen += 1;
        if let Some((_, taken)) = free {
            *taken = true;
            hits += 1;
        }
        if all.get(i + 1).is_none_or(|next| next.0 != score) {
            points.push((hits as f64 / truths as f64, hits as f64 / seen as f64));
        }
    }
    // The envelope: at each recall, the best precision at that recall or beyond.
    let (mut area, mut best, mut right) = (0.0, 0.0_f64, None::<f64>);
    for &(recall, precision) in points.iter().rev() {
        if let Some(right) = right {
            area += (right - recall) * best;
        }
        best = best.max(precision);
        right = Some(recall);
    }
    Ok(area + right.unwrap_or(0.0) * best)
}

/// AR@N: over the IoU thresholds 0.5, 0.55, ..., 0.95, the mean share of true spans that one of the `n` best
/// proposals of their clip overlaps at least that much. Source: ActivityNet proposal task (2016); thresholds as in
/// AV-Deepfake1M (2024), section 5.2. Of proposals tied for the last place, the earlier start is taken.
pub fn average_recall_at(clips: &[ClipSegments], n: usize) -> Result<f64, MetricError> {
    if n == 0 {
        return Err(MetricError::Parameter("the number of proposals"));
    }
    let truths = check(clips)?;
    let mut found = [0_u64; 10];
    for clip in clips {
        let mut best: Vec<&Proposal> = clip.proposals.iter().collect();
        best.sort_by(|a, b| {
            b.score.total_cmp(&a.score).then(a.start.total_cmp(&b.start)).then(a.end.total_cmp(&b.end))
        });
        best.truncate(n);
        for &t in &clip.truth {
            let overlap = best.iter().map(|p| iou((p.start, p.end), t)).fold(0.0, f64::max);
            for (step, found) in found.iter_mut().enumerate() {
                *found += u64::from(overlap >= (50 + 5 * step) as f64 / 100.0);
            }
        }
    }
    Ok(found.iter().map(|&f| f as f64 / truths as f64).sum::<f64>() / 10.0)
}
