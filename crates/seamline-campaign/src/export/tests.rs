//! Exports of one small campaign against committed files, which `scripts/tests/test_campaign_exports.py` validates
//! with the tools that will read them. `UPDATE_GOLDEN=1` writes the files anew.

use super::*;
use crate::align::Alignment;
use crate::cluster::{Decision, Link, LinkKind};
use crate::observables::{FrameHash, Observables, View};
use crate::pdq::PdqHash;
use crate::store::{Recording, Sighting, SqlStore};
use seamline_core::{MediaTime, Sha256Hash, Span};

fn at(text: &str) -> Moment {
    Moment::parse(text).unwrap()
}

fn clip(n: u32) -> ClipId {
    Sha256Hash::of(&n.to_le_bytes())
}

/// Three clips: a generated voice over real pictures, its mirrored cut, and one with a channel named like a formula.
fn dossier(confirmed: bool) -> Dossier {
    let (_dir, store) = filled(confirmed);
    let id = store.clip(&clip(0)).unwrap().unwrap().cluster;
    Dossier::load(&store, id).unwrap()
}

fn filled(confirmed: bool) -> (tempfile::TempDir, SqlStore) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SqlStore::open(&dir.path().join("s.db")).unwrap();
    let verdict = r#"{"type":"verdict","conclusion":"supports_spoof","llr":3.2,"aspects":{"voice":{"conclusion":"supports_spoof"},"face":{"conclusion":"inconclusive"}},"streams":[{"kind":"video"}]}"#;
    let evidence = [format!(
        r#"{{"type":"evidence","detector":"voice-whisper","model_sha256":"{}"}}"#,
        Sha256Hash::of(b"model")
    )];
    let seen = |url: &str, channel: &str, when: &str| Sighting {
        url: url.into(),
        channel: channel.into(),
        seen_at: at(when),
    };
    let sightings = [
        vec![
            seen("https://example.org/1", "@first", "2026-11-02T08:00:00Z"),
            seen("https://example.org/2", "@second", "2026-11-03T09:30:00Z"),
        ],
        vec![seen("", "=HYPERLINK(\"x\")", "2026-11-05T10:00:00Z")],
        vec![],
    ];
    for (n, sightings) in sightings.iter().enumerate() {
        store
            .record(&Recording {
                clip: clip(n as u32),
                path: &format!("clips/{n}, cut.mp4"),
                size: 1_000 + n as u64,
                at: at("2026-11-06T12:00:00Z"),
                pipeline_digest: Sha256Hash::of(b"pipeline"),
                conclusion: if n == 0 { "supports_spoof" } else { "inconclusive" },
                llr: (n == 0).then_some(3.2),
                verdict_line: if n == 0 { verdict } else { "{}" },
                evidence_lines: if n == 0 { &evidence } else { &[] },
                observables: None,
                sightings,
            })
            .unwrap();
    }
    let span = |a, b| Span::new(MediaTime::from_millis(a), MediaTime::from_millis(b));
    let stretch = Alignment {
        here: span(3_000, 17_000),
        there: span(41_000, 55_000),
        speed: 1.0,
        mirrored: true,
        score: 0.9,
        matched: 28,
        held: false,
    };
    let link = |x, y, kind, shared| Link::new(clip(x), clip(y), kind, 0.9, shared).unwrap();
    store
        .add_links(&[
            link(0, 1, LinkKind::SamePictures, vec![stretch]),
            link(1, 2, LinkKind::SameAudio, vec![]),
        ])
        .unwrap();
    if confirmed {
        let clips = (0..3).map(clip).collect();
        let decide = |ruling| Decision { author: "k.m.".into(), at: at("2026-11-07T09:00:00Z"), ruling };
        store.decide(&decide(Ruling::Confirm { clips })).unwrap();
        store.decide(&decide(Ruling::Name { clip: clip(1), name: "Borrowed voice".into() })).unwrap();
    }
    (dir, store)
}

fn golden(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{name}");
}

fn pretty(v: &Value) -> String {
    serde_json::to_string_pretty(v).unwrap() + "\n"
}

#[test]
fn exports_are_what_the_committed_files_say() {
    let (proposed, confirmed) = (dossier(false), dossier(true));
    golden("stix_proposed.json", &pretty(&stix_bundle(&proposed, StixFlavour::Plain)));
    golden("stix_confirmed.json", &pretty(&stix_bundle(&confirmed, StixFlavour::Plain)));
    golden("stix_opencti.json", &pretty(&stix_bundle(&confirmed, StixFlavour::OpenCti)));
    golden("misp_proposed.json", &pretty(&misp_event(&proposed)));
    golden("misp_confirmed.json", &pretty(&misp_event(&confirmed)));
    golden("campaign.csv", &csv(&confirmed));
    let review = media_review(&confirmed, AuthenticityCategory::TransformedContent, "Example Desk").unwrap();
    golden("media_review.json", &pretty(&review));
}

