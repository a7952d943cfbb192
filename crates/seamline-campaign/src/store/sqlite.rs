//! [`Store`] over one SQLite file in WAL mode.

use super::{
    Appearance, CheckReport, ClusterDetail, ClusterSummary, Decision, Link, Recorded, Recording, Review,
    Sighting, Store, StoreError, StoredClip, StoredVerdict, check, clips_of, clusters, walk,
};
use crate::cluster::LinkKind;
use crate::moment::Moment;
use crate::observables::{Observables, Trace, VoiceEmbedding, codec};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use seamline_core::{ClipId, MediaTime, Sha256Hash};
use std::path::Path;
use std::time::{Duration, Instant};

/// Schema version of this code.
const VERSION: i64 = 2;
/// Every step from one version to the next, the first from nothing to 1.
const MIGRATIONS: [&str; VERSION as usize] = [include_str!("schema.sql"), include_str!("schema2.sql")];
/// How long one process waits for another that writes. A recording takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

impl From<rusqlite::Error> for StoreError {
    fn from(e: rusqlite::Error) -> Self {
        match e.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Database(e.to_string()),
        }
    }
}

/// A store in one file. One connection: a thread or process that wants to work beside others opens its own.
pub struct SqliteStore {
    pub(super) db: Connection,
}

impl SqliteStore {
    /// Opens the store, or begins one. An older store is brought up to date, all of it or not at all.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut db = Connection::open(path)?;
        db.busy_timeout(PATIENCE)?;
        write_ahead(&db)?;
        // With FULL a commit is on the disk when it returns, not only past this process.
        db.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
        // Nothing to bring up to date: nothing to write, and nobody to wait for.
        if db.query_row("PRAGMA user_version", [], |r| r.get::<_, i64>(0))? == VERSION {
            return Ok(Self { db });
        }
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found: i64 = tx.query_row("PRAGMA user_version", [], |r| r.get(0))?;
        if found > VERSION {
            return Err(StoreError::TooNew { found, known: VERSION });
        }
        for step in &MIGRATIONS[found.max(0) as usize..] {
            tx.execute_batch(step)?;
        }
        tx.pragma_update(None, "user_version", VERSION)?;
        tx.commit()?;
        Ok(Self { db })
    }

    pub(super) fn write(&mut self) -> Result<Transaction<'_>, StoreError> {
        // Immediate: a transaction that reads first and writes later could otherwise fail half-way.
        Ok(self.db.transaction_with_behavior(TransactionBehavior::Immediate)?)
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

pub(super) fn hash(row: &Row<'_>, column: usize) -> rusqlite::Result<Sha256Hash> {
    row.get::<_, [u8; 32]>(column).map(Sha256Hash::from_bytes)
}

/// The row number of a clip.
pub(super) fn row_of(db: &Connection, clip: &ClipId) -> Result<i64, StoreError> {
    db.prepare_cached("SELECT id FROM clip WHERE sha256 = ?1")?
        .query_row([clip.as_bytes()], |r| r.get(0))
        .optional()?
        .ok_or(StoreError::NoClip(*clip))
}

