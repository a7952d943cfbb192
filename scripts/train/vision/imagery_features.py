"""Imagery, stage 2: pooled CLIP features of every picture, as stored and degraded.

One file a picture and view, features/<view>/<name>.npy: [layers, 2304] in half precision, written once, so the stage
can be stopped and goes on. Few pictures of every source come before many of some, and stored pictures before degraded
ones, so that it may be stopped early. View 0 is the stored picture; the others went through a chain of what happens to
pictures (crop, scale, JPEG, WebP, a video frame), drawn by the picture's name with the same chances for both classes. `--part 0/2` takes every
second picture, so that two processes share the work.
"""
from __future__ import annotations

import argparse
import io
import os
import sys
import time
from pathlib import Path

import numpy as np
from degrade import jpeg, x264
from imagery import WORK, decode, part_of, read_pictures, session, tensor
from PIL import Image
from pixels import resize

LAYERS = ("layer_6", "layer_8", "layer_10")
VIEWS = 2
# Every picture of the second is of another camera.
MOST = {"voteview/member_photos": 30, "drewnoakes/metadata-extractor-images": 75}
PER_SOURCE = 20   # more of one source and generator teach its habits


def seed_of(name: str, view: int) -> int:
    return int(name, 16) % (1 << 31) * 7 + view


def webp(rgb: np.ndarray, quality: int) -> np.ndarray:
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "WEBP", quality=quality)
    return np.asarray(Image.open(out).convert("RGB"))


def degraded(rgb: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    h, w = rgb.shape[:2]
    if rng.random() < 0.5:
        rgb = np.ascontiguousarray(rgb[:, ::-1])
    if rng.random() < 0.4:   # cut to another shape
        ch, cw = (max(160, round(n * rng.uniform(0.7, 1))) for n in (h, w))
        ch, cw = min(ch, h), min(cw, w)
        y, x = rng.integers(h - ch + 1), rng.integers(w - cw + 1)
        rgb = np.ascontiguousarray(rgb[y:y + ch, x:x + cw])
    if rng.random() < 0.5:
        factor = max(rng.uniform(0.5, 1.3), 200 / min(rgb.shape[:2]))
        kind = ("bilinear", "bicubic", "area")[rng.integers(3)]
        rgb = resize(rgb, round(rgb.shape[1] * factor), round(rgb.shape[0] * factor), kind)
    which = rng.random()
    if which < 0.5:
        rgb = jpeg(rgb, rng.integers(45, 96))
    elif which < 0.7:
        rgb = webp(rgb, int(rng.integers(45, 96)))
    elif which < 0.9:
        rgb = x264(rgb, rng.integers(18, 31), [tuple(int(v) for v in rng.integers(-2, 3, 2)) for _ in range(rng.integers(0, 2))])
    if rng.random() < 0.2:   # passed on once more, as a screenshot: another size, saved again
        factor = rng.uniform(0.8, 1.2)
        rgb = jpeg(resize(rgb, round(rgb.shape[1] * factor), round(rgb.shape[0] * factor)), rng.integers(70, 96))
    return rgb


def ranks(pictures: list[dict]) -> list[tuple[int, dict]]:
    """At most PER_SOURCE of one source and generator, by hash, each with its number among them."""
    count: dict = {}
    out = []
    for p in sorted(pictures, key=lambda p: p["name"]):
        key = p["source"], p["label"], p["generator"]
        count[key] = count.get(key, 0) + 1
        if count[key] <= MOST.get(p["source"], PER_SOURCE):
            out.append((count[key], p["name"], p))
    return [(rank, p) for rank, _, p in sorted(out, key=lambda o: o[:2])]


def chosen(pictures: list[dict]) -> list[dict]:
    return [p for _, p in ranks(pictures)]


def save(path: Path, value: np.ndarray) -> None:
    part = path.with_suffix(f".{os.getpid()}")
    with open(part, "wb") as f:
        np.save(f, value.astype(np.float16))
    part.replace(path)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, default=WORK)
    p.add_argument("--part", default="0/1")
    args = p.parse_args()
    mine, parts = map(int, args.part.split("/"))
    ranked = [(rank, x) for rank, x in ranks(read_pictures(args.work)) if part_of(x["name"], parts) == mine]
    views = [(rank + 2 * v, v, x) for v in range(VIEWS) for rank, x in ranked]
    for v in range(VIEWS):
        (args.work / f"features/{v}").mkdir(exist_ok=True, parents=True)
    net, began, done = session(args.work / "features.onnx"), time.time(), 0
    run = lambda x, layers: np.stack([o[0] for o in net.run(list(layers), {"image": x})])
    for n, (_, view, x) in enumerate(sorted(views, key=lambda v: v[:2])):
        goal = args.work / f"features/{view}" / (x["name"] + ".npy")
        if goal.is_file():
            continue
        rgb = decode((args.work / "pictures" / x["name"]).read_bytes())
        save(goal, run(tensor(degraded(rgb, seed_of(x["name"], view)) if view else rgb), LAYERS))
        done += 1
        if done % 20 == 0:
            print(f"{n + 1} of {len(views)}, {(time.time() - began) / done:.2f} s each", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
