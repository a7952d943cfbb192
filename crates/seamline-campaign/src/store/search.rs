//! Clips by what people know of them, and everything that a report needs.

use super::sql::{Bind, Value, params};
use super::sqlite::{CLIP_COLUMNS, hash, moment, row_of, stored_clip};
use super::{SqlStore, StoreError, StoredClip};
use crate::cluster::{Link, LinkKind};
use crate::moment::Moment;
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

/// Numbers of clips to a row of `clip_time`; stands in the schema too.
const BLOCK: i64 = 1_024;

impl SqlStore {
    /// Clips that fit, the latest recorded first, at most `limit`; each with its cursor.
    pub fn search(&self, q: &ClipQuery, limit: u32) -> Result<Vec<(u64, StoredClip)>, StoreError> {
        let text = q.text.as_deref().map(str::trim).filter(|t| !t.is_empty());
        // No file's name holds it, and databases end a text there.
        if text.is_some_and(|t| t.contains('\0')) {
            return Ok(Vec::new());
        }
        // A hash is looked up by its index; `clip.sha256` sorts as its digits do.
        let range = text.and_then(hash_range);
        let like = text.filter(|_| range.is_none()).map(pattern);
        let before = q.before.and_then(|n| i64::try_from(n).ok()).unwrap_or(i64::MAX);
        let Some((first, past)) = self.numbers_within(q, before)? else { return Ok(Vec::new()) };
        // PostgreSQL finds its own way to an index of names; SQLite's is a table.
        let grams = text.filter(|t| like.is_some() && !self.db.is_pg() && is_indexed(t)).map(phrase);
        let (from, n) = match grams {
            Some(_) => ("clip_name CROSS JOIN clip ON clip.id = clip_name.rowid", "clip_name.rowid"),
            None => ("clip", "clip.id"),
        };
        let mut sql = format!("SELECT {CLIP_COLUMNS}, clip.id FROM {from} WHERE {n} < ?1");
        let mut values: Vec<Value<'_>> = vec![Value::Int(past)];
        // `#` stands for the value.
        let mut and = |condition: &str, value| {
            values.push(value);
            sql += &condition.replace('#', &format!("?{}", values.len()));
        };
        if first > 0 {
            and(&format!(" AND {n} >= #"), Value::Int(first));
        }
        if let Some((lo, hi)) = &range {
            and(" AND sha256 >= #", lo.bind());
            and(" AND sha256 <= #", hi.bind());
        }
        match (&grams, &like) {
            (Some(grams), _) => and(" AND clip_name MATCH #", grams.bind()),
            (None, Some(like)) => and(" AND clip.path LIKE # ESCAPE '\\'", like.bind()),
            (None, None) => {}
        }
        if let Some(conclusion) = &q.conclusion {
            and(" AND conclusion = #", conclusion.bind());
        }
        if let Some(from) = q.from {
            and(" AND recorded_at >= #", Value::Int(from.as_millis()));
        }
        if let Some(until) = q.until {
            and(" AND recorded_at < #", Value::Int(until.as_millis()));
        }
        and(&format!(" ORDER BY {n} DESC LIMIT #"), Value::Int(i64::from(limit)));
        self.db.rows(&sql, &values, |r| Ok((r.get::<i64>(7)? as u64, stored_clip(r)?)))
    }

    /// The least number of a clip that may have been recorded in the time that is asked for, and one past the greatest,
    /// at most `before`; `None` = none was.
    fn numbers_within(&self, q: &ClipQuery, before: i64) -> Result<Option<(i64, i64)>, StoreError> {
        if q.from.is_none() && q.until.is_none() {
            return Ok(Some((0, before)));
        }
        let from = q.from.map_or(i64::MIN, Moment::as_millis);
        let until = q.until.map_or(i64::MAX, Moment::as_millis);
        let blocks: (Option<i64>, Option<i64>) = self.db.only(
            "SELECT min(block), max(block) FROM clip_time WHERE latest >= ?1 AND earliest < ?2",
            params![from, until],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )?;
        let (Some(least), Some(greatest)) = blocks else { return Ok(None) };
        Ok(Some((least * BLOCK, before.min((greatest + 1) * BLOCK))))
    }

    /// The latest report of a clip.
    pub fn report(&self, clip: &ClipId) -> Result<Option<StoredReport>, StoreError> {
        let row = match row_of(&self.db, clip) {
            Ok(row) => row,
            Err(StoreError::NoClip(_)) => return Ok(None),
            Err(e) => return Err(e),
        };
        let head: Option<(i64, StoredReport)> = self.db.one(
            "SELECT v.id, v.recorded_at, v.pipeline_digest, v.line, r.info, x.list FROM verdict v
             LEFT JOIN run r ON r.pipeline_digest = v.pipeline_digest LEFT JOIN exhibits x ON x.verdict = v.id
             WHERE v.clip = ?1 ORDER BY v.id DESC LIMIT 1",
            params![row],
            |r| {
                let report = StoredReport {
                    recorded_at: moment(r.get(1)?),
                    pipeline_digest: hash(r, 2)?,
                    verdict: r.get(3)?,
                    info: r.get(4)?,
                    exhibits: r.get(5)?,
                    evidence: Vec::new(),
                };
                Ok((r.get(0)?, report))
            },
        )?;
        let Some((verdict, mut report)) = head else { return Ok(None) };
        let sql = "SELECT line FROM evidence WHERE verdict = ?1 ORDER BY ordinal";
        report.evidence = self.db.rows(sql, params![verdict], |r| r.get(0))?;
        Ok(Some(report))
    }

    /// What is claimed of a clip, and by whom: pairs of submitter and claim, oldest first.
    pub fn claims_of(&self, clip: &ClipId) -> Result<Vec<(String, String)>, StoreError> {
        self.db.rows(
            "SELECT s.who, s.claim FROM submission s JOIN job j ON j.n = s.job
             WHERE j.clip = ?1 AND s.claim <> '' ORDER BY s.rowid",
            params![clip.as_bytes()],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )
    }

    /// What a clip shares with others, best first, each with the other clip.
    pub fn links_of(&self, clip: &ClipId) -> Result<Vec<(Link, StoredClip)>, StoreError> {
        let row = row_of(&self.db, clip)?;
        let all: Vec<(i64, i64, String, f64, String)> = self.db.rows(
            "SELECT a, b, kind, score, shared FROM link WHERE a = ?1 UNION
             SELECT a, b, kind, score, shared FROM link WHERE b = ?1 ORDER BY score DESC",
            params![row],
            |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?)),
        )?;
        let sql = format!("SELECT {CLIP_COLUMNS} FROM clip WHERE id = ?1");
        let mut found = Vec::new();
        for (a, b, kind, score, shared) in all {
            let other = self.db.only(&sql, params![if a == row { b } else { a }], stored_clip)?;
            let (x, y) = if a == row { (*clip, other.sha256) } else { (other.sha256, *clip) };
            let shared = serde_json::from_str(&shared).map_err(|e| StoreError::Database(e.to_string()))?;
            let link = LinkKind::from_name(&kind).and_then(|kind| Link::new(x, y, kind, score, shared));
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

/// Whether names that hold this text are found by their trigrams.
fn is_indexed(text: &str) -> bool {
    text.chars().count() >= 3
}

/// A phrase of FTS5 that matches the text, and only the text.
fn phrase(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
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
        assert_eq!(phrase("a\" OR b*"), "\"a\"\" OR b*\"");
        assert!(!is_indexed("ab") && is_indexed("äbc"));
    }
}
