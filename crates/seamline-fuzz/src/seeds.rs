//! Seeds by recipe: small valid inputs of each format, made by FFmpeg or by hand. None is committed.

use crate::MODEL;
use crate::metadata::{BMFF, JPEG, PNG, RIFF};
use seamline_testkit::FixtureError;
use seamline_testkit::clips::{generated, transcoded};
use std::path::PathBuf;

const LABEL: &str = r#"{"Label":"1","ContentProducer":"001191110000000000000000X5","ProduceID":"1"}"#;
const XMP: &str = r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia" xmp:CreatorTool="x"><dc:subject><rdf:Bag><rdf:li>a &amp; b</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"#;
const PARAMETERS: &str =
    "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Model hash: abc";
const WORKFLOW: &str = r#"{"3":{"class_type":"KSampler","inputs":{"seed":1,"model":["4",0]}},"4":{"class_type":"CheckpointLoaderSimple","inputs":{"ckpt_name":"x.safetensors"}}}"#;

/// Seeds of a target; none for a name that is no target.
pub fn seeds(target: &str) -> Result<Vec<Vec<u8>>, FixtureError> {
    match target {
        "container" => read([
            clip("s.mp4", &["-c:v", "libx264", "-c:a", "aac"]),
            clip("s.mov", &["-c:v", "mpeg4", "-c:a", "pcm_s16le"]),
            clip("s.mkv", &["-c:v", "libx264", "-c:a", "libopus"]),
            clip("s.webm", &["-c:v", "libvpx-vp9", "-deadline", "realtime", "-c:a", "libvorbis"]),
            clip("s.avi", &["-c:v", "mjpeg", "-c:a", "libmp3lame"]),
            clip("s.flv", &["-c:v", "flv1", "-c:a", "libmp3lame", "-ar", "22050"]),
            clip("s.ts", &["-c:v", "mpeg2video", "-c:a", "mp2"]),
            clip("s.gif", &["-an"]),
        ]),
        "audio_file" => read([
            clip("s.mp3", &["-vn", "-c:a", "libmp3lame"]),
            clip("s.wav", &["-vn", "-c:a", "pcm_s16le"]),
            clip("s.flac", &["-vn", "-c:a", "flac"]),
            clip("s.ogg", &["-vn", "-c:a", "libvorbis"]),
            clip("s.opus", &["-vn", "-c:a", "libopus"]),
            clip("s.m4a", &["-vn", "-c:a", "aac"]),
            clip("s.aiff", &["-vn"]),
        ]),
        "still" => {
            read([picture("s.png"), picture("s.jpg"), picture("s.webp"), picture("s.bmp"), picture("s.tiff")])
        }
        "animated_webp" => read([clip("s.webp", &["-an", "-c:v", "libwebp_anim", "-loop", "0"])]),
        "png" => Ok(vec![
            chunk(b"tEXt", &keyed("parameters", PARAMETERS)),
            [
                chunk(b"IHDR", &[0; 13]),
                chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", XMP.as_bytes()].concat()),
            ]
            .concat(),
            [chunk(b"tEXt", &keyed("AIGC", LABEL)), chunk(b"eXIf", &exif()), chunk(b"caBX", &jumbf())]
                .concat(),
            without(picture("s.png")?, PNG)?,
        ]),
        "jpeg" => Ok(vec![
            [
                segment(0xe1, &[b"http://ns.adobe.com/xap/1.0/\0", XMP.as_bytes()].concat()),
                segment(0xe1, &[b"Exif\0\0".to_vec(), exif()].concat()),
                segment(0xeb, &jumbf()),
                segment(0xfe, LABEL.as_bytes()),
            ]
            .concat(),
            without(picture("s.jpg")?, JPEG)?,
        ]),
        "riff" => Ok(vec![
            without(picture("s.webp")?, RIFF)?,
            without(clip("s.wav", &["-vn", "-c:a", "pcm_s16le"])?, RIFF)?,
            without(clip("s.avi", &["-c:v", "mjpeg", "-c:a", "libmp3lame"])?, RIFF)?,
        ]),
        "bmff" => Ok(vec![
            without(clip("s.mp4", &["-c:v", "libx264", "-c:a", "aac"])?, &[])?,
            quicktime_keys(),
            without(clip("s.mov", &["-c:v", "mpeg4", "-c:a", "pcm_s16le"])?, BMFF)?,
        ]),
        "xmp" => Ok(vec![XMP.into()]),
        "exif" => Ok(vec![exif()]),
        "tc260" => Ok(vec![LABEL.into(), format!(r#"{{"AIGC":{LABEL}}}"#).into()]),
        "generator_text" => {
            Ok(vec![PARAMETERS.into(), WORKFLOW.into(), r#"{"prompt":"x","steps":28}"#.into()])
        }
        "c2pa" => Ok(vec![jumbf()]),
        "ebml" => read([
            labelled("l.mkv", &["-c:v", "libx264", "-c:a", "libopus"]),
            labelled("l.webm", &["-c:v", "libvpx-vp9", "-deadline", "realtime", "-c:a", "libvorbis"]),
        ]),
        "flac" => read([labelled("l.flac", &["-vn", "-c:a", "flac"])]),
        "ogg" => read([
            labelled("l.ogg", &["-vn", "-c:a", "libvorbis"]),
            labelled("l.opus", &["-vn", "-c:a", "libopus"]),
        ]),
        "id3" => read([labelled("l.mp3", &["-vn", "-c:a", "libmp3lame"])]),
        "flv" => read([labelled("l.flv", &["-c:v", "flv1", "-c:a", "libmp3lame", "-ar", "22050"])]),
        "gif" => read([clip("s.gif", &["-an"]), picture("s.gif")]),
        "sei" => read([clip("s.h264", &["-an", "-c:v", "libx264", "-f", "h264"])]),
        "amf" => Ok(vec![script()]),
        "vorbis" => Ok(vec![comments()]),
        "observables" => {
            let clip = "0".repeat(64);
            let rest = format!(
                r#"{{"version":2,"clip":"{clip}","duration_us":5,"frames":[],"traces":[{{"kind":"encoder","value":"x"}}]}}"#
            );
            let mut frame = 1_000_000_i64.to_le_bytes().to_vec();
            frame.extend_from_slice(&[90, 0]);
            frame.extend_from_slice(&[0x5a; 64]);
            // Four records of 74 bytes are 37 times eight.
            let frames = frame.repeat(4);
            let sound = [0_i64.to_le_bytes().to_vec(), vec![7; 12]].concat();
            Ok(vec![
                [&[37, 5][..], &frames, &sound, rest.as_bytes()].concat(),
                [&[0, 0][..], rest.as_bytes()].concat(),
            ])
        }
        "stealth" => Ok(vec![stealth(b"stealth_pnginfo"), stealth(b"stealth_pngcomp")]),
        "manifest" => Ok(shipped("models/face-blend/manifest.toml")
            .into_iter()
            .chain(shipped("models/voice-whisper/manifest.toml"))
            .collect()),
        "calibration" => Ok(vec![calibration()]),
        "fusion" => Ok(shipped("crates/seamline-fuse/data/max-aspect-1.json").into_iter().collect()),
        "wire" => Ok(vec![
            message(r#"{"Progress":{"stage":"infer","fraction":0.5}}"#),
            [message(r#"{"Unfit":"no models"}"#), message(r#""Done""#)].concat(),
            message(r#"{"Probed":"refused"}"#),
        ]),
        _ => Ok(Vec::new()),
    }
}

/// Half a second of the talking face at thumbnail size: a fuzzer wants seeds of a few kilobytes.
fn clip(name: &str, args: &[&str]) -> Result<PathBuf, FixtureError> {
    let small = ["-t", "0.5", "-vf", "scale=64:48"];
    let video = !args.contains(&"-vn") && !name.ends_with(".aiff");
    let all: Vec<&str> = if video { small.iter() } else { small[..2].iter() }.chain(args).copied().collect();
    transcoded(name, &all)
}

/// With a label in the container's own metadata.
fn labelled(name: &str, args: &[&str]) -> Result<PathBuf, FixtureError> {
    let label = format!("AIGC={LABEL}");
    let mut all = vec!["-metadata", label.as_str(), "-metadata", "title=seed"];
    all.extend(args);
    clip(name, &all)
}

fn picture(name: &str) -> Result<PathBuf, FixtureError> {
    generated(name, &["-f", "lavfi", "-i", "testsrc=size=32x24", "-frames:v", "1"])
}

fn read<const N: usize>(paths: [Result<PathBuf, FixtureError>; N]) -> Result<Vec<Vec<u8>>, FixtureError> {
    paths.into_iter().map(|path| Ok(std::fs::read(path?)?)).collect()
}

/// A file less the signature that its harness puts back.
fn without(path: PathBuf, signature: &[u8]) -> Result<Vec<u8>, FixtureError> {
    let data = std::fs::read(path)?;
    Ok(data.strip_prefix(signature).map_or_else(|| data.clone(), <[u8]>::to_vec))
}

/// A text file of this repository; absent from an installed copy, where nobody fuzzes.
fn shipped(path: &str) -> Option<Vec<u8>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    std::fs::read(root.join(path)).ok()
}

fn be(n: usize) -> [u8; 4] {
    u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes()
}

fn keyed(key: &str, value: &str) -> Vec<u8> {
    [key.as_bytes(), &[0], value.as_bytes()].concat()
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    [&be(data.len()), &kind[..], data, &[0; 4]].concat()
}

fn segment(code: u8, data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(data.len() + 2).unwrap_or(u16::MAX);
    [&[0xff, code], &len.to_be_bytes()[..], data].concat()
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&be(body.len() + 8), &kind[..], body].concat()
}

/// One IFD of one ASCII entry (Software) whose value stands behind it.
fn exif() -> Vec<u8> {
    let text = b"Example 1.0\0";
    let mut out = b"MM\0\x2a\0\0\0\x08\0\x01".to_vec();
    out.extend([0x01, 0x31, 0, 2]);
    out.extend(be(text.len()));
    out.extend(be(26));
    out.extend([0; 4]);
    out.extend(text);
    out
}

/// A store with one empty manifest: description boxes as in ISO 19566-5, labels as in C2PA 2.1, 11.1.
fn jumbf() -> Vec<u8> {
    let describe = |uuid: &[u8; 4], label: &str| {
        let tail = [0, 0x11, 0, 0x10, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
        boxed(b"jumd", &[&uuid[..], &tail, &[3], label.as_bytes(), &[0]].concat())
    };
    let manifest = boxed(b"jumb", &describe(b"c2ma", "urn:c2pa:0"));
    boxed(b"jumb", &[describe(b"c2pa", "c2pa"), manifest].concat())
}

/// `moov/udta/meta` with one key and its value.
fn quicktime_keys() -> Vec<u8> {
    let key = boxed(b"mdta", b"AIGC");
    let keys = boxed(b"keys", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &key].concat());
    let data = boxed(b"data", &[&[0, 0, 0, 1, 0, 0, 0, 0][..], LABEL.as_bytes()].concat());
    let item = boxed(&[0, 0, 0, 1], &data);
    let meta = boxed(b"meta", &[&[0; 4][..], &keys, &boxed(b"ilst", &item)].concat());
    boxed(b"moov", &boxed(b"udta", &meta))
}

/// An AMF0 script: a name and an array of one text.
fn script() -> Vec<u8> {
    let text = |s: &str| [&(s.len() as u16).to_be_bytes()[..], s.as_bytes()].concat();
    [&[2], &text("onMetaData")[..], &[8, 0, 0, 0, 1], &text("AIGC"), &[2], &text(LABEL), &[0, 0, 9]].concat()
}

/// A Vorbis comment block (Vorbis I, section 5): vendor, then one comment.
fn comments() -> Vec<u8> {
    let text = |s: &str| [&(s.len() as u32).to_le_bytes()[..], s.as_bytes()].concat();
    [&text("seed")[..], &[1, 0, 0, 0], &text(&format!("AIGC={LABEL}"))].concat()
}

/// A 64 px wide alpha plane whose lowest bits, column by column, carry a header, a length and noise.
fn stealth(header: &[u8]) -> Vec<u8> {
    const SIDE: usize = 64;
    let bytes = [header, &64u32.to_be_bytes(), &[0x5a; 8]].concat();
    let mut out = vec![0xfe; 1 + SIDE * SIDE];
    out[0] = SIDE as u8;
    for (i, bit) in bytes.iter().flat_map(|b| (0..8).rev().map(move |k| b >> k & 1)).enumerate() {
        let (column, row) = (i / SIDE, i % SIDE);
        out[1 + row * SIDE + column] |= bit;
    }
    out
}

fn calibration() -> Vec<u8> {
    format!(
        r#"{{"schema":1,"kind":"logistic","model_sha256":"{}","slope":1.5,"intercept":-2.0,"score_range":[-5.0,5.0],"llr_range":[-3.0,3.0],"llr_halfwidth":0.5}}"#,
        hex::encode(MODEL)
    )
    .into_bytes()
}

fn message(json: &str) -> Vec<u8> {
    let len = u32::try_from(json.len()).unwrap_or(u32::MAX);
    [&len.to_le_bytes()[..], json.as_bytes()].concat()
}
