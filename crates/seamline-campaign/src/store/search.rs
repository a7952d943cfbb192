//! Clips by what people know of them, and everything that a report needs.

use super::sqlite::{CLIP_COLUMNS, hash, moment, row_of, stored_clip};
use super::{SqliteStore, StoreError, StoredClip};
use crate::cluster::{Link, LinkKind};
use crate::moment::Moment;
use rusqlite::{OptionalExtension, params};
use seamline_core::{ClipId, Sha256Hash};

/// What is looked for; every field that is set must fit.
#[derive(Clone, Debug, Default)]
pub struct ClipQuery {
    /// A part of its path, or the beginning of its SHA-256; letters of either case.
    pub text: Option<String>,
    /// Conclusion of its latest verdict, by its name on the wire.
    pub conclusion: Option<String>,
    /// Recorded at this time or later.
    pub from: Option<Moment>,
    /// Recorded before this time.
    pub until: Option<Moment>,
    /// Only clips after this one, in the order of the answer: a cursor that an earlier answer gave.
    pub before: Option<u64>,
}

/// Text of a report with what it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredReport {
    /// When it was recorded.
    pub recorded_at: Moment,
    /// The pipeline.
    pub pipeline_digest: Sha256Hash,
    /// The run, as JSON; absent for clips recorded before version 2 of the store.
    pub info: Option<String>,
    /// The verdict line.
    pub verdict: String,
    /// Evidence lines, in order.
    pub evidence: Vec<String>,
    /// Pictures, a JSON list.
    pub exhibits: Option<String>,
}

