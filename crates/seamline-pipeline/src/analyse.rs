//! One clip inside a worker: one decoder, one thread for pictures, one for sound, bounded channels between.
//!
//! The number of threads is fixed, every channel keeps its order, and detectors finish in the order of their
//! ids, so that the same clip leaves the same evidence however busy the machine is.

use crate::consistency;
use crate::engine::Engine;
use crate::observe::{self, PictureObserver, SoundObserver};
use crate::options::{Profile, ScanOptions, gap_code};
use crate::timeline::Timeline;
use crossbeam_channel::{Receiver, Sender, bounded};
use seamline_campaign::observables::Observables;
use seamline_core::{
    Aspect, AudioBlock, ClipId, DetectorId, Evidence, EvidenceLog, Gap, MediaError, MediaTime, MediaUnit,
    Outcome, Quality, Span, Stage, StreamIndex, StreamInfo, StreamKind, Subject, VideoFrame,
};
use seamline_detect::consistency::ConsistencyMeter;
use seamline_detect::levels::{LevelMeter, StreamLevels};
use seamline_detect::pictures::{PictureSampler, PictureSummary};
use seamline_detect::speaker::{SpeakerEncoder, SpeakerRun};
use seamline_detect::speech::SpeechSampler;
use seamline_detect::{
    ClipContext, DetectError, DetectorRun, Drawing, Picture, Sample, SampleKind, StreamSpeech,
};
use seamline_marks::pictures::{Options as MarkOptions, PictureMarks};
use seamline_marks::speech::SpeechMark;
use seamline_media::DecodeOptions;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, SeekFrom};

/// Bytes of decoded pictures in flight, and the fewest and most pictures that makes. Between two pictures that are
/// looked at lie a dozen that are not, and the decoder should not stand still meanwhile; at 8K one has 50 MB.
const BYTES_IN_FLIGHT: u64 = 24 << 20;
const FRAMES_IN_FLIGHT: (u64, u64) = (4, 16);
/// Blocks of sound in flight, about a tenth of a second and 6 KB each: pictures and sound take turns at being the
/// slower one.
const BLOCKS_IN_FLIGHT: usize = 256;

/// A detector at work on a clip: its name, its state, what it has said, and why it stopped if it did.
type Run<'e> = (DetectorId, Box<dyn DetectorRun + 'e>, EvidenceLog, Option<DetectError>);

/// What an analysis says while it runs.
pub enum Note {
    /// What the container holds, and how it is decoded.
    Streams(Vec<StreamInfo>, String),
    /// How far it is: 0 to 1, or 0 where the length is unknown.
    Progress(Stage, f32),
    /// A span that could not be decoded.
    Gap(Gap),
    /// A statement.
    Evidence(Evidence),
    /// A picture for reports.
    Picture(Picture),
    /// What the clip can be recognised by.
    Observables(Box<Observables>),
}

