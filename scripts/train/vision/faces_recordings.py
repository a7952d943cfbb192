"""A face-blend model on datasets/faces-recordings: genuine recordings held out by source, for a threshold.

FRAMES frames from half a second on, two a second, the largest face of each, crops and score as faces_demo.py has them; a
recording that says it lies on its side is turned, as the program does. Each frame is scored as it is (`clean`) and after one
H.264 round trip at crf 28 at its own size, as the calibration's condition of that name encodes (`crf28`), with the face where
the clean frame has it, so that the codec alone makes the difference. Of each recording the mean scores are kept, under the hash
of the model; what is scored already stays, so the stage goes on where it stopped. No threshold is chosen here.
"""
from __future__ import annotations

import argparse
import csv
import hashlib
import json
import math
from pathlib import Path

import av
import numpy as np
from degrade import x264
from face_detect import Detector
from faces_demo import FRAMES, MIN_FACE, crop, sampled
from imagery import ROOT, WORK, session

DATASET = "faces-recordings"
LEAST = 3   # frames with a face, below which a recording says too little
CRF, SHIFTS = 28, [(1, 0), (0, 1)]   # train.py, CONDITIONS


def upright(path: Path) -> list[np.ndarray]:
    """The sampled frames, turned as the container says; `sampled` leaves that to whoever shows them."""
    with av.open(str(path)) as box:
        matrix = next(box.decode(video=0)).side_data.get("DISPLAYMATRIX")
    a, b = np.frombuffer(bytes(matrix), np.int32)[:2] if matrix else (1, 0)
    turns = -round(math.degrees(math.atan2(b, a)) / 90)
    return [np.ascontiguousarray(np.rot90(f, turns)) for f in sampled(path)]


def scores(path: Path, detect: Detector, net) -> dict:
    clean, coded, size = [], [], []
    for rgb in upright(path):
        faces = [f for f in detect(rgb) if f.size >= MIN_FACE]
        if faces:
            face = max(faces, key=lambda f: f.size)
            for out, picture in ((clean, rgb), (coded, x264(rgb, CRF, SHIFTS))):
                out.append(float(net.run(None, {"crop": crop(picture, face)})[0][0]))
            size.append(face.size)
    if len(size) < LEAST:
        raise SystemExit(f"{path}: {len(size)} frames with a face")
    return {"frames": len(size), "face": float(np.median(size)), "clean": float(np.mean(clean)), "crf28": float(np.mean(coded))}


def table(rows: list[dict]) -> str:
    lines = ["| source | recordings | median face, px | clean, per recording | crf 28, per recording |", "|---|---|---|---|---|"]
    for source in sorted({r["repository"] for r in rows}, key=str.lower):
        these = [r for r in rows if r["repository"] == source]
        each = lambda name: ", ".join(f"{r[name]:.2f}" for r in these)
        lines.append(f"| {source} | {len(these)} | {np.median([r['face'] for r in these]):.0f} | {each('clean')} | {each('crf28')} |")
    return "\n".join(lines)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", type=Path, default=ROOT / "models/face-blend/model.onnx")
    p.add_argument("--work", type=Path, default=WORK)
    args = p.parse_args()
    weights = hashlib.sha256(args.model.read_bytes()).hexdigest()[:16]
    store = args.work / f"{DATASET}-{weights}-{FRAMES}.json"
    known = {r["sha256"]: r for r in json.loads(store.read_text())} if store.is_file() else {}
    detect, net = Detector("face-centerface"), session(args.model)
    with open(ROOT / f"datasets/{DATASET}/fetched.tsv", newline="") as f:
        pinned = list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))
    for r in pinned:
        if r["sha256"] not in known:
            path = args.work / "fetched" / DATASET / r["repository"].replace("/", "+") / r["file"]
            if hashlib.sha256(path.read_bytes()).hexdigest() != r["sha256"]:
                raise SystemExit(f"{path}: is not the file that fetched.tsv names")
            known[r["sha256"]] = {k: r[k] for k in ("repository", "file", "sha256")} | scores(path, detect, net)
            store.write_text(json.dumps(list(known.values()), indent=1))
    print(f"{args.model} ({weights})\n\n" + table([known[r["sha256"]] for r in pinned]))


if __name__ == "__main__":
    main()
