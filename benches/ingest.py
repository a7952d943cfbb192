#!/usr/bin/env python3
"""What all-day use costs and survives, measured with the real binary; writes benches/ingest.md.

    benches/ingest.py --binary target/release/seamline --queue-bench target/release/examples/queue_bench

Only what was run stands in the table. Parts can be chosen with --only.
"""
import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from ingest_places import LIGHT, Place, Servers, memory_mb, silence, tone
from ingest_server import latency, malformed, memory, uploads

ROOT = Path(__file__).resolve().parent.parent


def kills(place, clips=500, rounds=10):
    for n in range(clips):
        tone(place.dir / "in" / f"{n:04}.wav", n)
    rng, twice, cut_short = random.Random(7), 0, 0
    began = time.monotonic()
    for _ in range(rounds):
        p = place.start("watch", "in", "--out", "out.jsonl", "--settle", "0.1", "-w", 2, "--quiet", *LIGHT)
        time.sleep(rng.uniform(2.5, 6))
        p.send_signal(signal.SIGKILL)
        p.wait()
        seen = place.verdicts()
        twice = max(twice, len(seen) - len(set(seen)))
        cut_short += len(seen) < clips
    last = place.run("watch", "in", "--out", "out.jsonl", "--settle", "0.1", "--once", "-w", 2, "--quiet", *LIGHT)
    assert last.returncode == 0, last.stderr
    seen = place.verdicts()
    check = place.run("store", "check").stdout.strip()
    return {
        "jobs": clips, "rounds": rounds, "killed_at_work": cut_short, "lost": clips - len(set(seen)),
        "reported_twice": max(twice, len(seen) - len(set(seen))), "store_check": check,
        "seconds": round(time.monotonic() - began, 1),
    }


def fairness(place, short=500, hours=10):
    silence(place.dir / "in" / "heavy.wav", hours * 3600)
    for n in range(short):
        tone(place.dir / "in" / f"{n:03}.wav", 30_000 + n)
    names = ["heavy.wav", *(f"{n:03}.wav" for n in range(short))]
    (place.dir / "list.ndjson").write_text("".join(json.dumps({"path": "in/" + n, "priority": 1 if n == "heavy.wav" else 0}) + "\n" for n in names))
    out = place.run("ingest", "list.ndjson", "-w", 1, "--quiet", *LIGHT)
    assert out.returncode == 0, out.stderr
    from datetime import datetime
    when = lambda t: datetime.fromisoformat(t.replace("Z", "+00:00")).timestamp()
    jobs = [json.loads(x) for x in place.run("jobs", "list", "--json", "--limit", 1000).stdout.splitlines()]
    heavy = next(j for j in jobs if j["path"].endswith("heavy.wav"))
    waits = sorted(when(j["started_at"]) - when(j["submitted_at"]) for j in jobs if j is not heavy)
    return {"short": short, "heavy_hours": hours, "heavy_mb": heavy["size"] // 1_000_000, "heavy_state": heavy["state"],
            "heavy_seconds": round(when(heavy["ended_at"]) - when(heavy["started_at"]), 1),
            "short_wait_p50_s": round(statistics.median(waits), 2), "short_wait_p95_s": round(waits[int(len(waits) * 0.95)], 2),
            "short_ended_before_heavy": sum(when(j["ended_at"]) < when(heavy["ended_at"]) for j in jobs if j is not heavy)}


def manifest(place, lines=200_000):
    tone(place.dir / "in" / "one.wav", 5)
    with open(place.dir / "list.ndjson", "w") as f:
        for n in range(lines):
            f.write(json.dumps({"path": "in/one.wav", "where": f"https://example.org/{n}", "when": "2026-01-01", "claim": "c" * 100}) + "\n")
    p = place.start("ingest", "list.ndjson", "--submit-only", *LIGHT)
    rss, began = [], time.monotonic()
    while p.poll() is None:
        try:
            rss.append(memory_mb(p.pid))
        except (OSError, IndexError):
            break
        time.sleep(0.25)
    p.wait()
    seconds = time.monotonic() - began
    tenth = max(1, len(rss) // 10)
    return {"lines": lines, "seconds": round(seconds, 1), "lines_per_s": round(lines / seconds),
            "rss_mb_after_a_tenth": round(max(rss[:tenth + 1]), 1), "rss_mb_most": round(max(rss), 1)}


def cores(place, clips=200):
    """How busy a folder of mixed clips keeps the cores, every default model, start-up and end included."""
    rng = random.Random(3)
    for n in range(clips):
        if n % 2:
            tone(place.dir / "in" / f"{n:03}.wav", 50_000 + n, rng.randint(1, 20))
        else:
            subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=s=640x360:r=25:d={rng.randint(2, 8)}",
                            "-f", "lavfi", "-i", f"anoisesrc=seed={n}", "-shortest", "-c:v", "libx264", "-preset", "ultrafast",
                            place.dir / "in" / f"{n:03}.mp4"], check=True)
    count, began = os.cpu_count(), time.monotonic()
    p = place.start("watch", "in", "--out", "out.jsonl", "--settle", "0.1", "--once", "-w", count, "--quiet")
    _, status, used = os.wait4(p.pid, 0)
    wall = time.monotonic() - began
    assert status == 0 and len(place.verdicts()) == clips, (status, p.stderr.read())
    return {"clips": clips, "cores": count, "seconds": round(wall, 1), "busy": (used.ru_utime + used.ru_stime) / wall / count}


