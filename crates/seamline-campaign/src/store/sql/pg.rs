//! Statements to PostgreSQL, over a connection that comes back when the server does.

use super::{Row, Value};
use crate::store::StoreError;
use postgres::error::SqlState;
use postgres::types::private::BytesMut;
use postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Config, Statement};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, Instant};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a server that went away is waited for, and how long a lock; as long as SQLite waits for another writer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two tries to reach it.
const AGAIN: Duration = Duration::from_millis(250);
/// For one try.
const REACH: Duration = Duration::from_secs(5);
/// Whoever writes holds this lock: `seamline` in ASCII, as a number.
const WRITER: i64 = 0x7365_616d_6c69_6e65;
/// Statements kept prepared; there are not many more.
const PREPARED: usize = 256;

/// A connection to a database.
pub(in crate::store) struct Pg {
    config: Config,
    tls: MakeRustlsConnect,
    session: RefCell<Option<Session>>,
    /// Within a transaction a lost connection is the transaction's end: it must not go on over another one.
    within: Cell<bool>,
}

struct Session {
    client: Client,
    prepared: HashMap<String, Statement>,
}

fn database(e: impl std::fmt::Display) -> StoreError {
    StoreError::Database(e.to_string())
}

impl Pg {
    /// For the database that a URL names; connects when it is first needed.
    pub(in crate::store) fn new(url: &str) -> Result<Self, StoreError> {
        let mut config: Config = url.parse().map_err(database)?;
        config.connect_timeout(REACH).application_name("seamline");
        // A server that vanishes without a word must not hold a lane for the hours that TCP would wait.
        config.tcp_user_timeout(PATIENCE).keepalives_idle(PATIENCE);
        Ok(Self { config, tls: tls()?, session: RefCell::new(None), within: Cell::new(false) })
    }

    fn connect(&self) -> Result<Session, postgres::Error> {
        let mut client = self.config.connect(self.tls.clone())?;
        let ms = PATIENCE.as_millis();
        // A commit is on the disk when it returns, whatever the server's default is.
        client.batch_execute(&format!(
            "SET lock_timeout = {ms}; SET synchronous_commit = on; SET client_min_messages = warning;
             SET default_transaction_isolation = 'read committed'"
        ))?;
        Ok(Session { client, prepared: HashMap::new() })
    }

    /// Runs `f` over the connection. One that was lost is made again, except within a transaction.
    fn with<T>(
        &self,
        mut f: impl FnMut(&mut Session) -> Result<T, postgres::Error>,
    ) -> Result<T, StoreError> {
        let mut session = self.session.try_borrow_mut().map_err(database)?;
        let end = Instant::now() + PATIENCE;
        loop {
            let tried = match session.as_mut() {
                Some(s) => f(s),
                None if self.within.get() => return Err(StoreError::Away("the transaction is lost".into())),
                None => match self.connect() {
                    Ok(new) => f(session.insert(new)),
                    Err(e) => Err(e),
                },
            };
            let e = match tried {
                Ok(done) => return Ok(done),
                Err(e) => e,
            };
            let lost = is_away(&e) || session.as_ref().is_some_and(|s| s.client.is_closed());
            if !lost {
                return Err(error(&e));
            }
            *session = None;
            if self.within.get() || Instant::now() >= end {
                return Err(StoreError::Away(said(&e)));
            }
            std::thread::sleep(AGAIN);
        }
    }

