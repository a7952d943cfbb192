"""Stage 4b: does speech quality explain what the score gets wrong, and would another calibration hold better on groups it
has not seen? Training clips only, every figure out of fold; only measured, nothing here is shipped.

Usage: conditions.py. Reads fused.tsv (scores of heads that saw neither source nor generator), quality.tsv, and the features
for the distance of a clip to what its head was trained on. Writes models/voice-whisper/conditions.json for the card.
"""
from __future__ import annotations

import json

import numpy as np
from sklearn.linear_model import LogisticRegression

import model
from calibrate import MIN_SECONDS, ece, family_weights, operating_point, platt
from lib import MODEL, WORK, read_table
from quality import VALUES

ROUNDS = 300
FEW = 5  # sources in the evaluation set
AXES, NEAREST = 32, 10


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    ranks = [np.argsort(np.argsort(v)).astype(float) for v in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])


def distances(rows: list[dict], fold: np.ndarray) -> np.ndarray:
    """Mean distance to the nearest training clips of the other folds, on the main axes of layer 1: one number a clip."""
    w = model.load("train")
    at = {r["sha256"]: i for i, r in enumerate(w.rows)}
    index = np.array([at[r["sha256"]] for r in rows])
    first = w.x[:, 0].astype(np.float64)
    clip = np.zeros((len(w.rows), first.shape[1]))
    np.add.at(clip, w.clip[~w.degraded], first[~w.degraded])
    clip = (clip / np.bincount(w.clip[~w.degraded], minlength=len(clip))[:, None])[index]
    out = np.zeros(len(rows))
    for f in np.unique(fold):
        known = clip[fold != f]
        mean, scale = model.standardiser(known)
        z = (known - mean) / scale
        values, vectors = np.linalg.eigh(z.T @ z / len(z))
        basis = vectors[:, -AXES:] / np.sqrt(values[-AXES:])
        a, b = ((clip[fold == f] - mean) / scale) @ basis, z @ basis
        d = np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=2))
        out[fold == f] = np.sort(d, axis=1)[:, :NEAREST].mean(axis=1)
    return out


class Trials:
    """Clips, plain and degraded, with everything a calibration may be conditioned on."""

    def __init__(self) -> None:
        known = {(r["sha256"], r["copy"]): [float(r[v]) for v in VALUES] for r in read_table(WORK / "quality.tsv")}
        rows = [r for r in read_table(WORK / "fused.tsv") if float(r["seconds"]) >= MIN_SECONDS and (r["sha256"], "plain") in known]
        self.rows = rows + rows
        self.copy = np.repeat(["plain", "degraded"], len(rows))
        self.score = np.array([float(r[c]) for r, c in zip(self.rows, self.copy)])
        self.spoof = np.array([r["label"] == "spoof" for r in self.rows])
        self.names = np.array([model.family(r) for r in self.rows])
        self.source = np.array([r["source"] for r in self.rows])
        self.group = np.array([int(r["group"]) for r in self.rows])
        self.fold = np.array([int(r["fold"]) for r in self.rows])
        self.repo = model.is_repository(self.rows)
        self.weight = family_weights(self.names, self.spoof)
        self.value = dict(zip(VALUES, np.array([known[r["sha256"], c] for r, c in zip(self.rows, self.copy)]).T))
        self.value["seconds"] = np.log([float(r["seconds"]) for r in self.rows])
        self.value["distance"] = np.tile(distances(rows, self.fold[: len(rows)]), 2)

    def weights(self, how: str, take: np.ndarray) -> np.ndarray:
        """Of clips: every family of a class the same, or the root of its size, every clip, or every group the same."""
        names, spoof = self.names[take], self.spoof[take]
        if how == "groups":
            names = self.group[take]
        _, index, counts = np.unique(names, return_inverse=True, return_counts=True)
        out = counts[index] ** -{"families": 1.0, "groups": 1.0, "roots": 0.5, "clips": 0.0}[how]
        for c in (False, True):
            out[spoof == c] /= out[spoof == c].sum()
        return out * len(out) / 2

    def out_of_fold(self, fit) -> np.ndarray:
        """LLRs from `fit(take)`, a calibration of the clips in `take` that is then asked for the others."""
        llr = np.zeros(len(self.rows))
        for f in np.unique(self.fold):
            llr[self.fold == f] = fit(self.fold != f)[self.fold == f]
        return llr

    def figures(self, llr: np.ndarray, few: list[np.ndarray]) -> dict[str, float]:
        p = 1 / (1 + np.exp(-llr))
        small = []
        for take in few:
            spoof = self.spoof[take]
            small.append(ece(p[take], spoof, np.where(spoof, 0.5 / spoof.mean(), 0.5 / (1 - spoof.mean()))))
        cost = np.logaddexp(0, np.where(self.spoof, -llr, llr))
        real = ~self.spoof
        _, at, alarms = operating_point(llr[real], self.repo[real], self.source[real])
        return {"ece": ece(p, self.spoof, self.weight), "ece_few_mean": float(np.mean(small)),
                "ece_few_90": float(np.percentile(small, 90)), "cost_bits": float(np.average(cost, weights=self.weight) / np.log(2)),
                "recall": float((llr[self.spoof] >= at).mean()), "alarms": float(alarms[self.repo[real]].mean())}