impl SqliteStore {
    /// Clips that fit, the latest recorded first, at most `limit`; each with its cursor.
    pub fn search(&self, q: &ClipQuery, limit: u32) -> Result<Vec<(u64, StoredClip)>, StoreError> {
        let text = q.text.as_deref().map(str::trim).filter(|t| !t.is_empty());
        // A hash is looked up by its index; `clip.sha256` sorts as its digits do.
        let range = text.and_then(hash_range);
        let like = text.filter(|_| range.is_none()).map(pattern);
        let before = q.before.and_then(|n| i64::try_from(n).ok()).unwrap_or(i64::MAX);
        let mut sql = format!("SELECT {CLIP_COLUMNS}, id FROM clip WHERE id < ?1");
        if range.is_some() {
            sql += " AND sha256 BETWEEN ?2 AND ?3";
        } else {
            sql += " AND ?2 IS NULL AND ?3 IS NULL";
        }
        sql += if like.is_some() { " AND path LIKE ?4 ESCAPE '\\'" } else { " AND ?4 IS NULL" };
        sql += if q.conclusion.is_some() { " AND conclusion = ?5" } else { " AND ?5 IS NULL" };
        // Recorded in the order of their numbers, unless the clock was set back: each is checked, none is skipped.
        sql += " AND recorded_at >= ?6 AND recorded_at < ?7 ORDER BY id DESC LIMIT ?8";
        let (lo, hi) = range.unzip();
        let mut found = self.db.prepare_cached(&sql)?;
        let rows = found.query_map(
            params![
                before,
                lo,
                hi,
                like,
                q.conclusion,
                q.from.map_or(i64::MIN, Moment::as_millis),
                q.until.map_or(i64::MAX, Moment::as_millis),
                limit
            ],
            |r| Ok((r.get::<_, i64>(7)? as u64, stored_clip(r)?)),
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The latest report of a clip.
    pub fn report(&self, clip: &ClipId) -> Result<Option<StoredReport>, StoreError> {
        let row = match row_of(&self.db, clip) {
            Ok(row) => row,
            Err(StoreError::NoClip(_)) => return Ok(None),
            Err(e) => return Err(e),
        };
        let head = self
            .db
            .prepare_cached(
                "SELECT v.id, v.recorded_at, v.pipeline_digest, v.line, r.info, x.list FROM verdict v
                 LEFT JOIN run r ON r.pipeline_digest = v.pipeline_digest LEFT JOIN exhibits x ON x.verdict = v.id
                 WHERE v.clip = ?1 ORDER BY v.id DESC LIMIT 1",
            )?
            .query_row([row], |r| {
                let report = StoredReport {
                    recorded_at: moment(r.get(1)?),
                    pipeline_digest: hash(r, 2)?,
                    verdict: r.get(3)?,
                    info: r.get(4)?,
                    exhibits: r.get(5)?,
                    evidence: Vec::new(),
                };
                Ok((r.get::<_, i64>(0)?, report))
            })
            .optional()?;
        let Some((verdict, mut report)) = head else { return Ok(None) };
        report.evidence = self
            .db
            .prepare_cached("SELECT line FROM evidence WHERE verdict = ?1 ORDER BY ordinal")?
            .query_map([verdict], |r| r.get(0))?
            .collect::<Result<_, _>>()?;
        Ok(Some(report))
    }

    /// What is claimed of a clip, and by whom: pairs of submitter and claim, oldest first.
    pub fn claims_of(&self, clip: &ClipId) -> Result<Vec<(String, String)>, StoreError> {
        let mut all = self.db.prepare_cached(
            "SELECT s.who, s.claim FROM submission s JOIN job j ON j.n = s.job
             WHERE j.clip = ?1 AND s.claim <> '' ORDER BY s.rowid",
        )?;
        let rows = all.query_map([clip.as_bytes()], |r| Ok((r.get(0)?, r.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What a clip shares with others, best first, each with the other clip.
    pub fn links_of(&self, clip: &ClipId) -> Result<Vec<(Link, StoredClip)>, StoreError> {
        let row = row_of(&self.db, clip)?;
        let mut all = self.db.prepare_cached(
            "SELECT a, b, kind, score, shared FROM link WHERE a = ?1 UNION
             SELECT a, b, kind, score, shared FROM link WHERE b = ?1 ORDER BY score DESC",
        )?;
        let mut rows = all.query([row])?;
        let sql = format!("SELECT {CLIP_COLUMNS} FROM clip WHERE id = ?1");
        let mut found = Vec::new();
        while let Some(r) = rows.next()? {
            let (a, b): (i64, i64) = (r.get(0)?, r.get(1)?);
            let other =
                self.db.prepare_cached(&sql)?.query_row([if a == row { b } else { a }], stored_clip)?;
            let (x, y) = if a == row { (*clip, other.sha256) } else { (other.sha256, *clip) };
            let (kind, shared): (String, String) = (r.get(2)?, r.get(4)?);
            let shared = serde_json::from_str(&shared).map_err(|e| StoreError::Database(e.to_string()))?;
            let link = LinkKind::from_name(&kind)
                .and_then(|kind| Link::new(x, y, kind, r.get(3).unwrap_or(0.0), shared));
            found.extend(link.map(|link| (link, other)));
        }
        Ok(found)
    }
}

/// The least and the greatest hash that begins with these digits; `None` where the text is no beginning of a hash.
/// Fewer than six digits are taken as text: "cafe" is a name.
pub(super) fn hash_range(text: &str) -> Option<([u8; 32], [u8; 32])> {
    if !(6..=64).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let fill =
        |with: char| Sha256Hash::parse(&format!("{text:\u{0}<64}").replace('\u{0}', &with.to_string()));
    Some((*fill('0')?.as_bytes(), *fill('f')?.as_bytes()))
}

/// A pattern of SQL's LIKE that matches the text anywhere, and only the text.
fn pattern(text: &str) -> String {
    let mut out = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('%');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_hash_is_a_range() {
        let (lo, hi) = hash_range("ABCdef1").unwrap();
        assert_eq!((lo[..4].to_vec(), lo[31]), (vec![0xab, 0xcd, 0xef, 0x10], 0));
        assert_eq!((hi[..4].to_vec(), hi[31]), (vec![0xab, 0xcd, 0xef, 0x1f], 0xff));
        assert!(hash_range("cafe").is_none() && hash_range("abcdefg").is_none());
    }

    #[test]
    fn wildcards_in_names_are_letters() {
        assert_eq!(pattern("50%_a\\b"), "%50\\%\\_a\\\\b%");
    }
}
