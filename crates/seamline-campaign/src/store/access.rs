//! Who may ask: tokens, of which the store knows only hashes; and who did what: the audit log.

use super::sql::params;
use super::sqlite::moment;
use super::{SqlStore, StoreError};
use crate::moment::Moment;
use seamline_core::Sha256Hash;
use serde::{Deserialize, Serialize};

/// What a token's holder may do; each includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Hand clips in and see what became of those jobs.
    Submit,
    /// And read reports, clips and campaigns.
    Read,
    /// And decide on campaigns and replay jobs.
    Analyst,
    /// And read the audit log and metrics.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 4] = [Self::Submit, Self::Read, Self::Analyst, Self::Admin];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Read => "read",
            Self::Analyst => "analyst",
            Self::Admin => "admin",
        }
    }

    /// From that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == name)
    }
}

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Its number.
    pub id: i64,
    /// Whose it is.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of its secret.
    #[serde(skip)]
    pub sha256: Sha256Hash,
    /// When it was made.
    pub created_at: Moment,
    /// From when on it is refused.
    pub expires_at: Option<Moment>,
    /// When it was revoked.
    pub revoked_at: Option<Moment>,
}

impl Token {
    /// Whether it is accepted at that time.
    pub fn is_valid(&self, at: Moment) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|e| at < e)
    }
}

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// Its number.
    pub id: i64,
    /// When.
    pub at: Moment,
    /// Who: a token's name and number, or the account on this machine.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub object: String,
}

impl SqlStore {
    /// Adds a token; its number.
    pub fn add_token(
        &mut self,
        name: &str,
        role: Role,
        sha256: &Sha256Hash,
        at: Moment,
        expires_at: Option<Moment>,
    ) -> Result<i64, StoreError> {
        self.db.only(
            "INSERT INTO token (name, role, sha256, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id",
            params![
                name,
                role.as_str(),
                sha256.as_bytes(),
                at.as_millis(),
                expires_at.map(Moment::as_millis)
            ],
            |r| r.get(0),
        )
    }

    /// Every token, the revoked and the expired too.
    pub fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let sql = "SELECT id, name, role, sha256, created_at, expires_at, revoked_at FROM token ORDER BY id";
        self.db.rows(sql, params![], |r| {
            let role: String = r.get(2)?;
            Ok(Token {
                id: r.get(0)?,
                name: r.get(1)?,
                // A role that this version does not know gives the least.
                role: Role::from_name(&role).unwrap_or(Role::Submit),
                sha256: super::sqlite::hash(r, 3)?,
                created_at: moment(r.get(4)?),
                expires_at: r.get::<Option<i64>>(5)?.map(moment),
                revoked_at: r.get::<Option<i64>>(6)?.map(moment),
            })
        })
    }

    /// Revokes a token; `false` where there is none of that number, or it is revoked already.
    pub fn revoke_token(&mut self, id: i64, at: Moment) -> Result<bool, StoreError> {
        let changed = self.db.execute(
            "UPDATE token SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL",
            params![id, at.as_millis()],
        )?;
        Ok(changed > 0)
    }

    /// Adds a line to the audit log.
    pub fn audit(&mut self, at: Moment, actor: &str, action: &str, object: &str) -> Result<(), StoreError> {
        self.db.execute(
            "INSERT INTO audit (at, actor, action, object) VALUES (?1, ?2, ?3, ?4)",
            params![at.as_millis(), actor, action, object],
        )?;
        Ok(())
    }

    /// Lines of the audit log with numbers below `before`, the latest first.
    pub fn audit_log(&self, before: Option<i64>, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        let sql = "SELECT id, at, actor, action, object FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
        self.db.rows(sql, params![before.unwrap_or(i64::MAX), limit], |r| {
            Ok(AuditEntry {
                id: r.get(0)?,
                at: moment(r.get(1)?),
                actor: r.get(2)?,
                action: r.get(3)?,
                object: r.get(4)?,
            })
        })
    }
}
