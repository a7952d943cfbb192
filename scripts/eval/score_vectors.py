"""Reference values for the metrics: seeded score vectors, measured with scikit-learn, SciPy, and plain
transcriptions of the formulas (ASVspoof 5 evaluation plan for the detection costs and Cllr).

    pip install -r scripts/eval/requirements.txt
    python scripts/eval/score_vectors.py crates/seamline-eval/tests/vectors/metrics.json

Scores support spoof the more the higher they are; label 1 is spoof.
"""
import json
import sys

import numpy as np
from scipy.stats import beta
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score, roc_curve

SPOOF_PRIOR, C_MISS, C_FA = 0.05, 1.0, 10.0  # ASVspoof 5 evaluation plan, table 3
BINS = 15


def thresholds(y, s, w):
    """False-alarm and miss rates when `score >= t` is called spoof, t over every distinct score and infinity."""
    bona, spoof = w[y == 0].sum(), w[y == 1].sum()
    far, miss = [0.0], [1.0]
    for t in np.unique(s[w > 0])[::-1]:
        far.append(w[(y == 0) & (s >= t)].sum() / bona)
        miss.append(w[(y == 1) & (s < t)].sum() / spoof)
    return np.array(far), np.array(miss)


def eer_on_lines(y, s, w):
    far, tpr, _ = roc_curve(y, s, sample_weight=w, drop_intermediate=False)
    miss = 1 - tpr
    k = int(np.argmax(far >= miss))
    d0, d1 = miss[k - 1] - far[k - 1], miss[k] - far[k]
    return far[k - 1] + d0 / (d0 - d1) * (far[k] - far[k - 1])


def eer_nearest(y, s, w):
    far, miss = thresholds(y, s, w)
    gap = np.round(np.abs(far - miss), 12)  # equal fractions must compare equal
    k = int(np.argmin(gap))
    return (far[k] + miss[k]) / 2


def normalised(p_miss, p_fa):
    return (C_MISS * (1 - SPOOF_PRIOR) * p_miss + C_FA * SPOOF_PRIOR * p_fa) / min(
        C_MISS * (1 - SPOOF_PRIOR), C_FA * SPOOF_PRIOR)


def min_dcf(y, s, w):
    far, miss = thresholds(y, s, w)
    # ASVspoof's "miss" is bona fide rejected (our false alarm); its "false alarm" is spoof accepted (our miss).
    return normalised(far, miss).min()


def act_dcf(y, s, w):
    # The package scores bona fide high: with b = -s, accept when b >= -ln(beta).
    b = -s
    t = -np.log(C_MISS * (1 - SPOOF_PRIOR) / (C_FA * SPOOF_PRIOR))
    p_miss = w[(y == 0) & (b < t)].sum() / w[y == 0].sum()
    p_fa = w[(y == 1) & (b >= t)].sum() / w[y == 1].sum()
    return normalised(p_miss, p_fa)


def cllr_of(bonafide_llr, spoof_llr, wb, ws):
    """LLRs that support bona fide, as the evaluation plan has them."""
    return 0.5 * (np.average(np.logaddexp(0, -bonafide_llr) / np.log(2), weights=wb)
                  + np.average(np.logaddexp(0, spoof_llr) / np.log(2), weights=ws))


def cllr(y, s, w):
    return cllr_of(-s[y == 0], -s[y == 1], w[y == 0], w[y == 1])


def min_cllr(y, s, w):
    keep = w > 0
    y, s, w = y[keep], s[keep], w[keep]
    p = IsotonicRegression(y_min=0, y_max=1).fit(s, y, sample_weight=w).predict(s)
    prior = w[y == 1].sum() / w[y == 0].sum()
    with np.errstate(divide="ignore"):
        llr = np.log(p) - np.log1p(-p) - np.log(prior)
    return cllr_of(-llr[y == 0], -llr[y == 1], w[y == 0], w[y == 1])


def probability(s, prior):
    return 1 / (1 + np.exp(-(s + np.log(prior / (1 - prior)))))


