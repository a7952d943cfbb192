"""Imagery, stage 1: one list of pictures from the shared data (`use = train`) and from the fetched repositories.

Every picture ends as image/open has them, both classes alike: upright RGB, the longer side at most 512 px, WebP
quality 90; originals of at most 60 KB and 1024 px keep their bytes. `tiles` of a repository's line cuts figures that
show many pictures: `CxR` is a grid over the whole figure, `CxR@x,y,w,h` one over that part, parts joined by `+`;
2 % of each cell's border is cut away. Of more than 24 cells of one figure 24 are taken by the hash of their place.

Dropped: what `excluded.tsv` names (looked at and no picture, or no photograph, of its label), pictures that resemble
another (difference hash within 5 of 64 bits; the first stays), above all those that resemble an evaluation picture,
and sides under 200 px. The table `protocol.tsv` of the data set is written from the list.
"""
from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import re
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

ROOT = Path(__file__).resolve().parents[3]
LONGEST, SMALLEST, QUALITY = 512, 200, 90
KEEP_BYTES, KEEP_SIDE, MOST_TILES = 60_000, 1024, 24
NEAR = 5
FACE = 0.2   # of the shorter side: from this size on a picture is one of a face
Image.MAX_IMAGE_PIXELS = 120_000_000
# Families of the generators of the shared data: makers and kin are held out together.
FAMILIES = {"StableDiffusion3": "SD3", "GPT-4o-image": "GPT-Image", "GPT-Image-2": "GPT-Image", "Kandinsky-2": "Kandinsky",
            "Kandinsky-3": "Kandinsky", "Kandinsky-5": "Kandinsky", "VQGAN": "VQGAN", "VQGAN-CLIP": "CLIP-guided",
            "FF-VQGAN-CLIP": "CLIP-guided", "Gemini-2.5-Flash-Image (Nano Banana)": "Gemini-Image", "ruDALL-E": "DALL-E-mini",
            "Seedream-5": "Seedream", "LDM-txt2img": "LDM"}
# Sources that appear under several names are one source.
GROUPS = {"npm @vladmandic/face-api": None, "tensorflow/tfjs-examples": "tensorflow", "tensorflow/tflite-support": "tensorflow",
          "google/mediapipe": "google-coral/test_data"}


def normalised(data: bytes, image: Image.Image | None = None) -> bytes:
    """The stored form of a picture; `image` is a tile cut from it."""
    whole = image or ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if image is None and len(data) <= KEEP_BYTES and max(whole.size) <= KEEP_SIDE and whole.format in ("JPEG", "PNG", "WEBP"):
        return data
    if whole.mode in ("RGBA", "LA", "P"):
        whole = whole.convert("RGBA")
        whole = Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole)
    rgb = whole.convert("RGB")
    scale = LONGEST / max(rgb.size)
    if scale < 1:
        rgb = rgb.resize([max(1, round(s * scale)) for s in rgb.size], Image.BILINEAR)
    out = io.BytesIO()
    rgb.save(out, "WEBP", quality=QUALITY, method=4)
    return out.getvalue()


def tiles(figure: Image.Image, plan: str) -> list[tuple[str, Image.Image]]:
    cells = []
    for part in plan.split("+"):
        cols, rows, x, y, w, h = map(int, re.fullmatch(r"(\d+)x(\d+)(?:@(\d+),(\d+),(\d+),(\d+))?", part).groups(default="0"))
        w, h = w or figure.width, h or figure.height
        cw, ch = w / cols, h / rows
        for r in range(rows):
            for c in range(cols):
                inset = 0.02 * min(cw, ch)
                box = [round(v) for v in (x + c * cw + inset, y + r * ch + inset, x + (c + 1) * cw - inset, y + (r + 1) * ch - inset)]
                cells.append(("{},{},{},{}".format(*box), figure.crop(box)))
    cells.sort(key=lambda cell: hashlib.sha256(cell[0].encode()).digest())
    return cells[:MOST_TILES]


def difference_hash(data: bytes) -> int:
    grey = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("L").resize((9, 8), Image.BILINEAR), int)
    return int.from_bytes(np.packbits((grey[:, 1:] > grey[:, :-1]).ravel()).tobytes(), "big")


