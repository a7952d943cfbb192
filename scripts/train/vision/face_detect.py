"""Reference implementation of face detection: what the Rust port must compute, line for line.

Everything that is a number stands in `models/<id>/manifest.toml`; this file holds only the arithmetic.

1. `letterbox`: scale the picture so that it fits width x height of [preprocess.image] (aspect kept, also upwards),
   put it in the TOP LEFT corner of a canvas whose sides are rounded up to `canvas_multiple`, fill with pixel value 0.
2. value = pixel / 255 * (range[1] - range[0]) + range[0], NCHW, RGB.
3. decode (`blazeface` or `centerface`), boxes and points in canvas pixels.
4. non-maximum suppression, then divide by the scale of step 1.
5. `normalise_box`: turn the detector's box into the common face box (see there).
"""
from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Face:
    """A face in picture pixels: box corners (floats, may reach outside the picture), score, named points."""
    x0: float
    y0: float
    x1: float
    y1: float
    score: float
    points: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def size(self) -> float:
        return max(self.x1 - self.x0, self.y1 - self.y0)


def letterbox(rgb: np.ndarray, width: int, height: int, multiple: int) -> tuple[np.ndarray, float]:
    """Fit into width x height, top left, zero filled; returns the canvas (u8) and the scale canvas/picture."""
    h, w = rgb.shape[:2]
    scale = min(width / w, height / h)
    tw, th = max(1, math.floor(w * scale + 0.5)), max(1, math.floor(h * scale + 0.5))
    # Pillow's BILINEAR is a triangle filter widened by the reduction, that is: antialiased.
    small = np.asarray(Image.fromarray(rgb).resize((tw, th), Image.BILINEAR))
    canvas = np.zeros((-(-th // multiple) * multiple, -(-tw // multiple) * multiple, 3), np.uint8)
    canvas[:th, :tw] = small
    return canvas, scale


def to_tensor(canvas: np.ndarray, lo: float, hi: float) -> np.ndarray:
    value = canvas.astype(np.float32) * np.float32((hi - lo) / 255.0) + np.float32(lo)
    return np.ascontiguousarray(value.transpose(2, 0, 1)[None])


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """One box [4] against many [n, 4]; corners."""
    w = np.minimum(a[2], b[:, 2]) - np.maximum(a[0], b[:, 0])
    h = np.minimum(a[3], b[:, 3]) - np.maximum(a[1], b[:, 1])
    inter = np.clip(w, 0, None) * np.clip(h, 0, None)
    area = lambda r: (r[..., 2] - r[..., 0]) * (r[..., 3] - r[..., 1])
    return inter / np.maximum(area(a) + area(b) - inter, 1e-9)


def nms(boxes: np.ndarray, scores: np.ndarray, limit: float) -> list[int]:
    """Hard suppression, best first; equal scores keep the order of the decoder (stable sort)."""
    order = list(np.argsort(-scores, kind="stable"))
    kept = []
    while order:
        best = order.pop(0)
        kept.append(best)
        if order:
            overlap = iou(boxes[best], boxes[order])
            order = [i for i, o in zip(order, overlap) if o <= limit]
    return kept


def decode_blazeface(out: dict, size: tuple[int, int], d: dict):
    """Anchors are cell centres, row by row, for each layer; one anchor a cell times `anchors_per_cell`."""
    h, w = size
    centres = []
    for stride, per_cell in zip(d["strides"], d["anchors_per_cell"]):
        for gy in range(h // stride):
            for gx in range(w // stride):
                centres += [((gx + 0.5) * stride, (gy + 0.5) * stride)] * per_cell
    anchors = np.asarray(centres, np.float32)
    raw = np.clip(out[d["scores_output"]][0, :, 0], -d["score_clip"], d["score_clip"])
    scores = 1.0 / (1.0 + np.exp(-raw))
    keep = np.flatnonzero(scores >= d["score_threshold"])
    b = out[d["boxes_output"]][0][keep]          # x, y, w, h, then points as x, y: canvas pixels
    a = anchors[keep]
    cx, cy = b[:, 0] + a[:, 0], b[:, 1] + a[:, 1]
    boxes = np.stack([cx - b[:, 2] / 2, cy - b[:, 3] / 2, cx + b[:, 2] / 2, cy + b[:, 3] / 2], 1)
    points = b[:, 4:].reshape(len(keep), (b.shape[1] - 4) // 2, 2) + a[:, None, :]
    return boxes, scores[keep], points


def decode_centerface(out: dict, size: tuple[int, int], d: dict):
    """One candidate a heatmap cell; `scale` holds log height, log width, `offset` dy, dx, points y, x of the box."""
    stride = d["stride"]
    heat = out[d["heatmap_output"]][0, 0]
    ys, xs = np.nonzero(heat >= d["score_threshold"])   # row by row
    scale, offset = out[d["scale_output"]][0][:, ys, xs], out[d["offset_output"]][0][:, ys, xs]
    bh, bw = np.exp(scale[0]) * stride, np.exp(scale[1]) * stride
    x0 = (xs + offset[1] + 0.5) * stride - bw / 2
    y0 = (ys + offset[0] + 0.5) * stride - bh / 2
    marks = out[d["landmarks_output"]][0][:, ys, xs]
    points = np.stack([np.stack([marks[2 * j + 1] * bw + x0, marks[2 * j] * bh + y0], 1) for j in range(5)], 1) \
        if len(ys) else np.zeros((0, 5, 2), np.float32)
    return np.stack([x0, y0, x0 + bw, y0 + bh], 1), heat[ys, xs], points


def normalise_box(box: np.ndarray, d: dict) -> np.ndarray:
    """To the common face box (forehead to chin, ear to ear): move by box_shift_y heights, then scale about the centre."""
    w, h = box[2] - box[0], box[3] - box[1]
    cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2 + d["box_shift_y"] * h
    w, h = w * d["box_scale"], h * d["box_scale"]
    return np.array([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])


class Detector:
    """A face detector of models/<id>; `width`/`height` override the manifest for measurements."""

    def __init__(self, model_id: str, cache: Path = ROOT / ".cache", size: tuple[int, int] | None = None, **decode):
        m = tomllib.loads((ROOT / "models" / model_id / "manifest.toml").read_text())
        self.pre, self.d = m["preprocess"]["image"], {**m["decode"], **decode}
        self.width, self.height = size or (self.pre["width"], self.pre["height"])
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self.session = ort.InferenceSession(str(cache / "models" / m["file"]["path"].removeprefix("cache:")), options,
                                            providers=["CPUExecutionProvider"])
        self.names = [o.name for o in self.session.get_outputs()]
        self.input = m["input"]["name"]

    def run(self, rgb: np.ndarray):
        canvas, scale = letterbox(rgb, self.width, self.height, self.pre["canvas_multiple"])
        tensor = to_tensor(canvas, *self.pre["range"])
        return tensor, dict(zip(self.names, self.session.run(None, {self.input: tensor}))), scale

    def __call__(self, rgb: np.ndarray) -> list[Face]:
        tensor, out, scale = self.run(rgb)
        decode = {"blazeface": decode_blazeface, "centerface": decode_centerface}[self.d["kind"]]
        boxes, scores, points = decode(out, tensor.shape[2:], self.d)
        faces = []
        for i in nms(boxes, scores, self.d["nms_iou"]):
            x0, y0, x1, y1 = (normalise_box(boxes[i], self.d) / scale).tolist()
            names = self.d["keypoints"]
            marks = {n: (float(p[0]) / scale, float(p[1]) / scale) for n, p in zip(names, points[i])}
            faces.append(Face(x0, y0, x1, y1, float(scores[i]), marks))
        return faces


def crop_square(rgb: np.ndarray, face: Face, margin: float) -> np.ndarray:
    """Square of side margin * max(w, h), centred on the box; edge pixels are repeated outside the picture."""
    side = max(1, math.floor(margin * face.size + 0.5))
    x0 = math.floor((face.x0 + face.x1) / 2 - side / 2 + 0.5)
    y0 = math.floor((face.y0 + face.y1) / 2 - side / 2 + 0.5)
    h, w = rgb.shape[:2]
    xs = np.clip(np.arange(x0, x0 + side), 0, w - 1)
    ys = np.clip(np.arange(y0, y0 + side), 0, h - 1)
    return rgb[ys[:, None], xs[None, :]]
