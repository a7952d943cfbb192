//! Waves by formula, the same to the last bit of an f32 as the training recipes compute them.

use std::f64::consts::PI;

/// `0.5 * sin(2 pi (100 t + 300 t^2))`, `t = i / 16000`: a sweep from 100 Hz upwards.
pub fn sine_sweep(samples: usize) -> Vec<f32> {
    (0..samples)
        .map(|i| {
            let t = i as f64 / 16_000.0;
            (0.5 * (2.0 * PI * (100.0 * t + 300.0 * t * t)).sin()) as f32
        })
        .collect()
}

/// A reproducible pseudo-random sequence (xorshift64*; Vigna 2016).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A sequence; equal seeds give equal sequences.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `n`, which must not be 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next_u64() % n.max(1)
    }
}

/// `0.2 * sum(k = 1..20, sin(2 pi 120 k t) / k) * (0.5 + 0.5 sin(2 pi 3 t))`: a buzz that swells three times a second.
pub fn harmonics(samples: usize) -> Vec<f32> {
    (0..samples)
        .map(|i| {
            let t = i as f64 / 16_000.0;
            let buzz: f64 =
                (1..=20).map(|k| (2.0 * PI * 120.0 * f64::from(k) * t).sin() / f64::from(k)).sum();
            (0.2 * buzz * (0.5 + 0.5 * (2.0 * PI * 3.0 * t).sin())) as f32
        })
        .collect()
}

/// Noise at level 0.1 from a linear congruential generator (Numerical Recipes' constants), seed 1.
pub fn lcg_noise(samples: usize) -> Vec<f32> {
    let mut state = 1u32;
    (0..samples)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (0.1 * (f64::from(state >> 8) / f64::from(1 << 23) - 1.0)) as f32
        })
        .collect()
}
