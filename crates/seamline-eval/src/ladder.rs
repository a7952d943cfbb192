//! The robustness ladder: what channels do to clips before anybody checks them.
//!
//! Each condition is a recipe for the `ffmpeg` program: one thread, bit-exact flags, no metadata, so that the same
//! clip, recipe and FFmpeg give the same bytes. Results are kept under the hash of the recipe and of the clip, and
//! made only once. FFmpeg runs here outside any jail: the ladder is for data sets, not for clips of strangers.

use crate::protocol::Modality;
use seamline_core::Sha256Hash;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why a condition could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LadderError {
    /// No such condition.
    #[error("no condition named {name}; there are: {known}")]
    Unknown {
        /// As asked.
        name: String,
        /// Comma-separated.
        known: String,
    },
    /// The program is missing, or refused the clip.
    #[error("{program}: {message}")]
    Program {
        /// Which.
        program: &'static str,
        /// Its last word.
        message: String,
    },
    /// Files of the cache.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// A clip whose sound has no rate, or is silent where noise is to be measured against it.
    #[error("{0}")]
    Sound(&'static str),
}

/// A step: arguments between input and output, and the extension of what comes out.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// `ffmpeg -i IN <arguments> OUT`. `{rate}` is the sound's sample rate, `{faster}` 1.05 times that.
    Encode(&'static [&'static str], &'static str),
    /// White noise at this signal-to-noise ratio in decibels, over the whole clip's power.
    Noise(i32),
}

/// A condition of the ladder.
#[derive(Debug)]
pub struct Condition {
    /// Its name in tables.
    pub id: &'static str,
    /// What it does, in one line.
    pub title: &'static str,
    /// The clips it is for.
    pub modality: Modality,
    also: Option<Modality>,
    steps: &'static [Step],
}

const fn condition(
    id: &'static str,
    title: &'static str,
    modality: Modality,
    steps: &'static [Step],
) -> Condition {
    Condition { id, title, modality, also: None, steps }
}

/// H.264 as uploads have it: 8 bits 4:2:0, which needs even sides; sound at a rate that hides nothing.
macro_rules! h264 {
    ($filter:literal, $crf:literal, [$($sound:literal),*]) => {
        Step::Encode(
            &["-vf", $filter, "-c:v", "libx264", "-preset", "medium", "-pix_fmt", "yuv420p", "-crf", $crf, $($sound),*],
            "mp4",
        )
    };
}

use Modality::{Audio, Video};
use Step::{Encode, Noise};

/// Every condition, in the order of tables.
pub const LADDER: &[Condition] = &[
    condition(
        "h264-crf23",
        "H.264 at crf 23",
        Video,
        &[h264!("scale=trunc(iw/2)*2:trunc(ih/2)*2", "23", ["-c:a", "aac", "-b:a", "128k"])],
    ),
    condition(
        "h264-crf28",
        "H.264 at crf 28",
        Video,
        &[h264!("scale=trunc(iw/2)*2:trunc(ih/2)*2", "28", ["-c:a", "aac", "-b:a", "128k"])],
    ),
    condition(
        "h264-crf33",
        "H.264 at crf 33",
        Video,
        &[h264!("scale=trunc(iw/2)*2:trunc(ih/2)*2", "33", ["-c:a", "aac", "-b:a", "128k"])],
    ),
    condition(
        "480p",
        "small side at most 480, H.264 at crf 23",
        Video,
        &[h264!(
            "scale='if(gt(iw,ih),-2,min(480,trunc(iw/2)*2))':'if(gt(iw,ih),min(480,trunc(ih/2)*2),-2)'",
            "23",
            ["-c:a", "aac", "-b:a", "128k"]
        )],
    ),
    condition(
        "240p",
        "small side at most 240, H.264 at crf 23",
        Video,
        &[h264!(
            "scale='if(gt(iw,ih),-2,min(240,trunc(iw/2)*2))':'if(gt(iw,ih),min(240,trunc(ih/2)*2),-2)'",
            "23",
            ["-c:a", "aac", "-b:a", "128k"]
        )],
    ),
    condition(
        "whatsapp",
        "like a messenger: small side at most 480, crf 30, AAC 32 kbit/s mono",
        Video,
        &[h264!(
            "scale='if(gt(iw,ih),-2,min(480,trunc(iw/2)*2))':'if(gt(iw,ih),min(480,trunc(ih/2)*2),-2)'",
            "30",
            ["-c:a", "aac", "-b:a", "32k", "-ac", "1"]
        )],
    ),
    condition(
        "double",
        "compressed twice: H.264 at crf 28, then at crf 28 from a picture grid shifted by three pixels",
        Video,
        &[
            h264!("scale=trunc(iw/2)*2:trunc(ih/2)*2", "28", ["-c:a", "aac", "-b:a", "64k"]),
            h264!("crop=trunc((iw-4)/2)*2:trunc((ih-4)/2)*2:3:3", "28", ["-c:a", "aac", "-b:a", "64k"]),
        ],
    ),
    Condition {
        id: "screenshot",
        title: "like a picture of a screen: scaled to 83 %, 3 % cut off each side, compressed again",
        modality: Video,
        also: Some(Modality::Image),
        steps: &[h264!(
            "scale=iw*0.83:ih*0.83:flags=bilinear,crop=trunc(iw*0.94/2)*2:trunc(ih*0.94/2)*2",
            "20",
            ["-c:a", "aac", "-b:a", "128k"]
        )],
    },
    condition("mp3-64k", "MP3 at 64 kbit/s", Audio, &[Encode(&["-c:a", "libmp3lame", "-b:a", "64k"], "mp3")]),
    condition("mp3-32k", "MP3 at 32 kbit/s", Audio, &[Encode(&["-c:a", "libmp3lame", "-b:a", "32k"], "mp3")]),
    condition("aac-32k", "AAC at 32 kbit/s", Audio, &[Encode(&["-c:a", "aac", "-b:a", "32k"], "m4a")]),
    condition("opus-16k", "Opus at 16 kbit/s", Audio, &[Encode(&["-c:a", "libopus", "-b:a", "16k"], "ogg")]),
    condition(
        "telephone",
        "8 kHz mono, G.711 mu-law",
        Audio,
        &[Encode(&["-ar", "8000", "-ac", "1", "-c:a", "pcm_mulaw"], "wav")],
    ),
    condition("noise-20db", "white noise, 20 dB below the sound", Audio, &[Noise(20)]),
    condition("noise-10db", "white noise, 10 dB below the sound", Audio, &[Noise(10)]),
    condition(
        "speed-1.05",
        "played 5 % faster, pitch and all",
        Audio,
        &[Encode(
            &["-af", "asetrate={faster},aresample={rate}", "-c:a", "flac", "-sample_fmt", "s16"],
            "flac",
        )],
    ),
    condition(
        "reverb",
        "a small hard room: seven reflections within 100 ms",
        Audio,
        &[Encode(
            &[
                "-af",
                "aecho=0.8:0.9:11|19|31|43|59|79|97:0.5|0.45|0.38|0.32|0.25|0.18|0.12",
                "-c:a",
                "flac",
                "-sample_fmt",
                "s16",
            ],
            "flac",
        )],
    ),
];

