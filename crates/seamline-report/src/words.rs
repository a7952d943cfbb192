//! The same words in every report for people: conclusions, bands, subjects, measurements.

use seamline_core::{
    Aspect, AspectVerdict, AttackFamily, ClipRecord, Conclusion, Evidence, FindingCode, LlrInterval,
    MediaTime, Outcome, Quality, StreamKind, Strength, Subject, Support,
};

/// Bounds of the support bands in nats: likelihood ratios 2, 10 and 100 (see [`Support`]).
pub(crate) const BANDS: [f64; 3] = [std::f64::consts::LN_2, std::f64::consts::LN_10, 4.605_170_185_988_092];

/// Characters that would steer a terminal or reorder what is read, as visible escapes; line breaks and tabs
/// too, unless `lines` is set. A file name must not be able to look like another one.
pub(crate) fn safe(text: &str, lines: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if (lines && matches!(c, '\n' | '\t')) || !hidden(c) {
            out.push(c);
        } else {
            match c {
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                _ => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            }
        }
    }
    out
}

/// Controls, line and paragraph separators, bidirectional controls, and characters without a shape. The zero
/// width joiners stay: Persian and emoji need them.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// At most `most` characters; what was cut is counted.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most).collect();
    format!("{kept}… ({} more characters)", count - most)
}

/// `supports spoof`.
pub(crate) const fn conclusion(c: Conclusion) -> &'static str {
    match c {
        Conclusion::SupportsSpoof(_) => "supports spoof",
        Conclusion::SupportsBonaFide(_) => "supports bona fide",
        Conclusion::Inconclusive => "inconclusive",
        Conclusion::NotAssessable => "not assessable",
    }
}

/// `supports spoof (moderate)`.
pub(crate) fn conclusion_with_band(c: Conclusion) -> String {
    c.support().map_or_else(|| conclusion(c).into(), |s| format!("{} ({})", conclusion(c), support(s)))
}

/// `moderate`.
pub(crate) const fn support(s: Support) -> &'static str {
    match s {
        Support::Limited => "limited",
        Support::Moderate => "moderate",
        Support::Strong => "strong",
    }
}

/// `+3.20 [+2.10, +4.30]`.
pub(crate) fn llr(l: LlrInterval) -> String {
    format!("{} [{}, {}]", l.value, l.lo, l.hi)
}

/// The question that an aspect answers.
pub(crate) const fn question(a: Aspect) -> &'static str {
    match a {
        Aspect::Face => "Was a face manipulated?",
        Aspect::Voice => "Is speech cloned or synthesised?",
        Aspect::Imagery => "Are pictures wholly generated?",
        Aspect::Sync => "Do sound and lips belong together?",
        Aspect::Integrity => "Was the file cut, spliced or re-encoded?",
        Aspect::Marks => "Does it carry a generator's watermark?",
        Aspect::Provenance => "What does its signed or declared history say?",
        Aspect::Reference => "How does it compare with an original or a known person?",
    }
}

/// An attack family for people.
pub(crate) const fn family(f: AttackFamily) -> &'static str {
    match f {
        AttackFamily::FS => "face swap",
        AttackFamily::FR => "face reenactment",
        AttackFamily::LS => "lip-sync",
        AttackFamily::EFS => "entirely synthetic picture",
        AttackFamily::FE => "face editing",
        AttackFamily::TTS => "text to speech",
        AttackFamily::VC => "voice conversion",
        AttackFamily::Vocoder => "neural vocoder",
        AttackFamily::Splice => "splice",
    }
}

/// Several families in one line.
pub(crate) fn families(all: &[AttackFamily]) -> String {
    all.iter().map(|f| family(*f)).collect::<Vec<_>>().join(", ")
}

/// How a finding of this strength speaks.
pub(crate) const fn strength(s: Strength) -> &'static str {
    match s {
        Strength::Proves => "proves",
        Strength::Declares => "declares",
        Strength::Hint => "hint",
        Strength::Context => "context",
    }
}

/// What a stream carries.
pub(crate) const fn stream_kind(k: StreamKind) -> &'static str {
    match k {
        StreamKind::Video => "video",
        StreamKind::Audio => "audio",
        StreamKind::Still => "still picture",
        StreamKind::CoverArt => "cover art",
        StreamKind::Other => "other",
    }
}

