"""Stage 2: pooled Whisper features of every window of the training clips (resumable, one file a clip).

Of each clip there are two copies:
  plain  as it is, 3 s windows every 3 s (what run time sees)
  chain  3 s at a random level through low-pass, high-pass, noise and a lossy codec, each by chance,
  or short  the same with a random 1.2 to 2.9 s piece, filled by repetition as run time fills it
"""
from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile
from scipy.signal import butter, sosfilt

from lib import CACHE, FEATURES, LAYERS, RATE, ROOT, WORK, decode, read_table, repeat_to, trim, windows

CLIPS = 5  # of one generator in one source: more of the same system teach little, and cost as much
TRAIN_WINDOWS = 2
CODECS = [("mp3", "libmp3lame", "mp3", (32, 128)), ("aac", "aac", "adts", (32, 128)), ("opus", "libopus", "ogg", (12, 64))]


def random_level(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    peak = 10 ** (rng.uniform(-22, -3) / 20)
    return x * (peak / (np.abs(x).max() + 1e-9))


def codec(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Encode and decode with one lossy codec; the length is kept."""
    name, encoder, container, (low, high) = CODECS[rng.integers(len(CODECS))]
    rate = int(np.exp(rng.uniform(np.log(low), np.log(high))))
    with tempfile.TemporaryDirectory() as d:
        path = Path(d) / f"x.{name}"
        subprocess.run(["ffmpeg", "-v", "error", "-threads", "1", "-f", "f32le", "-ar", str(RATE), "-ac", "1", "-i", "-",
                        "-c:a", encoder, "-b:a", f"{rate}k", "-f", container, str(path)],
                       input=x.astype("<f4").tobytes(), check=True, capture_output=True)
        y = decode(path)
    return np.pad(y, (0, max(0, len(x) - len(y))))[: len(x)]


def chain(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The channel: each step happens with its own chance."""
    if rng.random() < 0.5:
        x = sosfilt(butter(6, rng.uniform(3400, 7000), "low", fs=RATE, output="sos"), x)
    if rng.random() < 0.3:
        x = sosfilt(butter(2, rng.uniform(60, 250), "high", fs=RATE, output="sos"), x)
    if rng.random() < 0.5:
        power = np.mean(x**2) + 1e-12
        x = x + rng.standard_normal(len(x)) * np.sqrt(power * 10 ** (-rng.uniform(15, 45) / 10))
    return codec(x, rng) if rng.random() < 0.4 else x


def degraded(x: np.ndarray, rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """Kind and samples (at most 3 s, not yet filled up) of the copy that went through a channel."""
    if rng.random() < 0.5:
        kind, length = "chain", min(len(x), 48000)
    else:
        kind, length = "short", min(len(x), int(rng.uniform(1.2, 2.9) * RATE))
    start = int(rng.integers(0, len(x) - length + 1))
    piece = np.clip(chain(random_level(x[start : start + length], rng), rng), -1, 1)
    return kind, piece.astype(np.float32)


def copies(x: np.ndarray, rng: np.random.Generator) -> list[tuple[str, np.ndarray]]:
    kind, piece = degraded(x, rng)
    # two windows show what a long clip has to show, at half the time
    return [("plain", windows(x, TRAIN_WINDOWS)), (kind, repeat_to(piece)[None])]


def channel_seed(row: dict[str, str]) -> np.random.Generator:
    """The same degradation of a clip on every run, and in every stage."""
    return np.random.default_rng(int(row["sha256"][:15], 16))


def usable(path: Path) -> np.ndarray | None:
    """The trimmed samples of a clip, or None if it holds too little signal."""
    x = trim(decode(path))
    return None if len(x) < RATE * 0.6 or np.abs(x).max() < 1e-3 else x


def ordered(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Training clips: one of every source and generator first, then a second one and so on, CLIPS of them.

    The number of systems and sources counts, not that of clips, so a run that is cut short is still
    a usable one. Which clips of a source are taken is decided by their hash.
    """
    seen: dict[tuple[str, str], int] = {}
    keyed = []
    for r in sorted((r for r in rows if r["use"] == "train"), key=lambda r: r["sha256"]):
        name = (r["source"], r["generator"])
        seen[name] = seen.get(name, 0) + 1
        # LibriSpeech is one source but 251 speakers
        rank = -(-seen[name] // (5 if r["source"].startswith("resemble-ai/") else 1))
        if rank <= CLIPS:
            keyed.append((rank, r["sha256"], r))
    return [r for _, _, r in sorted(keyed, key=lambda k: k[:2])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--part", default="0/1", help="i/n: only every n-th clip, for parallel runs")
    args = parser.parse_args()
    part, parts = map(int, args.part.split("/"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(WORK / "features.onnx", options, providers=["CPUExecutionProvider"])
    names = [f"layer_{k}" for k in range(1, LAYERS + 1)] + [f"step_{k}" for k in range(LAYERS + 1)]
    FEATURES.mkdir(parents=True, exist_ok=True)
    done = failed = 0
    for i, row in enumerate(ordered(read_table(WORK / "trials.tsv"))):
        dest = FEATURES / (hashlib.sha256(row["trial_id"].encode()).hexdigest()[:24] + ".npz")
        if i % parts != part or dest.exists():
            continue
        path = args.data / row["path"][5:] if row["path"].startswith("data:") else CACHE / row["path"]
        try:
            x = usable(path)
        except (subprocess.CalledProcessError, soundfile.LibsndfileError, ValueError) as e:
            print(f"features: {row['trial_id']}: {e}")
            x = None
        if x is None:
            failed += 1
            continue
        rng = channel_seed(row)
        kinds, blocks = [], []
        for kind, wave in copies(x, rng):
            got = session.run(names, {"wave": wave})
            blocks.append(np.concatenate(got, axis=1))  # [windows, layers * 2 * width + (layers + 1) * width]
            kinds += [kind] * len(wave)
        part_file = dest.with_suffix(f".{os.getpid()}.part")
        with open(part_file, "wb") as f:
            np.savez(f, x=np.concatenate(blocks).astype(np.float32), kind=np.array(kinds), seconds=len(x) / RATE)
        part_file.replace(dest)
        done += 1
    print(f"features: {done} clips written, {failed} without enough signal")


if __name__ == "__main__":
    main()
