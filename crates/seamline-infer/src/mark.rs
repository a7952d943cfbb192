//! `[mark]`: what a watermark decoder's output means.

use serde::Deserialize;

/// Bits that a payload may have.
const KEY_BITS: std::ops::RangeInclusive<usize> = 16..=1024;
/// Bits of a TrustMark packet.
pub const TRUSTMARK_BITS: usize = 100;

/// What a watermark decoder's output means.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkSpec {
    /// The scheme's name, as reports give it.
    pub scheme: String,
    /// Confidence from which the mark is found. Where the output is a payload, the confidence is -log10 of the
    /// bound on a false alarm.
    pub found: f64,
    /// Confidence from which it is worth a hint; at most `found`.
    pub weak: f64,
    /// Where windows overlap by half: every other one is passed over unless one beside it reaches this.
    pub look_closer: Option<f64>,
    /// Sound: a generator that marks, marks all that it says. Where this stands, the mark is found only in a stream
    /// that has it throughout, and a stretch of it is a hint. Absent: a stretch of two windows is enough.
    pub throughout: Option<Throughout>,
    /// What the output's bits are; absent = the output is a confidence.
    pub payload: Option<PayloadSpec>,
}

/// When a stream of sound has a mark throughout.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Throughout {
    /// Windows with speech that it needs.
    pub windows: u64,
    /// The share of them that must reach `found`, in (0, 1].
    pub share: f64,
}

/// What the bits of an output are; a positive number is a 1.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum PayloadSpec {
    /// The key that the operator embeds, as 0 and 1: the fewer bits differ, the less likely is chance.
    Key {
        /// In the order of the output.
        bits: String,
    },
    /// Adobe's TrustMark: 96 bits of payload and BCH code, 4 bits that name the code.
    Trustmark,
}

impl Throughout {
    /// Whether a stream has the mark throughout in which `found` of `windows` windows reach it.
    pub fn holds(&self, found: u64, windows: u64) -> bool {
        windows >= self.windows && found as f64 >= self.share * windows as f64
    }
}

impl MarkSpec {
    /// Whether it says what it must, given how many numbers the output has for an item (`None`: any number).
    pub(crate) fn check(&self, outputs: Option<usize>) -> Result<(), String> {
        if !(self.found.is_finite() && self.weak <= self.found) {
            return Err("mark.found must be a number and mark.weak at most as large".into());
        }
        if self.throughout.is_some_and(|t| t.windows == 0 || !(t.share > 0.0 && t.share <= 1.0)) {
            return Err("mark.throughout needs a number of windows and a share in (0, 1]".into());
        }
        let bits = match &self.payload {
            None => return Ok(()),
            Some(PayloadSpec::Trustmark) => TRUSTMARK_BITS,
            Some(PayloadSpec::Key { bits }) => {
                if !KEY_BITS.contains(&bits.len()) || bits.bytes().any(|b| !matches!(b, b'0' | b'1')) {
                    return Err("mark.payload.bits must be 16 to 1024 characters 0 or 1".into());
                }
                bits.len()
            }
        };
        match outputs {
            Some(n) if n != bits => Err(format!("mark.payload has {bits} bits, output.shape {n}")),
            _ => Ok(()),
        }
    }
}
