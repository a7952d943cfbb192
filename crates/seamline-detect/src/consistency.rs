//! Whether one recording is one: jumps of the background and of the band under speech, and samples that are exactly zero.
//!
//! Nothing is learnt here. Two stretches of three seconds, before and after a moment, are compared with each other and
//! each with its own halves: a join changes what is alike on either side of it. The thresholds are those that one in a
//! hundred bona fide recordings of the training data passes (`benches/splices.md`).

use crate::aggregate::median;
use crate::stft::{FFT, PowerSpectrum};
use seamline_core::{AudioBlock, MediaTime, Span};

/// Samples a step: 40 ms.
const STEP: usize = 640;
/// Steps a stretch on either side: 3 s.
const SIDE: usize = 75;
/// Steps between the moments that are tried; a part of [`SIDE`], so that stretches meet.
const HOP: usize = 5;
const _: () = assert!(SIDE.is_multiple_of(HOP));
/// Bands of 500 Hz up to 8 kHz.
const BANDS: usize = 16;
/// Steps that are kept: two hours.
const MOST: usize = 2 * 3_600 * 25;
/// A part of the steps of a stretch must be speech, and a part must not, or its background is not seen.
const SPOKEN: std::ops::RangeInclusive<f64> = 0.2..=0.97;
/// Rank of the step, as a part, whose level counts as background.
const FLOOR_RANK: f64 = 0.1;
/// The band ends where the average spectrum is this far (in nats of power; 55 dB) below its strongest band, for good.
const BAND_END: f32 = 12.7;
/// A background that differs by this more (nats of power, median over bands) than the halves of its sides do, is another.
pub const FLOOR_JUMP: f32 = 2.0;
/// A band that differs by this many bands of 500 Hz more than the halves of its sides do, is another.
pub const BAND_JUMP: f32 = 3.0;
/// |sample| below this is zero: a hundredth of the last bit of 16.
const ZERO: f32 = 3e-7;
/// Zeros that last at least this long are told, if sound is on both sides of them; at most this many.
const SILENT: usize = 480;
const MOST_TOLD: usize = 16;

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The background.
    Floor,
    /// The highest frequency of the speech.
    Band,
    /// Samples are exactly zero.
    Silence,
}

/// One place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jump {
    /// What.
    pub change: Change,
    /// When: around a jump, or as long as the zeros last.
    pub span: Span,
    /// How much: nats of power, bands of 500 Hz, or seconds.
    pub size: f32,
}

/// Watches one stream.
#[derive(Default)]
pub struct ConsistencyMeter {
    stft: PowerSpectrum,
    pending: Vec<f32>,
    start: Option<MediaTime>,
    steps: Vec<[f32; BANDS]>,
    taken: u64,
    /// Sample at which the open run of zeros began.
    zero_since: Option<u64>,
    zeros: Vec<(u64, u64)>,
}

/// How much differs around one moment.
struct Difference {
    step: usize,
    floor: f32,
    band: f32,
}

impl ConsistencyMeter {
    /// Takes a block of sound.
    pub fn push(&mut self, block: &AudioBlock) {
        self.start.get_or_insert(block.time);
        for (at, sample) in (self.taken..).zip(&block.samples) {
            match (sample.abs() < ZERO, self.zero_since) {
                (true, None) => self.zero_since = Some(at),
                (false, Some(since)) => {
                    // Zeros before the first sound are no gap in it.
                    if at - since >= SILENT as u64 && since > 0 && self.zeros.len() < MOST_TOLD {
                        self.zeros.push((since, at));
                    }
                    self.zero_since = None;
                }
                _ => {}
            }
        }
        self.taken += block.samples.len() as u64;
        self.pending.extend_from_slice(&block.samples);
        let mut from = 0;
        while let Some(step) = self.pending.get(from..from + STEP) {
            if self.steps.len() < MOST {
                let power = self.stft.of(step.get(..FFT).unwrap_or_default());
                let mut bands = [0f32; BANDS];
                for (band, bins) in
                    bands.iter_mut().zip(power.get(1..).unwrap_or_default().chunks(FFT / 2 / BANDS))
                {
                    *band = (bins.iter().sum::<f32>() / bins.len() as f32 + 1e-9).ln();
                }
                self.steps.push(bands);
            }
            from += STEP;
        }
        self.pending.drain(..from);
    }

