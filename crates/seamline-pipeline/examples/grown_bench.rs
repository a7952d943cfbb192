//! What the grown form's queue costs: `grown_bench JOBS LANES`. One JSON object.
//!
//! Jobs do nothing, so what is measured is PostgreSQL, the broker and what is between them. Raw publishes are messages of
//! the same size into a stream of the same kind, on the same disk, in the same run. Both servers are started here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // a measurement, not a library

use async_nats::jetstream::{self, stream};
use seamline_campaign::store::{Beside, Claim, Recording, SqlStore, StoreAt};
use seamline_core::Sha256Hash;
use seamline_core::grown::Broker;
use seamline_core::job::{JobQueue, Lane, Rules, Submission};
use seamline_grown::Nats;
use seamline_pipeline::queue::{Relay, Round};
use seamline_pipeline::record::{later, now};
use seamline_testkit::servers;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn submission(n: u64, digest: Sha256Hash) -> Submission {
    Submission {
        clip: Sha256Hash::of(&n.to_le_bytes()),
        pipeline_digest: digest,
        path: format!("clip number {n}.mp4"),
        source: format!("/inbox/clip number {n}.mp4").into(),
        size: 1_000 + n,
        priority: 0,
        deadline: None,
        origin: "bench".into(),
        by: String::new(),
        claim: String::new(),
        sightings: Vec::new(),
        callback: None,
    }
}

/// Publishes a second, each acknowledged before the next, and with 64 on their way.
fn raw_publishes(url: &str, jobs: u64) -> (f64, f64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let js = jetstream::new(async_nats::connect(url).await.unwrap());
        let config =
            stream::Config { name: "RAW".into(), subjects: vec!["raw.>".into()], ..Default::default() };
        js.create_stream(config).await.unwrap();
        let subject = |n: u64| format!("raw.{}", Sha256Hash::of(&n.to_le_bytes()));
        let began = Instant::now();
        for n in 0..jobs {
            js.publish(subject(n), "".into()).await.unwrap().await.unwrap();
        }
        let single = jobs as f64 / began.elapsed().as_secs_f64();
        let began = Instant::now();
        for from in (jobs..2 * jobs).step_by(64) {
            let mut waiting = Vec::new();
            for n in from..(from + 64).min(2 * jobs) {
                waiting.push(js.publish(subject(n), "".into()).await.unwrap());
            }
            for answer in waiting {
                answer.await.unwrap();
            }
        }
        (single, jobs as f64 / began.elapsed().as_secs_f64())
    })
}

/// Lanes that judge in no time, until `jobs` are done; jobs a second.
fn work(at: &StoreAt, broker: Option<&Nats>, lanes: u64, jobs: u64, digest: Sha256Hash, line: &str) -> f64 {
    let (done, rules) = (AtomicU64::new(0), Rules::default());
    let began = Instant::now();
    std::thread::scope(|scope| {
        if let Some(broker) = broker {
            let done = &done;
            scope.spawn(move || {
                let (mut store, mut relay) =
                    (SqlStore::at(at).unwrap(), Relay::new(broker, 1, digest, rules));
                while done.load(Ordering::Relaxed) < jobs {
                    if relay.round(&mut store).unwrap() == Round::Idle {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                }
            });
        }
        for _ in 0..lanes {
            let done = &done;
            scope.spawn(move || {
                let mut store = SqlStore::at(at).unwrap();
                while done.load(Ordering::Relaxed) < jobs {
                    let at = now();
                    let until = later(at, 15_000);
                    let (lease, ticket) = match broker {
                        None => match store.lease(1, Lane::Any, &digest, &rules, at, until).unwrap() {
                            Some(lease) => (Box::new(lease), None),
                            None => continue,
                        },
                        Some(broker) => {
                            let Some(ticket) = broker.take(Lane::Any, Duration::from_millis(50)).unwrap()
                            else {
                                continue;
                            };
                            match store.lease_job(&ticket.job(), 1, &digest, &rules, at, until).unwrap() {
                                Claim::Taken(lease) => (lease, Some(ticket)),
                                _ => {
                                    ticket.done();
                                    continue;
                                }
                            }
                        }
                    };
                    let recording = Recording {
                        clip: lease.job.sha256,
                        path: &lease.job.path,
                        size: lease.job.size,
                        at,
                        pipeline_digest: digest,
                        conclusion: "inconclusive",
                        llr: Some(0.5),
                        verdict_line: line,
                        evidence_lines: &[],
                        observables: None,
                        sightings: &[],
                    };
                    store.complete(&lease, &recording, &Beside { info: "{}", exhibits: None }).unwrap();
                    if let Some(ticket) = ticket {
                        ticket.done();
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    jobs as f64 / began.elapsed().as_secs_f64()
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number = |n: usize, usual: u64| args.get(n).map_or(usual, |a| a.parse().unwrap());
    let (jobs, lanes) = (number(1, 2_000), number(2, 4));
    let broker = servers::Nats::start().unwrap().expect("nats-server is not installed");
    let database = servers::Postgres::start_durable().unwrap().expect("PostgreSQL is not installed");
    let (published, published_by_64) = raw_publishes(&broker.url(), jobs);
    let line = format!("{{\"type\":\"verdict\",\"reasons\":[\"{}\"]}}", "x".repeat(1_500));
    let digest = Sha256Hash::of(b"pipeline");
    let mut rates = Vec::new();
    let mut submitted = 0.0;
    for with_broker in [false, true] {
        let at = StoreAt::new(database.database().unwrap().as_ref(), "bench");
        let mut store = SqlStore::at(&at).unwrap();
        store.adopt(&digest).unwrap();
        let began = Instant::now();
        for from in (0..jobs).step_by(64) {
            let batch: Vec<_> = (from..(from + 64).min(jobs)).map(|n| submission(n, digest)).collect();
            store.submit_from(&batch, &Rules::default(), now(), None).unwrap();
        }
        submitted = jobs as f64 / began.elapsed().as_secs_f64();
        let nats = with_broker.then(|| Nats::connect(&broker.url().parse().unwrap()).unwrap());
        rates.push(work(&at, nats.as_ref(), lanes, jobs, digest, &line));
    }
    println!(
        "{}",
        serde_json::json!({
            "jobs": jobs, "lanes": lanes, "raw_publishes_per_s": published, "raw_publishes_by_64_per_s": published_by_64,
            "submitted_by_64_per_s": submitted, "done_by_database_per_s": rates[0], "done_by_broker_per_s": rates[1],
        })
    );
}
