"""Imagery, stage 3: which pictures are of a face, so that faces are weighed and judged against faces.

faces.json: for each picture [a face's longer side is over FACE of the picture's shorter side, that
share]. BlazeFace is enough for faces of that size, at a tenth of CenterFace's cost.
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

from face_detect import Detector
from imagery import WORK, decode, read_pictures
from imagery_features import chosen
from pictures import FACE


def share(detect: Detector, rgb) -> float:
    found = [f.size for f in detect(rgb) if f.score >= 0.5]
    return max(found, default=0.0) / min(rgb.shape[:2])


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, default=WORK)
    args = p.parse_args()
    goal = args.work / "faces.json"
    known = json.loads(goal.read_text()) if goal.is_file() else {}
    detect = Detector("face-blazeface")
    for n, x in enumerate(chosen(read_pictures(args.work))):
        if x["name"] not in known:
            value = share(detect, decode((args.work / "pictures" / x["name"]).read_bytes()))
            known[x["name"]] = [bool(value > FACE), round(value, 3)]
        if n % 50 == 49:
            goal.write_text(json.dumps(known))
    goal.write_text(json.dumps(known))
    print(sum(v[0] for v in known.values()), "of", len(known), "are of a face")


if __name__ == "__main__":
    main()
