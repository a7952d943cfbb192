"""The imagery recipe: resizing, tiles, folds, data tables. What needs more than numpy is skipped where it is not installed."""
from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
# Appended: another recipe's modules may bear the same names.
sys.path.append(str(ROOT / "scripts/train/vision"))
import pixels  # noqa: E402


def table(path: Path) -> list[dict[str, str]]:
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    return [dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in lines]


@pytest.mark.parametrize("kernel", ["area", "bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (13, 7), (40, 29)])
def test_flat_pictures_stay_flat(kernel: str, size: tuple[int, int]) -> None:
    out = pixels.resize(np.full((7, 13, 3), 77, np.uint8), *size, kernel)
    assert out.shape == (size[1], size[0], 3) and (out == 77).all()


def test_box_halving_is_the_mean_of_four() -> None:
    four = np.repeat(np.array([[0, 10], [20, 30]], np.uint8)[:, :, None], 3, 2)
    assert (pixels.resize(four, 1, 1, "area") == 15).all()


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
def test_filters_are_those_of_pillow_within_a_grey_level(kernel: str) -> None:
    image = pytest.importorskip("PIL.Image")
    # Of middling contrast: Pillow cuts overshoot between its two passes, here it is cut once, at the end.
    rgb = np.random.default_rng(0).integers(80, 176, (61, 97, 3), dtype=np.uint8)
    for size in ((224, 224), (30, 20)):
        want = np.asarray(image.fromarray(rgb).resize(size, getattr(image, kernel.upper()))).astype(int)
        assert np.abs(pixels.resize(rgb, *size, kernel).astype(int) - want).max() <= 1


def test_the_longer_side_is_reduced_and_never_enlarged() -> None:
    assert pixels.fit(np.zeros((300, 1025, 3), np.uint8), 512).shape == (150, 512, 3)
    assert pixels.fit(np.zeros((4000, 3, 3), np.uint8), 512).shape == (512, 1, 3)
    small = np.zeros((100, 512, 3), np.uint8)
    assert pixels.fit(small, 512) is small


def test_tiles_cover_their_part_and_are_chosen_by_place() -> None:
    image = pytest.importorskip("PIL.Image")
    import pictures

    figure = image.new("RGB", (400, 200))
    assert {c.size for _, c in pictures.tiles(figure, "4x2")} == {(96, 96)}
    places = [p for p, _ in pictures.tiles(figure, "2x1@0,0,200,100+1x1@200,0,200,200")]
    assert sorted(places) == ["102,2,198,98", "2,2,98,98", "204,4,396,196"]
    assert len(pictures.tiles(image.new("RGB", (1000, 1000)), "10x10")) == pictures.MOST_TILES


def test_no_group_is_in_two_folds_and_no_content_carries_a_class() -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("PIL")
    pytest.importorskip("cv2")
    pytest.importorskip("av")
    import imagery_train as t

    rng = np.random.default_rng(1)
    rows = []
    for i in range(400):
        label = "spoof" if rng.random() < 0.4 else "bonafide"
        k = int(rng.integers(12))
        rows.append({"label": label, "family": f"g{k}", "source": f"s{k}", "repository": f"r{label}{k}", "face": bool(rng.random() < 0.3)})
    rows[0] |= {"label": "spoof", "family": "g1", "repository": "both"}
    rows[1] |= {"label": "bonafide", "source": "s7", "repository": "both"}
    fold, w = t.folds_of(rows), t.weights_of(rows)
    for key in ("family", "source"):
        for label in ("spoof", "bonafide"):
            groups: dict = {}
            for r, f in zip(rows, fold):
                if r["label"] == label and (key == "family") == (label == "spoof"):
                    groups.setdefault(r[key], set()).add(int(f))
            assert all(len(v) == 1 for v in groups.values())
    assert fold[0] == fold[1]
    spoof, face = np.array([r["label"] == "spoof" for r in rows]), np.array([r["face"] for r in rows])
    for content in (False, True):
        assert np.isclose(w[spoof & (face == content)].sum(), w[~spoof & (face == content)].sum())


@pytest.mark.parametrize("dataset", ["imagery-open", "faces-demo", "faces-open", "faces-recordings", "talking-open"])
def test_tables_agree_and_nothing_reserved_is_listed(dataset: str) -> None:
    home = ROOT / "datasets" / dataset
    named = {(r["repository"], r["commit"]) for r in table(home / "repositories.tsv")}
    fetched = table(home / "fetched.tsv")
    assert all((r["repository"], r["commit"]) in named and len(r["sha256"]) == 64 for r in fetched)
    files = {(r["repository"], r["file"]) for r in fetched}
    if (home / "excluded.tsv").is_file():
        assert all((r["repository"], r["file"]) in files for r in table(home / "excluded.tsv"))
    shared = ROOT.parent / "shared/data/reserved.tsv"
    if shared.is_file():
        reserved = {r["name"] for r in table(shared)}
        assert not reserved & ({r["repository"] for r in fetched} | {r["generator"] for r in fetched})


def test_training_pictures_are_no_evaluation_clips() -> None:
    """Nothing of imagery-open comes from a repository that an evaluation set uses."""
    training = {r["repository"] for r in table(ROOT / "datasets/imagery-open/fetched.tsv")}
    for dataset in ("eval-image", "eval-video"):
        assert not training & {r["source"] for r in table(ROOT / "datasets" / dataset / "protocol.tsv")}


def test_the_card_of_the_candidate_has_every_setting_of_the_run_with_cuda() -> None:
    run = json.loads((ROOT / "scripts/train/vision/imagery_compared.json").read_text())
    card = (ROOT / "models/synthetic-image/candidate/card.md").read_text()
    for name, value in run["settings"].items():
        assert f"| {name} | {value['view 0']['other']:.3f} / " in card


def test_recordings_for_a_threshold_are_of_no_other_set_of_faces() -> None:
    """Neither trained on nor evaluated on: no repository and no file in common."""
    mine = table(ROOT / "datasets/faces-recordings/fetched.tsv")
    repositories, files = {r["repository"].lower() for r in mine}, {r["sha256"] for r in mine}
    assert len(files) == len(mine)
    for name in ("faces-demo/fetched", "faces-demo/repositories", "faces-open/fetched", "faces-open/protocol", "talking-open/fetched",
                 "talking-open/repositories", "eval-video/protocol", "eval-image/protocol"):
        for r in table(ROOT / f"datasets/{name}.tsv"):
            assert (r.get("repository") or r["source"]).lower() not in repositories, r
            assert not {r.get("sha256"), r.get("original_sha256")} & files, r
