"""Shared by the training stages: where things are, the trial table, decoding and windows."""
from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

from tables import CACHE, ROOT, WORK, read_table, write_table  # noqa: F401  (stages import them from here)

# Appended, not put first: a materialiser must never hide a package of the same name.
sys.path.append(str(ROOT / "scripts" / "materialise"))
MODEL = ROOT / "models" / "voice-whisper"
RATE = 16000
SAMPLES = 48000
LAYERS = 6  # of Whisper base's encoder, all of them: which are used is chosen in train.py
FEATURES = WORK / f"features-{LAYERS}-steps"
COLUMNS = ["trial_id", "path", "sha256", "label", "attack_family", "generator", "source", "use", "licence"]


def decode(path: Path) -> np.ndarray:
    """An audio file as 16 kHz mono float32; ffmpeg only for what libsndfile does not read."""
    if path.suffix in (".flac", ".wav", ".ogg"):
        try:
            x, rate = soundfile.read(path, dtype="float32", always_2d=True)
            x = x.mean(axis=1)
            common = math.gcd(rate, RATE)
            return x if rate == RATE else resample_poly(x, RATE // common, rate // common).astype(np.float32)
        except soundfile.LibsndfileError:  # rare kinds of wave file
            pass
    form = ["-f", "g722"] if path.suffix == ".g722" else []
    run = subprocess.run(["ffmpeg", "-v", "error", "-threads", "1", *form, "-i", str(path), "-ac", "1",
                          "-ar", str(RATE), "-f", "f32le", "-"], check=True, capture_output=True)
    return np.frombuffer(run.stdout, dtype="<f4").copy()


def trim(x: np.ndarray, db: float = -35.0, keep: float = 0.1) -> np.ndarray:
    """Cut the edges that stay `db` below the loudest 20 ms, keeping `keep` seconds of them."""
    hop = RATE // 50
    n = len(x) // hop
    if n < 2:
        return x
    level = np.sqrt(np.mean(x[: n * hop].reshape(n, hop) ** 2, axis=1) + 1e-12)
    loud = np.flatnonzero(level > level.max() * 10 ** (db / 20))
    pad = int(keep * RATE)
    return x[max(0, loud[0] * hop - pad) : min(len(x), (loud[-1] + 1) * hop + pad)]


def repeat_to(x: np.ndarray, samples: int = SAMPLES) -> np.ndarray:
    """Fill a short window by repetition, as the manifest's `pad = "repeat"` does."""
    return np.resize(x, samples) if len(x) < samples else x[:samples]


def windows(x: np.ndarray, most: int = 4) -> np.ndarray:
    """[k, 48000]: 3 s windows every 3 s as at run time; a clip under 3 s is one repeated window."""
    count = max(1, min(most, len(x) // SAMPLES))
    return np.stack([repeat_to(x[i * SAMPLES :]) for i in range(count)]).astype(np.float32)
