"""Whole-process wall time, CPU time and peak memory of a scan, beside `ffmpeg -f null` on the same file.

The machines are noisy: each figure is the best of three, and only ratios within one run mean anything.
"""
from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

CLIPS = Path("target/bench-clips")
READING = "/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0870.wav"
DRAW = "target/release/examples/draw_face"


def clip(seconds: int) -> Path:
    """A drawn face, scaled to 720p, over a looped reading."""
    path = CLIPS / f"talking-{seconds}s.mp4"
    if not path.exists():
        CLIPS.mkdir(parents=True, exist_ok=True)
        base = CLIPS / "base.mp4"
        frames = subprocess.Popen([DRAW, "250"], stdout=subprocess.PIPE)
        subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "640x480",
                        "-r", "25", "-i", "-", "-vf", "scale=-2:720,pad=1280:720:(ow-iw)/2", "-c:v", "libx264", "-crf", "23",
                        "-pix_fmt", "yuv420p", str(base)], stdin=frames.stdout, check=True)
        frames.wait()
        subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-stream_loop", "-1", "-i", str(base), "-stream_loop", "-1",
                        "-i", READING, "-t", str(seconds), "-c:v", "copy", "-c:a", "aac", str(path)], check=True)
    return path


def measure(command: list[str]) -> tuple[float, float, float]:
    """Best of three: wall seconds, CPU seconds, and the largest peak memory of any process in MiB."""
    best = None
    for _ in range(3):
        began = time.monotonic()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode not in (0, 1):
            raise SystemExit(f"{command[0]} ended with {child.returncode}")
        row = (time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
        best = row if best is None else tuple(map(min, best, row))
    return best


def main(binary: str) -> None:
    print("| clip | ffmpeg -f null, s | scan, s | scan / decode | times real time | scan CPU s | peak MiB |")
    print("|---|---|---|---|---|---|---|")
    for seconds in (60, 600):
        path = str(clip(seconds))
        decode = measure(["ffmpeg", "-nostdin", "-loglevel", "error", "-threads", "1", "-i", path, "-f", "null", "-"])
        scan = measure([binary, "scan", path, "--quiet", "-j", "2", "--out", "/dev/null"])
        print(f"| {seconds} s 720p | {decode[0]:.2f} | {scan[0]:.2f} | {scan[0] / decode[0]:.2f} | {seconds / scan[0]:.1f} "
              f"| {scan[1]:.1f} | {scan[2]:.0f} |")


if __name__ == "__main__":
    main(sys.argv[1])
