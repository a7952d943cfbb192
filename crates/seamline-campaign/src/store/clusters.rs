//! Clusters in the store: worked out anew around the clips that something happened to.

use super::sql::{Db, Row, params};
use super::sqlite::{CLIP_COLUMNS, hash, moment, stored_clip};
use super::walk::links;
use super::{ClusterDetail, ClusterSummary, Decision, Link, Sighting, StoreError, StoredClip};
use crate::cluster::{LinkKind, Ruling, propose};
use seamline_core::ClipId;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Works out the clusters of everything that hangs together with `touched` by links, by decisions, or by being in one
/// cluster now. What does not hang together with them cannot change.
pub(super) fn work_out(tx: &Db, touched: &[i64]) -> Result<(), StoreError> {
    let component = component(tx, touched)?;
    let mut clips: HashMap<ClipId, (i64, i64)> = HashMap::new();
    let mut numbers: HashMap<i64, ClipId> = HashMap::new();
    let mut founders: HashMap<i64, ClipId> = HashMap::new();
    for &row in &component {
        let (sha, cluster): (ClipId, i64) =
            tx.only("SELECT sha256, cluster FROM clip WHERE id = ?1", params![row], |r| {
                Ok((hash(r, 0)?, r.get(1)?))
            })?;
        clips.insert(sha, (row, cluster));
        numbers.insert(row, sha);
        let own: i64 =
            tx.only("SELECT id FROM cluster WHERE founder = ?1", params![sha.as_bytes()], |r| r.get(0))?;
        founders.insert(own, sha);
    }
    let mut links = Vec::new();
    let mut decisions: BTreeSet<i64> = BTreeSet::new();
    for &row in &component {
        let of: Vec<(i64, String, f64)> =
            tx.rows("SELECT b, kind, score FROM link WHERE a = ?1", params![row], |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?))
            })?;
        for (b, kind, score) in of {
            if let (Some(kind), Some(x), Some(y)) =
                (LinkKind::from_name(&kind), numbers.get(&row), numbers.get(&b))
            {
                links.extend(Link::new(*x, *y, kind, score, Vec::new()));
            }
        }
        let found: Vec<i64> =
            tx.rows("SELECT decision FROM decided WHERE clip = ?1", params![row], |r| r.get(0))?;
        decisions.extend(found);
    }
    let decisions = self::decisions(tx, Some(&decisions))?;
    let groups = propose(&clips.keys().copied().collect(), &links, &decisions);
    let homes = homes(&groups, &clips, &founders, &decisions);
    let mut changed: BTreeSet<i64> = BTreeSet::new();
    for (group, home) in groups.iter().zip(homes) {
        for clip in group {
            let Some(&(row, was)) = clips.get(clip) else { continue };
            if was != home {
                tx.execute("UPDATE clip SET cluster = ?2 WHERE id = ?1", params![row, home])?;
                changed.extend([was, home]);
            }
        }
        changed.insert(home);
        let inside = |set: &BTreeSet<ClipId>| set.iter().all(|c| group.binary_search(c).is_ok());
        let confirmed =
            decisions.iter().any(|d| matches!(&d.ruling, Ruling::Confirm { clips } if inside(clips)));
        let name = decisions.iter().rev().find_map(|d| match &d.ruling {
            Ruling::Name { clip, name } if group.binary_search(clip).is_ok() => Some(name),
            _ => None,
        });
        tx.execute(
            "UPDATE cluster SET confirmed = ?2, name = ?3 WHERE id = ?1",
            params![home, confirmed, name],
        )?;
    }
    for cluster in changed {
        recount(tx, cluster)?;
    }
    Ok(())
}

/// Which cluster row each group lives in: the one where most of its clips are now, so that a number that people have
/// written down goes on meaning the same thing. Every clip has a row that it founded, so there are always enough.
fn homes(
    groups: &[Vec<ClipId>],
    clips: &HashMap<ClipId, (i64, i64)>,
    founders: &HashMap<i64, ClipId>,
    decisions: &[Decision],
) -> Vec<i64> {
    let confirmed = |group: &[ClipId]| {
        decisions.iter().any(|d| {
            matches!(&d.ruling, Ruling::Confirm { clips } if clips.iter().any(|c| group.binary_search(c).is_ok()))
        })
    };
    let mut wishes: Vec<(bool, usize, bool, i64, usize)> = Vec::new();
    for (g, group) in groups.iter().enumerate() {
        let mut now: BTreeMap<i64, usize> = BTreeMap::new();
        for clip in group {
            if let Some(&(_, cluster)) = clips.get(clip) {
                *now.entry(cluster).or_default() += 1;
            }
        }
        for (row, founder) in founders {
            if group.binary_search(founder).is_ok() {
                now.entry(*row).or_default();
            }
        }
        let sure = confirmed(group);
        for (row, count) in now {
            let ours = founders.get(&row).is_some_and(|f| group.binary_search(f).is_ok());
            wishes.push((sure, count, ours, row, g));
        }
    }
    wishes.sort_by(|a, b| (b.0, b.1, b.2).cmp(&(a.0, a.1, a.2)).then((a.3, a.4).cmp(&(b.3, b.4))));
    let mut homes = vec![None; groups.len()];
    let mut taken = HashSet::new();
    for (_, _, _, row, g) in wishes {
        if homes[g].is_none() && taken.insert(row) {
            homes[g] = Some(row);
        }
    }
    homes.into_iter().flatten().collect()
}

