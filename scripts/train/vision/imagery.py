"""Imagery: what the stages share. The input tensor is computed as the manifest of synthetic-image says."""
from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from pixels import fit, resize

ROOT = Path(__file__).resolve().parents[3]
WORK = ROOT / ".cache/train/imagery"
FOLDER = ROOT / "models/synthetic-image"
SIZE, LONGEST = 224, 512
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
PARTS = ("token", "mean", "deviation")


def session(path: Path):
    import onnxruntime as ort   # only where a net runs

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def decode(data: bytes) -> np.ndarray:
    """Upright RGB; transparent parts on white."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if image.mode in ("RGBA", "LA", "P"):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


def tensor(rgb: np.ndarray) -> np.ndarray:
    """The whole picture, squeezed: [1, 3, 224, 224]."""
    return normalise(resize(fit(rgb, LONGEST), SIZE, SIZE, "bicubic"))


def normalise(rgb: np.ndarray) -> np.ndarray:
    x = (rgb.astype(np.float32) / np.float32(255) - MEAN) / STD
    return np.ascontiguousarray(x.transpose(2, 0, 1)[None])


def read_pictures(work: Path = WORK) -> list[dict]:
    return json.loads((work / "pictures.json").read_text())


def part_of(name: str, parts: int) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % parts
