"""Clips for `face-temporal`: pieces of bona fide recordings, as they are and manipulated by recipe.

No published manipulation trains it: what may be learnt is how bona fide faces move, and what each of these recipes breaks.
Every piece is cut out around its face at 320 px, then made several times. Kinds of manipulation:
- `swap`: the inner face laid over itself, softer, in other colours, and a little elsewhere in each picture (face swaps,
  which are made picture by picture);
- `mouth`: the lower face taken from another moment, at a third to two thirds of its detail (lip-sync generators, which
  see 96 px or so of a face);
- `animate`: one picture of the piece, bent to follow the points of the others (heads that are animated from one photograph);
- `dub`: own pictures, sound of another moment or another clip.
Each bona fide and each manipulated copy draws its scale and H.264 strength from the same distribution.
One folder: <work>/temporal/clips/<id>-<kind>-<n>.mp4 and <work>/temporal/clips.json.
"""
from __future__ import annotations

import argparse
import hashlib
import json
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from face_detect import Detector, Face
from imagery import ROOT, WORK
from landmarks import landmarks, mesh_session
from landmarks_index import BROWS, LEFT_EYE, LIPS, LOWER, NOSE, OVAL, RIGHT_EYE
from pictures import table

SIDE, RATE = 320, 16_000
SECONDS, LEAST, PIECES = 8.0, 1.8, 6
SMALLEST = 70      # px: smaller faces would be enlarged too much
KINDS = ("swap", "mouth", "animate", "dub")
COPIES = {"bonafide": 4, "swap": 2, "mouth": 2, "animate": 2, "dub": 2}
av.logging.set_level(av.logging.PANIC)


def recordings() -> list[tuple[str, str, Path]]:
    """(source, file, path) of bona fide recordings of faces."""
    place = lambda r: WORK / "fetched/talking-open" / r["repository"].replace("/", "+") / r["file"]
    return [(r["repository"], r["file"], place(r)) for r in table(ROOT / "datasets/talking-open/fetched.tsv") if r["label"] == "bonafide"]


def sound_of(path: Path) -> np.ndarray | None:
    with av.open(str(path)) as box:
        if not box.streams.audio:
            return None
        turn = av.AudioResampler("s16", "mono", RATE)
        parts = [f.to_ndarray()[0] for frame in box.decode(audio=0) for f in turn.resample(frame)]
    return np.concatenate(parts) if parts else None


def pieces(path: Path, detect, mesh) -> list[dict]:
    """Runs of pictures in which one face is followed: squares of SIDE px around it and its points in them."""
    out: list[dict] = []
    frames, points, times, box0 = [], [], [], None
    face, since = None, 99

    def close() -> None:
        nonlocal frames, points, times, box0
        if len(times) > 1 and times[-1] - times[0] >= LEAST:
            out.append({"frames": frames, "points": points, "times": times})
        frames, points, times, box0 = [], [], [], None

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            if len(out) == PIECES:
                break
            time = float(frame.time or 0)
            rgb = frame.to_ndarray(format="rgb24")
            since += 1
            if face is None and since < 8:
                continue
            if face is None:
                found = [f for f in detect(rgb) if f.score > 0.6 and f.size >= SMALLEST]
                face, since = (max(found, key=lambda f: f.size) if found else None), 0
                close()
                if face is None:
                    continue
            p, presence = landmarks(mesh, rgb, face)
            low, high = p[OVAL].min(0), p[OVAL].max(0)
            size = float((high - low).max())
            centre = (low + high) / 2
            if box0 is None:
                side = 2.1 * size
                box0 = (*(centre - side / 2), side)
            x, y, side = box0
            inside = (low > np.array([x, y])).all() and (high < np.array([x, y]) + side).all()
            jumped = points and np.abs((p - [x, y]) * SIDE / side - points[-1]).max() > 0.25 * SIDE
            if presence < 0 or not inside or jumped or (times and time - times[-1] > 0.15):
                face, since = None, 99 if not inside else since
                close()
                continue
            eyes = {"right_eye": tuple(p[[33, 133]].mean(0)), "left_eye": tuple(p[[263, 362]].mean(0))}
            face = Face(*low, *high, 1.0, eyes)
            scale = SIDE / side
            back = np.float32([[1 / scale, 0, x], [0, 1 / scale, y]])
            frames.append(cv2.warpAffine(rgb, back, (SIDE, SIDE), flags=(cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE))
            points.append((p - [x, y]) * scale)
            times.append(time)
            if times[-1] - times[0] >= SECONDS:
                close()
    close()
    return out[:PIECES]


def hull(points: np.ndarray, soft: float) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.float32)
    cv2.fillConvexPoly(mask, cv2.convexHull(points.astype(np.int32)), 1.0)
    mask = cv2.erode(mask, None, iterations=int(soft))
    return cv2.GaussianBlur(mask, (0, 0), soft)[:, :, None]


