//! Versioned fusion data.

use seamline_core::{Quality, Support};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The data that ships with this version.
const CURRENT: &str = include_str!("../data/max-aspect-1.json");

/// Why fusion data was refused.
#[derive(Debug, thiserror::Error)]
#[error("fusion data: {0}")]
pub struct FusionError(String);

/// One condition under which an interval is widened.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Widening {
    field: String,
    below: Option<f64>,
    above: Option<f64>,
    factor: f64,
    why: String,
}

/// Fusion as data: bands, weights, widening.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct FusionData {
    schema: u32,
    id: String,
    version: u32,
    bands_nats: [f64; 3],
    weights: BTreeMap<String, f64>,
    widening: Vec<Widening>,
}

impl FusionData {
    /// The data that ships with this version.
    pub fn current() -> Result<Self, FusionError> {
        Self::parse(CURRENT)
    }

    /// Reads and checks fusion data.
    pub fn parse(text: &str) -> Result<Self, FusionError> {
        let data: Self = serde_json::from_str(text).map_err(|e| FusionError(e.to_string()))?;
        let [a, b, c] = data.bands_nats;
        if data.schema != 1 {
            return Err(FusionError(format!("schema {} is not known", data.schema)));
        }
        if !(0.0 < a && a < b && b < c && c.is_finite()) {
            return Err(FusionError("bands_nats must rise from above 0".into()));
        }
        if data.weights.values().any(|w| !(w.is_finite() && *w > 0.0)) {
            return Err(FusionError("weights must be positive".into()));
        }
        if data.widening.iter().any(|w| !(w.factor >= 1.0 && w.factor.is_finite())) {
            return Err(FusionError("widening factors must be at least 1".into()));
        }
        Ok(data)
    }

    /// `id/version`, as verdicts name it.
    pub fn name(&self) -> String {
        format!("{}/{}", self.id, self.version)
    }

    /// The band of an LLR's size; below the first bound it is still `Limited`, since an operating point said so.
    pub fn band(&self, nats: f64) -> Support {
        let size = nats.abs();
        if size >= self.bands_nats[2] {
            Support::Strong
        } else if size >= self.bands_nats[1] {
            Support::Moderate
        } else {
            Support::Limited
        }
    }

    /// A detector's weight in its aspect's pool.
    pub(crate) fn weight(&self, detector: &str) -> f64 {
        self.weights.get(detector).copied().unwrap_or(1.0)
    }

    /// By how much quality widens an interval, and why.
    pub fn widen(&self, quality: &Quality) -> (f64, Vec<&str>) {
        let mut factor = 1.0;
        let mut why = Vec::new();
        for w in &self.widening {
            let value = match w.field.as_str() {
                "snr_db" => quality.snr_db,
                "bandwidth_hz" => quality.bandwidth_hz,
                "speech_secs" => quality.speech_secs,
                "clipped" => quality.clipped,
                "face_px" => quality.face_px,
                "sharpness" => quality.sharpness,
                "yaw_abs" => quality.yaw.map(f32::abs),
                "samples" => quality.samples.map(|n| n as f32),
                _ => None,
            };
            let Some(value) = value.map(f64::from) else { continue };
            if w.below.is_some_and(|b| value < b) || w.above.is_some_and(|a| value > a) {
                factor *= w.factor;
                why.push(w.why.as_str());
            }
        }
        (factor, why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_data_is_sound_and_broken_data_is_refused() {
        let data = FusionData::current().unwrap();
        assert_eq!(data.name(), "max-aspect/1");
        assert_eq!(data.band(1.0), Support::Limited);
        assert_eq!(data.band(3.0), Support::Moderate);
        assert_eq!(data.band(-5.0), Support::Strong);
        for broken in
            ["{}", r#"{"schema":1,"id":"x","version":1,"bands_nats":[1,0,2],"weights":{},"widening":[]}"#]
        {
            assert!(FusionData::parse(broken).is_err());
        }
    }

    #[test]
    fn every_widening_field_is_one_that_quality_has() {
        let poor = Quality {
            face_px: Some(1.0),
            sharpness: Some(0.0),
            yaw: Some(-1.0),
            samples: Some(1),
            speech_secs: Some(0.1),
            bandwidth_hz: Some(100.0),
            snr_db: Some(0.0),
            clipped: Some(1.0),
        };
        let data = FusionData::current().unwrap();
        let (factor, why) = data.widen(&poor);
        assert_eq!(why.len(), data.widening.len());
        assert!(factor > 5.0);
        assert_eq!(data.widen(&Quality::default()).0, 1.0);
    }
}
