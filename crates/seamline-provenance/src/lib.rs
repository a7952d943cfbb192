//! What a file declares about itself: C2PA manifests, XMP, generator parameters, AIGC labels, container traces.
//!
//! Bounded walkers ([`walk`]) pull metadata fields out of containers; readers turn fields into coded findings.
//! A finding is evidence with a strength (proves, declares, hint, context), never a score, and absence is never
//! evidence. May not: decode pictures or sound, open a file or a socket, fetch a remote manifest, or judge.

mod c2pa_store;
mod exif;
mod fields;
mod forensics;
mod generators;
mod limited;
pub mod parsers;
mod platforms;
mod tc260;
pub mod walk;
mod xmp;

pub use c2pa_store::{Trust, products};
pub use limited::WalkError;

use seamline_core::code::{self, FindingCode};
use seamline_core::{
    Aspect, AttackFamily, DetectorId, Evidence, Limits, Outcome, Quality, Stage, Strength, Subject,
};
use std::io::{Read, Seek, SeekFrom};

/// One finding before it becomes evidence: a code and named values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) code: &'static FindingCode,
    pub(crate) detail: Vec<(String, String)>,
}

impl Found {
    pub(crate) fn new(code: &'static FindingCode, detail: &[(&str, &str)]) -> Self {
        let mut detail: Vec<(String, String)> =
            detail.iter().map(|(k, v)| ((*k).to_owned(), tidy(v))).filter(|(_, v)| !v.is_empty()).collect();
        detail.sort();
        Self { code, detail }
    }
}

/// Longest value shown in a finding, in characters.
const MAX_SHOWN: usize = 400;

/// One line without control characters, of bounded length.
fn tidy(value: &str) -> String {
    let line = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MAX_SHOWN {
        line
    } else {
        line.chars().take(MAX_SHOWN).chain(['…']).collect()
    }
}

/// Reads what a clip declares. Never fails: what cannot be read is evidence too.
pub fn inspect<R: Read + Seek + Send>(clip: &mut R, limits: &Limits, trust: &Trust) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    match rewind(clip).and_then(|()| walk::fields(clip, limits)) {
        Ok((fields, damage)) => {
            let mut found = fields::read(&fields);
            found.sort_by(|a, b| {
                (b.code.strength, a.code.name, &a.detail).cmp(&(a.code.strength, b.code.name, &b.detail))
            });
            found.dedup();
            evidence.extend(found.into_iter().map(|f| finding(&f)));
            // A broken block is worth a word only where nothing else came of the file.
            if let (Some(e), true) = (damage, evidence.is_empty()) {
                evidence.push(failure(&e));
            }
        }
        Err(e) => evidence.push(failure(&e)),
    }
    match rewind(clip) {
        Ok(()) => evidence.extend(c2pa_store::inspect(clip, trust).iter().map(finding)),
        Err(e) => evidence.push(failure(&e)),
    }
    // A label on a recording says nothing about pictures; whose voice it is stays the voice detectors' question.
    if rewind(clip).is_ok() && !walk::shows_pictures(clip) {
        evidence.iter_mut().for_each(|e| e.families.clear());
    }
    evidence
}

/// What another reader's dictionary of the same file declares beyond `known`: a cross-check on the walkers here.
/// `via` names that reader.
pub fn cross_check(dictionary: &[(String, String)], via: &str, known: &[Evidence]) -> Vec<Evidence> {
    let has = |code: &FindingCode| {
        known.iter().any(|e| matches!(&e.outcome, Outcome::Finding { code: c, .. } if c == code))
    };
    let mut found: Vec<Found> = dictionary
        .iter()
        .take(walk::MAX_FIELDS)
        .filter_map(|(key, value)| fields::text(key, value))
        .filter(|f| f.code.strength > Strength::Context && !has(f.code))
        .map(|mut f| {
            f.detail.push(("via".into(), via.into()));
            f.detail.sort();
            f
        })
        .collect();
    found.sort_by(|a, b| (a.code.name, &a.detail).cmp(&(b.code.name, &b.detail)));
    found.dedup();
    found.iter().map(finding).collect()
}

fn rewind<R: Seek>(clip: &mut R) -> Result<(), WalkError> {
    clip.seek(SeekFrom::Start(0)).map(|_| ()).map_err(|e| WalkError::Io(e.to_string()))
}

fn statement(aspect: Aspect, outcome: Outcome) -> Evidence {
    Evidence {
        detector: DetectorId::builtin("provenance"),
        version: env!("CARGO_PKG_VERSION").into(),
        model_sha256: None,
        aspect,
        families: Vec::new(),
        subject: Subject::Clip,
        rollup: false,
        outcome,
        quality: Quality::default(),
    }
}

/// Codes that speak of the asset as a whole, where they speak of AI.
const WHOLE: [FindingCode; 8] = [
    code::C2PA_AI_TRUSTED,
    code::C2PA_AI_UNTRUSTED,
    code::XMP_DST_AI,
    code::TC260_AIGC,
    code::GEN_A1111,
    code::GEN_COMFYUI,
    code::GEN_OTHER,
    code::GEN_GROK,
];

/// Whether a finding answers if the pictures are wholly generated: a composite's parts are not.
fn speaks_of_whole(found: &Found) -> bool {
    WHOLE.contains(found.code) && !found.detail.iter().any(|(_, v)| v.starts_with("composite"))
}

fn finding(found: &Found) -> Evidence {
    // How a file was written bears on its integrity; what it says bears on its history.
    let forensic = found.code.name.starts_with("forensics.");
    let aspect = if forensic { Aspect::Integrity } else { Aspect::Provenance };
    let mut evidence =
        statement(aspect, Outcome::Finding { code: *found.code, detail: found.detail.clone() });
    if speaks_of_whole(found) {
        evidence.families.push(AttackFamily::EFS);
    }
    evidence
}

fn failure(error: &WalkError) -> Evidence {
    statement(Aspect::Provenance, Outcome::Failed { stage: Stage::Provenance, message: error.to_string() })
}
