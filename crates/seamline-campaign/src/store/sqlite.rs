//! [`Store`] over one SQLite file in WAL mode, or over a PostgreSQL database.

use super::sql::{Bind, Db, Pg, Row, Tx, params};
use super::{
    Appearance, CheckReport, ClusterDetail, ClusterSummary, Decision, Link, Recorded, Recording, Review,
    Sighting, Store, StoreAt, StoreError, StoredClip, StoredVerdict, check, clips_of, clusters, migrate,
    walk,
};
use crate::cluster::LinkKind;
use crate::moment::Moment;
use crate::observables::{Observables, Trace, VoiceEmbedding, codec};
use rusqlite::{Connection, ErrorCode};
use seamline_core::{ClipId, MediaTime, Sha256Hash};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long one process waits for another that writes. A recording takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// Statements of SQLite kept prepared; there are not many more.
const PREPARED: usize = 256;
/// Rows of observables, or of voices, that are read at a time: each may be megabytes.
const PAGE: i64 = 64;
const VOICES: i64 = 4_096;

/// A store. One connection: a thread or process that wants to work beside others opens its own.
pub struct SqlStore {
    pub(super) db: Db,
    /// Who this machine is among those that stand on the store; empty where it is a file of this one.
    pub(super) machine: String,
    /// A job that was taken by a transaction of which nobody knows whether it was committed.
    pub(super) doubtful: Option<seamline_core::job::Lease>,
}

impl SqlStore {
    /// Opens the store in a file, or begins one. An older store is brought up to date, all of it or not at all.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let db = Connection::open(path)?;
        db.busy_timeout(PATIENCE)?;
        write_ahead(&db)?;
        db.set_prepared_statement_cache_capacity(PREPARED);
        // With FULL a commit is on the disk when it returns, not only past this process.
        db.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
        Self::ready(Db::Lite(db), String::new())
    }

    /// Opens the store wherever it is.
    pub fn at(at: &StoreAt) -> Result<Self, StoreError> {
        match at {
            StoreAt::File(path) => Self::open(path),
            // The separator stands in no name of a machine.
            StoreAt::Postgres(url) => {
                Self::ready(Db::Pg(Box::new(Pg::new(url.secret())?)), format!("{}\n", url.machine()))
            }
        }
    }

    fn ready(mut db: Db, machine: String) -> Result<Self, StoreError> {
        migrate::bring_up_to_date(&mut db)?;
        Ok(Self { db, machine, doubtful: None })
    }

    pub(super) fn write(&mut self) -> Result<Tx<'_>, StoreError> {
        self.db.begin()
    }

    /// Writes by `f`, all of it or nothing. Where the server goes away it is done once more: `f` must come to the same
    /// when what it did the first time stayed.
    pub(super) fn transact<T, E>(&mut self, f: impl Fn(&Db) -> Result<T, E>) -> Result<T, E>
    where
        E: From<StoreError> + MayBeAway,
    {
        let mut again = self.db.is_pg();
        loop {
            let done = (|| {
                let tx = self.db.begin()?;
                let done = f(&tx)?;
                tx.commit()?;
                Ok(done)
            })();
            match done {
                Err(e) if again && MayBeAway::is_away(&e) => again = false,
                other => return other,
            }
        }
    }
}

/// Errors that may say that the server is away.
pub(super) trait MayBeAway {
    fn is_away(&self) -> bool;
}

impl MayBeAway for StoreError {
    fn is_away(&self) -> bool {
        matches!(self, Self::Away(_))
    }
}

impl MayBeAway for seamline_core::job::JobError {
    fn is_away(&self) -> bool {
        matches!(self, Self::Away(_))
    }
}

/// A new file's journal is changed under a lock that SQLite does not wait for, whatever patience it was given: where two
/// begin one store at once, the second would be refused.
fn write_ahead(db: &Connection) -> rusqlite::Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        match db.execute_batch("PRAGMA journal_mode = WAL;") {
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(10));
            }
            other => return other,
        }
    }
}

pub(super) fn moment(ms: i64) -> Moment {
    Moment::from_millis(ms).unwrap_or(Moment::EPOCH)
}

pub(super) fn hash(row: &Row<'_>, column: usize) -> Result<Sha256Hash, StoreError> {
    row.get::<[u8; 32]>(column).map(Sha256Hash::from_bytes)
}

