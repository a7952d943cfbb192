//! Tells whoever asked for it that a job ended. One run at a time does so; another takes over when it ends. What cannot
//! be said now is said later, some times, and at least once rather than never: whoever listens goes by the job's name
//! and its `ended`.

use crate::record::{later, now};
use seamline_campaign::store::{Callback, SqlStore};
use seamline_core::grown::{Herald, HeraldError};
use seamline_core::job::JobError;
use std::time::{Duration, Instant};

/// Looked at in a round.
const WINDOW: u32 = 16;
/// Tries before somebody is given up: with what follows, about a day and a half.
const TRIES: u32 = 9;
/// Before the second try, in milliseconds; four times as long before each that follows.
const FIRST_MS: i64 = 2_000;
/// How long a run has this task without saying so again, in milliseconds: longer than a listener may take.
const ROLE_MS: i64 = 60_000;
/// How often it says so.
const ROLE: Duration = Duration::from_secs(5);

/// One run's part in it; it may not be its turn.
pub struct Callbacks<'r> {
    herald: &'r dyn Herald,
    owner: u64,
    role: Option<(Instant, bool)>,
}

impl<'r> Callbacks<'r> {
    /// For the run that calls itself `owner`.
    pub fn new(herald: &'r dyn Herald, owner: u64) -> Self {
        Self { herald, owner, role: None }
    }

    /// Tells who is to be told now, some of them; how many that were. Whoever was given up is passed to `lost`.
    pub fn round(
        &mut self,
        store: &mut SqlStore,
        lost: &dyn Fn(&Callback, &HeraldError),
    ) -> Result<usize, JobError> {
        if !self.is_ours(store)? {
            return Ok(0);
        }
        let due = store.callbacks_due(now(), WINDOW)?;
        for callback in &due {
            let body = serde_json::to_vec(&callback.job).unwrap_or_default(); // a job is always JSON
            match self.herald.tell(&callback.url, &body) {
                Ok(()) => store.callback_over(callback.number)?,
                Err(HeraldError::Away(_)) if callback.tries + 1 < TRIES => {
                    let wait = FIRST_MS.saturating_mul(1 << (2 * callback.tries));
                    store.callback_later(callback.number, later(now(), wait))?;
                }
                Err(e) => {
                    lost(callback, &e);
                    store.callback_over(callback.number)?;
                }
            }
        }
        Ok(due.len())
    }

