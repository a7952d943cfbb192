//! Brings a store up to date, all of it or not at all.

use super::StoreError;
use super::sql::{Db, params};

/// Schema version of this code.
pub(super) const VERSION: i64 = 4;
/// Every step of SQLite from one version to the next, the first from nothing to 1.
const LITE: [&str; VERSION as usize] = [
    include_str!("schema.sql"),
    include_str!("schema2.sql"),
    include_str!("schema3.sql"),
    include_str!("schema4.sql"),
];
/// The same for PostgreSQL, which came in with version 2.
const PG: [&str; VERSION as usize] =
    ["", include_str!("schema2.pg.sql"), include_str!("schema3.pg.sql"), include_str!("schema4.pg.sql")];

pub(super) fn bring_up_to_date(db: &mut Db) -> Result<(), StoreError> {
    // Nothing to bring up to date: nothing to write, and nobody to wait for.
    if found(db)? == VERSION {
        return Ok(());
    }
    let tx = db.begin()?;
    let found = found(&tx)?;
    if found > VERSION {
        return Err(StoreError::TooNew { found, known: VERSION });
    }
    let from = usize::try_from(found).unwrap_or(0);
    match &*tx {
        Db::Lite(lite) => {
            for step in &LITE[from..] {
                lite.execute_batch(step)?;
            }
            lite.pragma_update(None, "user_version", VERSION)?;
        }
        Db::Pg(pg) => {
            for step in &PG[from..] {
                pg.batch(step)?;
            }
            pg.batch(&format!("UPDATE schema_version SET version = {VERSION}"))?;
        }
    }
    tx.commit()
}

/// The version of what is there; 0 = nothing.
fn found(db: &Db) -> Result<i64, StoreError> {
    let there = |sql: &str| db.exists(sql, params![]);
    match db {
        Db::Lite(_) => db.only("PRAGMA user_version", params![], |r| r.get(0)),
        Db::Pg(_)
            if !there(
                "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'schema_version'",
            )? =>
        {
            Ok(0)
        }
        Db::Pg(_) => db.only("SELECT version FROM schema_version", params![], |r| r.get(0)),
    }
}