    /// The end of the stream; `speech` are its runs of speech.
    pub fn finish(self, speech: &[Span]) -> Vec<Jump> {
        let mut out = self.jumps(speech);
        for &(from, to) in &self.zeros {
            let size = (to - from) as f32 / AudioBlock::RATE_HZ as f32;
            out.push(Jump { change: Change::Silence, span: Span::new(self.at(from), self.at(to)), size });
        }
        out
    }

    /// For each moment that can be judged, by how much background and band differ around it.
    fn differences(&self, speech: &[Span]) -> Vec<Difference> {
        let spoken: Vec<bool> = {
            let mut runs = speech.iter().peekable();
            let step = |i: usize| {
                let time = self.at((i * STEP + STEP / 2) as u64);
                while runs.peek().is_some_and(|r| r.end < time) {
                    runs.next();
                }
                runs.peek().is_some_and(|r| r.start <= time)
            };
            (0..self.steps.len()).map(step).collect()
        };
        // What lies after one moment lies before another: each stretch is measured once.
        let side = |from: usize| Side::of(self.steps.get(from..from + SIDE)?, spoken.get(from..from + SIDE)?);
        let sides: Vec<Option<Side>> =
            (0..self.steps.len().saturating_sub(SIDE)).step_by(HOP).map(side).collect();
        let pairs = sides.iter().zip(sides.iter().skip(SIDE / HOP)).enumerate();
        pairs
            .filter_map(|(i, (left, right))| {
                let (left, right) = (left.as_ref()?, right.as_ref()?);
                let (floor, band) = (left.floor_against(right), left.band_against(right));
                Some(Difference { step: SIDE + i * HOP, floor, band })
            })
            .collect()
    }

    /// The largest difference of background and of band, for the bench that sets the thresholds.
    pub fn largest(&self, speech: &[Span]) -> Option<(f32, f32)> {
        let all = self.differences(speech);
        let most = |of: fn(&Difference) -> f32| all.iter().map(of).fold(f32::NEG_INFINITY, f32::max);
        (!all.is_empty()).then(|| (most(|d| d.floor), most(|d| d.band)))
    }

    fn jumps(&self, speech: &[Span]) -> Vec<Jump> {
        let found = self.differences(speech);
        let floors = peaks(&found, FLOOR_JUMP, |d| d.floor).into_iter().map(|p| self.told(Change::Floor, p));
        let bands = peaks(&found, BAND_JUMP, |d| d.band).into_iter().map(|p| self.told(Change::Band, p));
        floors.chain(bands).take(MOST_TOLD).collect()
    }

    fn told(&self, change: Change, (middle, size): (usize, f32)) -> Jump {
        let (from, to) = (middle.saturating_sub(HOP), middle + HOP);
        Jump { change, span: Span::new(self.at((from * STEP) as u64), self.at((to * STEP) as u64)), size }
    }

    fn at(&self, sample: u64) -> MediaTime {
        let since = MediaTime::from_samples(sample, AudioBlock::RATE_HZ).unwrap_or(MediaTime::ZERO);
        self.start.unwrap_or(MediaTime::ZERO).plus(since)
    }
}

/// Steps and values of what is at least `least`. One jump is seen from several moments: the highest of those within a
/// side's length tells.
fn peaks(found: &[Difference], least: f32, value: fn(&Difference) -> f32) -> Vec<(usize, f32)> {
    let mut out: Vec<(usize, f32)> = Vec::new();
    for d in found.iter().filter(|d| value(d) >= least) {
        match out.last_mut() {
            Some((step, best)) if d.step - *step < SIDE => {
                if value(d) > *best {
                    (*step, *best) = (d.step, value(d));
                }
            }
            _ => out.push((d.step, value(d))),
        }
    }
    out
}

/// A stretch and its halves.
struct Side {
    floor: [f32; BANDS],
    floors: [[f32; BANDS]; 2],
    band: f32,
    bands: [f32; 2],
}

impl Side {
    /// `None` where there is too little speech, or no pause.
    fn of(steps: &[[f32; BANDS]], spoken: &[bool]) -> Option<Self> {
        let part = spoken.iter().filter(|s| **s).count() as f64 / spoken.len().max(1) as f64;
        if !SPOKEN.contains(&part) {
            return None;
        }
        let (a, b) = steps.split_at(steps.len() / 2);
        Some(Self {
            floor: floor(steps),
            floors: [floor(a), floor(b)],
            band: band(steps),
            bands: [band(a), band(b)],
        })
    }

