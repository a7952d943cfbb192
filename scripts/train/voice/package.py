"""Stage 5: build the ONNX file from the new head, pin its hash, write golden values and the data list.

The manifest is edited in place: only its sha256 line changes.
"""
from __future__ import annotations

import json
import math
import re
import subprocess
import sys

import numpy as np

from lib import CACHE, COLUMNS, MODEL, ROOT, SAMPLES, WORK, read_table, write_table

ONNX = CACHE / "models" / "voice-whisper.onnx"
DATASET = ROOT / "datasets" / "voice-open"


def sweep(i: int) -> float:
    t = i / 16000
    return 0.5 * math.sin(2 * math.pi * (100 * t + 300 * t * t))


def harmonics(i: int) -> float:
    t = i / 16000
    voice = sum(math.sin(2 * math.pi * 120 * k * t) / k for k in range(1, 21))
    return 0.2 * voice * (0.5 + 0.5 * math.sin(2 * math.pi * 3 * t))


def noise(count: int) -> list[float]:
    out, s = [], 1
    for _ in range(count):
        s = (s * 1664525 + 1013904223) % 2**32
        out.append(0.1 * ((s >> 8) / 2**23 - 1))
    return out


def waves() -> dict[str, tuple[str, np.ndarray]]:
    """Name -> (recipe in words, samples); all arithmetic in f64, rounded once to f32."""
    n = SAMPLES
    short = [harmonics(i) for i in range(32000)]
    return {
        "sine-sweep": ("x[i] = 0.5*sin(2*pi*(100*t + 300*t*t)), t = i/16000, 48000 samples", [sweep(i) for i in range(n)]),
        "harmonics": ("x[i] = 0.2 * sum(k=1..20, sin(2*pi*120*k*t)/k) * (0.5 + 0.5*sin(2*pi*3*t)), t = i/16000, "
                      "48000 samples", [harmonics(i) for i in range(n)]),
        "lcg-noise": ("s = 1 at first; for each sample s = (s*1664525 + 1013904223) mod 2^32, then "
                      "x = 0.1*((s >> 8)/2^23 - 1), 48000 samples", noise(n)),
        "silence": ("48000 zeros", [0.0] * n),
        "harmonics-short": ("the first 32000 samples of `harmonics`, repeated to 48000 (pad = repeat)",
                            (short + short)[:n]),
    }


def golden() -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(ONNX, options, providers=["CPUExecutionProvider"])
    calibration = json.loads((MODEL / "calibration.json").read_text())
    cases = []
    for name, (recipe, x) in waves().items():
        logit = float(session.run(["logit"], {"wave": np.array(x, dtype=np.float64).astype(np.float32)[None]})[0][0])
        cases.append({"name": name, "fixture": recipe, "stage": "raw", "values": [round(logit, 6)], "tolerance": 1e-3,
                      "why": "the whole graph, from waveform to logit"})
        low, high = calibration["score_range"]
        if low <= logit <= high:
            llr = calibration["slope"] * logit + calibration["intercept"]
            bottom, top = calibration["llr_range"]
            cases.append({"name": name + "-llr", "fixture": recipe, "stage": "llr", "tolerance": 1e-3,
                          "values": [round(min(max(llr, bottom), top), 6)], "why": "calibration of a one-window clip"})
    lines = ",\n".join("  " + json.dumps(c) for c in cases)
    (MODEL / "golden.json").write_text('{ "cases": [\n' + lines + "\n] }\n")


def dataset() -> None:
    """What was trained on: hashes and labels, never media."""
    used = json.loads((WORK / "train.json").read_text())["data"]
    drop = {"all": (), "no Debian": ("debian/",), "no package synthesis": ("package/",),
            "neither": ("debian/", "package/")}[used] or ("\0",)
    rows = [r for r in read_table(WORK / "oof.tsv") if not r["source"].startswith(drop)]
    columns = [c for c in COLUMNS if c not in ("path", "use")]
    write_table(DATASET / "protocol.tsv", sorted(rows, key=lambda r: r["trial_id"]), columns)


def main() -> None:
    subprocess.run([sys.executable, str(ROOT / "scripts" / "materialise" / "voice_whisper.py"), "--unpinned"], check=True)
    from common import sha256

    want = sha256(ONNX)
    manifest = (MODEL / "manifest.toml").read_text()
    manifest = re.sub(r'^sha256 = "[0-9a-f]*"', f'sha256 = "{want}"', manifest, count=1, flags=re.M)
    (MODEL / "manifest.toml").write_text(manifest)
    calibration = json.loads((MODEL / "calibration.json").read_text())
    calibration["model_sha256"] = want
    (MODEL / "calibration.json").write_text(json.dumps(calibration, indent=2) + "\n")
    golden()
    dataset()


if __name__ == "__main__":
    main()
