"""Self-Blended Images (Shiohara and Yamasaki, CVPR 2022): a face blended onto itself, so that only the seam is wrong.

A pair is (bona fide, pseudo-fake) of one crop; both then pass the same `degrade.Plan` and the same final cut. A part of
the pseudo-fakes takes the inner face from another, colour-matched person instead (a crude swap).
"""
from __future__ import annotations

import cv2
import numpy as np
from degrade import Plan, colour, resize, sharpen
from landmarks_index import BROWS, LEFT_EYE, LIPS, LOWER, NOSE, OVAL, RIGHT_EYE

SIZE = 224
MASKS = {"oval": 0.40, "brow_chin": 0.18, "inner": 0.15, "lower": 0.15, "eyes": 0.06, "upper": 0.06}
RATIOS = (0.5, 0.75, 1.0, 1.0, 1.0, 1.0)
SWAP_PART = 0.25   # of the pseudo-fakes


def hull(points: np.ndarray, shape) -> np.ndarray:
    mask = np.zeros(shape[:2], np.float32)
    cv2.fillConvexPoly(mask, cv2.convexHull(points.astype(np.int32)), 1.0)
    return mask


def region(kind: str, p: np.ndarray, shape) -> np.ndarray:
    eyes = [*RIGHT_EYE, *LEFT_EYE]
    if kind == "oval":
        return hull(p[OVAL], shape)
    if kind == "brow_chin":
        return hull(p[[*BROWS, *LOWER]], shape)
    if kind == "inner":
        return hull(p[[*BROWS, *eyes, *NOSE, *LIPS]], shape)
    if kind == "lower":
        return hull(p[[2, *LIPS, *LOWER[3:-3]]], shape)
    if kind == "eyes":
        return np.maximum(hull(p[RIGHT_EYE], shape), hull(p[LEFT_EYE], shape))
    return hull(p[[*BROWS, *eyes, *NOSE[:5]]], shape)


def make_mask(rng, points: np.ndarray, face: float, shape, grown: bool = False) -> np.ndarray:
    """A soft region of the face: jittered, bent and blurred, times a blend ratio."""
    kind = "oval" if grown else rng.choice(list(MASKS), p=list(MASKS.values()))
    jittered = points + rng.normal(0, rng.uniform(0.004, 0.015) * face, points.shape)
    mask = region(kind, jittered, shape)
    if kind == "eyes":
        mask = cv2.dilate(mask, None, iterations=max(1, int(0.04 * face)))
    h, w = shape[:2]
    grid = rng.normal(0, 1, (2, 5, 5)).astype(np.float32)
    bend = [cv2.resize(g, (w, h), interpolation=cv2.INTER_CUBIC) * 0.03 * face for g in grid]
    ys, xs = np.mgrid[:h, :w].astype(np.float32)
    mask = cv2.remap(mask, xs + bend[0], ys + bend[1], cv2.INTER_LINEAR)
    steps = max(1, int(abs(rng.normal(0, 0.03)) * face))
    mask = (cv2.erode if rng.random() < 0.65 else cv2.dilate)(mask, None, iterations=steps)
    mask = cv2.GaussianBlur(mask, (0, 0), max(0.5, rng.uniform(0.008, 0.07) * face))
    return np.clip(mask / max(mask.max(), 1e-6), 0, 1) * rng.choice(RATIOS)


def tweak(rng, rgb: np.ndarray, grey: bool) -> np.ndarray:
    """Colour or frequency statistics of one side of the blend."""
    if rng.random() < 0.7:
        if grey:   # grey pictures stay grey: a tint would be a shortcut
            rgb = colour(rgb, [rng.uniform(0.88, 1.12)] * 3, rng.uniform(-0.05, 0.05), rng.uniform(0.85, 1.18), 0.0)
        else:
            rgb = colour(rgb, rng.uniform(0.9, 1.1, 3), rng.uniform(-0.05, 0.05), rng.uniform(0.85, 1.18),
                         rng.uniform(0.75, 1.3))
    kind, (h, w) = rng.integers(0, 5), rgb.shape[:2]
    if kind == 0:
        f = rng.uniform(0.3, 0.85)
        rgb = resize(resize(rgb, round(w * f), round(h * f)), w, h)
    elif kind == 1:
        rgb = sharpen(rgb, rng.uniform(0.6, 2), rng.uniform(0.3, 1.5))
    elif kind == 2:
        rgb = cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.5, 1.8))
    elif kind == 3:
        rgb = cv2.bilateralFilter(rgb, 5, rng.uniform(15, 50), rng.uniform(2, 6))
    return rgb