def table(path: Path) -> list[dict]:
    return list(csv.DictReader(open(path, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)) if path.is_file() else []


def candidates(data: Path, work: Path):
    """(record, how its stored bytes are made), the shared pictures first."""
    for row in table(data / "protocol.tsv"):
        if row["modality"] == "image" and row["use"] == "train":
            blob = (data / row["path"]).read_bytes()
            generator = row["generator"]
            yield {"id": row["trial_id"], "label": row["label"], "generator": generator,
                   "family": FAMILIES.get(generator, generator) if row["label"] == "spoof" else "photo",
                   "source": GROUPS.get(row["source"], row["source"]), "repository": row["source"], "commit": "-",
                   "file": row["original_path"], "tile": "-", "licence": row["licence"]}, lambda blob=blob: normalised(blob)
    home = ROOT / "datasets/imagery-open"
    lines = table(home / "repositories.tsv")
    sys.path.append(str(Path(__file__).resolve().parent))
    from fetch import shared
    glob_pattern = shared().glob_pattern
    excluded = {(r["repository"], r["file"]) for r in table(home / "excluded.tsv")}
    for row in table(home / "fetched.tsv"):
        if (row["repository"], row["file"]) in excluded:
            continue
        line = next(x for x in lines if x["repository"] == row["repository"] and x["commit"] == row["commit"]
                    and glob_pattern(x["files"]).match(row["file"]))
        blob = (work / "fetched/imagery-open" / row["repository"].replace("/", "+") / row["file"]).read_bytes()
        short = hashlib.sha256(f"{row['repository']}/{row['file']}".encode()).hexdigest()[:10]
        name = row["repository"].split("/")[1]
        record = {"label": row["label"], "generator": row["generator"], "family": line["family"],
                  "source": GROUPS.get(line["group"], line["group"]), "repository": row["repository"], "commit": row["commit"],
                  "file": row["file"], "licence": row["licence"]}
        try:
            if line["tiles"] == "-":
                yield record | {"id": f"{name}/{short}", "tile": "-"}, lambda blob=blob: normalised(blob)
                continue
            figure = Image.open(io.BytesIO(blob)).convert("RGB")
            for place, cell in tiles(figure, line["tiles"]):
                yield record | {"id": f"{name}/{short}-{place.replace(',', '-')}", "tile": place}, lambda blob=blob, cell=cell: normalised(blob, cell)
        except OSError as e:
            print(f"{row['repository']}/{row['file']}: {e}", file=sys.stderr)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    p.add_argument("--work", type=Path, default=ROOT / ".cache/train/imagery")
    args = p.parse_args()
    out = args.work / "pictures"
    out.mkdir(parents=True, exist_ok=True)
    seen = [("an evaluation picture", difference_hash((args.data / r["path"]).read_bytes()))
            for r in table(args.data / "protocol.tsv") if r["modality"] == "image" and r["use"] == "eval"]
    kept, dropped = [], []
    for record, make in candidates(args.data, args.work):
        name = hashlib.sha256(record["id"].encode()).hexdigest()[:16]
        try:   # some are test files that are broken on purpose
            blob = (out / name).read_bytes() if (out / name).is_file() else make()
            (out / name).write_bytes(blob)
            size = ImageOps.exif_transpose(Image.open(io.BytesIO(blob))).size
            mark = difference_hash(blob)
        except OSError as e:
            dropped.append((record["id"], str(e)))
            continue
        twin = next((name for name, other in seen if (mark ^ other).bit_count() <= NEAR), None)
        if min(size) < SMALLEST and not record["id"].startswith("image/"):
            dropped.append((record["id"], f"{size[0]} x {size[1]}"))
        elif twin and not (record["id"].startswith("image/") and twin != "an evaluation picture"):
            dropped.append((record["id"], f"resembles {twin}"))
        else:
            seen.append((record["id"], mark))
            kept.append(record | {"name": name, "sha256": hashlib.sha256(blob).hexdigest(), "size": list(size)})
    (args.work / "pictures.json").write_text(json.dumps(kept))
    (args.work / "dropped.json").write_text(json.dumps(dropped))
    for label in ("bonafide", "spoof"):
        these = [k for k in kept if k["label"] == label]
        print(label, len(these), "of", len({k["source"] for k in these}), "sources,", len({k["family"] for k in these}), "families")


if __name__ == "__main__":
    main()