#[test]
fn a_proposal_is_a_grouping_and_never_a_campaign_or_a_review() {
    let kinds = |d: &Dossier| -> Vec<String> {
        let bundle = stix_bundle(d, StixFlavour::Plain);
        bundle["objects"].as_array().unwrap().iter().map(|o| o["type"].as_str().unwrap().into()).collect()
    };
    let count = |all: &[String], kind: &str| all.iter().filter(|k| *k == kind).count();
    let (proposed, confirmed) = (kinds(&dossier(false)), kinds(&dossier(true)));
    assert_eq!((count(&proposed, "grouping"), count(&proposed, "campaign")), (1, 0));
    assert_eq!((count(&confirmed, "grouping"), count(&confirmed, "campaign")), (0, 1));
    assert_eq!(count(&proposed, "sighting"), 3);
    assert_eq!(count(&proposed, "attack-pattern"), 1, "the voice only: faces were inconclusive");
    assert!(media_review(&dossier(false), AuthenticityCategory::StagedContent, "p").is_none());
}

#[test]
fn the_note_carries_the_llr_and_the_models() {
    let d = dossier(false);
    let said = d.statement(d.detail.clips.iter().find(|c| c.sha256 == clip(0)).unwrap());
    assert!(said.contains("+3.20") && said.contains(&Sha256Hash::of(b"model").to_string()), "{said}");
    let silent = d.statement(d.detail.clips.iter().find(|c| c.sha256 == clip(1)).unwrap());
    assert!(silent.contains("no calibrated evidence"), "{silent}");
}

#[test]
fn cells_that_look_like_formulas_are_defused_and_quotes_doubled() {
    let table = csv(&dossier(true));
    assert!(table.contains("\"'=HYPERLINK(\"\"x\"\")\""), "{table}");
    assert!(table.contains("\"clips/0, cut.mp4\""));
    assert_eq!(table.lines().count(), 1 + 4);
}

#[test]
fn the_parquet_table_has_the_rows_of_the_csv_with_their_types() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    let d = dossier(true);
    let bytes = parquet(&d).unwrap();
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
    let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), csv(&d).lines().count() - 1);
    let first = rows.iter().find(|r| r.get_string(0).unwrap() == &clip(0).to_string()).unwrap();
    assert_eq!((first.get_long(2).unwrap(), first.get_double(4).unwrap()), (1_000, 3.2));
    assert_eq!(first.get_timestamp_millis(5).unwrap(), at("2026-11-02T08:00:00Z").as_millis());
    assert!(first.get_bool(9).unwrap());
    let formula = rows.iter().find(|r| r.get_string(6).is_ok_and(|c| c.starts_with('='))).unwrap();
    assert_eq!(formula.get_string(6).unwrap(), "=HYPERLINK(\"x\")", "no spreadsheet reads it: no apostrophe");
}

#[test]
fn a_dump_names_every_clip_link_and_decision_once() {
    let (dir, store) = filled(true);
    let mut out = Vec::new();
    assert_eq!(dump(&store, &mut out).unwrap(), 3);
    drop(dir);
    let lines: Vec<Value> =
        String::from_utf8(out).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|l| l["type"] == kind).collect::<Vec<_>>();
    assert_eq!((of("clip").len(), of("link").len(), of("decision").len()), (3, 2, 2));
    let first = of("clip").into_iter().find(|c| c["sha256"] == clip(0).to_string()).unwrap();
    assert_eq!(first["sightings"].as_array().unwrap().len(), 2);
    assert_eq!(first["verdicts"][0]["verdict"]["llr"], 3.2);
    assert_eq!(first["verdicts"][0]["evidence"][0]["detector"], "voice-whisper");
    assert_eq!(
        of("link")[0]["shared"].as_array().map(Vec::len).unwrap_or(0)
            + of("link")[1]["shared"].as_array().map(Vec::len).unwrap_or(0),
        1
    );
}

#[test]
fn the_hash_list_has_whole_pictures_only() {
    let frame = |time_us, view| FrameHash {
        time_us,
        quality: 88,
        view,
        hash: PdqHash([1, 0, 0, 0]),
        mirrored: PdqHash([2, 0, 0, 0]),
    };
    let o = Observables {
        version: 1,
        clip: clip(0),
        duration_us: 0,
        frames: vec![frame(0, View::Whole), frame(0, View::Centre80), frame(500_000, View::Whole)],
        sound: None,
        voices: Vec::new(),
        patches: Vec::new(),
        traces: Vec::new(),
        truncated: false,
        thumbnail: Vec::new(),
    };
    let hash = format!("{}1", "0".repeat(63));
    assert_eq!(hash_list(&o), format!("0,88,{hash},0.000\n1,88,{hash},0.500\n"));
}
