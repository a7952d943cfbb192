"""A whole scan beside what it is made of, on clips made by recipe: writes benches/end-to-end.md.

Every figure is the best of several runs in alternation, because machines are noisy, and each claim is a ratio of
figures of one run of this program. `--long` measures a three-hour clip instead (half an hour to an hour), and writes
benches/long-clip.md.
"""
from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
from collections import Counter
from datetime import date
from pathlib import Path

CLIPS = Path("target/bench-clips")
READING = "/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0870.wav"
FFMPEG = ["ffmpeg", "-nostdin", "-loglevel", "error", "-y"]


def clip(seconds: int, release: Path) -> Path:
    """A drawn face, scaled to 720p, over a looped reading."""
    path = CLIPS / f"talking-{seconds}s.mp4"
    if not path.exists():
        CLIPS.mkdir(parents=True, exist_ok=True)
        base, part = CLIPS / "base.mp4", path.with_suffix(".part.mp4")
        frames = subprocess.Popen([release / "examples/draw_face", "250"], stdout=subprocess.PIPE)
        subprocess.run([*FFMPEG, "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "640x480", "-r", "25", "-i", "-",
                        "-vf", "scale=-2:720,pad=1280:720:(ow-iw)/2,noise=alls=6:allf=t", "-c:v", "libx264", "-crf", "23",
                        "-pix_fmt", "yuv420p", base], stdin=frames.stdout, check=True)
        frames.wait()
        subprocess.run([*FFMPEG, "-stream_loop", "-1", "-i", base, "-stream_loop", "-1", "-i", READING,
                        "-t", str(seconds), "-c:v", "copy", "-c:a", "aac", part], check=True)
        part.rename(path)
    return path


class Run:
    """Wall and CPU seconds and the largest peak memory of any process, in MiB: the best seen."""

    def __init__(self) -> None:
        self.wall = self.cpu = self.peak = float("inf")
        self.out = ""

    def take(self, command: list, env: dict | None = None) -> None:
        began = time.monotonic()
        child = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                 env={**os.environ, **(env or {})})
        self.out = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode not in (0, 1):
            raise SystemExit(f"{command[0]} ended with {child.returncode}")
        self.wall, self.cpu = min(self.wall, wall), min(self.cpu, usage.ru_utime + usage.ru_stime)
        self.peak = min(self.peak, usage.ru_maxrss / 1024)


def speech_of(report: Path) -> str:
    """Runs of speech that the scan scored, for the reference, which has no voice activity detection."""
    runs = set()
    for line in report.read_text().splitlines():
        subject = json.loads(line).get("subject", {})
        if subject.get("kind") == "segment":
            runs.add((subject["span"]["start_us"] / 1e6, subject["span"]["end_us"] / 1e6))
    return ",".join(f"{a:.3f}-{b:.3f}" for a, b in sorted(runs))


