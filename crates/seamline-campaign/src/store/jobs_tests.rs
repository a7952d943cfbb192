use super::tests::{on, on_both};
use super::*;
use crate::store::completion::Beside;
use seamline_core::Stage;
use seamline_core::job::{
    Failure, FailureCode, JobError, JobId, JobQueue, JobState, Lane, Lease, Rules, Submission,
};
use std::path::PathBuf;

const ME: u64 = 1;
const OTHER: u64 = 2;

fn at(ms: i64) -> Moment {
    Moment::from_millis(ms).unwrap()
}

fn digest() -> Sha256Hash {
    Sha256Hash::of(b"pipeline")
}

fn submission(n: u32, size: u64) -> Submission {
    Submission {
        clip: Sha256Hash::of(&n.to_le_bytes()),
        pipeline_digest: digest(),
        path: format!("{n}.mp4"),
        source: PathBuf::from(format!("/in/{n}.mp4")),
        size,
        priority: 0,
        deadline: None,
        origin: "test".into(),
        by: "k.m.".into(),
        claim: String::new(),
        sightings: Vec::new(),
        callback: None,
    }
}

type Open<'a> = &'a dyn Fn() -> (tempfile::TempDir, SqlStore);

fn open() -> (tempfile::TempDir, SqlStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqlStore::open(&dir.path().join("s.db")).unwrap();
    (dir, store)
}

fn submit(store: &mut SqlStore, n: u32) -> JobId {
    store.submit(&submission(n, 1), &Rules::default(), at(i64::from(n))).unwrap().id
}

fn lease(store: &mut SqlStore, owner: u64, now: i64, until: i64) -> Option<Lease> {
    store.lease(owner, Lane::Any, &digest(), &Rules::default(), at(now), at(until)).unwrap()
}

fn complete(store: &mut SqlStore, l: &Lease) -> Result<Recorded, JobError> {
    let r = Recording {
        clip: l.job.sha256,
        path: &l.job.path,
        size: l.job.size,
        at: at(50),
        pipeline_digest: l.job.pipeline_digest,
        conclusion: "inconclusive",
        llr: Some(0.5),
        verdict_line: "{\"type\":\"verdict\"}",
        evidence_lines: &[],
        observables: None,
        sightings: &[],
    };
    store.complete(l, &r, &Beside { info: "{}", exhibits: Some("[]") })
}

fn state(store: &SqlStore, id: &JobId) -> JobState {
    store.job(id).unwrap().unwrap().state
}

fn a_job_submitted_twice_is_one_job_that_ends_once(open: Open<'_>) {
    let (_dir, mut store) = open();
    let first = store.submit(&submission(1, 9), &Rules::default(), at(5)).unwrap();
    let seen = Sighting { url: "https://example.org".into(), channel: "c".into(), seen_at: at(3) };
    let again = Submission { priority: 7, sightings: vec![seen.clone()], ..submission(1, 9) };
    let second = store.submit(&again, &Rules::default(), at(6)).unwrap();
    assert_eq!((first.new, second.new, first.id), (true, false, second.id));
    let l = lease(&mut store, ME, 10, 20).unwrap();
    assert_eq!((l.job.priority, l.job.starts, l.job.state), (7, 1, JobState::Running));
    assert!(lease(&mut store, ME, 10, 20).is_none(), "one job, one lease");
    assert!(store.renew(&l, at(30), Stage::Decode, 0.25).unwrap());
    let job = store.job(&first.id).unwrap().unwrap();
    assert_eq!((job.stage, job.fraction), (Some(Stage::Decode), 0.25));
    complete(&mut store, &l).unwrap();
    assert!(!complete(&mut store, &l).unwrap().new_clip, "once more under the same lease: the same");
    let job = store.job(&first.id).unwrap().unwrap();
    assert_eq!(
        (job.state, job.ended, job.conclusion.as_deref()),
        (JobState::Done, Some(1), Some("inconclusive"))
    );
    // What was said while it waited is with the clip, and so is what is said afterwards.
    assert_eq!(store.sightings(&job.sha256).unwrap(), [seen]);
    let later = Sighting { url: String::new(), channel: "d".into(), seen_at: at(4) };
    let again = Submission { sightings: vec![later], claim: "filmed today".into(), ..submission(1, 9) };
    assert_eq!(store.submit(&again, &Rules::default(), at(7)).unwrap().state, JobState::Done);
    assert_eq!(store.sightings(&job.sha256).unwrap().len(), 2);
    assert_eq!(store.claims_of(&job.sha256).unwrap(), [("k.m.".to_owned(), "filmed today".to_owned())]);
    assert_eq!(store.ended_after(0, 9).unwrap(), [(1, "{\"type\":\"verdict\"}".to_owned())]);
    assert!(store.check().unwrap().problems.is_empty());
}

