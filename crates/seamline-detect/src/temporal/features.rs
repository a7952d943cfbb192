//! From pictures of one face, one after another, to a dozen numbers about it.

use super::texture::Texture;
use crate::aggregate::median;
use crate::faces::mesh::{self, RIGID};
use seamline_core::MediaTime;

/// One picture of a face.
#[derive(Clone, Debug)]
pub(super) struct Tick {
    pub(super) time: MediaTime,
    /// [`RIGID`] points, then those of the outline, in picture pixels.
    pub(super) points: Vec<(f32, f32)>,
    /// Distance of the outer corners of the eyes in the same pixels.
    pub(super) unit: f32,
    pub(super) mouth: f32,
    pub(super) eyes: f32,
    pub(super) texture: Texture,
}

/// What is measured, in this order.
pub const NAMES: [&str; 12] = [
    "mouth_detail",
    "middle_detail",
    "mouth_unrest",
    "eye_unrest",
    "mouth_change",
    "middle_change",
    "edge_change",
    "jitter",
    "edge_jitter",
    "head_motion",
    "mouth_motion",
    "eye_motion",
];

/// Pictures further apart than this do not follow each other.
const BREAK: MediaTime = MediaTime::from_millis(150);
/// Length of a window and the distance of windows.
const WINDOW: MediaTime = MediaTime::from_millis(4_000);
const HOP: MediaTime = MediaTime::from_millis(2_000);
/// Pictures that a window needs.
const LEAST: usize = 20;

/// Whether `b` follows `a` closely enough to be compared with it.
pub(super) fn follows(a: MediaTime, b: MediaTime) -> bool {
    b > a && b.minus(a) <= BREAK
}

/// The numbers of a face: of each the median over windows. `None` where no window has enough pictures.
pub(super) fn of(ticks: &[Tick]) -> Option<[f64; 12]> {
    let (first, last) = (ticks.first()?.time, ticks.last()?.time);
    let mut windows: Vec<[f32; 12]> = Vec::new();
    let mut start = first;
    loop {
        let end = start.plus(WINDOW);
        let from = ticks.partition_point(|t| t.time < start);
        let to = ticks.partition_point(|t| t.time < end);
        windows.extend(ticks.get(from..to).and_then(window));
        if end > last {
            break;
        }
        start = start.plus(HOP);
    }
    let mut out = [0.0; 12];
    for (i, out) in out.iter_mut().enumerate() {
        *out = f64::from(median(&windows.iter().map(|w| w[i]).collect::<Vec<_>>())?);
    }
    Some(out)
}

fn window(ticks: &[Tick]) -> Option<[f32; 12]> {
    if ticks.len() < LEAST {
        return None;
    }
    let detail = |part: usize| ticks.iter().map(move |t| t.texture.detail[part]).collect::<Vec<_>>();
    let (mouth, eyes, middle) = (detail(0), detail(1), detail(2));
    let pairs = || ticks.windows(2).filter(|p| follows(p[0].time, p[1].time));
    let unrest = |part: usize| {
        let d: Vec<f32> = pairs().map(|p| p[1].texture.detail[part] - p[0].texture.detail[part]).collect();
        root_mean_square(&d)
    };
    let change = |part: usize| {
        let c: Vec<f32> = ticks.iter().filter_map(|t| t.texture.change.map(|c| c[part])).collect();
        (!c.is_empty()).then(|| (c.iter().sum::<f32>() / c.len() as f32 + 0.1).ln())
    };
    let (mut rigid, mut edge, mut head) = (Vec::new(), Vec::new(), Vec::new());
    for three in ticks.windows(3) {
        let [a, b, c] = three else { continue };
        if !follows(a.time, b.time) || !follows(b.time, c.time) {
            continue;
        }
        let (Some(back), Some(on)) = (
            mesh::residual(&a.points, &b.points, RIGID.len()),
            mesh::residual(&c.points, &b.points, RIGID.len()),
        ) else {
            continue;
        };
        // The second difference: even motion leaves nothing.
        let bend = back.iter().zip(&on).map(|(p, q)| (p.0 + q.0).hypot(p.1 + q.1) / b.unit);
        for (i, bend) in bend.enumerate() {
            if i < RIGID.len() { rigid.push(bend) } else { edge.push(bend) }
        }
    }
    for p in pairs() {
        let (Some(a), Some(b)) = (p[0].points.first(), p[1].points.first()) else { continue };
        head.push((b.0 - a.0).hypot(b.1 - a.1) / p[1].unit);
    }
    let jitter = log(root_mean_square(&rigid)?);
    let numbers = [
        median(&mouth)? - median(&eyes)?,
        median(&middle)? - median(&eyes)?,
        unrest(0)?,
        unrest(1)?,
        change(0)? - change(1)?,
        change(2)? - change(1)?,
        change(3)? - change(2)?,
        jitter,
        log(root_mean_square(&edge)?) - jitter,
        log(root_mean_square(&head)?),
        log(deviation(&ticks.iter().map(|t| t.mouth).collect::<Vec<_>>())?),
        log(deviation(&ticks.iter().map(|t| t.eyes).collect::<Vec<_>>())?),
    ];
    numbers.iter().all(|n| n.is_finite()).then_some(numbers)
}

