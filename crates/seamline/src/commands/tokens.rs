//! `seamline tokens`.

use super::recorder::{must_exist, now, open_store};
use crate::cli_ingest::TokensCommand;
use crate::output;
use anyhow::{Context, Result, bail};
use seamline_campaign::store::Role;
use seamline_core::Sha256Hash;
use seamline_pipeline::record::later;
use std::fs::File;
use std::io::Read;
use std::process::ExitCode;

/// What a secret begins with, so that people and scanners know one when they see it.
const PREFIX: &str = "seamline_";
const DAY_MS: i64 = 86_400_000;

/// The account that runs this, for the audit log.
pub(crate) fn account() -> String {
    std::env::var("USER").map_or_else(|_| "this machine".into(), |name| format!("{name} on this machine"))
}

/// 256 bits that nobody can guess.
fn secret() -> Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut bytes)).context("/dev/urandom")?;
    Ok(format!("{PREFIX}{}", Sha256Hash::from_bytes(bytes)))
}

pub(crate) fn run(command: &TokensCommand) -> Result<ExitCode> {
    match command {
        TokensCommand::Create { name, role, days, at } => {
            let Some(role) = Role::from_name(role) else {
                bail!("--role {role}: submit, read, analyst or admin");
            };
            // The first token may come before the first clip.
            let mut store = open_store(&at.store)?;
            let secret = secret()?;
            let expires = days.map(|d| later(now(), i64::from(d).saturating_mul(DAY_MS)));
            let id = store.add_token(name, role, &Sha256Hash::of(secret.as_bytes()), now(), expires)?;
            store.audit(now(), &account(), "token.create", &format!("{id} {name} {}", role.as_str()))?;
            output::complain(&format!("token {id} for {name} ({}); it is not shown again:", role.as_str()));
            output::say(&secret)?;
        }
        TokensCommand::List { at, json } => {
            must_exist(&at.store)?;
            for t in open_store(&at.store)?.tokens()? {
                let state = match (t.revoked_at, t.expires_at) {
                    (Some(at), _) => format!("revoked {at}"),
                    (None, Some(at)) if at <= now() => format!("expired {at}"),
                    (None, Some(at)) => format!("until {at}"),
                    (None, None) => "valid".into(),
                };
                output::say(&if *json {
                    serde_json::to_string(&t)?
                } else {
                    format!("{:>4}  {:<8} {}  made {}, {state}", t.id, t.role.as_str(), t.name, t.created_at)
                })?;
            }
        }
        TokensCommand::Revoke { id, at } => {
            must_exist(&at.store)?;
            let mut store = open_store(&at.store)?;
            if !store.revoke_token(*id, now())? {
                bail!("no token {id} that could be revoked");
            }
            store.audit(now(), &account(), "token.revoke", &id.to_string())?;
            output::say("revoked")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
