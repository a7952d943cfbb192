//! Walkers on hand-made containers, on their mutations, and on noise: findings where they belong, never a panic,
//! never more memory than the limit.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers outside of #[test] functions

use proptest::prelude::*;
use seamline_core::{Evidence, Limits, Outcome};
use seamline_provenance::{Trust, inspect};
use seamline_testkit::damage::mutate;
use std::io::Cursor;

const LABEL: &str = r#"{"Label":"1","ContentProducer":"001191110000000000000000X5","ProduceID":"1"}"#;
const XMP: &str = r#"<x:xmpmeta><rdf:Description Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/></x:xmpmeta>"#;
const PARAMETERS: &str = "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1";

fn codes(data: &[u8]) -> Vec<&'static str> {
    found(data)
        .iter()
        .filter_map(|e| match &e.outcome {
            Outcome::Finding { code, .. } => Some(code.name),
            _ => None,
        })
        .collect()
}

fn found(data: &[u8]) -> Vec<Evidence> {
    inspect(&mut Cursor::new(data.to_vec()), &Limits::default(), &Trust::default())
}

/// PNG chunks; checksums are not looked at by a walker, so they stay zero.
fn png(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in chunks.iter().map(|(k, d)| (*k, d.as_slice())).chain([(b"IEND", &[][..])]) {
        out.extend((data.len() as u32).to_be_bytes());
        out.extend(kind);
        out.extend(data);
        out.extend([0; 4]);
    }
    out
}

fn jpeg(segments: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8];
    for (code, data) in segments {
        out.extend([0xff, *code]);
        out.extend((data.len() as u16 + 2).to_be_bytes());
        out.extend(data);
    }
    out.extend([0xff, 0xd9]);
    out
}

fn riff(kind: &[u8; 4], chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut body = kind.to_vec();
    for (name, data) in chunks {
        body.extend(*name);
        body.extend((data.len() as u32).to_le_bytes());
        body.extend(data);
        body.extend(vec![0; data.len() % 2]);
    }
    let mut out = b"RIFF".to_vec();
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(body);
    out
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut out = (body.len() as u32 + 8).to_be_bytes().to_vec();
    out.extend(kind);
    out.extend(body);
    out
}

/// `moov/udta/meta` with one key and its value.
fn mp4() -> Vec<u8> {
    let key = boxed(b"mdta", b"AIGC");
    let keys = boxed(b"keys", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &key].concat());
    let data = boxed(b"data", &[&[0, 0, 0, 1, 0, 0, 0, 0][..], LABEL.as_bytes()].concat());
    let item = boxed(&1u32.to_be_bytes(), &data);
    let meta = boxed(b"meta", &[&[0; 4][..], &keys, &boxed(b"ilst", &item)].concat());
    [boxed(b"ftyp", b"isom\0\0\0\0"), boxed(b"mdat", &[0; 64]), boxed(b"moov", &boxed(b"udta", &meta))]
        .concat()
}

/// An EBML element with a size of four bytes.
fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    let size = (0x1000_0000 | body.len() as u32).to_be_bytes();
    [id, &size, body].concat()
}

/// Header, a segment without a stated size, a cluster without one, and tags behind it.
fn matroska() -> Vec<u8> {
    let simple = element(
        &[0x67, 0xc8],
        &[element(&[0x45, 0xa3], b"AIGC"), element(&[0x44, 0x87], LABEL.as_bytes())].concat(),
    );
    let tags = element(&[0x12, 0x54, 0xc3, 0x67], &element(&[0x73, 0x73], &simple));
    let live = |id: &[u8]| [id, &[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]].concat();
    [
        element(&[0x1a, 0x45, 0xdf, 0xa3], &element(&[0x42, 0x82], b"webm")),
        live(&[0x18, 0x53, 0x80, 0x67]),
        live(&[0x1f, 0x43, 0xb6, 0x75]),
        element(&[0xa3], &[0x81, 0, 0, 0x80, 9, 9, 9]),
        tags,
    ]
    .concat()
}

