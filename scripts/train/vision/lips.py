"""Lips and sound of a clip on one clock of 25 ticks a second, for the question whether they belong together.

Of each picture: the largest face (CenterFace when none is followed, afterwards the face mesh's own outline), and of its 468
points the opening of the mouth, its width and the lower lip's distance from the nose, each by the distance of the outer eye
corners, which does not change with speech. Of the sound: levels of 20 mel bands (80 Hz to 7.6 kHz), logarithmic.
One file a clip in <work>/lips: `mouth` [n, 3] (NaN where no face was seen), `sound` [n, 4, 20] (each tick's four parts), `face` [n].
"""
from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

import av
import cv2
import numpy as np
from face_detect import Detector, Face
from imagery import ROOT, WORK
from landmarks import landmarks, mesh_session
from landmarks_index import OVAL
from pictures import table

RATE, TICK, HOP, BANDS = 16_000, 640, 160, 20
LONGEST, AGAIN, RETRY = 75.0, 50, 10   # seconds of a clip; pictures after which a face is looked for anew, or again
av.logging.set_level(av.logging.PANIC)


def mel(wave: np.ndarray) -> np.ndarray:
    """[n, 20] logarithmic levels, one each 10 ms; windows of 25 ms centred on the middle of their hop."""
    n, size = len(wave) // HOP, 400
    wave = np.pad(wave, ((size - HOP) // 2, size))
    frames = np.stack([wave[i * HOP:i * HOP + size] for i in range(n)]) * np.hanning(size)
    power = np.abs(np.fft.rfft(frames, 512)) ** 2
    scale = lambda f: 2595 * np.log10(1 + f / 700)
    edges = 700 * (10 ** (np.linspace(scale(80), scale(7600), BANDS + 2) / 2595) - 1)
    f = np.fft.rfftfreq(512, 1 / RATE)
    rise = (f[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - f[None]) / (edges[2:] - edges[1:-1])[:, None]
    return np.log(power @ np.clip(np.minimum(rise, fall), 0, None).T + 1e-4).astype(np.float32)


def sound(path: Path) -> tuple[np.ndarray, float] | None:
    """16 kHz mono and the time of its first sample."""
    with av.open(str(path)) as box:
        if not box.streams.audio or not box.streams.video:
            return None
        turn, parts, begin = av.AudioResampler("s16", "mono", RATE), [], None
        for frame in box.decode(audio=0):
            begin = frame.time if begin is None else begin
            parts += [f.to_ndarray()[0] for f in turn.resample(frame)]
            if sum(map(len, parts)) > LONGEST * RATE:
                break
    return (np.concatenate(parts).astype(np.float32) / 32768, float(begin or 0)) if parts else None


def mouth_of(p: np.ndarray) -> list[float]:
    unit = np.linalg.norm(p[33] - p[263]) + 1e-6
    gap = np.mean([np.linalg.norm(p[a] - p[b]) for a, b in ((13, 14), (82, 87), (312, 317))])
    return [float(gap / unit), float(np.linalg.norm(p[78] - p[308]) / unit), float(np.linalg.norm(p[17] - p[1]) / unit)]


def clip(path: Path, detect: Detector, mesh) -> dict | None:
    heard = sound(path)
    if heard is None:
        return None
    wave, origin = heard
    ticks = int(min(len(wave), LONGEST * RATE) // TICK)
    mouth, size = np.full((ticks, 3), np.nan, np.float32), np.zeros(ticks, np.float32)
    seen: list[tuple[float, list[float], float]] = []
    face, since = None, RETRY
    with av.open(str(path)) as box:
        box.streams.video[0].codec_context.thread_count = 1
        for frame in box.decode(video=0):
            time = frame.time - origin
            if time > ticks * TICK / RATE:
                break
            since += 1
            if face is None and since < RETRY:
                continue
            rgb = frame.to_ndarray(format="rgb24")
            if face is None or since >= AGAIN:
                found = [f for f in detect(rgb) if f.score > 0.5]
                face, since = (max(found, key=lambda f: f.size) if found else None), 0
            if face is None:
                continue
            points, presence = landmarks(mesh, rgb, face)
            if presence < 0:
                face = None
                continue
            low, high = points[OVAL].min(0), points[OVAL].max(0)
            eyes = {"right_eye": tuple(points[[33, 133]].mean(0)), "left_eye": tuple(points[[263, 362]].mean(0))}
            face = Face(*low, *high, 1.0, eyes)
            seen.append((time, mouth_of(points), face.size))
    if len(seen) < 25:
        return None
    at = np.array([s[0] for s in seen])
    wanted = (np.arange(ticks) + 0.5) * TICK / RATE      # the middle of each tick
    near = np.clip(np.searchsorted(at, wanted), 1, len(at) - 1)
    close = (at[near] - wanted < 0.1) & (wanted - at[near - 1] < 0.1)
    for c in range(3):
        value = np.interp(wanted, at, [s[1][c] for s in seen])
        mouth[close, c] = value[close]
    size[close] = np.interp(wanted, at, [s[2] for s in seen])[close]
    return {"mouth": mouth, "sound": mel(wave[:ticks * TICK]).reshape(ticks, TICK // HOP, BANDS), "face": size}


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, default=WORK)
    p.add_argument("datasets", nargs="*", default=["talking-open"])
    args = p.parse_args()
    cv2.setNumThreads(1)
    detect, mesh = Detector("face-centerface"), mesh_session()
    out = args.work / "lips"
    out.mkdir(parents=True, exist_ok=True)
    for dataset in args.datasets:
        for r in table(ROOT / f"datasets/{dataset}/fetched.tsv"):
            goal = out / (hashlib.sha256(f"{r['repository']}/{r['file']}".encode()).hexdigest()[:16] + ".npz")
            if goal.is_file():
                continue
            path = args.work / "fetched" / dataset / r["repository"].replace("/", "+") / r["file"]
            if path.suffix.lower() == ".gif" or r["label"] != "bonafide":   # no sound; of others it is not known what is in step
                continue
            try:
                found = clip(path, detect, mesh)
            except av.FFmpegError as e:
                print(f"{r['repository']}/{r['file']}: {e}", file=sys.stderr)
                continue
            if found:
                np.savez(goal, dataset=dataset, repository=r["repository"], name=r["file"], label=r["label"], **found)
            print(r["repository"], r["file"], "-" if found is None else f"{np.isfinite(found['mouth'][:, 0]).sum() / 25:.1f} s of a face, {np.median(found['face']):.0f} px", flush=True)


if __name__ == "__main__":
    main()
