//! `manifest.toml`: the one place for a model's tensor names, preprocessing, polarity and licence.
//! The format is described in `models/README.md`.

use crate::golden::GoldenSpec;
use crate::mark::MarkSpec;
use crate::{ModelError, read_limited};
use seamline_core::{Aspect, AttackFamily, DetectorId, ScoreSemantics, Sha256Hash};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Manifests are small; a larger file is not one.
const MAX_MANIFEST_BYTES: u64 = 64 << 10;
/// Free dimension in a declared shape.
const FREE: i64 = -1;

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Gives scores.
    Detector,
    /// Finds faces.
    FaceDetector,
    /// Reads a watermark.
    Mark,
    /// Makes a vector of a voice.
    Speaker,
    /// Tells speech from other sound.
    VoiceActivity,
}

/// How the weights reach a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// By a recipe in `scripts/train`; committed.
    Trained,
    /// By a pinned registry package, converted at set-up.
    Package,
    /// By the operator.
    Operator,
}

/// The model's input tensor.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Tensor name.
    pub name: String,
    /// Dimensions; -1 is free.
    pub shape: Vec<i64>,
}

/// How a window shorter than the model's is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pad {
    /// The window again, from its start.
    Repeat,
    /// Zeros after it.
    Zero,
}

/// Level normalisation before the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalise {
    /// As decoded.
    None,
    /// The window's largest |sample| becomes 1.
    Peak,
}

/// What a speech model is given.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaveformPreprocess {
    /// Must be 16,000: the one rate inside Seamline.
    pub sample_rate_hz: u32,
    /// Window length in samples; absent = any length.
    pub samples: Option<usize>,
    /// Filling of short windows.
    #[serde(default = "pad_repeat")]
    pub pad: Pad,
    /// Level.
    #[serde(default = "normalise_none")]
    pub normalise: Normalise,
    /// Distance between windows of one clip, in samples.
    pub hop_samples: Option<usize>,
    /// Less speech than this in a stream, and the detector abstains.
    #[serde(default = "default_min_speech")]
    pub min_speech_secs: f32,
}

fn pad_repeat() -> Pad {
    Pad::Repeat
}
fn normalise_none() -> Normalise {
    Normalise::None
}
fn default_min_speech() -> f32 {
    1.5
}

/// Order of the dimensions of a picture tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Batch, channel, row, column.
    Nchw,
    /// Batch, row, column, channel.
    Nhwc,
}

/// Order of the colour channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// Resize filter; each averages over the source area when it shrinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResizeFilter {
    /// Box average.
    Area,
    /// Triangle.
    Bilinear,
    /// Catmull-Rom (a = -0.5).
    Bicubic,
}

/// How a whole picture becomes the tensor's size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Resized to width x height, whatever its shape.
    #[default]
    Squeeze,
    /// The width x height in its middle is cut out; nothing is resized.
    Centre,
}

/// What a picture model is given.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ImagePreprocess {
    /// Tensor width in pixels.
    pub width: u32,
    /// Tensor height in pixels.
    pub height: u32,
    /// Dimension order.
    pub layout: Layout,
    /// Channel order.
    pub colour: Colour,
    /// What the levels 0 and 255 become, before mean and standard deviation.
    pub range: [f32; 2],
    /// Subtracted, in the order of `colour`.
    #[serde(default)]
    pub mean: [f32; 3],
    /// Divided by, in the order of `colour`.
    #[serde(default = "ones")]
    pub std: [f32; 3],
    /// Resize filter.
    pub filter: ResizeFilter,
    /// Face crops: side of the square = margin x longer side of the face box.
    #[serde(default = "default_margin")]
    pub crop_margin: f32,
    /// Face detectors: each side of the canvas is rounded up to a multiple of this; absent = exactly width x height.
    pub canvas_multiple: Option<u32>,
    /// Faces smaller than this (longer side of the box, display pixels) are not judged.
    #[serde(default)]
    pub min_face_px: f32,
    /// Whole pictures: the longer side is first reduced to this with `longest_filter`; absent = it is not.
    pub longest_px: Option<u32>,
    /// Whole pictures: the filter of that first step; absent = `filter`.
    pub longest_filter: Option<ResizeFilter>,
    /// Whole pictures: what then makes them width x height.
    #[serde(default)]
    pub fit: Fit,
    /// Whole pictures: those whose shorter side is smaller are not judged.
    #[serde(default)]
    pub min_side_px: u32,
    /// Whole pictures: those with a face whose longer side is more than this part of the shorter side are not judged.
    pub max_face_share: Option<f32>,
}

