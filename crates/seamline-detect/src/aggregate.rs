//! Many scores to one.

use seamline_infer::Aggregate;

/// Aggregates finite scores; `None` for none. The order of the scores does not matter.
pub fn aggregate(scores: &[f64], how: Aggregate) -> Option<f64> {
    if scores.is_empty() {
        return None;
    }
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let mean = |s: &[f64]| s.iter().sum::<f64>() / s.len() as f64;
    Some(match how {
        Aggregate::Mean => mean(&sorted),
        Aggregate::Median => (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0,
        Aggregate::TrimmedMean => {
            let cut = n / 10;
            mean(&sorted[cut..n - cut])
        }
    })
}

/// Median of finite numbers; `None` for none.
pub fn median(values: &[f32]) -> Option<f32> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let n = sorted.len();
    (n > 0).then(|| (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_on_a_list_with_an_outlier() {
        let scores: Vec<f64> = (1..=10).map(f64::from).chain([1000.0]).collect();
        assert_eq!(aggregate(&scores, Aggregate::Median), Some(6.0));
        assert_eq!(aggregate(&scores, Aggregate::TrimmedMean), Some(6.0));
        assert!((aggregate(&scores, Aggregate::Mean).unwrap() - 1055.0 / 11.0).abs() < 1e-12);
        assert_eq!(aggregate(&[], Aggregate::Mean), None);
        assert_eq!(aggregate(&[3.0, 1.0], Aggregate::Median), Some(2.0));
        assert_eq!(median(&[]), None);
    }
}
