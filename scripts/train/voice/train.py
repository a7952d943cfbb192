"""Stage 3: choose the setting on training folds, write out-of-fold scores and the head.

Only `use = train` clips are read here. The choice is made by the mean of four figures: the macro AUC
within sources that hold both classes and the macro AUC of generators against repository speech, of the
plain and of the degraded copies.
Differences below TIE are noise with this many sources: then fewer layers (cheaper), more data (more
systems) and the recipe's usual setting win.
"""
from __future__ import annotations

import hashlib
import json
import math
import time
from pathlib import Path

import numpy as np

import model
from figures import measure, merit
from lib import MODEL, WORK, write_table
from model import Setting

ALL = (1, 2, 3, 4, 5, 6)
LAYER_SETS = [(1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), (5, 6)]  # cheapest first
TIE = 0.005
PARTS = [16]
# After the layers, one step at a time; the first of each is what the setting before it had.
STEPS = [
    [{}, {"steps": (0,)}, {"steps": (0, 1)}, {"steps": (0, 1, 2)}],
    [{}, {"objective": "layers", "steps": ()}, {"objective": "layers", "layers": ALL, "steps": ()}, {"objective": "lda", "c": 1.0}],
    [{}, {"effects": 3.0}],
    [{}, {"power": 1.0}],
    [{}, {"copies": "plain"}],
    [{}, {"c": 2e-3}, {"c": 4e-3}],
]


def pick(merits: dict):
    """The first entry that is within TIE of the best: entries come in order of preference."""
    best = max(merits.values())
    return next(k for k, v in merits.items() if v >= best - TIE)


def remembered(w: model.Windows, fold: np.ndarray, s: Setting, what: str, keep: np.ndarray | None) -> np.ndarray:
    """Out-of-fold scores, kept on disk under everything they depend on: a run that was cut short goes on."""
    code = Path(model.__file__).read_bytes()
    names = hashlib.sha256(code + repr((s, what, [r["sha256"] for r in w.rows], fold.tolist())).encode()).hexdigest()[:24]
    path = WORK / "attempts" / f"{names}.npy"
    if path.exists():
        return np.load(path)
    score = model.out_of_fold(w, fold, s, keep)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with open(part, "wb") as f:
        np.save(f, score)
    part.replace(path)
    return score


def one_class(w: model.Windows, fold: np.ndarray, layers: tuple[int, ...], axes: int = 64) -> np.ndarray:
    """Distance to bona fide speech alone (Gaussian on its first principal axes): only measured, it is no linear head."""
    score, spoof = np.full(len(w.x), np.nan), w.spoof[w.clip]
    for f in np.unique(fold):
        test = fold[w.clip] == f
        real = ~test & ~spoof
        x = model.select(w, Setting(layers), real)
        mean, scale = model.standardiser(x)
        z = ((x - mean) / scale).astype(np.float32)
        values, vectors = np.linalg.eigh(z.T @ z / len(z))
        basis = vectors[:, -axes:] / np.sqrt(values[-axes:])
        score[test] = np.sum((((model.select(w, Setting(layers), test) - mean) / scale) @ basis) ** 2, axis=1)
    return score


def parts(w: model.Windows) -> list[tuple[str, np.ndarray]]:
    """Clips of a random part of the generators, or of the repositories with bona fide speech; all else is kept."""
    rng, out = np.random.default_rng(3), []
    generator, source = (np.array([r[k] for r in w.rows]) for k in ("generator", "source"))
    real = model.is_repository(w.rows) & ~w.spoof
    for what, names, mine in (("generators", generator, w.spoof), ("repositories with bona fide speech", source, real)):
        order = rng.permutation(np.unique(names[mine]))
        for count in PARTS:
            if count < len(order):
                out.append((f"{count} {what} of {len(order)}", ~mine | np.isin(names, order[:count])))
    return out


