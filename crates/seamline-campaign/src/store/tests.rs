use super::*;
use crate::cluster::LinkKind;
use crate::observables::{TraceKind, VERSION};
use seamline_testkit::servers::Postgres;
use std::collections::BTreeSet;

fn id(n: u32) -> ClipId {
    Sha256Hash::of(&n.to_le_bytes())
}

fn set(ns: &[u32]) -> BTreeSet<ClipId> {
    ns.iter().map(|n| id(*n)).collect()
}

fn at(ms: i64) -> Moment {
    Moment::from_millis(ms).unwrap()
}

fn observables(n: u32) -> Observables {
    Observables {
        version: VERSION,
        clip: id(n),
        duration_us: i64::from(n),
        frames: Vec::new(),
        sound: None,
        voices: Vec::new(),
        patches: Vec::new(),
        traces: vec![Trace { kind: TraceKind::GeneratorRun, value: format!("run {}", n % 2) }],
        truncated: false,
        thumbnail: Vec::new(),
    }
}

fn record(store: &mut SqlStore, n: u32, conclusion: &str, digest: &[u8]) -> Recorded {
    let o = observables(n);
    let r = Recording {
        clip: id(n),
        path: "a.mp4",
        size: 5,
        at: at(1_000 + i64::from(n)),
        pipeline_digest: Sha256Hash::of(digest),
        conclusion,
        llr: None,
        verdict_line: "{\"type\":\"verdict\"}",
        evidence_lines: &["{\"type\":\"evidence\"}".to_owned()],
        observables: Some(&o),
        sightings: &[],
    };
    store.record(&r).unwrap()
}

fn pictures(x: u32, y: u32) -> Link {
    Link::new(id(x), id(y), LinkKind::SamePictures, 0.9, Vec::new()).unwrap()
}

fn decision(ruling: Ruling) -> Decision {
    Decision { author: "k.m.".into(), at: at(9), ruling }
}

/// A store of the first `n` clips.
type Begin<'a> = &'a dyn Fn(u32) -> (tempfile::TempDir, SqlStore);

fn filled(mut store: SqlStore, n: u32) -> SqlStore {
    (0..n).for_each(|i| assert!(record(&mut store, i, "inconclusive", b"p").new_clip));
    store
}

fn store(n: u32) -> (tempfile::TempDir, SqlStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqlStore::open(&dir.path().join("s.db")).unwrap();
    (dir, filled(store, n))
}

fn lite(store: &SqlStore) -> &rusqlite::Connection {
    match &store.db {
        sql::Db::Lite(db) => db,
        sql::Db::Pg(_) => panic!("a file was opened"),
    }
}

/// A real server, or a word on why there is none.
pub(super) fn server() -> Option<Postgres> {
    let server = Postgres::start().unwrap();
    if server.is_none() {
        eprintln!("PASSED OVER: PostgreSQL is not installed (scripts/setup.sh installs it)");
    }
    server
}

pub(super) fn on(url: &str) -> SqlStore {
    SqlStore::at(&StoreAt::new(url.as_ref(), "this machine")).unwrap()
}

/// The same tests over a file each, and one after the other over databases of one server.
macro_rules! on_both {
    (opens $server:ident, $open:expr; $sqlite:ident; $($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[test] fn $name() { super::$name(&super::$sqlite) })+
        }

        #[test]
        fn on_postgres() {
            let Some($server) = crate::store::tests::server() else { return };
            let open = $open;
            $(eprintln!("{}", stringify!($name)); $name(&open);)+
        }
    };
}
pub(super) use on_both;

fn sound(store: &SqlStore) {
    assert_eq!(store.check().unwrap().problems, Vec::<String>::new());
}

fn recording_twice_changes_nothing_and_another_pipeline_adds_a_verdict(store: Begin<'_>) {
    let (_dir, mut s) = store(1);
    let again = record(&mut s, 0, "inconclusive", b"p");
    assert_eq!(
        again,
        Recorded { new_clip: false, new_observables: false, observables_row: Some(1), reviews: 0 }
    );
    record(&mut s, 0, "supports_spoof", b"q");
    let verdicts = s.verdicts(&id(0)).unwrap();
    assert_eq!(verdicts.len(), 2);
    assert_eq!(verdicts[0].conclusion, "supports_spoof");
    assert_eq!(s.clip(&id(0)).unwrap().unwrap().conclusion, "supports_spoof");
    assert_eq!(s.observables_in(1).unwrap(), Some(observables(0)));
    assert_eq!(s.observables_of(&id(7)).unwrap(), None);
    assert_eq!(
        s.clips_with_trace(&Trace { kind: TraceKind::GeneratorRun, value: "run 0".into() }).unwrap(),
        [id(0)]
    );
    sound(&s);
}