impl Condition {
    /// Whether it is made for clips of `modality`.
    pub fn takes(&self, modality: Modality) -> bool {
        self.modality == modality || self.also == Some(modality)
    }

    /// By name.
    pub fn find(name: &str) -> Result<&'static Self, LadderError> {
        LADDER.iter().find(|c| c.id == name).ok_or_else(|| LadderError::Unknown {
            name: name.into(),
            known: LADDER.iter().map(|c| c.id).collect::<Vec<_>>().join(", "),
        })
    }
}

/// The program that re-encodes, and where results are kept.
#[derive(Clone, Debug)]
pub struct Ladder {
    cache: PathBuf,
    version: String,
}

impl Ladder {
    /// Asks FFmpeg for its version: another version may give other bytes.
    pub fn new(cache: &Path) -> Result<Self, LadderError> {
        let out = output(Command::new("ffmpeg").arg("-version"), "ffmpeg")?;
        let version = String::from_utf8_lossy(&out).lines().next().unwrap_or_default().to_owned();
        Ok(Self { cache: cache.to_owned(), version })
    }

    /// FFmpeg's first line about itself.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The clip under the condition; made unless it is there.
    pub fn make(
        &self,
        condition: &Condition,
        modality: Modality,
        clip: &Path,
        hash: Sha256Hash,
    ) -> Result<PathBuf, LadderError> {
        let recipe = format!("{}\n{:?}\n{modality:?}", self.version, condition.steps);
        let dir = self.cache.join(format!("{}-{}", condition.id, Sha256Hash::of(recipe.as_bytes()).short()));
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| LadderError::Io { path, source }
        };
        std::fs::create_dir_all(&dir).map_err(io(&dir))?;
        let extension = match (condition.steps.last(), modality) {
            (_, Modality::Image) => "png",
            (Some(Encode(_, extension)), _) => extension,
            _ => "flac",
        };
        let done = dir.join(format!("{hash}.{extension}"));
        if done.is_file() {
            return Ok(done);
        }
        // Beside the final name, so that a broken run leaves nothing that looks finished. The thread's own number:
        // two trials never share a clip, but two processes might.
        let part = |step: usize, extension: &str| {
            dir.join(format!("{hash}.{}.part{step}.{extension}", std::process::id()))
        };
        let mut input = clip.to_owned();
        let mut made = Vec::new();
        let mut result = Ok(());
        for (number, step) in condition.steps.iter().enumerate() {
            let output = part(number, if number + 1 == condition.steps.len() { extension } else { "mp4" });
            made.push(output.clone());
            result = self.step(step, modality, &input, &output);
            if result.is_err() {
                break;
            }
            input = output;
        }
        let result = result.and_then(|()| std::fs::rename(&input, &done).map_err(io(&done)));
        for part in made {
            let _ = std::fs::remove_file(part); // the last one was renamed, the others are not wanted
        }
        result.map(|()| done)
    }

    fn step(&self, step: &Step, modality: Modality, input: &Path, out: &Path) -> Result<(), LadderError> {
        match step {
            Encode(arguments, _) if modality == Modality::Image => {
                // A still picture takes the filter and keeps nothing of the video codec but one intra JPEG's loss.
                let filter = arguments.iter().skip_while(|a| **a != "-vf").nth(1).copied().unwrap_or("null");
                let jpeg = out.with_extension("jpg");
                let first = ["-vf", filter, "-frames:v", "1", "-q:v", "4"].map(str::to_owned);
                let result = encode(&[], input, &first, &jpeg)
                    .and_then(|()| encode(&[], &jpeg, &["-frames:v".into(), "1".into()], out));
                let _ = std::fs::remove_file(jpeg); // an intermediate; the result says whether it worked
                result
            }
            Encode(arguments, _) => {
                let mut rate = None;
                let mut filled = Vec::new();
                for argument in *arguments {
                    if !argument.contains('{') {
                        filled.push((*argument).to_owned());
                        continue;
                    }
                    let rate = match rate {
                        Some(rate) => rate,
                        None => *rate.insert(sound_of(input)?.0),
                    };
                    let faster = (f64::from(rate) * 1.05).round() as u32;
                    filled.push(
                        argument
                            .replace("{rate}", &rate.to_string())
                            .replace("{faster}", &faster.to_string()),
                    );
                }
                encode(&[], input, &filled, out)
            }
            Noise(snr_db) => noise(*snr_db, input, out),
        }
    }
}

