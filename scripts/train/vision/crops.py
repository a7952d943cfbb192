"""Stage 1: bona fide faces of pictures and of talking-head recordings, cut with a wide margin, with landmarks.

Sources: the shared data (`use = train`), the photographs of `imagery-open`, the recordings of `talking-open`, and what
`datasets/faces-open/repositories.tsv` names beside them. All but the first are brought by `fetch.py`.

Output in .cache/train/vision/crops: `<n>.jpg` and `crops.json`. A crop is kept at its native size, because enlarging
before the codecs run would hide what a codec does to small faces; the longest side still fills the net's input.
"""
from __future__ import annotations

import argparse
import collections
import csv
import hashlib
import json
import math
import re
from pathlib import Path

import av
import cv2
import numpy as np
from face_detect import ROOT, Detector, crop_square
from fetch import shared
from landmarks import landmarks, mesh_session
from PIL import Image, ImageOps
from pictures import difference_hash, table

MARGIN = 1.8          # of the face box; training cuts 1.15 to 1.5 out of it
LONGEST = 320
MIN_FACE = 64         # smaller ones make the detector abstain
FOLDS = 5
FRAMES = 12           # of a recording, spread over it
A_PICTURE = 3         # faces of one picture, the largest
A_GROUP = 15          # faces of one person or source that has no persons named
PORTRAITS = 350       # of voteview: official portraits teach one style
NEAR = 4              # bits of a face's difference hash: the same photograph travels from project to project
IMAGERY = ROOT / ".cache/train/imagery/fetched"


def group_of(row: dict) -> str:
    """Who is in a picture of the shared data, as far as it is known: the person of a voteview portrait, the photographer
    of a Flickr portrait, otherwise the whole source."""
    if row["source"].startswith("voteview"):
        return "voteview/" + Path(row["path"]).stem.lstrip("0")
    photographer = re.search(r" by (.+?)(?: on Flickr)?\)$", row["licence"])
    return row["source"] + ("/" + photographer[1] if photographer else "")


def fold_of(group: str) -> int:
    return int(hashlib.sha256(group.encode()).hexdigest(), 16) % FOLDS


def upright(path: Path) -> np.ndarray:
    """At most about four million pixels: the detector looks at 320 px, and the crop keeps what a face needs."""
    picture = Image.open(path)
    picture.draft("RGB", (2000, 2000))   # a JPEG is decoded at a half or a quarter where that is still larger
    picture = ImageOps.exif_transpose(picture).convert("RGB")
    shrink = (4_000_000 / (picture.width * picture.height)) ** 0.5
    return np.asarray(picture.resize([round(s * shrink) for s in picture.size], Image.BILINEAR) if shrink < 1 else picture)


def mark_of(rgb: np.ndarray) -> int:
    """`pictures.difference_hash` of a picture that is decoded already."""
    grey = np.asarray(Image.fromarray(rgb).convert("L").resize((9, 8), Image.BILINEAR), int)
    return int.from_bytes(np.packbits((grey[:, 1:] > grey[:, :-1]).ravel()).tobytes(), "big")


def frames(path: Path):
    """Frames spread evenly over a recording; decoded in order, since not every file can be searched."""
    with av.open(str(path)) as box:
        total = box.streams.video[0].frames or sum(1 for _ in box.decode(video=0))
    wanted = {int((i + 0.5) * total / FRAMES) for i in range(FRAMES)}
    with av.open(str(path)) as box:
        for n, frame in enumerate(box.decode(video=0)):
            if n in wanted:
                yield n, frame.to_ndarray(format="rgb24")


def shared_pictures(data: Path):
    for row in csv.DictReader(open(data / "protocol.tsv"), delimiter="\t"):
        if row["use"] != "train" or row["modality"] != "image" or row["label"] != "bonafide":
            continue
        if "open/acani" in row["path"]:   # smaller copies of the pictures in image/acani, without their photographer
            continue
        kind = "portrait" if row["source"].startswith("voteview") else "photo"
        yield {"picture": row["trial_id"], "source": row["source"], "group": group_of(row), "kind": kind, "commit": "-",
               "file": row["original_path"], "sha256": row["sha256"], "licence": row["licence"]}, data / row["path"]


def fetched_pictures():
    """Of the fetched data sets, in the order of their tables."""
    pattern = shared().glob_pattern
    excluded = {(r["repository"], r["file"]) for r in table(ROOT / "datasets/imagery-open/excluded.tsv")}
    for dataset in ("talking-open", "faces-open", "imagery-open"):
        home = ROOT / "datasets" / dataset
        lines = table(home / "repositories.tsv")
        for row in table(home / "fetched.tsv"):
            place = (row["repository"], row["file"])
            line = next(x for x in lines if (x["repository"], x["commit"]) == (row["repository"], row["commit"])
                        and pattern(x["files"]).match(row["file"]))
            if row["label"] != "bonafide" or place in excluded:
                continue
            if dataset == "imagery-open" and (line["family"] != "photo" or line["tiles"] != "-"):
                continue
            kind = {"faces-open": line.get("kind"), "imagery-open": "photo", "talking-open": "video"}[dataset]
            yield {"picture": "/".join(place), "source": row["repository"], "group": group_in(dataset, line, row), "kind": kind,
                   "commit": row["commit"], "file": row["file"], "sha256": row["sha256"], "licence": row["licence"]}, \
                IMAGERY / dataset / row["repository"].replace("/", "+") / row["file"]


