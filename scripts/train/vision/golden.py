"""Golden cases of the three vision models on pictures given by formula (see synthetic.py)."""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from calibrate import session
from degrade import resize
from face_detect import ROOT, Detector, Face, crop_square
from sbi import SIZE
from synthetic import cartoon, waves
from train import tensor

CARTOON = (640, 360, 320, 180, 100)
CROP_PICTURE = (512, 512, 256, 256, 220)
CROP_BOX = (146.0, 116.0, 366.0, 396.0)


def stats(x: np.ndarray) -> list[float]:
    flat = x.astype(np.float64).reshape(-1)
    return [round(float(v), 6) for v in (flat.mean(), flat.std(), flat.min(), flat.max())]


def case(name, fixture, stage, values, tolerance, why):
    return {"name": name, "fixture": fixture, "stage": stage, "values": [round(float(v), 6) for v in values],
            "tolerance": tolerance, "why": why}


def detector_cases(model: str, threshold: float) -> list[dict]:
    det = Detector(model, score_threshold=threshold)
    side, span = det.width, det.pre["range"][1] - det.pre["range"][0]
    plain = waves(side, side)
    tensor_, out, _ = det.run(plain)
    fixture = f"synthetic:waves({side},{side})"
    cases = [case("tensor-no-resize", fixture, "tensor", stats(tensor_), 1e-5 * span, "mean, std, min, max; no resampling")]
    for name in det.names:
        cases.append(case(f"raw-{name}", fixture, "raw", stats(out[name]), 2e-3, f"mean, std, min, max of `{name}`"))
    picture = cartoon(*CARTOON)
    fixture = "synthetic:cartoon" + str(CARTOON).replace(" ", "")
    tensor_, _, scale = det.run(picture)
    cases.append(case("tensor-letterboxed", fixture, "tensor", [*tensor_.shape, scale, *stats(tensor_)], 0.01 * span,
                      "shape, scale canvas/picture, mean, std, min, max; resampling filters may differ by a grey level"))
    faces = det(picture)
    best = [faces[0].x0, faces[0].y0, faces[0].x1, faces[0].y1, faces[0].score] if faces else []
    marks = [v for n in det.d["keypoints"] for v in faces[0].points[n]] if faces else []
    cases.append(case("faces", fixture, "score", [len(faces), *best, *marks], 1.5,
                      f"number of faces at score_threshold {threshold}, then x0 y0 x1 y1 score and keypoints x y of the "
                      "best, in picture pixels (score within 0.03)"))
    return cases


def blend_cases(models: Path) -> list[dict]:
    net = session(models / "face-blend/model.onnx")
    fixture = "synthetic:cartoon" + str(CROP_PICTURE).replace(" ", "") + " box" + str(CROP_BOX).replace(" ", "")
    plain = waves(SIZE, SIZE)
    x = tensor([plain])
    logit = float(net.run(None, {"crop": x.numpy()})[0][0])
    cases = [case("tensor-no-resize", f"synthetic:waves({SIZE},{SIZE})", "tensor", stats(x.numpy()), 1e-5,
                  "mean, std, min, max of the input when the crop already has the net's size"),
             case("raw-no-resize", f"synthetic:waves({SIZE},{SIZE})", "raw", [logit], 2e-3, "logit; no resampling")]
    crop = crop_square(cartoon(*CROP_PICTURE), Face(*CROP_BOX, 1.0), 1.3)
    x = tensor([resize(crop, SIZE, SIZE)])
    logit = float(net.run(None, {"crop": x.numpy()})[0][0])
    cal = json.loads((models / "face-blend/calibration.json").read_text())
    cases += [case("tensor-crop", fixture, "tensor", [crop.shape[0], *stats(x.numpy())], 0.02,
                   "side of the square crop, then mean, std, min, max of the input"),
              case("raw-crop", fixture, "raw", [logit], 0.1, "logit; resampling filters may differ by a grey level"),
              case("llr-formula", "score:0.5", "llr", [np.clip(cal["slope"] * 0.5 + cal["intercept"],
                                                               *cal["llr_range"])], 1e-4,
                   "the calibrated value of a score of 0.5")]
    return cases


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument("--models", type=Path, default=ROOT / "models")
    models = p.parse_args().models
    made = {"face-blazeface": detector_cases("face-blazeface", 0.5),
            "face-centerface": detector_cases("face-centerface", 0.05),
            "face-centerface-640": detector_cases("face-centerface-640", 0.05)}
    if (models / "face-blend/calibration.json").is_file():
        made["face-blend"] = blend_cases(models)
    for model, cases in made.items():
        (models / model / "golden.json").write_text(json.dumps({"cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