fn syncsafe(n: usize) -> [u8; 4] {
    [(n >> 21) as u8 & 0x7f, (n >> 14) as u8 & 0x7f, (n >> 7) as u8 & 0x7f, n as u8 & 0x7f]
}

/// An ID3 tag with one frame of user text, in a given version and text encoding.
fn id3(version: u8, encoding: u8) -> Vec<u8> {
    let coded = |s: &str| match encoding {
        1 => [0xff, 0xfe].into_iter().chain(s.encode_utf16().flat_map(u16::to_le_bytes)).collect::<Vec<_>>(),
        _ => s.as_bytes().to_vec(),
    };
    let end: &[u8] = if encoding == 1 { &[0, 0] } else { &[0] };
    let body = [&[encoding][..], &coded("AIGC"), end, &coded(LABEL)].concat();
    let n = body.len();
    let frame = match version {
        2 => [&b"TXX"[..], &(n as u32).to_be_bytes()[1..], &body].concat(),
        3 => [&b"TXXX"[..], &(n as u32).to_be_bytes(), &[0, 0], &body].concat(),
        _ => [&b"TXXX"[..], &syncsafe(n), &[0, 0], &body].concat(),
    };
    [&b"ID3"[..], &[version, 0, 0], &syncsafe(frame.len()), &frame].concat()
}

fn comments() -> Vec<u8> {
    let counted = |s: &[u8]| [&(s.len() as u32).to_le_bytes()[..], s].concat();
    let field = [b"AIGC=", LABEL.as_bytes()].concat();
    [counted(b"libVorbis"), 1u32.to_le_bytes().to_vec(), counted(&field)].concat()
}

fn flac() -> Vec<u8> {
    let block = |kind: u8, body: &[u8]| [&[kind], &(body.len() as u32).to_be_bytes()[1..], body].concat();
    [b"fLaC".to_vec(), block(0, &[0; 34]), block(0x84, &comments())].concat()
}

/// Ogg pages of one stream: an identification packet, then the comments over as many segments as they need.
fn ogg() -> Vec<u8> {
    let page = |flags: u8, packet: &[u8]| {
        let mut lacing = vec![255; packet.len() / 255];
        lacing.push((packet.len() % 255) as u8);
        let head = [&b"OggS\0"[..], &[flags], &[0; 8], &7u32.to_le_bytes(), &[0; 8], &[lacing.len() as u8]];
        [&head.concat()[..], &lacing, packet].concat()
    };
    let tags = [&b"OpusTags"[..], &comments()].concat();
    [page(2, b"OpusHead\x01\x02\0\0"), page(0, &tags), page(4, &[1; 40])].concat()
}

fn flv() -> Vec<u8> {
    let short = |s: &[u8]| [&(s.len() as u16).to_be_bytes()[..], s].concat();
    let script = [
        &[2][..],
        &short(b"onMetaData"),
        &[8, 0, 0, 0, 2],
        &short(b"duration"),
        &[0; 9],
        &short(b"AIGC"),
        &[2],
        &short(LABEL.as_bytes()),
        &[0, 0, 9],
    ]
    .concat();
    let tag = [&[18][..], &(script.len() as u32).to_be_bytes()[1..], &[0; 7], &script].concat();
    [&b"FLV\x01\x05\0\0\0\x09\0\0\0\0"[..], &tag].concat()
}