pub(super) fn insert_sightings(
    tx: &Transaction<'_>,
    clip: i64,
    sightings: &[Sighting],
) -> Result<(), StoreError> {
    let mut added = 0;
    for s in sightings {
        added += tx
            .prepare_cached(
                "INSERT OR IGNORE INTO sighting (clip, url, channel, seen_at) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![clip, s.url, s.channel, s.seen_at.as_millis()])?;
    }
    if added > 0 {
        let cluster = tx.query_row("SELECT cluster FROM clip WHERE id = ?1", [clip], |r| r.get(0))?;
        clusters::recount(tx, cluster)?;
    }
    Ok(())
}

fn insert_voices(tx: &Transaction<'_>, clip: i64, voices: &[VoiceEmbedding]) -> Result<(), StoreError> {
    for (n, v) in voices.iter().enumerate() {
        let vector: Vec<u8> = v.vector.iter().flat_map(|x| x.to_le_bytes()).collect();
        tx.prepare_cached(
            "INSERT INTO voice (clip, ordinal, model, start_us, end_us, vector) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![clip, n as i64, v.model_sha256.as_bytes(), v.start_us, v.end_us, vector])?;
    }
    Ok(())
}

/// Puts near-duplicates of a clip up for review.
fn review(
    tx: &Transaction<'_>,
    clip: i64,
    before: &str,
    after: &str,
    at: Moment,
) -> Result<usize, StoreError> {
    let mut near = Vec::new();
    let mut links = tx.prepare_cached(
        "SELECT b, kind, score FROM link WHERE a = ?1 UNION ALL SELECT a, kind, score FROM link WHERE b = ?1",
    )?;
    let mut rows = links.query([clip])?;
    while let Some(r) = rows.next()? {
        let (other, kind, score): (i64, String, f64) = (r.get(0)?, r.get(1)?, r.get(2)?);
        let joins =
            LinkKind::from_name(&kind).and_then(LinkKind::joins_from).is_some_and(|least| score >= least);
        if joins {
            near.push(other);
        }
    }
    near.sort_unstable();
    near.dedup();
    for other in &near {
        tx.prepare_cached("INSERT INTO review (clip, cause, before, after, at) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![other, clip, before, after, at.as_millis()])?;
    }
    Ok(near.len())
}

/// Records one scan within a transaction, which may hold more.
pub(super) fn record_in(tx: &Transaction<'_>, r: &Recording<'_>) -> Result<Recorded, StoreError> {
    let packed = r.observables.map(codec::pack).transpose()?;
    let known: Option<(i64, String)> = tx
        .prepare_cached("SELECT id, conclusion FROM clip WHERE sha256 = ?1")?
        .query_row([r.clip.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let new_clip = known.is_none();
    let (clip, before) = match known {
        Some(known) => known,
        None => {
            // A cluster of its own, to which it can return whenever it is split off.
            tx.prepare_cached("INSERT INTO cluster (founder, members, last_seen) VALUES (?1, 1, ?2)")?
                .execute(params![r.clip.as_bytes(), r.at.as_millis()])?;
            let cluster = tx.last_insert_rowid();
            tx.prepare_cached(
                "INSERT INTO clip (sha256, path, size, recorded_at, conclusion, llr, cluster)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                r.clip.as_bytes(),
                r.path,
                r.size as i64,
                r.at.as_millis(),
                r.conclusion,
                r.llr,
                cluster
            ])?;
            (tx.last_insert_rowid(), r.conclusion.to_owned())
        }
    };
    let new_verdict =
        tx.prepare_cached(
            "INSERT OR IGNORE INTO verdict (clip, pipeline_digest, recorded_at, conclusion, llr, line)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            clip,
            r.pipeline_digest.as_bytes(),
            r.at.as_millis(),
            r.conclusion,
            r.llr,
            r.verdict_line
        ])? > 0;
    let mut reviews = 0;
    if new_verdict {
        let verdict = tx.last_insert_rowid();
        for (n, line) in r.evidence_lines.iter().enumerate() {
            tx.prepare_cached("INSERT INTO evidence (verdict, ordinal, line) VALUES (?1, ?2, ?3)")?
                .execute(params![verdict, n as i64, line])?;
        }
        if !new_clip {
            tx.prepare_cached("UPDATE clip SET conclusion = ?2, llr = ?3 WHERE id = ?1")?
                .execute(params![clip, r.conclusion, r.llr])?;
            if before != r.conclusion {
                reviews = review(tx, clip, &before, r.conclusion, r.at)?;
            }
        }
    }
    let mut recorded = Recorded { new_clip, new_observables: false, observables_row: None, reviews };
    if let (Some(o), Some(p)) = (r.observables, packed) {
        let same: Option<i64> = tx
            .prepare_cached(
                "SELECT id FROM observables WHERE clip = ?1 AND frames = ?2 AND sound = ?3 AND rest = ?4",
            )?
            .query_row(params![clip, p.frames, p.sound, p.rest], |row| row.get(0))
            .optional()?;
        let row = match same {
            Some(row) => row,
            None => {
                tx.prepare_cached("DELETE FROM observables WHERE clip = ?1")?.execute([clip])?;
                tx.prepare_cached("DELETE FROM trace WHERE clip = ?1")?.execute([clip])?;
                tx.prepare_cached("DELETE FROM voice WHERE clip = ?1")?.execute([clip])?;
                tx.prepare_cached(
                    "INSERT INTO observables (clip, version, frames, sound, rest) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![clip, o.version, p.frames, p.sound, p.rest])?;
                recorded.new_observables = true;
                tx.prepare_cached("INSERT OR IGNORE INTO unlinked (clip) VALUES (?1)")?.execute([clip])?;
                let row = tx.last_insert_rowid();
                if !o.thumbnail.is_empty() {
                    tx.prepare_cached("INSERT OR REPLACE INTO thumbnail (clip, jpeg) VALUES (?1, ?2)")?
                        .execute(params![clip, o.thumbnail])?;
                }
                insert_voices(tx, clip, &o.voices)?;
                for t in &o.traces {
                    tx.prepare_cached("INSERT OR IGNORE INTO trace (kind, value, clip) VALUES (?1, ?2, ?3)")?
                        .execute(params![t.kind.as_str(), t.value, clip])?;
                }
                row
            }
        };
        recorded.observables_row = Some(row as u64);
    }
    insert_sightings(tx, clip, r.sightings)?;
    Ok(recorded)
}

/// Adds links within a transaction, which may hold more.
pub(super) fn add_links_in(tx: &Transaction<'_>, links: &[Link]) -> Result<(), StoreError> {
    let mut touched = Vec::new();
    for l in links {
        let (a, b) = (row_of(tx, &l.a)?, row_of(tx, &l.b)?);
        let shared = serde_json::to_string(&l.shared).map_err(|e| StoreError::Database(e.to_string()))?;
        tx.prepare_cached(
            "INSERT OR REPLACE INTO link (a, b, kind, score, shared) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![a, b, l.kind.as_str(), l.score, shared])?;
        touched.extend([a, b]);
    }
    clusters::work_out(tx, &touched)
}

impl Store for SqliteStore {
    fn record(&mut self, r: &Recording<'_>) -> Result<Recorded, StoreError> {
        let tx = self.write()?;
        let recorded = record_in(&tx, r)?;
        tx.commit()?;
        Ok(recorded)
    }

    fn add_sightings(&mut self, clip: &ClipId, sightings: &[Sighting]) -> Result<(), StoreError> {
        let tx = self.write()?;
        let row = row_of(&tx, clip)?;
        insert_sightings(&tx, row, sightings)?;
        Ok(tx.commit()?)
    }

    fn add_links(&mut self, links: &[Link]) -> Result<(), StoreError> {
        let tx = self.write()?;
        add_links_in(&tx, links)?;
        Ok(tx.commit()?)
    }

    fn decide(&mut self, d: &Decision) -> Result<(), StoreError> {
        let tx = self.write()?;
        let ruling = serde_json::to_string(&d.ruling).map_err(|e| StoreError::Database(e.to_string()))?;
        tx.execute(
            "INSERT INTO decision (author, at, ruling) VALUES (?1, ?2, ?3)",
            params![d.author, d.at.as_millis(), ruling],
        )?;
        let decision = tx.last_insert_rowid();
        let mut touched = Vec::new();
        for clip in clips_of(&d.ruling) {
            let row = row_of(&tx, &clip)?;
            tx.execute(
                "INSERT OR IGNORE INTO decided (clip, decision) VALUES (?1, ?2)",
                params![row, decision],
            )?;
            touched.push(row);
        }
        clusters::work_out(&tx, &touched)?;
        Ok(tx.commit()?)
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
        Ok(self.db.prepare_cached(&sql)?.query_row([clip.as_bytes()], stored_clip).optional()?)
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
        let mut found = Vec::new();
        let mut verdicts = self.db.prepare_cached(
            "SELECT id, recorded_at, pipeline_digest, conclusion, llr, line FROM verdict WHERE clip = ?1 ORDER BY id DESC",
        )?;
        let mut rows = verdicts.query([row])?;
        while let Some(r) = rows.next()? {
            let id: i64 = r.get(0)?;
            let mut lines =
                self.db.prepare_cached("SELECT line FROM evidence WHERE verdict = ?1 ORDER BY ordinal")?;
            let evidence = lines.query_map([id], |l| l.get(0))?.collect::<Result<_, _>>()?;
            found.push(StoredVerdict {
                recorded_at: moment(r.get(1)?),
                pipeline_digest: hash(r, 2)?,
                conclusion: r.get(3)?,
                llr: r.get(4)?,
                line: r.get(5)?,
                evidence,
            });
        }
        Ok(found)
    }

    fn observables_of(&self, clip: &ClipId) -> Result<Option<Observables>, StoreError> {
        self.one_observables("SELECT o.frames, o.sound, o.rest FROM observables o JOIN clip c ON c.id = o.clip WHERE c.sha256 = ?1", clip.as_bytes())
    }

    fn appearance(&self, clip: &ClipId) -> Result<Option<Appearance>, StoreError> {
        let mut one = self.db.prepare_cached(
            "SELECT o.rest ->> '$.duration_us', t.jpeg FROM observables o JOIN clip c ON c.id = o.clip
             LEFT JOIN thumbnail t ON t.clip = c.id WHERE c.sha256 = ?1",
        )?;
        let found = one.query_row([clip.as_bytes()], |r| {
            Ok(Appearance {
                duration: MediaTime::from_micros(r.get::<_, Option<i64>>(0)?.unwrap_or(0)),
                thumbnail: r.get::<_, Option<Vec<u8>>>(1)?.unwrap_or_default(),
            })
        });
        Ok(found.optional()?)
    }

    fn observables_in(&self, row: u64) -> Result<Option<Observables>, StoreError> {
        self.one_observables("SELECT frames, sound, rest FROM observables WHERE id = ?1", row as i64)
    }

    fn observables_after(
        &self,
        row: u64,
        each: &mut dyn FnMut(u64, &Observables) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut all =
            self.db.prepare("SELECT id, frames, sound, rest FROM observables WHERE id > ?1 ORDER BY id")?;
        let mut rows = all.query([row as i64])?;
        while let Some(r) = rows.next()? {
            let o = codec::unpack(
                r.get_ref(1)?.as_blob().map_err(column)?,
                r.get_ref(2)?.as_blob().map_err(column)?,
                r.get_ref(3)?.as_str().map_err(column)?,
            )?;
            each(r.get::<_, i64>(0)? as u64, &o)?;
        }
        Ok(())
    }

    fn clips_with_trace(&self, trace: &Trace) -> Result<Vec<ClipId>, StoreError> {
        let mut found = self.db.prepare_cached(
            "SELECT c.sha256 FROM trace t JOIN clip c ON c.id = t.clip WHERE t.kind = ?1 AND t.value = ?2 ORDER BY c.sha256",
        )?;
        Ok(found
            .query_map(params![trace.kind.as_str(), trace.value], |r| hash(r, 0))?
            .collect::<Result<_, _>>()?)
    }

    fn voices(
        &self,
        model: &Sha256Hash,
        each: &mut dyn FnMut(ClipId, &VoiceEmbedding),
    ) -> Result<(), StoreError> {
        let mut all = self.db.prepare_cached(
            "SELECT c.sha256, v.start_us, v.end_us, v.vector FROM voice v JOIN clip c ON c.id = v.clip WHERE v.model = ?1",
        )?;
        let mut rows = all.query([model.as_bytes()])?;
        while let Some(r) = rows.next()? {
            let bytes = r.get_ref(3)?.as_blob().map_err(column)?;
            let vector = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
            let voice =
                VoiceEmbedding { start_us: r.get(1)?, end_us: r.get(2)?, vector, model_sha256: *model };
            each(hash(r, 0)?, &voice);
        }
        Ok(())
    }

    fn clusters(&self, limit: u32) -> Result<Vec<ClusterSummary>, StoreError> {
        clusters::list(&self.db, limit)
    }

    fn cluster(&self, id: i64) -> Result<ClusterDetail, StoreError> {
        clusters::detail(&self.db, id)
    }

    fn reviews(&self) -> Result<Vec<Review>, StoreError> {
        let mut open = self.db.prepare_cached(
            "SELECT r.id, c.sha256, d.sha256, r.before, r.after, r.at FROM review r
             JOIN clip c ON c.id = r.clip JOIN clip d ON d.id = r.cause WHERE r.resolved_at IS NULL ORDER BY r.id",
        )?;
        let rows = open.query_map([], |r| {
            Ok(Review {
                id: r.get(0)?,
                clip: hash(r, 1)?,
                cause: hash(r, 2)?,
                before: r.get(3)?,
                after: r.get(4)?,
                at: moment(r.get(5)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn decisions(&self) -> Result<Vec<Decision>, StoreError> {
        clusters::decisions(&self.db, None)
    }

    fn check(&self) -> Result<CheckReport, StoreError> {
        check::check(&self.db)
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let name = to.to_str().ok_or_else(|| StoreError::Database("the file name is not UTF-8".into()))?;
        // Reads one snapshot while others write; refuses a file that is there already.
        self.db.execute("VACUUM INTO ?1", [name])?;
        std::fs::File::open(to)
            .and_then(|f| f.sync_all())
            .map_err(|e| StoreError::Database(format!("{}: {e}", to.display())))
    }
}

pub(super) const CLIP_COLUMNS: &str = "sha256, path, size, recorded_at, conclusion, llr, cluster";

pub(super) fn stored_clip(r: &Row<'_>) -> rusqlite::Result<StoredClip> {
    Ok(StoredClip {
        sha256: hash(r, 0)?,
        path: r.get(1)?,
        size: r.get::<_, i64>(2)? as u64,
        recorded_at: moment(r.get(3)?),
        conclusion: r.get(4)?,
        llr: r.get(5)?,
        cluster: r.get(6)?,
    })
}

fn column(e: rusqlite::types::FromSqlError) -> StoreError {
    StoreError::Database(e.to_string())
}

impl SqliteStore {
    fn one_observables(
        &self,
        sql: &str,
        key: impl rusqlite::ToSql,
    ) -> Result<Option<Observables>, StoreError> {
        let mut one = self.db.prepare_cached(sql)?;
        let mut rows = one.query([key])?;
        let Some(r) = rows.next()? else { return Ok(None) };
        let frames = r.get_ref(0)?.as_blob().map_err(column)?;
        let sound = r.get_ref(1)?.as_blob().map_err(column)?;
        let rest = r.get_ref(2)?.as_str().map_err(column)?;
        Ok(Some(codec::unpack(frames, sound, rest)?))
    }
}
