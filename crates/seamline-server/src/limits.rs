//! How much one token may ask for.

use crate::problem::Problem;
use crate::state::Quota;
use axum::http::StatusCode;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Tokens remembered; the one that asked least lately is forgotten, which gives it a full measure.
const REMEMBERED: usize = 10_000;

struct Measure {
    left: f64,
    at: Instant,
    uploads: Arc<Semaphore>,
}

/// Measures of all tokens.
pub(crate) struct Limiter {
    quota: Quota,
    all: Mutex<HashMap<i64, Measure>>,
}

impl Limiter {
    pub(crate) fn new(quota: Quota) -> Self {
        Self { quota, all: Mutex::default() }
    }

    fn with<T>(&self, token: i64, f: impl FnOnce(&mut Measure) -> T) -> T {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED && !all.contains_key(&token) {
            let oldest = all.iter().min_by_key(|(_, m)| m.at).map(|(id, _)| *id);
            oldest.map(|id| all.remove(&id));
        }
        f(all.entry(token).or_insert_with(|| Measure {
            left: self.quota.burst,
            at: Instant::now(),
            uploads: Arc::new(Semaphore::new(self.quota.uploads as usize)),
        }))
    }

    /// Takes one request off the measure.
    pub(crate) fn request(&self, token: i64) -> Result<(), Problem> {
        let quota = self.quota;
        self.with(token, |m| {
            let now = Instant::now();
            m.left = (m.left + now.duration_since(m.at).as_secs_f64() * quota.per_second).min(quota.burst);
            m.at = now;
            if m.left < 1.0 {
                return Err(Problem::busy(StatusCode::TOO_MANY_REQUESTS, "too many requests", 1));
            }
            m.left -= 1.0;
            Ok(())
        })
    }

    /// Takes a place for an upload, which comes back when what is returned is dropped.
    pub(crate) fn upload(&self, token: i64) -> Result<OwnedSemaphorePermit, Problem> {
        self.with(token, |m| m.uploads.clone())
            .try_acquire_owned()
            .map_err(|_| Problem::busy(StatusCode::TOO_MANY_REQUESTS, "too many uploads at once", 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_has_its_own_measure_and_gets_it_back_with_time() {
        let limiter = Limiter::new(Quota { uploads: 1, per_second: 20.0, burst: 2.0, ..Quota::default() });
        assert!(limiter.request(1).is_ok() && limiter.request(1).is_ok());
        assert_eq!(limiter.request(1).unwrap_err().status, 429);
        assert!(limiter.request(2).is_ok(), "another's measure is its own");
        std::thread::sleep(std::time::Duration::from_millis(70));
        assert!(limiter.request(1).is_ok());
        let place = limiter.upload(1).unwrap();
        assert!(limiter.upload(1).is_err() && limiter.upload(2).is_ok());
        drop(place);
        assert!(limiter.upload(1).is_ok());
    }
}
