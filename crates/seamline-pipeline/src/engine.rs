//! Models and detectors, loaded once a worker.

use crate::options::{Profile, ScanOptions};
use crate::trust;
use seamline_core::{Calibrator, ModelInfo, Sha256Hash};
use seamline_detect::activity::SpeechModel;
use seamline_detect::face_crop::{self, FaceCropDetector};
use seamline_detect::faces::FaceDetector;
use seamline_detect::speaker::SpeakerEncoder;
use seamline_detect::temporal::{self, TemporalDetector};
use seamline_detect::voice_window::{self, OperatingPoints, VoiceWindowDetector};
use seamline_detect::whole_picture::{self, WholePictureDetector};
use seamline_detect::{Detector, SampleKind};
use seamline_fuse::{FusionData, FusionError, LogisticCalibrator};
use seamline_infer::{
    CalibrationData, Delivery, Home, Manifest, Model, ModelError, Preprocess, RUNTIME_VERSION, Role, Runtime,
};
use seamline_marks::model::PictureMark;
use seamline_marks::speech::SpeechMark;
use seamline_provenance::Trust;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;

/// Why models could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A model or the runtime.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Fusion data.
    #[error(transparent)]
    Fusion(#[from] FusionError),
    /// The trust list.
    #[error("trust list {}: {message}", path.display())]
    Trust {
        /// Where it was looked for.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A name in `--detectors` that no manifest has.
    #[error("no detector named {name}; there are: {known}")]
    UnknownDetector {
        /// As asked.
        name: String,
        /// Comma-separated.
        known: String,
    },
}

/// What tells speech from other sound.
const SPEECH: &str = "speech-silero";

/// The manifests that a scan will use: the finders of faces and speech, and the chosen detectors.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The face finder; none where nothing is judged.
    pub face_detector: Option<Manifest>,
    /// What tells speech from other sound; none where nobody asks about speech.
    pub speech: Option<Manifest>,
    /// Detectors, sorted by id.
    pub detectors: Vec<Manifest>,
    /// Watermark decoders, sorted by id.
    pub marks: Vec<Manifest>,
    /// What makes vectors of voices, where they are wanted; no verdict depends on it.
    pub speaker: Option<Manifest>,
    /// Fusion data.
    pub fusion: FusionData,
}

impl Plan {
    /// Reads manifests and chooses. Without a list of names: every trained or package-brought detector that
    /// has a calibration; one that follows faces through every picture only in the thorough profile. With one: exactly
    /// those, calibrated or not.
    pub fn new(home: &Home, options: &ScanOptions) -> Result<Self, EngineError> {
        let mut all = Vec::new();
        for manifest in
            Manifest::read_all(&home.models).into_iter().chain(Manifest::read_all(&home.user_models))
        {
            all.push(manifest?);
        }
        let known = |m: &&Manifest| matches!(m.role, Role::Detector | Role::Mark);
        let names = || all.iter().filter(known).map(|m| m.id.as_str()).collect::<Vec<_>>().join(", ");
        let mut detectors: Vec<Manifest> = if options.judge_nothing {
            Vec::new()
        } else if options.detectors.is_empty() {
            let affordable = |m: &Manifest| m.temporal.is_none() || options.profile == Profile::Thorough;
            let ships = |m: &&Manifest| {
                m.delivery != Delivery::Operator && m.calibration().is_some() && affordable(m)
            };
            // A mark needs no calibration: its manifest states from where it is found.
            let runs = |m: &&Manifest| m.role == Role::Mark || ships(m);
            all.iter().filter(known).filter(runs).cloned().collect()
        } else {
            let find = |name: &String| {
                all.iter()
                    .filter(known)
                    .find(|m| m.id.as_str() == name)
                    .cloned()
                    .ok_or_else(|| EngineError::UnknownDetector { name: name.clone(), known: names() })
            };
            options.detectors.iter().map(find).collect::<Result<_, _>>()?
        };
        detectors.sort_by(|a, b| a.id.cmp(&b.id));
        detectors.dedup_by(|a, b| a.id == b.id);
        let (marks, detectors) = detectors.into_iter().partition(|m| m.role == Role::Mark);
        let finder = |role: Role, id: &str, wanted: bool| {
            let found = all.iter().find(|m| m.role == role && m.id.as_str() == id).cloned();
            let missing = || EngineError::UnknownDetector { name: id.into(), known: names() };
            wanted.then(|| found.ok_or_else(missing)).transpose()
        };
        let judge = !options.judge_nothing;
        let face_detector = finder(Role::FaceDetector, options.profile.face_detector(), judge)?;
        let speech = finder(Role::VoiceActivity, SPEECH, judge || options.voices)?;
        let speaker = all.iter().find(|m| m.role == Role::Speaker && options.voices).cloned();
        Ok(Self { face_detector, speech, detectors, marks, speaker, fusion: FusionData::current()? })
    }