fn a_changed_verdict_asks_for_review_of_near_duplicates_only(store: Begin<'_>) {
    let (_dir, mut s) = store(4);
    let weak = Link::new(id(0), id(2), LinkKind::SameLogo, 0.9, Vec::new()).unwrap();
    s.add_links(&[pictures(0, 1), weak]).unwrap();
    assert_eq!(record(&mut s, 0, "supports_spoof", b"q").reviews, 1);
    assert_eq!(record(&mut s, 0, "supports_spoof", b"r").reviews, 0, "the same conclusion again");
    let open = s.reviews().unwrap();
    assert_eq!((open.len(), open[0].clip, open[0].cause), (1, id(1), id(0)));
    assert_eq!((open[0].before.as_str(), open[0].after.as_str()), ("inconclusive", "supports_spoof"));
    assert!(s.resolve_review(open[0].id, "k.m.", at(5)).unwrap());
    assert!(!s.resolve_review(open[0].id, "k.m.", at(6)).unwrap());
    assert!(s.reviews().unwrap().is_empty());
    assert_eq!(s.clip(&id(1)).unwrap().unwrap().conclusion, "inconclusive", "never changed silently");
}

fn clusters_follow_links_and_decisions_and_keep_their_numbers(store: Begin<'_>) {
    let (_dir, mut s) = store(6);
    s.add_links(&[pictures(0, 1), pictures(1, 2), pictures(3, 4)]).unwrap();
    let list = s.clusters(10).unwrap();
    assert_eq!(list.iter().map(|c| c.members).collect::<Vec<_>>(), [2, 3]);
    let big = s.clip(&id(0)).unwrap().unwrap().cluster;
    s.decide(&decision(Ruling::Confirm { clips: set(&[0, 1, 2]) })).unwrap();
    s.decide(&decision(Ruling::Name { clip: id(1), name: "Overload".into() })).unwrap();
    // A link to another cluster brings its clips in; the number and the name stay.
    s.add_links(&[pictures(2, 3)]).unwrap();
    let d = s.cluster(big).unwrap();
    assert_eq!((d.clips.len(), d.summary.confirmed, d.summary.name.as_deref()), (5, true, Some("Overload")));
    assert_eq!((d.links.len(), d.decisions.len()), (4, 2));
    // Taken out by an analyst, it stays out, whatever links come.
    s.decide(&decision(Ruling::Split { apart: set(&[3, 4]), from: set(&[0, 1, 2]) })).unwrap();
    s.add_links(&[pictures(0, 4), pictures(1, 3)]).unwrap();
    assert_eq!(s.cluster(big).unwrap().clips.len(), 3);
    let small = s.clip(&id(4)).unwrap().unwrap().cluster;
    assert!(small != big && s.cluster(small).unwrap().clips.len() == 2);
    assert!(!s.cluster(small).unwrap().summary.confirmed);
    sound(&s);
    assert!(matches!(s.cluster(999), Err(StoreError::NoCluster(999))));
    assert!(matches!(s.add_links(&[pictures(0, 77)]), Err(StoreError::NoClip(_))));
    sound(&s);
}

fn clusters_do_not_depend_on_the_order_of_arrival(store: Begin<'_>) {
    let all: Vec<Link> = (0..11).map(|i| pictures(i, (i * 5 + 3) % 12)).filter(|l| l.a != l.b).collect();
    let partition = |order: &[usize], one_by_one: bool| {
        let (_dir, mut s) = store(12);
        let links: Vec<Link> = order.iter().map(|i| all[*i].clone()).collect();
        if one_by_one {
            links.iter().for_each(|l| s.add_links(std::slice::from_ref(l)).unwrap());
        } else {
            s.add_links(&links).unwrap();
        }
        let mut groups: std::collections::BTreeMap<i64, BTreeSet<ClipId>> = Default::default();
        for n in 0..12 {
            groups.entry(s.clip(&id(n)).unwrap().unwrap().cluster).or_default().insert(id(n));
        }
        sound(&s);
        groups.into_values().collect::<BTreeSet<_>>()
    };
    let forward: Vec<usize> = (0..all.len()).collect();
    let backward: Vec<usize> = forward.iter().rev().copied().collect();
    assert_eq!(partition(&forward, true), partition(&backward, true));
    assert_eq!(partition(&forward, true), partition(&backward, false));
}

