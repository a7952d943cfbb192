"""`face-temporal`: numbers of every clip by the program's own code, the head over them, its calibration, and the card.

Stages, each kept in <work>/temporal: `numbers` (of the clips of temporal_clips.py and of whole recordings), `evaluate` (of
datasets/faces-demo and of evaluation videos; nothing is chosen on them), `fit` (head and calibration, written into
models/face-temporal), and the card. A source is never judged by a head that saw it.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from face_detect import Face
from imagery import ROOT, WORK
from imagery_train import auc
from landmarks import landmarks, mesh_session
from pictures import table
from sklearn.linear_model import LogisticRegression
from synthetic import cartoon
from temporal_card import card
from temporal_clips import KINDS, recordings

FOLDER = ROOT / "models/face-temporal"
NAMES = ["mouth_detail", "middle_detail", "mouth_unrest", "eye_unrest", "mouth_change", "middle_change", "edge_change", "jitter",
         "edge_jitter", "head_motion", "mouth_motion", "eye_motion", "lips"]
# What each kind of manipulation breaks, and by which numbers it may be seen. `swap` has none: no number saw it.
BREAKS = {
    "mouth": ["mouth_detail", "mouth_change", "edge_change", "lips"],
    "animate": ["mouth_unrest", "eye_unrest", "mouth_change", "edge_change", "jitter"],
    "dub": ["lips"],
}
STRENGTHS = (0.01, 0.1, 1.0)
FAR = 3.0        # deviations beyond which a number says no more; the same in crates/seamline-detect/src/temporal/mod.rs
RUN = 2          # windows in a row before mouth and sound are said to disagree


def measure(program: Path, clips: list[Path], out: Path) -> dict[str, dict]:
    """What the program measures of each clip; those already there are kept."""
    known = {r["file"]: r for r in map(json.loads, out.read_text().splitlines())} if out.is_file() else {}
    left = [c for c in clips if str(c) not in known]
    with open(out, "a") as f:
        for at in range(0, len(left), 20):
            done = subprocess.run([str(program), *map(str, left[at:at + 20])], check=True, capture_output=True, text=True,
                                  env={**os.environ, "SEAMLINE_HOME": str(ROOT)})
            f.write(done.stdout)
            f.flush()
            for line in done.stdout.splitlines():
                row = json.loads(line)
                known[row["file"]] = row
            print(f"{min(at + 20, len(left))} of {len(left)}", end="\r", file=sys.stderr)
    return {str(c): known[str(c)] for c in clips if str(c) in known}


def vector(row: dict) -> list[float] | None:
    face = row.get("face")
    if not face:
        return None
    return [face["features"][n] for n in NAMES[:-1]] + [float("nan") if face["lips"] is None else face["lips"]]


def windows(row: dict) -> list:
    """Windows in which the mouth was compared with the sound."""
    return (row.get("face") or {}).get("windows") or []


def cut(path: Path, part: str, goal: Path) -> Path:
    """The part of a demonstration's width that is the clip, hardly compressed, with its sound."""
    if part == "-" and path.suffix.lower() != ".gif":
        return path
    if not goal.is_file():
        i, n = map(int, part.split("/")) if part != "-" else (1, 1)
        crop = f"crop=trunc(iw/{n}/2)*2:trunc(ih/2)*2:{i - 1}*iw/{n}:0"
        goal.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", str(path), "-vf", crop, "-c:v", "libx264", "-crf", "12", "-preset", "fast",
                        "-pix_fmt", "yuv420p", "-c:a", "aac", "-threads", "1", str(goal)], check=True)
    return goal


def demo_clips(work: Path) -> list[dict]:
    out = []
    for r in table(ROOT / "datasets/faces-demo/clips.tsv"):
        path = WORK / "fetched/faces-demo" / r["repository"].replace("/", "+") / r["file"]
        if path.is_file():
            name = hashlib.sha256(f"{r['repository']}/{r['file']}/{r['part']}".encode()).hexdigest()[:16]
            out.append({**r, "recording": f"{r['repository']}/{r['file']}", "path": cut(path, r["part"], work / "demo" / f"{name}.mp4")})
    return out


def weights_of(rows: list[dict]) -> np.ndarray:
    """Each class weighs the same, in it each kind, in it each source as the root of its number of clips."""
    w = np.ones(len(rows))
    kinds = np.array([r["kind"] for r in rows])
    sources = np.array([r["source"] for r in rows])
    for kind in set(kinds):
        mine = kinds == kind
        counts = {s: (mine & (sources == s)).sum() for s in set(sources[mine])}
        w[mine] = [counts[s] ** -0.5 for s in sources[mine]]
        w[mine] /= w[mine].sum() * (1 if kind == "bonafide" else len(set(kinds)) - 1)
    return w * len(rows) / 2


