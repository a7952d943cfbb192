"""Compare the face detectors at several canvas sizes and write `measured.json` and the table in their cards.

Faces that should be found are boxes on which two references agree (IoU >= 0.4): YuNet (OpenCV's copy of the reference
weights) and CenterFace, on canvases of up to 960 and 800 px. CenterFace is therefore judged leniently. A false alarm is a
face reported in a picture or frame where neither reference, at a threshold of 0.3, sees anything.
Small faces have a truth by construction: a portrait is shrunk until its face has a given size and put into a
1280 x 720 frame whose background is a photograph without faces.

    python measure_face_detectors.py --data ../shared/data --weights ../shared/weights
"""
from __future__ import annotations

import argparse
import csv
import json
import statistics
import time
from pathlib import Path

import cv2
import numpy as np
from face_detect import ROOT, Detector, Face, iou
from PIL import Image

CONFIGS = [("face-blazeface", s) for s in (192, 256, 384, 512)] + [("face-centerface", s) for s in (320, 384, 480, 640)]
SIZES = (24, 32, 40, 56, 80)


def rgb_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def frames(path: Path, per_second: float, limit: int = 5):
    """Frames of a video at a fixed rate; animated pictures give every tenth frame."""
    if path.suffix in (".webp", ".gif"):
        image = Image.open(path)
        for i in range(0, image.n_frames, max(10, image.n_frames // limit)):
            image.seek(i)
            yield np.asarray(image.convert("RGB"))
        return
    video = cv2.VideoCapture(str(path))
    rate, index, given = video.get(cv2.CAP_PROP_FPS) or 25, 0, 0
    while given < limit and video.grab():
        if index % max(1, round(rate / per_second)) == 0:
            yield cv2.cvtColor(video.retrieve()[1], cv2.COLOR_BGR2RGB)
            given += 1
        index += 1


class YuNet:
    """Reference only; not shipped."""

    def __init__(self, path: Path):
        self.net = cv2.FaceDetectorYN.create(str(path), "", (320, 320), 0.3, 0.3)

    def __call__(self, rgb: np.ndarray) -> list[Face]:
        scale = min(960 / max(rgb.shape[:2]), 4.0)
        small = np.asarray(Image.fromarray(rgb).resize([round(s * scale) for s in rgb.shape[1::-1]], Image.BILINEAR))
        self.net.setInputSize(small.shape[1::-1])
        found = self.net.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))[1]
        return [Face(*(f[:2] / scale), *((f[:2] + f[2:4]) / scale), float(f[14])) for f in found] \
            if found is not None else []


def boxes(faces: list[Face]) -> np.ndarray:
    return np.array([[f.x0, f.y0, f.x1, f.y1] for f in faces]).reshape(-1, 4)


def reference(rgb, yunet, center):
    """(faces both agree on, whether neither sees anything at all)"""
    a, b = yunet(rgb), center(rgb)
    sure_a, sure_b = [f for f in a if f.score >= 0.6], [f for f in b if f.score >= 0.5]
    both = [f for f in sure_b if sure_a and iou(boxes([f])[0], boxes(sure_a)).max() >= 0.4]
    return both, not a and not b


def gather(data: Path):
    """Pictures (every face source, a sample of the uniform portraits) and frames, with their kind."""
    rows = list(csv.DictReader(open(data / "protocol.tsv"), delimiter="\t"))
    seen: dict[str, int] = {}
    for r in rows:
        if r["modality"] == "image" and r["label"] == "bonafide":
            seen[r["source"]] = seen.get(r["source"], 0) + 1
            if seen[r["source"]] % (15 if r["source"].startswith("voteview") else 2) == 0:
                yield "picture", r["path"], rgb_of(data / r["path"])
        elif r["modality"] == "video":
            for frame in frames(data / r["path"], 1.0):
                yield "frame", r["path"], frame


