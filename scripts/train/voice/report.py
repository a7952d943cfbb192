"""Stage 6: card.md from numbers. The only stage that looks at `use = eval` and `use = demo` clips, and it only reports.

Every head that is reported on them leaves a line in `reports.tsv`: how often a set has been looked at is part of
what its figures are worth.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import time
import tomllib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

import model
from calibrate import MIN_SECONDS, clopper_pearson, ece
from features import usable
from lib import CACHE, MODEL, RATE, ROOT, SAMPLES, WORK, read_table, windows, write_table
from report_tables import conditions, cost, ladder, networks_tried, stored
from train import TIE


def percent(v: list[float]) -> str:
    return f"{100 * v[0]:.1f} % [{100 * v[1]:.1f}, {100 * v[2]:.1f}]"


def session():
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(CACHE / "models" / "voice-whisper.onnx", options, providers=["CPUExecutionProvider"])


def speed(run) -> float:
    """Milliseconds of one thread's processor time for a second of audio."""
    x = {"wave": np.random.default_rng(0).standard_normal((1, SAMPLES)).astype(np.float32) * 0.1}
    best = float("inf")
    for _ in range(12):
        start = time.process_time()
        run.run(None, x)
        best = min(best, time.process_time() - start)
    return best / 3 * 1000


def table(rows, spoof, score, fires, key) -> list[str]:
    """One line a source or generator: clips, share over the threshold, mean score."""
    names = np.array([r[key] for r in rows])
    out = []
    for name in sorted(set(names)):
        cells = []
        for c in (False, True):
            take = (names == name) & (spoof == c)
            cells.append(f"{take.sum()} | {100 * fires[take].mean():.0f} % " if take.any() else "0 | - ")
        both = (names == name)
        a = model.auc(spoof[both], score[both])
        out.append(f"| {name} | {cells[0]}| {cells[1]}| {'-' if np.isnan(a) else f'{a:.2f}'} |")
    return out


class Scored(NamedTuple):
    """Clips of one set with their scores, and which of them fire."""

    rows: list[dict[str, str]]
    spoof: np.ndarray
    score: np.ndarray
    fires: np.ndarray

    def figures(self) -> dict:
        inside = model.by_source(self.rows, self.spoof, self.score)
        real = ~self.spoof
        return {"auc": model.auc(self.spoof, self.score), "macro": float(np.mean(list(inside.values()))) if inside else None,
                "interval": bootstrap(self), "false_alarms": clopper_pearson(int(self.fires[real].sum()), int(real.sum())),
                "recall": clopper_pearson(int(self.fires[self.spoof].sum()), int(self.spoof.sum()))}

    def ece(self, calibration: dict) -> float:
        """At equal prior, every clip of a class weighing the same."""
        p = 1 / (1 + np.exp(-(calibration["slope"] * self.score + calibration["intercept"])))
        weight = np.where(self.spoof, 0.5 / self.spoof.mean(), 0.5 / (1 - self.spoof.mean()))
        return ece(p, self.spoof, weight)


def bootstrap(s: Scored, rounds: int = 400) -> list[float]:
    """95 % interval of the pooled AUC, clips drawn within each class."""
    rng, real, fake = np.random.default_rng(2), np.flatnonzero(~s.spoof), np.flatnonzero(s.spoof)
    values = []
    for _ in range(rounds):
        take = np.concatenate([rng.choice(real, len(real)), rng.choice(fake, len(fake))])
        values.append(model.auc(s.spoof[take], s.score[take]))
    return [float(v) for v in np.percentile(values, [2.5, 97.5])]


def clip_score(run, place: Path, path: Path) -> tuple[float, float] | None:
    """(mean over the windows, seconds) of the shipped file; None without enough signal. Finished clips are kept."""
    if not place.exists():
        try:
            x = usable(path)
        except (subprocess.CalledProcessError, soundfile.LibsndfileError, ValueError) as e:
            print(f"report: {path.name}: {e}")
            return None
        if x is None:
            return None
        logits = [float(run.run(None, {"wave": window[None]})[0][0]) for window in windows(x)]
        part = place.with_suffix(".part")
        part.write_text(json.dumps([float(np.mean(logits)), len(x) / RATE]))
        part.replace(place)
    return tuple(json.loads(place.read_text()))


