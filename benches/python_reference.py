"""What a careful Python programmer would write: PyAV, OpenCV and onnxruntime on the same models and policy.

It does the work that costs time and none of the rest: decode (pictures that no other needs are skipped), two
pictures a second through CenterFace at 384 px, face crops through face-blend, speech through voice-whisper, windows
of two seconds end to end through Perth.
Where speech is, it is told (`--speech`, from Seamline's own report), so it runs no voice activity detection; it
measures no sharpness, bandwidth or noise, follows no tracks, makes no report, and runs in no jail. All of that
is in its favour.

    python_reference.py CLIP CACHE MODELS --speech 0.5-3.2,4.0-9.1 [--threads N]
prints one JSON object: what it did, and how many seconds each part took.
"""
from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import av
import cv2
import numpy as np
import onnxruntime as ort

STRIDE, RATE, WINDOW, MARK = 4, 16_000, 48_000, 32_000
WITH_FACES, WITHOUT = 0.5, 1.0


def session(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def find_faces(finder: ort.InferenceSession, rgb: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """Boxes of at least 0.5 after suppression at 0.3, in pixels of the picture."""
    height, width = rgb.shape[:2]
    scale = min(384 / width, 384 / height)
    w, h = round(width * scale), round(height * scale)
    canvas = np.zeros((-(-h // 32) * 32, -(-w // 32) * 32, 3), np.float32)
    canvas[:h, :w] = cv2.resize(rgb, (w, h), interpolation=cv2.INTER_LINEAR)
    heat, size, offset, _ = finder.run(["heatmap", "scale", "offset", "landmarks"], {"image": canvas.transpose(2, 0, 1)[None]})
    rows, columns = np.nonzero(heat[0, 0] >= 0.5)
    scores = heat[0, 0, rows, columns]
    bh, bw = np.exp(size[0, 0, rows, columns]) * STRIDE, np.exp(size[0, 1, rows, columns]) * STRIDE
    x0 = (columns + offset[0, 1, rows, columns] + 0.5) * STRIDE - bw / 2
    y0 = (rows + offset[0, 0, rows, columns] + 0.5) * STRIDE - bh / 2
    boxes = np.stack([x0, y0, bw, bh], 1)
    if not len(boxes):
        return []
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), 0.5, 0.3)
    return [(float(scores[i]), boxes[i] / scale) for i in np.asarray(kept).ravel()]


def crop(rgb: np.ndarray, box: np.ndarray) -> np.ndarray:
    x, y, w, h = box
    side = 1.3 * max(w, h)
    left, top, n = round(x + w / 2 - side / 2), round(y + h / 2 - side / 2), round(side)
    out = np.zeros((n, n, 3), np.uint8)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + n, rgb.shape[1]), min(top + n, rgb.shape[0])
    if x1 > x0 and y1 > y0:
        out[y0 - top : y1 - top, x0 - left : x1 - left] = rgb[y0:y1, x0:x1]
    return cv2.resize(out, (224, 224), interpolation=cv2.INTER_LINEAR)


def windows(samples: np.ndarray, speech: list[tuple[float, float]]):
    for start, end in speech:
        run = samples[int(start * RATE) : int(end * RATE)]
        whole = len(run) // WINDOW
        for k in range(whole):
            yield run[k * WINDOW : (k + 1) * WINDOW]
        rest = len(run) - whole * WINDOW
        if whole and rest >= RATE / 2:
            yield run[-WINDOW:]
        elif not whole and rest >= RATE:
            yield np.resize(run, WINDOW)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("clip")
    parser.add_argument("cache", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("--speech", default="")
    parser.add_argument("--threads", type=int, default=2)
    a = parser.parse_args()
    speech = [tuple(map(float, s.split("-"))) for s in a.speech.split(",") if s]
    finder = session(a.cache / "face-centerface.onnx", a.threads)
    blend = session(a.models / "face-blend/model.onnx", a.threads)
    voice = session(a.cache / "voice-whisper.onnx", a.threads)
    perth = session(a.cache / "perth.onnx", a.threads)
    began = time.monotonic()
    pictures, crops, scores, due = 0, [], [], 0.0
    sound: list[np.ndarray] = []
    with av.open(a.clip) as container:
        video = container.streams.video[0]
        video.codec_context.skip_frame = "NONREF"
        video.thread_count = a.threads
        video.thread_type = "AUTO"
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        for packet in container.demux(video, *container.streams.audio[:1]):
            for frame in packet.decode():
                if isinstance(frame, av.AudioFrame):
                    sound.extend(f.to_ndarray().ravel() for f in resampler.resample(frame))
                    continue
                if frame.time < due:
                    continue
                pictures += 1
                rgb = frame.to_ndarray(format="rgb24")
                faces = find_faces(finder, rgb)
                due = max(due, frame.time - 0.1) + (WITH_FACES if faces else WITHOUT)
                crops.extend(crop(rgb, box) for _, box in faces if max(box[2:]) >= 64)
                while len(crops) >= 8:
                    scores.extend(score(blend, crops[:8]))
                    del crops[:8]
    if crops:
        scores.extend(score(blend, crops))
    samples = np.concatenate(sound) if sound else np.zeros(0, np.float32)
    voiced, batch = [], []
    for window in windows(samples, speech):
        batch.append(window)
        if len(batch) == 4:
            voiced.extend(voice.run(["logit"], {"wave": np.stack(batch).astype(np.float32)})[0])
            batch.clear()
    if batch:
        voiced.extend(voice.run(["logit"], {"wave": np.stack(batch).astype(np.float32)})[0])
    marks = [perth.run(None, {"wave": samples[None, i:i + MARK]})[0].item() for i in range(0, len(samples) - MARK, MARK)]
    print(json.dumps({"marks": max(marks, default=None), "pictures": pictures, "crops": len(scores), "windows": len(voiced), "seconds": time.monotonic() - began,
                      "face": float(np.mean(scores)) if scores else None, "voice": float(np.mean(voiced)) if voiced else None}))


def score(blend: ort.InferenceSession, crops: list[np.ndarray]) -> list[float]:
    data = (np.stack(crops).astype(np.float32).transpose(0, 3, 1, 2) - 127) / 128
    return blend.run(["logit"], {"crop": np.ascontiguousarray(data)})[0].tolist()


if __name__ == "__main__":
    main()