    fn is_ours(&mut self, store: &mut SqlStore) -> Result<bool, JobError> {
        if let Some((when, ours)) = self.role
            && when.elapsed() < ROLE
        {
            return Ok(ours);
        }
        let at = now();
        let ours =
            store.take_role("callbacks", self.owner, at, later(at, ROLE_MS)).map_err(JobError::from)?;
        self.role = Some((Instant::now(), ours));
        Ok(ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{Said, Submitter};
    use seamline_core::job::{Failure, FailureCode, JobQueue, Lane, Rules};
    use seamline_core::{Moment, Sha256Hash};
    use std::sync::Mutex;

    /// Says what it was told, and answers as it is told to.
    struct Listener {
        heard: Mutex<Vec<(String, String)>>,
        answers: Mutex<Vec<Result<(), HeraldError>>>,
    }

    impl Herald for Listener {
        fn allows(&self, url: &str) -> Result<(), String> {
            if url.starts_with("https://desk/") { Ok(()) } else { Err("not listed".into()) }
        }

        fn tell(&self, url: &str, body: &[u8]) -> Result<(), HeraldError> {
            self.heard.lock().unwrap().push((url.into(), String::from_utf8(body.to_vec()).unwrap()));
            self.answers.lock().unwrap().pop().unwrap_or(Ok(()))
        }
    }

    #[test]
    fn who_asked_is_told_when_a_job_ends_again_where_he_was_away_and_once_where_he_was_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = SqlStore::open(&dir.path().join("s.db")).unwrap();
        let (digest, rules) = (Sha256Hash::of(b"pipeline"), Rules::default());
        let s = Submitter::of(digest, "test");
        let said = Said { callback: Some("https://desk/1".into()), ..Said::default() };
        let job = s.known(Sha256Hash::of(b"clip"), 1, "a.mp4".into(), "/x".into(), &said);
        store.submit(&job, &rules, Moment::EPOCH).unwrap();
        store.submit(&job, &rules, Moment::EPOCH).unwrap();
        let away = || Err(HeraldError::Away("500".into()));
        let listener = Listener { heard: Mutex::default(), answers: Mutex::new(vec![Ok(()), away()]) };
        let lost = |_: &Callback, e: &HeraldError| panic!("{e}");
        let mut callbacks = Callbacks::new(&listener, 1);
        assert_eq!(callbacks.round(&mut store, &lost).unwrap(), 0, "it is not over");
        let lease = store.lease(1, Lane::Any, &digest, &rules, now(), later(now(), 9_000)).unwrap().unwrap();
        let failure = Failure { code: FailureCode::SourceGone, message: "gone".into() };
        store.fail(&lease, &failure, "{}", &rules, now()).unwrap();
        assert_eq!(callbacks.round(&mut store, &lost).unwrap(), 1);
        assert_eq!(callbacks.round(&mut store, &lost).unwrap(), 0, "not at once");
        let mut other = Callbacks::new(&listener, 2);
        assert_eq!(other.round(&mut store, &lost).unwrap(), 0, "one run at a time");
        assert_eq!(store.callbacks_due(later(now(), FIRST_MS), 9).unwrap()[0].tries, 1);
        std::thread::sleep(Duration::from_millis(FIRST_MS.unsigned_abs() + 50));
        assert_eq!(callbacks.round(&mut store, &lost).unwrap(), 1);
        assert!(store.callbacks_due(later(now(), 1 << 40), 9).unwrap().is_empty(), "told");
        let heard = listener.heard.lock().unwrap();
        assert_eq!(heard.len(), 2);
        let body: serde_json::Value = serde_json::from_str(&heard[1].1).unwrap();
        assert_eq!((heard[1].0.as_str(), body["state"].as_str()), ("https://desk/1", Some("failed")));
        assert!(body["source"].is_null(), "where a file lies is nobody else's business: {body}");
    }

    #[test]
    fn who_refuses_or_never_answers_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = SqlStore::open(&dir.path().join("s.db")).unwrap();
        let (digest, rules) = (Sha256Hash::of(b"pipeline"), Rules::default());
        let s = Submitter::of(digest, "test");
        let said = Said { callback: Some("https://desk/1".into()), ..Said::default() };
        let end = |n: u8, store: &mut SqlStore| {
            let job = s.known(Sha256Hash::of(&[n]), 1, "a.mp4".into(), "/x".into(), &said);
            store.submit(&job, &rules, Moment::EPOCH).unwrap();
            let lease =
                store.lease(1, Lane::Any, &digest, &rules, now(), later(now(), 9_000)).unwrap().unwrap();
            let failure = Failure { code: FailureCode::SourceGone, message: "gone".into() };
            store.fail(&lease, &failure, "{}", &rules, now()).unwrap();
        };
        end(1, &mut store);
        let refused = Err(HeraldError::Refused("404".into()));
        let listener = Listener { heard: Mutex::default(), answers: Mutex::new(vec![refused]) };
        let given_up = Mutex::new(0);
        let lost = |_: &Callback, _: &HeraldError| *given_up.lock().unwrap() += 1;
        let mut callbacks = Callbacks::new(&listener, 1);
        callbacks.round(&mut store, &lost).unwrap();
        assert_eq!(*given_up.lock().unwrap(), 1);
        end(2, &mut store);
        for _ in 0..TRIES - 1 {
            let number = store.callbacks_due(later(now(), 1 << 40), 9).unwrap()[0].number;
            store.callback_later(number, Moment::EPOCH).unwrap();
        }
        listener.answers.lock().unwrap().push(Err(HeraldError::Away("500".into())));
        callbacks.round(&mut store, &lost).unwrap();
        assert_eq!(*given_up.lock().unwrap(), 2);
        assert!(store.callbacks_due(later(now(), 1 << 40), 9).unwrap().is_empty());
    }
}