fn a_clip_that_was_judged_before_is_done_at_once(open: Open<'_>) {
    let (_dir, mut store) = open();
    let s = submission(1, 1);
    let r = Recording {
        clip: s.clip,
        path: "a",
        size: 1,
        at: at(1),
        pipeline_digest: digest(),
        conclusion: "not_assessable",
        llr: None,
        verdict_line: "line",
        evidence_lines: &[],
        observables: None,
        sightings: &[],
    };
    store.record(&r).unwrap();
    let submitted = store.submit(&s, &Rules::default(), at(2)).unwrap();
    assert_eq!((submitted.new, submitted.state), (true, JobState::Done));
    assert!(lease(&mut store, ME, 3, 9).is_none());
    assert_eq!(store.ended_after(0, 9).unwrap(), [(1, "line".to_owned())]);
}

fn a_clock_that_is_set_back_holds_nothing_up(open: Open<'_>) {
    const HOUR: i64 = 3_600_000;
    let (_dir, mut store) = open();
    let (a, b) = (submit(&mut store, 1), submit(&mut store, 2));
    let held = lease(&mut store, ME, HOUR, HOUR + 15_000).unwrap();
    let put_off = lease(&mut store, ME, HOUR, HOUR + 15_000).unwrap();
    store.give_back(&put_off, at(HOUR + 5_000)).unwrap();
    // An hour earlier by the clock: whoever held the first never comes back, and the second is not due for an hour.
    let first = lease(&mut store, OTHER, 0, 15_000).unwrap();
    let second = lease(&mut store, OTHER, 0, 15_000).unwrap();
    assert_eq!([first.job.id, second.job.id], [a, b]);
    assert!(!store.renew(&held, at(15_000), Stage::Infer, 0.5).unwrap(), "the first holder learns of it");
    assert!(lease(&mut store, OTHER, 1, 15_001).is_none() && lease(&mut store, ME, 1, 15_001).is_none());
}

fn an_expired_lease_goes_to_another_and_the_first_holder_records_nothing(open: Open<'_>) {
    let (_dir, mut store) = open();
    let id = submit(&mut store, 1);
    let mine = lease(&mut store, ME, 10, 20).unwrap();
    assert!(lease(&mut store, OTHER, 15, 25).is_none(), "not yet");
    assert!(
        lease(&mut store, ME, 1_000, 2_000).is_none(),
        "a jump of the clock takes nothing from its owner"
    );
    let theirs = lease(&mut store, OTHER, 21, 31).unwrap();
    assert_eq!(theirs.job.id, id);
    assert!(!store.renew(&mine, at(99), Stage::Infer, 0.5).unwrap(), "the first holder learns of it");
    assert!(matches!(complete(&mut store, &mine), Err(JobError::LeaseLost(_))));
    assert!(store.clip(&mine.job.sha256).unwrap().is_none(), "nothing of it was kept");
    complete(&mut store, &theirs).unwrap();
    assert_eq!(state(&store, &id), JobState::Done);
    assert_eq!(store.verdicts(&mine.job.sha256).unwrap().len(), 1);
    assert_eq!(store.attempts(&id).unwrap()[0].failure.code, FailureCode::LeaseExpired);
}