def solve(rows: list[dict], x: np.ndarray, strength: float, breaks: dict[str, list[str]] = BREAKS) -> dict:
    """One small logistic regression a break, bona fide copies against its own; numbers it may not use weigh nothing."""
    kinds = np.array([r["kind"] for r in rows])
    bona = x[kinds == "bonafide"]
    head = {"mean": np.nanmean(bona, 0), "scale": np.nanstd(bona, 0) + 1e-6, "breaks": {}}
    z = near(head, x)
    for name, features in breaks.items():
        pick = (kinds == "bonafide") | (kinds == name)
        columns = [NAMES.index(f) for f in features]
        mine = [r for r, p in zip(rows, pick) if p]
        model = LogisticRegression(C=strength, max_iter=2000).fit(z[pick][:, columns], (kinds[pick] == name).astype(int), sample_weight=weights_of(mine))
        weights = np.zeros(len(NAMES))
        weights[columns] = model.coef_[0]
        head["breaks"][name] = (weights, float(model.intercept_[0]))
    return head


def near(head: dict, x: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(x), 0, (x - head["mean"]) / head["scale"]).clip(-FAR, FAR)


def apply(head: dict, x: np.ndarray) -> np.ndarray:
    parts = np.array([near(head, x) @ w + b for w, b in head["breaks"].values()])
    return np.log(np.exp(parts).sum(0))


def out_of_fold(rows: list[dict], x: np.ndarray, strength: float, breaks: dict[str, list[str]] = BREAKS) -> np.ndarray:
    sources = np.array([r["source"] for r in rows])
    score = np.full(len(rows), np.nan)
    for s in sorted(set(sources)):
        mine = sources == s
        score[mine] = apply(solve([r for r, m in zip(rows, mine) if not m], x[~mine], strength, breaks), x[mine])
    return score


def areas(rows: list[dict], score: np.ndarray) -> dict[str, float]:
    """Of each kind, the AUC against the bona fide copies of the same sources."""
    kinds = np.array([r["kind"] for r in rows])
    return {k: auc(score[kinds == "bonafide"], score[kinds == k]) for k in KINDS if (kinds == k).any()}


def logistic(score: np.ndarray, label: np.ndarray, w: np.ndarray) -> tuple[float, float]:
    m = LogisticRegression(C=1e6).fit(score[:, None], label, sample_weight=w)
    return float(m.coef_[0, 0]), float(m.intercept_[0])


def calibrate(rows: list[dict], score: np.ndarray) -> dict:
    label = np.array([r["kind"] != "bonafide" for r in rows]).astype(int)
    w = weights_of(rows)
    slope, intercept = logistic(score, label, w)
    sources = np.array([r["source"] for r in rows])
    names, rng, lines = sorted(set(sources)), np.random.default_rng(7), []
    for _ in range(300):
        take = np.concatenate([np.flatnonzero(sources == s) for s in rng.choice(names, len(names))])
        if len(set(label[take])) == 2:
            lines.append(logistic(score[take], label[take], w[take]))
    span = np.linspace(*np.quantile(score, [0.02, 0.98]), 21)
    spread = np.array([k * span + c for k, c in lines])
    half = float(np.max(np.quantile(spread, 0.975, 0) - np.quantile(spread, 0.025, 0)) / 2)
    p = 1 / (1 + np.exp(-(slope * score + intercept).clip(-1, 1)))
    which = np.minimum((p * 10).astype(int), 9)
    share = w / w.sum()
    ece = float(sum(abs(np.sum(share[which == b] * (label[which == b] - p[which == b]))) for b in range(10)))
    digest = next(line.split('"')[1] for line in (FOLDER / "manifest.toml").read_text().splitlines() if line.startswith("sha256"))
    return {"schema": 1, "kind": "logistic", "model_sha256": digest, "slope": round(slope, 6), "intercept": round(intercept, 6),
            "score_range": [round(float(score.min()), 3), round(float(score.max()), 3)], "llr_range": [-1.0, 1.0],
            "llr_halfwidth": round(half, 3), "supports_spoof_at_llr": None, "false_alarm_rate_there": None,
            "supports_bonafide_at_llr": None,
            "fitted_on": "scores of pieces of bona fide recordings and of manipulated copies made by recipe, by heads that never saw the source",
            "n_bonafide": int((label == 0).sum()), "n_spoof": int(label.sum()), "ece": round(ece, 4)}


