"""468 face landmarks with MediaPipe's face mesh, for the blending masks of the training recipes.

The model is that of `face-temporal`, which scripts/materialise/face-mesh.py makes; no TFLite runtime is needed.
"""
from __future__ import annotations

import math
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts/materialise"))
from common import cache_dir, verified   # noqa: E402
from pins import MESH   # noqa: E402

SIZE = 192
MARGIN = 1.5

def mesh_session() -> ort.InferenceSession:
    dest = cache_dir() / "models/face-mesh.onnx"
    if not verified(dest, MESH["onnx"]):
        raise SystemExit(f"{dest} is missing: run scripts/materialise/face-mesh.py")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(dest), options)


def landmarks(session, rgb: np.ndarray, face) -> tuple[np.ndarray, float]:
    """Points [468, 2] in picture pixels and the presence logit, from a square that stands upright on the eyes."""
    (rx, ry), (lx, ly) = face.points["right_eye"], face.points["left_eye"]
    angle = math.atan2(ly - ry, lx - rx)
    cx, cy, side = (face.x0 + face.x1) / 2, (face.y0 + face.y1) / 2, MARGIN * face.size
    cos, sin = math.cos(angle) * side / SIZE, math.sin(angle) * side / SIZE
    # maps mesh pixels to picture pixels
    back = np.array([[cos, -sin, cx - (cos - sin) * SIZE / 2], [sin, cos, cy - (sin + cos) * SIZE / 2]], np.float32)
    roi = cv2.warpAffine(rgb, back, (SIZE, SIZE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                         borderMode=cv2.BORDER_REPLICATE)
    tensor = (roi.astype(np.float32) / 255).transpose(2, 0, 1)[None]
    points, presence = session.run(["landmarks", "presence"], {"image": tensor})
    xy = points.reshape(468, 3)[:, :2]
    return (xy @ back[:, :2].T + back[:, 2]).astype(np.float32), float(presence.reshape(-1)[0])