fn sightings_are_counted_once(store: Begin<'_>) {
    let (_dir, mut s) = store(2);
    let seen = |ms| Sighting { url: "https://example.org/1".into(), channel: "@x".into(), seen_at: at(ms) };
    s.add_sightings(&id(0), &[seen(50), seen(70)]).unwrap();
    s.add_sightings(&id(0), &[seen(50)]).unwrap();
    s.add_links(&[pictures(0, 1)]).unwrap();
    let c = &s.clusters(1).unwrap()[0];
    assert_eq!((c.sightings, c.first_seen, c.last_seen), (2, Some(at(50)), Some(at(70))));
    assert!(matches!(s.add_sightings(&id(9), &[]), Err(StoreError::NoClip(_))));
    sound(&s);
}

#[test]
fn a_backup_is_a_whole_store_and_overwrites_nothing() {
    let (dir, mut s) = store(3);
    s.add_links(&[pictures(0, 1)]).unwrap();
    let copy = dir.path().join("copy.db");
    s.backup(&copy).unwrap();
    record(&mut s, 5, "inconclusive", b"p");
    let c = SqlStore::open(&copy).unwrap();
    assert_eq!(c.check().unwrap(), CheckReport { clips: 3, verdicts: 3, problems: vec![] });
    assert_eq!(c.clusters(9).unwrap().len(), 1);
    assert!(s.backup(&copy).is_err());
}

#[test]
fn a_later_schema_is_refused_and_rubbish_too() {
    let (dir, s) = store(0);
    lite(&s).pragma_update(None, "user_version", 99).unwrap();
    drop(s);
    let path = dir.path().join("s.db");
    assert!(matches!(SqlStore::open(&path), Err(StoreError::TooNew { found: 99, known: migrate::VERSION })));
    let rubbish = dir.path().join("r.db");
    std::fs::write(&rubbish, vec![7u8; 5_000]).unwrap();
    assert!(matches!(SqlStore::open(&rubbish), Err(StoreError::Database(_))));
}

#[test]
fn check_finds_what_is_wrong() {
    let (_dir, s) = store(2);
    lite(&s)
        .execute_batch("UPDATE cluster SET members = 7 WHERE id = 1; UPDATE observables SET frames = x'00'")
        .unwrap();
    let problems = s.check().unwrap().problems;
    assert_eq!(problems.len(), 3, "{problems:?}");
}

#[test]
fn many_begin_one_store_at_once() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.db");
        let together = std::sync::Barrier::new(6);
        std::thread::scope(|scope| {
            let open = || {
                together.wait();
                SqlStore::open(&path).map(drop)
            };
            let threads: Vec<_> = (0..6).map(|_| scope.spawn(open)).collect();
            for thread in threads {
                thread.join().unwrap().unwrap();
            }
        });
    }
}

#[test]
fn two_connections_write_to_one_store() {
    let (dir, _s) = store(0);
    let path = dir.path().join("s.db");
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let path = &path;
            scope.spawn(move || {
                let mut s = SqlStore::open(path).unwrap();
                // Half of the clips are recorded by both.
                for n in 0..60 {
                    record(&mut s, worker * 30 + n, "inconclusive", b"p");
                }
            });
        }
    });
    let s = SqlStore::open(&path).unwrap();
    assert_eq!(s.check().unwrap(), CheckReport { clips: 90, verdicts: 90, problems: vec![] });
}

#[test]
fn a_full_disk_is_a_clear_error_and_leaves_the_store_as_it_was() {
    let (_dir, mut s) = store(3);
    let pages: i64 = lite(&s).query_row("PRAGMA page_count", [], |r| r.get(0)).unwrap();
    // SQLite answers as on a full disk when a limit on pages is reached.
    lite(&s).query_row(&format!("PRAGMA max_page_count = {}", pages + 1), [], |_| Ok(())).unwrap();
    let mut o = observables(50);
    o.traces = (0..2_000).map(|n| Trace { kind: TraceKind::Encoder, value: format!("{n:0>90}") }).collect();
    let full = s.record(&Recording {
        clip: id(50),
        path: "b.mp4",
        size: 1,
        at: at(1),
        pipeline_digest: Sha256Hash::of(b"p"),
        conclusion: "inconclusive",
        llr: None,
        verdict_line: "{}",
        evidence_lines: &[],
        observables: Some(&o),
        sightings: &[],
    });
    assert!(matches!(full, Err(StoreError::Full)), "{full:?}");
    assert!(s.clip(&id(50)).unwrap().is_none());
    sound(&s);
    lite(&s).query_row("PRAGMA max_page_count = 1073741823", [], |_| Ok(())).unwrap();
    record(&mut s, 50, "inconclusive", b"p");
    sound(&s);
}

