//! Whether a mouth opens when its sound is loud: correlation of the two, window by window.
//!
//! Loudness alone has no parameter to fit. On clips of sources that it was not fitted on, a regression on the spectrum
//! did no better (`datasets/talking-open/card.md`).

use super::features::Tick;
use crate::levels::StreamLevels;
use seamline_core::{MediaTime, Span};

/// Length of a window and the distance of windows; a shorter sight of a face is one window, if it has the least length.
const WINDOW: MediaTime = MediaTime::from_millis(8_000);
const HOP: MediaTime = MediaTime::from_millis(2_000);
const LEAST: MediaTime = MediaTime::from_millis(3_800);
/// How far sound may run before or after the picture: capture and codecs shift it (ITU-R BT.1359-1 tolerates 45 ms
/// before and 125 after; ordinary files do worse), and the jaw moves before the voice.
const NEAR_MS: i64 = 240;
const STEP_MS: i64 = 40;
/// A part of a window in which the face must be followed, and in which there must be speech.
const SEEN: f64 = 0.8;
const SPOKEN: f64 = 0.5;
/// Sound that varies less (standard deviation of the level, in nats) has no syllables.
const UNEVEN: f32 = 0.5;

/// One window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LipWindow {
    /// When.
    pub span: Span,
    /// The best correlation of mouth opening and level near no delay, -1 to 1.
    pub correlation: f32,
    /// At which delay of the sound.
    pub delay: MediaTime,
}

/// Windows of a face against a stream.
pub(super) fn windows(ticks: &[Tick], levels: &StreamLevels, speech: &[Span]) -> Vec<LipWindow> {
    let mut out = Vec::new();
    let (Some(first), Some(last)) = (ticks.first(), ticks.last()) else { return out };
    let mut start = first.time;
    loop {
        let end = start.plus(WINDOW).min(last.time);
        if end.minus(start) < LEAST {
            return out;
        }
        let from = ticks.partition_point(|t| t.time < start);
        let to = ticks.partition_point(|t| t.time <= end);
        let span = Span::new(start, end);
        out.extend(ticks.get(from..to).and_then(|part| window(span, part, levels, speech)));
        if end == last.time {
            return out;
        }
        start = start.plus(HOP);
    }
}

fn window(span: Span, ticks: &[Tick], levels: &StreamLevels, speech: &[Span]) -> Option<LipWindow> {
    let length = span.duration().as_micros() as f64;
    let covered = |spans: &mut dyn Iterator<Item = (MediaTime, MediaTime)>| {
        spans.map(|(a, b)| b.min(span.end).minus(a.max(span.start)).as_micros().max(0)).sum::<i64>() as f64
            / length
    };
    let pairs = ticks.windows(2).filter(|p| super::features::follows(p[0].time, p[1].time));
    if covered(&mut pairs.map(|p| (p[0].time, p[1].time))) < SEEN
        || covered(&mut speech.iter().map(|s| (s.start, s.end))) < SPOKEN
    {
        return None;
    }
    let mut best: Option<(f32, i64)> = None;
    for delay in (-NEAR_MS..=NEAR_MS).step_by(STEP_MS as usize) {
        let shift = MediaTime::from_millis(delay);
        let both: Vec<(f32, f32)> =
            ticks.iter().filter_map(|t| Some((t.mouth, levels.at(t.time.plus(shift))?))).collect();
        if (both.len() as f64) < SEEN * ticks.len() as f64 {
            continue;
        }
        let Some((value, uneven)) = correlation(&both) else { continue };
        if delay == 0 && uneven < UNEVEN {
            return None;
        }
        if best.is_none_or(|b| value > b.0) {
            best = Some((value, delay));
        }
    }
    best.map(|(correlation, delay)| LipWindow { span, correlation, delay: MediaTime::from_millis(delay) })
}

