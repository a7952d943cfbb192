"""The recipe of face-temporal: pieces are manipulated as said, and spans of disagreement are counted as the program tells them."""
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts/train/vision"))
pytest.importorskip("av")
pytest.importorskip("cv2")
pytest.importorskip("sklearn")
import temporal   # noqa: E402
import temporal_clips   # noqa: E402
from synthetic import cartoon   # noqa: E402


def piece(n: int = 50) -> dict:
    """A drawn face that moves to the right, with points on its oval."""
    frames, points = [], []
    for i in range(n):
        frames.append(cartoon(320, 320, 130 + i, 160, 120))
        turn = np.linspace(0, 2 * np.pi, 468, endpoint=False)
        points.append(np.stack([130 + i + 60 * np.sin(turn), 160 - 76 * np.cos(turn)], 1).astype(np.float32))
    return {"frames": frames, "points": points, "times": [0.04 * i for i in range(n)]}


@pytest.mark.parametrize("kind", ["swap", "mouth", "animate"])
def test_a_manipulation_changes_the_face_and_keeps_the_number_of_pictures(kind):
    made = piece()
    out = getattr(temporal_clips, kind)(made, np.random.default_rng(1))
    assert len(out) == len(made["frames"])
    assert all(f.shape == (320, 320, 3) and f.dtype == np.uint8 for f in out)
    changed = np.mean([np.abs(a.astype(int) - b)[100:230, 100:230].mean() for a, b in zip(out, made["frames"])])
    assert changed > 0.3
    if kind != "animate":   # that one makes the whole picture anew
        assert all((a[:30] == b[:30]).all() for a, b in zip(out, made["frames"]))


def test_the_threshold_of_disagreement_spares_every_bona_fide_recording():
    window = lambda *c: [[0, 8, v, 0] for v in c]
    own = [("a", window(0.3, -0.2, 0.3)), ("b", window(0.1, 0.05, 0.2))]
    found = temporal.disagreement(own, [window(-0.3, -0.2), window(0.4, 0.5)])
    assert found["below"] == pytest.approx(0.08) and found["sources"] == 2
    assert not any(temporal.runs_below(w, found["below"]) for _, w in own)
    assert found["foreign_found"] == 1


def test_a_head_that_may_use_one_number_uses_no_other():
    rng = np.random.default_rng(2)
    rows = [{"source": s, "kind": k} for s in "abc" for k in ("bonafide", "dub") for _ in range(20)]
    x = rng.normal(size=(len(rows), len(temporal.NAMES)))
    dub = np.array([r["kind"] == "dub" for r in rows])
    x[dub, -1] -= 2
    x[dub, 0] += 5
    head = temporal.solve(rows, x, 1.0, {"dub": ["lips"]})
    weights, _ = head["breaks"]["dub"]
    assert weights[-1] < -0.5 and (weights[:-1] == 0).all()
    missing = x.copy()
    missing[:, -1] = np.nan
    assert np.ptp(temporal.apply(head, missing)) < 1e-9
    assert temporal.auc(temporal.apply(head, x[~dub]), temporal.apply(head, x[dub])) > 0.85
