"""The shipped face-blend on datasets/faces-demo, once: single-face clips of public demo pages, evaluation only.

`clips.tsv` names each clip and which part of its width it is (many demos show original and result side by side, so both
halves of one recording are judged: the fairest pairs there are). FRAMES frames from half a second on, two a second, the
largest face of each, crops and score as evaluate.py has them. Clips already scored are kept, so the stage goes on where it stopped,
and after a new threshold it only counts again.
What comes out becomes a section of models/face-blend/card.md; report.py keeps it as long as the weights are the same.
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
from card_text import HEADING, percent, put
from face_detect import Detector, crop_square
from pixels import resize

FRAMES, STEP, MARGIN, MIN_FACE, SIZE = 8, 0.5, 1.3, 64, 224
APART = "iperov/DeepFaceLive"   # more than half of the clips, and all swaps, are of this one program
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


def rate(k: int, n: int) -> str:
    lo, hi = clopper_pearson(k, n)
    return f"{k} of {n} ({percent(lo)} to {percent(hi)})"


def area(bona: list[dict], spoof: list[dict], rng) -> str:
    """AUC with a 95 % interval: bootstrap over files within each source, since clips of a file are one recording."""
    def draw(rows: list[dict]) -> np.ndarray:
        groups: dict = {}
        for r in rows:
            groups.setdefault(r["source"], {}).setdefault(r["file"], []).append(r["score"])
        out = []
        for files in groups.values():
            names = sorted(files)
            for i in rng.integers(len(names), size=len(names)):
                out += files[names[i]]
        return np.array(out)

    draws = [auc(draw(bona), draw(spoof)) for _ in range(1000)]
    value = auc(*(np.array([r["score"] for r in rows]) for rows in (bona, spoof)))
    return f"{value:.2f} [{np.quantile(draws, 0.025):.2f}, {np.quantile(draws, 0.975):.2f}]"


def sources(rows: list[dict]) -> str:
    n = len({r["source"] for r in rows})
    return f"{n} source{'s' if n != 1 else ''}"


def section(rows: list[dict], at: float, top: float, weights: str) -> str:
    """The part of the card: DeepFaceLive apart from the rest."""
    judged = [r for r in rows if r["score"] is not None]
    rng = np.random.default_rng(5)
    side = lambda label, apart: [r for r in judged if r["label"] == label and (r["repository"] == APART) == apart]
    flagged = lambda g: sum(at <= r["score"] <= top for r in g)   # above the calibrated range nothing is said
    lines = [HEADING, "", f"`datasets/faces-demo`: clips with one face, cut from public demonstrations; up to {FRAMES} frames, two a second. "
             f"{len(judged)} of {len(rows)} clips have a face of at least {MIN_FACE} px. Nothing was chosen on them. "
             f"Weights {weights}. \"Called\" is at the threshold that ships; brackets are 95 % bounds (AUC: bootstrap over recordings).", "",
             "| what | bona fide clips | called (false alarms) | spoofed clips | generators | called | AUC |", "|---|---|---|---|---|---|---|"]
    plain = side("bonafide", False)
    for name, bona, spoof in (("**without DeepFaceLive**: audio-driven or lip-synced (LS)", plain, [r for r in side("spoof", False) if r["attack_family"] == "LS"]),
                              ("**without DeepFaceLive**: reenacted (FR)", plain, [r for r in side("spoof", False) if r["attack_family"] == "FR"]),
                              ("DeepFaceLive alone: swaps (FS) against its own originals", side("bonafide", True), side("spoof", True)),
                              ("DeepFaceLive's swaps against all other bona fide clips", plain, side("spoof", True))):
        lines.append(f"| {name} | {len(bona)} of {sources(bona)} | {rate(flagged(bona), len(bona))} | {len(spoof)} "
                     f"| {len({r['generator'] for r in spoof})} | {rate(flagged(spoof), len(spoof))} | {area(bona, spoof, rng)} |")
    pairs: dict = {}
    for r in judged:
        if "/2" in r["part"] and r["repository"] == APART:
            pairs.setdefault(r["file"], {})[r["label"]] = r["score"]
    pairs = {f: p for f, p in pairs.items() if len(p) == 2}
    won = sum(p["spoof"] > p["bonafide"] for p in pairs.values())
    lines += ["", f"False alarms in all: {rate(flagged([r for r in judged if r['label'] == 'bonafide']), sum(r['label'] == 'bonafide' for r in judged))} bona fide clips. "
              f"Of the recordings that show original and swap side by side (one camera, codec and scene), the swap scores higher in "
              f"{rate(won, len(pairs))}.", ""]
    lines += ["| label | family | source | generator | clips | median face, px | mean score | called |", "|---|---|---|---|---|---|---|---|"]
    groups: dict = {}
    for r in judged:
        groups.setdefault((r["label"], r["attack_family"], r["source"], r["generator"]), []).append(r)
    for (a, b, c, d), g in sorted(groups.items()):
        lines.append(f"| {a} | {b} | {c} | {d} | {len(g)} | {np.median([r['face'] for r in g]):.0f} | {np.mean([r['score'] for r in g]):.2f} | {flagged(g)} |")
    return "\n".join(lines) + "\n"


def crop(rgb: np.ndarray, face) -> np.ndarray:
    """What face-blend takes of a face."""
    x = (resize(crop_square(rgb, face, MARGIN), SIZE, SIZE).astype(np.float32) - 127) / 128
    return np.ascontiguousarray(x.transpose(2, 0, 1)[None])


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, default=WORK)
    args = p.parse_args()
    folder = ROOT / "models/face-blend"
    weights = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()[:16]
    store = args.work / f"faces-demo-{weights}-{FRAMES}.json"
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
                scores.append(float(net.run(None, {"crop": crop(rgb, face)})[0][0]))
                size.append(face.size)
        known[key] = {k: r[k] for k in ("repository", "file", "part", "label", "attack_family", "generator", "source")} | {
            "score": float(np.mean(scores)) if scores else None, "frames": len(scores), "face": float(np.median(size)) if size else 0.0}
        store.write_text(json.dumps(list(known.values()), indent=1))
    cal = json.loads((folder / "calibration.json").read_text())
    at = (cal["supports_spoof_at_llr"] - cal["intercept"]) / cal["slope"]
    text = section(list(known.values()), at, cal["score_range"][1], weights)
    card = folder / "card.md"
    card.write_text(put(card.read_text(), text))
    print(text)


if __name__ == "__main__":
    main()