fn encode(before: &[String], input: &Path, arguments: &[String], out: &Path) -> Result<(), LadderError> {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-nostdin", "-v", "error", "-y", "-threads", "1", "-protocol_whitelist", "file"])
        .args(before)
        .arg("-i")
        .arg(input)
        .args(["-map_metadata", "-1", "-sn", "-dn", "-fflags", "+bitexact"])
        .args(["-flags:v", "+bitexact", "-flags:a", "+bitexact"])
        .args(arguments)
        .args(["-threads", "1"])
        .arg(out);
    output(&mut command, "ffmpeg").map(drop)
}

/// Sample rate and channels of the first sound stream.
fn sound_of(input: &Path) -> Result<(u32, u32), LadderError> {
    let mut command = Command::new("ffprobe");
    command
        .args(["-v", "error", "-protocol_whitelist", "file", "-select_streams", "a:0"])
        .args(["-show_entries", "stream=sample_rate,channels", "-of", "csv=p=0"])
        .arg(input);
    let out = output(&mut command, "ffprobe")?;
    let text = String::from_utf8_lossy(&out);
    let mut numbers = text.lines().next().unwrap_or_default().split(',').map(|n| n.trim().parse().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(rate), Some(channels)) if rate > 0 && channels > 0 => Ok((rate, channels)),
        _ => Err(LadderError::Sound("the clip has no sound whose rate is known")),
    }
}

/// Adds white Gaussian noise from a fixed seed at `snr_db` below the clip's mean power. Through raw samples and not
/// through FFmpeg's noise source, whose power after resampling is not what was asked for.
fn noise(snr_db: i32, input: &Path, out: &Path) -> Result<(), LadderError> {
    let (rate, channels) = sound_of(input)?;
    let raw = out.with_extension("f32");
    let io = |source| LadderError::Io { path: raw.clone(), source };
    let form = ["-f", "f32le", "-c:a", "pcm_f32le"].map(str::to_owned);
    let result = encode(&[], input, &form, &raw).and_then(|()| {
        let bytes = std::fs::read(&raw).map_err(io)?;
        let mut samples: Vec<f32> =
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let power = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len().max(1) as f64;
        if power <= 0.0 {
            return Err(LadderError::Sound("the clip is silent: noise has nothing to be measured against"));
        }
        let deviation = (power / 10_f64.powf(f64::from(snr_db) / 10.0)).sqrt();
        let mut random = crate::bootstrap::SplitMix::new(0x5ea_311e, 0, 0);
        for sample in &mut samples {
            *sample = (f64::from(*sample) + deviation * random.normal()).clamp(-1.0, 1.0) as f32;
        }
        let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        std::fs::write(&raw, bytes).map_err(io)?;
        let before =
            ["-f".into(), "f32le".into(), "-ar".into(), rate.to_string(), "-ac".into(), channels.to_string()];
        encode(&before, &raw, &["-c:a", "flac", "-sample_fmt", "s16"].map(str::to_owned), out)
    });
    let _ = std::fs::remove_file(&raw); // an intermediate; the result says whether it worked
    result
}

fn output(command: &mut Command, program: &'static str) -> Result<Vec<u8>, LadderError> {
    let out = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| LadderError::Program { program, message: format!("cannot be run: {e}") })?;
    if out.status.success() {
        return Ok(out.stdout);
    }
    let text = String::from_utf8_lossy(&out.stderr);
    let message = text.lines().rfind(|l| !l.trim().is_empty()).unwrap_or("failed without a word").to_owned();
    Err(LadderError::Program { program, message })
}
