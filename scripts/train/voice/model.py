"""The trained part: loading features, grouped folds, weights, and the logistic-regression head."""
from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from lib import WORK, read_table


class Windows(NamedTuple):
    """All windows of some clips; `clip` indexes `rows`."""

    rows: list[dict[str, str]]
    seconds: np.ndarray
    x: np.ndarray  # [windows, layers, 2 * width]
    clip: np.ndarray
    degraded: np.ndarray  # True for the chain and short copies

    @property
    def spoof(self) -> np.ndarray:
        return np.array([r["label"] == "spoof" for r in self.rows])


def load(use: str) -> Windows:
    """Every clip of the trial table with that `use` whose features exist."""
    rows, seconds, blocks, clip, degraded = [], [], [], [], []
    for row in read_table(WORK / "trials.tsv"):
        path = WORK / "features" / (hashlib.sha256(row["trial_id"].encode()).hexdigest()[:24] + ".npz")
        if row["use"] != use or not path.exists():
            continue
        with np.load(path, allow_pickle=False) as z:
            blocks.append(z["x"])
            clip += [len(rows)] * len(z["x"])
            degraded += [k != "plain" for k in z["kind"]]
            seconds.append(float(z["seconds"]))
        rows.append(row)
    return Windows(rows, np.array(seconds), np.concatenate(blocks), np.array(clip), np.array(degraded))


def family(row: dict[str, str]) -> str:
    """What a clip counts towards: its generator, or its source if it is bona fide."""
    return "g:" + row["generator"] if row["label"] == "spoof" else "s:" + row["source"]


def groups(rows: list[dict[str, str]]) -> np.ndarray:
    """Group ids that keep a source, and all sources that share a generator, together."""
    parent: dict[str, str] = {}

    def find(a: str) -> str:
        parent.setdefault(a, a)
        while parent[a] != a:
            a = parent[a]
        return a

    for r in rows:
        source = find("s:" + r["source"])
        if r["label"] == "spoof":
            parent[source] = find("g:" + r["generator"])
    names = [find("s:" + r["source"]) for r in rows]
    order = {n: i for i, n in enumerate(sorted(set(names)))}
    return np.array([order[n] for n in names])


def folds(group: np.ndarray, spoof: np.ndarray, count: int = 6) -> np.ndarray:
    """A fold for every clip: largest groups first, each into the fold that is emptiest in its classes."""
    load = np.zeros((count, 2))
    out = np.zeros(len(group), dtype=int)
    sizes = np.array([[np.sum((group == g) & (spoof == c)) for c in (False, True)] for g in range(group.max() + 1)])
    share = sizes / sizes.sum(axis=0)
    for g in np.argsort(-share.sum(axis=1), kind="stable"):
        best = int(np.argmin((load * (share[g] > 0)).sum(axis=1) + 1e-6 * load.sum(axis=1)))
        load[best] += share[g]
        out[group == g] = best
    return out


def weights(w: Windows, take: np.ndarray) -> np.ndarray:
    """1 / sqrt(windows of the family), classes equalised, mean 1, for the windows in `take`."""
    names = np.array([family(r) for r in w.rows])[w.clip]
    chosen, counts = np.unique(names[take], return_counts=True)
    size = dict(zip(chosen, counts))
    out = np.array([1 / np.sqrt(size[n]) if t else 0.0 for n, t in zip(names, take)])
    spoof = w.spoof[w.clip]
    for c in (False, True):
        out[spoof == c] /= out[spoof == c].sum()
    return out[take] * take.sum() / 2


class Linear(NamedTuple):
    """A head with its standardiser folded in."""

    weight: np.ndarray
    bias: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return x @ self.weight + self.bias


def fit(x: np.ndarray, spoof: np.ndarray, weight: np.ndarray, c: float) -> Linear:
    """Standardise, fit the regression, fold the standardiser into it."""
    mean, scale = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64) + 1e-6
    z = ((x - mean) / scale).astype(np.float32)
    lr = LogisticRegression(C=c, max_iter=300, tol=1e-3).fit(z, spoof, sample_weight=weight.astype(np.float32))
    folded = lr.coef_[0].astype(np.float64) / scale
    return Linear(folded, float(lr.intercept_[0] - folded @ mean))


def select(w: Windows, layers: list[int]) -> np.ndarray:
    """[windows, features] of the 1-based layers."""
    return np.concatenate([w.x[:, k - 1] for k in layers], axis=1)


def out_of_fold(w: Windows, fold: np.ndarray, layers: list[int], c: float, keep: np.ndarray | None = None) -> np.ndarray:
    """A score for every window from a head that saw neither its source nor its generator.

    `keep` (by clip) limits what is trained on, to measure what a part of the data is worth.
    """
    x, spoof = select(w, layers), w.spoof[w.clip]
    score = np.full(len(x), np.nan)
    for f in np.unique(fold):
        test = fold[w.clip] == f
        take = ~test if keep is None else ~test & keep[w.clip]
        score[test] = fit(x[take], spoof[take], weights(w, take), c)(x[test])
    return score


def clip_scores(w: Windows, score: np.ndarray, degraded: bool = False) -> np.ndarray:
    """Mean over a clip's windows, of the plain or of the degraded copy."""
    use = w.degraded == degraded
    total = np.bincount(w.clip[use], weights=score[use], minlength=len(w.rows))
    return total / np.maximum(np.bincount(w.clip[use], minlength=len(w.rows)), 1)


def auc(spoof: np.ndarray, score: np.ndarray) -> float:
    return float(roc_auc_score(spoof, score)) if 0 < spoof.sum() < len(spoof) else float("nan")


def by_source(rows: list[dict[str, str]], spoof: np.ndarray, score: np.ndarray) -> dict[str, float]:
    """AUC within each source that has both classes: channel and content cannot help there."""
    source = np.array([r["source"] for r in rows])
    both = [s for s in sorted(set(source)) if 0 < spoof[source == s].sum() < (source == s).sum()]
    return {s: auc(spoof[source == s], score[source == s]) for s in both}


def by_generator(rows: list[dict[str, str]], spoof: np.ndarray, score: np.ndarray, against: np.ndarray) -> dict[str, float]:
    """AUC of each generator against the bona fide clips in `against`."""
    generator = np.array([r["generator"] for r in rows])
    out = {}
    for g in sorted(set(generator[spoof])):
        take = against | (spoof & (generator == g))
        out[g] = auc(spoof[take], score[take])
    return out


def is_repository(rows: list[dict[str, str]]) -> np.ndarray:
    """Clips of the many small repositories: the diverse set that thresholds are set on."""
    return np.array([not r["source"].startswith(("debian/", "package/", "resemble-ai/")) for r in rows])
