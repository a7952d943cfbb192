"""Imagery, stage 4: what is compared on folds, then the head.

A fold holds out whole families of generators and whole bona fide sources; what shares a repository is held out
together. Weights: within faces and within the rest the two classes weigh the same, and in each class a source or
family weighs as the root of its number of pictures, so that neither content nor a large source carries the decision.
Scores out of fold go to oof.json; nothing here sees `use = eval`.
"""
from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
from imagery import FOLDER, PARTS, WORK, read_pictures
from imagery_features import LAYERS, VIEWS, chosen
from sklearn.linear_model import LogisticRegression

FOLDS = 6
C = 1e-3
WIDTH = 768


def group_of(p: dict) -> str:
    return p["family"] if p["label"] == "spoof" else p["source"]


def folds_of(pictures: list[dict]) -> np.ndarray:
    """Fold of each picture: groups joined by a shared repository, dealt out so that both classes spread evenly."""
    parent: dict[str, str] = {}

    def root(k: str) -> str:
        while parent.setdefault(k, k) != k:
            k = parent[k]
        return k

    for p in pictures:
        parent[root("r:" + p["repository"])] = root(p["label"] + ":" + group_of(p))
    keys = [root(p["label"] + ":" + group_of(p)) for p in pictures]
    count: dict[str, np.ndarray] = {}
    for k, p in zip(keys, pictures):
        cell = 2 * (p["label"] == "spoof") + bool(p["face"])
        count.setdefault(k, np.zeros(4))[cell] += 1
    total = sum(count.values()) + 1e-9
    load, fold = np.zeros((FOLDS, 4)), {}
    for k in sorted(count, key=lambda k: (-count[k].sum(), k)):
        cost = [(((load + (np.arange(FOLDS)[:, None] == f) * count[k]) / total) ** 2).sum() for f in range(FOLDS)]
        fold[k] = int(np.argmin(cost))
        load[fold[k]] += count[k]
    return np.array([fold[k] for k in keys])


def weights_of(pictures: list[dict]) -> np.ndarray:
    label = np.array([p["label"] == "spoof" for p in pictures])
    face = np.array([bool(p["face"]) for p in pictures])
    names = [f"{group_of(p)}|{f}" for p, f in zip(pictures, face)]
    number = {n: names.count(n) for n in set(names)}
    w = np.array([number[n] ** -0.5 for n in names])
    for content in (False, True):
        for side in (False, True):
            these = (face == content) & (label == side)
            if these.any():
                w[these] *= ((face == content).mean() / 2) / w[these].sum()
    return w / w.mean()


def auc(bona: np.ndarray, spoof: np.ndarray, wb=None, ws=None) -> float:
    if not len(bona) or not len(spoof):
        return float("nan")
    wb, ws = (np.ones(len(x)) if w is None else w for x, w in ((bona, wb), (spoof, ws)))
    order = np.argsort(bona, kind="stable")
    below = np.concatenate([[0], np.cumsum(wb[order])])
    lo, hi = np.searchsorted(bona[order], spoof, "left"), np.searchsorted(bona[order], spoof, "right")
    return float((ws * (below[lo] + below[hi]) / 2).sum() / (ws.sum() * wb.sum()))


def fit(x: np.ndarray, y: np.ndarray, w: np.ndarray, c: float = C):
    """(weight, bias) with the standardiser folded in. x: [n, d]."""
    mean = np.average(x, 0, w)
    std = np.sqrt(np.average((x - mean) ** 2, 0, w)) + 1e-6
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=c, max_iter=300).fit((x - mean) / std, y, sample_weight=w)
    weight = model.coef_[0] / std
    return weight, float(model.intercept_[0] - weight @ mean)


def out_of_fold(x: np.ndarray, y: np.ndarray, w: np.ndarray, fold: np.ndarray, c: float = C, train_views=None) -> np.ndarray:
    """x: [pictures, views, d], NaN where a view was not computed -> scores [pictures, views]."""
    here = ~np.isnan(x[:, :, 0])
    learn = here.copy()
    if train_views is not None:
        learn[:, [v for v in range(x.shape[1]) if v not in train_views]] = False
    each = w / np.maximum(learn.sum(1), 1)
    score = np.full(here.shape, np.nan)
    for f in range(FOLDS):
        n, v = np.nonzero(learn & (fold != f)[:, None])
        weight, bias = fit(x[n, v], y[n], each[n], c)
        n, v = np.nonzero(here & (fold == f)[:, None])
        score[n, v] = x[n, v] @ weight + bias
    return score


