//! Logistic calibration (Platt 1999; Brümmer and du Preez 2006): `llr = slope x score + intercept`, the prior
//! taken out at fitting, clamped to what the amount of data supports.

use crate::FusionData;
use seamline_core::{Calibrator, Llr, LlrInterval, Quality, Score};

/// A fitted line with its validity.
#[derive(Clone, Debug)]
pub struct LogisticCalibrator {
    /// LLR per unit of score turned toward spoof; positive.
    pub slope: f64,
    /// LLR at score 0.
    pub intercept: f64,
    /// Scores that the validation data covered, turned toward spoof.
    pub score_range: [f64; 2],
    /// Clamp of the LLR.
    pub llr_range: [f64; 2],
    /// Half width of the 95 % interval at good quality.
    pub half_width: f64,
    /// Where widening stands.
    pub fusion: FusionData,
}

impl Calibrator for LogisticCalibrator {
    fn llr(&self, score: Score, quality: &Quality) -> Option<LlrInterval> {
        let s = score.toward_spoof();
        if s < self.score_range[0] || s > self.score_range[1] {
            return None;
        }
        let nats = (self.slope * s + self.intercept).clamp(self.llr_range[0], self.llr_range[1]);
        let (factor, _) = self.fusion.widen(quality);
        LlrInterval::symmetric(Llr::new(nats).ok()?, self.half_width * factor).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use seamline_core::{Orientation, ScoreSemantics, ScoreUnit};

    fn calibrator() -> LogisticCalibrator {
        LogisticCalibrator {
            slope: 2.0,
            intercept: -1.0,
            score_range: [-3.0, 3.0],
            llr_range: [-2.0, 4.0],
            half_width: 0.5,
            fusion: FusionData::current().unwrap(),
        }
    }

    fn score(v: f64, orientation: Orientation) -> Score {
        Score::new(v, ScoreSemantics { orientation, unit: ScoreUnit::Logit }).unwrap()
    }

    #[test]
    fn outside_the_validated_range_there_is_no_answer() {
        let q = Quality::default();
        assert!(calibrator().llr(score(3.01, Orientation::HigherIsSpoof), &q).is_none());
        assert_eq!(calibrator().llr(score(1.0, Orientation::HigherIsSpoof), &q).unwrap().value.nats(), 1.0);
        assert_eq!(
            calibrator().llr(score(1.0, Orientation::HigherIsBonafide), &q).unwrap().value.nats(),
            -2.0
        );
    }

    proptest! {
        #[test]
        fn higher_scores_never_support_spoof_less(a in -3.0..3.0f64, b in -3.0..3.0f64, snr in 0f32..60.0) {
            let q = Quality { snr_db: Some(snr), ..Quality::default() };
            let llr = |v| calibrator().llr(score(v, Orientation::HigherIsSpoof), &q).unwrap();
            let (lo, hi) = if a <= b { (a, b) } else { (b, a) };
            prop_assert!(llr(lo).value <= llr(hi).value);
            prop_assert!(llr(a).lo <= llr(a).value && llr(a).value <= llr(a).hi);
        }
    }
}
