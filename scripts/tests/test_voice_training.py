"""The voice recipe's arithmetic: folds, heads and operating points, on numbers made here."""
from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("soundfile")
RECIPE = Path(__file__).resolve().parents[1] / "train" / "voice"


def load(*names: str) -> list[ModuleType]:
    """Modules of this recipe; the other recipe has modules of the same names, and both are tested in one run."""
    mine = [p.stem for p in RECIPE.glob("*.py")]
    others = {n: sys.modules.pop(n) for n in mine if n in sys.modules}
    sys.path.insert(0, str(RECIPE))
    try:
        return [importlib.import_module(n) for n in names]
    finally:
        sys.path.remove(str(RECIPE))
        for n in mine:
            sys.modules.pop(n, None)
        sys.modules.update(others)


calibrate, model = load("calibrate", "model")


def row(source: str, generator: str = "-") -> dict[str, str]:
    return {"source": source, "generator": generator, "label": "bonafide" if generator == "-" else "spoof"}


def data(seed: int = 0, sources: int = 12, clips: int = 8) -> model.Windows:
    """Sources shifted at random along many directions; fakes shifted along one."""
    rng = np.random.default_rng(seed)
    rows, x = [], []
    for s in range(sources):
        shift = rng.standard_normal((2, 16)) * 2
        for i in range(clips):
            fake = i % 2 == 1
            rows.append(row(f"s{s}", f"g{s}" if fake else "-"))
            x.append(rng.standard_normal((2, 16)) + shift + (3.0 * fake) * (np.arange(16) == 3))
    clip = np.arange(len(rows))
    return model.Windows(rows, np.full(len(rows), 3.0), np.array(x, dtype=np.float32), clip, np.zeros(len(rows), dtype=bool))


def test_sources_that_share_a_generator_stay_together() -> None:
    rows = [row("a", "G"), row("b", "G"), row("b"), row("c", "H"), row("d")]
    g = model.groups(rows)
    assert g[0] == g[1] == g[2] and len({g[0], g[3], g[4]}) == 3
    fold = model.folds(g, np.array([r["label"] == "spoof" for r in rows]), 3)
    assert all(len(set(fold[g == i])) == 1 for i in set(g))


@pytest.mark.parametrize("setting", [model.Setting((1, 2), 0.1), model.Setting((1, 2), 0.1, "layers"),
                                     model.Setting((1, 2), 0.1, effects=3.0), model.Setting((1, 2), 0.1, "lda")])
def test_every_objective_is_one_linear_head_that_learns(setting: model.Setting) -> None:
    w = data()
    fold = model.folds(model.groups(w.rows), w.spoof, 4)
    score = model.out_of_fold(w, fold, setting)
    assert model.auc(w.spoof, score) > 0.7
    head = model.fit(w, np.ones(len(w.x), dtype=bool), setting)
    assert head.weight.shape == (32,) and np.isfinite(head.bias)


def test_changes_from_frame_to_frame_follow_the_layers() -> None:
    w = data()._replace(steps=np.arange(96 * 3 * 8, dtype=np.float32).reshape(96, 3, 8))
    x = model.select(w, model.Setting((2,), steps=(0, 2)), np.arange(4))
    assert x.shape == (4, 16 + 2 * 8)
    assert (x[:, :16] == w.x[:4, 1]).all() and (x[:, 16:24] == w.steps[:4, 0]).all() and (x[:, 24:] == w.steps[:4, 2]).all()


def test_limit_counts_shares() -> None:
    values = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    assert calibrate.limit(values, 0.0) == 5.0
    assert calibrate.limit(values, 0.2) == 4.0
    assert calibrate.limit(values, 0.5, np.array([4.0, 4.0, 1.0, 1.0, 1.0])) == 4.0


def test_a_small_source_weighs_as_much_as_a_large_one() -> None:
    source = np.array(["large"] * 300 + ["small"] * 3)
    score = np.concatenate([np.linspace(-3, 0, 300), [2.0, 2.5, 3.0]])
    pooled = np.ones(303, dtype=bool)
    assert calibrate.threshold(score, pooled, source) > 3.0
    assert calibrate.limit(score, 0.01) < 2.5  # the pooled limit alone would let one of three fire


def test_the_operating_point_holds_for_sources_it_was_not_set_on() -> None:
    rng = np.random.default_rng(4)
    source = np.repeat([f"s{i}" for i in range(60)], 10)
    score = rng.standard_normal(600) + np.repeat(rng.standard_normal(60), 10)
    nominal, at, fires = calibrate.operating_point(score, np.ones(600, dtype=bool), source)
    assert nominal in calibrate.NOMINAL and (score >= at).mean() <= 0.01
    assert fires.mean() <= 0.01 or nominal == calibrate.NOMINAL[-1]


def test_calibration_weights_equalise_families_and_classes() -> None:
    names = np.array(["s:a"] * 6 + ["s:b"] * 2 + ["g:x"] * 4)
    spoof = np.array([False] * 8 + [True] * 4)
    w = calibrate.family_weights(names, spoof)
    assert w[:6].sum() == pytest.approx(w[6:8].sum()) and w[:8].sum() == pytest.approx(w[8:].sum())
    assert w.mean() == pytest.approx(1.0)