fn ones() -> [f32; 3] {
    [1.0; 3]
}
fn default_margin() -> f32 {
    1.3
}

/// One of the two kinds of input.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preprocess {
    /// Speech.
    Waveform(WaveformPreprocess),
    /// Pictures.
    Image(ImagePreprocess),
}

/// Which number of the output tensor is the score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Select {
    /// One number an item.
    Scalar,
    /// `out[item][index]`.
    Index {
        /// Column.
        index: usize,
    },
    /// `out[item][plus] - out[item][minus]`.
    Difference {
        /// Added.
        plus: usize,
        /// Subtracted.
        minus: usize,
    },
}

/// The output tensor that holds the score.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSpec {
    /// Tensor name.
    pub name: String,
    /// Dimensions; -1 is free.
    pub shape: Vec<i64>,
    /// Which number of it.
    pub select: Select,
}

/// How many scores become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// Arithmetic mean.
    Mean,
    /// Median; the mean of the middle two for an even number.
    Median,
    /// Mean without the lowest and highest tenth (rounded down).
    TrimmedMean,
}

/// The score's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct ScoreSpec {
    /// Orientation and unit.
    #[serde(flatten)]
    pub semantics: ScoreSemantics,
    /// Windows or crops to one.
    pub aggregate: Aggregate,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSpec {
    path: String,
    sha256: Sha256Hash,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CalibrationSpec {
    path: String,
}

/// A model's manifest, read and checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    schema: u32,
    /// The folder's name.
    pub id: DetectorId,
    /// Version of weights and manifest together.
    pub version: String,
    /// What it is for.
    pub role: Role,
    /// The question it answers; detectors only.
    pub aspect: Option<Aspect>,
    /// One line for people.
    pub title: String,
    /// SPDX expression of the weights.
    pub licence: String,
    /// How the weights reach a user.
    pub delivery: Delivery,
    /// Attack families it claims.
    #[serde(default)]
    pub families: Vec<AttackFamily>,
    file: FileSpec,
    /// The input tensor.
    pub input: InputSpec,
    /// What the input is made of.
    pub preprocess: Preprocess,
    /// Where the score is; detectors only.
    pub output: Option<OutputSpec>,
    /// What it means; detectors only.
    pub score: Option<ScoreSpec>,
    calibration: Option<CalibrationSpec>,
    /// Watermark decoders: what the output means.
    pub mark: Option<MarkSpec>,
    /// What comes out for one fixed input; checked when the model is added or verified.
    pub golden: Option<GoldenSpec>,
    /// Face detectors: everything that their decoder needs, read by `seamline-detect`.
    pub decode: Option<toml::Table>,
    /// Detectors that follow a face: the head over what is measured, read by `seamline-detect`.
    pub temporal: Option<toml::Table>,
    #[serde(skip)]
    dir: PathBuf,
}

