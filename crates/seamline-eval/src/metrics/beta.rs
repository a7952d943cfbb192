//! Exact intervals of a proportion.

use super::MetricError;

/// A proportion with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proportion {
    /// Successes over trials.
    pub value: f64,
    /// Lower bound.
    pub lo: f64,
    /// Upper bound.
    pub hi: f64,
}

/// The Clopper-Pearson interval of `successes` in `trials`: two-sided, covering at least `confidence` whatever the
/// true rate. Source: Clopper and Pearson (1934); bounds as quantiles of the beta distribution.
pub fn clopper_pearson(successes: u64, trials: u64, confidence: f64) -> Result<Proportion, MetricError> {
    if trials == 0 {
        return Err(MetricError::Empty);
    }
    if successes > trials {
        return Err(MetricError::Parameter("the number of successes"));
    }
    if !(confidence > 0.0 && confidence < 1.0) {
        return Err(MetricError::Parameter("the confidence"));
    }
    let tail = (1.0 - confidence) / 2.0;
    let (k, n) = (successes as f64, trials as f64);
    let lo = if successes == 0 { 0.0 } else { quantile(tail, k, n - k + 1.0) };
    // The upper bound as the mirrored lower one of the failures: its small tail is then computed directly.
    let hi = if successes == trials { 1.0 } else { 1.0 - quantile(tail, n - k, k + 1.0) };
    Ok(Proportion { value: k / n, lo, hi })
}

/// x with I_x(a, b) = p, by bisection: the function is monotone, and 200 halvings reach the last bit.
fn quantile(p: f64, a: f64, b: f64) -> f64 {
    let (mut lo, mut hi) = (0.0_f64, 1.0_f64);
    for _ in 0..200 {
        let mid = f64::midpoint(lo, hi);
        if mid <= lo || mid >= hi {
            break;
        }
        if regularised(mid, a, b) < p { lo = mid } else { hi = mid }
    }
    f64::midpoint(lo, hi)
}

/// The regularised incomplete beta function I_x(a, b) by its continued fraction (DLMF 8.17.22), on whichever side
/// converges fast (DLMF 8.17.4).
fn regularised(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * x.ln() + b * libm::log1p(-x);
    if x < (a + 1.0) / (a + b + 2.0) {
        front.exp() * fraction(x, a, b) / a
    } else {
        1.0 - front.exp() * fraction(1.0 - x, b, a) / b
    }
}

/// The continued fraction by the modified Lentz method (Thompson and Barnett 1986).
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away = |v: f64| if v.abs() < TINY { TINY } else { v };
    let (mut c, mut d) = (1.0, 1.0 / away(1.0 - (a + b) * x / (a + 1.0)));
    let mut h = d;
    // It converges in O(sqrt(max(a, b))) terms.
    for m in 1..100_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away(1.0 + even * d);
        c = away(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away(1.0 + odd * d);
        c = away(1.0 + odd / c);
        let step = d * c;
        h *= step;
        if (step - 1.0).abs() < 1e-16 {
            break;
        }
    }
    h
}