fn a_clip_that_breaks_its_worker_each_time_is_a_dead_letter_with_its_evidence_and_can_be_replayed(
    open: Open<'_>,
) {
    let (_dir, mut store) = open();
    let poison = submit(&mut store, 1);
    let rules = Rules::default();
    let lost = |n: u32| Failure { code: FailureCode::WorkerLost, message: format!("signal {n}") };
    for n in 1..=3 {
        let l = lease(&mut store, ME, 1_000, 2_000).unwrap();
        assert_eq!(l.job.id, poison);
        let next = store.fail(&l, &lost(n), "{\"dead\":true}", &rules, at(1_000)).unwrap();
        assert_eq!(next, if n < 3 { JobState::Queued } else { JobState::Dead });
        if n == 1 {
            // It stands behind what came since.
            let good = submit(&mut store, 2);
            let l = lease(&mut store, ME, 1_000, 2_000).unwrap();
            assert_eq!(l.job.id, good);
            complete(&mut store, &l).unwrap();
        }
    }
    let job = store.job(&poison).unwrap().unwrap();
    assert_eq!((job.state, job.attempts, job.failure), (JobState::Dead, 3, Some(lost(3))));
    assert_eq!(store.attempts(&poison).unwrap().len(), 3);
    assert_eq!(store.counts().unwrap().dead, 1);
    assert_eq!(store.ended_after(1, 9).unwrap(), [(2, "{\"dead\":true}".to_owned())]);
    store.replay(&poison, at(5_000)).unwrap();
    assert!(matches!(store.replay(&poison, at(5_000)), Err(JobError::NotOver(_, JobState::Queued))));
    let l = lease(&mut store, ME, 6_000, 7_000).unwrap();
    complete(&mut store, &l).unwrap();
    let job = store.job(&poison).unwrap().unwrap();
    assert_eq!((job.state, job.ended, job.failure), (JobState::Done, Some(3), None), "it ends again, later");
    assert_eq!(store.counts().unwrap().open(), 0);
}

fn abandoned_jobs_are_given_up_late_and_files_that_came_back_begin_anew(open: Open<'_>) {
    let (_dir, mut store) = open();
    let id = submit(&mut store, 1);
    let rules = Rules { max_abandoned: 2, ..Rules::default() };
    for n in 0..2 {
        let owner = 10 + n;
        store
            .lease(owner, Lane::Any, &digest(), &rules, at(n as i64 * 100), at(n as i64 * 100 + 50))
            .unwrap()
            .unwrap();
    }
    assert!(store.lease(99, Lane::Any, &digest(), &rules, at(1_000), at(2_000)).unwrap().is_none());
    assert_eq!(state(&store, &id), JobState::Dead);
    assert!(store.ended_after(0, 9).unwrap()[0].1.contains("lease.expired"));

    let gone = submit(&mut store, 2);
    let l = lease(&mut store, ME, 10, 20).unwrap();
    let failure = Failure { code: FailureCode::SourceGone, message: "no such file".into() };
    assert_eq!(store.fail(&l, &failure, "{}", &rules, at(11)).unwrap(), JobState::Failed);
    assert_eq!(submit(&mut store, 2), gone);
    assert_eq!(state(&store, &gone), JobState::Queued);
}

