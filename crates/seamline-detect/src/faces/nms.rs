//! Hard non-maximum suppression, best first; equal scores keep the decoder's order.

use super::Candidate;

/// More candidates than any real picture gives; the best are kept.
const MAX_CANDIDATES: usize = 2_000;

pub(super) fn suppress(mut candidates: Vec<Candidate>, limit: f32) -> Vec<Candidate> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    candidates.truncate(MAX_CANDIDATES);
    let mut kept: Vec<Candidate> = Vec::new();
    for c in candidates {
        if kept.iter().all(|k| iou(&k.corners, &c.corners) <= limit) {
            kept.push(c);
        }
    }
    kept
}

fn iou(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let w = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let h = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let area = |r: &[f32; 4]| (r[2] - r[0]) * (r[3] - r[1]);
    w * h / (area(a) + area(b) - w * h).max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_of_two_overlapping_boxes_stays() {
        let c = |x: f32, score| Candidate { corners: [x, 0.0, x + 10.0, 10.0], score, points: vec![] };
        let kept = suppress(vec![c(1.0, 0.6), c(0.0, 0.9), c(30.0, 0.5)], 0.3);
        assert_eq!(kept.iter().map(|k| k.score).collect::<Vec<_>>(), [0.9, 0.5]);
    }
}
