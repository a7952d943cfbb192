//! `calibration.json`: how a detector's aggregated score becomes an LLR, and where it may speak.

use crate::{ModelError, read_limited};
use seamline_core::{Llr, Sha256Hash};
use serde::Deserialize;
use std::path::Path;

/// Calibration data as stored; see `models/README.md`. The arithmetic lives in `seamline-fuse`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct CalibrationData {
    schema: u32,
    kind: String,
    /// The weights that it was fitted to.
    pub model_sha256: Sha256Hash,
    /// LLR per unit of score, the score turned so that higher supports spoof; positive.
    pub slope: f64,
    /// LLR at score 0.
    pub intercept: f64,
    /// Scores that the validation data covered.
    pub score_range: [f64; 2],
    /// The LLR is clamped to this: more certainty is not supported by the amount of data.
    pub llr_range: [f64; 2],
    /// Half width of the 95 % interval.
    pub llr_halfwidth: f64,
    /// Operating point: from this LLR on, "supports spoof".
    pub supports_spoof_at_llr: Option<Llr>,
    /// False-alarm rate there: value, lower and upper 95 % bound.
    pub false_alarm_rate_there: Option<[f64; 3]>,
    /// At or below this LLR, "supports bona fide"; mostly absent.
    pub supports_bonafide_at_llr: Option<Llr>,
}

impl CalibrationData {
    /// Reads and checks a calibration that belongs to weights of hash `model`.
    pub fn read(path: &Path, model: Sha256Hash) -> Result<Self, ModelError> {
        Self::parse(&read_limited(path, 1 << 20)?, model)
            .map_err(|message| ModelError::Manifest { path: path.to_owned(), message })
    }

    /// Checks a calibration in JSON that belongs to weights of hash `model`; the error says what is wrong.
    pub fn parse(json: &[u8], model: Sha256Hash) -> Result<Self, String> {
        let data: Self = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        if data.schema != 1 || data.kind != "logistic" {
            return Err(format!(
                "schema {} kind {:?}: this version reads schema 1, logistic",
                data.schema, data.kind
            ));
        }
        if data.model_sha256 != model {
            return Err(format!("was fitted to weights {}, the manifest has {model}", data.model_sha256));
        }
        let ordered = |r: [f64; 2]| r[0].is_finite() && r[1].is_finite() && r[0] < r[1];
        if !(data.slope > 0.0 && data.slope.is_finite() && data.intercept.is_finite()) {
            return Err("slope must be positive and both numbers finite".into());
        }
        let halfwidth_stands = data.llr_halfwidth.is_finite() && data.llr_halfwidth >= 0.0;
        if !ordered(data.score_range) || !ordered(data.llr_range) || !halfwidth_stands {
            return Err("score_range and llr_range must be ordered, llr_halfwidth not negative".into());
        }
        Ok(data)
    }
}