fn short_clips_overtake_long_ones_and_long_ones_still_get_their_turn(open: Open<'_>) {
    let (_dir, mut store) = open();
    let rules = Rules::default();
    let mib = 1 << 20;
    let heavy = store.submit(&submission(1, 100 * mib), &rules, at(0)).unwrap().id;
    let soon = store.submit(&submission(2, mib), &rules, at(50_000)).unwrap().id;
    let late = store.submit(&submission(3, mib), &rules, at(100_000)).unwrap().id;
    let urgent = store
        .submit(&Submission { priority: 1, ..submission(4, 100 * mib) }, &rules, at(200_000))
        .unwrap()
        .id;
    let light = store.lease(ME, Lane::Light, &digest(), &rules, at(300_000), at(400_000)).unwrap().unwrap();
    assert_eq!(light.job.id, soon, "this lane passes over what is heavy, however urgent");
    store.give_back(&light, at(0)).unwrap();
    let order: Vec<JobId> =
        std::iter::from_fn(|| lease(&mut store, ME, 300_000, 400_000).map(|l| l.job.id)).collect();
    assert_eq!(order, [urgent, soon, heavy, late]);
}

fn what_waited_for_another_version_waits_for_this_one_under_its_name(open: Open<'_>) {
    let (_dir, mut store) = open();
    let id = submit(&mut store, 1);
    let newer = Sha256Hash::of(b"newer");
    let rules = Rules::default();
    assert!(store.lease(ME, Lane::Any, &newer, &rules, at(9), at(99)).unwrap().is_none());
    assert_eq!(store.adopt(&newer).unwrap(), 1);
    let l = store.lease(ME, Lane::Any, &newer, &rules, at(9), at(99)).unwrap().unwrap();
    assert_eq!((l.job.id, l.job.pipeline_digest), (id, newer));
}

fn search_finds_by_name_hash_conclusion_and_time(open: Open<'_>) {
    let (_dir, mut store) = open();
    for n in 1..=5 {
        submit(&mut store, n);
        let l = lease(&mut store, ME, 10, 20).unwrap();
        complete(&mut store, &l).unwrap();
    }
    let names = |q: &ClipQuery| -> Vec<String> {
        store.search(q, 9).unwrap().into_iter().map(|(_, c)| c.path).collect()
    };
    let text = |t: &str| ClipQuery { text: Some(t.into()), ..ClipQuery::default() };
    assert_eq!(names(&ClipQuery::default()), ["5.mp4", "4.mp4", "3.mp4", "2.mp4", "1.mp4"]);
    assert_eq!(names(&text("3.MP")), ["3.mp4"]);
    assert!(names(&text("_.mp4")).is_empty(), "no wildcards");
    let hash = Sha256Hash::of(&4u32.to_le_bytes()).to_string();
    assert_eq!(names(&text(&hash)), ["4.mp4"]);
    assert_eq!(names(&text(&hash[..8])), ["4.mp4"]);
    assert!(
        names(&ClipQuery { conclusion: Some("supports_spoof".into()), ..ClipQuery::default() }).is_empty()
    );
    assert!(names(&ClipQuery { from: Some(at(51)), ..ClipQuery::default() }).is_empty());
    assert_eq!(names(&ClipQuery { until: Some(at(51)), ..ClipQuery::default() }).len(), 5);
    let page = store.search(&ClipQuery::default(), 2).unwrap();
    let rest = ClipQuery { before: Some(page[1].0), ..ClipQuery::default() };
    assert_eq!(names(&rest), ["3.mp4", "2.mp4", "1.mp4"]);
    let report = store.report(&Sha256Hash::of(&4u32.to_le_bytes())).unwrap().unwrap();
    assert_eq!((report.info.as_deref(), report.exhibits.as_deref()), (Some("{}"), Some("[]")));
}

fn the_audit_log_only_grows_and_tokens_are_known_by_their_hashes(open: Open<'_>) {
    let (_dir, mut store) = open();
    let hash = Sha256Hash::of(b"secret");
    let id = store.add_token("desk", Role::Read, &hash, at(1), Some(at(100))).unwrap();
    let token = store.tokens().unwrap().remove(0);
    assert!(token.is_valid(at(99)) && !token.is_valid(at(100)));
    assert_eq!(token.sha256, hash);
    assert!(store.revoke_token(id, at(2)).unwrap());
    assert!(!store.revoke_token(id, at(3)).unwrap());
    assert!(!store.tokens().unwrap()[0].is_valid(at(3)));
    store.audit(at(1), "desk", "submit", "x").unwrap();
    store.audit(at(2), "desk", "replay", "y").unwrap();
    assert!(store.db.execute("DELETE FROM audit", &[]).is_err());
    assert!(store.db.execute("UPDATE audit SET actor = 'nobody'", &[]).is_err());
    let log = store.audit_log(None, 9).unwrap();
    assert_eq!(log.iter().map(|e| e.action.as_str()).collect::<Vec<_>>(), ["replay", "submit"]);
}