/// Judges one clip. Everything it has to say goes to `say`; it does not fail: failures are evidence. `draw` asks for
/// pictures, `observe`, with the clip's id, for what it can be recognised by.
pub fn analyse(
    file: File,
    engine: &Engine,
    options: &ScanOptions,
    draw: bool,
    observe: Option<ClipId>,
    say: &mut dyn FnMut(Note),
) {
    say(Note::Progress(Stage::Provenance, 0.0));
    let mut declared = Vec::new();
    match file.try_clone() {
        Ok(mut copy) => {
            declared = seamline_provenance::inspect(&mut copy, &options.limits, &engine.trust);
            declared.iter().cloned().for_each(|evidence| say(Note::Evidence(evidence)));
            let _ = copy.seek(SeekFrom::Start(0)); // the decoder seeks for itself and reports a failure
        }
        Err(e) => say(Note::Evidence(failure("media", Stage::Provenance, e.to_string()))),
    }
    say(Note::Progress(Stage::Probe, 0.0));
    // Whoever follows a face needs nearly every picture.
    let sparse = options.profile == Profile::Fast && !engine.follows_faces();
    let decode = DecodeOptions { longest_gap: sparse.then_some(options.profile.frames().with_faces) };
    let mut reader = match seamline_media::open(file, &options.limits, decode) {
        Ok(reader) => reader,
        Err(e) => {
            let stage = match e {
                MediaError::Io(_) => Stage::Open,
                MediaError::Decode(_) => Stage::Decode,
                _ => Stage::Probe,
            };
            say(Note::Evidence(failure("media", stage, e.to_string())));
            return;
        }
    };
    // The demuxer reads metadata too: what it alone finds was missed by the walkers, and counts all the same.
    for evidence in seamline_provenance::cross_check(&reader.dictionary(), "FFmpeg", &declared) {
        say(Note::Evidence(evidence));
    }
    let streams = reader.streams().to_vec();
    say(Note::Streams(
        streams.clone(),
        format!("{}; {}", reader.policy(), options.profile.frames().describe()),
    ));
    let (frame_tx, frame_rx) = bounded::<VideoFrame>(frames_in_flight(&streams));
    let (block_tx, block_rx) = bounded::<AudioBlock>(BLOCKS_IN_FLIGHT);
    let drawing = match (draw, options.profile) {
        (false, _) => Drawing::Nothing,
        (true, Profile::Fast) => Drawing::Flagged,
        (true, Profile::Thorough) => Drawing::FlaggedAndMain,
    };
    let (pictures, sound) = std::thread::scope(|scope| {
        let still = streams.iter().any(|s| s.judged && s.kind == StreamKind::Still);
        let pictures = scope.spawn(move || watch(engine, options, drawing, still, observe, frame_rx));
        let sound = scope.spawn(move || listen(engine, draw, observe, block_rx));
        decode_all(reader.as_mut(), &streams, frame_tx, block_tx, say);
        (pictures.join(), sound.join())
    });
    say(Note::Progress(Stage::Infer, 1.0));
    let mut context = ClipContext::default();
    let mut runs: Runs<'_> = Vec::new();
    let (mut seen, mut heard_by) = (None, None);
    match pictures {
        Ok(Ok(watched)) => {
            watched.marks.into_iter().for_each(|e| say(Note::Evidence(e)));
            seen = watched.observed;
            context.pictures = watched.summary.pictures;
            context.tracks = watched.summary.tracks;
            context.tracks_not_kept = watched.summary.tracks_not_kept;
            context.largest_face_px = watched.summary.largest_face_px;
            runs.extend(watched.runs);
            if draw {
                watched.summary.thumbnails.into_iter().for_each(|p| say(Note::Picture(p)));
            }
            if context.tracks_not_kept > 0 {
                let message =
                    format!("{} faces on tracks over the limit were not judged", context.tracks_not_kept);
                say(Note::Gap(Gap {
                    stream: None,
                    span: Span::new(MediaTime::ZERO, MediaTime::ZERO),
                    cause: message,
                }));
            }
        }
        Ok(Err(e)) => say(Note::Evidence(failure_in(Aspect::Face, Stage::Sample, e.to_string()))),
        Err(_) => {
            say(Note::Evidence(failure_in(Aspect::Face, Stage::Sample, "the picture thread died".into())))
        }
    }
    match sound {
        Ok(Ok(heard)) => {
            heard.marks.into_iter().for_each(|e| say(Note::Evidence(e)));
            heard_by = heard.observed;
            context.speech = heard.speech;
            context.levels = heard.levels;
            runs.extend(heard.runs);
            heard.pictures.into_iter().for_each(|p| say(Note::Picture(p)));
        }
        Ok(Err(e)) => say(Note::Evidence(failure_in(Aspect::Voice, Stage::Sample, e.to_string()))),
        Err(_) => {
            say(Note::Evidence(failure_in(Aspect::Voice, Stage::Sample, "the sound thread died".into())))
        }
    }
    if let Some(clip) = observe {
        say(Note::Observables(Box::new(observe::join(clip, seen, heard_by, &declared))));
    }
    runs.sort_by(|a, b| a.0.cmp(&b.0));
    for (id, run, mut log, broken) in runs {
        let result = match broken {
            Some(e) => Err(e),
            None => run.finish(&context, &mut log, &mut |picture| say(Note::Picture(picture))),
        };
        log.into_entries().into_iter().for_each(|e| say(Note::Evidence(e)));
        if let Err(e) = result {
            let aspect = engine
                .detectors
                .iter()
                .find(|d| d.spec().id == id)
                .map_or(Aspect::Integrity, |d| d.spec().aspect);
            let mut evidence = failure_in(aspect, Stage::Infer, e.to_string());
            evidence.detector = id;
            say(Note::Evidence(evidence));
        }
    }
}

/// Pictures that may wait, from the largest stream's size at 12 bits a pixel.
fn frames_in_flight(streams: &[StreamInfo]) -> usize {
    let pixels = |s: &StreamInfo| Some(u64::from(s.width?) * u64::from(s.height?));
    let largest = streams.iter().filter(|s| s.judged).filter_map(pixels).max().unwrap_or(1).max(1);
    (BYTES_IN_FLIGHT / (largest * 3 / 2).max(1)).clamp(FRAMES_IN_FLIGHT.0, FRAMES_IN_FLIGHT.1) as usize
}

