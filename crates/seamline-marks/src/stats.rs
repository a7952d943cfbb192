//! Tail probabilities, as natural logarithms: the ones that matter here are far below what a float holds.

use std::f64::consts::PI;

/// Logarithm of the gamma function for x > 0 (Lanczos 1964, g = 7, nine terms; relative error below 1e-13).
fn ln_gamma(x: f64) -> f64 {
    const C: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let t = x + 7.5;
    let sum: f64 = (1..9).map(|i| C[i] / (x + i as f64)).sum::<f64>() + C[0];
    0.5 * (2.0 * PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

/// ln of how many ways there are to choose at most `most` of `n`.
pub fn ln_choose_up_to(n: usize, most: usize) -> f64 {
    let factorial = |k: usize| ln_gamma(k as f64 + 1.0);
    let choose = |k: usize| factorial(n) - factorial(k) - factorial(n - k);
    let terms: Vec<f64> = (0..=most.min(n)).map(choose).collect();
    let largest = terms.iter().copied().fold(0.0, f64::max);
    largest + terms.iter().map(|t| (t - largest).exp()).sum::<f64>().ln()
}

/// ln P(correlation >= `r`) of `n` independent pairs under no association: Student's t with n - 2 degrees of
/// freedom, upper tail. Half the regularised incomplete beta function I(1 - r^2; (n - 2) / 2, 1/2).
pub fn ln_p_correlation(r: f64, n: usize) -> f64 {
    if n < 3 || r <= 0.0 || !r.is_finite() {
        return 0.0; // no evidence; the exact value up to ln 2 is of no use to anybody
    }
    let a = (n - 2) as f64 / 2.0;
    let x = (1.0 - r * r).max(1e-300);
    // Abramowitz and Stegun 26.5.4: a series of positive terms that converges for every x below 1.
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 0..20_000 {
        term *= (a + 0.5 + f64::from(k)) / (a + 1.0 + f64::from(k)) * x;
        sum += term;
        if term < sum * 1e-12 {
            break;
        }
    }
    let ln_beta = ln_gamma(a) + ln_gamma(0.5) - ln_gamma(a + 0.5);
    let ln_i = a * x.ln() + 0.5 * (r * r).ln() - a.ln() - ln_beta + f64::ln(sum);
    (ln_i - std::f64::consts::LN_2).min(0.0)
}

/// A probability for people: `6.6e-27`.
pub fn show_p(ln_p: f64) -> String {
    let log10 = ln_p / std::f64::consts::LN_10;
    let exponent = log10.floor();
    let mantissa = 10f64.powf(log10 - exponent);
    // 9.96 would print as 10.0.
    let (mantissa, exponent) = if mantissa >= 9.95 { (1.0, exponent + 1.0) } else { (mantissa, exponent) };
    format!("{mantissa:.1}e{exponent:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of scipy.stats.t.logsf(r * sqrt((n - 2) / (1 - r^2)), n - 2), scipy 1.17.1.
    #[test]
    fn choices_are_counted() {
        // 1 + 32 of 32; all subsets of 10.
        assert!((ln_choose_up_to(32, 1) - 33f64.ln()).abs() < 1e-12);
        assert!((ln_choose_up_to(10, 10) - 1024f64.ln()).abs() < 1e-12);
        assert_eq!(ln_choose_up_to(96, 0), 0.0);
    }

    #[test]
    fn tails_are_those_of_student() {
        for (r, n, want) in [
            (0.5, 32, -6.328_750_588),
            (0.9, 32, -27.440_685_798),
            (0.3, 224, -12.926_865_232),
            (0.95, 136, -159.288_717_976),
            (0.1, 48, -1.388_540_555),
        ] {
            let got = ln_p_correlation(r, n);
            assert!((got - want).abs() < 1e-4 * f64::abs(want), "{r} {n}: {got}, not {want}");
        }
        assert_eq!(ln_p_correlation(-0.5, 32), 0.0);
        assert_eq!(ln_p_correlation(f64::NAN, 32), 0.0);
        assert!(ln_p_correlation(1.0, 32) < -1_000.0);
    }

    #[test]
    fn probabilities_are_shown_with_one_decimal() {
        assert_eq!(show_p(6.6e-27f64.ln()), "6.6e-27");
        assert_eq!(show_p(9.97e-10f64.ln()), "1.0e-9");
    }
}