on_both!(
    opens server, |n| (tempfile::tempdir().unwrap(), filled(on(&server.database().unwrap()), n));
    store;
    recording_twice_changes_nothing_and_another_pipeline_adds_a_verdict,
    a_changed_verdict_asks_for_review_of_near_duplicates_only,
    clusters_follow_links_and_decisions_and_keep_their_numbers,
    clusters_do_not_depend_on_the_order_of_arrival,
    sightings_are_counted_once,
    a_search_finds_what_reading_every_clip_finds,
);

fn a_search_finds_what_reading_every_clip_finds(store: Begin<'_>) {
    let (_dir, mut s) = store(1);
    // Three blocks of numbers; the clock was set back after the first.
    let moment_of = |n: i64| if n < 1_100 { 10_000 + n } else { 9_000 + n / 2 };
    let path_of = |n: i64| match n % 50 {
        0 => format!("/Desk/Grüße 100%_{n}.mp4"),
        1 => format!("/in/a\"b*{n} OR c.mov"),
        2 => format!("{}", n % 7),
        _ => format!("/in/clip_{n}.mp4"),
    };
    let tx = s.write().unwrap();
    for n in 2..=2_500i64 {
        let conclusion = if n % 3 == 0 { "supports_spoof" } else { "inconclusive" };
        tx.execute(
            "INSERT INTO clip (id, sha256, path, size, recorded_at, conclusion, cluster) VALUES (?1, ?2, ?3, 1, ?4, ?5, 1)",
            sql::params![n, id(n as u32).as_bytes(), path_of(n), moment_of(n), conclusion],
        )
        .unwrap();
    }
    tx.commit().unwrap();
    let every = s.search(&ClipQuery::default(), 5_000).unwrap();
    assert_eq!(every.len(), 2_500);
    let texts = [
        "clip_1", "CLIP_24", "grüße", "100%_", "\"b*", "OR", "a\"b*1", "/", "6", "_", "clip_*", "nothing",
        "mp4 ", "mp4\0",
    ];
    let spans = [
        (None, None),
        (Some(11_000), None),
        (None, Some(9_600)),
        (Some(10_000), Some(10_060)),
        (Some(1), Some(2)),
    ];
    let mut found = 0;
    for (text, (from, until)) in texts.iter().map(Some).chain([None]).flat_map(|t| spans.map(|s| (t, s))) {
        for conclusion in [None, Some("supports_spoof")] {
            for before in [None, Some(1_900)] {
                let q = ClipQuery {
                    text: text.map(|t| (*t).into()),
                    conclusion: conclusion.map(Into::into),
                    from: from.map(at),
                    until: until.map(at),
                    before,
                };
                let fits = |n: u64, c: &StoredClip| {
                    text.is_none_or(|t| c.path.to_lowercase().contains(&t.trim().to_lowercase()))
                        && conclusion.is_none_or(|w| c.conclusion == w)
                        && from.is_none_or(|f| c.recorded_at >= at(f))
                        && until.is_none_or(|u| c.recorded_at < at(u))
                        && before.is_none_or(|b| n < b)
                };
                let want: Vec<u64> =
                    every.iter().filter(|(n, c)| fits(*n, c)).take(60).map(|(n, _)| *n).collect();
                let got: Vec<u64> = s.search(&q, 60).unwrap().into_iter().map(|(n, _)| n).collect();
                assert_eq!(got, want, "{q:?}");
                found += got.len();
            }
        }
    }
    assert!(found > 3_000, "{found}");
}

/// Tables with their columns, but for those that only one of them needs.
fn columns(store: &SqlStore) -> Vec<String> {
    let sql = if store.db.is_pg() {
        "SELECT CAST(table_name || '.' || column_name AS text) FROM information_schema.columns
         WHERE table_schema = current_schema() AND table_name <> 'schema_version' AND column_name <> 'rowid'"
    } else {
        "SELECT m.name || '.' || c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c
         WHERE m.type = 'table' AND m.name NOT GLOB 'sqlite_*' AND m.name NOT GLOB 'clip_name*'"
    };
    let mut all: Vec<String> = store.db.rows(sql, &[], |r| r.get(0)).unwrap();
    all.sort();
    all
}

#[test]
fn both_schemas_hold_the_same_and_a_later_one_is_refused() {
    let Some(server) = server() else { return };
    let url = server.database().unwrap();
    let (_dir, file) = store(0);
    let database = on(&url);
    assert_eq!(columns(&file), columns(&database));
    assert!(columns(&file).len() > 100);
    server.sql("seen1", "UPDATE schema_version SET version = 99").unwrap();
    let late = SqlStore::at(&StoreAt::new(url.as_ref(), "m"));
    assert!(matches!(late, Err(StoreError::TooNew { found: 99, .. })));
    assert!(matches!(database.backup(Path::new("/nowhere")), Err(StoreError::NotHere(_))));
}
