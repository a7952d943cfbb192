"""Stage 5: one evaluation on `use = eval` media. Nothing here flows back into weights, thresholds or calibration.

A clip's score is the mean over the crops of its main face (the largest in each sampled frame, two frames a second).
"""
from __future__ import annotations

import argparse
import csv
import hashlib
import json
import time
from pathlib import Path

import numpy as np
from calibrate import scores, session
from degrade import resize
from face_detect import ROOT, Detector, crop_square
from measure_face_detectors import frames, rgb_of
from sbi import SIZE

MARGIN, MIN_FACE = 1.3, 64


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    p.add_argument("--work", type=Path, default=ROOT / ".cache/train/vision")
    p.add_argument("--models", type=Path, default=ROOT / "models")
    p.add_argument("--detector", default="face-centerface")
    args = p.parse_args()
    detect, net = Detector(args.detector), session(args.models / "face-blend/model.onnx")
    cal = json.loads((args.models / "face-blend/calibration.json").read_text())
    rows, times = [], []
    for r in csv.DictReader(open(args.data / "protocol.tsv"), delimiter="\t"):
        if r["use"] != "eval" or r["modality"] == "audio":
            continue
        path = args.data / r["path"]
        crops, size = [], []
        for rgb in ([rgb_of(path)] if r["modality"] == "image" else frames(path, 2.0, 12)):
            faces = [f for f in detect(rgb) if f.size >= MIN_FACE]
            if faces:
                main_face = max(faces, key=lambda f: f.size)
                crops.append(resize(crop_square(rgb, main_face, MARGIN), SIZE, SIZE))
                size.append(main_face.size)
        row = {k: r[k] for k in ("trial_id", "modality", "label", "attack_family", "generator", "source")}
        row["crops"] = len(crops)
        if crops:
            began = time.perf_counter()
            each = scores(net, crops)
            times.append((time.perf_counter() - began) / len(crops) * 1e3)
            row["score"], row["face"] = float(each.mean()), float(np.median(size))
            inside = cal["score_range"][0] <= row["score"] <= cal["score_range"][1]
            llr = float(np.clip(cal["slope"] * row["score"] + cal["intercept"], *cal["llr_range"]))
            row["llr"] = llr if inside else None
            row["flag"] = inside and llr >= cal["supports_spoof_at_llr"]
        rows.append(row)
    weights = hashlib.sha256((args.models / "face-blend/model.onnx").read_bytes()).hexdigest()
    (args.work / "evaluation.json").write_text(json.dumps({"rows": rows, "weights": weights, "ms_a_crop": float(np.median(times)),
                                                           "detector": args.detector}, indent=1))


if __name__ == "__main__":
    main()
