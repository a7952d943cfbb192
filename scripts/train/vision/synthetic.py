"""Pictures given by integer formulas: golden cases without media. The testkit of the Rust code draws the same ones.

`waves`: three triangle waves. `cartoon`: an oval with eyes, brows, nose and mouth on `waves`, to which the face
detectors respond, so that the decoder is tested too.
"""
from __future__ import annotations

import numpy as np


def triangle(v: np.ndarray, period: int) -> np.ndarray:
    """0..255..0 with integer arithmetic: |v mod 2p - p| * 255 / p, rounded down."""
    return np.abs(v % (2 * period) - period) * 255 // period


def waves(width: int, height: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width].astype(np.int64)
    return np.stack([triangle(x, 64), triangle(y, 48), triangle(x + y, 80)], 2).astype(np.uint8)


# centre x, centre y, half width, half height in thousandths of the face width, colour; painted in this order
PARTS = [
    (0, -80, 560, 720, (60, 40, 30)),        # hair
    (0, 0, 500, 640, (224, 172, 140)),       # face
    (-210, -120, 105, 50, (245, 245, 245)), (210, -120, 105, 50, (245, 245, 245)),   # eyes
    (-210, -120, 48, 48, (50, 35, 25)), (210, -120, 48, 48, (50, 35, 25)),           # irises
    (-210, -225, 135, 26, (70, 45, 35)), (210, -225, 135, 26, (70, 45, 35)),         # brows
    (0, 60, 45, 130, (205, 150, 120)), (-50, 170, 34, 22, (150, 95, 75)), (50, 170, 34, 22, (150, 95, 75)),   # nose
    (0, 330, 190, 60, (170, 70, 70)), (0, 330, 180, 10, (90, 30, 30)),              # mouth
]


def cartoon(width: int, height: int, cx: int, cy: int, face: int) -> np.ndarray:
    picture = waves(width, height)
    y, x = np.mgrid[:height, :width].astype(np.int64)
    for px, py, rx, ry, colour in PARTS:
        # thousandths of a pixel, so that the comparison is exact
        dx, dy = x * 1000 - (cx * 1000 + px * face), y * 1000 - (cy * 1000 + py * face)
        inside = (dx * ry) ** 2 + (dy * rx) ** 2 <= (rx * ry * face) ** 2   # stays below 2^63
        picture[inside] = colour
    return picture