impl Manifest {
    /// Reads `dir/manifest.toml` and checks that it says all that its role needs.
    pub fn read(dir: &Path) -> Result<Self, ModelError> {
        let path = dir.join("manifest.toml");
        let bytes = read_limited(&path, MAX_MANIFEST_BYTES)?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| ModelError::Manifest { path: path.clone(), message: "not UTF-8".into() })?;
        let mut manifest =
            Self::parse(text).map_err(|message| ModelError::Manifest { path: path.clone(), message })?;
        if dir.file_name().and_then(|n| n.to_str()) != Some(manifest.id.as_str()) {
            return Err(ModelError::Manifest {
                path,
                message: format!("id {} differs from its folder's name", manifest.id),
            });
        }
        manifest.dir = dir.to_owned();
        Ok(manifest)
    }

    /// Parses and checks a manifest's text; the error is one line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = toml::from_str(text).map_err(|e| e.to_string().replace('\n', " "))?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        if self.schema != 1 {
            return Err(format!("schema {} is not known; this version reads schema 1", self.schema));
        }
        if DetectorId::new(self.id.as_str()).is_none() {
            return Err(format!("id {:?}: use 1 to 64 of a-z, 0-9 and -", self.id.as_str()));
        }
        let sane = |shape: &[i64]| {
            !shape.is_empty() && shape.len() <= 6 && shape.iter().all(|&d| d == FREE || d > 0)
        };
        if !sane(&self.input.shape) {
            return Err(format!("input.shape {:?}: use positive sizes and -1", self.input.shape));
        }
        match &self.preprocess {
            Preprocess::Waveform(w) => {
                if w.sample_rate_hz != seamline_core::AudioBlock::RATE_HZ {
                    return Err(format!(
                        "preprocess.waveform.sample_rate_hz is {}; only 16000",
                        w.sample_rate_hz
                    ));
                }
                if w.samples.is_some_and(|n| !(160..=16_000 * 60).contains(&n)) || w.hop_samples == Some(0) {
                    return Err(
                        "preprocess.waveform: samples must be 160 to 960000 and hop_samples positive".into(),
                    );
                }
                if !w.min_speech_secs.is_finite() || w.min_speech_secs < 0.0 {
                    return Err("preprocess.waveform.min_speech_secs must be a number >= 0".into());
                }
            }
            Preprocess::Image(i) => {
                let numbers =
                    i.range.iter().chain(&i.mean).chain(&i.std).chain([&i.crop_margin, &i.min_face_px]);
                if !(1..=4096).contains(&i.width) || !(1..=4096).contains(&i.height) {
                    return Err("preprocess.image: width and height must be 1 to 4096".into());
                }
                if numbers.clone().any(|n| !n.is_finite()) || i.std.contains(&0.0) {
                    return Err("preprocess.image: every number must be finite and std not 0".into());
                }
                if i.canvas_multiple.is_some_and(|m| !(1..=256).contains(&m)) {
                    return Err("preprocess.image.canvas_multiple must be 1 to 256".into());
                }
                if i.longest_px.is_some_and(|n| !(16..=8192).contains(&n)) {
                    return Err("preprocess.image.longest_px must be 16 to 8192".into());
                }
                if i.fit == Fit::Centre && i.min_side_px < i.width.max(i.height) {
                    return Err(format!(
                        "preprocess.image: with fit = \"centre\" min_side_px must be at least {}, or a picture has no such middle",
                        i.width.max(i.height)
                    ));
                }
                if i.max_face_share.is_some_and(|s| !(0.0..=4.0).contains(&s)) {
                    return Err("preprocess.image.max_face_share must be 0 to 4".into());
                }
                if !(0.5..=4.0).contains(&i.crop_margin) {
                    return Err("preprocess.image.crop_margin must be 0.5 to 4".into());
                }
            }
        }
        if let Some(golden) = &self.golden {
            golden.check()?;
        }
        match self.role {
            Role::Mark => {
                let spec = self.mark.as_ref().ok_or("a watermark decoder needs [mark]")?;
                let (Some(output), Some(Aspect::Marks)) = (&self.output, self.aspect) else {
                    return Err("a watermark decoder needs [output] and aspect = \"marks\"".into());
                };
                spec.check(output.shape.get(1).and_then(|&n| usize::try_from(n).ok()))?;
                if let Preprocess::Waveform(wave) = &self.preprocess
                    && (wave.samples.is_none() || spec.payload.is_some())
                {
                    return Err(
                        "a watermark decoder for sound needs [preprocess.waveform] with samples, and \
                                its output is a confidence"
                            .into(),
                    );
                }
            }
            Role::Detector => {
                let output = self.output.as_ref().ok_or("a detector needs [output]")?;
                if !sane(&output.shape) {
                    return Err(format!("output.shape {:?}: use positive sizes and -1", output.shape));
                }
                if self.score.is_none() || self.aspect.is_none() {
                    return Err("a detector needs aspect and [score]".into());
                }
                let columns = output.shape.get(1).copied().unwrap_or(1);
                let largest = match output.select {
                    Select::Scalar => 0,
                    Select::Index { index } => index,
                    Select::Difference { plus, minus } => plus.max(minus),
                };
                if columns != FREE && largest as i64 >= columns {
                    return Err(format!("output.select needs column {largest}, shape has {columns}"));
                }
            }
            Role::Speaker => {
                let waveform = matches!(&self.preprocess, Preprocess::Waveform(w) if w.samples.is_some());
                if self.output.is_none() || !waveform {
                    return Err(
                        "a speaker model needs [output] and [preprocess.waveform] with samples".into()
                    );
                }
            }
            Role::VoiceActivity => {
                if self.output.is_none() || !matches!(self.preprocess, Preprocess::Waveform(_)) {
                    return Err("a voice activity model needs [output] and [preprocess.waveform]".into());
                }
            }
            Role::FaceDetector => {
                if self.decode.is_none() || !matches!(self.preprocess, Preprocess::Image(_)) {
                    return Err("a face detector needs [decode] and [preprocess.image]".into());
                }
            }
        }
        Ok(())
    }

    /// The input's shape for one item. Free are the batch, and where the model takes any size the last dimensions,
    /// which are then those of the preprocessing (of a waveform of any length, one second).
    pub fn input_shape_of_one(&self) -> Vec<usize> {
        let dimensions = self.input.shape.len();
        let free = |at: usize| match (&self.preprocess, dimensions - at) {
            _ if at == 0 => 1,
            (Preprocess::Waveform(wave), 1) => wave.samples.unwrap_or(16_000),
            (Preprocess::Image(image), 1) if image.layout == Layout::Nchw => image.width as usize,
            (Preprocess::Image(image), 2) => {
                if image.layout == Layout::Nchw {
                    image.height as usize
                } else {
                    image.width as usize
                }
            }
            (Preprocess::Image(image), 3) if image.layout == Layout::Nhwc => image.height as usize,
            _ => 1,
        };
        let size = |(at, &d): (usize, &i64)| usize::try_from(d).unwrap_or_else(|_| free(at));
        self.input.shape.iter().enumerate().map(size).collect()
    }

    /// The folder it was read from.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The pinned hash of the weights.
    pub fn sha256(&self) -> Sha256Hash {
        self.file.sha256
    }

    /// Where the weights are, given the cache of materialised files.
    pub fn weights(&self, cache: &Path) -> PathBuf {
        match self.file.path.strip_prefix("cache:") {
            Some(name) => cache.join("models").join(name),
            None => self.dir.join(&self.file.path),
        }
    }

    /// The calibration's path, if it has one.
    pub fn calibration(&self) -> Option<PathBuf> {
        self.calibration.as_ref().map(|c| self.dir.join(&c.path))
    }

    /// All manifests of a folder of models, sorted by id. A folder without `manifest.toml` is passed over;
    /// a broken manifest is returned as its error, beside the others.
    pub fn read_all(dir: &Path) -> Vec<Result<Self, ModelError>> {
        let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
        let mut dirs: Vec<_> =
            entries.flatten().map(|e| e.path()).filter(|p| p.join("manifest.toml").is_file()).collect();
        dirs.sort();
        dirs.iter().map(|d| Self::read(d)).collect()
    }
}
