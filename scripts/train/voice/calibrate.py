"""Stage 4: from out-of-fold clip scores to calibration.json.

Plain and degraded copies both count, so that the numbers hold for telephone and social-media sound.
Equal class weight removes the prior; families count 1/sqrt(size), so no corpus decides alone.
"""
from __future__ import annotations

import json

import numpy as np
from scipy.stats import beta
from sklearn.linear_model import LogisticRegression

import model
from lib import MODEL, WORK, read_table

MIN_SECONDS = 1.5  # shorter speech is not scored at run time
LLR_LIMIT = 3.0  # what this much data can support
FALSE_ALARMS, FALSE_ALARMS_A_SOURCE, SOURCE_SIZE = 0.01, 0.05, 20
ROUNDS = 500


def clopper_pearson(k: int, n: int) -> list[float]:
    """Rate with its 95 % bounds."""
    low = float(beta.ppf(0.025, k, n - k + 1)) if k else 0.0
    high = float(beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
    return [round(k / n, 4), round(low, 4), round(high, 4)]


def family_weights(names: np.ndarray, spoof: np.ndarray) -> np.ndarray:
    chosen, index, counts = np.unique(names, return_inverse=True, return_counts=True)
    out = 1 / np.sqrt(counts[index])
    for c in (False, True):
        out[spoof == c] /= out[spoof == c].sum()
    return out * len(out) / 2


def platt(score: np.ndarray, spoof: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    lr = LogisticRegression(C=1e6, tol=1e-8).fit(score[:, None], spoof, sample_weight=weight)
    return float(lr.coef_[0, 0]), float(lr.intercept_[0])


def threshold(score: np.ndarray, pooled: np.ndarray, source: np.ndarray) -> float:
    """The lowest score whose exceedance respects the pooled and the per-source limit."""

    def limit(values: np.ndarray, rate: float) -> float:
        allowed = int(np.floor(rate * len(values) + 1e-9))
        return float(np.sort(values)[::-1][allowed])  # `allowed` values lie strictly above it

    limits = [limit(score[pooled], FALSE_ALARMS)]
    for s in np.unique(source):
        if np.sum(source == s) >= SOURCE_SIZE:
            limits.append(limit(score[source == s], FALSE_ALARMS_A_SOURCE))
    return max(limits) + 1e-3


def unseen_false_alarms(score: np.ndarray, pooled: np.ndarray, source: np.ndarray) -> list[float]:
    """Rate on pooled sources, each judged with a threshold that was set without it.

    Setting and counting on the same clips would only give back the limit that was asked for.
    """
    alarms = 0
    for s in np.unique(source[pooled]):
        others = source != s
        alarms += int(np.sum(score[~others] >= threshold(score[others], pooled[others], source[others])))
    return clopper_pearson(alarms, int(pooled.sum()))


def ece(p: np.ndarray, spoof: np.ndarray, weight: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error at equal prior."""
    which = np.minimum((p * bins).astype(int), bins - 1)
    total = 0.0
    for b in range(bins):
        m = which == b
        if m.any():
            total += abs(np.average(p[m], weights=weight[m]) - np.average(spoof[m], weights=weight[m])) * weight[m].sum()
    return total / weight.sum()


def main() -> None:
    rows = [r for r in read_table(WORK / "oof.tsv") if float(r["seconds"]) >= MIN_SECONDS]
    twice = rows + rows
    score = np.array([float(r["plain"]) for r in rows] + [float(r["degraded"]) for r in rows])
    spoof = np.array([r["label"] == "spoof" for r in twice])
    names = np.array([model.family(r) for r in twice])
    group = np.array([int(r["group"]) for r in twice])
    fold = np.array([int(r["fold"]) for r in twice])
    source = np.array([r["source"] for r in twice])
    repo = model.is_repository(twice)
    weight = family_weights(names, spoof)
    slope, intercept = platt(score, spoof, weight)

    honest = np.zeros(len(score))  # calibration error measured on groups that calibration did not see
    for f in np.unique(fold):
        a, b = platt(score[fold != f], spoof[fold != f], family_weights(names[fold != f], spoof[fold != f]))
        honest[fold == f] = 1 / (1 + np.exp(-(a * score[fold == f] + b)))

    rng = np.random.default_rng(1)
    members = [np.flatnonzero(group == g) for g in np.unique(group)]
    llrs = []
    while len(llrs) < ROUNDS:
        take = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        if 0 < spoof[take].sum() < len(take):
            a, b = platt(score[take], spoof[take], weight[take])
            llrs.append(np.clip(a * score + b, -LLR_LIMIT, LLR_LIMIT))
    low, high = np.percentile(llrs, [2.5, 97.5], axis=0)
    halfwidth = float(np.percentile((high - low) / 2, 90))

    bona = ~spoof
    at = threshold(score[bona], repo[bona], source[bona])
    at_llr = round(float(slope * at + intercept), 4)
    fires = np.round(slope * score + intercept, 6) >= at_llr
    result = {
        "schema": 1, "kind": "logistic", "model_sha256": "",
        "slope": round(slope, 6), "intercept": round(intercept, 6),
        "score_range": [round(float(v), 3) for v in np.percentile(score, [0.1, 99.9])],
        "llr_range": [-LLR_LIMIT, max(LLR_LIMIT, round(at_llr + 0.5, 2))],
        "llr_halfwidth": round(halfwidth, 3),
        "supports_spoof_at_llr": at_llr,
        "false_alarm_rate_there": unseen_false_alarms(score[bona], repo[bona], source[bona]),
        "supports_bonafide_at_llr": None,
        "fitted_on": "out-of-fold clip scores (source- and generator-disjoint folds) of the training clips of at least "
                     f"{MIN_SECONDS} s, each plain and channel-degraded; threshold on repository bona fide speech",
        "n_bonafide": int(bona.sum() // 2), "n_spoof": int(spoof.sum() // 2),
        "ece": round(ece(honest, spoof, weight), 4),
    }
    MODEL.mkdir(parents=True, exist_ok=True)
    (MODEL / "calibration.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))
    print("recall out of fold at the threshold:", round(float(fires[spoof].mean()), 4))


if __name__ == "__main__":
    main()