def runs_below(windows: list, least: float) -> bool:
    n = 0
    for w in windows:
        n = n + 1 if w[2] < least else 0
        if n >= RUN:
            return True
    return False


def dubbed(recordings: list[Path], folder: Path) -> list[Path]:
    """Recordings of at least 20 s with the sound of half their length later, or of the next recording."""
    folder.mkdir(parents=True, exist_ok=True)
    length = lambda p: float(subprocess.run(["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(p)], capture_output=True, text=True).stdout or 0)
    long = [(p, seconds) for p, seconds in ((p, length(p)) for p in recordings) if seconds >= 20]
    out = []
    for i, (path, seconds) in enumerate(long):
        for other, start in ((path, seconds / 2), (long[(i + 1) % len(long)][0], 3.0)):
            goal = folder / f"{hashlib.sha256(f'{path.name}/{other.name}'.encode()).hexdigest()[:12]}.mp4"
            if not goal.is_file():
                subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", str(path), "-ss", f"{start:.2f}", "-i", str(other), "-map", "0:v:0", "-map", "1:a:0",
                                "-c:v", "copy", "-c:a", "aac", "-shortest", str(goal)], check=True)
            out.append(goal)
    return out


def disagreement(own: list[tuple[str, list]], foreign: list[list]) -> dict:
    """The highest correlation below which no bona fide recording has RUN windows in a row, less a margin of 0.02."""
    steps = np.round(np.arange(-0.5, 0.6, 0.01), 2)
    fine = [t for t in steps if not any(runs_below(w, t) for _, w in own)]
    below = round(float(max(fine)) - 0.02, 2) if fine else -1.0
    every = lambda groups: [w[2] for windows in groups for w in windows]
    return {"below": below, "recordings": len(own), "sources": len({s for s, _ in own}), "own_median": float(np.median(every([w for _, w in own]))),
            "foreign": len(foreign), "foreign_found": sum(runs_below(w, below) for w in foreign), "foreign_median": float(np.median(every(foreign)))}


def write_head(head: dict, below: float | None) -> None:
    text = (FOLDER / "manifest.toml").read_text().split("[temporal]")[0]
    numbers = lambda v: "[" + ", ".join(f"{float(n):.6g}" if "." in f"{float(n):.6g}" or "e" in f"{float(n):.6g}" else f"{float(n):.1f}" for n in v) + "]"
    text += "[temporal]                       # written by scripts/train/vision/temporal.py\n"
    text += "features = [" + ", ".join(f'"{n}"' for n in NAMES) + "]\n"
    text += f"mean = {numbers(head['mean'])}\nscale = {numbers(head['scale'])}\n"
    if below is not None:
        text += f"disagree_below = {below:.2f}\ndisagree_windows = {RUN}\n"
    for name, (weights, bias) in head["breaks"].items():
        text += f'\n[[temporal.breaks]]\nname = "{name}"\nweights = {numbers(weights)}\nbias = {bias:.6f}\n'
    if (FOLDER / "calibration.json").is_file() and "[calibration]" not in text:
        text = text.replace("[temporal]", '[calibration]\npath = "calibration.json"\n\n[temporal]', 1)
    (FOLDER / "manifest.toml").write_text(text)


PICTURE, BOX, EYES = (512, 512, 256, 256, 220), (146.0, 116.0, 366.0, 396.0), ((209.8, 229.6), (302.2, 229.6))
SHOWN = (1, 33, 263, 13, 14, 152)


def golden(head: dict, calibration: dict) -> dict:
    """The mesh on a drawn face, and the head and the calibration on numbers given by formula."""
    picture = cartoon(*PICTURE)
    face = Face(*BOX, 1.0, {"right_eye": EYES[0], "left_eye": EYES[1]})
    points, presence = landmarks(mesh_session(), picture, face)
    cases = [{"name": "mesh", "fixture": f"synthetic:cartoon{PICTURE}".replace(" ", ""), "stage": "raw", "values": [round(float(v), 3) for v in points[list(SHOWN)].ravel()],
              "tolerance": 1.0, "why": f"x, y of points {SHOWN}, box {BOX}, eyes {EYES}; the reference samples to whole grey levels (presence {presence:.2f})"}]
    for name, lips in (("with-sound", True), ("without-sound", False)):
        x = head["mean"] + head["scale"] * np.array([0.3 * (-1) ** i * (1 + i % 4) for i in range(len(NAMES))])
        x[-1] = x[-1] if lips else np.nan
        score = float(apply(head, x[None])[0])
        values = [round(float(v), 9) for v in x[:-1]] + ([round(float(x[-1]), 9)] if lips else [])
        cases.append({"name": f"score-{name}", "fixture": "numbers:" + ",".join(map(str, values)), "stage": "score", "values": [round(score, 6)], "tolerance": 1e-3,
                      "why": "the heads' numbers stand in the manifest with six digits"})
        llr = float(np.clip(calibration["slope"] * score + calibration["intercept"], *calibration["llr_range"]))
        inside = calibration["score_range"][0] <= score <= calibration["score_range"][1]
        cases.append({"name": f"llr-{name}", "fixture": f"score:{score:.6f}", "stage": "llr", "values": [round(llr, 6)] if inside else [None], "tolerance": 1e-3, "why": "the calibrated value"})
    return {"cases": cases}


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, default=WORK / "temporal")
    p.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    p.add_argument("--program", type=Path, default=ROOT / "target/release/examples/face_numbers")
    p.add_argument("--explore", action="store_true", help="fit and print; write nothing, read no evaluation data")
    args = p.parse_args()
    rows = [r for r in json.loads((args.work / "clips.json").read_text()) if r["kind"]]
    for r in rows:
        r["path"] = str(args.work / "clips" / r["clip"])
    numbers = measure(args.program, [Path(r["path"]) for r in rows], args.work / "numbers.jsonl")
    of = {str(path): source for source, _, path in recordings()}
    whole = measure(args.program, [Path(f) for f in of], args.work / "whole.jsonl")
    rows = [{**r, "x": vector(numbers[r["path"]])} for r in rows if r["path"] in numbers and vector(numbers[r["path"]])]
    x = np.array([r["x"] for r in rows], float)

    tried = {c: areas(rows, out_of_fold(rows, x, c)) for c in STRENGTHS}
    strength = max(STRENGTHS, key=lambda c: np.mean(list(tried[c].values())))
    score = out_of_fold(rows, x, strength)
    alone = {n: {k: areas(rows, out_of_fold(rows, x, strength, {k: [n]})).get(k, float("nan")) for k in KINDS} for n in NAMES}
    one = {k: areas(rows, out_of_fold(rows, x, strength, {k: f}))[k] for k, f in BREAKS.items()}
    every = areas(rows, out_of_fold(rows, x, strength, {k: NAMES for k in KINDS}))
    sounding = [f for f, r in whole.items() if windows(r)]
    foreign = measure(args.program, dubbed([Path(f) for f in sounding], args.work / "dubbed"), args.work / "dubbed.jsonl")
    lips = disagreement([(of[f], windows(whole[f])) for f in sounding], [windows(r) for r in foreign.values()])
    facts = {"rows": rows, "x": x, "score": score, "tried": tried, "strength": strength, "alone": alone, "lips": lips, "one": one, "every": every}
    if args.explore:
        print(json.dumps({k: facts[k] for k in ("tried", "alone", "one", "every", "lips")}, indent=1))
        return
    head = solve(rows, x, strength)
    calibration = calibrate(rows, score)
    (FOLDER / "calibration.json").write_text(json.dumps(calibration, indent=1) + "\n")
    write_head(head, lips["below"])
    (FOLDER / "golden.json").write_text(json.dumps(golden(head, calibration), indent=1) + "\n")

    demo = demo_clips(args.work)
    shared = [r for r in table(args.data / "protocol.tsv") if r["modality"] == "video" and r["use"] == "eval"]
    wanted = [r["path"] for r in demo] + [args.data / r["path"] for r in shared]
    measured = measure(args.program, wanted, args.work / "evaluation.jsonl")
    judged = []
    for r, path in [(r, r["path"]) for r in demo] + [(r, args.data / r["path"]) for r in shared]:
        v = vector(measured.get(str(path), {}))
        compared = windows(measured.get(str(path), {}))
        judged.append({"set": "faces-demo" if "part" in r else "shared", "source": r["source"], "label": r["label"], "family": r["attack_family"],
                       "generator": r["generator"], "x": v, "score": float(apply(head, np.array([v], float))[0]) if v else None,
                       "told": runs_below(compared, lips["below"]), "windows": len(compared), "recording": r.get("recording", r["path"])})
    facts |= {"head": head, "calibration": calibration, "judged": judged}
    (args.work / "facts.json").write_text(json.dumps({"judged": judged, "tried": {str(k): v for k, v in tried.items()}, "lips": lips}, indent=0))
    (FOLDER / "card.md").write_text(card(facts, NAMES))
    print((FOLDER / "card.md").read_text())


if __name__ == "__main__":
    main()
