"""The metrics reach Python unchanged: the committed vectors of seamline-eval, whose expectations are scikit-learn's
and the ASVspoof 5 formulas'."""
import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from seamline import metrics

VECTORS = json.loads((Path(__file__).parents[2] / "seamline-eval/tests/vectors/metrics.json").read_text())
CASES = [case for case in VECTORS["cases"] if case["counts"] is None]


def arrays(case):
    return np.array(case["scores"]), np.array(case["labels"]) == 1


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_committed_vectors(case):
    scores, spoof = arrays(case)
    want = case["expect"]
    got = metrics.rank_metrics(scores, spoof)
    got |= {
        "act_dcf": metrics.act_dcf(scores, spoof),
        "cllr": metrics.cllr(scores, spoof),
        "min_cllr": metrics.min_cllr(scores, spoof),
        "ece_prior_0.1": metrics.ece(scores, spoof, 0.1),
        "brier_prior_0.1": metrics.brier(scores, spoof, 0.1),
        "aurc_at_0": metrics.aurc(scores, spoof, 0.0),
    }
    assert {"auc", "eer", "average_precision", "min_dcf"} <= got.keys()
    for name, value in got.items():
        assert value == pytest.approx(want[name], abs=1e-9), name
    assert metrics.auc(scores, spoof) == got["auc"] and metrics.eer(scores, spoof) == got["eer"]
    assert metrics.min_dcf(scores, spoof) == got["min_dcf"]
    assert metrics.average_precision(scores, spoof) == got["average_precision"]


def test_curves_and_counts_agree_with_each_other():
    scores, spoof = arrays(CASES[0])
    thresholds, false_alarms, detected = metrics.roc(scores, spoof)
    assert thresholds[0] == np.inf and false_alarms[-1] == detected[-1] == 1
    assert np.trapezoid(detected, false_alarms) == pytest.approx(metrics.auc(scores, spoof), abs=1e-12)
    for at in (1, len(thresholds) // 2, -1):
        counts = metrics.operating(scores, spoof, thresholds[at])
        assert counts["false_alarms"] == round(false_alarms[at] * counts["bonafide"])
        assert counts["detected"] == round(detected[at] * counts["spoof"])
    coverage, risk = metrics.risk_coverage(scores, spoof, 0.0, abstained=len(scores))
    assert coverage[-1] == 0.5
    counts = metrics.operating(scores, spoof, 0.0)
    wrong = counts["false_alarms"] + counts["spoof"] - counts["detected"]
    assert risk[-1] == pytest.approx(wrong / len(scores), abs=1e-12)


def test_spans_and_proportions():
    clips = [(c["truth"], c["proposals"]) for c in VECTORS["segments"]["clips"]]
    perfect = [(c[0], [(start, end, 1.0) for start, end in c[0]]) for c in clips]
    assert metrics.average_precision_at_iou(perfect, 0.95) == 1
    assert metrics.average_recall_at(perfect, 10) == 1
    assert 0 < metrics.average_precision_at_iou(clips, 0.5) < 1
    # Nothing seen in 100 trials: the exact bound is 1 - 0.025^(1/100).
    assert metrics.clopper_pearson(0, 100) == pytest.approx((0, 0, 1 - 0.025**0.01), abs=1e-12)


def test_intervals_hold_their_value_and_repeat():
    scores, spoof = arrays(CASES[0])
    sources = ["a" if i % 3 else "b" for i in range(len(scores))]
    first = metrics.bootstrap_intervals(scores, spoof, sources, resamples=300, seed=4)
    value, lo, hi = first["auc"]
    assert lo < value < hi < lo + 0.2 and value == metrics.auc(scores, spoof)
    assert first == metrics.bootstrap_intervals(scores, spoof, sources, resamples=300, seed=4)
    assert first != metrics.bootstrap_intervals(scores, spoof, sources, resamples=300, seed=5)


def test_what_is_no_metric_is_an_error_that_says_why():
    scores = np.array([0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="both classes are needed"):
        metrics.auc(scores, np.array([True, True, True]))
    with pytest.raises(ValueError, match="3 scores but 2 labels"):
        metrics.auc(scores, np.array([True, False]))
    with pytest.raises(ValueError, match="not a finite number"):
        metrics.auc(np.array([0.1, np.nan, 0.3]), np.array([True, False, True]))
    with pytest.raises(ValueError, match="between 0 and 1"):
        metrics.brier(scores, np.array([True, False, True]), 0.0)
    # Which class is 1 is never guessed, and a word is no boolean.
    for labels in (np.array([1, 0, 1]), ["spoof", "bonafide", "spoof"]):
        with pytest.raises(TypeError):
            metrics.auc(scores, labels)


def test_plain_lists_and_other_float_types_are_taken():
    assert metrics.auc([0.9, 0.1], [True, False]) == 1
    assert metrics.auc(np.array([0.1, 0.9], dtype=np.float32), np.array([True, False])) == 0
    backwards = np.array([0.1, 0.9, 0.5])[::-1]
    assert metrics.auc(backwards, np.array([False, True, False])) == 1


def test_the_interpreter_goes_on_meanwhile():
    random = np.random.default_rng(1)
    spoof = random.random(200_000) < 0.5
    scores = random.normal(size=200_000) + spoof
    begun = threading.Event()

    def work():
        begun.set()
        metrics.bootstrap_intervals(scores, spoof, resamples=200)

    worker = threading.Thread(target=work)
    worker.start()
    begun.wait()
    ticks = 0
    while worker.is_alive():
        time.sleep(0.001)
        ticks += 1
    # Held, the interpreter would come back here once or twice in all that time.
    assert ticks > 20
