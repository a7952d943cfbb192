"""The shipped face-blend on datasets/faces-demo, once: single-face clips of public demo pages, evaluation only.

`clips.tsv` names each clip and which part of its width it is (many demos show original and result side by side, so both
halves of one recording are judged: the fairest pairs there are). FRAMES frames from half a second on, two a second, the
largest face of each, crops and score as evaluate.py has them. Clips already scored are kept, so the stage goes on where it stopped.
"""
from __future__ import annotations

import argparse
import csv
import hashlib
import json
from pathlib import Path

import av
import numpy as np
from imagery import ROOT, WORK, session
from imagery_calibrate import clopper_pearson
from imagery_train import auc
from face_detect import Detector, crop_square
from pixels import resize

FRAMES, STEP, MARGIN, MIN_FACE, SIZE = 1, 0.5, 1.3, 64, 224
av.logging.set_level(av.logging.PANIC)


def sampled(path: Path) -> list[np.ndarray]:
    out, due = [], STEP
    with av.open(str(path)) as box:
        stream = box.streams.video[0]
        stream.codec_context.thread_count = 1
        for frame in box.decode(stream):
            if frame.time is None or frame.time + 1e-6 >= due:
                out.append(frame.to_ndarray(format="rgb24"))
                due += STEP
                if len(out) == FRAMES:
                    break
    return out


def part_of(rgb: np.ndarray, part: str) -> np.ndarray:
    if part == "-":
        return rgb
    i, n = map(int, part.split("/"))
    width = rgb.shape[1]
    return np.ascontiguousarray(rgb[:, (i - 1) * width // n:i * width // n])


def summary(rows: list[dict], at: float) -> str:
    judged = [r for r in rows if r["score"] is not None]
    bona = np.array([r["score"] for r in judged if r["label"] == "bonafide"])
    lines = [f"{len(judged)} of {len(rows)} clips have a face of at least {MIN_FACE} px", ""]
    rng = np.random.default_rng(5)
    for family in ("FS", "LS", "FR"):
        spoof = [r for r in judged if r["attack_family"] == family]
        s = np.array([r["score"] for r in spoof])
        draws = [auc(rng.choice(bona, len(bona)), rng.choice(s, len(s))) for _ in range(500)]
        k = int((s >= at).sum())
        lo, hi = clopper_pearson(k, len(s))
        lines.append(f"- {family}: {len(s)} clips of {len({r['generator'] for r in spoof})} generators, AUC {auc(bona, s):.2f} "
                     f"[{np.quantile(draws, 0.025):.2f}, {np.quantile(draws, 0.975):.2f}], found {k} ({100 * lo:.0f} % to {100 * hi:.0f} %)")
    pairs = {}
    for r in judged:
        if "/2" in r["part"] and r["repository"] == "iperov/DeepFaceLive":
            pairs.setdefault(r["file"], {})[r["label"]] = r["score"]
    pairs = [p for p in pairs.values() if len(p) == 2]
    if pairs:
        won = sum(p["spoof"] > p["bonafide"] for p in pairs)
        lo, hi = clopper_pearson(won, len(pairs))
        lines.append(f"- both halves of one recording: the swapped one scores higher in {won} of {len(pairs)} ({100 * lo:.0f} % to "
                     f"{100 * hi:.0f} %); AUC among them {auc(np.array([p['bonafide'] for p in pairs]), np.array([p['spoof'] for p in pairs])):.2f}")
    k = int((bona >= at).sum())
    lo, hi = clopper_pearson(k, len(bona))
    lines += [f"- false alarms: {k} of {len(bona)} bona fide clips of {len({r['source'] for r in judged if r['label'] == 'bonafide'})} sources "
              f"({100 * lo:.1f} % to {100 * hi:.1f} %)", "", "| label | source | generator | clips | mean score | over the threshold |", "|---|---|---|---|---|---|"]
    groups: dict = {}
    for r in judged:
        groups.setdefault((r["label"], r["source"], r["generator"]), []).append(r["score"])
    lines += [f"| {a} | {b} | {c} | {len(g)} | {np.mean(g):.2f} | {int((np.array(g) >= at).sum())} |" for (a, b, c), g in sorted(groups.items())]
    return "\n".join(lines) + "\n"


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, default=WORK)
    args = p.parse_args()
    folder = ROOT / "models/face-blend"
    store = args.work / f"faces-demo-{hashlib.sha256((folder / 'model.onnx').read_bytes()).hexdigest()[:16]}.json"
    known = {(r["repository"], r["file"], r["part"]): r for r in json.loads(store.read_text())} if store.is_file() else {}
    detect, net = Detector("face-centerface"), session(folder / "model.onnx")
    rows = list(csv.DictReader(open(ROOT / "datasets/faces-demo/clips.tsv", newline=""), delimiter="\t"))
    last: tuple = (None, [])
    for r in rows:
        key = r["repository"], r["file"], r["part"]
        if key in known:
            continue
        path = args.work / "fetched/faces-demo" / r["repository"].replace("/", "+") / r["file"]
        if hashlib.sha256(path.read_bytes()).hexdigest() != r["sha256"]:
            raise SystemExit(f"{path}: is not the file that clips.tsv names")
        last = last if last[0] == path else (path, sampled(path))
        scores, size = [], []
        for rgb in last[1]:
            rgb = part_of(rgb, r["part"])
            faces = [f for f in detect(rgb) if f.size >= MIN_FACE]
            if faces:
                face = max(faces, key=lambda f: f.size)
                crop = resize(crop_square(rgb, face, MARGIN), SIZE, SIZE)
                x = ((crop.astype(np.float32) - 127) / 128).transpose(2, 0, 1)[None]
                scores.append(float(net.run(None, {"crop": np.ascontiguousarray(x)})[0][0]))
                size.append(face.size)
        known[key] = {k: r[k] for k in ("repository", "file", "part", "label", "attack_family", "generator", "source")} | {
            "score": float(np.mean(scores)) if scores else None, "frames": len(scores), "face": float(np.median(size)) if size else 0.0}
        store.write_text(json.dumps(list(known.values()), indent=1))
    cal = json.loads((folder / "calibration.json").read_text())
    at = (cal["supports_spoof_at_llr"] - cal["intercept"]) / cal["slope"]
    text = summary(list(known.values()), at)
    (args.work / "faces-demo.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
