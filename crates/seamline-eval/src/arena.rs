//! A result in the form of the Speech Anti-Spoofing Arena: `result.yaml` beside the scores that it hashes.

use crate::answers::{Answers, Key};
use crate::measure::Case;
use crate::metrics::{Costs, Counts, Ranked};
use crate::protocol::Protocol;
use seamline_core::Sha256Hash;

/// Both files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArenaResult {
    /// `result.yaml`.
    pub yaml: String,
    /// `scores.csv`: `file_name,score`, higher supports spoof, as its first line says.
    pub scores: String,
}

/// The result of one detector on its sound clips; `None` where it has no equal error rate.
pub fn arena_result(protocol: &Protocol, split: &str, key: &Key, answers: &Answers) -> Option<ArenaResult> {
    let mut cases = crate::measure::cases(protocol, key, answers);
    let cases = cases.remove(&crate::protocol::Modality::Audio)?;
    let scored: Vec<(&Case<'_>, f64)> =
        cases.iter().filter_map(|c| Some((c, c.answer.score?.toward_spoof()))).collect();
    let values: Vec<f64> = scored.iter().map(|s| s.1).collect();
    let labels: Vec<_> = scored.iter().map(|s| s.0.trial.label).collect();
    let ranked = Ranked::new(&values, &labels).ok()?;
    let eer = ranked.rank_metrics(&Costs::ASVSPOOF5, Counts::Once).ok()?.eer;
    let mut scores = "# polarity: higher_is_spoof\nfile_name,score\n".to_owned();
    for (case, score) in &scored {
        scores += &format!("{},{score:?}\n", csv_field(&case.trial.id));
    }
    // The identity of the data set: every file name with its label, in order.
    let listed: String = cases.iter().map(|c| format!("{}\t{:?}\n", c.trial.id, c.trial.label)).collect();
    let yaml = format!(
        "schema_version: 1\nsystem:\n  name: {}\n  version: {}\ndataset:\n  id: {}\n  revision: {}\nsplit: {}\n\
         eer_percent: {:.4}\nn_trials: {}\nn_skipped: {}\nscores:\n  file: scores.csv\n  sha256: {}\n",
        quoted(&key.detector),
        quoted(&answers.version),
        quoted(&protocol.name),
        quoted(&format!("sha256:{}", Sha256Hash::of(listed.as_bytes()))),
        quoted(split),
        eer * 100.0,
        scored.len(),
        cases.len() - scored.len(),
        quoted(&Sha256Hash::of(scores.as_bytes()).to_string()),
    );
    Some(ArenaResult { yaml, scores })
}

/// JSON strings are YAML strings (YAML 1.2, section 1.3), and nothing in them can break out.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// RFC 4180.
fn csv_field(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into()
    }
}