    /// SHA-256 over everything that shapes a result: version, weights, calibrations, fusion data, options.
    pub fn digest(&self, options: &ScanOptions) -> Sha256Hash {
        let mut hash = Sha256::new();
        let mut field = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        field(env!("CARGO_PKG_VERSION"));
        field(RUNTIME_VERSION);
        field(&self.fusion.name());
        field(options.profile.as_str());
        if options.judge_nothing {
            field("judge nothing");
        }
        field(&format!("{:?}", options.limits));
        let trust = options.trust_list.as_deref().and_then(|p| trust::read(p).ok()).map(|t| t.info.sha256);
        field(&trust.map(|h| h.to_string()).unwrap_or_default());
        for m in self.all() {
            field(m.id.as_str());
            field(&m.version);
            field(&m.sha256().to_string());
            let calibration = m.calibration().and_then(|p| std::fs::read(p).ok()).unwrap_or_default();
            field(&Sha256Hash::of(&calibration).to_string());
        }
        Sha256Hash::from_bytes(hash.finalize().into())
    }

    fn all(&self) -> impl Iterator<Item = &Manifest> {
        self.face_detector.iter().chain(&self.speech).chain(&self.detectors).chain(&self.marks)
    }

    /// What a report says of the models.
    pub fn models(&self) -> Vec<ModelInfo> {
        self.all()
            .map(|m| {
                let calibration = m.calibration().and_then(|p| CalibrationData::read(&p, m.sha256()).ok());
                ModelInfo {
                    id: m.id.to_string(),
                    version: m.version.clone(),
                    title: m.title.clone(),
                    role: match m.role {
                        Role::Detector => "detector",
                        Role::FaceDetector => "face-detector",
                        Role::Mark => "mark",
                        Role::Speaker => "speaker",
                        Role::VoiceActivity => "voice-activity",
                    }
                    .into(),
                    sha256: m.sha256(),
                    licence: m.licence.clone(),
                    calibrated: calibration.is_some(),
                    false_alarm_rate: calibration.and_then(|c| c.false_alarm_rate_there),
                }
            })
            .collect()
    }
}

/// Loaded models, ready to judge.
pub struct Engine {
    /// The face finder; none where nothing is judged.
    pub faces: Option<FaceDetector>,
    /// Tells speech from other sound; none where nobody asks about speech.
    pub speech: Option<SpeechModel>,
    /// Detectors, sorted by id.
    pub detectors: Vec<Box<dyn Detector>>,
    /// Decoders of watermarks in pictures, sorted by id.
    pub picture_marks: Vec<PictureMark>,
    /// Decoders of watermarks in sound, sorted by id.
    pub speech_marks: Vec<SpeechMark>,
    /// Makes vectors of voices, where they are wanted.
    pub speaker: Option<SpeakerEncoder>,
    /// Whose signatures are trusted.
    pub trust: Trust,
}