/// The row number of a clip.
pub(super) fn row_of(db: &Db, clip: &ClipId) -> Result<i64, StoreError> {
    db.one("SELECT id FROM clip WHERE sha256 = ?1", params![clip.as_bytes()], |r| r.get(0))?
        .ok_or(StoreError::NoClip(*clip))
}

pub(super) fn insert_sightings(tx: &Db, clip: i64, sightings: &[Sighting]) -> Result<(), StoreError> {
    let mut added = 0;
    for s in sightings {
        added += tx.execute(
            "INSERT INTO sighting (clip, url, channel, seen_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
            params![clip, s.url, s.channel, s.seen_at.as_millis()],
        )?;
    }
    if added > 0 {
        let cluster: i64 = tx.only("SELECT cluster FROM clip WHERE id = ?1", params![clip], |r| r.get(0))?;
        clusters::recount(tx, cluster)?;
    }
    Ok(())
}

fn insert_voices(tx: &Db, clip: i64, voices: &[VoiceEmbedding]) -> Result<(), StoreError> {
    for (n, v) in voices.iter().enumerate() {
        let vector: Vec<u8> = v.vector.iter().flat_map(|x| x.to_le_bytes()).collect();
        tx.execute(
            "INSERT INTO voice (clip, ordinal, model, start_us, end_us, vector) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![clip, n as i64, v.model_sha256.as_bytes(), v.start_us, v.end_us, vector],
        )?;
    }
    Ok(())
}

/// Puts near-duplicates of a clip up for review.
fn review(tx: &Db, clip: i64, before: &str, after: &str, at: Moment) -> Result<usize, StoreError> {
    let links: Vec<(i64, String, f64)> = tx.rows(
        "SELECT b, kind, score FROM link WHERE a = ?1 UNION ALL SELECT a, kind, score FROM link WHERE b = ?1",
        params![clip],
        |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)),
    )?;
    let joins = |kind: &str, score: f64| {
        LinkKind::from_name(kind).and_then(LinkKind::joins_from).is_some_and(|l| score >= l)
    };
    let mut near: Vec<i64> =
        links.iter().filter(|(_, k, s)| joins(k, *s)).map(|(other, _, _)| *other).collect();
    near.sort_unstable();
    near.dedup();
    for other in &near {
        tx.execute(
            "INSERT INTO review (clip, cause, before, after, at) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![other, clip, before, after, at.as_millis()],
        )?;
    }
    Ok(near.len())
}

