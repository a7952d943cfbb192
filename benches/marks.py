"""How well marks survive recompression, and how fast they are read, beside the reference decoder.

    benches/marks.py SEAMLINE PROTOCOL.tsv N > benches/marks.md

Marks the first N genuine pictures of the protocol that may be used for training with PyPI's invisible-watermark, in the
forms of its users, degrades them, and counts how many Seamline and the reference decoder still read. Needs in its own
virtual environment: numpy, opencv-python-headless, PyWavelets, invisible-watermark (versions below). SEAMLINE is a
release build with its examples beside it (`cargo build --release --workspace --bins --examples`).
"""
from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = Path(os.environ.get("SEAMLINE_CACHE", ROOT / ".cache")) / "reference"
PINNED = ["numpy==2.4.6", "opencv-python-headless==5.0.0.93", "PyWavelets==1.9.0"]
if not str(sys.prefix).startswith(str(VENV)):
    python = VENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *PINNED], check=True)
        subprocess.run([*pip, "--no-deps", "invisible-watermark==0.2.0"], check=True)
    os.execv(python, [str(python), *sys.argv])

# The package's neural scheme, which is not used here, imports these at the top.
for absent in ("torch", "onnxruntime"):
    sys.modules.setdefault(absent, types.ModuleType(absent))
import cv2  # noqa: E402
import numpy as np  # noqa: E402
from imwatermark import WatermarkDecoder, WatermarkEncoder  # noqa: E402

SDXL = "101100111110110010010000011110111011000110011110"
SIDE = 1024
LENGTHS = [32, 46, 48, 56, 64, 136, 224]


def bits_of(text: str) -> list[int]:
    return [int(b) for c in text.encode() for b in f"{c:08b}"]


# name, bits, floats as SDXL's reference code has them, scheme
FORMS = [
    ("SDXL, dwtDct, floats", [int(b) for b in SDXL], True, "dwtDct"),
    ("SDV2, dwtDct, bytes", bits_of("SDV2"), False, "dwtDct"),
    ("StableDiffusionV1, dwtDctSvd, bytes", bits_of("StableDiffusionV1"), False, "dwtDctSvd"),
]


def mark(picture: np.ndarray, bits: list[int], floats: bool, scheme: str) -> np.ndarray:
    encoder = WatermarkEncoder()
    encoder.set_watermark("bits", bits)
    out = encoder.encode(picture.astype(np.float32) if floats else picture, scheme)
    return np.clip(np.round(out), 0, 255).astype(np.uint8)


def jpeg(quality: int):
    def degrade(picture: np.ndarray) -> np.ndarray:
        data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return cv2.imdecode(data, cv2.IMREAD_COLOR)
    return degrade


def half_and_back(picture: np.ndarray) -> np.ndarray:
    h, w = picture.shape[:2]
    small = cv2.resize(picture, (w // 2, h // 2), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC)


def half(picture: np.ndarray) -> np.ndarray:
    h, w = picture.shape[:2]
    return cv2.resize(picture, (w // 2, h // 2), interpolation=cv2.INTER_AREA)


def h264(crf: int):
    def degrade(picture: np.ndarray) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            source, video, out = (Path(folder) / n for n in ("a.png", "b.mp4", "c.png"))
            cv2.imwrite(str(source), picture)
            for args in (["-i", source, "-c:v", "libx264", "-crf", str(crf), "-pix_fmt", "yuv420p", video],
                         ["-i", video, "-frames:v", "1", out]):
                subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, args)], check=True)
            return cv2.imread(str(out))
    return degrade


DEGRADED = [("as marked", lambda p: p), ("JPEG 95", jpeg(95)), ("JPEG 90", jpeg(90)), ("JPEG 75", jpeg(75)),
            ("h264 crf 23", h264(23)), ("h264 crf 28", h264(28)), ("half size and back", half_and_back), ("half size", half)]
CRFS = [18, 23, 28]
FRAMES = 14


def video(picture: np.ndarray, bits: list[int], floats: bool, scheme: str, crf: int, out: Path) -> bool:
    """Fourteen frames of 1,024 x 576 that drift over the picture, each marked by itself; False if it is too small."""
    width, height, step = 1024, 576, 4
    scale = max((width + step * FRAMES) / picture.shape[1], height / picture.shape[0])
    if scale > 2:
        return False
    size = (max(round(picture.shape[1] * scale), width + step * FRAMES), max(round(picture.shape[0] * scale), height))
    large = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    with tempfile.TemporaryDirectory() as folder:
        for n in range(FRAMES):
            frame = np.ascontiguousarray(large[:height, n * step:n * step + width])
            cv2.imwrite(f"{folder}/{n:02}.png", mark(frame, bits, floats, scheme))
        # At 2 pictures a second a scan looks at each of them.
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-framerate", "2", "-i", f"{folder}/%02d.png", "-c:v", "libx264",
                        "-crf", str(crf), "-pix_fmt", "yuv420p", str(out)], check=True)
    return True