fn gif() -> Vec<u8> {
    let text = PARAMETERS.as_bytes();
    [&b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff\x21\xfe"[..], &[text.len() as u8], text, &[0, 0x3b]]
        .concat()
}

/// An AVIF whose `meta` names one XMP item, which lies in the media data.
fn avif() -> Vec<u8> {
    let item = b"\x02\0\0\0\0\x01\0\0mime\0application/rdf+xml\0";
    let iinf = boxed(b"iinf", &[&[0, 0, 0, 0, 0, 1][..], &boxed(b"infe", item)].concat());
    let ftyp = boxed(b"ftyp", b"avif\0\0\0\0");
    let make = |offset: u32| {
        let iloc = [
            &[0, 0, 0, 0, 0x44, 0, 0, 1, 0, 1, 0, 0, 0, 1][..],
            &offset.to_be_bytes(),
            &(XMP.len() as u32).to_be_bytes(),
        ]
        .concat();
        boxed(b"meta", &[&[0; 4][..], &iinf, &boxed(b"iloc", &iloc)].concat())
    };
    let offset = ftyp.len() + make(0).len() + 8;
    [ftyp, make(offset as u32), boxed(b"mdat", XMP.as_bytes())].concat()
}

/// A picture with IPTC's credit line in a Photoshop resource whose name has an odd length.
fn photoshop() -> Vec<u8> {
    let credit = b"Made with Google AI";
    let iptc = [&[0x1c, 2, 110, 0, credit.len() as u8][..], credit].concat();
    let resource =
        [&b"8BIM\x04\x04\x01a"[..], &(iptc.len() as u32).to_be_bytes(), &iptc, &vec![0; iptc.len() % 2]]
            .concat();
    jpeg(&[(0xed, [&b"Photoshop 3.0\0"[..], &resource].concat())])
}

fn samsung() -> Vec<u8> {
    [&jpeg(&[])[..], b"SEFH PhotoEditor_Re_Edit_Data {\"genAIType\":8} SEFT"].concat()
}

/// x264's message in the media data of a file whose movie box comes first.
fn x264() -> Vec<u8> {
    let uuid = b"\xdc\x45\xe9\xbd\xe6\xd9\x48\xb7\x96\x2c\xd8\x20\xd9\x23\xee\xef";
    let message =
        [&[0, 0, 0, 80, 6, 5, 60][..], uuid, b"x264 - core 164 - options: cabac=1 crf=23.0\x80"].concat();
    [boxed(b"ftyp", b"isom\0\0\0\0"), boxed(b"moov", &[]), boxed(b"mdat", &message)].concat()
}

fn samples() -> Vec<(Vec<u8>, &'static str)> {
    vec![
        (matroska(), "tc260.aigc_label"),
        (id3(2, 0), "tc260.aigc_label"),
        (id3(3, 1), "tc260.aigc_label"),
        (id3(4, 3), "tc260.aigc_label"),
        ([id3(4, 0), flac()].concat(), "tc260.aigc_label"),
        (flac(), "tc260.aigc_label"),
        (ogg(), "tc260.aigc_label"),
        (flv(), "tc260.aigc_label"),
        (gif(), "generator.a1111"),
        (avif(), "xmp.digital_source_ai"),
        (photoshop(), "xmp.credit_ai"),
        (samsung(), "generator.samsung"),
        (x264(), "forensics.encoder_settings"),
        (riff(b"WAVE", &[(b"id3 ", id3(3, 0))]), "tc260.aigc_label"),
        (png(&[(b"tEXt", [b"parameters\0", PARAMETERS.as_bytes()].concat())]), "generator.a1111"),
        (
            png(&[(b"iTXt", [b"XML:com.adobe.xmp\0\0\0\0\0", XMP.as_bytes()].concat())]),
            "xmp.digital_source_ai",
        ),
        (
            png(&[(b"IDAT", vec![1; 40]), (b"tEXt", [b"AIGC\0", LABEL.as_bytes()].concat())]),
            "tc260.aigc_label",
        ),
        (
            jpeg(&[(0xe1, [b"http://ns.adobe.com/xap/1.0/\0", XMP.as_bytes()].concat())]),
            "xmp.digital_source_ai",
        ),
        (jpeg(&[(0xfe, PARAMETERS.as_bytes().to_vec())]), "generator.a1111"),
        (riff(b"WEBP", &[(b"XMP ", XMP.as_bytes().to_vec())]), "xmp.digital_source_ai"),
        (riff(b"WAVE", &[(b"fmt ", vec![0; 16]), (b"AIGC", LABEL.as_bytes().to_vec())]), "tc260.aigc_label"),
        (mp4(), "tc260.aigc_label"),
    ]
}

#[test]
fn each_container_gives_up_its_label() {
    for (data, code) in samples() {
        assert!(codes(&data).contains(&code), "{code}: {:?}", found(&data));
    }
}

#[test]
fn files_without_labels_give_none() {
    for data in [
        png(&[(b"tEXt", b"Comment\0Steps to the beach".to_vec())]),
        jpeg(&[]),
        [&jpeg(&[])[..], b"a picture of SEFT"].concat(),
        riff(b"WAVE", &[]),
        b"plain".to_vec(),
    ] {
        assert!(codes(&data).is_empty(), "{:?}", found(&data));
    }
}

#[test]
fn stated_sizes_beyond_the_limit_are_named_and_cost_nothing() {
    let mut huge = b"\x89PNG\r\n\x1a\n".to_vec();
    huge.extend(u32::MAX.to_be_bytes());
    huge.extend(b"tEXt");
    let text = format!("{:?}", found(&huge));
    assert!(text.contains("over the limit"), "{text}");
}

#[test]
fn thousands_of_mutations_are_survived() {
    for (i, (data, _)) in samples().iter().enumerate() {
        for seed in 0..250 {
            let data = mutate(data, seed * 31 + i as u64);
            found(&data);
            for (_, parse) in seamline_provenance::parsers::ALL.iter().filter(|(name, _)| *name != "c2pa") {
                parse(&data);
            }
        }
    }
}

/// A sparse file of 2 GB whose movie box stands at its end: found by seeking, within the memory of a small file.
#[test]
fn metadata_behind_two_gigabytes_is_found_by_seeking() {
    use std::io::{Seek, SeekFrom, Write};
    let path = std::env::temp_dir().join(format!("seamline-sparse-{}.mp4", std::process::id()));
    let mut file = std::fs::File::create_new(&path).unwrap();
    let gap: u32 = 2_000_000_000;
    file.write_all(&boxed(b"ftyp", b"isom\0\0\0\0")).unwrap();
    file.write_all(&gap.to_be_bytes()).unwrap();
    file.write_all(b"mdat").unwrap();
    file.seek(SeekFrom::Current(i64::from(gap) - 8)).unwrap();
    let whole = mp4();
    let at = whole.windows(4).position(|w| w == b"moov").unwrap() - 4;
    file.write_all(&whole[at..]).unwrap();
    let mut file = std::fs::File::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(file.metadata().unwrap().len() > 2_000_000_000);
    let peak = || -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    };
    let evidence = inspect(&mut file, &Limits::default(), &Trust::default());
    assert!(format!("{evidence:?}").contains("tc260.aigc_label"), "{evidence:?}");
    // Other tests of this process count too; the whole of it stays below the bound.
    assert!(peak() < 50 << 20, "peak of {} MiB", peak() >> 20);
}