fn decode_all(
    reader: &mut dyn seamline_core::MediaReader,
    streams: &[StreamInfo],
    frames: Sender<VideoFrame>,
    blocks: Sender<AudioBlock>,
    say: &mut dyn FnMut(Note),
) {
    let length = streams.iter().filter_map(|s| s.duration).max();
    let mut timeline = Timeline::default();
    let mut told = -1i64;
    let mut progress = |time: MediaTime, say: &mut dyn FnMut(Note)| {
        let fraction = length
            .filter(|l| l.as_micros() > 0)
            .map_or(0.0, |l| time.as_micros() as f32 / l.as_micros() as f32);
        // A note a percent, or a second of media where the length is unknown.
        let step = if length.is_some() { (fraction * 100.0) as i64 } else { time.as_micros() / 1_000_000 };
        if step != told {
            told = step;
            say(Note::Progress(Stage::Decode, fraction.clamp(0.0, 1.0)));
        }
    };
    loop {
        match reader.next_unit() {
            // A receiver that is gone has failed and says so itself; the other one still wants its units.
            Ok(Some(MediaUnit::Frame(frame))) => {
                progress(frame.time, say);
                timeline.picture(frame.stream, frame.time);
                let _ = frames.send(frame);
            }
            Ok(Some(MediaUnit::Audio(block))) => {
                progress(block.time, say);
                timeline.sound(&block);
                let _ = blocks.send(block);
            }
            Ok(Some(MediaUnit::Gap(gap))) => {
                timeline.gap(gap.stream);
                let detail =
                    vec![("cause".to_owned(), gap.cause.clone()), ("span".to_owned(), gap.span.to_string())];
                let outcome = Outcome::Finding { code: *gap_code(&gap.cause), detail };
                let subject = match gap.stream {
                    Some(stream) => Subject::Stream { stream, span: Some(gap.span) },
                    None => Subject::Clip,
                };
                say(Note::Evidence(statement("media", Aspect::Integrity, subject, outcome)));
                say(Note::Gap(gap));
            }
            Ok(None) => break,
            Err(e) => {
                say(Note::Evidence(failure("media", Stage::Decode, e.to_string())));
                break;
            }
        }
    }
    timeline.finish(streams).into_iter().for_each(|evidence| say(Note::Evidence(evidence)));
}

type Runs<'e> = Vec<Run<'e>>;

fn start(engine: &Engine, kind: SampleKind, drawing: Drawing) -> Runs<'_> {
    engine
        .detectors
        .iter()
        .filter(|d| d.spec().accepts == kind)
        .map(|d| (d.spec().id.clone(), d.start(drawing), EvidenceLog::new(), None))
        .collect()
}

/// Gives a sample to every run; a run that failed gets no more, and the others go on.
fn give(runs: &mut Runs<'_>, sample: &Sample) {
    for (_, run, log, broken) in runs.iter_mut().filter(|r| r.3.is_none()) {
        *broken = run.push(sample, log).err();
    }
}

struct Watched<'e> {
    marks: Vec<Evidence>,
    observed: Option<Observables>,
    summary: PictureSummary,
    runs: Runs<'e>,
}

fn watch<'e>(
    engine: &'e Engine,
    options: &ScanOptions,
    drawing: Drawing,
    still: bool,
    observe: Option<ClipId>,
    frames: Receiver<VideoFrame>,
) -> Result<Watched<'e>, DetectError> {
    let parts = options.profile == Profile::Thorough;
    let mut marks = (!options.judge_nothing)
        .then(|| PictureMarks::new(MarkOptions { parts }, still, &engine.picture_marks));
    let mut runs = start(engine, SampleKind::Face, drawing);
    let moving = start(engine, SampleKind::Moving, drawing);
    let follow = !moving.is_empty();
    runs.extend(moving);
    let wholes = start(engine, SampleKind::Whole, drawing);
    let whole = !wholes.is_empty();
    runs.extend(wholes);
    let (policy, most) = (options.profile.frames(), options.limits.max_tracks);
    let sample = |faces| PictureSampler::new(faces, policy, most).with_whole(whole).with_moving(follow);
    let mut sampler = engine.faces.as_ref().map(sample);
    let mut observer = observe.map(|clip| (clip, PictureObserver::default()));
    for frame in frames {
        if let Some((_, observer)) = &mut observer {
            observer.push(&frame)?;
        }
        if let Some(marks) = &mut marks {
            marks.push(&frame)?;
        }
        if let Some(sampler) = &mut sampler {
            sampler.push(&frame, &mut |sample| {
                give(&mut runs, &sample);
                Ok(())
            })?;
        }
    }
    let observed = observer.map(|(clip, observer)| observer.finish(clip));
    let marks = marks.map(PictureMarks::finish).unwrap_or_default();
    let summary = sampler.map(PictureSampler::finish).unwrap_or_default();
    Ok(Watched { marks, observed, summary, runs })
}

