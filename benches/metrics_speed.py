"""Bootstrap intervals of every pooled metric: Seamline against scikit-learn and NumPy, as a ratio on one machine.

    pip install -r scripts/eval/requirements.txt
    cargo build --release -p seamline-eval --example bootstrap_speed
    python benches/metrics_speed.py target/release/examples/bootstrap_speed [TRIALS] [RESAMPLES] [PYTHON_RESAMPLES]

The Python side resamples indices and calls the libraries, as evaluation scripts do; it measures a few resamples, and
the time of all of them is that mean times their number.
"""
import json
import subprocess
import sys
import time

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score, roc_curve


def metrics(y, s):
    roc_auc_score(y, s)
    average_precision_score(y, s)
    far, tpr, _ = roc_curve(y, s, drop_intermediate=False)
    np.argmax(far >= 1 - tpr)  # EER
    np.min((0.95 * far + 0.5 * (1 - tpr)) / 0.5)  # min DCF
    called = s > np.log(1.9)
    (0.95 * called[y == 0].mean() + 0.5 * (1 - called[y == 1].mean())) / 0.5  # act DCF
    np.logaddexp(0, -s[y == 1]).mean() + np.logaddexp(0, s[y == 0]).mean()  # Cllr
    p = np.clip(IsotonicRegression().fit(s, y).predict(s), 1e-12, 1 - 1e-12)  # min Cllr
    llr = np.log(p / (1 - p)) - np.log(y.mean() / (1 - y.mean()))
    np.logaddexp(0, -llr[y == 1]).mean() + np.logaddexp(0, llr[y == 0]).mean()
    q = 1 / (1 + np.exp(-s))
    brier_score_loss(y, q)
    bins = np.minimum((q * 15).astype(int), 14)
    np.bincount(bins, q, 15) - np.bincount(bins, y, 15)  # ECE
    order = np.argsort(-np.abs(s))
    wrong = ((s >= 0) != (y == 1))[order]
    (np.cumsum(wrong) / np.arange(1, len(y) + 1)).mean()  # AURC


def main():
    program = sys.argv[1]
    trials, resamples, few = (int(a) for a in (sys.argv[2:] + ["1000000", "1000", "3"][len(sys.argv) - 2:]))
    ours = json.loads(subprocess.run([program, str(trials), str(resamples)], capture_output=True, check=True).stdout)
    i = np.arange(trials)
    y = (i % 2 == 0).astype(int)
    u = np.clip(((i + 1) * 0.6180339887498949) % 1, 1e-9, 1 - 1e-9)
    s = np.log(u / (1 - u)) + np.where(y == 1, 1.5, -1.5)
    strata = [np.flatnonzero((i // 2 % 20 == k) & (y == c)) for k in range(20) for c in (0, 1)]
    rng = np.random.default_rng(1)
    start = time.perf_counter()
    for _ in range(few):
        index = np.concatenate([rng.choice(m, len(m)) for m in strata])
        metrics(y[index], s[index])
    theirs = (time.perf_counter() - start) / few * resamples
    print(f"{trials} trials, {resamples} resamples: Seamline {ours['seconds']:.1f} s, scikit-learn and NumPy "
          f"{theirs:.0f} s (from {few} resamples): {theirs / ours['seconds']:.0f} times")


main()
