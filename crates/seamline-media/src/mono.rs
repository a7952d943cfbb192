//! From any channels at any rate to mono at 16 kHz, in blocks with exact times.

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler, WindowFunction};
use seamline_core::{AudioBlock, MediaError, MediaTime, StreamIndex};

/// Least input frames a resampler block: a longer block has a steeper anti-aliasing filter.
const BLOCK_IN: usize = 1024;
/// A jump in time larger than this restarts the resampler, so that later times stay right.
const MAX_DRIFT: MediaTime = MediaTime::from_millis(100);
/// Output samples a block, at most.
const BLOCK: usize = 16_000;

/// Averages channels, resamples, and keeps time.
pub(crate) struct Mono16k {
    stream: StreamIndex,
    rate_hz: u32,
    resampler: Option<Fft<f32>>,
    pending: Vec<f32>,
    /// Output samples still to be dropped: the resampler's delay.
    skip: usize,
    /// Time of the first input sample since the last restart, and how many came since.
    origin: MediaTime,
    taken: u64,
    /// Output samples given since the restart.
    given: u64,
    out: Vec<f32>,
    peak: f32,
    /// Samples that were NaN or infinite and were set to zero.
    pub(crate) not_numbers: u64,
}

impl Mono16k {
    pub(crate) fn new(stream: StreamIndex) -> Self {
        Self {
            stream,
            rate_hz: 0,
            resampler: None,
            pending: Vec::new(),
            skip: 0,
            origin: MediaTime::ZERO,
            taken: 0,
            given: 0,
            out: Vec::new(),
            peak: 0.0,
            not_numbers: 0,
        }
    }

    /// Takes interleaved samples whose first is heard at `time`; finished blocks go to `sink`.
    pub(crate) fn push(
        &mut self,
        time: MediaTime,
        rate_hz: u32,
        channels: usize,
        interleaved: &[f32],
        sink: &mut dyn FnMut(AudioBlock),
    ) -> Result<(), MediaError> {
        if channels == 0 || !(1_000..=768_000).contains(&rate_hz) {
            return Err(MediaError::Limit {
                what: "sampling rate in hertz",
                got: rate_hz.into(),
                limit: 768_000,
            });
        }
        let expected = MediaTime::from_samples(self.taken, self.rate_hz.max(1)).map(|d| self.origin.plus(d));
        let drift = expected.map_or(MediaTime::ZERO, |e| e.minus(time));
        if rate_hz != self.rate_hz || drift > MAX_DRIFT || MediaTime::ZERO.minus(drift) > MAX_DRIFT {
            self.flush(sink)?;
            self.restart(time, rate_hz)?;
        }
        self.taken += (interleaved.len() / channels) as u64;
        for frame in interleaved.chunks_exact(channels) {
            let mut sum = 0.0;
            for &sample in frame {
                if sample.is_finite() {
                    sum += sample;
                    self.peak = self.peak.max(sample.abs());
                } else {
                    self.not_numbers += 1;
                }
            }
            self.pending.push(sum / channels as f32);
        }
        self.drain(false, sink)
    }

    /// Gives out what is left.
    pub(crate) fn flush(&mut self, sink: &mut dyn FnMut(AudioBlock)) -> Result<(), MediaError> {
        self.drain(true, sink)?;
        self.emit(sink, true);
        Ok(())
    }

    fn restart(&mut self, time: MediaTime, rate_hz: u32) -> Result<(), MediaError> {
        self.rate_hz = rate_hz;
        self.origin = time;
        self.taken = 0;
        self.given = 0;
        self.pending.clear();
        self.skip = 0;
        self.resampler = None;
        if rate_hz != AudioBlock::RATE_HZ {
            let (from, to) = (rate_hz as usize, AudioBlock::RATE_HZ as usize);
            let unit = from / gcd(from, to);
            let mut blocks = BLOCK_IN.div_ceil(unit);
            // The filter's delay is half a block, in and out: an odd block would shift everything by half a sample.
            blocks += blocks % 2;
            let resampler = Fft::new_custom(
                from,
                to,
                blocks * unit,
                1,
                1,
                WindowFunction::BlackmanHarris2,
                FixedSync::Input,
            )
            .map_err(|e| MediaError::Decode(format!("resampler: {e}")))?;
            self.skip = resampler.output_delay();
            self.resampler = Some(resampler);
        }
        Ok(())
    }