fn a_file_is_known_by_what_it_is_and_its_job_follows_it(open: Open<'_>) {
    let (_dir, mut store) = open();
    let id = submit(&mut store, 1);
    let file = FileIdentity { device: u64::MAX, inode: 7, size: 1, mtime_ns: -5 };
    let was = PathBuf::from("/in/1.mp4");
    assert!(!store.is_watched(&file, &was).unwrap());
    store.watch(&file, &was, &id).unwrap();
    let renamed = PathBuf::from("/in/other.mp4");
    assert!(store.is_watched(&file, &renamed).unwrap());
    assert_eq!(store.job(&id).unwrap().unwrap().source, renamed);
    assert!(store.to_move(Path::new("/in"), 9).unwrap().is_empty(), "it has not ended");
    let l = lease(&mut store, ME, 10, 20).unwrap();
    complete(&mut store, &l).unwrap();
    assert!(
        store.to_move(Path::new("/i"), 9).unwrap().is_empty(),
        "another folder's name may begin like this one's"
    );
    let ended = store.to_move(Path::new("/in"), 9).unwrap().remove(0);
    assert_eq!((&ended.path, ended.state), (&renamed, JobState::Done));
    store.moved(&ended, Some(Path::new("/done/other.mp4"))).unwrap();
    assert!(store.to_move(Path::new("/in"), 9).unwrap().is_empty());
}

#[test]
fn a_store_of_version_1_is_brought_up_to_date_with_all_that_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(include_str!("schema.sql")).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    let clip = Sha256Hash::of(b"clip");
    old.execute("INSERT INTO cluster (founder, members, last_seen) VALUES (?1, 1, 0)", [clip.as_bytes()])
        .unwrap();
    old.execute(
        "INSERT INTO clip (sha256, path, size, recorded_at, conclusion, cluster) VALUES (?1, 'a', 1, 0, 'inconclusive', 1)",
        [clip.as_bytes()],
    )
    .unwrap();
    old.execute(
        "INSERT INTO verdict (clip, pipeline_digest, recorded_at, conclusion, line) VALUES (1, ?1, 0, 'inconclusive', '{}')",
        [digest().as_bytes()],
    )
    .unwrap();
    drop(old);
    let mut store = SqlStore::open(&path).unwrap();
    assert_eq!(store.clip(&clip).unwrap().unwrap().path, "a");
    let report = store.report(&clip).unwrap().unwrap();
    assert_eq!((report.info, report.verdict.as_str()), (None, "{}"));
    submit(&mut store, 1);
    assert!(lease(&mut store, ME, 10, 20).is_some());
    assert!(store.check().unwrap().problems.is_empty());
}

on_both!(
    opens server, || (tempfile::tempdir().unwrap(), on(&server.database().unwrap()));
    open;
    a_job_submitted_twice_is_one_job_that_ends_once,
    a_clip_that_was_judged_before_is_done_at_once,
    an_expired_lease_goes_to_another_and_the_first_holder_records_nothing,
    a_clock_that_is_set_back_holds_nothing_up,
    a_clip_that_breaks_its_worker_each_time_is_a_dead_letter_with_its_evidence_and_can_be_replayed,
    abandoned_jobs_are_given_up_late_and_files_that_came_back_begin_anew,
    short_clips_overtake_long_ones_and_long_ones_still_get_their_turn,
    what_waited_for_another_version_waits_for_this_one_under_its_name,
    search_finds_by_name_hash_conclusion_and_time,
    the_audit_log_only_grows_and_tokens_are_known_by_their_hashes,
    a_file_is_known_by_what_it_is_and_its_job_follows_it,
    a_named_job_is_taken_once_and_what_is_away_or_over_is_said,
);