def small_faces(items, count: int):
    """Portraits shrunk into a 720p frame over face-free photographs: (size, frame, box)."""
    plain = [rgb for kind, _, rgb, faces, empty in items if empty and kind == "picture"]
    portraits = [(rgb, faces[0]) for kind, _, rgb, faces, _ in items
                 if kind == "picture" and len(faces) == 1 and faces[0].size >= 100][:count]
    rng = np.random.default_rng(7)
    for n, (rgb, face) in enumerate(portraits):
        ground = np.asarray(Image.fromarray(plain[n % len(plain)]).resize((1280, 720), Image.BILINEAR))
        for size in SIZES:
            scale = size / face.size
            small = np.asarray(Image.fromarray(rgb).resize([max(1, round(s * scale)) for s in rgb.shape[1::-1]],
                                                           Image.BILINEAR))[:720, :1280]
            h, w = small.shape[:2]
            x, y = rng.integers(0, 1280 - w + 1), rng.integers(0, 720 - h + 1)
            frame = ground.copy()
            frame[y:y + h, x:x + w] = small
            yield size, frame, boxes([face])[0] * scale + [x, y, x, y]


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    p.add_argument("--weights", type=Path, default=ROOT / "../shared/weights")
    p.add_argument("--out", type=Path, default=ROOT / ".cache/train/vision/face_detectors.json")
    p.add_argument("--only", help="MODEL:SIZE; measure one and merge it into --out")
    args = p.parse_args()
    cv2.setNumThreads(1)
    yunet = YuNet(args.weights / "yunet_n_640.onnx")
    center = Detector("face-centerface", size=(800, 800), score_threshold=0.3)
    items = [(kind, name, rgb, *reference(rgb, yunet, center)) for kind, name, rgb in gather(args.data)]
    planted = list(small_faces(items, 32))
    print(len(items), "pictures and frames,", sum(len(i[3]) for i in items), "faces,", sum(i[4] for i in items), "empty")
    result = {"pictures": sum(i[0] == "picture" for i in items), "frames": sum(i[0] == "frame" for i in items),
              "faces": sum(len(i[3]) for i in items), "empty": sum(i[4] for i in items),
              "planted_each_size": len(planted) // len(SIZES), "rows": []}
    if args.only:
        result["rows"] = json.loads(args.out.read_text())["rows"]
    for model, size in CONFIGS:
        if args.only and args.only != f"{model}:{size}":
            continue
        det = Detector(model, size=(size, size))
        hit = {"picture": [0, 0], "frame": [0, 0]}
        alarms, ms, ratio, shift = 0, [], [], []
        for kind, _, rgb, faces, empty in items:
            began = time.perf_counter()
            found = det(rgb)
            ms.append((time.perf_counter() - began) * 1e3)
            alarms += bool(empty and found)
            for f in faces:
                overlap = iou(boxes([f])[0], boxes(found)) if found else np.zeros(1)
                ok = overlap.max() >= 0.35
                hit[kind][0] += int(ok)
                hit[kind][1] += 1
                if ok:
                    g = found[int(overlap.argmax())]
                    ratio.append(f.size / g.size)
                    shift.append(((f.y0 + f.y1) - (g.y0 + g.y1)) / 2 / (g.y1 - g.y0))
        by_size = {s: [0, 0] for s in SIZES}
        for s, frame, box in planted:
            found = det(frame)
            by_size[s][0] += bool(found and iou(box, boxes(found)).max() >= 0.3)
            by_size[s][1] += 1
        tensor = det.run(np.zeros((720, 1280, 3), np.uint8))[0]
        net = []
        for _ in range(10):
            began = time.perf_counter()
            det.session.run(None, {det.input: tensor})
            net.append((time.perf_counter() - began) * 1e3)
        row = {"model": model, "canvas": size, "hit": hit, "false_alarm_pictures": alarms,
               "by_size": {k: v[0] / max(1, v[1]) for k, v in by_size.items()},
               "ms_net_720p": min(net), "ms_all": statistics.median(ms),
               "size_ratio": statistics.median(ratio), "shift_y": statistics.median(shift)}
        print(row, flush=True)
        result["rows"].append(row)
    result["rows"].sort(key=lambda r: (r["model"], r["canvas"]))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
