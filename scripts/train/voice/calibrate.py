"""Stage 4: from out-of-fold clip scores to calibration.json.

Plain and degraded copies both count, so that the numbers hold for telephone and social-media sound.
Equal class weight removes the prior; every source and every generator weighs the same: pooled clips would let
the large and easy corpora hide what happens to a source that nobody trained on.
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
NOMINAL = (0.01, 0.0075, 0.005, 0.0025, 0.0)  # a limit kept on seen sources is a little more on unseen ones
ROUNDS = 500


def clopper_pearson(k: int, n: int) -> list[float]:
    """Rate with its 95 % bounds."""
    low = float(beta.ppf(0.025, k, n - k + 1)) if k else 0.0
    high = float(beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
    return [round(k / n, 4), round(low, 4), round(high, 4)]


def family_weights(names: np.ndarray, spoof: np.ndarray) -> np.ndarray:
    """Every family of a class (generator, or bona fide source) weighs the same, both classes too; mean 1."""
    _, index, counts = np.unique(names, return_inverse=True, return_counts=True)
    out = 1 / counts[index]
    for c in (False, True):
        out[spoof == c] /= out[spoof == c].sum()
    return out * len(out) / 2


def platt(score: np.ndarray, spoof: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    lr = LogisticRegression(C=1e6, tol=1e-8).fit(score[:, None], spoof, sample_weight=weight)
    return float(lr.coef_[0, 0]), float(lr.intercept_[0])


def limit(values: np.ndarray, rate: float, share: np.ndarray | None = None) -> float:
    """The lowest of the values with at most `rate` of the share strictly above it."""
    order = np.argsort(-values)
    share = np.ones(len(values)) if share is None else share
    above = np.cumsum(share[order]) / share.sum()
    first = int(np.searchsorted(above, rate + 1e-9, side="right"))  # the first that may not fire any more
    return float(values[order][min(first, len(values) - 1)])


def threshold(score: np.ndarray, pooled: np.ndarray, source: np.ndarray, rate: float = FALSE_ALARMS) -> float:
    """The lowest score that respects three limits: sources weighing the same, pooled clips of the diverse
    sources, and each source that is large enough to tell."""
    names, index, counts = np.unique(source, return_inverse=True, return_counts=True)
    limits = [limit(score, rate, 1 / counts[index]), limit(score[pooled], rate)]
    limits += [limit(score[source == s], FALSE_ALARMS_A_SOURCE) for s, n in zip(names, counts) if n >= SOURCE_SIZE]
    return max(limits) + 1e-3


def unseen_alarms(score: np.ndarray, pooled: np.ndarray, source: np.ndarray, rate: float) -> np.ndarray:
    """Which clips fire when each source is judged with a threshold that was set without it.

    Setting and counting on the same clips would only give back the limit that was asked for.
    """
    fires = np.zeros(len(score), dtype=bool)
    for s in np.unique(source):
        others = source != s
        fires[~others] = score[~others] >= threshold(score[others], pooled[others], source[others], rate)
    return fires


def by_source_rate(fires: np.ndarray, source: np.ndarray) -> float:
    """Mean over sources of the share that fires."""
    return float(np.mean([fires[source == s].mean() for s in np.unique(source)]))


def operating_point(score: np.ndarray, pooled: np.ndarray, source: np.ndarray) -> tuple[float, float, np.ndarray]:
    """(nominal rate, threshold, alarms on unseen sources): the largest nominal rate that keeps FALSE_ALARMS unseen."""
    for rate in NOMINAL:
        fires = unseen_alarms(score, pooled, source, rate)
        if fires[pooled].mean() <= FALSE_ALARMS and by_source_rate(fires, source) <= FALSE_ALARMS:
            break
    return rate, threshold(score, pooled, source, rate), fires


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
    rows = [r for r in read_table(WORK / "fused.tsv") if float(r["seconds"]) >= MIN_SECONDS]
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
    nominal, at, alarms = operating_point(score[bona], repo[bona], source[bona])
    at_llr = round(float(slope * at + intercept), 4)
    fires = np.round(slope * score + intercept, 6) >= at_llr
    result = {
        "schema": 1, "kind": "logistic", "model_sha256": "",
        "slope": round(slope, 6), "intercept": round(intercept, 6),
        "score_range": [round(float(v), 3) for v in np.percentile(score, [0.1, 99.9])],
        "llr_range": [-LLR_LIMIT, max(LLR_LIMIT, round(at_llr + 0.5, 2))],
        "llr_halfwidth": round(halfwidth, 3),
        "supports_spoof_at_llr": at_llr,
        "false_alarm_rate_there": clopper_pearson(int(alarms[repo[bona]].sum()), int(repo[bona].sum())),
        "false_alarm_rate_by_source": round(by_source_rate(alarms, source[bona]), 4),
        "nominal_false_alarm_rate": nominal,
        "supports_bonafide_at_llr": None,
        "fitted_on": "out-of-fold clip scores (source- and generator-disjoint folds) of the training clips of at least "
                     f"{MIN_SECONDS} s, each plain and channel-degraded, every source and generator weighing the same; false alarms with "
                     "thresholds set without the source",
        "n_bonafide": int(bona.sum() // 2), "n_spoof": int(spoof.sum() // 2),
        "ece": round(ece(honest, spoof, weight), 4),
    }
    MODEL.mkdir(parents=True, exist_ok=True)
    (MODEL / "calibration.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))
    print("recall out of fold at the threshold:", round(float(fires[spoof].mean()), 4))


if __name__ == "__main__":
    main()