    fn drain(&mut self, all: bool, sink: &mut dyn FnMut(AudioBlock)) -> Result<(), MediaError> {
        if self.resampler.is_none() {
            self.out.append(&mut self.pending);
            self.emit(sink, false);
            return Ok(());
        }
        // What the whole input since the restart comes to at 16 kHz: the resampler's tail beyond it is padding.
        let due = u64::try_from(
            u128::from(self.taken) * u128::from(AudioBlock::RATE_HZ) / u128::from(self.rate_hz.max(1)),
        )
        .unwrap_or(u64::MAX);
        let mut used = 0;
        while let Some(resampler) = self.resampler.as_mut() {
            let need = resampler.input_frames_next();
            let have = self.pending.len() - used;
            let produced = self.given + self.out.len() as u64;
            if have < need && !(all && produced < due) {
                break;
            }
            let take = have.min(need);
            let mut chunk = vec![0f32; need];
            chunk[..take].copy_from_slice(&self.pending[used..used + take]);
            used += take;
            let fail = |e: String| MediaError::Decode(format!("resampler: {e}"));
            let input = InterleavedSlice::new(&chunk, 1, need).map_err(|e| fail(e.to_string()))?;
            let output = resampler.process(&input, None::<&Indexing>).map_err(|e| fail(e.to_string()))?;
            let samples = output.take_data();
            let drop = self.skip.min(samples.len());
            self.skip -= drop;
            self.out.extend_from_slice(&samples[drop..]);
            if all {
                let room = usize::try_from(due.saturating_sub(self.given)).unwrap_or(usize::MAX);
                self.out.truncate(room);
            }
            self.emit(sink, false);
        }
        self.pending.drain(..used);
        Ok(())
    }

    fn emit(&mut self, sink: &mut dyn FnMut(AudioBlock), all: bool) {
        while self.out.len() >= BLOCK || (all && !self.out.is_empty()) {
            let rest = self.out.split_off(BLOCK.min(self.out.len()));
            let samples = std::mem::replace(&mut self.out, rest);
            let offset = MediaTime::from_samples(self.given, AudioBlock::RATE_HZ).unwrap_or(MediaTime::ZERO);
            self.given += samples.len() as u64;
            sink(AudioBlock {
                stream: self.stream,
                time: self.origin.plus(offset),
                samples,
                native_peak: std::mem::take(&mut self.peak),
            });
        }
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(rate: u32, channels: usize, seconds: f64, hz: f64) -> Vec<AudioBlock> {
        let n = (f64::from(rate) * seconds) as usize;
        let samples: Vec<f32> = (0..n)
            .flat_map(|i| {
                let v = 0.5 * (2.0 * std::f64::consts::PI * hz * i as f64 / f64::from(rate)).sin();
                std::iter::repeat_n(v as f32, channels)
            })
            .collect();
        let mut mono = Mono16k::new(StreamIndex(0));
        let mut blocks = Vec::new();
        for (i, part) in samples.chunks(999 * channels).enumerate() {
            let time = MediaTime::from_samples((i * 999) as u64, rate).unwrap();
            mono.push(time, rate, channels, part, &mut |b| blocks.push(b)).unwrap();
        }
        mono.flush(&mut |b| blocks.push(b)).unwrap();
        blocks
    }

    #[test]
    fn length_level_and_phase_survive_every_rate() {
        for rate in [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000] {
            let blocks = run(rate, 2, 1.5, 440.0);
            let all: Vec<f32> = blocks.iter().flat_map(|b| b.samples.clone()).collect();
            assert!((all.len() as i64 - 24_000).abs() <= 1, "{rate} Hz gave {} samples", all.len());
            // The middle second is compared with the ideal sine: gain 1, no delay.
            let worst = (4_000..20_000)
                .map(|i| {
                    let ideal = 0.5 * (2.0 * std::f64::consts::PI * 440.0 * i as f64 / 16_000.0).sin();
                    (f64::from(all[i]) - ideal).abs()
                })
                .fold(0.0, f64::max);
            assert!(worst < 0.01, "{rate} Hz differs by {worst}");
        }
    }

    #[test]
    fn a_jump_in_time_restarts_the_clock_and_nan_is_counted() {
        let mut mono = Mono16k::new(StreamIndex(1));
        let mut blocks = Vec::new();
        mono.push(MediaTime::ZERO, 16_000, 1, &[0.1, f32::NAN, f32::INFINITY], &mut |b| blocks.push(b))
            .unwrap();
        mono.push(MediaTime::from_millis(5_000), 16_000, 1, &[0.2; 4], &mut |b| blocks.push(b)).unwrap();
        mono.flush(&mut |b| blocks.push(b)).unwrap();
        assert_eq!(mono.not_numbers, 2);
        assert_eq!(blocks.iter().map(|b| b.time.as_micros()).collect::<Vec<_>>(), [0, 5_000_000]);
        assert_eq!(blocks[0].samples, [0.1, 0.0, 0.0]);
    }

    #[test]
    fn impossible_rates_are_refused() {
        let mut mono = Mono16k::new(StreamIndex(0));
        assert!(mono.push(MediaTime::ZERO, 0, 1, &[0.0], &mut |_| ()).is_err());
        assert!(mono.push(MediaTime::ZERO, 16_000, 0, &[0.0], &mut |_| ()).is_err());
    }
}
