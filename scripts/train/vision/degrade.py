"""Degradations that a picture meets on its way to a reader, applied identically to both members of a pair.

`Plan` draws every random number once; `apply` is then a deterministic function of the picture. So a difference between
the two members can only be the manipulation, never the processing.
"""
from __future__ import annotations

import io
from dataclasses import dataclass, field

import av
import cv2
import numpy as np
from PIL import Image

av.logging.set_level(av.logging.PANIC)


def jpeg(rgb: np.ndarray, quality: int) -> np.ndarray:
    ok, data = cv2.imencode(".jpg", rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1])


def x264(rgb: np.ndarray, crf: int, shifts: list[tuple[int, int]], preset: str = "veryfast") -> np.ndarray:
    """Encode the picture as the last of a few shifted frames (so that inter prediction acts) and decode it."""
    h, w = rgb.shape[:2]
    H, W = h + h % 2, w + w % 2
    full = cv2.copyMakeBorder(rgb, 0, H - h, 0, W - w, cv2.BORDER_REPLICATE)
    stream = io.BytesIO()
    with av.open(stream, "w", format="matroska") as box:
        video = box.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = W, H, "yuv420p"
        video.options = {"crf": str(int(crf)), "preset": preset, "threads": "1", "bf": "0"}
        for dx, dy in [*shifts, (0, 0)]:
            moved = cv2.warpAffine(full, np.float32([[1, 0, dx], [0, 1, dy]]), (W, H), borderMode=cv2.BORDER_REPLICATE)
            for packet in video.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")):
                box.mux(packet)
        for packet in video.encode():
            box.mux(packet)
    stream.seek(0)
    with av.open(stream) as box:
        box.streams.video[0].codec_context.thread_count = 1
        last = [f for f in box.decode(video=0)][-1]
        return last.to_ndarray(format="rgb24")[:h, :w]


def resize(rgb: np.ndarray, width: int, height: int) -> np.ndarray:
    """The manifest's filter: bilinear, antialiased (Pillow)."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(rgb)).resize((width, height), Image.BILINEAR))


def colour(rgb: np.ndarray, gain, bias: float, gamma: float, saturation: float) -> np.ndarray:
    x = np.clip(rgb.astype(np.float32) / 255, 0, 1) ** gamma
    grey = x.mean(2, keepdims=True)
    x = (grey + (x - grey) * saturation) * np.asarray(gain, np.float32) + bias
    return (np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8)


def sharpen(rgb: np.ndarray, sigma: float, amount: float) -> np.ndarray:
    soft = cv2.GaussianBlur(rgb, (0, 0), sigma)
    return cv2.addWeighted(rgb, 1 + amount, soft, -amount, 0)


@dataclass
class Plan:
    """A fixed list of steps: (name, arguments)."""
    steps: list[tuple] = field(default_factory=list)

    @staticmethod
    def draw(rng: np.random.Generator, grey: bool = False) -> "Plan":
        s: list[tuple] = []
        chance = lambda p: rng.random() < p
        if chance(0.12):   # skin smoothing of the whole picture: retouched portraits are bona fide here
            s.append(("smooth", rng.uniform(15, 50), rng.uniform(2, 5)))
        if chance(0.15) and not grey:   # low sun, studio gels, filters
            s.append(("colour", rng.uniform(0.65, 1.35, 3).tolist(), rng.uniform(-0.1, 0.1), rng.uniform(0.6, 1.6),
                      rng.uniform(0.5, 1.8)))
        elif chance(0.85):
            gain = rng.uniform(0.85, 1.15) * np.ones(3) if grey else rng.uniform(0.85, 1.15) * rng.uniform(0.94, 1.06, 3)
            s.append(("colour", gain.tolist(), rng.uniform(-0.06, 0.06), rng.uniform(0.8, 1.25),
                      0.0 if grey else rng.uniform(0.6, 1.3)))
        if chance(0.08):
            s.append(("grey",))
        if chance(0.25):
            s.append(("blur", rng.uniform(0.3, 1.4)))
        if chance(0.3):
            s.append(("noise", rng.uniform(1, 8), int(rng.integers(1 << 31)), bool(chance(0.5) or grey)))
        if chance(0.5):
            s.append(("scale", rng.uniform(0.45, 1.0)))
        if chance(0.2):
            s.append(("sharpen", rng.uniform(0.6, 2.0), rng.uniform(0.2, 1.2)))
        if chance(0.5):
            s.append(("jpeg", int(rng.integers(30, 96))))
        if chance(0.65):   # video is what the detector reads most; beyond crf 36 little is left of a seam
            shifts = [tuple(int(v) for v in rng.integers(-2, 3, 2)) for _ in range(int(rng.integers(0, 3)))]
            s.append(("x264", int(rng.integers(18, 38)), shifts, ("ultrafast", "veryfast", "faster")[int(rng.integers(3))]))
        if chance(0.2):
            s.append(("scale", rng.uniform(0.6, 1.3)))
        if chance(0.2):
            s.append(("jpeg", int(rng.integers(50, 96))))
        return Plan(s)

    def apply(self, rgb: np.ndarray) -> np.ndarray:
        for name, *a in self.steps:
            if name == "colour":
                rgb = colour(rgb, *a)
            elif name == "smooth":
                rgb = cv2.bilateralFilter(np.ascontiguousarray(rgb), 5, *a)
            elif name == "grey":
                rgb = np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[:, :, None], 3, 2)
            elif name == "blur":
                rgb = cv2.GaussianBlur(rgb, (0, 0), a[0])
            elif name == "noise":
                draw = np.random.default_rng(a[1])
                shape = rgb.shape[:2] + ((1,) if a[2] else (3,))
                noisy = rgb + draw.standard_normal(shape, dtype=np.float32) * a[0]
                rgb = np.clip(noisy + 0.5, 0, 255).astype(np.uint8)
            elif name == "scale":
                h, w = rgb.shape[:2]
                rgb = resize(rgb, max(48, round(w * a[0])), max(48, round(h * a[0])))
            elif name == "sharpen":
                rgb = sharpen(rgb, *a)
            elif name == "jpeg":
                rgb = jpeg(rgb, *a)
            elif name == "x264":
                rgb = x264(rgb, *a)
            else:
                raise ValueError(name)
        return rgb