def group_in(dataset: str, line: dict, row: dict) -> str:
    """A recording, a person where the files say who it is, otherwise the whole source."""
    if dataset == "talking-open":
        return row["repository"] + "/" + row["file"]
    rule = line["group"]
    if rule == "repository":
        return row["repository"]
    if rule == "file":
        return row["repository"] + "/" + Path(row["file"]).stem
    if rule == "folder":
        return row["repository"] + "/" + Path(row["file"]).parent.name
    return rule          # imagery-open names its sources


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    p.add_argument("--work", type=Path, default=ROOT / ".cache/train/vision")
    p.add_argument("--longest", type=int, default=LONGEST)
    args = p.parse_args()
    out = args.work / "crops"
    if (out / "crops.json").is_file():
        return
    out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    detect, mesh = Detector("face-centerface", size=(320, 320)), mesh_session()
    protocol = table(args.data / "protocol.tsv")
    evaluated = {r[k] for r in protocol if r["use"] == "eval" for k in ("sha256", "original_sha256")}
    evaluated |= {r["sha256"] for r in table(ROOT / "datasets/faces-demo/fetched.tsv")}
    judged = [difference_hash((args.data / r["path"]).read_bytes())
              for r in protocol if r["modality"] == "image" and r["use"] == "eval"]
    evaluated -= {"-", ""}
    kept = out / "crops.part.json"   # of a run that was cut off
    index = json.loads(kept.read_text()) if kept.is_file() else []
    known = {i["picture"] for i in index}
    marks = [(mark_of(np.asarray(Image.open(out / i["name"]))), i["group"]) for i in index]
    count, dropped = collections.Counter(i["group"] for i in index), collections.Counter()
    portraits = {r["trial_id"] for r in sorted((r for r in protocol if r["source"].startswith("voteview") and r["use"] == "train"),
                                               key=lambda r: hashlib.sha256(group_of(r).encode()).digest())[:PORTRAITS]}

    def add(record: dict, rgb: np.ndarray, number: int | None) -> None:
        faces = [f for f in detect(rgb) if f.size >= MIN_FACE and f.score >= 0.6]
        for face in sorted(faces, key=lambda f: -f.size)[:1 if number is not None else A_PICTURE]:
            if count[record["group"]] >= (FRAMES if record["kind"] == "video" else A_GROUP):
                dropped["enough of the group"] += 1
                continue
            points, presence = landmarks(mesh, rgb, face)
            if presence < 0:
                dropped["no landmarks"] += 1
                continue
            crop = crop_square(rgb, face, MARGIN)
            side = len(crop)
            origin = [math.floor((a + b) / 2 - side / 2 + 0.5) for a, b in ((face.x0, face.x1), (face.y0, face.y1))]
            points, box = points - origin, face.size
            if side > args.longest:
                crop = np.asarray(Image.fromarray(crop).resize((args.longest, args.longest), Image.BILINEAR))
                points, box = points * args.longest / side, box * args.longest / side
            name = f"{len(index):05d}.jpg"
            Image.fromarray(crop).save(out / name, quality=93)
            mark = mark_of(crop)
            # frames of one recording are alike by nature; the cap of the group keeps them few
            if any((mark ^ other).bit_count() <= NEAR and (record["kind"] != "video" or whose != record["group"])
                   for other, whose in marks):
                dropped["resembles another face"] += 1
                (out / name).unlink()
                continue
            marks.append((mark, record["group"]))
            count[record["group"]] += 1
            grey = float(np.abs(crop.astype(int) - crop.mean(2, keepdims=True)).mean()) < 1.5
            index.append(record | {"name": name, "frame": number, "fold": fold_of(record["group"]), "face": box,
                                   "native_face": face.size, "grey": grey, "points": np.round(points, 1).tolist()})
            if len(index) % 100 == 0:
                print(len(index), dict(dropped), flush=True)
                kept.write_text(json.dumps(index))

    for source in (fetched_pictures(), shared_pictures(args.data)):
        for record, path in source:
            if record["sha256"] in evaluated:
                dropped["evaluation file"] += 1
                continue
            if record["picture"] in known or record["kind"] == "portrait" and record["picture"] not in portraits:
                continue
            try:
                if path.suffix.lower() in (".mp4", ".avi", ".mov", ".webm"):
                    for number, rgb in frames(path):
                        add(record, rgb, number)
                    continue
                rgb = upright(path)
                mark = mark_of(rgb)
            except (OSError, av.error.FFmpegError) as e:   # some are test files that are broken on purpose
                dropped["unreadable"] += 1
                print(record["picture"], e, flush=True)
                continue
            if any((mark ^ other).bit_count() <= 5 for other in judged):
                dropped["resembles an evaluation picture"] += 1
                continue
            add(record, rgb, None)
    # There are few recordings, so chance may hold out none: of their sources, in the order of their hashes, every fourth is.
    recorded = sorted({i["source"] for i in index if i["kind"] == "video"}, key=lambda s: hashlib.sha256(s.encode()).digest())
    for i in index:
        if i["kind"] == "video":
            i["fold"] = 0 if recorded.index(i["source"]) % 4 == 3 else 1 + fold_of(i["group"]) % (FOLDS - 1)
    kept.unlink(missing_ok=True)
    (out / "crops.json").write_text(json.dumps(index))
    print(len(index), "faces of", len({i["group"] for i in index}), "groups and", len({i["source"] for i in index}), "sources;",
          dict(collections.Counter(i["kind"] for i in index)), "dropped:", dict(dropped), flush=True)


if __name__ == "__main__":
    main()
