//! Tells a broker which jobs wait, in the order of their turns, as long as it has room; and buries what it handed out
//! too often. One run at a time does so; another takes over when it ends.
//!
//! Whoever hands a job in need not know of the broker, and what the broker forgets is told again.

use crate::record::{later, now};
use seamline_campaign::store::{Offer, SqlStore};
use seamline_core::Sha256Hash;
use seamline_core::grown::{Broker, BrokerError, Kind, Notice, Told};
use seamline_core::job::{JobError, JobId, Rules};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// Jobs looked at in a round; a broker holds fewer that wait.
const WINDOW: u32 = 1_024;
/// How long a run has this task without saying so again, in milliseconds.
const ROLE_MS: i64 = 5_000;
/// How often it says so.
const ROLE: Duration = Duration::from_secs(1);
/// When a job that still waits is told again: the broker may have lost it.
const AGAIN: Duration = Duration::from_secs(30);
/// And when one that the broker knew already: it may have been about to forget it.
const SOON: Duration = Duration::from_secs(2);
/// How often the broker is asked for what it gave up.
const BURY: Duration = Duration::from_secs(1);

/// What a round came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// Something was told: more may be waiting.
    Told,
    /// Nothing is to be done for now.
    Idle,
}

/// Why a round failed; the next may not.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The store.
    #[error(transparent)]
    Queue(#[from] JobError),
    /// The broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

/// One run's part in telling the broker; it may not be its turn.
pub struct Relay<'r> {
    broker: &'r dyn Broker,
    owner: u64,
    pipeline: Sha256Hash,
    rules: Rules,
    /// Jobs that wait and were told: how often they had been handed out, and when to tell them again.
    told: HashMap<JobId, (u32, Instant)>,
    /// Of the broker that they were told to.
    generation: Option<u64>,
    role: Option<(Instant, bool)>,
    buried: Option<Instant>,
}

impl<'r> Relay<'r> {
    /// For the run that calls itself `owner` and judges with that pipeline.
    pub fn new(broker: &'r dyn Broker, owner: u64, pipeline: Sha256Hash, rules: Rules) -> Self {
        Self {
            broker,
            owner,
            pipeline,
            rules,
            told: HashMap::new(),
            generation: None,
            role: None,
            buried: None,
        }
    }

    /// Tells what waits and is not told yet, as far as there is room.
    pub fn round(&mut self, store: &mut SqlStore) -> Result<Round, RelayError> {
        if !self.is_ours(store)? {
            self.told.clear();
            return Ok(Round::Idle);
        }
        if self.buried.is_none_or(|b| b.elapsed() >= BURY) {
            self.buried = Some(Instant::now());
            let generation = self.broker.generation()?;
            if self.generation.replace(generation) != Some(generation) {
                self.told.clear();
            }
            self.broker.dead(&mut |id, deliveries| {
                store.bury(&id, deliveries, now()).map(|_| ()).map_err(|e| BrokerError::Away(e.to_string()))
            })?;
        }
        let offers = store.offers(self.owner, &self.pipeline, &self.rules, now(), WINDOW)?;
        let waiting: HashSet<JobId> = offers.iter().map(|o| o.id).collect();
        self.told.retain(|id, _| waiting.contains(id));
        let news: Vec<Offer> = offers.into_iter().filter(|o| self.is_news(o)).collect();
        let mut any = false;
        // A few at a time: past the first that finds no room there is none.
        for some in news.chunks(64) {
            let notices: Vec<Notice> = some
                .iter()
                .map(|o| Notice { id: o.id, kind: Kind::of(o.size, o.priority, &self.rules) })
                .collect();
            let told = self.broker.tell(&notices)?;
            let now = Instant::now();
            for (offer, told) in some.iter().zip(&told) {
                let again = match told {
                    Told::New => AGAIN,
                    Told::Known => SOON,
                    Told::Full => continue,
                };
                any |= *told == Told::New;
                self.told.insert(offer.id, (offer.starts, now + again));
            }
            if told.contains(&Told::Full) {
                break;
            }
        }
        Ok(if any { Round::Told } else { Round::Idle })
    }

    fn is_news(&self, o: &Offer) -> bool {
        self.told.get(&o.id).is_none_or(|(starts, again)| *starts != o.starts || Instant::now() >= *again)
    }

