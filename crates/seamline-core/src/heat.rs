//! Which parts of a picture a score rests on. A picture for people, never evidence: no verdict reads it.

use crate::score::NumberError;
use serde::{Deserialize, Serialize};

/// A coarse grid over a picture: how much a score falls when a part is hidden.
///
/// Invariant: 1 to [`HeatMap::MOST`] columns and rows, as many cells as they make, a finite positive peak.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Plain")]
pub struct HeatMap {
    columns: u8,
    rows: u8,
    cells: Vec<u8>,
    peak: f64,
}

/// As it stands on the wire, before it is checked.
#[derive(Deserialize)]
struct Plain {
    columns: u8,
    rows: u8,
    cells: Vec<u8>,
    peak: f64,
}

impl TryFrom<Plain> for HeatMap {
    type Error = NumberError;

    fn try_from(p: Plain) -> Result<Self, NumberError> {
        Self::new(p.columns, p.rows, p.cells, p.peak)
    }
}

impl HeatMap {
    /// Most columns or rows.
    pub const MOST: u8 = 32;

    /// A map. `cells` go row by row from the top left, 255 = the score falls by `peak` (in the score's own unit,
    /// turned so that higher supports spoof), 0 = it does not fall.
    pub fn new(columns: u8, rows: u8, cells: Vec<u8>, peak: f64) -> Result<Self, NumberError> {
        let side = 1..=Self::MOST;
        if !side.contains(&columns)
            || !side.contains(&rows)
            || cells.len() != usize::from(columns) * usize::from(rows)
        {
            return Err(NumberError::OutOfRange);
        }
        if !peak.is_finite() {
            return Err(NumberError::NotFinite);
        }
        if peak <= 0.0 {
            return Err(NumberError::OutOfRange);
        }
        Ok(Self { columns, rows, cells, peak })
    }

    /// From how far the score falls for each cell; `None` where hiding no part lowers it, or a number is not finite.
    pub fn from_falls(columns: u8, rows: u8, falls: &[f64]) -> Option<Self> {
        let peak = falls.iter().copied().fold(0.0, f64::max);
        if !falls.iter().all(|f| f.is_finite()) {
            return None;
        }
        let cells = falls.iter().map(|f| (f / peak * 255.0).round().clamp(0.0, 255.0) as u8).collect();
        Self::new(columns, rows, cells, peak).ok()
    }

    /// Columns and rows.
    pub fn size(&self) -> (u8, u8) {
        (self.columns, self.rows)
    }

    /// Row by row from the top left, 0 to 255.
    pub fn cells(&self) -> &[u8] {
        &self.cells
    }

    /// How far the score falls where a cell is 255, in the score's own unit; above 0.
    pub fn peak(&self) -> f64 {
        self.peak
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falls_become_cells_and_nothing_to_see_is_no_map() {
        let map = HeatMap::from_falls(2, 2, &[2.0, -1.0, 0.5, 1.0]).unwrap();
        assert_eq!((map.cells(), map.peak()), (&[255, 0, 64, 128][..], 2.0));
        assert_eq!(HeatMap::from_falls(2, 1, &[0.0, -3.0]), None);
        assert_eq!(HeatMap::from_falls(2, 1, &[1.0, f64::NAN]), None);
        assert_eq!(HeatMap::from_falls(2, 2, &[1.0]), None);
    }

    #[test]
    fn a_grid_that_does_not_fit_is_refused_on_the_wire() {
        let map = HeatMap::new(2, 1, vec![0, 255], 1.5).unwrap();
        let text = serde_json::to_string(&map).unwrap();
        assert_eq!(serde_json::from_str::<HeatMap>(&text).unwrap(), map);
        for bad in [
            text.replace("\"rows\":1", "\"rows\":2"),
            text.replace("\"columns\":2", "\"columns\":0"),
            text.replace("1.5", "-1.5"),
        ] {
            assert_ne!(bad, text);
            assert!(serde_json::from_str::<HeatMap>(&bad).is_err(), "{bad}");
        }
    }
}