/// Of a length in units of the eyes' distance; a ten-thousandth of it is nothing.
fn log(x: f32) -> f32 {
    (x + 1e-4).ln()
}

fn root_mean_square(x: &[f32]) -> Option<f32> {
    (!x.is_empty()).then(|| (x.iter().map(|v| v * v).sum::<f32>() / x.len() as f32).sqrt())
}

fn deviation(x: &[f32]) -> Option<f32> {
    let mean = x.iter().sum::<f32>() / x.len().max(1) as f32;
    root_mean_square(&x.iter().map(|v| v - mean).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faces::mesh::OVAL;

    /// A head that drifts; `shake` moves each point on its own, every other picture the other way.
    pub(crate) fn head(pictures: i64, shake: f32) -> Vec<Tick> {
        let points = RIGID.len() + OVAL.len();
        (0..pictures)
            .map(|n| {
                let sign = if n % 2 == 0 { shake } else { -shake };
                let at = |i: usize| {
                    let (x, y) = ((i * 37 % 101) as f32, (i * 53 % 97) as f32);
                    (x + 0.5 * n as f32 + sign * ((i % 3) as f32 - 1.0), y + sign * ((i % 5) as f32 - 2.0))
                };
                Tick {
                    time: MediaTime::from_millis(80 * n),
                    points: (0..points).map(at).collect(),
                    unit: 100.0,
                    mouth: 0.1 + 0.05 * (n as f32 * 0.7).sin(),
                    eyes: 0.08,
                    texture: Texture {
                        detail: [4.0, 5.0, 3.0],
                        change: (n > 0).then_some([2.0, 1.0, 1.0, 3.0]),
                    },
                }
            })
            .collect()
    }

    #[test]
    fn a_shaking_face_is_told_from_a_drifting_one() {
        let name = |n: &str| NAMES.iter().position(|m| *m == n).unwrap();
        let (still, shaken) = (of(&head(100, 0.0)).unwrap(), of(&head(100, 0.5)).unwrap());
        assert!(shaken[name("jitter")] > still[name("jitter")] + 3.0, "{still:?} {shaken:?}");
        assert!((still[name("mouth_detail")] + 1.0).abs() < 1e-6);
        assert!((still[name("mouth_change")] - (2.1f64 / 1.1).ln()).abs() < 1e-3);
        assert!(still[name("mouth_motion")] > still[name("eye_motion")]);
    }

    #[test]
    fn too_few_pictures_say_nothing() {
        assert_eq!(of(&head(12, 0.0)), None);
        assert_eq!(of(&[]), None);
        // Pictures that do not follow each other have no motion.
        let sparse: Vec<Tick> = head(100, 0.0).into_iter().step_by(2).collect();
        assert_eq!(of(&sparse), None);
    }
}
