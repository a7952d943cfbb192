"""Stage 2b: the waveforms of the training clips and Whisper's first layers, as networks are trained on them.

Same clips, windows, degraded copies and folds as features.py and train.py, but the samples themselves. Finished clips
are kept, so the stage can be run again. Written to <cache>/train/voice/waves:
  audio.npy    int16, the first six seconds of every clip, each followed by its degraded copy
  clips.json   a row a clip: where its samples are, how many plain windows they make, labels, group, fold
  whisper.npz  convolutions, positions and the first LAYERS layers of Whisper base in float16, and its mel filters
"""
from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import soundfile

import model
from features import TRAIN_WINDOWS, channel_seed, degraded, ordered, usable
from lib import CACHE, ROOT, SAMPLES, WORK, read_table

WAVES = WORK / "waves"
LONGEST = 2 * SAMPLES
LAYERS = 4
KEPT = ("trial_id", "sha256", "label", "attack_family", "generator", "source")


def int16(x: np.ndarray) -> np.ndarray:
    return np.round(np.clip(x, -1, 1) * 32767).astype(np.int16)


def samples(row: dict[str, str], data: Path) -> dict[str, np.ndarray] | None:
    """Both pieces of a clip and its length, from disk if they were computed before."""
    dest = WAVES / "clips" / (hashlib.sha256(row["trial_id"].encode()).hexdigest()[:24] + ".npz")
    if not dest.exists():
        path = data / row["path"][5:] if row["path"].startswith("data:") else CACHE / row["path"]
        try:
            x = usable(path)
        except (subprocess.CalledProcessError, soundfile.LibsndfileError, ValueError) as e:
            print(f"waveforms: {row['trial_id']}: {e}")
            return None
        if x is None:
            return None
        kind, piece = degraded(x, channel_seed(row))
        part = dest.with_suffix(".part")
        with open(part, "wb") as f:
            np.savez(f, plain=int16(x[:LONGEST]), degraded=int16(piece), kind=kind, samples=len(x))
        part.replace(dest)
    with np.load(dest, allow_pickle=False) as z:
        return {k: z[k] for k in z.files}


def whisper() -> None:
    """The encoder up to LAYERS, under its names in the package."""
    import voice_whisper
    from logmel import mel_filters

    weights = voice_whisper.encoder()
    layers = tuple(f"encoder/layer_{i}/" for i in range(LAYERS))
    out = {k: v.astype(np.float16) for k, v in weights.items()
           if k.startswith(("encoder/conv", *layers)) and v.dtype != np.int8 and v.ndim}
    out["positions"] = weights["encoder/position_encodings/encodings"][: SAMPLES // 320].astype(np.float32)
    np.savez(WAVES / "whisper.npz", heads=int(weights["encoder/num_heads"]), mel=mel_filters(), **out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    args = parser.parse_args()
    (WAVES / "clips").mkdir(parents=True, exist_ok=True)
    if not (WAVES / "whisper.npz").exists():
        whisper()
    table = [r for r in read_table(WORK / "trials.tsv") if r["use"] == "train"]
    known = WORK / "oof.tsv"  # what train.py used, where it ran
    wanted = {r["trial_id"] for r in (read_table(known) if known.exists() else ordered(table))}
    rows, parts, at = [], [], 0
    for row in (r for r in table if r["trial_id"] in wanted):  # in the table's order, as model.load has them
        got = samples(row, args.data)
        if got is None:
            continue
        count = max(1, min(TRAIN_WINDOWS, int(got["samples"]) // SAMPLES))
        lengths = [len(got["plain"]), len(got["degraded"])]
        rows.append({**{k: row[k] for k in KEPT}, "start": at, "plain": lengths[0], "degraded": lengths[1],
                     "windows": count, "kind": str(got["kind"]), "seconds": round(int(got["samples"]) / 16000, 2)})
        parts += [got["plain"], got["degraded"]]
        at += sum(lengths)
    spoof = np.array([r["label"] == "spoof" for r in rows])
    group = model.groups(rows)
    for r, g, f in zip(rows, group, model.folds(group, spoof)):
        r.update(group=int(g), fold=int(f))
    np.save(WAVES / "audio.npy", np.concatenate(parts))
    (WAVES / "clips.json").write_text(json.dumps(rows, indent=0))
    print(f"waveforms: {len(rows)} clips, {sum(r['windows'] + 1 for r in rows)} windows, {at / 16000 / 60:.0f} min")


if __name__ == "__main__":
    main()
