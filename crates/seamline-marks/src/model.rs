//! Marks in pictures that a model reads, which an operator brought: a confidence, known bits, or a checked packet.
//!
//! Pictures are the sampled ones of [`crate::pictures`]. The outputs of a clip's pictures are averaged before they are
//! read: a mark is in every picture, chance is not.

use crate::said_by;
use crate::stats::ln_choose_up_to;
use crate::trustmark;
use seamline_core::code::MARK_OPERATOR;
use seamline_core::{Evidence, MediaTime, Outcome, RgbFrame, Span, Stage, StreamIndex, Subject, pixels};
use seamline_infer::{
    ImagePreprocess, MarkSpec, Model, ModelError, OutputSpec, PayloadSpec, Preprocess, Select, kernel,
    push_image,
};
use std::f64::consts::{LN_2, LN_10};

/// The decoder.
#[derive(Debug)]
pub struct PictureMark {
    model: Model,
    image: ImagePreprocess,
    output: OutputSpec,
    spec: MarkSpec,
}

/// What an output came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// As the manifest's `found` is stated.
    pub confidence: f64,
    /// What is embedded, in words.
    pub payload: String,
}

impl PictureMark {
    /// From a loaded model whose manifest has `[preprocess.image]` and `[mark]`.
    pub fn new(model: Model) -> Result<Self, ModelError> {
        let m = model.manifest();
        let (Preprocess::Image(image), Some(output), Some(spec)) = (&m.preprocess, &m.output, &m.mark) else {
            let message = "a mark in pictures needs [preprocess.image], [output] and [mark]".into();
            return Err(ModelError::Contract { id: m.id.to_string(), message });
        };
        let (image, output, spec) = (image.clone(), output.clone(), spec.clone());
        Ok(Self { model, image, output, spec })
    }

    /// The numbers of the output for one picture, which is resized to the model's size.
    pub fn outputs(&self, picture: &RgbFrame) -> Result<Vec<f64>, ModelError> {
        let (width, height) = (self.image.width, self.image.height);
        let mut data = Vec::new();
        push_image(
            &pixels::resize(picture, width, height, kernel(self.image.filter)),
            &self.image,
            &mut data,
        );
        let m = self.model.manifest();
        let outputs = self.model.run(&m.input_shape_of_one(), &data)?;
        let found = outputs.into_iter().find(|o| o.name == self.output.name);
        let values: Vec<f64> = found.map(|o| o.data.into_iter().map(f64::from).collect()).unwrap_or_default();
        if values.is_empty() || values.iter().any(|v| !v.is_finite()) {
            let message = format!("its output {:?} holds no numbers", self.output.name);
            return Err(ModelError::Contract { id: m.id.to_string(), message });
        }
        Ok(values)
    }

    /// Reads (averaged) outputs; `None` where they hold no payload at all.
    pub fn read(&self, outputs: &[f64]) -> Option<Reading> {
        let bits = || outputs.iter().map(|&v| v > 0.0);
        match &self.spec.payload {
            None => {
                let at = |i: usize| outputs.get(i).copied();
                let confidence = match self.output.select {
                    Select::Scalar => at(0)?,
                    Select::Index { index } => at(index)?,
                    Select::Difference { plus, minus } => at(plus)? - at(minus)?,
                };
                Some(Reading { confidence, payload: "not read".into() })
            }
            Some(PayloadSpec::Key { bits: key }) => {
                if outputs.len() != key.len() {
                    return None;
                }
                let wrong = bits().zip(key.bytes()).filter(|(bit, key)| *bit != (*key == b'1')).count();
                let ln_chance = ln_choose_up_to(key.len(), wrong) - key.len() as f64 * LN_2;
                let payload = format!("the operator's key, {wrong} of {} bits differ", key.len());
                Some(Reading { confidence: (-ln_chance / LN_10).max(0.0), payload })
            }
            Some(PayloadSpec::Trustmark) => {
                let packet = trustmark::decode(&bits().collect::<Vec<_>>())?;
                let text: String = packet.payload.iter().map(|&b| if b { '1' } else { '0' }).collect();
                let payload = format!("{}*{text}, {} bits corrected", packet.schema, packet.corrected);
                Some(Reading { confidence: -packet.ln_chance() / LN_10, payload })
            }
        }
    }

    /// Begins a clip.
    pub fn start(&self) -> PictureMarkRun<'_> {
        PictureMarkRun { mark: self, sum: Vec::new(), pictures: 0, place: None, broken: None }
    }
}

/// One clip.
#[derive(Debug)]
pub struct PictureMarkRun<'m> {
    mark: &'m PictureMark,
    sum: Vec<f64>,
    pictures: u32,
    place: Option<(StreamIndex, Span)>,
    broken: Option<ModelError>,
}

impl PictureMarkRun<'_> {
    /// Takes a picture. After a failure, which [`Self::finish`] tells, it takes no more.
    pub fn push(&mut self, picture: &RgbFrame, stream: StreamIndex, time: MediaTime) {
        if self.broken.is_some() {
            return;
        }
        match self.mark.outputs(picture) {
            Ok(outputs) => {
                self.sum.resize(outputs.len(), 0.0);
                self.sum.iter_mut().zip(outputs).for_each(|(sum, v)| *sum += v);
                self.pictures += 1;
                let now = Span::new(time, time);
                self.place = Some((stream, self.place.map_or(now, |(_, span)| span.union(&now))));
            }
            Err(e) => self.broken = Some(e),
        }
    }

    /// What was found, or why nothing could be. Nothing found says nothing.
    pub fn finish(self) -> Option<Evidence> {
        let spec = &self.mark.spec;
        let subject =
            self.place.map_or(Subject::Clip, |(stream, span)| Subject::Stream { stream, span: Some(span) });
        let outcome = if let Some(e) = &self.broken {
            Outcome::Failed { stage: Stage::Infer, message: e.to_string() }
        } else {
            let mean: Vec<f64> = self.sum.iter().map(|v| v / f64::from(self.pictures.max(1))).collect();
            let reading =
                self.mark.read(&mean).filter(|r| self.pictures > 0 && r.confidence >= spec.found)?;
            let detail = [
                ("confidence", format!("{:.2}, found from {:.2}", reading.confidence, spec.found)),
                ("generator", self.mark.model.manifest().title.clone()),
                ("payload", reading.payload),
                ("pictures", self.pictures.to_string()),
                ("scheme", spec.scheme.clone()),
                ("weakness", "as the operator's card says".to_owned()),
            ];
            let detail = detail.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
            Outcome::Finding { code: MARK_OPERATOR, detail }
        };
        Some(said_by(self.mark.model.manifest(), subject, outcome))
    }
}