def coarse(rgb: np.ndarray, part: float) -> np.ndarray:
    n = max(24, int(SIDE * part))
    return cv2.resize(cv2.resize(rgb, (n, n), interpolation=cv2.INTER_AREA), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def blend(under: np.ndarray, over: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.clip(under * (1 - mask) + over * mask, 0, 255).astype(np.uint8)


def similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    found, _ = cv2.estimateAffinePartial2D(a.astype(np.float32), b.astype(np.float32), method=cv2.LMEDS)
    return found if found is not None else np.float32([[1, 0, 0], [0, 1, 0]])


def swap(piece: dict, rng) -> list[np.ndarray]:
    inner = [*BROWS, *RIGHT_EYE, *LEFT_EYE, *NOSE, *LIPS, *LOWER]
    part, shift, colours = rng.uniform(0.35, 0.8), rng.uniform(0.2, 1.2), rng.normal(0, 6, 3)
    soft, slow = rng.uniform(4, 12), np.zeros(2)
    flicker = rng.uniform(0, 2.5)
    out = []
    for rgb, p in zip(piece["frames"], piece["points"]):
        slow = 0.8 * slow + rng.normal(0, shift, 2) * 0.6
        turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), rng.normal(0, 0.25 * shift), 1 + rng.normal(0, 0.004 * shift))
        turn[:, 2] += slow
        over = cv2.warpAffine(coarse(rgb, part), turn, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
        over += colours + rng.normal(0, flicker)
        jitter = p[inner] + rng.normal(0, 0.5 * shift, 2)
        out.append(blend(rgb, over, hull(jitter, soft)))
    return out


def mouth(piece: dict, rng) -> list[np.ndarray]:
    n = len(piece["frames"])
    away = int(rng.integers(n // 4, 3 * n // 4)) if n > 40 else n // 2
    part, soft = rng.uniform(0.25, 0.6), rng.uniform(3, 9)
    rigid = [33, 133, 263, 362, 168, 6, 197, 195, 5, 4, 1, 98, 327]
    region = [2, *LIPS, *LOWER[3:-3]]
    out = []
    for i, (rgb, p) in enumerate(zip(piece["frames"], piece["points"])):
        j = (i + away) % n
        turn = similarity(piece["points"][j][rigid], p[rigid])
        other = cv2.warpAffine(piece["frames"][j], turn, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
        over = coarse(other, part).astype(np.float32)
        mask = hull(p[region], soft)
        weight = mask.sum() + 1e-6
        over += ((rgb * mask).sum((0, 1)) - (over * mask).sum((0, 1))) / weight
        out.append(blend(rgb, over, mask))
    return out


def animate(piece: dict, rng) -> list[np.ndarray]:
    """Backward warp of one picture: the shift of the points, spread over the frame by distance."""
    n = len(piece["frames"])
    start = int(rng.integers(n))
    still, rest = piece["frames"][start], piece["points"][start]
    some = np.arange(0, 468, 3)
    # A generator's points are smoother than a camera's.
    track = np.array([p for p in piece["points"]])[:, some]
    width = int(rng.integers(1, 4))
    kernel = np.ones(2 * width + 1) / (2 * width + 1)
    padded = np.pad(track, ((width, width), (0, 0), (0, 0)), mode="edge")
    track = np.apply_along_axis(lambda v: np.convolve(v, kernel, "valid"), 0, padded)
    part, cells = rng.uniform(0.5, 0.9), 33
    grid = np.stack(np.meshgrid(np.linspace(0, SIDE, cells), np.linspace(0, SIDE, cells)), -1).reshape(-1, 2)
    still = coarse(still, part)
    ys, xs = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    out = []
    for now in track:
        far = ((grid[:, None] - now[None]) ** 2).sum(-1)
        weight = np.exp(-far / (2 * 9.0 ** 2)) + 1e-5 * np.exp(-far / (2 * 60.0 ** 2))
        shift = (weight @ (rest[some] - now)) / (weight.sum(1, keepdims=True) + 1e-7)
        field = cv2.resize(shift.reshape(cells, cells, 2).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        out.append(cv2.remap(still, xs + field[:, :, 0], ys + field[:, :, 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))
    return out


def write(path: Path, frames: list[np.ndarray], times: list[float], sound: np.ndarray | None, rng) -> None:
    """H.264 as it is met: CRF 18 to 33, 160 to 320 px."""
    side = int(rng.choice([192, 224, 256, 320])) // 2 * 2
    crf = int(rng.integers(18, 34))
    part = path.with_suffix(".part")
    with av.open(str(part), "w", format="mp4") as box:
        video = box.add_stream("libx264", rate=Fraction(25))
        video.width = video.height = side
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        video.options = {"crf": str(crf), "preset": "fast", "threads": "1"}
        audio = box.add_stream("aac", rate=RATE) if sound is not None else None
        if audio:
            audio.layout = "mono"
        for rgb, time in zip(frames, times):
            picture = av.VideoFrame.from_ndarray(cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA), format="rgb24")
            picture.pts, picture.time_base = round(1000 * (time - times[0])), Fraction(1, 1000)
            box.mux(video.encode(picture))
        box.mux(video.encode())
        if audio:
            for at in range(0, len(sound) - 1023, 1024):
                block = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None, at:at + 1024]), format="s16", layout="mono")
                block.sample_rate, block.pts, block.time_base = RATE, at, Fraction(1, RATE)
                box.mux(audio.encode(block))
            box.mux(audio.encode())
    part.rename(path)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, default=WORK)
    args = p.parse_args()
    cv2.setNumThreads(1)
    detect, mesh = Detector("face-centerface"), mesh_session()
    out = args.work / "temporal"
    (out / "clips").mkdir(parents=True, exist_ok=True)
    table_of, sounds = out / "clips.json", []
    rows: list[dict] = json.loads(table_of.read_text()) if table_of.is_file() else []
    done = {(r["source"], r["file"]) for r in rows}
    for source, file, path in recordings():
        if (source, file) in done:
            continue
        rng = np.random.default_rng(int(hashlib.sha256(f"{source}/{file}".encode()).hexdigest()[:8], 16))
        whole = sound_of(path)
        sounds += [(source, whole)] if whole is not None else []
        found = pieces(path, detect, mesh)
        for n, piece in enumerate(found):
            name = hashlib.sha256(f"{source}/{file}/{n}".encode()).hexdigest()[:12]
            first, length = int(piece["times"][0] * RATE), int((piece["times"][-1] - piece["times"][0]) * RATE)
            own = None if whole is None or len(whole) < first + length else whole[first:first + length]
            for kind, copies in COPIES.items():
                for copy in range(copies):
                    sound = own
                    if kind == "dub":
                        foreign = [s for o, s in sounds if o != source and len(s) > length + RATE]
                        if own is None:
                            continue
                        if copy == 0 or not foreign:
                            sound = np.roll(own, int(rng.uniform(0.3, 0.7) * len(own)))
                        else:
                            other = foreign[int(rng.integers(len(foreign)))]
                            at = int(rng.integers(len(other) - length))
                            sound = other[at:at + length]
                    frames = {"bonafide": lambda: piece["frames"], "dub": lambda: piece["frames"]}.get(kind, lambda: globals()[kind](piece, rng))()
                    goal = out / "clips" / f"{name}-{kind}-{copy}.mp4"
                    write(goal, frames, piece["times"], sound, rng)
                    rows.append({"source": source, "file": file, "piece": name, "kind": kind, "sound": sound is not None, "clip": goal.name,
                                 "seconds": round(piece["times"][-1] - piece["times"][0], 2)})
        if not found:
            rows.append({"source": source, "file": file, "piece": None, "kind": None})
        table_of.write_text(json.dumps(rows, indent=0))
        print(f"{source} {file}: {len(found)} pieces", flush=True)


if __name__ == "__main__":
    main()
