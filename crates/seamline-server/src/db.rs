//! The store for many requests at once: a few connections, each used by one request at a time, on threads that may
//! wait for a disk.

use crate::problem::Problem;
use seamline_campaign::store::{SqlStore, StoreAt, StoreError};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// Connections. SQLite reads in parallel and writes one after the other: more would wait for each other.
const CONNECTIONS: usize = 8;

/// Connections to one store.
#[derive(Clone)]
pub struct Db {
    at: Arc<StoreAt>,
    idle: Arc<Mutex<Vec<SqlStore>>>,
    turns: Arc<Semaphore>,
}

impl Db {
    /// Opens the store, or begins one.
    pub fn open(at: &StoreAt) -> Result<Self, StoreError> {
        let first = SqlStore::at(at)?;
        Ok(Self {
            at: Arc::new(at.clone()),
            idle: Arc::new(Mutex::new(vec![first])),
            turns: Arc::new(Semaphore::new(CONNECTIONS)),
        })
    }

    /// A connection of its own, for something that holds it for long.
    pub fn own(&self) -> Result<SqlStore, StoreError> {
        SqlStore::at(&self.at)
    }

    /// Runs `f` with a connection, when there is one free.
    pub async fn run<T, E>(
        &self,
        f: impl FnOnce(&mut SqlStore) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        E: Into<Problem> + Send + 'static,
    {
        let turn = self.turns.clone().acquire_owned().await.map_err(|e| Problem::internal(&e))?;
        let this = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let idle = this.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut store = match idle {
                Some(store) => store,
                None => this.own()?,
            };
            let done = f(&mut store).map_err(Into::into);
            this.idle.lock().unwrap_or_else(PoisonError::into_inner).push(store);
            drop(turn);
            done
        });
        done.await.map_err(|e| Problem::internal(&e))?
    }
}
