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

fn samples() -> Vec<(Vec<u8>, &'static str)> {
    vec![
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
fn two_thousand_mutations_are_survived() {
    for (i, (data, _)) in samples().iter().enumerate() {
        for seed in 0..250 {
            found(&mutate(data, seed * 31 + i as u64));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn noise_behind_every_signature_is_survived(head in 0usize..5, noise in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let heads: [&[u8]; 5] =
            [b"\x89PNG\r\n\x1a\n", &[0xff, 0xd8, 0xff, 0xe1], b"RIFF\0\0\0\0WEBP", b"\0\0\0\x10ftypisom\0\0\0\0", b""];
        found(&[heads[head], &noise].concat());
    }
}
