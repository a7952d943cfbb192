"""Figures of scores: AUCs over sources and generators, and the merit that choices are made by. numpy only.

`w` is anything with `rows` (a dict a clip), `clip` and `degraded` (by window) and `spoof` (by clip).
"""
from __future__ import annotations

import numpy as np


def family(row: dict[str, str]) -> str:
    """What a clip counts towards: its generator, or its source if it is bona fide."""
    return "g:" + row["generator"] if row["label"] == "spoof" else "s:" + row["source"]


def clip_scores(w, score: np.ndarray, degraded: bool = False, how: str = "mean") -> np.ndarray:
    """Mean (or max, min) over a clip's windows, of the plain or of the degraded copy."""
    use = w.degraded == degraded
    out = np.zeros(len(w.rows))
    if how == "mean":
        np.add.at(out, w.clip[use], score[use])
        return out / np.maximum(np.bincount(w.clip[use], minlength=len(w.rows)), 1)
    extreme = np.maximum if how == "max" else np.minimum
    out += -np.inf if how == "max" else np.inf
    extreme.at(out, w.clip[use], score[use])
    return out


def auc(spoof: np.ndarray, score: np.ndarray) -> float:
    """Share of pairs in the right order, ties counting half (as scikit-learn, without its checks: this runs often)."""
    real, fake = np.sort(score[~spoof]), score[spoof]
    if not len(real) or not len(fake):
        return float("nan")
    below, upto = (np.searchsorted(real, fake, side) for side in ("left", "right"))
    return float((below + upto).mean() / 2 / len(real))


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


def measure(w, score: np.ndarray, how: str = "mean") -> dict[str, float]:
    """AUCs of clips: pooled, within sources, by generator; the two macro figures of the degraded copies as well."""
    spoof, repo = w.spoof, is_repository(w.rows)
    package = np.array([r["source"].startswith("package/") for r in w.rows])

    def macro(clip: np.ndarray) -> tuple[float, float]:
        generators = by_generator(w.rows, spoof & ~package, clip, repo & ~spoof)
        inside = by_source(w.rows, spoof, clip)
        return float(np.mean(list(inside.values()))), float(np.mean(list(generators.values())))

    clip = clip_scores(w, score, how=how)
    source, generator = macro(clip)
    source_degraded, generator_degraded = macro(clip_scores(w, score, degraded=True, how=how))
    return {"pooled_auc": auc(spoof, clip), "repository_auc": auc(spoof[repo], clip[repo]),
            "source_macro_auc": source, "generator_macro_auc": generator,
            "source_macro_degraded": source_degraded, "generator_macro_degraded": generator_degraded}


def merit(m: dict[str, float]) -> float:
    """What a choice is made by: sound that went through a channel counts as much as clean sound."""
    return float(np.mean([m[f"{by}_macro_{what}"] for by in ("source", "generator") for what in ("auc", "degraded")]))
