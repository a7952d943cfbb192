//! Scores, likelihood ratios and probabilities: three types that never convert into each other by accident.
//!
//! A [`Score`] is what a model printed, with its orientation. An [`Llr`] is calibrated: the natural
//! logarithm of P(score | spoof) / P(score | bona fide), **positive supports spoof**. A [`Probability`]
//! exists only where somebody states a prior; there is no default prior.

use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// What a trial is (ISO/IEC 30107 and ASVspoof vocabulary).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// Genuine.
    Bonafide,
    /// Manipulated, cloned or generated.
    Spoof,
}

/// Which end of a raw score speaks for spoof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orientation {
    /// Larger means more like spoof (DeepfakeBench).
    HigherIsSpoof,
    /// Larger means more like bona fide (ASVspoof, AASIST, MesoNet).
    HigherIsBonafide,
}

/// What a raw score's number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreUnit {
    /// Log-odds as trained; unbounded.
    Logit,
    /// 0 to 1 as trained; not calibrated.
    Probability,
    /// Anything monotone.
    Arbitrary,
}

/// How a model's raw scores are to be read; stands once, in its manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreSemantics {
    /// Which end supports spoof.
    pub orientation: Orientation,
    /// What the number is.
    pub unit: ScoreUnit,
}

/// Why a number was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// NaN or infinite: a modelling error, never evidence.
    #[error("not a finite number")]
    NotFinite,
    /// A probability outside the open interval (0, 1).
    #[error("not between 0 and 1")]
    OutOfRange,
}

/// A raw, uncalibrated, finite score with its semantics.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    #[serde(deserialize_with = "finite")]
    value: f64,
    #[serde(flatten)]
    semantics: ScoreSemantics,
}

impl Score {
    /// A score; NaN and infinities are refused.
    pub fn new(value: f64, semantics: ScoreSemantics) -> Result<Self, NumberError> {
        if value.is_finite() { Ok(Self { value, semantics }) } else { Err(NumberError::NotFinite) }
    }

    /// The number as the model printed it.
    pub fn raw(&self) -> f64 {
        self.value
    }

    /// The number turned so that higher supports spoof: probabilities become `1 - p`, others are negated.
    pub fn toward_spoof(&self) -> f64 {
        match (self.semantics.orientation, self.semantics.unit) {
            (Orientation::HigherIsSpoof, _) => self.value,
            (Orientation::HigherIsBonafide, ScoreUnit::Probability) => 1.0 - self.value,
            (Orientation::HigherIsBonafide, _) => -self.value,
        }
    }

    /// How to read it.
    pub fn semantics(&self) -> ScoreSemantics {
        self.semantics
    }
}

/// A calibrated natural-log likelihood ratio; finite; positive supports spoof.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Llr(f64);

impl Llr {
    /// No support either way.
    pub const NEUTRAL: Self = Self(0.0);

    /// An LLR; NaN and infinities are modelling errors and refused.
    pub fn new(nats: f64) -> Result<Self, NumberError> {
        if nats.is_finite() { Ok(Self(nats)) } else { Err(NumberError::NotFinite) }
    }

    /// Natural logarithm units.
    pub fn nats(self) -> f64 {
        self.0
    }

    /// The posterior probability of spoof under an explicit prior.
    pub fn posterior(self, prior: Probability) -> Probability {
        let odds = (self.0 + (prior.0 / (1.0 - prior.0)).ln()).exp();
        Probability((odds / (1.0 + odds)).clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON))
    }
}

impl<'de> Deserialize<'de> for Llr {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        finite(d).map(Self)
    }
}

impl fmt::Display for Llr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+.2}", self.0)
    }
}

/// An LLR with its 95 % interval, which low quality widens. Invariant: `lo <= value <= hi`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LlrInterval {
    /// Central value.
    pub value: Llr,
    /// Lower end.
    pub lo: Llr,
    /// Upper end.
    pub hi: Llr,
}

impl LlrInterval {
    /// A symmetric interval; a negative half width counts as its size.
    pub fn symmetric(value: Llr, half_width: f64) -> Result<Self, NumberError> {
        let half_width = half_width.abs();
        Ok(Self { value, lo: Llr::new(value.0 - half_width)?, hi: Llr::new(value.0 + half_width)? })
    }
}

/// A probability strictly between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Probability(f64);

impl Probability {
    /// Certainty (0 or 1) is refused: no evidence could ever move it.
    pub fn new(p: f64) -> Result<Self, NumberError> {
        if p > 0.0 && p < 1.0 { Ok(Self(p)) } else { Err(NumberError::OutOfRange) }
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

fn finite<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(d)?;
    if value.is_finite() { Ok(value) } else { Err(serde::de::Error::custom(NumberError::NotFinite)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polarity_turns_once_and_infinities_cannot_be_built() {
        let s = |orientation, unit, v| Score::new(v, ScoreSemantics { orientation, unit });
        assert_eq!(s(Orientation::HigherIsBonafide, ScoreUnit::Logit, 2.0).unwrap().toward_spoof(), -2.0);
        assert_eq!(
            s(Orientation::HigherIsBonafide, ScoreUnit::Probability, 0.9).unwrap().toward_spoof(),
            1.0 - 0.9
        );
        assert_eq!(s(Orientation::HigherIsSpoof, ScoreUnit::Logit, 2.0).unwrap().toward_spoof(), 2.0);
        assert!(s(Orientation::HigherIsSpoof, ScoreUnit::Logit, f64::NAN).is_err());
        assert!(Llr::new(f64::INFINITY).is_err());
        assert!(serde_json::from_str::<Llr>("1e999").is_err());
    }

    #[test]
    fn a_posterior_needs_a_prior_and_follows_bayes() {
        let p = Llr::new(9f64.ln()).unwrap().posterior(Probability::new(0.5).unwrap());
        assert!((p.get() - 0.9).abs() < 1e-12);
        assert!(Probability::new(0.0).is_err() && Probability::new(1.0).is_err());
    }
}
