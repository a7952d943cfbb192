//! A broker over NATS JetStream.
//!
//! One stream with work-queue retention holds a message a job; its subject ends with the job's name, and the stream
//! takes one message a subject, so a job is there once however often it is told. Three durable consumers hand out what
//! is urgent, light and heavy. A message that nobody answers for is handed out again, and after so many times the
//! server says so in an advisory, which a second stream keeps until a run has buried the job.

use crate::address::NatsAt;
use async_nats::connection::State;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::context::Context;
use async_nats::jetstream::stream::{self, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{AckKind, Message};
use async_nats::{Client, ConnectOptions};
use bytes::Bytes;
use futures_util::StreamExt;
use seamline_core::grown::{Broker, BrokerError, Kind, Notice, Ticket, Told};
use seamline_core::job::{JobId, Lane};
use serde::Deserialize;
use std::fmt::Display;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};

/// How long a message stays with whoever took it and says nothing more: as long as a lease.
const ACK_WAIT: Duration = Duration::from_secs(15);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the next message is waited for where there should be one, beyond what was asked.
const ANSWER: Duration = Duration::from_secs(1);
/// How long an advisory is kept where no run is there to read it.
const ADVISORIES: Duration = Duration::from_secs(30 * 86_400);
/// Advisories read at a time.
const BATCH: usize = 64;

fn away(e: impl Display) -> BrokerError {
    BrokerError::Away(e.to_string())
}

/// A broker that is connected. While the server is away its calls fail, and the connection comes back by itself.
pub struct Nats {
    runtime: Runtime,
    client: Client,
    js: Context,
    at: NatsAt,
    /// What calls need; `None` = it is to be made again, since the server may have lost it.
    set_up: Mutex<Option<Arc<SetUp>>>,
    turn: AtomicUsize,
}

struct SetUp {
    jobs: Stream,
    /// In the order of [`Kind::ALL`].
    consumers: Vec<PullConsumer>,
    dead: PullConsumer,
}

/// What the server says when a message was handed out too often.
#[derive(Deserialize)]
struct Advisory {
    stream_seq: u64,
    deliveries: u64,
}

