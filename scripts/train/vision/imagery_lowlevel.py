"""Imagery, for the comparison: what is known of generators below the level of content.

For each view 45 numbers of the picture at its reduced size: the residual of a 3 x 3 median (spread, tails, correlation of
its colours), its radial spectrum, its correlation with itself at the distances at which decoders upsample, differences
of neighbours within 2 x 2 blocks (NPR, CVPR 2024), and the strength of the 8-pixel grid of JPEG.
"""
from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from imagery import LONGEST, WORK, decode, read_pictures
from imagery_features import VIEWS, chosen, degraded, seed_of
from pixels import fit

BINS, LAGS = 20, (1, 2, 3, 4, 6, 8, 16)


def numbers(rgb: np.ndarray) -> np.ndarray:
    rgb = np.ascontiguousarray(fit(rgb, LONGEST))
    rest = rgb.astype(np.float32) - cv2.medianBlur(rgb, 3).astype(np.float32)
    grey = rest.mean(2)
    spread = rest.reshape(-1, 3).std(0) + 1e-3
    tails = np.mean((grey / (grey.std() + 1e-3)) ** 4)
    colour = np.corrcoef(rest.reshape(-1, 3).T + 1e-6 * np.arange(3)[:, None])[np.triu_indices(3, 1)]
    side = min(grey.shape)
    y, x = (grey.shape[0] - side) // 2, (grey.shape[1] - side) // 2
    power = np.abs(np.fft.fft2(grey[y:y + side, x:x + side])) ** 2
    f = np.fft.fftfreq(side)
    radius = np.minimum((np.hypot(f[:, None], f[None]) * 2 * BINS / 1.42).astype(int), BINS - 1)
    total = np.bincount(radius.ravel(), power.ravel(), BINS) / np.maximum(np.bincount(radius.ravel(), minlength=BINS), 1)
    spectrum = np.log(total + 1e-3) - np.log(total.sum() + 1e-3)
    var = grey.var() + 1e-3
    self = [np.mean([(grey[:, lag:] * grey[:, :-lag]).mean(), (grey[lag:] * grey[:-lag]).mean()]) / var for lag in LAGS]
    even = rgb[:rgb.shape[0] // 2 * 2, :rgb.shape[1] // 2 * 2].astype(np.float32).mean(2)
    block = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2)
    npr = [np.abs(block[:, a, :, b] - block[:, 0, :, 0]).mean() for a, b in ((0, 1), (1, 0), (1, 1))]
    npr.append(np.abs(block[:, 1, :, 1] - block[:, 0, :, 1]).mean())
    steps = [np.abs(np.diff(rgb.astype(np.float32).mean(2), axis=a)).mean(1 - a) for a in (0, 1)]
    grid = [np.log((s[7::8].mean() + 0.1) / (s.mean() + 0.1)) for s in steps]
    return np.array([*np.log(spread), np.log(tails + 1), *np.nan_to_num(colour), *spectrum, *self, *np.log(np.array(npr) + 0.1), *grid], np.float32)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, default=WORK)
    args = p.parse_args()
    cv2.setNumThreads(1)
    out = {}
    for x in chosen(read_pictures(args.work)):
        if (args.work / "features/0" / (x["name"] + ".npy")).is_file():
            rgb = decode((args.work / "pictures" / x["name"]).read_bytes())
            out[x["name"]] = np.stack([numbers(rgb)] + [numbers(degraded(rgb, seed_of(x["name"], v))) for v in range(1, VIEWS)])
    np.savez(args.work / "lowlevel.npz", **out)


if __name__ == "__main__":
    main()