def to_prior(y, w, prior):
    return np.where(y == 1, w * prior / w[y == 1].sum(), w * (1 - prior) / w[y == 0].sum())


def ece(y, s, w, prior):
    p, v = probability(s, prior), to_prior(y, w, prior)
    index = np.minimum((p * BINS).astype(int), BINS - 1)
    total = 0.0
    for b in range(BINS):
        m = (index == b) & (w > 0)
        if m.any():
            total += v[m].sum() * abs(np.average(y[m], weights=v[m]) - np.average(p[m], weights=v[m]))
    return total


def brier(y, s, w, prior):
    return brier_score_loss(y, probability(s, prior), sample_weight=to_prior(y, w, prior))


def aurc(y, s, w, threshold):
    """Mean risk of the k most confident; within equal confidence, the mean over every order."""
    y, s = np.repeat(y, w.astype(int)), np.repeat(s, w.astype(int))
    confidence, wrong = np.abs(s - threshold), ((s >= threshold).astype(int) != y).astype(float)
    risks, before = [], 0.0
    for c in np.unique(confidence)[::-1]:
        group = confidence == c
        share = wrong[group].mean()
        for i in range(1, group.sum() + 1):
            risks.append((before + i * share) / (len(risks) + 1))
        before += wrong[group].sum()
    return float(np.mean(risks))


def case(name, y, s, w=None):
    y, s = np.asarray(y), np.asarray(s, float)
    w1 = np.ones(len(y)) if w is None else np.asarray(w, float)
    called = s >= 0
    expect = {
        "auc": roc_auc_score(y, s, sample_weight=w1),
        "average_precision": average_precision_score(y, s, sample_weight=w1),
        "eer": eer_on_lines(y, s, w1),
        "eer_nearest": eer_nearest(y, s, w1),
        "min_dcf": min_dcf(y, s, w1),
        "act_dcf": act_dcf(y, s, w1),
        "cllr": cllr(y, s, w1),
        "min_cllr": min_cllr(y, s, w1),
        "ece": ece(y, s, w1, 0.5),
        "ece_prior_0.1": ece(y, s, w1, 0.1),
        "brier": brier(y, s, w1, 0.5),
        "brier_prior_0.1": brier(y, s, w1, 0.1),
        "accuracy_at_0": float(np.average(called == (y == 1), weights=w1)),
        "aurc_at_0": aurc(y, s, w1, 0.0),
        "aurc_at_0.5": aurc(y, s, w1, 0.5),
    }
    return {"name": name, "scores": s.tolist(), "labels": y.tolist(), "counts": w,
            "expect": {k: float(v) for k, v in expect.items()}}


def overlap(a, b):
    inter = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    union = (a[1] - a[0]) + (b[1] - b[0]) - inter
    return inter / union if union > 0 else 0.0


def ap_at(clips, at_least):
    """Distinct scores only: one proposal, one point."""
    everything = sorted(((p[2], c, p) for c, clip in enumerate(clips) for p in clip["proposals"]), reverse=True)
    truths = sum(len(c["truth"]) for c in clips)
    free, hits, points = [set(range(len(c["truth"]))) for c in clips], 0, []
    for seen, (_, c, p) in enumerate(everything, 1):
        best = max(((overlap(p, clips[c]["truth"][t]), t) for t in free[c]), default=(0.0, -1))
        if best[0] >= at_least:
            free[c].remove(best[1])
            hits += 1
        points.append((hits / truths, hits / seen))
    recall = np.array([0.0] + [r for r, _ in points])
    precision = np.array([p for _, p in points])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(((recall[1:] - recall[:-1]) * envelope).sum())


def ar_at(clips, n):
    truths = sum(len(c["truth"]) for c in clips)
    shares = []
    for step in range(10):
        found = 0
        for clip in clips:
            best = sorted(clip["proposals"], key=lambda p: -p[2])[:n]
            found += sum(max((overlap(p, t) for p in best), default=0) >= (50 + 5 * step) / 100 for t in clip["truth"])
        shares.append(found / truths)
    return float(np.mean(shares))


