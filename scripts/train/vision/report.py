"""Stage 6: cards and the data protocol, written from the measured numbers only."""
from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
from calibrate import RECORDED, clopper_pearson, recordings
from compared import KEPT, SHIPPED, loss, tables
from card_text import BLEND, DETECTORS, HEADING, HEAT, percent, put, taken
from face_detect import ROOT
from imagery import WORK
from pictures import table as table_of
from train import HELD_OUT, SHARE, auc, chances

WANTED = 0.08   # at most so much AUC may be lost from clean to crf 28 or 33 (the aim of the work on H.264)
REFUSED_AT = 3.716   # the threshold of face-blend 0.2.0 as a raw score, by its calibration.json
NAMES = {("face-blazeface", 256): "face-blazeface", ("face-centerface", 384): "face-centerface",
         ("face-centerface", 640): "face-centerface-640"}


def detector_table(facts: dict) -> str:
    lines = ["| model, longest side | shipped as | portraits and pictures | video frames | 24 / 32 / 40 / 56 / 80 px faces in 720p "
             "| false alarms | ms |", "|---|---|---|---|---|---|---|"]
    for r in facts["rows"]:
        found = [f"{r['hit'][k][0]} of {r['hit'][k][1]}" for k in ("picture", "frame")]
        small = " / ".join(f"{float(v):.2f}" for v in r["by_size"].values())
        lines.append(f"| {r['model']} {r['canvas']} | {NAMES.get((r['model'], r['canvas']), '-')} | {found[0]} | {found[1]} "
                     f"| {small} | {r['false_alarm_pictures']} of {facts['empty']} | {r['ms_net_720p']:.0f} |")
    return "\n".join(lines)


def flagged(rows: list[dict]) -> str:
    k, n = sum(bool(r["flag"]) for r in rows), len(rows)
    lo, hi = clopper_pearson(k, n)
    return f"{k} of {n} ({percent(lo)} to {percent(hi)})"


def evaluation(rows: list[dict]) -> tuple[str, str]:
    """The table a source, and sentences about videos and false alarms."""
    scored = [r for r in rows if r["crops"]]
    groups = defaultdict(list)
    for r in scored:
        groups[r["modality"], r["label"], r["attack_family"], r["generator"], r["source"]].append(r)
    lines = ["| kind | label | family | generator | source | clips with a face | mean score | called manipulated (95 % bounds) |",
             "|---|---|---|---|---|---|---|---|"]
    for (kind, label, family, generator, source), g in sorted(groups.items()):
        mean = np.mean([r["score"] for r in g])
        lines.append(f"| {kind} | {label} | {family} | {generator} | {source} | {len(g)} | {mean:.2f} | {flagged(g)} |")
    words = []
    for kind in ("video", "image"):
        real = [r for r in scored if r["modality"] == kind and r["label"] == "bonafide"]
        if real:
            llr = [r["llr"] for r in real if r["llr"] is not None]
            words.append(f"- False alarms on bona fide {kind}s: {flagged(real)}. Their LLR is {np.median(llr):+.2f} in the median, "
                         f"{max(llr):+.2f} at most.")
        for family, what in (("FS", "face swaps"), ("FR", "reenactment"), ("EFS-video", "wholly generated video"),
                             ("EFS", "wholly generated pictures")):
            fake = [r for r in scored if r["modality"] == kind and r["attack_family"] == family]
            if fake and real:
                a = auc(np.array([r["score"] for r in real]), np.array([r["score"] for r in fake]))
                words.append(f"- {what} ({kind}): called manipulated {flagged(fake)}; AUC against bona fide {kind}s {a:.2f}.")
    return "\n".join(lines), "\n".join(words)


def rounding(facts: dict, before: str) -> str:
    """What int8 costs; where the weights were not trained, what their card said of it when they were."""
    if "rounding" in facts:
        return ("Weights are stored as int8: AUC at crf 28 is {auc_int8:.4f} against {auc_fp32:.4f} in fp32, scores move by\n"
                "{median_abs:.3f} in the median and {max_abs:.2f} at most.").format(**facts["rounding"])
    found = re.search(r"Weights are stored as int8: .*? at most\.", before, re.S)
    return found[0] if found else "What storing the weights as int8 costs was not measured."


