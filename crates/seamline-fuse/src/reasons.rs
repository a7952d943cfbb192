//! Evidence in plain sentences.

use seamline_core::{Evidence, Outcome, Span, Subject};

/// Who or what a piece of evidence speaks of: `face 2 (00:03.000 to 00:09.500)`.
pub(crate) fn subject(s: &Subject) -> String {
    let with = |name: String, span: &Span| format!("{name} ({span})");
    match s {
        Subject::Clip => "the clip".into(),
        Subject::Stream { stream, span: None } => format!("stream {}", stream.0),
        Subject::Stream { stream, span: Some(span) } => with(format!("stream {}", stream.0), span),
        Subject::Track { track, span, .. } => with(format!("face {}", track.0), span),
        Subject::Segment { span, .. } => with("speech".into(), span),
        Subject::Frame { span, .. } => with("picture".into(), span),
    }
}

/// One sentence for one piece of evidence.
pub(crate) fn sentence(e: &Evidence) -> String {
    let who = &e.detector;
    match &e.outcome {
        Outcome::Scored { score, llr: Some(llr), .. } => format!(
            "{who}: LLR {} [{}, {}] for {} (raw score {:.3})",
            llr.value,
            llr.lo,
            llr.hi,
            subject(&e.subject),
            score.raw()
        ),
        Outcome::Scored { score, llr: None, .. } => {
            format!("{who}: raw score {:.3} for {}, not calibrated there", score.raw(), subject(&e.subject))
        }
        Outcome::Finding { code, detail } => {
            let fields: Vec<String> = detail.iter().map(|(k, v)| format!("{k}: {v}")).collect();
            if fields.is_empty() {
                code.summary.to_owned()
            } else {
                format!("{} ({})", code.summary, shorten(&fields.join("; "), 200))
            }
        }
        Outcome::Abstained(a) if a.detail.is_empty() => format!("{who}: not judged, {}", a.reason.summary()),
        Outcome::Abstained(a) => format!("{who}: not judged, {} ({})", a.reason.summary(), a.detail),
        Outcome::Failed { stage, message } => format!("{who}: failed at {}: {message}", stage.as_str()),
    }
}

fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        text.to_owned()
    } else {
        text.chars().take(most).chain(['…']).collect()
    }
}