/// Who or what a piece of evidence speaks of.
pub(crate) fn subject(s: &Subject) -> String {
    match s {
        Subject::Clip => "the clip".into(),
        Subject::Stream { stream, span: None } => format!("stream {}", stream.0),
        Subject::Stream { stream, span: Some(span) } => format!("stream {}, {span}", stream.0),
        Subject::Track { track, span, .. } => format!("face {}, {span}", track.0),
        Subject::Segment { stream, span } => format!("speech in stream {}, {span}", stream.0),
        // A still has no place in time.
        Subject::Frame { stream, span } if span.duration() == MediaTime::ZERO => {
            format!("picture of stream {}", stream.0)
        }
        Subject::Frame { stream, span } => format!("picture of stream {}, {span}", stream.0),
    }
}

/// What became of a piece of evidence, in one line. Not yet made safe.
pub(crate) fn outcome(o: &Outcome) -> String {
    match o {
        Outcome::Scored { score, llr: Some(l), .. } => {
            format!("LLR {} (raw score {:.3})", llr(*l), score.raw())
        }
        Outcome::Scored { score, llr: None, .. } => format!("raw score {:.3}, no LLR", score.raw()),
        Outcome::Finding { code, .. } => code.summary.into(),
        Outcome::Abstained(a) if a.detail.is_empty() => format!("not judged: {}", a.reason.summary()),
        Outcome::Abstained(a) => format!("not judged: {} ({})", a.reason.summary(), a.detail),
        Outcome::Failed { stage, message } => format!("failed at {}: {message}", stage.as_str()),
    }
}

/// Measured quality as names and values with units.
pub(crate) fn quality(q: &Quality) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    let mut add = |name, value: Option<String>| out.extend(value.map(|v| (name, v)));
    add("face size", q.face_px.map(|v| format!("{v:.0} px")));
    add("sharpness", q.sharpness.map(|v| format!("{v:.0}{}", if v < 20.0 { " (blurred)" } else { "" })));
    add("yaw", q.yaw.map(|v| format!("{v:+.2}")));
    add("samples", q.samples.map(|v| v.to_string()));
    add("speech", q.speech_secs.map(|v| format!("{v:.1} s")));
    add("bandwidth", q.bandwidth_hz.map(|v| format!("{v:.0} Hz")));
    add("speech over noise", q.snr_db.map(|v| format!("{v:.0} dB")));
    add("clipped", q.clipped.map(|v| format!("{:.2} %", v * 100.0)));
    out
}

/// Quality in one line.
pub(crate) fn quality_line(q: &Quality) -> String {
    quality(q).iter().map(|(n, v)| format!("{n} {v}")).collect::<Vec<_>>().join(", ")
}

/// Why an aspect, or a part of it, was not judged: each reason once, in order. Not yet made safe.
pub(crate) fn not_judged(record: &ClipRecord, aspect: Aspect) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for e in record.evidence.iter().filter(|e| e.aspect == aspect) {
        if matches!(e.outcome, Outcome::Abstained(_) | Outcome::Failed { .. }) {
            let line = match &e.subject {
                Subject::Clip => format!("{}: {}", e.detector, outcome(&e.outcome)),
                s => format!("{}, {}: {}", e.detector, subject(s), outcome(&e.outcome)),
            };
            if !out.contains(&line) {
                out.push(line);
            }
        }
    }
    out
}

/// Whether something broke.
pub(crate) fn failed(record: &ClipRecord) -> bool {
    record.evidence.iter().any(|e| matches!(e.outcome, Outcome::Failed { .. }))
}

/// Aspects that are looked at in every clip, without a detector of their own, and say something only if they find
/// something.
const ALWAYS_LOOKED_AT: [Aspect; 3] = [Aspect::Provenance, Aspect::Marks, Aspect::Integrity];

fn without_evidence(record: &ClipRecord) -> impl Iterator<Item = Aspect> {
    Aspect::ALL.into_iter().filter(|a| !record.evidence.iter().any(|e| e.aspect == *a))
}