def segments(rng):
    clips = []
    for c in range(30):
        truth = []
        for _ in range(rng.integers(0, 4)):
            start = round(float(rng.uniform(0, 9)), 3)
            truth.append([start, round(start + float(rng.uniform(0.2, 1.5)), 3)])
        proposals = []
        for t in truth:
            for _ in range(rng.integers(0, 3)):
                a, b = t[0] + rng.normal(0, 0.1), t[1] + rng.normal(0, 0.1)
                proposals.append([round(float(min(a, b)), 3), round(float(max(a, b)), 3)])
        for _ in range(rng.integers(0, 4)):
            a = float(rng.uniform(0, 9))
            proposals.append([round(a, 3), round(a + 0.7, 3)])
        clips.append({"truth": truth, "proposals": proposals})
    order = rng.permutation(sum(len(c["proposals"]) for c in clips))
    i = iter(order)
    for clip in clips:
        clip["proposals"] = [[*p, float(next(i))] for p in clip["proposals"]]
    expect = {f"ap_{t}": ap_at(clips, t) for t in (0.5, 0.75, 0.95)}
    expect |= {f"ar_{n}": ar_at(clips, n) for n in (1, 2, 5, 20)}
    return {"clips": clips, "expect": expect}


def main():
    rng = np.random.default_rng(20240606)
    cases = []

    def gaussian(name, bona, spoof, shift, digits=6, counts=False):
        y = np.r_[np.zeros(bona, int), np.ones(spoof, int)]
        s = np.round(np.r_[rng.normal(-1, 1.2, bona), rng.normal(-1 + shift, 1.5, spoof)], digits)
        mix = rng.permutation(len(y))
        w = rng.multinomial(len(y), np.full(len(y), 1 / len(y))).tolist() if counts else None
        cases.append(case(name, y[mix], s[mix], w))

    gaussian("plain", 150, 250, 2.0)
    gaussian("rare spoof", 380, 20, 2.5)
    gaussian("heavy ties", 160, 140, 1.5, digits=0)
    gaussian("worse than chance", 80, 90, -1.0)
    gaussian("resampled", 120, 180, 1.5, counts=True)
    gaussian("resampled with ties", 120, 180, 1.5, digits=1, counts=True)
    cases.append(case("separated", [0] * 30 + [1] * 20, np.r_[np.linspace(-3, -1, 30), np.linspace(1, 4, 20)]))
    cases.append(case("reversed", [1] * 30 + [0] * 20, np.r_[np.linspace(-3, -1, 30), np.linspace(1, 4, 20)]))
    cases.append(case("all tied", [0, 1, 0, 1, 1], [0.25] * 5))
    cases.append(case("one each", [0, 1], [0.1, 0.2]))
    cases.append(case("extreme LLRs", [0, 0, 0, 1, 1, 1], [-900.0, -40.0, 35.0, 40.0, 900.0, -35.0]))

    intervals = []
    for k, n, c in [(0, 1, .95), (0, 144, .95), (1, 1, .95), (3, 20, .95), (35, 240, .95), (500, 1000, .99),
                    (7, 1000000, .95), (999990, 1000000, .95), (250000, 1000000, .9)]:
        tail = (1 - c) / 2
        lo = 0.0 if k == 0 else float(beta.ppf(tail, k, n - k + 1))
        hi = 1.0 if k == n else float(beta.ppf(1 - tail, k + 1, n - k))
        intervals.append({"successes": k, "trials": n, "confidence": c, "lo": lo, "hi": hi})
    out = {"recipe": "scripts/eval/score_vectors.py", "cases": cases, "clopper_pearson": intervals,
           "segments": segments(rng)}
    with open(sys.argv[1], "w") as f:
        json.dump(out, f, separators=(",", ":"))
        f.write("\n")


main()
