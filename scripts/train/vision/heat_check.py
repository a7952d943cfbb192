"""Does the heat-map of face-blend lie on the seam? Measured on self-blended faces of people never trained on, whose seam is
known, against a fixed map that is warm in the middle of every face. The result becomes a section of the card.

    heat_check.py [--faces N]      (after crops.py; about 3 s a face on one core)

The map is that of crates/seamline-detect/src/telling.rs: windows of 4 x 4 cells of a 14 x 14 grid, two cells apart, are made coarse
in turn, and a cell has the mean over its windows. Compared: windows of 2 x 2 cells in two layers (85 runs of the net, not 36).
Only pseudo-fakes that score at least 1 above their original count: of the others a map explains nothing. Truth: the fifth of the
cells in which the blending mask changes most.
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
from card_text import HEAT, put
from face_detect import ROOT
from imagery import session
from imagery_train import auc
from pixels import resize
import sbi
from sbi import SIZE, cut

MARGIN, CROP_MARGIN = 1.3, 1.8
HELD_OUT = 0      # train.py
GRID, EDGE = 14, 4.0


def tensor(crops: list[np.ndarray]) -> np.ndarray:
    return np.ascontiguousarray(((np.stack(crops).astype(np.float32) - 127) / 128).transpose(0, 3, 1, 2))


def soft(cell: int, window: int) -> np.ndarray:
    at, low, high = np.arange(SIZE) + 0.5, cell * SIZE / GRID, (cell + window) * SIZE / GRID
    return np.clip(np.minimum(at - low, high - at) / EDGE + 0.5, 0, 1).astype(np.float32)


def heat(score, crop: np.ndarray, window: int, layers: tuple[int, ...], step: int) -> np.ndarray:
    """How far the score falls, a cell, when the coarse picture shows in its windows."""
    coarse = resize(resize(crop, GRID, GRID, "area"), SIZE, SIZE)
    whole, falls, count = score(crop), np.zeros((GRID, GRID)), np.zeros((GRID, GRID))
    for offset in layers:
        for y in range(offset, GRID - window + 1, step):
            for x in range(offset, GRID - window + 1, step):
                part = (soft(y, window)[:, None] * soft(x, window)[None])[:, :, None]
                hidden = (crop * (1 - part) + coarse * part + 0.5).astype(np.uint8)
                falls[y:y + window, x:x + window] += whole - score(hidden)
                count[y:y + window, x:x + window] += 1
    return falls / np.maximum(count, 1)


WAYS = {"4 x 4 cells, two apart": (4, (0,), 2), "2 x 2 cells, two layers": (2, (0, 1), 2)}


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, default=ROOT / ".cache/train/vision")
    p.add_argument("--faces", type=int, default=60)
    args = p.parse_args()
    cv2.setNumThreads(1)
    index = [e for e in json.loads((args.work / "crops/crops.json").read_text()) if e["fold"] == HELD_OUT]
    net = session(ROOT / "models/face-blend/model.onnx")
    score = lambda crop: float(net.run(None, {"crop": tensor([crop])})[0][0])
    rng, tried, rows = np.random.default_rng(11), 0, []
    middle = np.exp(-((np.arange(GRID) - 6.5) ** 2) / 18)
    middle = middle[:, None] * middle[None]
    masks: list[np.ndarray] = []   # the one that was blended with comes last
    made, moved = sbi.make_mask, sbi.shift
    sbi.make_mask = lambda *a, **k: masks.append(made(*a, **k)) or masks[-1]
    sbi.shift = lambda *a: (lambda both: masks.append(both[1]) or both)(moved(*a))
    for e in rng.permutation(index):
        rgb = cv2.imread(str(args.work / "crops" / e["name"]))[:, :, ::-1]
        item = {"rgb": np.ascontiguousarray(rgb), "points": np.array(e["points"], np.float32), "face": e["face"], "grey": e["grey"]}
        forged = sbi.fake(rng, item, None)
        a, b = (cut(x, MARGIN, CROP_MARGIN, 0.0, 0.0, False) for x in (rgb, forged))
        tried += 1
        if score(b) - score(a) >= 1:
            mask = cut(np.repeat((masks[-1] * 255).astype(np.uint8)[:, :, None], 3, 2), MARGIN, CROP_MARGIN, 0.0, 0.0, False)[:, :, 0]
            edge = np.hypot(*np.gradient(mask.astype(float))).reshape(GRID, SIZE // GRID, GRID, SIZE // GRID).mean((1, 3))
            truth = edge > np.quantile(edge, 0.8)
            if not truth.any():   # no seam inside of the crop
                continue
            maps = {k: heat(score, b, *how) for k, how in WAYS.items()} | {"middle of the face": middle}
            rows.append({k: (auc(m[~truth], m[truth]), bool(truth.flat[m.argmax()]), float(m.max())) for k, m in maps.items()})
            if len(rows) == args.faces:
                break
    lines = [HEAT, "", f"Does the map of a report lie on the seam? {len(rows)} self-blended faces of people never trained on that score at least 1 above their "
             f"original (of {tried} made), clean; the seam is the fifth of the cells where the blending mask changes most "
             "(`scripts/train/vision/heat_check.py`).", "",
             "| map | AUC of seam cells [95 %, bootstrap over faces] | strongest cell lies on the seam (chance: 20 %) | median fall of the score |", "|---|---|---|---|"]
    for k in rows[0]:
        each = np.array([r[k][0] for r in rows])
        draws = [rng.choice(each, len(each)).mean() for _ in range(1000)]
        fall = "-" if k == "middle of the face" else f"{np.median([r[k][2] for r in rows]):.2f}"
        lines.append(f"| {k} | {each.mean():.2f} [{np.quantile(draws, .025):.2f}, {np.quantile(draws, .975):.2f}] | "
                     f"{100 * np.mean([r[k][1] for r in rows]):.0f} % | {fall} |")
    shipped, plain = (np.array([r[k][0] for r in rows]) for k in (next(iter(WAYS)), "middle of the face"))
    gain = [np.mean(rng.choice(shipped - plain, len(rows))) for _ in range(1000)]
    lines += ["", "The map says more of the seam than a fixed map of every face." if np.quantile(gain, .025) > 0 else
              "**That the map says more of the seam than a fixed map of every face could not be shown.** It explains the score, not where a face was changed."]
    card = ROOT / "models/face-blend/card.md"
    card.write_text(put(card.read_text(), "\n".join(lines) + "\n", HEAT))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