/// Aspects that were looked at and have nothing to report; `None` if there are none, or if judging broke off.
pub(crate) fn quiet(record: &ClipRecord) -> Option<String> {
    let names: Vec<&str> =
        without_evidence(record).filter(|a| ALWAYS_LOOKED_AT.contains(a)).map(|a| a.as_str()).collect();
    (!failed(record) && !names.is_empty())
        .then(|| format!("{}: looked at, nothing found; that says nothing either way", names.join(", ")))
}

/// Aspects of which nothing at all was said, and why that is; `None` if there are none.
pub(crate) fn silent(record: &ClipRecord) -> Option<(String, &'static str)> {
    // After a failure nobody can tell which of these would have been judged.
    let broke = failed(record);
    let names: Vec<&str> = without_evidence(record)
        .filter(|a| broke || !ALWAYS_LOOKED_AT.contains(a))
        .map(|a| a.as_str())
        .collect();
    let why = if broke {
        "no answer; judging broke off, or nothing that judges these was run"
    } else {
        "nothing that judges these was run"
    };
    (!names.is_empty()).then(|| (names.join(", "), why))
}

/// A finding: its place in the evidence, the statement, its code and what was read.
pub(crate) type Found<'r> = (usize, &'r Evidence, &'r FindingCode, &'r [(String, String)]);

/// Findings with their place in the evidence, strongest first; findings of equal strength keep their order.
pub(crate) fn findings(record: &ClipRecord) -> Vec<Found<'_>> {
    let mut all: Vec<_> = record
        .evidence
        .iter()
        .enumerate()
        .filter_map(|(i, e)| match &e.outcome {
            Outcome::Finding { code, detail } => Some((i, e, code, detail.as_slice())),
            _ => None,
        })
        .collect();
    all.sort_by_key(|(_, _, code, _)| std::cmp::Reverse(code.strength));
    all
}

/// Whether a measured LLR, not only findings, stands behind a conclusion.
pub(crate) fn measured(record: &ClipRecord, a: &AspectVerdict) -> bool {
    a.llr.is_some()
        && a.carried_by.iter().any(|&i| {
            matches!(record.evidence.get(i).map(|e| &e.outcome), Some(Outcome::Scored { llr: Some(_), .. }))
        })
}

/// The clip's LLR, if it belongs to an aspect that carries the conclusion. The overall LLR is the highest of
/// all aspects, so that under a signed finding it may speak of something else.
pub(crate) fn carrying_llr(record: &ClipRecord) -> Option<LlrInterval> {
    let side = record.verdict.conclusion.as_str();
    record
        .verdict
        .aspects
        .iter()
        .filter(|a| a.conclusion.support().is_some() && a.conclusion.as_str() == side && measured(record, a))
        .filter_map(|a| a.llr)
        .max_by(|a, b| a.value.nats().abs().total_cmp(&b.value.nats().abs()))
}

/// A likelihood ratio for people: about two digits, never a false precision.
pub(crate) fn ratio(nats: f64) -> String {
    let r = nats.exp();
    if r < 9.95 {
        format!("{r:.1}")
    } else if r < 1_000.0 {
        format!("{r:.0}")
    } else {
        "over 1,000".into()
    }
}

/// A size in bytes with thousands separated.
pub(crate) fn bytes(n: u64) -> String {
    format!("{} bytes", thousands(n))
}

/// `1,234,567`.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `1 clip`, `2 clips`.
pub(crate) fn count(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(n), if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_or_hides_is_shown_escaped() {
        assert_eq!(
            safe("a\u{1b}[31mb\r\n\u{202e}4pm.exe\u{9b}", false),
            "a\\u{1b}[31mb\\r\\n\\u{202e}4pm.exe\\u{9b}"
        );
        assert_eq!(safe("one\ntwo\tthree\u{7}", true), "one\ntwo\tthree\\u{7}");
        assert_eq!(safe("می\u{200c}خواهم é 影片", false), "می\u{200c}خواهم é 影片");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(thousands(12), "12");
        assert_eq!((ratio(1.0), ratio(3.0), ratio(30.0)), ("2.7".into(), "20".into(), "over 1,000".into()));
        assert_eq!(shorten("abcdef", 3), "abc… (3 more characters)");
    }
}
