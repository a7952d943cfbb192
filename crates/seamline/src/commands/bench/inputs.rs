//! What `bench score` and `bench compare` are given: evidence, or the score files of others.

use super::named;
use crate::cli_bench::{AggregateArg, ForeignArgs, PolarityArg};
use anyhow::{Result, bail};
use seamline_core::{Aspect, Orientation};
use seamline_eval::answers::AnswerSet;
use seamline_eval::evidence::{self, Strictness, VERDICT};
use seamline_eval::protocol::Protocol;
use seamline_eval::scores::{self, Aggregate, ForeignOptions, ScoreFormat, Unit};
use std::path::Path;

/// `[NAME=FORMAT:]FILE`.
pub(crate) struct Input<'a> {
    name: Option<&'a str>,
    format: &'a str,
    file: &'a Path,
}

impl<'a> Input<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        if let Some((name, rest)) = text.split_once('=')
            && let Some((format, file)) = rest.split_once(':')
            && (format == "evidence" || ScoreFormat::ALL.iter().any(|f| f.1 == format))
        {
            return Self { name: Some(name), format, file: Path::new(file) };
        }
        Self { name: None, format: "evidence", file: Path::new(text) }
    }

    pub(crate) fn read(&self, protocol: &Protocol, foreign: &ForeignArgs) -> Result<AnswerSet> {
        let strictness = Strictness { allow_missing: foreign.partial, allow_unknown: foreign.partial };
        if self.format == "evidence" {
            return Ok(evidence::read(self.file, protocol, strictness)?);
        }
        if foreign.aspect != "*" && !Aspect::ALL.iter().any(|a| a.as_str() == foreign.aspect) {
            let known = Aspect::ALL.map(Aspect::as_str).join(", ");
            bail!("no aspect named {}; there are: {known}", foreign.aspect);
        }
        let unit = foreign.unit.as_deref().map(|u| named("unit", u, &Unit::ALL)).transpose()?;
        let options = ForeignOptions {
            aspect: foreign.aspect.clone(),
            polarity: foreign.polarity.map(|p| match p {
                PolarityArg::HigherIsSpoof => Orientation::HigherIsSpoof,
                PolarityArg::HigherIsBonafide => Orientation::HigherIsBonafide,
            }),
            unit,
            threshold: foreign.threshold,
            aggregate: match foreign.aggregate {
                AggregateArg::Mean => Aggregate::Mean,
                AggregateArg::Median => Aggregate::Median,
                AggregateArg::Max => Aggregate::Max,
            },
            strictness,
            ..ForeignOptions::new(self.name.unwrap_or("theirs"))
        };
        let format = named("score format", self.format, &ScoreFormat::ALL)?;
        Ok(scores::read(self.file, format, protocol, &options)?)
    }
}

/// Reads several inputs into one set; the same detector under the same condition twice is a mistake.
pub(crate) fn read_all(inputs: &[String], protocol: &Protocol, foreign: &ForeignArgs) -> Result<AnswerSet> {
    let mut all = AnswerSet::new();
    for text in inputs {
        for (key, answers) in Input::parse(text).read(protocol, foreign)? {
            if let Some(there) = all.get(&key) {
                if there.by_trial == answers.by_trial {
                    continue;
                }
                let hint = if key.detector == VERDICT { " (the verdicts of two runs)" } else { "" };
                bail!("{text}: {} under {} was scored already{hint}", key.detector, key.condition);
            }
            all.insert(key, answers);
        }
    }
    Ok(all)
}
