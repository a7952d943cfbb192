//! What is told of a recording that may be two: see [`seamline_detect::consistency`].

use crate::analyse::statement;
use seamline_core::code::{FindingCode, SOUND_BAND_JUMP, SOUND_DIGITAL_SILENCE, SOUND_FLOOR_JUMP};
use seamline_core::{Aspect, Evidence, Outcome, StreamIndex, Subject};
use seamline_detect::consistency::{Change, Jump};

/// A finding a place.
pub(crate) fn findings(stream: StreamIndex, jumps: Vec<Jump>) -> impl Iterator<Item = Evidence> {
    jumps.into_iter().map(move |jump| {
        let (code, unit, size): (FindingCode, _, _) = match jump.change {
            // Nats of power are 4.34 dB, and a band has 500 Hz.
            Change::Floor => (SOUND_FLOOR_JUMP, "decibels", format!("{:.0}", 4.343 * jump.size)),
            Change::Band => (SOUND_BAND_JUMP, "hertz", format!("{:.0}", 500.0 * jump.size)),
            Change::Silence => (SOUND_DIGITAL_SILENCE, "seconds", format!("{:.3}", jump.size)),
        };
        let subject = Subject::Stream { stream, span: Some(jump.span) };
        let outcome = Outcome::Finding { code, detail: vec![(unit.to_owned(), size)] };
        statement("sound", Aspect::Integrity, subject, outcome)
    })
}
