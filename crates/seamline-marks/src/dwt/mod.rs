//! The public marks of `invisible-watermark` (schemes dwtDct and dwtDctSvd), decoded softly.
//!
//! The scheme works on 4 x 4 blocks of the Haar low band of the U channel: it moves one value a block to 9 or 27
//! modulo 36, for bit 0 or 1, and repeats the payload over the blocks in reading order. Despite its name, dwtDct
//! takes no cosine transform: the value is the block's largest coefficient by size, its first excluded. dwtDctSvd
//! takes the largest singular value. The reference decoder takes a hard vote for each bit; here each block gives
//! cos(2 pi (r - 9) / 36), which is +1 for bit 0 and -1 for bit 1, blocks of the same bit are averaged, and the
//! averages are correlated with each public payload. Under no mark the correlation follows Student's t.
//!
//! Compression draws the one coefficient that dwtDct moved back towards its neighbours, and the value modulo 36 is
//! gone, or even reads as the other bit. What is left is that a block of bit 1 was moved up by 18 more than one of
//! bit 0, so that its largest coefficient stands out further. [`Statistic::Prominence`] reads that.
//!
//! Pictures are tried with red and blue in both places and with both number formats: SDXL's and FLUX's reference
//! code marks float arrays, where OpenCV's chroma offset is 0.5 and not 128 (OpenCV, colour conversions, RGB <-> YUV).

pub mod crop;
mod payloads;
mod signal;

pub use payloads::{PAYLOADS, Payload};
pub use signal::{Grid, Halving, Planes};

use crate::stats::ln_p_correlation;
use seamline_core::RgbFrame;

/// A finding needs a probability below this, after multiplying with the number of tests made.
pub const DECIDE_LN_P: f64 = -20.723_265_836_946_41; // ln 1e-9

/// Payloads are mostly ASCII, whose bits repeat every eight: a picture with a texture of eight blocks' period
/// imitates that. Without the part that repeats every eight bits, the rest must still be this unlikely.
const UNPERIODIC_LN_P: f64 = -9.210_340_371_976_182; // ln 1e-4

/// How the marking code held its colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reading {
    /// Blue stood first, as OpenCV wants it; otherwise red did.
    pub blue_first: bool,
    /// The array held floats; otherwise bytes.
    pub float: bool,
}

impl Reading {
    /// All four.
    pub const ALL: [Self; 4] = [
        Self { blue_first: true, float: false },
        Self { blue_first: true, float: true },
        Self { blue_first: false, float: false },
        Self { blue_first: false, float: true },
    ];
}

/// Which value of a block carries the bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// The largest coefficient.
    Largest,
    /// The largest singular value.
    Singular,
}

impl Scheme {
    /// The name in the reference code.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Largest => "dwtDct",
            Self::Singular => "dwtDctSvd",
        }
    }
}

/// What is read of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Statistic {
    /// The largest coefficient modulo the step.
    Largest,
    /// How far the largest coefficient stands out.
    Prominence,
    /// The largest singular value modulo the step.
    Singular,
}

impl Statistic {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Largest, Self::Prominence, Self::Singular];
    /// Those of the search for parts, which has too many tests for what is faint.
    pub const OF_PARTS: [Self; 2] = [Self::Largest, Self::Singular];

    /// The scheme that it reads.
    pub const fn scheme(self) -> Scheme {
        match self {
            Self::Largest | Self::Prominence => Scheme::Largest,
            Self::Singular => Scheme::Singular,
        }
    }
}

/// Where in the picture as it was marked this picture lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is the whole of it.
    Whole,
    /// It is the whole of it at half the size.
    Half,
    /// It is a part, whose blocks begin `x`, `y` pixels from its corner.
    Part {
        /// Pixels from the left.
        x: u32,
        /// Pixels from the top.
        y: u32,
    },
}

/// A payload that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Which.
    pub payload: &'static Payload,
    /// Which scheme.
    pub scheme: Scheme,
    /// How the marking code held its colours.
    pub reading: Reading,
    /// Where.
    pub place: Place,
    /// Correlation of the bit averages with the payload.
    pub correlation: f64,
    /// ln of the probability of that correlation under no mark, for one test.
    pub ln_p: f64,
    /// The same without what repeats every eight bits, see the module's source: a guard against textures.
    pub ln_p_unperiodic: f64,
    /// Tests made; the bound on a false alarm is their number times that probability.
    pub tests: u64,
}