#[test]
fn another_readers_dictionary_adds_only_what_was_missed() {
    let dictionary = [("AIGC".to_owned(), LABEL.to_owned()), ("encoder".to_owned(), "Lavf".to_owned())];
    let added = seamline_provenance::cross_check(&dictionary, "FFmpeg", &[]);
    assert_eq!(added.len(), 1, "{added:?}");
    let text = format!("{added:?}");
    assert!(text.contains("tc260.aigc_label") && text.contains("FFmpeg"), "{text}");
    assert!(seamline_provenance::cross_check(&dictionary, "FFmpeg", &found(&mp4())).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn noise_behind_every_signature_is_survived(head in 0usize..12, noise in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let heads: [&[u8]; 12] = [
            b"\x89PNG\r\n\x1a\n",
            &[0xff, 0xd8, 0xff, 0xe1],
            b"RIFF\0\0\0\0WEBP",
            b"\0\0\0\x10ftypisom\0\0\0\0",
            b"",
            b"\x1a\x45\xdf\xa3\x84\0\0\0\0",
            b"FLV\x01\x05\0\0\0\x09\0\0\0\0",
            b"OggS\0\x02",
            b"fLaC",
            b"ID3\x04\0\0\0\0\x0f\x00",
            b"GIF89a",
            b"II*\0\x08\0\0\0",
        ];
        found(&[heads[head], &noise].concat());
    }
}
