//! DeepfakeBench's dataset files: data set > class > split > (compression >) video > `{label, frames}`.
//!
//! The clip's id is the whole path through that tree. Grouping frames by the name of their folder, as the
//! benchmark's own video metric does, merges the videos of different manipulations that share a name.

use super::{Draft, Modality, ReadOptions, Row};
use crate::text::TextError;
use seamline_core::Label;
use serde_json::Value;

/// Classes by the benchmark's `label_dict` (its `training/config/train_config.yaml`).
fn class(word: &str) -> Option<Label> {
    const REAL: [&str; 9] = [
        "FF-real",
        "DFD_real",
        "CelebDFv1_real",
        "CelebDFv2_real",
        "DFDCP_Real",
        "DFDC_Real",
        "DF_real",
        "UADFV_Real",
        "roop_Real",
    ];
    const FAKE: [&str; 16] = [
        "FF-DF",
        "FF-F2F",
        "FF-FS",
        "FF-NT",
        "FF-FH",
        "FF-SH",
        "DFD_fake",
        "CelebDFv1_fake",
        "CelebDFv2_fake",
        "DFDCP_FakeA",
        "DFDCP_FakeB",
        "DFDC_Fake",
        "DF_fake",
        "UADFV_Fake",
        "roop_Fake",
        "FaceShifter",
    ];
    if REAL.contains(&word) {
        return Some(Label::Bonafide);
    }
    FAKE.contains(&word).then_some(Label::Spoof)
}

pub(super) fn read(draft: &mut Draft, text: &str, options: &ReadOptions<'_>) -> Result<(), TextError> {
    let path = draft.path();
    let root: Value = serde_json::from_str(text).map_err(|e| TextError::json(&path, &e))?;
    let mut reader = Reader { draft, options, number: 0 };
    for (dataset, classes) in object(&path, &root, "the file")? {
        for (_, splits) in object(&path, classes, dataset)? {
            for (split, videos) in object(&path, splits, dataset)? {
                reader.videos(dataset, split, "", videos)?;
            }
        }
    }
    Ok(())
}

fn object<'v>(
    path: &std::path::Path,
    value: &'v Value,
    what: &str,
) -> Result<&'v serde_json::Map<String, Value>, TextError> {
    value.as_object().ok_or_else(|| TextError::syntax(path, 0, format!("{what} is no JSON object")))
}

struct Reader<'a, 'o> {
    draft: &'a mut Draft,
    options: &'a ReadOptions<'o>,
    number: usize,
}

impl Reader<'_, '_> {
    fn videos(
        &mut self,
        dataset: &str,
        split: &str,
        compression: &str,
        videos: &Value,
    ) -> Result<(), TextError> {
        let path = self.draft.path();
        for (name, video) in object(&path, videos, split)? {
            let entry = object(&path, video, name)?;
            let Some(frames) = entry.get("frames") else {
                if !compression.is_empty() {
                    return Err(TextError::syntax(&path, 0, format!("{name} has no frames")));
                }
                // One level more: the compression.
                if self.options.compression.is_none_or(|wanted| wanted == name) {
                    self.videos(dataset, split, name, video)?;
                }
                continue;
            };
            self.video(dataset, split, compression, name, entry.get("label"), frames)?;
        }
        Ok(())
    }

    fn video(
        &mut self,
        dataset: &str,
        split: &str,
        compression: &str,
        name: &str,
        label: Option<&Value>,
        frames: &Value,
    ) -> Result<(), TextError> {
        self.number += 1;
        let path = self.draft.path();
        let wrong = |what: &str| TextError::syntax(&path, self.number, format!("{name}: {what}"));
        let label = label.and_then(Value::as_str).ok_or_else(|| wrong("no label"))?;
        let frames = frames.as_array().ok_or_else(|| wrong("frames is no list"))?;
        let id = [dataset, label, split, compression, name]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("/");
        let before = self.draft.protocol.trials.len();
        let row = Row {
            row: self.number,
            id: &id,
            label,
            generator: label,
            source: dataset,
            split,
            modality: Some(Modality::Video),
            ..Row::default()
        };
        self.draft.add(row, "the classes of DeepfakeBench's label_dict", class)?;
        if self.draft.protocol.trials.len() == before {
            return Ok(());
        }
        for frame in frames {
            let frame = frame.as_str().ok_or_else(|| wrong("a frame is no text"))?;
            // The benchmark writes paths of two systems.
            let frame = frame.replace('\\', "/");
            if let Some(other) = self.draft.protocol.frames.insert(frame.clone(), before as u32)
                && other != before as u32
            {
                return Err(wrong(&format!("frame {frame} belongs to another video already")));
            }
        }
        Ok(())
    }
}
