"""The trained part: loading features, grouped folds, weights, and the logistic-regression head."""
from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression

from figures import auc, by_generator, by_source, clip_scores, family, is_repository  # noqa: F401  (stages reach them here)
from lib import FEATURES, LAYERS, WORK, read_table


class Windows(NamedTuple):
    """All windows of some clips; `clip` indexes `rows`."""

    rows: list[dict[str, str]]
    seconds: np.ndarray
    x: np.ndarray  # [windows, layers, 2 * width]: means and deviations over time
    clip: np.ndarray
    degraded: np.ndarray  # True for the chain and short copies
    steps: np.ndarray | None = None  # [windows, layers + 1, width]: changes from frame to frame, of the convolutions' output first

    @property
    def spoof(self) -> np.ndarray:
        return np.array([r["label"] == "spoof" for r in self.rows])


def load(use: str) -> Windows:
    """Every clip of the trial table with that `use` whose features exist."""
    rows, seconds, blocks, clip, degraded = [], [], [], [], []
    for row in read_table(WORK / "trials.tsv"):
        path = FEATURES / (hashlib.sha256(row["trial_id"].encode()).hexdigest()[:24] + ".npz")
        if row["use"] != use or not path.exists():
            continue
        with np.load(path, allow_pickle=False) as z:
            blocks.append(z["x"])
            clip += [len(rows)] * len(z["x"])
            degraded += [k != "plain" for k in z["kind"]]
            seconds.append(float(z["seconds"]))
        rows.append(row)
    x = np.concatenate(blocks)
    width = x.shape[1] // (3 * LAYERS + 1)
    pooled, steps = np.split(x, [2 * LAYERS * width], axis=1)
    return Windows(rows, np.array(seconds), pooled.reshape(len(x), LAYERS, 2 * width), np.array(clip), np.array(degraded),
                   steps.reshape(len(x), LAYERS + 1, width))


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


class Setting(NamedTuple):
    """One way to train a head. Every objective ends in one linear head over the pooled layers."""

    layers: tuple[int, ...]
    c: float = 1e-3
    objective: str = "joint"  # joint: one regression; layers: one a layer, averaged; lda: shrunken discriminant
    power: float = 0.5  # a family of n windows weighs n ** -power each
    effects: float = 0.0  # > 0: an indicator a source, so that what tells sources apart need not tell classes apart
    copies: str = "both"  # both: plain and degraded; plain
    steps: tuple[int, ...] = ()  # layers whose change from frame to frame is used too; 0 is the convolutions' output

    def __str__(self) -> str:
        words = [self.objective, f"C = {self.c:g}"]
        words += [f"steps of {list(self.steps)}"] * bool(self.steps)
        words += [f"weight n^-{self.power:g}"] * (self.power != 0.5) + [f"source effects {self.effects:g}"] * (self.effects > 0)
        return ", ".join(words + [f"{self.copies} copies only"] * (self.copies != "both"))


def weights(w: Windows, take: np.ndarray, power: float = 0.5) -> np.ndarray:
    """(windows of the family) ** -power, classes equalised, mean 1, for the windows in `take`."""
    names = np.array([family(r) for r in w.rows])[w.clip[take]]
    _, index, counts = np.unique(names, return_inverse=True, return_counts=True)
    out = counts[index] ** -power
    spoof = w.spoof[w.clip[take]]
    for c in (False, True):
        out[spoof == c] /= out[spoof == c].sum()
    return out * len(out) / 2


class Linear(NamedTuple):
    """A head with its standardiser folded in."""

    weight: np.ndarray
    bias: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return x @ self.weight + self.bias


def standardiser(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64) + 1e-6


def regression(x: np.ndarray, spoof: np.ndarray, weight: np.ndarray, c: float, marks: np.ndarray | None = None) -> Linear:
    """Standardise, fit the regression (with `marks` as nuisance columns, dropped after), fold the standardiser into it."""
    mean, scale = standardiser(x)
    z = ((x - mean) / scale).astype(np.float32)
    columns = z if marks is None else np.concatenate([z, marks], axis=1)
    lr = LogisticRegression(C=c, max_iter=300, tol=3e-3).fit(columns, spoof, sample_weight=weight.astype(np.float32))
    folded = lr.coef_[0][: x.shape[1]].astype(np.float64) / scale
    return Linear(folded, float(lr.intercept_[0] - folded @ mean))


def discriminant(x: np.ndarray, spoof: np.ndarray, weight: np.ndarray, shrink: float) -> Linear:
    """Fisher's discriminant; what varies between bona fide sources is within-class variation and is divided away."""
    mean, scale = standardiser(x)
    z = ((x - mean) / scale).astype(np.float32)
    middle, within = [], np.zeros((z.shape[1],) * 2, dtype=np.float32)
    for c in (False, True):
        share = (weight[spoof == c] / weight[spoof == c].sum()).astype(np.float32)
        middle.append(share @ z[spoof == c])
        centred = (z[spoof == c] - middle[-1]) * np.sqrt(share)[:, None]
        within += centred.T @ centred / 2
    within[np.diag_indices_from(within)] += shrink * np.trace(within) / len(within)
    direction = np.linalg.solve(within, middle[1] - middle[0]).astype(np.float64)
    folded = direction / scale
    return Linear(folded, float(-direction @ (middle[0] + middle[1]) / 2 - folded @ mean))


def fit(w: Windows, take: np.ndarray, s: Setting) -> Linear:
    """A head of that setting from the windows in `take`."""
    if s.copies == "plain":
        take = take & ~w.degraded
    spoof, weight = w.spoof[w.clip[take]], weights(w, take, s.power)
    marks = None
    if s.effects:
        sources = np.array([r["source"] for r in w.rows])[w.clip[take]]
        names, index = np.unique(sources, return_inverse=True)
        marks = (np.eye(len(names), dtype=np.float32) * s.effects)[index]
    if s.objective == "layers":
        heads = []
        for k in s.layers:
            x = w.x[take, k - 1]
            head = regression(x, spoof, weight, s.c, marks)
            spread = head(x).std() * len(s.layers)
            heads.append(Linear(head.weight / spread, head.bias / spread))
        return Linear(np.concatenate([h.weight for h in heads]), sum(h.bias for h in heads))
    x = select(w, s, take)
    return discriminant(x, spoof, weight, s.c) if s.objective == "lda" else regression(x, spoof, weight, s.c, marks)


def select(w: Windows, s: Setting, take: np.ndarray | slice = slice(None)) -> np.ndarray:
    """[windows, features] of the 1-based layers, then of the steps."""
    return np.concatenate([w.x[take, k - 1] for k in s.layers] + [w.steps[take, k] for k in s.steps], axis=1)


def out_of_fold(w: Windows, fold: np.ndarray, s: Setting, keep: np.ndarray | None = None) -> np.ndarray:
    """A score for every window from a head that saw neither its source nor its generator.

    `keep` (by clip) limits what is trained on, to measure what a part of the data is worth.
    """
    score = np.full(len(w.x), np.nan)
    for f in np.unique(fold):
        test = fold[w.clip] == f
        take = ~test if keep is None else ~test & keep[w.clip]
        score[test] = fit(w, take, s)(select(w, s, test))
    return score
