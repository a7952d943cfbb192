//! Reads that go through a whole store, one clip at a time.

use super::sqlite::{CLIP_COLUMNS, hash, moment, row_of, stored_clip};
use super::{Link, Sighting, StoreError, StoredClip};
use crate::align::Alignment;
use crate::cluster::LinkKind;
use rusqlite::{Connection, OptionalExtension, Row};
use seamline_core::ClipId;

pub(super) fn clip_after(db: &Connection, clip: Option<&ClipId>) -> Result<Option<StoredClip>, StoreError> {
    // Every hash is greater than the empty blob.
    let after = clip.map_or(&[][..], |c| c.as_bytes());
    let sql = format!("SELECT {CLIP_COLUMNS} FROM clip WHERE sha256 > ?1 ORDER BY sha256 LIMIT 1");
    Ok(db.prepare_cached(&sql)?.query_row([after], stored_clip).optional()?)
}

pub(super) fn sightings(db: &Connection, clip: &ClipId) -> Result<Vec<Sighting>, StoreError> {
    let row = row_of(db, clip)?;
    let mut of =
        db.prepare_cached("SELECT url, channel, seen_at FROM sighting WHERE clip = ?1 ORDER BY seen_at, id")?;
    let read = |r: &Row<'_>| Ok(Sighting { url: r.get(0)?, channel: r.get(1)?, seen_at: moment(r.get(2)?) });
    Ok(of.query_map([row], read)?.collect::<Result<_, _>>()?)
}

pub(super) fn links_from(db: &Connection, clip: &ClipId) -> Result<Vec<Link>, StoreError> {
    let row = row_of(db, clip)?;
    links(
        db,
        "SELECT c.sha256, d.sha256, l.kind, l.score, l.shared FROM link l JOIN clip c ON c.id = l.a
         JOIN clip d ON d.id = l.b WHERE l.a = ?1 ORDER BY d.sha256, l.kind",
        row,
    )
}

/// The links that a query of five columns (both hashes, kind, score, stretches) gives.
pub(super) fn links(db: &Connection, sql: &str, key: i64) -> Result<Vec<Link>, StoreError> {
    let mut of = db.prepare_cached(sql)?;
    let mut rows = of.query([key])?;
    let mut all = Vec::new();
    while let Some(r) = rows.next()? {
        let shared: Vec<Alignment> = serde_json::from_str(r.get_ref(4)?.as_str().unwrap_or("[]"))
            .map_err(|e| StoreError::Database(format!("a stored link is damaged: {e}")))?;
        let kind = LinkKind::from_name(&r.get::<_, String>(2)?);
        all.extend(
            kind.and_then(|k| Link::new(hash(r, 0).ok()?, hash(r, 1).ok()?, k, r.get(3).ok()?, shared)),
        );
    }
    Ok(all)
}