    fn floor_against(&self, other: &Self) -> f32 {
        let own =
            distance(&self.floors[0], &self.floors[1]).max(distance(&other.floors[0], &other.floors[1]));
        distance(&self.floor, &other.floor) - own
    }

    fn band_against(&self, other: &Self) -> f32 {
        let own = (self.bands[0] - self.bands[1]).abs().max((other.bands[0] - other.bands[1]).abs());
        (self.band - other.band).abs() - own
    }
}

fn floor(steps: &[[f32; BANDS]]) -> [f32; BANDS] {
    let mut out = [0.0; BANDS];
    for (band, out) in out.iter_mut().enumerate() {
        let mut levels: Vec<f32> = steps.iter().map(|s| s[band]).collect();
        levels.sort_by(f32::total_cmp);
        let rank = (levels.len() as f64 * FLOOR_RANK) as usize;
        *out = levels.get(rank).copied().unwrap_or(0.0);
    }
    out
}

/// Median over bands, so that one tone that starts is no other room.
fn distance(a: &[f32; BANDS], b: &[f32; BANDS]) -> f32 {
    let apart: Vec<f32> = a.iter().zip(b).map(|(a, b)| (a - b).abs()).collect();
    median(&apart).unwrap_or(0.0)
}

/// The last band that the average spectrum reaches.
fn band(steps: &[[f32; BANDS]]) -> f32 {
    let mut mean = [0f32; BANDS];
    for step in steps {
        mean.iter_mut().zip(step).for_each(|(m, s)| *m += s.exp());
    }
    let peak = mean.iter().copied().fold(0.0, f32::max);
    let least = peak * (-BAND_END).exp();
    mean.iter().rposition(|m| *m >= least).map_or(0.0, |i| i as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seamline_core::StreamIndex;
    use seamline_testkit::clips::reading_samples;

    fn noise(samples: &mut [f32], level: f32) {
        let more = seamline_testkit::wave::lcg_noise(samples.len());
        samples.iter_mut().zip(more).for_each(|(s, n)| *s += level * n);
    }

    fn jumps(samples: &[f32]) -> Vec<Jump> {
        let mut meter = ConsistencyMeter::default();
        let mut sampler = crate::speech::SpeechSampler::new(StreamIndex(0), &[], false);
        for (i, part) in samples.chunks(1_600).enumerate() {
            let (time, samples) = (MediaTime::from_millis(100 * i as i64), part.to_vec());
            let block = AudioBlock { stream: StreamIndex(0), time, samples, native_peak: 0.5 };
            meter.push(&block);
            sampler.push(&block, &mut |_| Ok(())).unwrap();
        }
        meter.finish(&sampler.finish(&mut |_| Ok(())).unwrap().0.segments)
    }

    #[test]
    fn one_recording_has_no_jump_and_a_join_of_two_rooms_has() {
        // With a pause after every two seconds, so that the background is seen.
        let spoken: Vec<f32> = reading_samples().unwrap().into_iter().cycle().take(16_000 * 16).collect();
        let one: Vec<f32> = spoken.chunks(32_000).flat_map(|c| [c, &[0.0; 16_000][..]].concat()).collect();
        let mut same = one.clone();
        noise(&mut same, 0.003);
        let of = |j: &[Jump], c: Change| {
            j.iter().filter(|j| j.change == c).map(|j| j.span.start).collect::<Vec<_>>()
        };
        let quiet = jumps(&same);
        assert_eq!(of(&quiet, Change::Floor), [], "{quiet:?}");
        let mut joined = one;
        let (a, b) = joined.split_at_mut(16_000 * 12);
        noise(a, 0.0005);
        noise(b, 0.03);
        let found = jumps(&joined);
        let at = of(&found, Change::Floor);
        assert!(!at.is_empty(), "{found:?}");
        assert!(at.iter().any(|t| (t.as_secs_f64() - 12.0).abs() < 1.5), "{found:?}");
    }

    #[test]
    fn zeros_inside_are_told_and_those_at_the_ends_are_not() {
        let mut sound = reading_samples().unwrap();
        noise(&mut sound, 0.001);
        let n = sound.len();
        sound[..4_000].fill(0.0);
        sound[n - 4_000..].fill(0.0);
        sound[16_000..17_600].fill(0.0);
        let told: Vec<Jump> = jumps(&sound).into_iter().filter(|j| j.change == Change::Silence).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!((told[0].size - 0.1).abs() < 1e-3 && told[0].span.start == MediaTime::from_millis(1_000));
    }
}