def threshold_words(facts: dict, cal: dict, work: Path) -> dict:
    kept, recorded = np.load(work / "calibration_scores.npz"), facts["by_recordings"]
    over = [r for r in recordings(WORK, cal["model_sha256"]) if max(r[c] for c in RECORDED) >= REFUSED_AT]
    raw = (cal["supports_spoof_at_llr"] - cal["intercept"]) / cal["slope"]
    return {"refused_at": REFUSED_AT, "refused_recall": percent(float(np.mean(kept["spoof"] >= REFUSED_AT))),
            "refused_alarm": percent(float(np.mean(kept["bona"] >= REFUSED_AT))), "refused_over": len(over) or "None",
            "faces_threshold": facts["by_faces"]["threshold"], "recorded_threshold": recorded["threshold"], "raw": raw,
            "recorded": recorded["recordings"], "recorded_sources": recorded["sources"], "highest": recorded["highest"],
            "half": cal["llr_halfwidth"], "recorded_clean": recorded["median"]["clean"], "recorded_coded": recorded["median"]["crf28"]}


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    p.add_argument("--work", type=Path, default=ROOT / ".cache/train/vision")
    args = p.parse_args()
    read = lambda name: json.loads((args.work / name).read_text())
    faces = read("face_detectors.json") if (args.work / "face_detectors.json").is_file() else {}   # of measure_face_detectors.py
    for model in NAMES.values() if faces else ():
        (ROOT / f"models/{model}/card.md").write_text(DETECTORS[model] + DETECTORS["how"].format(
            table=detector_table(faces), **{k: faces[k] for k in ("pictures", "frames", "faces", "empty", "planted_each_size")}))

    facts, crops = read("facts.json"), read("crops/crops.json")
    digest = hashlib.sha256((ROOT / "models/face-blend/model.onnx").read_bytes()).hexdigest()
    cal = json.loads((ROOT / "models/face-blend/calibration.json").read_text())
    ev = read("evaluation.json") if (args.work / "evaluation.json").is_file() else {}
    if ev.get("weights") != digest:   # of other weights, or not done
        ev = {}
    table, words = evaluation(ev["rows"]) if ev else ("", "**Not done for these weights.**")
    cost = f"Cost: {ev['ms_a_crop']:.0f} ms a crop on one thread." if ev else ""
    rate = cal["false_alarm_rate_there"]
    card = ROOT / "models/face-blend/card.md"
    # What faces_demo.py and heat_check.py measured stands as long as the weights are those they measured.
    before = card.read_text() if card.is_file() else ""
    seen = json.loads(KEPT.read_text())
    # crops of pictures that came into the data sets after these weights were trained are no faces of theirs
    shipped, known = seen["experiments"][SHIPPED], {r["picture"] for r in table_of(ROOT / "datasets/faces-open/protocol.tsv")}
    mine = [c for c in crops if c["fold"] != HELD_OUT and c["picture"] in known]
    of = lambda kind: [c for c in mine if c["kind"] == kind]
    text = BLEND.format(
        train_faces=len(mine), train_groups=len({c["group"] for c in mine}), portraits=len(of("portrait")), photos=len(of("photo")),
        frames=len(of("video")), recordings=len({c["group"] for c in of("video")}), **{f"share_{k}": 100 * sum(p for p, c in zip(chances(mine), mine) if c["kind"] == k) for k in SHARE},
        seconds=shipped["seconds"], pairs=shipped["pairs seen"], pool=round(shipped["pairs made meanwhile"], -3), compared=tables(seen),
        **{f"loss_{k}": loss(seen, k) for k in ("all", "photo", "video")}, wanted=WANTED,
        loss_shipped=facts["auc"]["clean"] - min(facts["auc"]["crf28"], facts["auc"]["crf33"]),
        verdict="within" if loss(seen) <= WANTED else "more than", video_faces=shipped["auc"]["video"]["faces"],
        held=facts["held_faces"], held_people=facts["held_people"],
        auc="\n".join(f"| {k} | {v:.3f} |" for k, v in facts["auc"].items()), paired=percent(facts["paired"]),
        **threshold_words(facts, cal, args.work), rounding=rounding(facts, before if digest[:16] in before else ""),
        threshold=cal["supports_spoof_at_llr"], recall=percent(facts["recall_sbi"]), alarm=percent(rate[0]),
        alarm_hi=percent(rate[2]), flagged=facts["people_flagged_once"], table=table, words=words, cost=cost,
        **{k: facts[k] for k in ("varied_faces", "auc_varied", "median_varied", "median_portraits")})
    for heading in (HEADING, HEAT):
        if digest[:16] in before and taken(before, heading):
            text = put(text, taken(before, heading), heading)
        else:
            text = put(text, f"{heading}\n\nNot done for weights {digest[:16]} yet.\n", heading)
    card.write_text(text)


if __name__ == "__main__":
    main()
