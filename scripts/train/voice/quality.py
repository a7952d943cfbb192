"""Stage 3d: speech quality of the training clips and their degraded copies, for conditions.py (resumable).

DNSMOS P.835 (package `speechmos`, MIT: signal, background, overall), the range between loud and quiet frames in dB, the
bandwidth in Hz and how close to full scale the loudest sample is. Written to <cache>/train/voice/quality.tsv. Evaluation
and demonstration clips are not read.
"""
from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

import numpy as np

from lib import RATE, ROOT, WORK, read_table, write_table
from waveforms import WAVES, samples

SPEECHMOS = ("speechmos", "0.0.1.1", "31c4c9d3234f6ee10102edff74333014c50006a3f389daf7ecacae34e68ebbf7")
LENGTH = 144160  # 9.01 s, what the model was made for; shorter speech is repeated
# Its authors' mapping from raw output to opinion scores.
CURVES = {"sig": (-0.08397278, 1.22083953, 0.0052439), "bak": (-0.13166888, 1.60915514, -0.39604546),
          "ovr": (-0.06766283, 1.11546468, 0.04602535)}
VALUES = [*CURVES, "range", "band", "peak"]


def model():
    import onnxruntime
    from common import fetch_wheel

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with zipfile.ZipFile(fetch_wheel(*SPEECHMOS)) as z:
        return onnxruntime.InferenceSession(z.read("speechmos/dnsmos_models/sig_bak_ovr.onnx"), options,
                                            providers=["CPUExecutionProvider"])


def quality(session, x: np.ndarray) -> dict[str, float]:
    raw = session.run(None, {session.get_inputs()[0].name: np.resize(x, LENGTH)[None].astype(np.float32)})[0][0]
    out = {k: float(np.polyval(c, v)) for (k, c), v in zip(CURVES.items(), raw)}
    frames = x[: len(x) // 320 * 320].reshape(-1, 320)
    level = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-9)
    loud, quiet = np.percentile(level, [95, 10])
    spectrum = 10 * np.log10(np.mean(np.abs(np.fft.rfft(frames * np.hanning(320), axis=1)) ** 2, axis=0) + 1e-12)
    top = np.flatnonzero(spectrum > spectrum.max() - 60).max()
    return {**out, "range": float(loud - quiet), "band": float(top * RATE / 320), "peak": float(np.abs(x).max())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    args = parser.parse_args()
    (WAVES / "clips").mkdir(parents=True, exist_ok=True)
    path = WORK / "quality.tsv"
    known = {(r["sha256"], r["copy"]): r for r in (read_table(path) if path.exists() else [])}
    used = {r["trial_id"] for r in read_table(WORK / "oof.tsv")}
    todo = [r for r in read_table(WORK / "trials.tsv") if r["trial_id"] in used]
    rows, session = [], None
    for i, row in enumerate(todo):
        have = [known.get((row["sha256"], copy)) for copy in ("plain", "degraded")]
        session = session or (None if all(have) else model())
        got = None if all(have) else samples(row, args.data)
        if got is not None:
            have = [{"sha256": row["sha256"], "copy": copy,
                     **{k: f"{v:.3f}" for k, v in quality(session, got[copy].astype(np.float32) / 32767).items()}}
                    for copy in ("plain", "degraded")]
        rows += [h for h in have if h]
        if i % 100 == 99:  # what is done so far, and what was known and comes later
            seen = {(r["sha256"], r["copy"]) for r in rows}
            write_table(path, rows + [r for k, r in known.items() if k not in seen], ["sha256", "copy", *VALUES])
    write_table(path, rows, ["sha256", "copy", *VALUES])
    print(f"quality: {len(rows)} pieces")


if __name__ == "__main__":
    main()
