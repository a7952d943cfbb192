//! A whole store as JSON Lines: what another program, or another store, can be filled from.

use crate::store::{Store, StoreError};
use serde_json::{Value, json};

/// Why a store could not be written out.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// It could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] std::io::Error),
}

/// Writes one object a line: `clip` (with its sightings, every verdict with its evidence, and its PDQ hashes left out),
/// then `link`, then `decision`. Flat in memory: one clip at a time. Times are RFC 3339; `verdict` and `evidence` are the
/// report's own objects.
pub fn dump(store: &dyn Store, out: &mut dyn std::io::Write) -> Result<u64, DumpError> {
    let mut clips = 0;
    let mut line = |value: Value| writeln!(out, "{value}");
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or(Value::Null);
    let mut after = None;
    while let Some(clip) = store.clip_after(after.as_ref())? {
        let verdicts: Vec<Value> = store
            .verdicts(&clip.sha256)?
            .iter()
            .rev()
            .map(|v| {
                json!({"recorded_at": v.recorded_at, "pipeline_digest": v.pipeline_digest, "verdict": parsed(&v.line),
                    "evidence": v.evidence.iter().map(|e| parsed(e)).collect::<Vec<_>>()})
            })
            .collect();
        line(json!({"type": "clip", "sha256": clip.sha256, "path": clip.path, "size": clip.size,
            "recorded_at": clip.recorded_at, "cluster": clip.cluster, "sightings": store.sightings(&clip.sha256)?,
            "verdicts": verdicts}))?;
        clips += 1;
        for link in store.links_from(&clip.sha256)? {
            let mut value = serde_json::to_value(&link).unwrap_or_default();
            value["type"] = "link".into();
            line(value)?;
        }
        after = Some(clip.sha256);
    }
    for decision in store.decisions()? {
        let mut value = serde_json::to_value(&decision).unwrap_or_default();
        value["type"] = "decision".into();
        line(value)?;
    }
    Ok(clips)
}
