//! The mouth against the sound, as a picture for reports.

use super::features::Tick;
use super::lips::LipWindow;
use crate::levels::StreamLevels;
use crate::sample::Picture;
use seamline_core::{MediaTime, RgbFrame, Subject};

const WIDTH: usize = 640;
const HEIGHT: usize = 120;
/// Most of a clip that is drawn: beyond it single syllables could not be told apart.
const LONGEST: MediaTime = MediaTime::from_millis(30_000);
const PAPER: [u8; 3] = [250, 250, 248];
const RULE: [u8; 3] = [214, 214, 210];
const MOUTH: [u8; 3] = [176, 58, 46];
const SOUND: [u8; 3] = [52, 101, 148];

/// Both curves over the first half minute in which the face is compared with the sound: mouth in the upper half, sound in
/// the lower, each from its own least to its own most.
pub(super) fn draw(
    subject: Subject,
    ticks: &[Tick],
    levels: &StreamLevels,
    windows: &[LipWindow],
) -> Picture {
    let start = windows.first().map_or(MediaTime::ZERO, |w| w.span.start);
    let last = windows.last().map_or(start, |w| w.span.end);
    let end = if last.minus(start) > LONGEST { start.plus(LONGEST) } else { last };
    let length = end.minus(start).as_secs_f64().max(0.04);
    let column = |time: MediaTime| (time.minus(start).as_secs_f64() / length * (WIDTH - 1) as f64) as usize;
    let shown = || ticks.iter().filter(|t| t.time >= start && t.time <= end);
    let mouth: Vec<(usize, f32)> = shown().map(|t| (column(t.time), t.mouth)).collect();
    let sound: Vec<(usize, f32)> =
        shown().filter_map(|t| Some((column(t.time), levels.at(t.time)?))).collect();
    let mut canvas = vec![PAPER; WIDTH * HEIGHT];
    let middle = HEIGHT / 2;
    canvas.iter_mut().skip(middle * WIDTH).take(WIDTH).for_each(|p| *p = RULE);
    for second in 1..length as i64 + 1 {
        let x = column(start.plus(MediaTime::from_millis(1_000 * second)));
        (0..HEIGHT).filter_map(|y| (x < WIDTH).then_some(y * WIDTH + x)).for_each(|at| canvas[at] = RULE);
    }
    line(&mut canvas, &mouth, 4, middle - 4, MOUTH);
    line(&mut canvas, &sound, middle + 4, HEIGHT - 4, SOUND);
    let data = canvas.into_iter().flatten().collect();
    let correlations: Vec<f32> = windows.iter().map(|w| w.correlation).collect();
    let typical = crate::aggregate::median(&correlations).unwrap_or(0.0);
    Picture {
        kind: "curve",
        subject,
        caption: format!(
            "mouth (upper curve) and sound (lower), {start} to {end}: correlation {typical:.2}, a line a second"
        ),
        frame: RgbFrame::new(WIDTH as u32, HEIGHT as u32, data).unwrap_or_else(RgbFrame::empty),
        heat: None,
        path: None,
    }
}

/// A polyline between `top` (the largest value) and `bottom`.
fn line(canvas: &mut [[u8; 3]], values: &[(usize, f32)], top: usize, bottom: usize, colour: [u8; 3]) {
    let low = values.iter().fold(f32::MAX, |m, v| m.min(v.1));
    let high = values.iter().fold(f32::MIN, |m, v| m.max(v.1));
    let row = |v: f32| {
        let part = ((v - low) / (high - low).max(1e-6)).clamp(0.0, 1.0);
        bottom as f32 - part * (bottom - top) as f32
    };
    for pair in values.windows(2) {
        let [(x0, a), (x1, b)] = pair else { continue };
        let steps = x1.saturating_sub(*x0).max((row(*a) - row(*b)).abs() as usize).max(1);
        for i in 0..=steps {
            let part = i as f32 / steps as f32;
            let x = (*x0 as f32 + (*x1 as f32 - *x0 as f32) * part) as usize;
            let y = (row(*a) + (row(*b) - row(*a)) * part) as usize;
            for y in [y, y + 1] {
                if let (true, Some(pixel)) = (x < WIDTH, canvas.get_mut(y * WIDTH + x)) {
                    *pixel = colour;
                }
            }
        }
    }
}