def describe(score: np.ndarray, pictures: list[dict], y: np.ndarray) -> dict:
    """Of one view: AUCs, weighed as in training, over all pictures, those that are no portraits, and portraits; and what
    part of the spoofed ones is over the 99 % point of the bona fide ones of their content, every source weighing the same."""
    face = np.array([bool(p["face"]) for p in pictures])
    w, there = weights_of(pictures), ~np.isnan(score)
    out = {}
    for name, these in (("all", np.ones(len(y), bool)), ("other", ~face), ("face", face)):
        a, b = there & these & (y == 0), there & these & (y == 1)
        out[name] = round(auc(score[a], score[b], w[a], w[b]), 3)
        if a.any() and b.any():
            source = np.array([q["source"] for q in pictures])[a]
            share = np.array([1 / (source == n).sum() for n in source])
            order = np.argsort(score[a])
            total = np.cumsum(share[order])
            at = score[a][order][min(np.searchsorted(total, 0.99 * total[-1]), len(order) - 1)]
            out["recall_" + name] = round(float((score[b] >= at).mean()), 3)
    return out


def read(work: Path) -> tuple[list[dict], np.ndarray]:
    """Pictures that have features, and [pictures, views, layers, 2304], NaN where a view was not computed."""
    faces = json.loads((work / "faces.json").read_text())
    path = lambda v, p: work / "features" / str(v) / (p["name"] + ".npy")
    pictures = [p | {"face": faces[p["name"]][0]} for p in chosen(read_pictures(work)) if path(0, p).is_file()]
    x = np.full((len(pictures), VIEWS, len(LAYERS), len(PARTS) * WIDTH), np.nan, np.float32)
    for i, p in enumerate(pictures):
        for v in range(VIEWS):
            if path(v, p).is_file():
                x[i, v] = np.load(path(v, p))
    return pictures, x


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, default=WORK)
    p.add_argument("--layers", default="6,8,10", help="of the head that is written")
    args = p.parse_args()
    pictures, x = read(args.work)
    y = np.array([int(q["label"] == "spoof") for q in pictures])
    fold, w = folds_of(pictures), weights_of(pictures)
    print(len(y), "pictures,", int(y.sum()), "spoof; faces", sum(bool(q["face"]) for q in pictures), flush=True)
    facts: dict = {"pictures": len(y), "spoof": int(y.sum()), "compared": {}}

    def compare(name: str, data: np.ndarray, c: float = C, train_views=None) -> np.ndarray:
        score = out_of_fold(data, y, w, fold, c, train_views)
        facts["compared"][name] = {f"view {v}": describe(score[:, v], pictures, y) for v in range(score.shape[1])}
        print(name, facts["compared"][name], flush=True)
        return score

    def of(layers: tuple[int, ...], part: slice = slice(None)) -> np.ndarray:
        return np.concatenate([x[:, :, LAYERS.index(f"layer_{n}"), part] for n in layers], 2)

    def title(layers: tuple[int, ...]) -> str:
        return "layers " + ", ".join(map(str, layers)) if len(layers) > 1 else f"layer {layers[0]}"

    used = tuple(int(n) for n in args.layers.split(","))
    oof = compare(title(used), of(used))
    for other in ((6,), (8,), (10,), (6, 8), (8, 10), (6, 8, 10)):
        if other != used:
            compare(title(other), of(other))
    compare(title(used) + ", stored pictures only", of(used), train_views=[0])
    for c in (1e-4, 1e-2):
        compare(f"{title(used)}, C {c:.0e}", of(used), c)
    for i, part in enumerate(PARTS):
        compare(f"{title(used)}, {part} only", of(used, slice(i * WIDTH, (i + 1) * WIDTH)))
    low = args.work / "lowlevel.npz"
    if low.is_file():
        z = np.load(low)
        missing = np.full_like(z[z.files[0]], np.nan)
        extra = np.stack([z[q["name"]] if q["name"] in z.files else missing for q in pictures])
        extra[np.isnan(x[:, :, 0, 0])] = np.nan
        joined = np.concatenate([of(used), extra], 2)
        joined[np.isnan(extra[:, :, 0])] = np.nan
        compare("low level only", extra, 1e-1)
        compare(f"{title(used)} and low level", joined)
    data = of(used)
    n, v = np.nonzero(~np.isnan(data[:, :, 0]))
    weight, bias = fit(data[n, v], y[n], (w / np.bincount(n, minlength=len(w)))[n])
    head = {"layers": list(used), "bias": round(bias, 6), "weights": {
        str(layer): {k: [float(f"{v:.6g}") for v in weight[(3 * m + i) * WIDTH:(3 * m + i + 1) * WIDTH]] for i, k in enumerate(PARTS)}
        for m, layer in enumerate(used)}}
    (FOLDER / "head.json").write_text(json.dumps(head) + "\n")
    (args.work / "oof.json").write_text(json.dumps(
        [{k: q[k] for k in ("id", "name", "label", "family", "generator", "source", "repository", "face", "size")}
         | {"fold": int(fold[i]), "scores": [None if np.isnan(s) else float(s) for s in oof[i]]} for i, q in enumerate(pictures)]))
    (args.work / "train_facts.json").write_text(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