def queue(place, program, jobs, clips):
    out = subprocess.run([str(Path(program).resolve()), str(place.dir), str(jobs), str(clips)], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout)


def grown(program, jobs, lanes):
    out = subprocess.run([str(Path(program).resolve()), str(jobs), str(lanes)], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout)


def workers(place, clips, seconds=8):
    """One worker against two, one job each, over the same clips, every default model; on as many cores."""
    rates = []
    for count in (1, 2):
        with tempfile.TemporaryDirectory() as dir:
            servers = Servers(dir)
            try:
                env = os.environ | {"SEAMLINE_STORE": servers.store, "SEAMLINE_QUEUE": servers.queue, "SEAMLINE_MEDIA": "paths"}
                run = lambda *args, **more: subprocess.Popen([place.binary, *args], cwd=place.dir, text=True, stderr=subprocess.PIPE, **more)
                for n in range(clips):
                    tone(place.dir / "in" / f"{n:03}.wav", n, seconds)
                (place.dir / "list.ndjson").write_text("".join(json.dumps({"path": f"in/{n:03}.wav"}) + "\n" for n in range(clips)))
                submit = run("ingest", "list.ndjson", "--submit-only", env=env)
                assert submit.wait() == 0, submit.stderr.read()
                ps = []

                def listen(p, times):
                    times.extend(time.monotonic() for line in p.stderr if ": judged" in line)

                for n in range(count):
                    own = env | {"SEAMLINE_MACHINE": f"m{n}", "CACHE_DIRECTORY": f"{dir}/cache-{n}"}
                    p, times = run("worker", "--once", "-w", "1", env=own), []
                    ps.append((p, times, threading.Thread(target=listen, args=(p, times))))
                    ps[-1][2].start()
                for p, _, t in ps:
                    assert p.wait() == 0
                    t.join()
                each = [times for _, times, _ in ps]
                assert sum(map(len, each)) == clips and all(len(times) > 5 for times in each), each
                # While all of them were at work: models are loaded by the first verdict.
                start, end = max(times[0] for times in each), min(times[-1] for times in each)
                rates.append(sum(start < t <= end for times in each for t in times) / (end - start))
            finally:
                servers.end()
    return {"clips": clips, "clip_seconds": seconds, "one_per_s": rates[0], "two_per_s": rates[1], "ratio": rates[1] / rates[0]}


# What may go wrong, and the tests that make it go wrong; `make test` runs all of them.
FAULTS = [
    ("kill -9 of `watch` at random, again and again", "seamline/tests/ingest.rs", "killed_again_and_again_it_loses_nothing_and_reports_nothing_twice"),
    ("kill -9 of the server while clips come in", "seamline/tests/serve.rs", "many_upload_at_once_and_a_killed_server_loses_nothing"),
    ("kill -9 of workers on several machines", "seamline/tests/grown.rs", "workers_killed_in_mid_job_lose_nothing_and_nothing_is_recorded_twice"),
    ("nats-server and PostgreSQL stopped, crashed and started", "seamline/tests/grown.rs", "broker_and_database_are_stopped_crashed_and_started_in_mid_run"),
    ("disk full for store and report", "seamline/tests/faults.rs", "a_full_disk_for_store_or_report_ends_the_run_with_a_word_and_loses_nothing"),
    ("disk full for media", "seamline/tests/faults.rs", "a_full_disk_for_media_refuses_uploads_until_there_is_room"),
    ("the clock is set back", "seamline-campaign/src/store/jobs_tests.rs", "a_clock_that_is_set_back_holds_nothing_up"),
    ("an upload whose line breaks, and whose server is killed", "seamline/tests/serve.rs", "a_large_clip_comes_in_pieces_over_broken_lines_and_a_killed_server"),
    ("malformed forms", "seamline/tests/serve.rs", "what_cannot_be_is_refused_and_leaves_nothing"),
    ("two servers on one store", "seamline/tests/faults.rs", "two_servers_on_one_store_share_jobs_and_show_the_same"),
    ("a clip that is stopped at a limit each time", "seamline/tests/ingest.rs", "a_clip_that_is_stopped_at_a_limit_each_time_becomes_a_dead_letter_and_the_rest_goes_on"),
    ("a file that vanishes or changes", "seamline/tests/ingest.rs", "a_file_that_vanished_is_a_coded_failure_and_runs_when_it_is_back"),
    ("no token, an expired one, a wrong role, on every route", "seamline/tests/serve.rs", "every_route_asks_for_the_role_that_the_table_says"),
]