    /// Whether this is the run that does it: of the pipeline that judges now, and the first to say so.
    fn is_ours(&mut self, store: &mut SqlStore) -> Result<bool, JobError> {
        if let Some((when, ours)) = self.role
            && when.elapsed() < ROLE
        {
            return Ok(ours);
        }
        let at = now();
        let ours = store.judging().map_err(JobError::from)?.is_some_and(|p| p == self.pipeline)
            && store.take_role("relay", self.owner, at, later(at, ROLE_MS)).map_err(JobError::from)?;
        self.role = Some((Instant::now(), ours));
        Ok(ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::submit::{Said, Submitter};
    use seamline_campaign::store::Claim;
    use seamline_core::Moment;
    use seamline_core::grown::Ticket;
    use seamline_core::job::{JobQueue, JobState, Lane};
    use std::sync::Mutex;

    /// Holds two names, and knows what it is told.
    #[derive(Default)]
    struct Small {
        held: Mutex<Vec<JobId>>,
        dead: Mutex<Vec<(JobId, u64)>>,
        generation: Mutex<u64>,
    }

    impl Broker for Small {
        fn generation(&self) -> Result<u64, BrokerError> {
            Ok(*self.generation.lock().unwrap())
        }

        fn tell(&self, jobs: &[Notice]) -> Result<Vec<Told>, BrokerError> {
            let mut held = self.held.lock().unwrap();
            let mut tell = |id: JobId| {
                if held.contains(&id) {
                    return Told::Known;
                }
                if held.len() == 2 {
                    return Told::Full;
                }
                held.push(id);
                Told::New
            };
            Ok(jobs.iter().map(|j| tell(j.id)).collect())
        }

        fn take(&self, _: Lane, _: Duration) -> Result<Option<Box<dyn Ticket>>, BrokerError> {
            Ok(None)
        }

        fn dead(
            &self,
            bury: &mut dyn FnMut(JobId, u64) -> Result<(), BrokerError>,
        ) -> Result<(), BrokerError> {
            self.dead.lock().unwrap().drain(..).try_for_each(|(id, n)| bury(id, n))
        }
    }

    #[test]
    fn jobs_are_told_by_turn_while_there_is_room_and_what_is_given_up_is_buried() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = SqlStore::open(&dir.path().join("s.db")).unwrap();
        let (digest, rules, at) = (Sha256Hash::of(b"pipeline"), Rules::default(), Moment::EPOCH);
        let s = Submitter::of(digest, "test");
        let mut add = |n: u8, priority| {
            let said = Said { priority, ..Said::default() };
            let job = s.known(Sha256Hash::of(&[n]), 1, n.to_string(), "/x".into(), &said);
            store.submit(&job, &rules, at).unwrap().id
        };
        let (a, b, c) = (add(1, 0), add(2, 0), add(3, 5));
        store.adopt(&digest).unwrap();
        let broker = Small::default();
        let mut relay = Relay::new(&broker, 7, digest, rules);
        let mut other = Relay::new(&broker, 8, digest, rules);
        assert!(matches!(relay.round(&mut store).unwrap(), Round::Told));
        assert_eq!(*broker.held.lock().unwrap(), [c, a], "by priority, then by turn, until it was full");
        assert!(matches!(relay.round(&mut store).unwrap(), Round::Idle));
        assert!(matches!(other.round(&mut store).unwrap(), Round::Idle), "one at a time");
        // It lost everything, and is told all of it again.
        broker.held.lock().unwrap().clear();
        *broker.generation.lock().unwrap() = 1;
        relay.buried = None;
        assert!(matches!(relay.round(&mut store).unwrap(), Round::Told));
        assert_eq!(*broker.held.lock().unwrap(), [c, a]);
        // Taken and over: there is room for the next.
        let taken = store.lease_job(&c, 1, &digest, &rules, now(), later(now(), 60_000)).unwrap();
        assert!(matches!(&taken, Claim::Taken(l) if l.job.id == c));
        assert!(matches!(
            store.lease_job(&c, 2, &digest, &rules, now(), later(now(), 60_000)).unwrap(),
            Claim::Later(_)
        ));
        broker.held.lock().unwrap().retain(|id| *id != c);
        assert!(matches!(relay.round(&mut store).unwrap(), Round::Told));
        assert_eq!(*broker.held.lock().unwrap(), [a, b]);
        // The broker gives two up; one of them is in good hands.
        *broker.dead.lock().unwrap() = vec![(a, 5), (c, 5)];
        relay.buried = None;
        relay.round(&mut store).unwrap();
        let state = |id| store.job(id).unwrap().unwrap().state;
        assert_eq!((state(&a), state(&c)), (JobState::Dead, JobState::Running));
        let why = &store.attempts(&a).unwrap()[0];
        assert!(why.failure.message.contains("5 times"), "{why:?}");
        let other = Sha256Hash::of(b"other");
        let claim = store.lease_job(&b, 1, &other, &rules, now(), now()).unwrap();
        assert!(matches!(claim, Claim::OtherPipeline));
        assert!(matches!(store.lease_job(&a, 1, &digest, &rules, now(), now()).unwrap(), Claim::Over));
    }
}