fn a_named_job_is_taken_once_and_what_is_away_or_over_is_said(open: Open<'_>) {
    let (_dir, mut store) = open();
    let rules = Rules::default();
    let (a, b) = (submit(&mut store, 1), submit(&mut store, 2));
    let offers = store.offers(ME, &digest(), &rules, at(10), 9).unwrap();
    assert_eq!(offers.iter().map(|o| o.id).collect::<Vec<_>>(), [a, b]);
    let mut claim =
        |id, owner, now| store.lease_job(&id, owner, &digest(), &rules, at(now), at(now + 10)).unwrap();
    let Claim::Taken(first) = claim(b, ME, 10) else { panic!("it waits") };
    assert_eq!((first.job.id, first.job.starts), (b, 1));
    assert!(matches!(claim(b, OTHER, 15), Claim::Later(until) if until == at(20)));
    let Claim::Taken(second) = claim(b, OTHER, 21) else { panic!("the lease ran out") };
    assert_eq!(second.job.starts, 2);
    assert!(matches!(claim(JobId::from_bytes([0; 32]), ME, 21), Claim::Over), "no such job");
    assert!(matches!(complete(&mut store, &first), Err(JobError::LeaseLost(_))));
    let recorded = complete(&mut store, &second).unwrap();
    assert!(recorded.new_clip);
    // The answer was lost, and it is done once more: to the same end, and no second time.
    assert!(!complete(&mut store, &second).unwrap().new_clip);
    assert_eq!((store.last_ended().unwrap(), store.attempts(&b).unwrap().len()), (1, 1));
    let over = store.lease_job(&b, ME, &digest(), &rules, at(30), at(40)).unwrap();
    assert!(matches!(over, Claim::Over));
    let held = lease(&mut store, ME, 30, 40).unwrap();
    store.give_back(&held, at(100)).unwrap();
    let later = store.lease_job(&a, ME, &digest(), &rules, at(50), at(60)).unwrap();
    assert!(matches!(later, Claim::Later(when) if when == at(100)));
    assert!(store.offers(ME, &digest(), &rules, at(50), 9).unwrap().is_empty());
    assert!(store.take_role("relay", ME, at(0), at(10)).unwrap());
    assert!(store.take_role("relay", ME, at(5), at(15)).unwrap());
    assert!(!store.take_role("relay", OTHER, at(15), at(25)).unwrap());
    assert!(store.take_role("relay", OTHER, at(16), at(26)).unwrap());
    assert!(store.bury(&a, 5, at(200)).unwrap() && !store.bury(&b, 5, at(200)).unwrap());
    assert_eq!(state(&store, &a), JobState::Dead);
}

#[test]
fn a_lease_whose_answer_was_lost_is_found_again_or_goes_back() {
    let (_dir, mut store) = open();
    let (a, b) = (submit(&mut store, 1), submit(&mut store, 2));
    let lost = || Err(StoreError::Away("gone".into()));
    let taken = lease(&mut store, ME, 10, 20).unwrap().job;
    assert_eq!(taken.id, a);
    let found = store.taken(Some(taken.clone()), lost()).unwrap().unwrap();
    assert_eq!((found.job.id, found.job.starts), (a, 1), "it was committed");
    store.doubtful = Some(found);
    let other = store.lease_job(&b, ME, &digest(), &Rules::default(), at(11), at(21)).unwrap();
    assert!(matches!(other, Claim::Taken(l) if l.job.id == b));
    assert_eq!(state(&store, &a), JobState::Queued, "nobody's, so it waits again");
    assert!(store.taken(Some(taken), lost()).unwrap().is_none(), "it was not");
}
