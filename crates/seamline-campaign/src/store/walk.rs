//! Reads that go through a whole store, one clip at a time.

use super::sql::{Db, Row, params};
use super::sqlite::{CLIP_COLUMNS, hash, moment, row_of, stored_clip};
use super::{Link, Sighting, StoreError, StoredClip};
use crate::align::Alignment;
use crate::cluster::LinkKind;
use seamline_core::ClipId;

pub(super) fn clip_after(db: &Db, clip: Option<&ClipId>) -> Result<Option<StoredClip>, StoreError> {
    // Every hash is greater than the empty blob.
    let after = clip.map_or(&[][..], |c| c.as_bytes());
    let sql = format!("SELECT {CLIP_COLUMNS} FROM clip WHERE sha256 > ?1 ORDER BY sha256 LIMIT 1");
    db.one(&sql, params![after], stored_clip)
}

pub(super) fn sightings(db: &Db, clip: &ClipId) -> Result<Vec<Sighting>, StoreError> {
    let row = row_of(db, clip)?;
    db.rows(
        "SELECT url, channel, seen_at FROM sighting WHERE clip = ?1 ORDER BY seen_at, id",
        params![row],
        |r| Ok(Sighting { url: r.get(0)?, channel: r.get(1)?, seen_at: moment(r.get(2)?) }),
    )
}

pub(super) fn links_from(db: &Db, clip: &ClipId) -> Result<Vec<Link>, StoreError> {
    let row = row_of(db, clip)?;
    links(
        db,
        "SELECT c.sha256, d.sha256, l.kind, l.score, l.shared FROM link l JOIN clip c ON c.id = l.a
         JOIN clip d ON d.id = l.b WHERE l.a = ?1 ORDER BY d.sha256, l.kind",
        row,
    )
}

/// The links that a query of five columns (both hashes, kind, score, stretches) gives.
pub(super) fn links(db: &Db, sql: &str, key: i64) -> Result<Vec<Link>, StoreError> {
    let all = db.rows(sql, params![key], link)?;
    Ok(all.into_iter().flatten().collect())
}

fn link(r: &Row<'_>) -> Result<Option<Link>, StoreError> {
    let shared: Vec<Alignment> = serde_json::from_str(&r.get::<String>(4)?)
        .map_err(|e| StoreError::Database(format!("a stored link is damaged: {e}")))?;
    let (a, b, score) = (hash(r, 0)?, hash(r, 1)?, r.get(3)?);
    Ok(LinkKind::from_name(&r.get::<String>(2)?).and_then(|kind| Link::new(a, b, kind, score, shared)))
}
