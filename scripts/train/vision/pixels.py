"""Resizing with the arithmetic of crates/seamline-core/src/pixels.rs: single precision, one rounding at the end."""
from __future__ import annotations

from functools import lru_cache

import numpy as np

SUPPORT = {"area": 0.5, "bilinear": 1.0, "bicubic": 2.0}


def _weight(kernel: str, x: np.ndarray) -> np.ndarray:
    x = np.abs(x)
    if kernel == "area":
        return (x <= 0.5).astype(np.float32)
    if kernel == "bilinear":
        return np.maximum(1 - x, 0)
    inner = (1.5 * x - 2.5) * x * x + 1
    outer = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, inner, np.where(x < 2, outer, 0))


@lru_cache(maxsize=256)
def _matrix(kernel: str, size: int, to: int) -> np.ndarray:
    """[to, size]: the taps of every output position."""
    f = np.float32
    scale = f(size) / f(to)
    stretch = max(scale, f(1))
    reach = f(SUPPORT[kernel]) * stretch
    out = np.zeros((to, size), np.float32)
    for i in range(to):
        centre = (f(i) + f(0.5)) * scale
        first = int(max(np.floor(centre - reach), 0))
        last = max(min(int(np.ceil(centre + reach)), size), first + 1)
        w = _weight(kernel, (np.arange(first, last, dtype=np.float32) + f(0.5) - centre) / stretch).astype(np.float32)
        total = w.sum(dtype=np.float32)
        if abs(total) > np.finfo(np.float32).eps:
            out[i, first:last] = w / total
        else:   # a box narrower than a pixel can fall between centres: the nearest pixel
            out[i, min(int(centre), size - 1)] = 1
    return out


def resize(rgb: np.ndarray, width: int, height: int, kernel: str = "bilinear") -> np.ndarray:
    """[h, w, 3] u8 to exactly width x height."""
    h, w = rgb.shape[:2]
    if (w, h) == (width, height):
        return rgb
    x = np.einsum("tw,hwc->htc", _matrix(kernel, w, width), rgb.astype(np.float32), optimize=True)
    x = np.einsum("th,hwc->twc", _matrix(kernel, h, height), x, optimize=True)
    return np.clip(x + np.float32(0.5), 0, 255).astype(np.uint8)


def fit(rgb: np.ndarray, longest: int, kernel: str = "bilinear") -> np.ndarray:
    """Reduces the longer side to `longest`; a smaller picture stays as it is. Sides are rounded half up."""
    h, w = rgb.shape[:2]
    side = max(h, w)
    if side <= longest:
        return rgb
    new = lambda n: max(1, (2 * n * longest + side) // (2 * side))
    return resize(rgb, new(w), new(h), kernel)