/// Every clip that hangs together with these.
fn component(tx: &Db, touched: &[i64]) -> Result<BTreeSet<i64>, StoreError> {
    const NEXT: [&str; 4] = [
        "SELECT b FROM link WHERE a = ?1",
        "SELECT a FROM link WHERE b = ?1",
        "SELECT e.clip FROM decided d JOIN decided e ON e.decision = d.decision WHERE d.clip = ?1",
        "SELECT c.id FROM clip c WHERE c.cluster = (SELECT cluster FROM clip WHERE id = ?1)",
    ];
    let mut seen: BTreeSet<i64> = touched.iter().copied().collect();
    let mut open: Vec<i64> = seen.iter().copied().collect();
    while let Some(row) = open.pop() {
        for sql in NEXT {
            for other in tx.rows(sql, params![row], |r| r.get::<i64>(0))? {
                if seen.insert(other) {
                    open.push(other);
                }
            }
        }
    }
    Ok(seen)
}

/// Sets a cluster's counters from its clips.
pub(super) fn recount(tx: &Db, cluster: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE cluster SET
           members = (SELECT count(*) FROM clip WHERE cluster = ?1),
           sightings = (SELECT count(*) FROM sighting s JOIN clip c ON c.id = s.clip WHERE c.cluster = ?1),
           first_seen = (SELECT min(s.seen_at) FROM sighting s JOIN clip c ON c.id = s.clip WHERE c.cluster = ?1),
           last_seen = coalesce(
             (SELECT max(s.seen_at) FROM sighting s JOIN clip c ON c.id = s.clip WHERE c.cluster = ?1),
             (SELECT max(recorded_at) FROM clip WHERE cluster = ?1))
         WHERE id = ?1",
        params![cluster],
    )?;
    Ok(())
}

const SUMMARY: &str = "id, founder, name, confirmed, members, sightings, first_seen, last_seen";

fn summary(r: &Row<'_>) -> Result<ClusterSummary, StoreError> {
    Ok(ClusterSummary {
        id: r.get(0)?,
        founder: hash(r, 1)?,
        name: r.get(2)?,
        confirmed: r.get(3)?,
        members: r.get::<i64>(4)? as u64,
        sightings: r.get::<i64>(5)? as u64,
        first_seen: r.get::<Option<i64>>(6)?.map(moment),
        last_seen: r.get::<Option<i64>>(7)?.map(moment),
    })
}

pub(super) fn list(db: &Db, limit: u32) -> Result<Vec<ClusterSummary>, StoreError> {
    let sql =
        format!("SELECT {SUMMARY} FROM cluster WHERE members > 1 ORDER BY last_seen DESC, id DESC LIMIT ?1");
    db.rows(&sql, params![limit], summary)
}

pub(super) fn detail(db: &Db, id: i64) -> Result<ClusterDetail, StoreError> {
    let sql = format!("SELECT {SUMMARY} FROM cluster WHERE id = ?1 AND members > 0");
    let summary = db.one(&sql, params![id], summary)?.ok_or(StoreError::NoCluster(id))?;
    let sql = format!("SELECT {CLIP_COLUMNS} FROM clip WHERE cluster = ?1 ORDER BY sha256");
    let clips: Vec<StoredClip> = db.rows(&sql, params![id], stored_clip)?;
    let mut links = links(
        db,
        "SELECT c.sha256, d.sha256, l.kind, l.score, l.shared FROM link l JOIN clip c ON c.id = l.a
         JOIN clip d ON d.id = l.b WHERE c.cluster = ?1 AND d.cluster = ?1",
        id,
    )?;
    links.sort_by(|x, y| {
        y.score.total_cmp(&x.score).then_with(|| (x.a, x.b, x.kind).cmp(&(y.a, y.b, y.kind)))
    });
    let sightings = db.rows(
        "SELECT c.sha256, s.url, s.channel, s.seen_at FROM sighting s JOIN clip c ON c.id = s.clip
         WHERE c.cluster = ?1 ORDER BY s.seen_at, s.id",
        params![id],
        |r| Ok((hash(r, 0)?, Sighting { url: r.get(1)?, channel: r.get(2)?, seen_at: moment(r.get(3)?) })),
    )?;
    let wanted: Vec<i64> = db.rows(
        "SELECT DISTINCT d.decision FROM decided d JOIN clip c ON c.id = d.clip WHERE c.cluster = ?1",
        params![id],
        |r| r.get(0),
    )?;
    let wanted: BTreeSet<i64> = wanted.into_iter().collect();
    Ok(ClusterDetail { summary, clips, links, sightings, decisions: decisions(db, Some(&wanted))? })
}

/// Decisions in the order in which they were made: all, or those with these numbers.
pub(super) fn decisions(db: &Db, wanted: Option<&BTreeSet<i64>>) -> Result<Vec<Decision>, StoreError> {
    let read = |r: &Row<'_>| Ok((r.get::<String>(0)?, r.get::<i64>(1)?, r.get::<String>(2)?));
    let rows: Vec<(String, i64, String)> = match wanted {
        None => db.rows("SELECT author, at, ruling FROM decision ORDER BY id", params![], read)?,
        Some(ids) => {
            let one =
                |id| db.only("SELECT author, at, ruling FROM decision WHERE id = ?1", params![id], read);
            ids.iter().map(one).collect::<Result<_, _>>()?
        }
    };
    rows.into_iter()
        .map(|(author, at, ruling)| {
            let ruling = serde_json::from_str(&ruling)
                .map_err(|e| StoreError::Database(format!("a stored decision is damaged: {e}")))?;
            Ok(Decision { author, at: moment(at), ruling })
        })
        .collect()
}
