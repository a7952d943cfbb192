//! One way to speak to SQLite and to PostgreSQL. The store's statements are written once, in what both understand
//! (`?1` for parameters, `ON CONFLICT`, `RETURNING`); the few words that differ are changed in [`pg`].
//!
//! A transaction that writes is the only one that writes, on either: SQLite has one writer by nature, PostgreSQL is
//! told to by a lock that the transaction holds to its end. So numbers that are given out become visible in their
//! order, which the indexes beside the store and the report files rely on.

mod lite;
mod pg;

pub(super) use pg::Pg;

use super::StoreError;
use rusqlite::Connection;
use std::ops::Deref;

/// A value on its way into a statement or out of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Int(i64),
    Real(f64),
    Text(&'a str),
    Blob(&'a [u8]),
}

/// What can be a parameter.
pub(super) trait Bind {
    fn bind(&self) -> Value<'_>;
}

macro_rules! bind {
    ($($t:ty => |$x:ident| $value:expr;)*) => {
        $(impl Bind for $t { fn bind(&self) -> Value<'_> { let $x = self; $value } })*
    };
}

bind! {
    i64 => |x| Value::Int(*x);
    u32 => |x| Value::Int(i64::from(*x));
    i8 => |x| Value::Int(i64::from(*x));
    bool => |x| Value::Int(i64::from(*x));
    f64 => |x| Value::Real(*x);
    str => |x| Value::Text(x);
    String => |x| Value::Text(x);
    [u8] => |x| Value::Blob(x);
    [u8; 32] => |x| Value::Blob(x);
    Vec<u8> => |x| Value::Blob(x);
}

impl<T: Bind + ?Sized> Bind for &T {
    fn bind(&self) -> Value<'_> {
        (**self).bind()
    }
}

impl<T: Bind> Bind for Option<T> {
    fn bind(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, Bind::bind)
    }
}

/// Parameters of a statement, for the length of the call that they stand in.
macro_rules! params {
    ($($x:expr),* $(,)?) => {
        &[$($crate::store::sql::Bind::bind(&$x)),*]
    };
}
pub(super) use params;

/// What can be read from a column.
pub(super) trait Column: Sized {
    fn read(value: Value<'_>) -> Option<Self>;
}

macro_rules! column {
    ($($t:ty => $pattern:pat => $value:expr;)*) => {
        $(impl Column for $t {
            fn read(value: Value<'_>) -> Option<Self> {
                match value { $pattern => $value, _ => None }
            }
        })*
    };
}

column! {
    i64 => Value::Int(n) => Some(n);
    u32 => Value::Int(n) => u32::try_from(n).ok();
    i8 => Value::Int(n) => i8::try_from(n).ok();
    bool => Value::Int(n) => Some(n != 0);
    f64 => Value::Real(x) => Some(x);
    String => Value::Text(t) => Some(t.to_owned());
    Vec<u8> => Value::Blob(b) => Some(b.to_vec());
    [u8; 32] => Value::Blob(b) => b.try_into().ok();
}

impl<T: Column> Column for Option<T> {
    fn read(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            other => T::read(other).map(Some),
        }
    }
}

/// A row of an answer.
pub(super) enum Row<'r> {
    Lite(&'r rusqlite::Row<'r>),
    Pg(&'r postgres::Row),
}

impl Row<'_> {
    /// The value in a column, counted from 0.
    pub(super) fn get<T: Column>(&self, n: usize) -> Result<T, StoreError> {
        let odd = || StoreError::Database(format!("column {n} holds something else than expected"));
        match self {
            Self::Lite(row) => T::read(lite::value(row, n)?).ok_or_else(odd),
            Self::Pg(row) => T::read(pg::value(row, n)?).ok_or_else(odd),
        }
    }
}

/// A connection. Statements outside of a transaction are one of their own each.
pub(super) enum Db {
    Lite(Connection),
    Pg(Box<Pg>),
}

impl Db {
    /// Whether it is PostgreSQL.
    pub(super) fn is_pg(&self) -> bool {
        matches!(self, Self::Pg(_))
    }

    /// The number of rows that were changed.
    pub(super) fn execute(&self, sql: &str, params: &[Value<'_>]) -> Result<usize, StoreError> {
        match self {
            Self::Lite(db) => lite::execute(db, sql, params),
            Self::Pg(db) => db.execute(sql, params),
        }
    }

    /// Each row of the answer, as `read` makes it; all of them are held.
    pub(super) fn rows<T>(
        &self,
        sql: &str,
        params: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut all = Vec::new();
        let mut each = |row: &Row<'_>| {
            all.push(read(row)?);
            Ok(true)
        };
        match self {
            Self::Lite(db) => lite::each(db, sql, params, &mut each)?,
            Self::Pg(db) => db.each(sql, params, &mut each)?,
        }
        Ok(all)
    }

    /// The first row of the answer, if there is any.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: &[Value<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let (mut read, mut first) = (Some(read), None);
        let mut each = |row: &Row<'_>| {
            if let Some(read) = read.take() {
                first = Some(read(row)?);
            }
            Ok(false)
        };
        match self {
            Self::Lite(db) => lite::each(db, sql, params, &mut each)?,
            Self::Pg(db) => db.each(sql, params, &mut each)?,
        }
        Ok(first)
    }

    /// The one row of an answer that always has one.
    pub(super) fn only<T>(
        &self,
        sql: &str,
        params: &[Value<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.one(sql, params, read)?.ok_or_else(|| StoreError::Database("an answer without a row".into()))
    }

    /// Whether the answer has a row.
    pub(super) fn exists(&self, sql: &str, params: &[Value<'_>]) -> Result<bool, StoreError> {
        Ok(self.one(sql, params, |_| Ok(()))?.is_some())
    }

    /// Begins to write, once nobody else does.
    pub(super) fn begin(&mut self) -> Result<Tx<'_>, StoreError> {
        match self {
            // Immediate: a transaction that reads first and writes later could otherwise fail half-way.
            Self::Lite(db) => db.execute_batch("BEGIN IMMEDIATE")?,
            Self::Pg(db) => db.begin()?,
        }
        Ok(Tx { db: self, open: true })
    }
}

/// A transaction that writes; dropped before it is committed, it changed nothing.
pub(super) struct Tx<'d> {
    db: &'d Db,
    open: bool,
}

impl Tx<'_> {
    /// Makes everything that was written stay. On [`StoreError::Away`] nobody can say whether it stays: the server
    /// went away with the answer.
    pub(super) fn commit(mut self) -> Result<(), StoreError> {
        match self.db {
            // A commit that fails leaves the transaction open: the disk may be full.
            Db::Lite(db) => db.execute_batch("COMMIT")?,
            Db::Pg(db) => {
                self.open = false;
                db.commit()?;
            }
        }
        self.open = false;
        Ok(())
    }
}

impl Deref for Tx<'_> {
    type Target = Db;

    fn deref(&self) -> &Db {
        self.db
    }
}

impl Drop for Tx<'_> {
    fn drop(&mut self) {
        if self.open {
            match self.db {
                // SQLite may have rolled back by itself, where the disk was full.
                Db::Lite(db) if db.is_autocommit() => {}
                Db::Lite(db) => drop(db.execute_batch("ROLLBACK")),
                Db::Pg(db) => db.roll_back(),
            }
        }
    }
}
