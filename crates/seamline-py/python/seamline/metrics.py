"""Metrics on NumPy arrays, the same that `seamline bench` prints.

`scores` support spoof the more the higher they are; negate those of a detector whose high scores mean bona fide.
`is_spoof` is a boolean array. LLRs are natural logarithms, positive supports spoof. A set without one of the two
classes raises ValueError: there is no such figure, and it is not 0.5.
"""
from .seamline_native import (
    act_dcf,
    auc,
    aurc,
    average_precision,
    average_precision_at_iou,
    average_recall_at,
    bootstrap_intervals,
    brier,
    cllr,
    clopper_pearson,
    ece,
    eer,
    min_cllr,
    min_dcf,
    operating,
    rank_metrics,
    risk_coverage,
    roc,
)

__all__ = [
    "act_dcf",
    "auc",
    "aurc",
    "average_precision",
    "average_precision_at_iou",
    "average_recall_at",
    "bootstrap_intervals",
    "brier",
    "cllr",
    "clopper_pearson",
    "ece",
    "eer",
    "min_cllr",
    "min_dcf",
    "operating",
    "rank_metrics",
    "risk_coverage",
    "roc",
]