    pub(super) fn execute(&self, sql: &str, params: &[Value<'_>]) -> Result<usize, StoreError> {
        let params = refs(params);
        let changed = self.with(|s| {
            let statement = s.prepared(sql)?;
            s.client.execute(&statement, &params)
        })?;
        usize::try_from(changed).map_err(database)
    }

    pub(super) fn each(
        &self,
        sql: &str,
        params: &[Value<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let params = refs(params);
        let rows = self.with(|s| {
            let statement = s.prepared(sql)?;
            s.client.query(&statement, &params)
        })?;
        for row in &rows {
            if !each(&Row::Pg(row))? {
                break;
            }
        }
        Ok(())
    }

    /// Statements without parameters, whatever they are.
    pub(in crate::store) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.with(|s| s.client.batch_execute(sql))
    }

    pub(super) fn begin(&self) -> Result<(), StoreError> {
        // Within one message: nobody gets the lock without the transaction that it ends with.
        self.batch(&format!("BEGIN; SELECT pg_advisory_xact_lock({WRITER})")).inspect_err(|_| {
            // The lock was not to be had in time.
            let _ = self.batch("ROLLBACK"); // away, there is nothing to roll back
        })?;
        self.within.set(true);
        Ok(())
    }

    pub(super) fn commit(&self) -> Result<(), StoreError> {
        let done = self.batch("COMMIT");
        self.within.set(false);
        done
    }

    pub(super) fn roll_back(&self) {
        let _ = self.batch("ROLLBACK"); // a lost connection rolls back too
        self.within.set(false);
    }
}

impl Drop for Pg {
    fn drop(&mut self) {
        // A client owns a runtime, which must not end on a thread that drives another one.
        if let Some(session) = self.session.take() {
            std::thread::spawn(move || drop(session));
        }
    }
}

impl Session {
    fn prepared(&mut self, sql: &str) -> Result<Statement, postgres::Error> {
        if let Some(known) = self.prepared.get(sql) {
            return Ok(known.clone());
        }
        let new = self.client.prepare(&dialect(sql))?;
        if self.prepared.len() >= PREPARED {
            self.prepared.clear();
        }
        self.prepared.insert(sql.to_owned(), new.clone());
        Ok(new)
    }
}

/// TLS where the URL asks for it (`sslmode=require`), against the certificates that this system trusts, or those that
/// `SSL_CERT_FILE` names.
fn tls() -> Result<MakeRustlsConnect, StoreError> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(database)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// What PostgreSQL says differently. Statements are ours, so this need not be a parser: question marks stand for
/// nothing else, and no string holds these words.
fn dialect(sql: &str) -> String {
    sql.replace("INDEXED BY job_turn ", "").replace(" LIKE ", " ILIKE ").replace('?', "$")
}

fn refs<'v>(params: &'v [Value<'_>]) -> Vec<&'v (dyn ToSql + Sync)> {
    params.iter().map(|p| p as &(dyn ToSql + Sync)).collect()
}

/// Whether the server, not the statement, is what failed.
fn is_away(e: &postgres::Error) -> bool {
    if let Some(db) = e.as_db_error() {
        let code = db.code();
        return [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::CONNECTION_FAILURE,
            SqlState::CONNECTION_EXCEPTION,
            SqlState::CONNECTION_DOES_NOT_EXIST,
            SqlState::TOO_MANY_CONNECTIONS,
        ]
        .contains(code);
    }
    let mut cause = e.source();
    while let Some(c) = cause {
        if c.is::<std::io::Error>() {
            return true;
        }
        cause = c.source();
    }
    e.is_closed()
}

fn said(e: &postgres::Error) -> String {
    let mut text = e.to_string();
    let mut cause = e.source();
    while let Some(c) = cause {
        text = format!("{text}: {c}");
        cause = c.source();
    }
    text
}

fn error(e: &postgres::Error) -> StoreError {
    match e.code() {
        Some(c) if *c == SqlState::DISK_FULL => StoreError::Full,
        Some(c) if *c == SqlState::LOCK_NOT_AVAILABLE => StoreError::Busy,
        _ => StoreError::Database(said(e)),
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match (*self, ty) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Int(n), &Type::INT8) => n.to_sql(ty, out),
            (Self::Int(n), &Type::INT4) => i32::try_from(n)?.to_sql(ty, out),
            (Self::Real(x), &Type::FLOAT8) => x.to_sql(ty, out),
            // The one character that PostgreSQL keeps in no text.
            (Self::Text(t), &Type::TEXT) if t.contains('\0') => t.replace('\0', "\u{fffd}").to_sql(ty, out),
            (Self::Text(t), &Type::TEXT) => t.to_sql(ty, out),
            (Self::Blob(b), &Type::BYTEA) => b.to_sql(ty, out),
            _ => Err(format!("{self:?} where {ty} is expected").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(match *ty {
            Type::BOOL => Value::Int(i64::from(bool::from_sql(ty, raw)?)),
            Type::INT4 => Value::Int(i64::from(i32::from_sql(ty, raw)?)),
            Type::INT8 => Value::Int(i64::from_sql(ty, raw)?),
            Type::FLOAT8 => Value::Real(f64::from_sql(ty, raw)?),
            Type::TEXT => Value::Text(<&str>::from_sql(ty, raw)?),
            Type::BYTEA => Value::Blob(<&[u8]>::from_sql(ty, raw)?),
            _ => return Err(format!("a column of type {ty}").into()),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Value::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

pub(super) fn value(row: &postgres::Row, n: usize) -> Result<Value<'_>, StoreError> {
    row.try_get(n).map_err(|e| error(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_changed() {
        assert_eq!(
            dialect("SELECT n FROM job INDEXED BY job_turn WHERE size <= ?4 AND path LIKE ?12 ESCAPE '\\'"),
            "SELECT n FROM job WHERE size <= $4 AND path ILIKE $12 ESCAPE '\\'"
        );
        assert_eq!(dialect("SELECT 1"), "SELECT 1");
    }
}