def main() -> None:
    start = time.time()
    w = model.load("train")
    group = model.groups(w.rows)
    fold = model.folds(group, w.spoof)
    print(f"train: {len(w.rows)} clips, {len(w.x)} windows, {group.max() + 1} groups")
    source = [r["source"] for r in w.rows]
    package = np.array([s.startswith("package/") for s in source])
    debian = np.array([s.startswith("debian/") for s in source])
    old = np.array([not r["trial_id"].startswith("fetched/") for r in w.rows])
    tried: list[dict] = []
    known: dict[tuple, float] = {}
    scores: dict[tuple, np.ndarray] = {}

    def note(layers, words, what, score, how="mean"):
        m = measure(w, score, how)
        tried.append({"layers": list(layers), "setting": words, "data": what, **{k: round(v, 4) for k, v in m.items()}})
        print(tried[-1], f"{time.time() - start:.0f} s", flush=True)
        return merit(m)

    def attempt(s: Setting, what="all", keep=None) -> float:
        if (s, what) not in known:
            scores[s, what] = remembered(w, fold, s, what, keep)
            known[s, what] = note(s.layers, str(s), what, scores[s, what])
        return known[s, what]

    s = pick({Setting(layers): attempt(Setting(layers)) for layers in LAYER_SETS})
    for step in STEPS:
        s = pick({t: attempt(t) for t in (s._replace(**change) for change in step)})
    # Measured, not chosen: the macro figures do not see the false alarms of a source that is left out.
    what, keep = "all", np.ones(len(w.rows), dtype=bool)
    for name, part in {"no package synthesis": ~package, "no Debian": ~debian, "without the fetched repositories": old}.items():
        attempt(s, name, part)
    note((1,), "one-class (distance to bona fide speech)", "all", one_class(w, fold, (1,)))

    score = scores[s, what]
    chosen = measure(w, score)
    for how in ("max", "min"):
        note(s.layers, f"{s}; {how} over the windows of a clip", what, score, how)
    curves = [{"part": words, **{k: round(v, 4) for k, v in measure(w, remembered(w, fold, s, f"{what}, {words}", keep & part)).items()}}
              for words, part in parts(w)]
    rows = [{**r, "seconds": f"{seconds:.2f}", "group": g, "fold": f, "plain": f"{p:.5f}", "degraded": f"{d:.5f}"}
            for r, seconds, g, f, p, d in zip(w.rows, w.seconds, group, fold, model.clip_scores(w, score),
                                        model.clip_scores(w, score, degraded=True))]
    write_table(WORK / "oof.tsv", rows, list(rows[0]))

    # What fewer layers would cost in merit once the light CNN is added: fuse.py asks.
    cheaper = {layers: remembered(w, fold, s._replace(layers=layers, steps=tuple(k for k in s.steps if k <= max(layers))), what, keep)
               for layers in LAYER_SETS if layers[0] == 1}
    np.savez(WORK / "heads.npz", sha256=np.array([r["sha256"] for r in w.rows]), **{
        "-".join(map(str, layers)): np.stack([model.clip_scores(w, x), model.clip_scores(w, x, degraded=True)])
        for layers, x in cheaper.items()})

    take = keep[w.clip]
    write_head(model.fit(w, take, s), s)
    used = [r for r, k in zip(w.rows, keep) if k]
    families = [{model.family(r) for r in used if r["label"] == label} for label in ("bonafide", "spoof")]
    summary = {"layers": list(s.layers), "steps": list(s.steps), "setting": str(s), "data": what, "clips": len(used), "windows": int(take.sum()),
               "bonafide_sources": len(families[0]), "generators": len(families[1]),
               "bonafide_clips": sum(r["label"] == "bonafide" for r in used), "folds": int(fold.max() + 1),
               "chosen": chosen, "tried": tried, "curves": curves, "seconds": round(time.time() - start)}
    (WORK / "train.json").write_text(json.dumps(summary, indent=1))
    print(json.dumps({k: v for k, v in summary.items() if k != "tried"}))


def write_head(head: model.Linear, s: Setting) -> None:
    """head.json: float32 weights as the shortest decimals that give them back, and the bias."""
    weight = head.weight.astype(np.float32)
    if not all(map(math.isfinite, weight)):
        raise SystemExit("the head is not finite")
    names = [(k, kind) for k in s.layers for kind in ("mean", "std")] + [(k, "step") for k in s.steps]
    text: dict[str, dict] = {}
    for (k, kind), part in zip(names, weight.reshape(len(names), -1)):
        text.setdefault(str(k), {})[kind] = [float(str(v)) for v in part]
    MODEL.mkdir(parents=True, exist_ok=True)
    raw = {"schema": 1, "layers": list(s.layers), "steps": list(s.steps), "bias": float(str(np.float32(head.bias))), "weights": text}
    (MODEL / "head.json").write_text(json.dumps(raw, separators=(",", ":")).replace('"std"', '\n"std"')
                                     .replace('},"', '},\n"') + "\n")


if __name__ == "__main__":
    main()
