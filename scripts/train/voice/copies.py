"""Stage 2c: copies of the bona fide training clips through two vocoders, as more spoofed speech to train networks on.

Usage: copies.py [--waves DIR] [--jobs N] [--seconds N]. Of every bona fide clip in <waves>/clips.json:
  world    analysed and spoken again by WORLD, most of them at another pitch and with other formants, as much old voice
           conversion does
  griffin  its 80 mel bands alone, the phase found again by Griffin-Lim, with few or many rounds
Content, speaker and channel stay, so what differs is the vocoder. No copy is ever judged: they are in no figure, and a
copy belongs to the fold of its clip. Written to <waves>: copies.npy (int16) and copies.json (a row a copy).
"""
from __future__ import annotations

import argparse
import json
import time
from multiprocessing import Pool
from pathlib import Path

import numpy as np

RATE, SIZE, HOP, BANDS = 16000, 1024, 256, 80


def mel_bands() -> np.ndarray:
    """[80, 513] triangles, equal on the mel scale, up to 8 kHz, of unit area."""
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), BANDS + 2) / 2595) - 1)
    k = np.arange(SIZE // 2 + 1)[None] * RATE / SIZE
    low, mid, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return np.minimum((k - low) / (mid - low), (high - k) / (high - mid)).clip(0) * 2 / (high - low)


def stft(x: np.ndarray) -> np.ndarray:
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(x, SIZE // 2, mode="reflect"), SIZE)[::HOP]
    return np.fft.rfft(frames * np.hanning(SIZE + 1)[:-1], axis=1)


def istft(s: np.ndarray, length: int) -> np.ndarray:
    window = np.hanning(SIZE + 1)[:-1]
    frames = np.fft.irfft(s, SIZE, axis=1) * window
    out, weight = np.zeros((2, HOP * len(s) + SIZE))
    for i, f in enumerate(frames):
        out[i * HOP : i * HOP + SIZE] += f
        weight[i * HOP : i * HOP + SIZE] += window**2
    return (out / weight.clip(1e-3))[SIZE // 2 : SIZE // 2 + length]


def griffin(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    bands = mel_bands()
    mel = np.abs(stft(x)) @ bands.T
    size = (mel @ np.linalg.pinv(bands).T).clip(1e-5)
    rounds, keep = int(np.exp(rng.uniform(np.log(4), np.log(60)))), rng.choice([0.0, 0.99])
    s = size * np.exp(2j * np.pi * rng.random(size.shape))
    before = np.zeros_like(s)
    for _ in range(rounds):
        now = stft(istft(s, len(x)))[: len(size)]
        ahead = now + keep * (now - before)
        s, before = size * ahead / np.abs(ahead).clip(1e-8), now
    return istft(s, len(x))


def world(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    import pyworld

    x = x.astype(np.float64)
    rough, t = pyworld.dio(x, RATE, f0_floor=60.0, f0_ceil=600.0)
    pitch = pyworld.stonemask(x, rough, t, RATE)
    envelope, noise = pyworld.cheaptrick(x, pitch, t, RATE), pyworld.d4c(x, pitch, t, RATE)
    if rng.random() < 0.7:
        pitch = pitch * np.exp(rng.uniform(-0.35, 0.35))
    if rng.random() < 0.6:
        at = np.arange(envelope.shape[1])
        warped = at / rng.uniform(0.85, 1.18)
        envelope = np.exp([np.interp(warped, at, e) for e in np.log(envelope)])
    return pyworld.synthesize(pitch, np.ascontiguousarray(envelope), noise, RATE)


KINDS = {"world": world, "griffin": griffin}


def copy(job: tuple[int, str, str, np.ndarray]) -> tuple[int, str, np.ndarray]:
    """As loud and as long as the clip; the same on every run."""
    i, sha256, kind, samples = job
    x = samples.astype(np.float32) / 32767
    y = KINDS[kind](x, np.random.default_rng([int(sha256[:8], 16), len(kind)]))
    y = np.pad(y, (0, max(0, len(x) - len(y))))[: len(x)]
    y = y * (np.sqrt(np.mean(x**2)) / (np.sqrt(np.mean(y**2)) + 1e-9))
    return i, kind, np.round(np.clip(y, -1, 1) * 32767).astype(np.int16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waves", type=Path, default=Path(__file__).resolve().parent / "../../../.cache/train/voice/waves")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1e9)
    args = parser.parse_args()
    end = time.time() + args.seconds
    rows = json.loads((args.waves / "clips.json").read_text())
    audio = np.load(args.waves / "audio.npy", mmap_mode="r")
    wanted = [(i, r["sha256"], kind, audio[r["start"] : r["start"] + r["plain"]])
              for i, r in enumerate(rows) if r["label"] == "bonafide" for kind in KINDS]
    copies = {}
    with Pool(args.jobs) as pool:  # what is not done in time is dropped with the pool
        for i, kind, y in pool.imap_unordered(copy, wanted):
            copies[i, kind] = y
            if time.time() > end:
                break
    made, parts, at = [], [], 0
    for (i, kind), y in sorted(copies.items()):
        made.append({"clip": i, "kind": kind, "start": at, "size": len(y)})
        parts.append(y)
        at += len(y)
    np.save(args.waves / "copies.npy", np.concatenate(parts))
    (args.waves / "copies.json").write_text(json.dumps(made))
    print(f"copies: {len(made)} of {len(wanted)}, {at / RATE / 60:.0f} min")


if __name__ == "__main__":
    main()