def pictures(protocol: Path, count: int) -> list[np.ndarray]:
    out = []
    for row in csv.DictReader(open(protocol, encoding="utf-8"), delimiter="\t"):
        if row["modality"] != "image" or row["label"] != "bonafide" or row["use"] != "train":
            continue
        picture = cv2.imread(str(protocol.parent / row["path"]))
        if picture is None or min(picture.shape[:2]) < 384:
            continue
        scale = min(1.0, SIDE / max(picture.shape[:2]))
        h, w = (int(n * scale) // 8 * 8 for n in picture.shape[:2])
        out.append(cv2.resize(picture, (w, h), interpolation=cv2.INTER_AREA))
        if len(out) == count:
            break
    return out


def main() -> None:
    seamline, protocol, count = sys.argv[1], Path(sys.argv[2]).resolve(), int(sys.argv[3])
    base = pictures(protocol, count)
    reference: dict[tuple[str, str], int] = {}
    videos: dict[tuple[str, int], int] = {}
    with tempfile.TemporaryDirectory() as folder:
        for i, picture in enumerate(base):
            cv2.imwrite(f"{folder}/unmarked-{i}.png", picture)
            for f, (form, bits, floats, scheme) in enumerate(FORMS):
                marked = mark(picture, bits, floats, scheme)
                for d, (degradation, degrade) in enumerate(DEGRADED):
                    shown = degrade(marked)
                    cv2.imwrite(f"{folder}/{f}-{d}-{i}.png", shown)
                    decoder = WatermarkDecoder("bits", len(bits))
                    read = [int(b) for b in decoder.decode(shown, scheme)] if min(shown.shape[:2]) >= 256 else []
                    reference[form, degradation] = reference.get((form, degradation), 0) + (read == bits)
                for crf in CRFS:
                    made = video(picture, bits, floats, scheme, crf, Path(folder) / f"{f}-v{crf}-{i}.mp4")
                    videos[form, crf] = videos.get((form, crf), 0) + made
        report = f"{folder}/report.jsonl"
        # Marks are read whichever detectors are wanted; one that hears nothing in pictures costs nothing.
        subprocess.run([seamline, "scan", "--quiet", "--allow-unjailed", "--detectors", "voice-whisper", "--out", report,
                        folder], check=False)
        found, alarms = {}, 0
        for line in open(report, encoding="utf-8"):
            record = json.loads(line)
            if record.get("code") == "marks.invisible_watermark":
                name = Path(record["path"]).stem
                if name.startswith("unmarked"):
                    alarms += 1
                else:
                    f, d, _ = name.split("-")
                    key = (FORMS[int(f)][0], int(d[1:]) if d[0] == "v" else DEGRADED[int(d)][0])
                    found[key] = found.get(key, 0) + 1
    print("# Marks under recompression\n")
    print("Generated by `benches/marks.py`; every figure is measured by it. Marks are embedded with invisible-watermark "
          f"0.2.0 in {len(base)} genuine pictures of at most {SIDE} pixels. Read = Seamline's finding "
          "`marks.invisible_watermark` (bound on a false alarm below 1e-9) / the reference decoder giving every bit.\n")
    print("| form | " + " | ".join(d for d, _ in DEGRADED) + " |\n|---|" + "---|" * len(DEGRADED))
    for form, *_ in FORMS:
        cells = [f"{found.get((form, d), 0)} / {reference.get((form, d), 0)}" for d, _ in DEGRADED]
        print(f"| {form} | " + " | ".join(cells) + " |")
    print(f"\nVideos of {FRAMES} frames of 1,024 x 576, each marked by itself, H.264 4:2:0:\n")
    print("| form | " + " | ".join(f"crf {c}" for c in CRFS) + " |\n|---|" + "---|" * len(CRFS))
    for form, *_ in FORMS:
        print(f"| {form} | " + " | ".join(f"{found.get((form, c), 0)} of {videos[form, c]}" for c in CRFS) + " |")
    print(f"\nUnmarked pictures with a finding: {alarms} of {len(base)}.\n")
    speed(base, Path(seamline).parent / "examples/time_marks")


def speed(base: list[np.ndarray], time_marks: Path) -> None:
    """CPU time for one picture of 1,024 x 1,024, all payload lengths, as a ratio."""
    picture = cv2.resize(base[0], (SIDE, SIDE))
    cv2.setNumThreads(1)
    start = time.process_time()
    for length in LENGTHS:
        for scheme in ("dwtDct", "dwtDctSvd"):
            WatermarkDecoder("bits", length).decode(picture, scheme)
    theirs = (time.process_time() - start) * 1e3
    out = subprocess.run([time_marks], capture_output=True, text=True, check=True).stdout
    ours = {k: float(v) for k, v in (line.split() for line in out.splitlines())}
    print("## Speed\n\nOne core, 1,024 x 1,024 pixels, all payload lengths and both schemes; Seamline also tries both "
          "channel orders, both number formats and the half size.\n")
    print("| | milliseconds on a core | ratio to the reference |\n|---|---|---|")
    print(f"| reference decoder | {theirs:.0f} | 1 |")
    print(f"| Seamline, whole picture | {ours['whole_ms']:.0f} | {ours['whole_ms'] / theirs:.3f} |")
    print(f"| Seamline, search for parts | {ours['parts_ms']:.0f} | {ours['parts_ms'] / theirs:.2f} |")


if __name__ == "__main__":
    main()
