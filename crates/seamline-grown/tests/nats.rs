//! The broker over a real nats-server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)] // helpers outside of #[test] functions

use seamline_core::grown::{Broker, BrokerError, Kind, Notice, Ticket, Told};
use seamline_core::job::{JobId, Lane};
use seamline_grown::{Nats, NatsAt};
use seamline_testkit::servers;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_millis(300);

fn server() -> Option<servers::Nats> {
    let server = servers::Nats::start().unwrap();
    if server.is_none() {
        eprintln!("PASSED OVER: nats-server is not installed (scripts/setup.sh installs it)");
    }
    server
}

fn notice(n: u8, kind: Kind) -> Notice {
    Notice { id: JobId::from_bytes([n; 32]), kind }
}

fn at(url: &str, options: &str) -> NatsAt {
    format!("{url}?{options}").parse().unwrap()
}

fn next(nats: &Nats, lane: Lane) -> Option<Box<dyn Ticket>> {
    nats.take(lane, SOON).unwrap()
}

fn first_byte(ticket: &dyn Ticket) -> u8 {
    ticket.job().as_bytes()[0]
}

#[test]
fn a_job_is_there_once_and_what_there_is_no_room_for_waits() {
    let Some(server) = server() else { return };
    let nats = Nats::connect(&at(&server.url(), "max=3")).unwrap();
    let all =
        [notice(1, Kind::Light), notice(2, Kind::Heavy), notice(1, Kind::Light), notice(3, Kind::Urgent)];
    assert_eq!(nats.tell(&all).unwrap(), [Told::New, Told::New, Told::Known, Told::New]);
    assert_eq!(nats.tell(&[notice(4, Kind::Light)]).unwrap(), [Told::Full]);
    // Another run of another machine sees the same, and takes over nothing that is in hand.
    let other = Nats::connect(&at(&server.url(), "max=3")).unwrap();
    let urgent = next(&other, Lane::Light).unwrap();
    assert_eq!(first_byte(&*urgent), 3, "what is urgent first");
    assert_eq!(
        nats.tell(&[notice(4, Kind::Light)]).unwrap(),
        [Told::Full],
        "in hand it still takes its room"
    );
    urgent.done();
    assert_eq!(nats.tell(&[notice(4, Kind::Light)]).unwrap(), [Told::New]);
    let mut light =
        [next(&nats, Lane::Light).unwrap(), next(&other, Lane::Light).unwrap()].map(|t| first_byte(&*t));
    light.sort_unstable();
    assert_eq!(light, [1, 4]);
    assert!(next(&nats, Lane::Light).is_none(), "a heavy one is not for this lane");
    assert_eq!(first_byte(&*next(&nats, Lane::Any).unwrap()), 2);
}

#[test]
fn what_nobody_comes_back_from_is_given_up_and_buried_once() {
    let Some(server) = server() else { return };
    let nats = Nats::connect(&at(&server.url(), "deliver=2")).unwrap();
    nats.tell(&[notice(1, Kind::Light)]).unwrap();
    for last in [false, true] {
        let ticket = next(&nats, Lane::Any).unwrap();
        assert_eq!(ticket.is_last(), last);
        ticket.again(Duration::ZERO);
    }
    assert!(next(&nats, Lane::Any).is_none(), "twice, and no third time");
    let mut buried = Vec::new();
    let mut bury = |refuse: bool| {
        let end = Instant::now() + Duration::from_secs(10);
        let mut called = false;
        while !called && Instant::now() < end {
            let done = nats.dead(&mut |id, deliveries| {
                called = true;
                if refuse {
                    return Err(BrokerError::Away("the store is away".into()));
                }
                buried.push((id, deliveries));
                Ok(())
            });
            assert_eq!(done.is_err(), called && refuse);
        }
        called
    };
    assert!(bury(true), "the advisory came");
    // It is not forgotten for that; the server hands it out again when nobody answered for as long as is waited.
    std::thread::sleep(Duration::from_secs(16));
    assert!(bury(false));
    assert_eq!(buried, [(JobId::from_bytes([1; 32]), 2)]);
    assert_eq!(nats.tell(&[notice(1, Kind::Light)]).unwrap(), [Told::New], "it makes room for a replay");
}

#[test]
fn a_server_that_comes_back_goes_on_and_one_that_lost_everything_is_set_up_anew() {
    let Some(mut server) = server() else { return };
    let nats = Nats::connect(&at(&server.url(), "")).unwrap();
    nats.tell(&[notice(1, Kind::Light), notice(2, Kind::Light)]).unwrap();
    server.stop();
    assert!(matches!(nats.take(Lane::Any, SOON), Err(BrokerError::Away(_))));
    server.start_again().unwrap();
    let patiently = |what: &dyn Fn() -> bool| {
        let end = Instant::now() + Duration::from_secs(30);
        while !what() {
            assert!(Instant::now() < end, "it does not come back");
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    patiently(&|| matches!(nats.take(Lane::Any, SOON), Ok(Some(t)) if first_byte(&*t) == 1));
    server.stop();
    server.forget().unwrap();
    server.start_again().unwrap();
    patiently(&|| matches!(nats.tell(&[notice(2, Kind::Light)]).as_deref(), Ok([Told::New])));
    patiently(&|| matches!(nats.take(Lane::Any, SOON), Ok(Some(t)) if first_byte(&*t) == 2));
}