struct Heard<'e> {
    marks: Vec<Evidence>,
    observed: Option<Observables>,
    speech: Vec<StreamSpeech>,
    levels: Vec<(StreamIndex, StreamLevels)>,
    pictures: Vec<Picture>,
    runs: Runs<'e>,
}

fn listen(
    engine: &Engine,
    draw: bool,
    observe: Option<ClipId>,
    blocks: Receiver<AudioBlock>,
) -> Result<Heard<'_>, DetectError> {
    let mut runs = start(engine, SampleKind::Speech, Drawing::Nothing);
    let mut samplers: BTreeMap<StreamIndex, SpeechSampler<'_>> = BTreeMap::new();
    // Voices are taken only of clips that are to be recognised again.
    let mut speakers = engine.speaker.as_ref().filter(|_| observe.is_some()).map(|s| (s, s.start()));
    let mut lengths: Vec<usize> = engine.detectors.iter().filter_map(|d| d.spec().window).collect();
    lengths.extend(speakers.iter().map(|(encoder, _)| encoder.window()));
    lengths.sort_unstable();
    lengths.dedup();
    let mut marks: Vec<_> = engine.speech_marks.iter().map(SpeechMark::start).collect();
    let mut observer = observe.map(|clip| (clip, SoundObserver::default()));
    let mut meters: BTreeMap<StreamIndex, LevelMeter> = BTreeMap::new();
    let mut consistency: BTreeMap<StreamIndex, ConsistencyMeter> = BTreeMap::new();
    let (follow, judge) = (engine.follows_faces(), engine.faces.is_some());
    for block in blocks {
        if let Some((_, observer)) = &mut observer {
            observer.push(&block);
        }
        if follow {
            meters.entry(block.stream).or_default().push(&block);
        }
        if judge {
            consistency.entry(block.stream).or_default().push(&block);
        }
        marks.iter_mut().try_for_each(|m| m.push(&block))?;
        let new = || SpeechSampler::new(block.stream, &lengths, draw).confirmed_by(engine.speech.as_ref());
        let sampler = samplers.entry(block.stream).or_insert_with(new);
        sampler.push(&block, &mut |sample| {
            give(&mut runs, &sample);
            hear(&mut speakers, &sample)
        })?;
    }
    let mut heard = Heard {
        marks: Vec::new(),
        observed: None,
        speech: Vec::new(),
        levels: meters.into_iter().map(|(stream, meter)| (stream, meter.finish())).collect(),
        pictures: Vec::new(),
        runs: Vec::new(),
    };
    for sampler in samplers.into_values() {
        let (speech, picture) = sampler.finish(&mut |sample| {
            give(&mut runs, &sample);
            hear(&mut speakers, &sample)
        })?;
        heard.speech.push(speech);
        heard.pictures.extend(picture);
    }
    if let Some((clip, mut observer)) = observer {
        if let Some((encoder, speakers)) = speakers {
            observer.voices(encoder.sha256(), speakers.finish()?);
        }
        heard.observed = Some(observer.finish(clip));
    }
    let spoken: BTreeMap<StreamIndex, Vec<Span>> =
        heard.speech.iter().map(|s| (s.stream, s.segments.clone())).collect();
    for mark in marks {
        heard.marks.extend(mark.finish(&spoken)?);
    }
    for (stream, meter) in consistency {
        let segments = spoken.get(&stream).map_or(&[][..], Vec::as_slice);
        heard.marks.extend(consistency::findings(stream, meter.finish(segments)));
    }
    heard.runs = runs;
    Ok(heard)
}

/// Gives a window to whoever tells voices apart.
fn hear(
    speakers: &mut Option<(&SpeakerEncoder, SpeakerRun<'_>)>,
    sample: &Sample,
) -> Result<(), DetectError> {
    match (speakers, sample) {
        (Some((_, run)), Sample::Speech(window)) => run.push(window),
        _ => Ok(()),
    }
}

/// A statement by a part of Seamline that has no weights.
pub(crate) fn statement(who: &'static str, aspect: Aspect, subject: Subject, outcome: Outcome) -> Evidence {
    Evidence {
        detector: DetectorId::builtin(who),
        version: env!("CARGO_PKG_VERSION").into(),
        model_sha256: None,
        aspect,
        families: Vec::new(),
        subject,
        rollup: true,
        outcome,
        quality: Quality::default(),
    }
}

pub(crate) fn failure(who: &'static str, stage: Stage, message: String) -> Evidence {
    statement(who, Aspect::Integrity, Subject::Clip, Outcome::Failed { stage, message })
}

fn failure_in(aspect: Aspect, stage: Stage, message: String) -> Evidence {
    statement("sampler", aspect, Subject::Clip, Outcome::Failed { stage, message })
}