def scored(use: str, run, data: Path, calibration: dict) -> Scored:
    """The shipped file on every clip of a set that is long enough."""
    folder = WORK / "shipped" / calibration["model_sha256"][:16]
    folder.mkdir(parents=True, exist_ok=True)
    rows, raw = [], []
    for row in read_table(WORK / "trials.tsv"):
        if row["use"] != use:
            continue
        path = data / row["path"][5:] if row["path"].startswith("data:") else CACHE / row["path"]
        got = clip_score(run, folder / (hashlib.sha256(row["trial_id"].encode()).hexdigest()[:24] + ".json"), path)
        if got and got[1] >= MIN_SECONDS:
            rows.append(row)
            raw.append(got[0])
    score = np.array(raw)
    fires = calibration["slope"] * score + calibration["intercept"] >= calibration["supports_spoof_at_llr"]
    return Scored(rows, np.array([r["label"] == "spoof" for r in rows]), score, fires)


def log_report(figures: dict[str, dict]) -> list[dict[str, str]]:
    """A line for this model, if it has none yet; all lines. (Up to 0.2.0 `head` is the hash of head.json, since then the file's.)"""
    path = MODEL / "reports.tsv"
    rows = read_table(path) if path.is_file() else []
    manifest = tomllib.loads((MODEL / "manifest.toml").read_text())
    head = manifest["file"]["sha256"][:16]
    rows = [r for r in rows if r["head"] != head]
    line = {"head": head, "what": f"version {manifest['version']}"}
    for name, f in figures.items():
        line |= {f"{name}_auc": f"{f['auc']:.3f}", f"{name}_macro": f"{f['macro']:.3f}", f"{name}_recall": f"{f['recall'][0]:.3f}",
                 f"{name}_false_alarms": f"{f['false_alarms'][0]:.3f}"}
    rows.append(line)
    write_table(path, rows, list(line))
    return rows


def by_family(s: Scored) -> dict[str, list[str]]:
    """Attack family -> its generators."""
    out: dict[str, list[str]] = {}
    for r in s.rows:
        if r["label"] == "spoof" and r["generator"] not in out.setdefault(r["attack_family"], []):
            out[r["attack_family"]].append(r["generator"])
    return dict(sorted(out.items()))


def interval(f: dict) -> str:
    return f"{f['auc']:.3f} [{f['interval'][0]:.3f}, {f['interval'][1]:.3f}]"


def generator_line(s: Scored, generator: str, a: float) -> str:
    take = s.spoof & (np.array([r["generator"] for r in s.rows]) == generator)
    return f"| {generator} | {take.sum()} | {a:.2f} | {100 * s.fires[take].mean():.0f} % |"


def by_language(s: Scored) -> list[str]:
    """False alarms of bona fide sources whose path says the language."""
    names = np.array([r["source"].rsplit("/", 1)[-1] if r["source"].startswith("debian/") else "" for r in s.rows])
    out = []
    for name in sorted(set(names[~s.spoof]) - {""}):
        take = ~s.spoof & (names == name)
        out.append(f"| {name} | {take.sum()} | {100 * s.fires[take].mean():.0f} % |")
    return out


HEAD = "| {} | bona fide clips | over the threshold | spoof clips | over the threshold | AUC within |\n|---|---|---|---|---|---|"


