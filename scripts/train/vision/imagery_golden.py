"""Imagery, last stage: golden cases of synthetic-image on pictures given by formula (see synthetic.py)."""
from __future__ import annotations

import json

import numpy as np
from imagery import FOLDER, LONGEST, SIZE, ROOT, session, tensor
from pixels import fit
from synthetic import cartoon, waves


def stats(x: np.ndarray) -> list[float]:
    flat = x.astype(np.float64).reshape(-1)
    return [round(float(v), 6) for v in (flat.mean(), flat.std(), flat.min(), flat.max())]


def main() -> None:
    net = session(ROOT / ".cache/models/synthetic-image.onnx")
    path = FOLDER / "calibration.json"
    cal = json.loads(path.read_text()) if path.is_file() else None
    cases = []

    def case(name, fixture, stage, values, tolerance, why):
        cases.append({"name": name, "fixture": fixture, "stage": stage, "values": [round(float(v), 6) for v in values],
                      "tolerance": tolerance, "why": why})

    pictures = {"no-resize": (f"synthetic:waves({SIZE},{SIZE})", waves(SIZE, SIZE)),
                "squeezed": ("synthetic:waves(400,300)", waves(400, 300)),
                "reduced": ("synthetic:cartoon(1280,720,640,360,200)", cartoon(1280, 720, 640, 360, 200)),
                "upright": ("synthetic:cartoon(500,900,250,450,300)", cartoon(500, 900, 250, 450, 300))}
    for name, (fixture, rgb) in pictures.items():
        x = tensor(rgb)
        small = fit(rgb, LONGEST)
        case(f"tensor-{name}", fixture, "tensor", [small.shape[1], small.shape[0], *stats(x), *x[0, :, 100, 37]], 0.02,
             "width and height after the longer side was reduced; mean, std, min, max of the input; its three channels at "
             "row 100, column 37. Rounding may differ by a grey level (0.015)")
        score = float(net.run(None, {"image": x})[0][0])
        case(f"raw-{name}", fixture, "raw", [score], 2e-3 if name == "no-resize" else 0.05, "logit")
        if cal:
            inside = cal["score_range"][0] <= score <= cal["score_range"][1]
            llr = float(np.clip(cal["slope"] * score + cal["intercept"], *cal["llr_range"]))
            case(f"llr-{name}", fixture, "llr", [llr] if inside else [], 0.05 * max(cal["slope"], 1),
                 "calibrated value" if inside else "outside score_range: no value")
    (FOLDER / "golden.json").write_text(json.dumps({"cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