REPLAY = """
import collections, json, sys, time
import numpy as np, onnxruntime as ort
options = ort.SessionOptions(); options.intra_op_num_threads = options.inter_op_num_threads = 1
total, sessions, random = 0.0, {}, np.random.default_rng(1)
for line in open(sys.argv[1]):
    run = json.loads(line)
    if run["weights"] not in sessions:
        sessions[run["weights"]] = ort.InferenceSession(run["weights"], options, providers=["CPUExecutionProvider"])
    s = sessions[run["weights"]]
    data = random.random(run["shape"], dtype=np.float32)
    began = time.monotonic(); s.run(None, {s.get_inputs()[0].name: data}); total += time.monotonic() - began
print(total)
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", type=Path, default=Path("target/release"))
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--table", type=Path, default=Path("benches/end-to-end.md"))
    a = parser.parse_args()
    if a.long:
        return long_clip(a.target)
    python, binary, cores = a.cache / "bench-venv/bin/python", a.target / "seamline", os.cpu_count()
    minute, still, report = clip(60, a.target), CLIPS / "one-picture.mp4", CLIPS / "report.jsonl"
    subprocess.run([*FFMPEG, "-i", minute, "-frames:v", "1", "-an", "-c:v", "libx264", still], check=True)
    scan_of = lambda path: [binary, "scan", path, "--quiet", "-j", "2", "--out", report]

    shapes = CLIPS / "inferences.jsonl"
    counted = Run()
    counted.take([a.target / "examples/inferences", minute])
    shapes.write_text(counted.out)
    items = Counter()
    for line in counted.out.splitlines():
        items[json.loads(line)["model"]] += json.loads(line)["shape"][0]
    decode, scan, replay, reference, first, started = Run(), Run(), Run(), Run(), Run(), Run()
    onnx = begin = ready = float("inf")
    for _ in range(a.rounds):
        decode.take([*FFMPEG, "-threads", "1", "-i", minute, "-f", "null", "-"])
        scan.take(scan_of(minute))
        speech = speech_of(report)
        replay.take([python, "-c", REPLAY, shapes])
        onnx = min(onnx, float(replay.out))
        reference.take([python, "benches/python_reference.py", minute, a.cache / "models", "models", "--speech", speech,
                        "--threads", str(cores)])
        first.take(scan_of(still))
        started.take([a.target / "examples/first_picture", binary, minute])
        times = json.loads(started.out)
        if times["first_s"] < begin:
            begin, ready = times["first_s"], times["ready_s"]
    did = json.loads(reference.out)
    floor = max(decode.wall, onnx / cores)
    rows = [
        ("`ffmpeg -f null`, one thread", f"{decode.wall:.2f} s wall, {decode.cpu:.2f} s CPU", ""),
        ("raw ONNX Runtime, the same inferences, one thread",
         f"{onnx:.2f} s ({', '.join(f'{n} x {m}' for m, n in sorted(items.items()))})", ""),
        ("floor: max(decode, inference / cores)", f"{floor:.2f} s", ""),
        ("`seamline scan`, fast profile, 2 jobs", f"{scan.wall:.2f} s wall, {scan.cpu:.2f} s CPU, {scan.peak:.0f} MiB", ""),
        ("scan / floor", f"{scan.wall / floor:.2f}", "at most 1.2"),
        ("scan CPU / (decode CPU + inference)", f"{scan.cpu / (decode.cpu + onnx):.2f}", ""),
        ("times faster than real time", f"{60 / scan.wall:.1f}", "at least 8"),
        ("Python reference (PyAV, OpenCV, onnxruntime)",
         f"{reference.wall:.2f} s wall, {reference.cpu:.2f} s CPU, {reference.peak:.0f} MiB "
         f"({did['pictures']} pictures, {did['crops']} crops, {did['windows']} windows)", ""),
        ("reference / scan: wall", f"{reference.wall / scan.wall:.2f}", "at least 2"),
        ("reference / scan: CPU", f"{reference.cpu / scan.cpu:.2f}", ""),
        ("scan / reference: peak memory", f"{scan.peak / reference.peak:.2f}", "at most 0.5"),
        ("start-up to the first decoded picture or sound", f"{begin:.2f} s ({ready:.2f} s of it until the worker is shut in)", "under 0.5 s"),
        ("whole scan of a clip of one picture, start-up and exit included", f"{first.wall:.2f} s", ""),
    ]
    intro = ("a 60 s 720p talking head (drawn face, read speech), best of "
             f"{a.rounds} rounds in alternation. {machine()}")
    write(a.table, "End to end", "make bench", intro, rows)


def machine() -> str:
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
    return f"{cpu}, {os.cpu_count()} cores, {date.today()}."


def write(path: Path, title: str, command: str, intro: str, rows: list[tuple[str, str, str]]) -> None:
    table = "\n".join([f"# {title}", "", f"Generated by `{command}`; {intro}", "", "| what | measured | goal |", "|---|---|---|",
                       *[f"| {x} | {y} | {z} |" for x, y, z in rows], ""])
    path.write_text(table)
    print(table)


def long_clip(release: Path) -> None:
    """Memory does not grow with a clip's length: three hours beside a minute, default models, fast profile."""
    scan_of = lambda path: [release / "seamline", "scan", path, "--quiet", "-j", "2", "--out", CLIPS / "report.jsonl"]
    minute, hours = Run(), Run()
    minute.take(scan_of(clip(60, release)))
    hours.take(scan_of(clip(3 * 3600, release)))
    rows = [("peak memory of any process, 60 s", f"{minute.peak:.0f} MiB", "under 900 MB"),
            ("peak memory of any process, 3 h", f"{hours.peak:.0f} MiB", "under 900 MB"),
            ("3 h / 60 s", f"{hours.peak / minute.peak:.2f}", "at most 1.10"),
            ("CPU seconds a minute of clip, 60 s", f"{minute.cpu:.1f}", ""),
            ("CPU seconds a minute of clip, 3 h", f"{hours.cpu / 180:.1f}", "")]
    intro = f"the talking head of end-to-end.md, looped. {machine()}"
    write(Path("benches/long-clip.md"), "A long clip", "make bench BENCH=--long", intro, rows)


if __name__ == "__main__":
    main()