def few_groups(t: Trials) -> list[np.ndarray]:
    """Clips of FEW random groups, with at least ten plain clips of either class: as few sources as the evaluation set has."""
    rng, ids, out = np.random.default_rng(5), np.unique(t.group), []
    while len(out) < ROUNDS:
        take = np.isin(t.group, rng.choice(ids, FEW, replace=False)) & (t.copy == "plain")
        if min(t.spoof[take].sum(), (~t.spoof[take]).sum()) >= 10:
            out.append(take)
    return out


def calibrations(t: Trials) -> dict[str, np.ndarray]:
    def plain(how):
        def fit(take):
            a, b = platt(t.score[take], t.spoof[take], t.weights(how, take))
            return a * t.score + b
        return fit

    def conditioned(names):
        """Score, condition and their product, standardised on the clips in `take`; mild shrinkage."""
        def fit(take):
            columns = [t.score] + [v for n in names for v in (t.value[n], t.value[n] * t.score)]
            x = np.stack(columns, axis=1)
            mean, scale = model.standardiser(x[take])
            lr = LogisticRegression(C=1.0, tol=1e-6, max_iter=1000).fit(((x - mean) / scale)[take], t.spoof[take],
                                                                       sample_weight=t.weights("families", take))
            return ((x - mean) / scale) @ lr.coef_[0] + lr.intercept_[0]
        return fit

    def shrunk(spread):
        """The LLR with its offset between groups integrated out: `spread` is the deviation of that offset."""
        def fit(take):
            return plain("families")(take) / np.sqrt(1 + np.pi * spread**2 / 8)
        return fit

    def far(strength):
        """LLRs divided by more the further a clip is from what was trained on, beyond the median distance."""
        def fit(take):
            d = t.value["distance"]
            middle = np.median(d[take])
            return plain("families")(take) / (1 + strength * np.maximum(d / middle - 1, 0))
        return fit

    out = {"as shipped: every generator and source the same": plain("families"), "every clip the same": plain("clips"),
           "root of the number of clips": plain("roots"), "every group of sources the same": plain("groups")}
    out |= {f"flatter, as if groups differed by {s:g}": shrunk(s) for s in (1.0, 2.0)}
    out |= {f"flatter with the distance to the training data, strength {s:g}": far(s) for s in (0.5, 1.0)}
    words = {"sig": "DNSMOS, signal", "bak": "DNSMOS, background", "ovr": "DNSMOS, overall", "range": "dynamic range",
             "band": "bandwidth", "peak": "peak level", "seconds": "length", "distance": "distance to the training data"}
    out |= {f"given {w}": conditioned([n]) for n, w in words.items()}
    out["given all of them"] = conditioned(list(words))
    return {k: t.out_of_fold(f) for k, f in out.items()}


def abstaining(t: Trials, llr: np.ndarray) -> list[dict]:
    """What is left if the tenth or the fifth of clips with the lowest (or highest) value is not judged."""
    out, real = [], ~t.spoof
    everything = np.ones(len(llr), dtype=bool)
    cases = [("nothing", everything)]
    for name in ("ovr", "sig", "bak", "range", "band", "distance"):
        for share in (10, 20):
            low, high = np.percentile(t.value[name], [share, 100 - share])
            cases += [(f"{name}, lowest {share} %", t.value[name] >= low)] if name != "distance" else []
            cases += [(f"{name}, highest {share} %", t.value[name] <= high)] if name in ("distance", "ovr") else []
    for what, keep in cases:
        b = real & keep
        _, at, alarms = operating_point(llr[b], t.repo[b], t.source[b])
        p = 1 / (1 + np.exp(-llr[keep]))
        out.append({"left_out": what, "kept_bonafide": float(b.sum() / real.sum()), "auc": model.auc(t.spoof[keep], llr[keep]),
                    "recall_of_kept": float((llr[t.spoof & keep] >= at).mean()),
                    "recall_of_all": float((llr[t.spoof & keep] >= at).sum() / t.spoof.sum()),
                    "alarms": float(alarms[t.repo[b]].mean()), "ece": ece(p, t.spoof[keep], t.weight[keep])})
    return out


def main() -> None:
    t = Trials()
    few = few_groups(t)
    llrs = calibrations(t)
    shipped = next(iter(llrs.values()))
    tables = {"calibrations": [{"what": k, **{n: round(v, 4) for n, v in t.figures(llr, few).items()}} for k, llr in llrs.items()],
              "correlations": [{"what": n, "bonafide": round(rank_correlation(v[~t.spoof], shipped[~t.spoof]), 3),
                                "spoof": round(rank_correlation(v[t.spoof], shipped[t.spoof]), 3),
                                "class_auc": round(model.auc(t.spoof, v), 3)} for n, v in t.value.items()],
              "abstaining": [{k: round(v, 4) if isinstance(v, float) else v for k, v in r.items()} for r in abstaining(t, shipped)],
              "clips": len(t.rows) // 2, "few": FEW}
    (MODEL / "conditions.json").write_text(json.dumps(tables, indent=1) + "\n")
    for k, v in tables.items():
        print(k)
        for line in v if isinstance(v, list) else [v]:
            print("  ", line)


if __name__ == "__main__":
    main()