impl Hit {
    /// ln of the bound on a false alarm over all tests made.
    pub fn ln_bound(&self) -> f64 {
        (self.ln_p + (self.tests as f64).ln()).min(0.0)
    }

    /// Whether the payload is there.
    pub fn is_decisive(&self) -> bool {
        self.ln_bound() < DECIDE_LN_P && self.ln_p_unperiodic < UNPERIODIC_LN_P
    }
}

/// Signals of one or many pictures of the same size, added up.
#[derive(Clone, Debug, Default)]
pub struct Accumulator {
    grids: Vec<(Place, Reading, Statistic, Grid)>,
    pictures: u32,
    size: Option<(u32, u32)>,
}

impl Accumulator {
    /// Adds a picture. One of another size than the first is left out, and `false` says so.
    pub fn push(&mut self, picture: &RgbFrame) -> bool {
        let size = (picture.width(), picture.height());
        if *self.size.get_or_insert(size) != size {
            return false;
        }
        let mut next = 0;
        for reading in Reading::ALL {
            let planes = Planes::new(picture, reading);
            for (place, halving) in
                [(Place::Whole, Halving::Haar { x: 0, y: 0 }), (Place::Half, Halving::Done)]
            {
                let low = planes.low_band(halving);
                for statistic in Statistic::ALL {
                    let grid = low.grid(0, 0, statistic);
                    match self.grids.get_mut(next) {
                        Some((_, _, _, sum)) => sum.add(&grid),
                        None => self.grids.push((place, reading, statistic, grid)),
                    }
                    next += 1;
                }
            }
        }
        self.pictures += 1;
        true
    }

    /// Pictures added up.
    pub fn pictures(&self) -> u32 {
        self.pictures
    }

    /// The most unlikely payload, whether or not it is unlikely enough.
    pub fn best(&self) -> Option<Hit> {
        let tests = (self.grids.len() * PAYLOADS.len()) as u64;
        let mut best: Option<Hit> = None;
        for (place, reading, statistic, grid) in &self.grids {
            for payload in PAYLOADS {
                let averages = grid.averages(payload.len());
                let Some(r) = correlation(&averages, payload) else { continue };
                let ln_p = ln_p_correlation(r, payload.len());
                if best.as_ref().is_none_or(|b| ln_p < b.ln_p) {
                    best = Some(Hit {
                        payload,
                        scheme: statistic.scheme(),
                        reading: *reading,
                        place: *place,
                        correlation: r,
                        ln_p,
                        ln_p_unperiodic: unperiodic(&averages, payload),
                        tests,
                    });
                }
            }
        }
        best
    }

    /// The payload, if one is there.
    pub fn decide(&self) -> Option<Hit> {
        self.best().filter(Hit::is_decisive)
    }
}

/// Pearson's correlation of averages with the payload's signs; `None` where either does not vary.
fn correlation(averages: &[f32], payload: &Payload) -> Option<f64> {
    pearson(averages.iter().zip(payload.signs()).map(|(&s, b)| (f64::from(s), b)))
}

fn pearson(pairs: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let (mut n, mut sx, mut sy, mut sxx, mut syy, mut sxy) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    for (x, y) in pairs {
        n += 1.0;
        sx += x;
        sy += y;
        sxx += x * x;
        syy += y * y;
        sxy += x * y;
    }
    let (vx, vy) = (sxx - sx * sx / n, syy - sy * sy / n);
    (vx > 1e-9 && vy > 1e-9).then(|| (sxy - sx * sy / n) / (vx * vy).sqrt())
}

/// ln of the probability of the correlation without what repeats every eight bits, see [`UNPERIODIC_LN_P`].
fn unperiodic(averages: &[f32], payload: &Payload) -> f64 {
    let n = averages.len();
    let signs: Vec<f64> = payload.signs().collect();
    let without = |values: &[f64]| -> Vec<f64> {
        let mut sums = [(0.0, 0.0); 8];
        for (i, v) in values.iter().enumerate() {
            sums[i % 8].0 += v;
            sums[i % 8].1 += 1.0;
        }
        values.iter().enumerate().map(|(i, v)| v - sums[i % 8].0 / sums[i % 8].1).collect()
    };
    let x = without(&averages.iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
    let y = without(&signs);
    let r = pearson(x.into_iter().zip(y)).unwrap_or(0.0);
    // Eight means were taken out instead of one: seven degrees of freedom less.
    ln_p_correlation(r, n.saturating_sub(7))
}