/// Records one scan within a transaction, which may hold more.
pub(super) fn record_in(tx: &Db, r: &Recording<'_>) -> Result<Recorded, StoreError> {
    let packed = r.observables.map(codec::pack).transpose()?;
    let known: Option<(i64, String)> =
        tx.one("SELECT id, conclusion FROM clip WHERE sha256 = ?1", params![r.clip.as_bytes()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let new_clip = known.is_none();
    let (clip, before) = match known {
        Some(known) => known,
        None => {
            // A cluster of its own, to which it can return whenever it is split off.
            let cluster: i64 = tx.only(
                "INSERT INTO cluster (founder, members, last_seen) VALUES (?1, 1, ?2) RETURNING id",
                params![r.clip.as_bytes(), r.at.as_millis()],
                |row| row.get(0),
            )?;
            let clip: i64 = tx.only(
                "INSERT INTO clip (sha256, path, size, recorded_at, conclusion, llr, cluster)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id",
                params![
                    r.clip.as_bytes(),
                    r.path,
                    r.size as i64,
                    r.at.as_millis(),
                    r.conclusion,
                    r.llr,
                    cluster
                ],
                |row| row.get(0),
            )?;
            (clip, r.conclusion.to_owned())
        }
    };
    let new_verdict: Option<i64> = tx.one(
        "INSERT INTO verdict (clip, pipeline_digest, recorded_at, conclusion, llr, line)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING RETURNING id",
        params![clip, r.pipeline_digest.as_bytes(), r.at.as_millis(), r.conclusion, r.llr, r.verdict_line],
        |row| row.get(0),
    )?;
    let mut reviews = 0;
    if let Some(verdict) = new_verdict {
        for (n, line) in r.evidence_lines.iter().enumerate() {
            tx.execute(
                "INSERT INTO evidence (verdict, ordinal, line) VALUES (?1, ?2, ?3)",
                params![verdict, n as i64, line],
            )?;
        }
        if !new_clip {
            tx.execute(
                "UPDATE clip SET conclusion = ?2, llr = ?3 WHERE id = ?1",
                params![clip, r.conclusion, r.llr],
            )?;
            if before != r.conclusion {
                reviews = review(tx, clip, &before, r.conclusion, r.at)?;
            }
        }
    }
    let mut recorded = Recorded { new_clip, new_observables: false, observables_row: None, reviews };
    if let (Some(o), Some(p)) = (r.observables, packed) {
        let same: Option<i64> = tx.one(
            "SELECT id FROM observables WHERE clip = ?1 AND frames = ?2 AND sound = ?3 AND rest = ?4",
            params![clip, p.frames, p.sound, p.rest],
            |row| row.get(0),
        )?;
        let row = match same {
            Some(row) => row,
            None => {
                recorded.new_observables = true;
                observe_in(tx, clip, o, &p)?
            }
        };
        recorded.observables_row = Some(row as u64);
    }
    insert_sightings(tx, clip, r.sightings)?;
    Ok(recorded)
}

/// Puts new observables in the place of earlier ones; their row.
fn observe_in(tx: &Db, clip: i64, o: &Observables, p: &codec::Packed) -> Result<i64, StoreError> {
    for table in ["observables", "trace", "voice"] {
        tx.execute(&format!("DELETE FROM {table} WHERE clip = ?1"), params![clip])?;
    }
    let row = tx.only(
        "INSERT INTO observables (clip, version, frames, sound, rest) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id",
        params![clip, o.version, p.frames, p.sound, p.rest],
        |row| row.get(0),
    )?;
    tx.execute("INSERT INTO unlinked (clip) VALUES (?1) ON CONFLICT DO NOTHING", params![clip])?;
    if !o.thumbnail.is_empty() {
        tx.execute(
            "INSERT INTO thumbnail (clip, jpeg) VALUES (?1, ?2) ON CONFLICT (clip) DO UPDATE SET jpeg = excluded.jpeg",
            params![clip, o.thumbnail],
        )?;
    }
    insert_voices(tx, clip, &o.voices)?;
    for t in &o.traces {
        tx.execute(
            "INSERT INTO trace (kind, value, clip) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            params![t.kind.as_str(), t.value, clip],
        )?;
    }
    Ok(row)
}

/// Adds links within a transaction, which may hold more.
pub(super) fn add_links_in(tx: &Db, links: &[Link]) -> Result<(), StoreError> {
    let mut touched = Vec::new();
    for l in links {
        let (a, b) = (row_of(tx, &l.a)?, row_of(tx, &l.b)?);
        let shared = serde_json::to_string(&l.shared).map_err(|e| StoreError::Database(e.to_string()))?;
        tx.execute(
            "INSERT INTO link (a, b, kind, score, shared) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (a, b, kind) DO UPDATE SET score = excluded.score, shared = excluded.shared",
            params![a, b, l.kind.as_str(), l.score, shared],
        )?;
        touched.extend([a, b]);
    }
    clusters::work_out(tx, &touched)
}

impl Store for SqlStore {
    fn record(&mut self, r: &Recording<'_>) -> Result<Recorded, StoreError> {
        self.transact(|tx| record_in(tx, r))
    }

    fn add_sightings(&mut self, clip: &ClipId, sightings: &[Sighting]) -> Result<(), StoreError> {
        self.transact(|tx| insert_sightings(tx, row_of(tx, clip)?, sightings))
    }

    fn add_links(&mut self, links: &[Link]) -> Result<(), StoreError> {
        self.transact(|tx| add_links_in(tx, links))
    }

    fn decide(&mut self, d: &Decision) -> Result<(), StoreError> {
        let tx = self.write()?;
        let ruling = serde_json::to_string(&d.ruling).map_err(|e| StoreError::Database(e.to_string()))?;
        let decision: i64 = tx.only(
            "INSERT INTO decision (author, at, ruling) VALUES (?1, ?2, ?3) RETURNING id",
            params![d.author, d.at.as_millis(), ruling],
            |r| r.get(0),
        )?;
        let mut touched = Vec::new();
        for clip in clips_of(&d.ruling) {
            let row = row_of(&tx, &clip)?;
            tx.execute(
                "INSERT INTO decided (clip, decision) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                params![row, decision],
            )?;
            touched.push(row);
        }
        clusters::work_out(&tx, &touched)?;
        tx.commit()
    }

    fn resolve_review(&mut self, id: i64, author: &str, at: Moment) -> Result<bool, StoreError> {
        let changed = self.db.execute(
            "UPDATE review SET resolved_by = ?2, resolved_at = ?3 WHERE id = ?1 AND resolved_at IS NULL",
            params![id, author, at.as_millis()],
        )?;
        Ok(changed > 0)
    }

    fn clip(&self, clip: &ClipId) -> Result<Option<StoredClip>, StoreError> {
        let sql = format!("SELECT {CLIP_COLUMNS} FROM clip WHERE sha256 = ?1");
        self.db.one(&sql, params![clip.as_bytes()], stored_clip)
    }

    fn clip_after(&self, clip: Option<&ClipId>) -> Result<Option<StoredClip>, StoreError> {
        walk::clip_after(&self.db, clip)
    }

    fn sightings(&self, clip: &ClipId) -> Result<Vec<Sighting>, StoreError> {
        walk::sightings(&self.db, clip)
    }

    fn links_from(&self, clip: &ClipId) -> Result<Vec<Link>, StoreError> {
        walk::links_from(&self.db, clip)
    }

    fn verdicts(&self, clip: &ClipId) -> Result<Vec<StoredVerdict>, StoreError> {
        let row = row_of(&self.db, clip)?;
        let found: Vec<(i64, StoredVerdict)> = self.db.rows(
            "SELECT id, recorded_at, pipeline_digest, conclusion, llr, line FROM verdict WHERE clip = ?1 ORDER BY id DESC",
            params![row],
            |r| {
                let verdict = StoredVerdict {
                    recorded_at: moment(r.get(1)?),
                    pipeline_digest: hash(r, 2)?,
                    conclusion: r.get(3)?,
                    llr: r.get(4)?,
                    line: r.get(5)?,
                    evidence: Vec::new(),
                };
                Ok((r.get(0)?, verdict))
            },
        )?;
        let whole = found.into_iter().map(|(id, verdict)| {
            let evidence = self.db.rows(
                "SELECT line FROM evidence WHERE verdict = ?1 ORDER BY ordinal",
                params![id],
                |r| r.get(0),
            )?;
            Ok(StoredVerdict { evidence, ..verdict })
        });
        whole.collect()
    }

    fn observables_of(&self, clip: &ClipId) -> Result<Option<Observables>, StoreError> {
        self.one_observables("SELECT o.frames, o.sound, o.rest FROM observables o JOIN clip c ON c.id = o.clip WHERE c.sha256 = ?1", clip.as_bytes())
    }

    fn appearance(&self, clip: &ClipId) -> Result<Option<Appearance>, StoreError> {
        let duration = if self.db.is_pg() {
            "CAST(CAST(o.rest AS json) ->> 'duration_us' AS bigint)"
        } else {
            "o.rest ->> '$.duration_us'"
        };
        let sql = format!(
            "SELECT {duration}, t.jpeg FROM observables o JOIN clip c ON c.id = o.clip
             LEFT JOIN thumbnail t ON t.clip = c.id WHERE c.sha256 = ?1"
        );
        self.db.one(&sql, params![clip.as_bytes()], |r| {
            Ok(Appearance {
                duration: MediaTime::from_micros(r.get::<Option<i64>>(0)?.unwrap_or(0)),
                thumbnail: r.get::<Option<Vec<u8>>>(1)?.unwrap_or_default(),
            })
        })
    }

    fn observables_in(&self, row: u64) -> Result<Option<Observables>, StoreError> {
        self.one_observables("SELECT frames, sound, rest FROM observables WHERE id = ?1", row as i64)
    }

    fn observables_after(
        &self,
        row: u64,
        each: &mut dyn FnMut(u64, &Observables) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut last = row as i64;
        loop {
            let page: Vec<(i64, Observables)> = self.db.rows(
                "SELECT id, frames, sound, rest FROM observables WHERE id > ?1 ORDER BY id LIMIT ?2",
                params![last, PAGE],
                |r| Ok((r.get(0)?, unpacked(r, 1)?)),
            )?;
            let Some((end, _)) = page.last() else { return Ok(()) };
            last = *end;
            for (id, o) in &page {
                each(*id as u64, o)?;
            }
        }
    }

    fn clips_with_trace(&self, trace: &Trace) -> Result<Vec<ClipId>, StoreError> {
        self.db.rows(
            "SELECT c.sha256 FROM trace t JOIN clip c ON c.id = t.clip WHERE t.kind = ?1 AND t.value = ?2 ORDER BY c.sha256",
            params![trace.kind.as_str(), trace.value],
            |r| hash(r, 0),
        )
    }

    fn voices(
        &self,
        model: &Sha256Hash,
        each: &mut dyn FnMut(ClipId, &VoiceEmbedding),
    ) -> Result<(), StoreError> {
        let (mut clip, mut ordinal) = (0i64, -1i64);
        loop {
            let page: Vec<(i64, i64, ClipId, VoiceEmbedding)> = self.db.rows(
                "SELECT v.clip, v.ordinal, c.sha256, v.start_us, v.end_us, v.vector FROM voice v
                 JOIN clip c ON c.id = v.clip WHERE v.model = ?1 AND (v.clip, v.ordinal) > (?2, ?3)
                 ORDER BY v.clip, v.ordinal LIMIT ?4",
                params![model.as_bytes(), clip, ordinal, VOICES],
                |r| {
                    let bytes: Vec<u8> = r.get(5)?;
                    let vector = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
                    let (start_us, end_us) = (r.get(3)?, r.get(4)?);
                    let voice = VoiceEmbedding { start_us, end_us, vector, model_sha256: *model };
                    Ok((r.get(0)?, r.get(1)?, hash(r, 2)?, voice))
                },
            )?;
            let Some((c, o, _, _)) = page.last() else { return Ok(()) };
            (clip, ordinal) = (*c, *o);
            for (_, _, clip, voice) in &page {
                each(*clip, voice);
            }
        }
    }

    fn clusters(&self, limit: u32) -> Result<Vec<ClusterSummary>, StoreError> {
        clusters::list(&self.db, limit)
    }

    fn cluster(&self, id: i64) -> Result<ClusterDetail, StoreError> {
        clusters::detail(&self.db, id)
    }

    fn reviews(&self) -> Result<Vec<Review>, StoreError> {
        self.db.rows(
            "SELECT r.id, c.sha256, d.sha256, r.before, r.after, r.at FROM review r
             JOIN clip c ON c.id = r.clip JOIN clip d ON d.id = r.cause WHERE r.resolved_at IS NULL ORDER BY r.id",
            params![],
            |r| {
                Ok(Review {
                    id: r.get(0)?,
                    clip: hash(r, 1)?,
                    cause: hash(r, 2)?,
                    before: r.get(3)?,
                    after: r.get(4)?,
                    at: moment(r.get(5)?),
                })
            },
        )
    }

    fn decisions(&self) -> Result<Vec<Decision>, StoreError> {
        clusters::decisions(&self.db, None)
    }

    fn check(&self) -> Result<CheckReport, StoreError> {
        check::check(&self.db)
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        if self.db.is_pg() {
            return Err(StoreError::NotHere("a store in PostgreSQL is backed up by pg_dump"));
        }
        let name = to.to_str().ok_or_else(|| StoreError::Database("the file name is not UTF-8".into()))?;
        // Reads one snapshot while others write; refuses a file that is there already.
        self.db.execute("VACUUM INTO ?1", params![name])?;
        std::fs::File::open(to)
            .and_then(|f| f.sync_all())
            .map_err(|e| StoreError::Database(format!("{}: {e}", to.display())))
    }
}

pub(super) const CLIP_COLUMNS: &str =
    "clip.sha256, clip.path, clip.size, clip.recorded_at, clip.conclusion, clip.llr, clip.cluster";

pub(super) fn stored_clip(r: &Row<'_>) -> Result<StoredClip, StoreError> {
    Ok(StoredClip {
        sha256: hash(r, 0)?,
        path: r.get(1)?,
        size: r.get::<i64>(2)? as u64,
        recorded_at: moment(r.get(3)?),
        conclusion: r.get(4)?,
        llr: r.get(5)?,
        cluster: r.get(6)?,
    })
}

/// Observables in three columns from `n` on.
fn unpacked(r: &Row<'_>, n: usize) -> Result<Observables, StoreError> {
    let (frames, sound, rest): (Vec<u8>, Vec<u8>, String) = (r.get(n)?, r.get(n + 1)?, r.get(n + 2)?);
    Ok(codec::unpack(&frames, &sound, &rest)?)
}

impl SqlStore {
    fn one_observables(&self, sql: &str, key: impl Bind) -> Result<Option<Observables>, StoreError> {
        self.db.one(sql, params![key], |r| unpacked(r, 0))
    }
}
