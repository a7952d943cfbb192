"""Stage 3: choose the layers on training folds, write out-of-fold scores and the head.

Only `use = train` clips are read here. The choice is made by the mean of two figures: the macro AUC
within sources that hold both classes, and the macro AUC of generators against repository speech.
Differences below TIE are noise with this many sources: then fewer layers (cheaper), more data (more
systems) and the recipe's usual regularisation win.
"""
from __future__ import annotations

import json
import math
import time

import numpy as np

import model
from lib import MODEL, WORK, write_table

LAYER_SETS = [[1], [2], [1, 2], [1, 2, 3], [1, 2, 3, 4], [2, 3, 4], [3, 4]]  # cheapest first
USUAL = 1e-3
STRENGTHS = [3e-4, USUAL, 3e-3]
TIE = 0.01


def measure(w: model.Windows, score: np.ndarray) -> dict[str, float]:
    spoof, clip = w.spoof, model.clip_scores(w, score)
    repo = model.is_repository(w.rows)
    inside = model.by_source(w.rows, spoof, clip)
    real = [r["source"].startswith("package/") for r in w.rows]
    generators = model.by_generator(w.rows, spoof & ~np.array(real), clip, repo & ~spoof)
    return {"pooled_auc": model.auc(spoof, clip), "repository_auc": model.auc(spoof[repo], clip[repo]),
            "source_macro_auc": float(np.mean(list(inside.values()))),
            "generator_macro_auc": float(np.mean(list(generators.values())))}


def merit(m: dict[str, float]) -> float:
    return (m["source_macro_auc"] + m["generator_macro_auc"]) / 2


def pick(merits: dict):
    """The first entry that is within TIE of the best: entries come in order of preference."""
    best = max(merits.values())
    return next(k for k, v in merits.items() if v >= best - TIE)


def main() -> None:
    start = time.time()
    w = model.load("train")
    group = model.groups(w.rows)
    fold = model.folds(group, w.spoof)
    print(f"train: {len(w.rows)} clips, {len(w.x)} windows, {group.max() + 1} groups")
    source = [r["source"] for r in w.rows]
    package = np.array([s.startswith("package/") for s in source])
    debian = np.array([s.startswith("debian/") for s in source])
    everything = np.ones(len(w.rows), dtype=bool)
    tried = []

    def attempt(layers, c, what="all", keep=None):
        m = measure(w, model.out_of_fold(w, fold, layers, c, keep))
        tried.append({"layers": layers, "C": c, "data": what, **{k: round(v, 4) for k, v in m.items()}})
        print(tried[-1], f"{time.time() - start:.0f} s", flush=True)
        return merit(m)

    merits = {tuple(layers): attempt(layers, USUAL) for layers in LAYER_SETS}
    layers = list(pick(merits))
    data = {"all": everything, "no package synthesis": ~package, "no Debian": ~debian, "neither": ~debian & ~package}
    merits = {what: merits[tuple(layers)] if what == "all" else attempt(layers, USUAL, what, keep)
              for what, keep in data.items()}
    what = pick(merits)
    keep = data[what]
    strength = {c: merits[what] if c == USUAL else attempt(layers, c, what, keep) for c in (USUAL, *STRENGTHS)}
    c = pick(strength)

    score = model.out_of_fold(w, fold, layers, c, keep)
    chosen = measure(w, score)
    rows = [{**r, "seconds": f"{s:.2f}", "group": g, "fold": f, "plain": f"{p:.5f}", "degraded": f"{d:.5f}"}
            for r, s, g, f, p, d in zip(w.rows, w.seconds, group, fold, model.clip_scores(w, score),
                                        model.clip_scores(w, score, degraded=True))]
    write_table(WORK / "oof.tsv", rows, list(rows[0]))

    take = keep[w.clip]
    x = model.select(w, layers)
    head = model.fit(x[take], w.spoof[w.clip][take], model.weights(w, take), c)
    write_head(head, layers)
    used = [r for r, k in zip(w.rows, keep) if k]
    families = [{model.family(r) for r in used if r["label"] == label} for label in ("bonafide", "spoof")]
    summary = {"layers": layers, "C": c, "data": what, "clips": len(used), "windows": int(take.sum()),
               "bonafide_sources": len(families[0]), "generators": len(families[1]),
               "bonafide_clips": sum(r["label"] == "bonafide" for r in used), "folds": int(fold.max() + 1),
               "chosen": chosen, "tried": tried, "seconds": round(time.time() - start)}
    (WORK / "train.json").write_text(json.dumps(summary, indent=1))
    print(json.dumps({k: v for k, v in summary.items() if k != "tried"}))


def write_head(head: model.Linear, layers: list[int]) -> None:
    """head.json: float32 weights as the shortest decimals that give them back, and the bias."""
    per_layer = head.weight.astype(np.float32).reshape(len(layers), 2, -1)
    if not all(map(math.isfinite, per_layer.ravel())):
        raise SystemExit("the head is not finite")
    text = {str(k): {"mean": [float(str(v)) for v in part[0]], "std": [float(str(v)) for v in part[1]]}
            for k, part in zip(layers, per_layer)}
    MODEL.mkdir(parents=True, exist_ok=True)
    raw = {"schema": 1, "layers": layers, "bias": float(str(np.float32(head.bias))), "weights": text}
    (MODEL / "head.json").write_text(json.dumps(raw, separators=(",", ":")).replace('"std"', '\n"std"')
                                     .replace('},"', '},\n"') + "\n")


if __name__ == "__main__":
    main()