def main() -> None:
    parser = argparse.ArgumentParser(description="Write card.md")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    args = parser.parse_args()
    train = json.loads((WORK / "train.json").read_text())
    calibration = json.loads((MODEL / "calibration.json").read_text())
    fusion = json.loads((MODEL / "fusion.json").read_text())
    with np.load(MODEL / "lcnn.npz", allow_pickle=False) as z:
        network = {k: z[k] for k in z.files}
    slope, intercept, at = (calibration[k] for k in ("slope", "intercept", "supports_spoof_at_llr"))

    def held_out(column: str) -> Scored:
        rows = [r for r in read_table(WORK / "fused.tsv") if float(r["seconds"]) >= MIN_SECONDS]
        score = np.array([float(r[column]) for r in rows])
        return Scored(rows, np.array([r["label"] == "spoof" for r in rows]), score, slope * score + intercept >= at)

    oof, degraded = held_out("plain"), held_out("degraded")
    inner, outer_degraded = oof.figures(), degraded.figures()
    against = model.is_repository(oof.rows) & ~oof.spoof
    generators = model.by_generator(oof.rows, oof.spoof, oof.score, against)
    families = {f: float(np.mean([generators[g] for g in gs])) for f, gs in by_family(oof).items()}

    run = session()
    evaluation, demo = (scored(use, run, args.data, calibration) for use in ("eval", "demo"))
    outer, shown = evaluation.figures(), demo.figures()
    systems = model.by_generator(demo.rows, demo.spoof, demo.score, ~demo.spoof)
    shown["macro"] = float(np.mean(list(systems.values())))
    reports = log_report({"eval": outer, "demo": shown})
    low, high = calibration["score_range"]
    outside = int(((evaluation.score < low) | (evaluation.score > high)).sum())
    ms = speed(run)

    steps = f", the change from frame to frame of {train['steps']} (0: what goes into the first layer)" if train.get("steps") else ""
    lines = [
        "# voice-whisper: is this speech synthesised or converted?", "",
        "Generated by `scripts/train/voice/report.py`; every number below was measured by it.", "",
        "## What it is",
        f"The first {max(train['layers'])} layers of the Whisper *base* encoder (MIT, fetched from a pinned package, not "
        f"stored here), mean and standard deviation over time of layers {train['layers']}{steps}, and a logistic regression "
        "trained by this project (`head.json`); beside it a light CNN of this project on log energies of 80 equal bands "
        f"(`lcnn.npz`, {sum(v.size for v in network.values())} numbers in half precision). Both scores, each in units of its "
        f"spread, are added: {fusion['chosen']}. Input 3 s of 16 kHz mono; output that sum, higher supports spoof; a clip's "
        "score is the mean over its windows.", "",
        f"- Cost: {ms:.1f} ms of one core per second of audio (ONNX Runtime 1.28.0, fp32, one thread, best of 12, on a shared machine).",
        f"- Both were trained on {train['bonafide_clips']} bona fide clips of {train['bonafide_sources']} sources and "
        f"{train['clips'] - train['bonafide_clips']} spoof clips of {train['generators']} generators "
        f"({train['windows']} windows); list and licences in `datasets/voice-open`.", "",
        "## Out of fold (neither source nor generator seen)", "",
        f"Clips of at least {MIN_SECONDS} s, {train['folds']} folds; a source, and every source that shares a generator with it, "
        "is in one fold.", "",
        "| figure | value |", "|---|---|",
        f"| AUC, pooled | {interval(inner)} |",
        f"| AUC, pooled, degraded copies (band limit, noise, codec, short) | {interval(outer_degraded)} |",
        f"| AUC, mean over the {len(model.by_source(oof.rows, oof.spoof, oof.score))} sources with both classes | {inner['macro']:.3f} |",
        f"| AUC, mean over {len(generators)} generators against repository speech | {np.mean(list(generators.values())):.3f} |",
        *[f"| the same, {f} only | {v:.3f} |" for f, v in families.items()],
        "| false alarms, repository speech, plain and degraded, each source with a threshold set without it | "
        f"{percent(calibration['false_alarm_rate_there'])} |",
        f"| the same, mean over all bona fide sources | {100 * calibration['false_alarm_rate_by_source']:.1f} % |",
        f"| false alarms at the threshold, all bona fide, plain | {percent(inner['false_alarms'])} |",
        f"| the same, degraded copies | {percent(outer_degraded['false_alarms'])} |",
        f"| recall at the threshold | {percent(inner['recall'])} |",
        f"| the same, degraded copies | {percent(outer_degraded['recall'])} |",
        f"| calibration error (ECE), groups unseen by the calibration | {calibration['ece']:.3f} |", "",
        "## Evaluation set (never used for a choice)", "",
        f"{int((~evaluation.spoof).sum())} bona fide and {int(evaluation.spoof.sum())} spoof clips; {outside} outside the "
        "calibrated score range.", "",
        "| figure | value | wanted |", "|---|---|---|",
        f"| AUC, pooled | {interval(outer)} | .78 |", f"| AUC, mean over sources | {outer['macro']:.3f} | .80 |",
        f"| false alarms at the threshold | {percent(outer['false_alarms'])} | 2 % |",
        f"| recall at the threshold | {percent(outer['recall'])} | 25 % |",
        f"| calibration error (ECE) | {evaluation.ece(calibration):.3f} | .10 |", "",
        HEAD.format("source"), *table(evaluation.rows, evaluation.spoof, evaluation.score, evaluation.fires, "source"), "",
        HEAD.format("generator"),
        *table(evaluation.rows, evaluation.spoof, evaluation.score, evaluation.fires, "generator"), "",
        "Brackets are 95 % bounds (Clopper-Pearson; bootstrap for AUC). Clips of one source are not independent, so the "
        "truth may lie further off. Some evaluation speakers (LJSpeech, VCTK, LibriSpeech) also speak in training clips of "
        "both classes.", "",
        "## Demonstration pages (`datasets/voice-demo`, never used for a choice)", "",
        f"{int((~demo.spoof).sum())} bona fide and {int(demo.spoof.sum())} spoof clips of {len(systems)} systems, none of them "
        "in training. Each system against all bona fide clips of the set.", "",
        "| figure | value | wanted |", "|---|---|---|",
        f"| AUC, mean over systems | {shown['macro']:.3f} | .85 |", f"| AUC, pooled | {interval(shown)} | - |",
        f"| false alarms at the threshold | {percent(shown['false_alarms'])} | 2 % |",
        f"| recall at the threshold | {percent(shown['recall'])} | 25 % |", "",
        "| system | clips | AUC | over the threshold |", "|---|---|---|---|",
        *[generator_line(demo, g, a) for g, a in systems.items()], "",
        "## How often these two sets were looked at", "",
        f"{len(reports)} heads have been reported on the evaluation set. No choice followed from any report.", "",
        "| head | evaluation: AUC pooled, over sources | demonstration pages: AUC over systems |", "|---|---|---|",
        *[f"| {r['what']} | {r['eval_auc']}, {r['eval_macro']} | {r['demo_macro']} |" for r in reports], "",
        *ladder(stored("ladder.json"), tomllib.loads((MODEL / "manifest.toml").read_text())),
        "## Limits", "",
        "- A score below the threshold says nothing: there is no threshold that supports bona fide.",
        "- At the threshold most fakes are missed; it is set for few false alarms.",
        "- Silence and plain noise score high: run it only on stretches that a voice activity detector passed.",
        *[f"- {source}: fakes are scored as *more* human than the reference speech (AUC {a:.2f})."
          for source, a in model.by_source(evaluation.rows, evaluation.spoof, evaluation.score).items() if a < 0.5],
        f"- Out of fold, fakes of {', '.join(g for g, a in generators.items() if a < 0.5) or 'no system'} are scored as more "
        "human than repository speech: a system of that kind will be missed.",
        "- Speech only: music, noise and voices under 1.5 s are not assessed; singing may be taken for speech.",
        "- Phone channels were simulated, not recorded.", "",
        "## How the setting was chosen (training folds only)", "",
        "One step after another; a later line keeps what the best line before it had; `steps of`: the change from frame to frame of these "
        "layers as well. Differences under "
        f"{TIE} in the mean of the last four figures count as none.", "",
        "| layers | setting | data | pooled | repositories | source macro | generator macro | the two, degraded copies |",
        "|---|---|---|---|---|---|---|---|",
        *[f"| {t['layers']} | {t['setting']} | {t['data']} | {t['pooled_auc']:.3f} | {t['repository_auc']:.3f} | "
          f"{t['source_macro_auc']:.3f} | {t['generator_macro_auc']:.3f} | {t['source_macro_degraded']:.3f}, "
          f"{t['generator_macro_degraded']:.3f} |" for t in train["tried"]],
        f"\nChosen: layers {train['layers']}, {train['setting']}, data: {train['data']}.", "",
        *networks_tried(fusion), *cost(stored("cost.json")), *conditions(stored("conditions.json")),
        "## How many systems and sources", "",
        "Out of fold, trained on a random part of the generators, or of the repositories with bona fide speech (all other data kept).", "",
        "| part | source macro | generator macro |", "|---|---|---|",
        *[f"| {t['part']} | {t['source_macro_auc']:.3f} | {t['generator_macro_auc']:.3f} |" for t in train["curves"]], "",
        "## False alarms by language (sources that name one)", "", "| language | clips | over the threshold |", "|---|---|---|",
        *by_language(oof), "",
        "## Out of fold by source", "", HEAD.format("source"), *table(oof.rows, oof.spoof, oof.score, oof.fires, "source"), "",
        "## Out of fold by generator (AUC against repository speech)", "", "| generator | clips | AUC | recall |", "|---|---|---|---|",
        *[generator_line(oof, g, a) for g, a in generators.items()],
    ]
    (MODEL / "card.md").write_text("\n".join(lines) + "\n")
    print(json.dumps({"out_of_fold": inner, "evaluation": outer, "demo": shown, "ms_per_second": round(ms, 2)}))


if __name__ == "__main__":
    main()
