"""Stage 1: faces of the bona fide `use = train` pictures, cut with a wide margin, with landmarks.

Output in .cache/train/vision/crops: `<n>.jpg` (quality 95, native size up to 384 px) and `crops.json`. A crop is kept
at its native size, because enlarging before the codecs run would hide what a codec does to small faces.
"""
from __future__ import annotations

import argparse
import csv
import hashlib
import json
import math
import re
from pathlib import Path

import cv2
import numpy as np
from face_detect import ROOT, Detector, crop_square
from landmarks import landmarks, mesh_session
from PIL import Image

MARGIN = 1.8          # of the face box; training cuts 1.15 to 1.5 out of it
LONGEST = 384
MIN_FACE = 56
FOLDS = 5
# Pictures of many different people that only happen to share a folder; others keep source = group.
BY_FILE = ("voteview",)


def group_of(row: dict) -> str:
    """Who is in the picture, as far as it is known: the person of a voteview portrait, the photographer of a Flickr
    portrait, otherwise the whole source."""
    if row["source"].startswith(BY_FILE):
        return "voteview/" + Path(row["path"]).stem.lstrip("0")
    photographer = re.search(r" by (.+?)(?: on Flickr)?\)$", row["licence"])
    return row["source"] + ("/" + photographer[1] if photographer else "")


def fold_of(group: str) -> int:
    return int(hashlib.sha256(group.encode()).hexdigest(), 16) % FOLDS


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    p.add_argument("--work", type=Path, default=ROOT / ".cache/train/vision")
    args = p.parse_args()
    out = args.work / "crops"
    if (out / "crops.json").is_file():
        return
    out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    detect, mesh = Detector("face-centerface", size=(320, 320)), mesh_session()
    index = []
    for row in csv.DictReader(open(args.data / "protocol.tsv"), delimiter="\t"):
        if row["use"] != "train" or row["modality"] != "image" or row["label"] != "bonafide":
            continue
        if "open/acani" in row["path"]:   # smaller copies of the pictures in image/acani, without their photographer
            continue
        rgb = np.asarray(Image.open(args.data / row["path"]).convert("RGB"))
        for face in detect(rgb):
            if face.size < MIN_FACE or face.score < 0.6:
                continue
            points, presence = landmarks(mesh, rgb, face)
            if presence < 0:
                continue
            crop = crop_square(rgb, face, MARGIN)
            side = len(crop)
            origin = [math.floor((a + b) / 2 - side / 2 + 0.5) for a, b in ((face.x0, face.x1), (face.y0, face.y1))]
            points, box = points - origin, face.size
            if side > LONGEST:
                crop = np.asarray(Image.fromarray(crop).resize((LONGEST, LONGEST), Image.BILINEAR))
                points, box = points * LONGEST / side, box * LONGEST / side
            name = f"{len(index):05d}.jpg"
            Image.fromarray(crop).save(out / name, quality=95, subsampling=0)
            group = group_of(row)
            grey = float(np.abs(crop.astype(int) - crop.mean(2, keepdims=True)).mean()) < 1.5
            index.append({"file": name, "picture": row["trial_id"], "source": row["source"], "group": group,
                          "fold": fold_of(group), "face": box, "native_face": face.size, "grey": grey,
                          "points": np.round(points, 1).tolist()})
    (out / "crops.json").write_text(json.dumps(index))
    print(len(index), "faces of", len({i["group"] for i in index}), "groups")


if __name__ == "__main__":
    main()
