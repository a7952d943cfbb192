//! `[golden]`: what a model gives for one fixed input, so that whoever exported it and whoever runs it can tell that
//! they mean the same numbers.

use crate::{Model, ModelError};
use serde::Deserialize;

/// Most numbers that a manifest may state.
const MAX_OUTPUTS: usize = 4096;
/// Most numbers of an input.
const MAX_INPUTS: usize = 64 << 20;

/// The output for [`golden_input`], its first numbers or all of them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenSpec {
    /// In the order of the output tensor.
    pub output: Vec<f64>,
    /// By how much a number may differ.
    pub tolerance: f64,
}

impl GoldenSpec {
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.output.is_empty()
            || self.output.len() > MAX_OUTPUTS
            || self.output.iter().any(|v| !v.is_finite())
        {
            return Err(format!("golden.output must be 1 to {MAX_OUTPUTS} finite numbers"));
        }
        if !(self.tolerance > 0.0 && self.tolerance.is_finite()) {
            return Err("golden.tolerance must be positive".into());
        }
        Ok(())
    }
}

/// The input tensor's values: number i is (i * 2654435761 mod 2^32) / 2^32, in single precision. It looks like noise
/// from 0 to 1, goes in as it is (no range, mean or filling is applied), and any language makes it in a line.
pub fn golden_input(length: usize) -> Vec<f32> {
    (0..length).map(|i| (i as u32).wrapping_mul(2_654_435_761) as f32 / 4_294_967_296.0).collect()
}

impl Model {
    /// Runs the fixed input, if the manifest states what comes out.
    pub fn check_golden(&self) -> Result<(), ModelError> {
        let m = self.manifest();
        let (Some(golden), Some(output)) = (&m.golden, &m.output) else { return Ok(()) };
        let fail = |message: String| Err(ModelError::Contract { id: m.id.to_string(), message });
        let shape = m.input_shape_of_one();
        let length = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n <= MAX_INPUTS);
        let Some(length) = length else { return fail(format!("an input of {shape:?} is too large")) };
        let outputs = self.run(&shape, &golden_input(length))?;
        let Some(found) = outputs.iter().find(|o| o.name == output.name) else {
            return fail(format!("gave no output {:?}", output.name));
        };
        if found.data.len() < golden.output.len() {
            return fail(format!(
                "gave {} numbers, golden.output has {}",
                found.data.len(),
                golden.output.len()
            ));
        }
        for (i, (&got, &want)) in found.data.iter().zip(&golden.output).enumerate() {
            let off = (f64::from(got) - want).abs();
            // Not a number is no match either.
            if !off.le(&golden.tolerance) {
                return fail(format!(
                    "for the golden input number {i} of {:?} is {got}, the manifest says {want} within {}",
                    output.name, golden.tolerance
                ));
            }
        }
        Ok(())
    }
}