impl Nats {
    /// Connects, and makes or brings up to date what is needed there.
    pub fn connect(at: &NatsAt) -> Result<Self, BrokerError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("nats")
            .enable_all()
            .build()
            .map_err(away)?;
        let client = runtime.block_on(async {
            let mut options = ConnectOptions::new().name("seamline").connection_timeout(PATIENCE);
            if let Some(file) = &at.creds {
                options = options.credentials_file(file).await.map_err(away)?;
            }
            options.request_timeout(Some(PATIENCE)).connect(&at.servers).await.map_err(away)
        })?;
        // It starts a task of its own.
        let js = runtime.block_on(async { async_nats::jetstream::new(client.clone()) });
        let nats =
            Self { runtime, client, js, at: at.clone(), set_up: Mutex::new(None), turn: AtomicUsize::new(0) };
        nats.run(|_| async { Ok(()) })?;
        Ok(nats)
    }

    fn jobs_name(&self) -> String {
        format!("{}_JOBS", self.at.name)
    }

    fn subject(&self, kind: Kind, rest: &str) -> String {
        format!("{}.job.{}.{rest}", self.at.name.to_ascii_lowercase(), kind.as_str())
    }

    async fn make(&self) -> Result<SetUp, BrokerError> {
        let jobs = stream::Config {
            name: self.jobs_name(),
            subjects: vec![format!("{}.job.>", self.at.name.to_ascii_lowercase())],
            retention: RetentionPolicy::WorkQueue,
            storage: StorageType::File,
            max_messages: self.at.max,
            // A job is there once, for however long; and what there is no room for waits in the store.
            max_messages_per_subject: 1,
            discard: DiscardPolicy::New,
            discard_new_per_subject: true,
            num_replicas: self.at.replicas,
            ..stream::Config::default()
        };
        self.js.create_or_update_stream(jobs).await.map_err(refused)?;
        let jobs = self.js.get_stream(self.jobs_name()).await.map_err(away)?;
        let mut consumers = Vec::new();
        for kind in Kind::ALL {
            let config = pull::Config {
                durable_name: Some(kind.as_str().into()),
                filter_subject: self.subject(kind, ">"),
                ack_policy: AckPolicy::Explicit,
                ack_wait: ACK_WAIT,
                max_deliver: self.at.deliver,
                max_ack_pending: self.at.max,
                ..pull::Config::default()
            };
            consumers.push(jobs.create_consumer(config).await.map_err(refused)?);
        }
        let dead = stream::Config {
            name: format!("{}_DEAD", self.at.name),
            subjects: vec![format!("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.{}.*", self.jobs_name())],
            storage: StorageType::File,
            max_age: ADVISORIES,
            num_replicas: self.at.replicas,
            ..stream::Config::default()
        };
        let name = dead.name.clone();
        self.js.create_or_update_stream(dead).await.map_err(refused)?;
        let bury = pull::Config {
            durable_name: Some("bury".into()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            ..pull::Config::default()
        };
        let dead =
            self.js.get_stream(name).await.map_err(away)?.create_consumer(bury).await.map_err(refused)?;
        Ok(SetUp { jobs, consumers, dead })
    }

    /// Waits for what `f` makes of the broker. After an error everything is made anew the next time: a server that was
    /// started with an empty disk knows nothing.
    fn run<T, F: Future<Output = Result<T, BrokerError>>>(
        &self,
        f: impl FnOnce(Arc<SetUp>) -> F,
    ) -> Result<T, BrokerError> {
        self.runtime.block_on(async {
            let known = self.set_up.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let set_up = match known {
                Some(known) => known,
                None => {
                    let new = tokio::time::timeout(PATIENCE * 4, self.make()).await.map_err(away)??;
                    let new = Arc::new(new);
                    *self.set_up.lock().unwrap_or_else(PoisonError::into_inner) = Some(new.clone());
                    new
                }
            };
            let done = f(set_up).await;
            if done.is_err() {
                *self.set_up.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
            done
        })
    }

    /// The next message of a consumer, waiting for it where `wait` says so.
    async fn next(
        &self,
        from: &PullConsumer,
        wait: Option<Duration>,
    ) -> Result<Option<Message>, BrokerError> {
        let ask = async {
            let mut batch = match wait {
                None => from.fetch().max_messages(1).messages().await.map_err(away)?,
                Some(wait) => from.batch().max_messages(1).expires(wait).messages().await.map_err(away)?,
            };
            batch.next().await.transpose().map_err(away)
        };
        match tokio::time::timeout(wait.unwrap_or_default() + ANSWER, ask).await {
            Ok(answer) => answer,
            // Some servers say nothing where the next message was handed out too often.
            Err(_) if self.client.connection_state() == State::Connected => Ok(None),
            Err(_) => Err(BrokerError::Away("it does not answer".into())),
        }
    }

    fn ticket(&self, message: Message) -> Option<Box<dyn Ticket>> {
        let job = message.subject.rsplit('.').next().and_then(JobId::parse);
        let handle = self.runtime.handle().clone();
        let Some(job) = job else {
            // Somebody else's: it must not come again.
            handle.spawn(async move { drop(message.ack_with(AckKind::Term).await) });
            return None;
        };
        let last = message.info().is_ok_and(|i| i.delivered >= self.at.deliver);
        Some(Box::new(NatsTicket { job, last, message: Arc::new(message), handle }))
    }
}

fn refused(e: impl Display) -> BrokerError {
    let text = e.to_string();
    if ["timed out", "no responders", "not connected"].iter().any(|t| text.contains(t)) {
        BrokerError::Away(text)
    } else {
        BrokerError::Refused(text)
    }
}

impl Broker for Nats {
    fn generation(&self) -> Result<u64, BrokerError> {
        // A consumer that is gone with its stream looks like one with nothing to hand out.
        self.run(|s| async move {
            let info = s.jobs.get_info().await.map_err(away)?;
            Ok(info.created.unix_timestamp_nanos() as u64)
        })
    }

    fn tell(&self, jobs: &[Notice]) -> Result<Vec<Told>, BrokerError> {
        self.run(|_| async move {
            let mut waiting = Vec::with_capacity(jobs.len());
            for job in jobs {
                let subject = self.subject(job.kind, &job.id.to_string());
                waiting.push(self.js.publish(subject, Bytes::new()).await.map_err(away)?);
            }
            let mut told = Vec::with_capacity(jobs.len());
            for answer in waiting {
                told.push(match answer.await {
                    Ok(_) => Told::New,
                    Err(e) => match e.to_string() {
                        text if text.contains("maximum messages per subject exceeded") => Told::Known,
                        text if text.contains("maximum messages exceeded") => Told::Full,
                        text if text.contains("maximum bytes exceeded") => Told::Full,
                        text => return Err(BrokerError::Away(text)),
                    },
                });
            }
            Ok(told)
        })
    }

    fn take(&self, lane: Lane, wait: Duration) -> Result<Option<Box<dyn Ticket>>, BrokerError> {
        // What is urgent first. Light and heavy by turns, so that neither waits for the end of the other.
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let order: &[usize] = match (lane, turn % 2) {
            (Lane::Light, _) => &[0, 1],
            (Lane::Any, 0) => &[0, 1, 2],
            (Lane::Any, _) => &[0, 2, 1],
        };
        let message = self.run(|s| async move {
            for n in order {
                if let Some(message) = self.next(&s.consumers[*n], None).await? {
                    return Ok(Some(message));
                }
            }
            // Nothing is there; the most likely to come is waited for.
            self.next(&s.consumers[1], Some(wait)).await
        })?;
        Ok(message.and_then(|m| self.ticket(m)))
    }

    fn dead(&self, bury: &mut dyn FnMut(JobId, u64) -> Result<(), BrokerError>) -> Result<(), BrokerError> {
        self.run(|s| async move {
            let mut advisories = s.dead.fetch().max_messages(BATCH).messages().await.map_err(away)?;
            while let Some(message) = advisories.next().await {
                let message = message.map_err(away)?;
                if let Ok(a) = serde_json::from_slice::<Advisory>(&message.payload) {
                    // Gone is as good: it was dealt with before.
                    if let Ok(job) = s.jobs.get_raw_message(a.stream_seq).await {
                        if let Some(id) = job.subject.rsplit('.').next().and_then(JobId::parse) {
                            bury(id, a.deliveries)?;
                        }
                        s.jobs.delete_message(a.stream_seq).await.map_err(away)?;
                    }
                }
                message.ack().await.map_err(away)?;
            }
            Ok(())
        })
    }
}

struct NatsTicket {
    job: JobId,
    last: bool,
    message: Arc<Message>,
    handle: Handle,
}

impl Ticket for NatsTicket {
    fn job(&self) -> JobId {
        self.job
    }

    fn is_last(&self) -> bool {
        self.last
    }

    fn keep(&self) {
        let message = self.message.clone();
        // Where it does not arrive, the message is handed out again, and whoever gets it finds the lease.
        self.handle.spawn(async move { drop(message.ack_with(AckKind::Progress).await) });
    }

    fn done(self: Box<Self>) {
        // As above: whoever gets it again finds the job over.
        drop(self.handle.block_on(async { tokio::time::timeout(PATIENCE, self.message.double_ack()).await }));
    }

    fn again(self: Box<Self>, after: Duration) {
        let answer = self.message.ack_with(AckKind::Nak(Some(after)));
        drop(self.handle.block_on(async { tokio::time::timeout(PATIENCE, answer).await }));
    }
}