/// Pearson's correlation and the second's standard deviation; `None` where either does not vary.
fn correlation(both: &[(f32, f32)]) -> Option<(f32, f32)> {
    let n = both.len() as f32;
    let (ma, mb) = both.iter().fold((0.0, 0.0), |m, p| (m.0 + p.0 / n, m.1 + p.1 / n));
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for (a, b) in both {
        let (a, b) = (a - ma, b - mb);
        aa += a * a;
        bb += b * b;
        ab += a * b;
    }
    let scale = (aa * bb).sqrt();
    (scale > 1e-9).then(|| (ab / scale, (bb / n).sqrt()))
}

/// Spans in which at least `run` windows in a row correlate less than `least`.
pub(super) fn disagreements(windows: &[LipWindow], least: f32, run: usize) -> Vec<Span> {
    let mut out = Vec::new();
    let mut low: Vec<&LipWindow> = Vec::new();
    let mut close = |low: &mut Vec<&LipWindow>| {
        if let (true, Some(a), Some(b)) = (low.len() >= run, low.first(), low.last()) {
            out.push(Span::new(a.span.start, b.span.end));
        }
        low.clear();
    };
    for w in windows {
        let joined = low.last().is_none_or(|l| w.span.start <= l.span.end);
        if !joined || w.correlation >= least {
            close(&mut low);
        }
        if w.correlation < least {
            low.push(w);
        }
    }
    close(&mut low);
    out
}

#[cfg(test)]
mod tests {
    use super::super::texture::Texture;
    use super::*;

    /// A mouth that follows `say`, and sound that says it `delay` milliseconds later.
    fn scene(delay: i64, say: impl Fn(f64) -> f64) -> (Vec<Tick>, StreamLevels) {
        let tick = |n: i64| Tick {
            time: MediaTime::from_millis(80 * n),
            points: Vec::new(),
            unit: 100.0,
            mouth: say(0.08 * n as f64) as f32,
            eyes: 0.1,
            texture: Texture { detail: [0.0; 3], change: None },
        };
        let level = |n: i64| 4.0 * say(0.04 * n as f64 + 0.02 - delay as f64 / 1e3) as f32 - 3.0;
        let values = (0..600).map(level).collect();
        ((0..250).map(tick).collect(), StreamLevels { start: MediaTime::ZERO, values })
    }

    fn syllables(t: f64) -> f64 {
        // Irregular, so that no shift looks like another.
        0.3 + 0.2 * (t * 9.1).sin() + 0.15 * (t * 5.3 + t * t * 0.21).sin()
    }

    fn all() -> Vec<Span> {
        vec![Span::new(MediaTime::ZERO, MediaTime::from_millis(60_000))]
    }

    #[test]
    fn own_sound_correlates_and_its_delay_is_found() {
        let (ticks, levels) = scene(120, syllables);
        let found = windows(&ticks, &levels, &all());
        assert!(found.len() >= 6, "{}", found.len());
        for w in &found {
            assert!(w.correlation > 0.95 && w.delay == MediaTime::from_millis(120), "{w:?}");
        }
        assert_eq!(disagreements(&found, 0.2, 2), []);
    }

    #[test]
    fn foreign_sound_does_not_and_its_span_is_told() {
        let (ticks, _) = scene(0, syllables);
        let (_, other) = scene(0, |t| syllables(t * 1.31 + 40.0));
        let found = windows(&ticks, &other, &all());
        assert!(found.iter().all(|w| w.correlation < 0.6), "{found:?}");
        let spans = disagreements(&found, 0.6, 2);
        assert_eq!(spans.len(), 1);
        assert!(spans[0].duration() > MediaTime::from_millis(15_000));
        assert_eq!(disagreements(&found[..1], 0.6, 2), []);
    }

    #[test]
    fn silence_an_unseen_face_and_even_sound_are_not_judged() {
        let (ticks, levels) = scene(0, syllables);
        assert_eq!(windows(&ticks, &levels, &[]), []);
        let sparse: Vec<Tick> = ticks.iter().step_by(3).cloned().collect();
        assert_eq!(windows(&sparse, &levels, &all()), []);
        let even = StreamLevels { start: MediaTime::ZERO, values: vec![-2.0; 600] };
        assert_eq!(windows(&ticks, &even, &all()), []);
        assert_eq!(windows(&[], &levels, &all()), []);
    }
}