impl Engine {
    /// Verifies and loads everything in `plan`.
    pub fn load(home: &Home, plan: &Plan, trust: Trust) -> Result<Self, EngineError> {
        let runtime = Runtime::load(home)?;
        // Side by side: hashing and graph optimisation are most of the time to the first picture.
        // A model of whole pictures is large, and most clips show faces that it passes over.
        let load = |m: &Manifest| match whole_picture::accepts(m) {
            true => Model::hold(&runtime, m.clone(), &home.cache),
            false => Model::load(&runtime, m.clone(), &home.cache, 1),
        };
        let mut models = std::thread::scope(|scope| {
            let started: Vec<_> =
                plan.all().chain(&plan.speaker).map(|m| scope.spawn(move || load(m))).collect();
            let died = |_| Err(ModelError::Runtime("the thread that loaded a model died".into()));
            started.into_iter().map(|t| t.join().unwrap_or_else(died)).collect::<Vec<_>>().into_iter()
        });
        let mut next = || models.next().unwrap_or_else(|| Err(ModelError::Runtime("no model".into())));
        let faces = match plan.face_detector {
            Some(_) => Some(FaceDetector::new(next()?)?),
            None => None,
        };
        let speech = match plan.speech {
            Some(_) => Some(SpeechModel::new(next()?)?),
            None => None,
        };
        let mut detectors: Vec<Box<dyn Detector>> = Vec::new();
        for manifest in &plan.detectors {
            let (calibrator, points) = calibration(manifest, &plan.fusion)?;
            let model = next()?;
            if temporal::accepts(manifest) {
                detectors.push(Box::new(TemporalDetector::new(model, calibrator, points)?));
            } else if voice_window::accepts(manifest) {
                detectors.push(Box::new(VoiceWindowDetector::new(model, calibrator, points)?));
            } else if whole_picture::accepts(manifest) {
                detectors.push(Box::new(WholePictureDetector::new(model, calibrator, points)?));
            } else if face_crop::accepts(manifest) {
                detectors.push(Box::new(FaceCropDetector::new(model, calibrator, points)?));
            } else {
                return Err(ModelError::Contract {
                    id: manifest.id.to_string(),
                    message: "no detector takes this aspect with this preprocessing".into(),
                }
                .into());
            }
        }
        let (mut picture_marks, mut speech_marks) = (Vec::new(), Vec::new());
        for manifest in &plan.marks {
            match manifest.preprocess {
                Preprocess::Image(_) => picture_marks.push(PictureMark::new(next()?)?),
                Preprocess::Waveform(_) => speech_marks.push(SpeechMark::new(next()?)?),
            }
        }
        let speaker = match plan.speaker {
            Some(_) => Some(SpeakerEncoder::new(next()?)?),
            None => None,
        };
        Ok(Self { faces, speech, detectors, picture_marks, speech_marks, speaker, trust })
    }

    /// Whether a detector follows faces from picture to picture.
    pub fn follows_faces(&self) -> bool {
        self.detectors.iter().any(|d| d.spec().accepts == SampleKind::Moving)
    }
}

fn calibration(
    manifest: &Manifest,
    fusion: &FusionData,
) -> Result<(Option<Arc<dyn Calibrator>>, OperatingPoints), EngineError> {
    let Some(path) = manifest.calibration() else { return Ok((None, OperatingPoints::default())) };
    let data = CalibrationData::read(&path, manifest.sha256())?;
    let points = OperatingPoints {
        supports_spoof_at: data.supports_spoof_at_llr,
        supports_bonafide_at: data.supports_bonafide_at_llr,
    };
    let calibrator = LogisticCalibrator {
        slope: data.slope,
        intercept: data.intercept,
        score_range: data.score_range,
        llr_range: data.llr_range,
        half_width: data.llr_halfwidth,
        fusion: fusion.clone(),
    };
    Ok((Some(Arc::new(calibrator)), points))
}
