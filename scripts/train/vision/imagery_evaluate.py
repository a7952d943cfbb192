"""Imagery, stage 6: one evaluation on `use = eval` pictures and videos. Nothing here flows back.

A video's score is the mean over FRAMES, parts of its length; one, in its middle, so far. A line with the head's hash
goes to models/synthetic-image/reports.tsv, so that every look at the evaluation data is on record.
"""
from __future__ import annotations

import argparse
import csv
import hashlib
import json
import tomllib
from pathlib import Path

import av
import numpy as np
from face_detect import Detector
from PIL import Image
from imagery import FOLDER, ROOT, WORK, decode, session, tensor
from imagery_faces import share
from imagery_train import auc

FRAMES = (1 / 2,)


def frames(path: Path) -> list[np.ndarray]:
    if path.suffix == ".webp":   # animated WebP is no container that FFmpeg reads
        image = Image.open(path)
        out = []
        for f in FRAMES:
            image.seek(min(int(image.n_frames * f), image.n_frames - 1))
            out.append(np.asarray(image.convert("RGB")))
        return out
    with av.open(str(path)) as box:
        stream = box.streams.video[0]
        stream.codec_context.thread_count = 1
        count = stream.frames or sum(1 for _ in box.decode(video=0))
    wanted = sorted({min(int(count * f), count - 1) for f in FRAMES})
    out = []
    with av.open(str(path)) as box:
        box.streams.video[0].codec_context.thread_count = 1
        for n, frame in enumerate(box.decode(video=0)):
            if n in wanted:
                out.append(frame.to_ndarray(format="rgb24"))
            if n >= wanted[-1]:
                break
    return out


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    p.add_argument("--work", type=Path, default=WORK)
    p.add_argument("--kinds", default="image,video", help="a kind that is not finished is not reported")
    p.add_argument("--what", default="-", help="a few words for reports.tsv")
    args = p.parse_args()
    head = hashlib.sha256((FOLDER / "head.json").read_bytes()).hexdigest()[:16]
    store = args.work / f"evaluation-{head}.json"
    known = {r["trial_id"]: r for r in json.loads(store.read_text())} if store.is_file() else {}
    cal = json.loads((FOLDER / "calibration.json").read_text())
    net, detect = session(ROOT / ".cache/models/synthetic-image.onnx"), Detector("face-blazeface")
    rows = list(csv.DictReader(open(args.data / "protocol.tsv"), delimiter="\t"))
    for r in sorted(rows, key=lambda r: r["modality"]):
        if r["use"] != "eval" or r["modality"] not in args.kinds.split(",") or r["trial_id"] in known:
            continue
        path = args.data / r["path"]
        seen = [decode(path.read_bytes())] if r["modality"] == "image" else frames(path)
        known[r["trial_id"]] = {k: r[k] for k in ("trial_id", "modality", "label", "attack_family", "generator", "source")} | {
            "score": float(np.mean([net.run(None, {"image": tensor(x)})[0][0] for x in seen])),
            "face": round(max(share(detect, x) for x in seen), 3), "side": min(min(x.shape[:2]) for x in seen)}
        store.write_text(json.dumps(list(known.values()), indent=1))
    rows = list(known.values())   # also of a kind that is not finished
    picture = tomllib.loads((FOLDER / "manifest.toml").read_text())["preprocess"]["image"]
    for r in rows:
        inside = cal["score_range"][0] <= r["score"] <= cal["score_range"][1]
        r["llr"] = float(np.clip(cal["slope"] * r["score"] + cal["intercept"], *cal["llr_range"])) if inside else None
        r["abstains"] = "portrait" if r["face"] > picture.get("max_face_share", 9) else "small" if r["side"] < picture["min_side_px"] else None
        at = cal["supports_spoof_at_llr"]
        r["flag"] = bool(at is not None and r["llr"] is not None and not r["abstains"] and r["llr"] >= at)
    store.write_text(json.dumps(rows, indent=1))
    line = [head, args.what]
    for kind in ("image", "video"):
        for name, these in (("all", lambda r: True), ("other", lambda r: r["face"] <= 0.2), ("face", lambda r: r["face"] > 0.2)):
            a, b = (np.array([r["score"] for r in rows if r["modality"] == kind and kind in args.kinds and r["label"] == side and these(r)]) for side in ("bonafide", "spoof"))
            line.append("-" if not len(a) or not len(b) else f"{auc(a, b):.3f}")
        judged = [r for r in rows if r["modality"] == kind and kind in args.kinds and not r["abstains"]]
        for side in ("spoof", "bonafide"):
            n = [r["flag"] for r in judged if r["label"] == side]
            line.append(f"{sum(n)}/{len(n)}" if n else "-")
    table = FOLDER / "reports.tsv"
    if not table.is_file():
        table.write_text("\t".join(["head", "what", *(f"{k}_{c}" for k in ("image", "video") for c in (
            "auc", "auc_other", "auc_face", "recall", "false_alarms"))]) + "\n")
    with open(table, "a") as f:
        f.write("\t".join(line) + "\n")
    print("\t".join(line))


if __name__ == "__main__":
    main()