def shift(rng, rgb: np.ndarray, mask: np.ndarray, face: float):
    """Move the source and its mask a little: misplaced features and edges."""
    h, w = mask.shape
    m = cv2.getRotationMatrix2D((w / 2, h / 2), rng.uniform(-2, 2), 1 + rng.uniform(-0.04, 0.04))
    m[:, 2] += rng.uniform(-0.025, 0.025, 2) * face
    return (cv2.warpAffine(rgb, m, (w, h), borderMode=cv2.BORDER_REPLICATE),
            cv2.warpAffine(mask.astype(np.float32), m, (w, h)))


def match_colour(source: np.ndarray, target: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean and deviation of the target's face in Lab, as swapping tools do."""
    s, t = (cv2.cvtColor(x, cv2.COLOR_RGB2LAB).astype(np.float32) for x in (source, target))
    inside = mask > 0.5
    if inside.sum() < 50:
        return source
    sm, ss, tm, ts = s[inside].mean(0), s[inside].std(0) + 1, t[inside].mean(0), t[inside].std(0) + 1
    moved = (s - sm) * np.clip(ts / ss, 0.5, 2) + tm
    return cv2.cvtColor(np.clip(moved, 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)


def other_face(item: dict, other: dict) -> np.ndarray:
    """Another person's face moved onto this one by a similarity of the inner landmarks."""
    keys = [33, 263, 1, 61, 291, 152]
    m, _ = cv2.estimateAffinePartial2D(other["points"][keys], item["points"][keys], method=cv2.LMEDS)
    h, w = item["rgb"].shape[:2]
    if m is None:
        return item["rgb"]
    return cv2.warpAffine(other["rgb"], m, (w, h), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)


def fake(rng, item: dict, other: dict | None) -> np.ndarray:
    rgb, points, face, grey = item["rgb"], item["points"], item["face"], item["grey"]
    swap = other is not None and other["grey"] == grey
    mask = make_mask(rng, points, face, rgb.shape, grown=swap)
    if swap:
        source = match_colour(other_face(item, other), rgb, mask)
        if grey:
            source = np.repeat(cv2.cvtColor(source, cv2.COLOR_RGB2GRAY)[:, :, None], 3, 2)
        target = rgb
    elif rng.random() < 0.5:
        source, target = tweak(rng, rgb, grey), rgb
        source, mask = shift(rng, source, mask, face)
    else:
        source, target = rgb, tweak(rng, rgb, grey)
        source, mask = shift(rng, source, mask, face)
    m = mask[:, :, None]
    return np.clip(source * m + target * (1 - m) + 0.5, 0, 255).astype(np.uint8)


def cut(rgb: np.ndarray, margin: float, crop_margin: float, dx: float, dy: float, flip: bool) -> np.ndarray:
    """A square of `margin` out of a crop that was cut with `crop_margin`, to the net's size."""
    side = len(rgb)
    part = max(16, round(side * margin / crop_margin))
    x0, y0 = round((side - part) / 2 + dx * part), round((side - part) / 2 + dy * part)
    x0, y0 = min(max(x0, 0), side - part), min(max(y0, 0), side - part)
    out = resize(rgb[y0:y0 + part, x0:x0 + part], SIZE, SIZE)
    return out[:, ::-1] if flip else out


def pair(rng, item: dict, other: dict | None, crop_margin: float, plan: Plan | None = None,
         jitter: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """(bona fide, pseudo-fake), both uint8 [224, 224, 3], degraded and cut alike."""
    forged = fake(rng, item, other if rng.random() < SWAP_PART else None)
    plan = Plan.draw(rng, item["grey"]) if plan is None else plan
    how = (rng.uniform(1.15, 1.5), rng.uniform(-0.06, 0.06), rng.uniform(-0.06, 0.06), rng.random() < 0.5) \
        if jitter else (1.3, 0.0, 0.0, False)
    return tuple(cut(plan.apply(x), how[0], crop_margin, *how[1:]) for x in (item["rgb"], forged))