def faults():
    rows = ["## Faults and their tests", "", "| fault | test |", "|---|---|"]
    for what, path, test in FAULTS:
        if f"fn {test}(" not in (ROOT / "crates" / path).read_text():
            raise SystemExit(f"{path} has no test {test}")
        rows.append(f"| {what} | `{test}` in `{path}` |")
    return [*rows, ""]


def table(results, profile):
    text = ["# All-day use: what it costs and survives", "",
            f"Written by `benches/ingest.py` on {os.cpu_count()} cores that other work shared, {profile}. One light detector, so that "
            "what is measured is the queue, the store and the server, not the models.", "", *faults()]
    if r := results.get("kills"):
        text += ["## Killed", f"`seamline watch` with two workers over {r['jobs']} recordings, killed with SIGKILL at random moments, {r['rounds']} rounds "
                 f"({r['killed_at_work']} of them at work), then run to its end.", "",
                 "| lost | reported twice | store check | seconds |", "|---|---|---|---|",
                 f"| {r['lost']} | {r['reported_twice']} | {r['store_check']} | {r['seconds']} |", ""]
    if r := results.get("fairness"):
        text += ["## A heavy clip beside short ones", f"One worker, {r['short']} recordings of a second and one of {r['heavy_hours']} hours ({r['heavy_mb']} MB), which goes first by its priority (it ended as {r['heavy_state']}).", "",
                 "| heavy clip, seconds | short: wait p50 | p95 | short ones ended before the heavy one |", "|---|---|---|---|",
                 f"| {r['heavy_seconds']} | {r['short_wait_p50_s']} s | {r['short_wait_p95_s']} s | {r['short_ended_before_heavy']} of {r['short']} |", ""]
    if r := results.get("latency"):
        state = "worked to the end" if r["scanning_to_the_end"] else "ran out of clips before the end"
        text += ["## Reports while scanning", f"`GET /v1/reports/SHA256` at {r['per_second']} a second from eight connections, times from when each was due; the worker {state}.", "",
                 "| requests | refused | p50 | p95 | p99 |", "|---|---|---|---|---|",
                 f"| {r['requests']} | {r['refused']} | {r['p50_ms']} ms | {r['p95_ms']} ms | {r['p99_ms']} ms |", ""]
    if r := results.get("uploads"):
        text += ["## Uploads at once", f"{r['fast']} uploads at once of three seconds of sound while {r['slow']} clients send theirs by a hundred bytes every tenth of a second.", "",
                 "| taken | p50 | slowest | judged | store check |", "|---|---|---|---|---|",
                 f"| {r['taken']} of {r['fast']} | {r['p50_s']} s | {r['most_s']} s | {r['done']} | {r['store_check']} |", ""]
    if r := results.get("malformed"):
        answers = ", ".join(f"{n} times {'no answer' if status == '0' else status}" for status, n in r["answers"].items())
        text += ["## Malformed requests", f"Forms and tus requests that are wrong in some way, {r['seconds']} seconds, one after the other: {r['requests']:,} requests. "
                 f"Answers: {answers}. Afterwards the server {'lived' if r['alive'] else 'had died'} and a clip was {'taken' if r['then_taken'] else 'refused'}.", ""]
    if r := results.get("memory"):
        text += ["## Memory of the server", f"{r['jobs']:,} small files handed in over HTTP and judged by two workers; memory in MB after each tenth: "
                 f"{', '.join(map(str, r['rss_mb_by_tenth']))}.", ""]
    if r := results.get("cores"):
        text += ["## Cores kept busy", f"`watch --once` over {r['clips']} mixed clips, every default model, {r['cores']} workers on {r['cores']} cores, from start to end: "
                 f"{r['busy']:.0%} of {r['seconds']} seconds.", ""]
    if r := results.get("manifest"):
        text += ["## A long manifest", "`ingest --submit-only`; every line names a file that is opened and hashed.", "",
                 "| lines | a second | memory after a tenth | most |", "|---|---|---|---|",
                 f"| {r['lines']:,} | {r['lines_per_s']} | {r['rss_mb_after_a_tenth']} MB | {r['rss_mb_most']} MB |", ""]
    if r := results.get("grown"):
        ratio = lambda k: f"{r[k] / r['raw_publishes_per_s']:.2f}"
        text += ["## The grown queue beside the broker it speaks to", f"{r['jobs']:,} jobs that do nothing, {r['lanes']} lanes, PostgreSQL with fsync, against raw JetStream publishes, each acknowledged before the next, same disk, same run.", "",
                 "| step | a second | of raw publishes |", "|---|---|---|"]
        for key, name in [("raw_publishes_per_s", "raw publish"), ("raw_publishes_by_64_per_s", "raw publish, 64 on their way"),
                          ("submitted_by_64_per_s", "submit, 64 at once"), ("done_by_database_per_s", "lease from PostgreSQL, complete with verdict"),
                          ("done_by_broker_per_s", "told to NATS, taken from it, leased, completed, acknowledged")]:
            text += [f"| {name} | {r[key]:.0f} | {ratio(key)} |"]
        text += [""]
    if r := results.get("workers"):
        text += ["## Two workers against one", f"{r['clips']} recordings of {r['clip_seconds']} s, every default model, one job at a time each, through PostgreSQL and NATS.", "",
                 "| one, clips a second | two | ratio |", "|---|---|---|", f"| {r['one_per_s']:.2f} | {r['two_per_s']:.2f} | {r['ratio']:.2f} |", ""]
    if r := results.get("queue"):
        ratio = lambda k: f"{r[k] / r['raw_inserts_per_s']:.2f}"
        text += ["## The queue beside the disk it writes to", f"{r['jobs']:,} jobs that do nothing, one transaction each step, against raw SQLite inserts of one row each, same mode, same disk, same run.", "",
                 "| step | a second | of raw inserts |", "|---|---|---|", f"| raw insert | {r['raw_inserts_per_s']:.0f} | 1 |"]
        for key, name in [("submitted_per_s", "submit"), ("submitted_by_64_per_s", "submit, 64 at once"), ("leased_and_completed_per_s", "lease, then complete with verdict (two transactions)")]:
            text += [f"| {name} | {r[key]:.0f} | {ratio(key)} |"]
        text += ["", f"## Search over {r['clips']:,} verdicts", "First page of 50; median of nine.", "", "| search | ms | found |", "|---|---|---|"]
        text += [f"| {name.replace('_', ' ')} | {s['ms']:.2f} | {s['found']} |" for name, s in r["search"].items()]
        text += [""]
    return "\n".join(text)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--binary", default=ROOT / "target/release/seamline")
    p.add_argument("--queue-bench", default=ROOT / "target/release/examples/queue_bench")
    p.add_argument("--grown-bench", default=ROOT / "target/release/examples/grown_bench")
    p.add_argument("--profile", default="release build")
    p.add_argument("--only", default="kills,fairness,latency,uploads,malformed,memory,cores,manifest,queue,grown,workers")
    p.add_argument("--jobs", type=int, default=500)
    p.add_argument("--served", type=int, default=100_000)
    p.add_argument("--grown-jobs", type=int, default=5_000)
    p.add_argument("--worker-clips", type=int, default=60)
    p.add_argument("--lines", type=int, default=1_000_000)
    p.add_argument("--clips", type=int, default=1_000_000)
    p.add_argument("--results", default=ROOT / "out/ingest-bench.json", help="kept between runs, so that parts can be run one by one")
    args = p.parse_args()
    os.environ.setdefault("SEAMLINE_HOME", str(ROOT))
    path = Path(args.results)
    results = json.loads(path.read_text()) if path.exists() else {}
    for part in args.only.split(","):
        with tempfile.TemporaryDirectory() as dir:
            place = Place(args.binary, dir)
            results[part] = {
                "kills": lambda: kills(place, args.jobs), "fairness": lambda: fairness(place), "latency": lambda: latency(place),
                "uploads": lambda: uploads(place), "malformed": lambda: malformed(place), "memory": lambda: memory(place, args.served),
                "cores": lambda: cores(place),
                "manifest": lambda: manifest(place, args.lines), "queue": lambda: queue(place, args.queue_bench, 3_000, args.clips),
                "grown": lambda: grown(args.grown_bench, args.grown_jobs, 8), "workers": lambda: workers(place, args.worker_clips),
            }[part]()
        print(part, json.dumps(results[part]), flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(results, indent=1))
    (ROOT / "benches/ingest.md").write_text(table(results, args.profile))


if __name__ == "__main__":
    main()
