"""Stage 4c: what fewer layers of Whisper cost in merit and save in time, the light CNN beside them. Training folds only.

Reads heads.npz of train.py and the CNN's out-of-fold scores (models/voice-whisper/lcnn.tsv). Time is that of one thread on
the graph the product would run, the variants by turns, the best of ROUNDS. Writes models/voice-whisper/cost.json.
"""
from __future__ import annotations

import json
import time

import numpy as np

from fuse import View
from lib import MODEL, SAMPLES, WORK, read_table

ROUNDS = 15


def merits() -> list[dict]:
    network = {r["clip"]: r for r in read_table(MODEL / "lcnn.tsv")}
    known = {r["sha256"]: r for r in read_table(WORK / "oof.tsv")}
    with np.load(WORK / "heads.npz", allow_pickle=False) as z:
        names, heads = list(z["sha256"]), {k: z[k] for k in z.files if k != "sha256"}
    keep = [i for i, n in enumerate(names) if n[:16] in network]
    view = View([known[names[i]] for i in keep])
    other = np.array([[float(network[names[i][:16]][c]) for i in keep] for c in ("plain", "degraded")]).ravel()
    out = []
    for layers, score in heads.items():
        mine = score[:, keep].ravel()
        m = {share: view.merit((1 - share) * mine / mine.std() + share * other / other.std()) for share in (0.25, 0.5, 0.75)}
        out.append({"layers": [int(k) for k in layers.split("-")], "alone": view.merit(mine), "with_network": max(m.values()),
                    "share": max(m, key=m.get), "clips": len(keep)})
    return out


def times(counts: list[int], steps: list[int]) -> dict[tuple[int, bool], float]:
    """(layers, whether the light CNN is there) -> milliseconds of one thread for a second of audio."""
    import onnxruntime
    import voice_whisper
    from whisper_graph import Head, build

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    weights, fusion, sessions = voice_whisper.encoder(), voice_whisper.read_fusion(MODEL), {}
    for count in counts:
        for with_network in (False, True):
            changes = [k for k in steps if k <= count]
            weight = np.zeros(count * 1024 + len(changes) * 512, dtype=np.float32)
            head = Head(list(range(1, count + 1)), weight, 0.0, changes)
            model = build(weights, head=head, fusion=fusion if with_network else None)
            sessions[count, with_network] = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                                                         providers=["CPUExecutionProvider"])
    wave = {"wave": np.random.default_rng(0).standard_normal((1, SAMPLES)).astype(np.float32) * 0.1}
    best = dict.fromkeys(sessions, float("inf"))
    for _ in range(ROUNDS):
        for key, session in sessions.items():
            start = time.process_time()
            session.run(None, wave)
            best[key] = min(best[key], (time.process_time() - start) / 3 * 1000)
    return best


def main() -> None:
    rows = merits()
    took = times([len(r["layers"]) for r in rows], json.loads((MODEL / "head.json").read_text()).get("steps", []))
    for r in rows:
        r.update({k: round(r[k], 4) for k in ("alone", "with_network")},
                 ms_alone=round(took[len(r["layers"]), False], 1), ms_with_network=round(took[len(r["layers"]), True], 1))
    (MODEL / "cost.json").write_text(json.dumps(rows, indent=1) + "\n")
    for r in rows:
        print(r)


if __name__ == "__main__":
    main()
