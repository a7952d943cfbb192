"""Pairs differ only by the manipulation, and the golden cases can be made again."""
import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts/train/vision"))
pytest.importorskip("torch")
pytest.importorskip("av")
import compared   # noqa: E402
import golden   # noqa: E402
import sbi   # noqa: E402
from degrade import Plan   # noqa: E402
from synthetic import cartoon   # noqa: E402


def item(grey: bool = False) -> dict:
    """A drawn face with made-up landmarks on an oval."""
    rgb = cartoon(256, 256, 128, 128, 100)
    if grey:
        rgb = np.repeat(rgb.mean(2, keepdims=True).astype(np.uint8), 3, 2)
    turn = np.linspace(0, 2 * np.pi, 468, endpoint=False)
    points = np.stack([128 + 50 * np.sin(turn), 128 - 64 * np.cos(turn)], 1).astype(np.float32)
    return {"rgb": rgb, "points": points, "face": 128.0, "grey": grey}


@pytest.mark.parametrize("seed", range(12))
def test_both_of_a_pair_are_degraded_alike(monkeypatch, seed):
    monkeypatch.setattr(sbi, "fake", lambda rng, item, other: item["rgb"])   # no manipulation: no difference may remain
    a, b = sbi.pair(np.random.default_rng(seed), item(), None, 1.8)
    assert a.shape == (224, 224, 3) and np.array_equal(a, b)


@pytest.mark.parametrize("seed", range(4))
def test_grey_stays_grey(seed):
    forged = sbi.fake(np.random.default_rng(seed), item(grey=True), None)
    assert np.abs(forged.astype(int) - forged.mean(2, keepdims=True)).max() <= 1


def test_a_plan_is_a_function():
    plan = Plan.draw(np.random.default_rng(4))
    assert np.array_equal(plan.apply(item()["rgb"]), plan.apply(item()["rgb"]))


@pytest.mark.parametrize("model,threshold", [("face-blazeface", 0.5), ("face-centerface", 0.05)])
def test_detector_golden(model, threshold):
    if not (ROOT / f".cache/models/{model}.onnx").is_file():
        pytest.skip("model not materialised")
    compare(model, golden.detector_cases(model, threshold))


def test_blend_golden():
    compare("face-blend", golden.blend_cases(ROOT / "models"))


def test_the_card_shows_the_comparison_that_is_kept():
    kept = json.loads(compared.KEPT.read_text())
    assert compared.tables(kept) in (ROOT / "models/face-blend/card.md").read_text()
    found = kept["experiments"]
    assert found[compared.SHIPPED]["auc"]["all"]["mixed"] > found[compared.BEFORE]["auc"]["all"]["mixed"]


def compare(model: str, made: list[dict]) -> None:
    kept = json.loads((ROOT / f"models/{model}/golden.json").read_text())["cases"]
    assert [c["name"] for c in made] == [c["name"] for c in kept]
    for a, b in zip(made, kept):
        assert np.allclose(a["values"], b["values"], rtol=1e-4, atol=b["tolerance"]), a["name"]
