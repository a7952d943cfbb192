"""The comparison of the networks, as the card shows it.

    python compared.py .cache/train/vision/results.json      # of experiments.py; writes compared.json beside this file

Kept are figures only, no scores of single faces. Intervals are bootstraps over the groups (persons, recordings, sources), since
several faces of a group are not independent.
"""
from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
from train import auc

KEPT = Path(__file__).with_name("compared.json")
BEFORE, SHIPPED = "lite0 before", "lite0"
CONDITIONS = ("clean", "jpeg50", "crf23", "crf28", "crf33", "mixed")
MIXED = slice(5, 7)              # the columns of `experiments.HELD` that draw a random chain
SPREAD = "sources: faces, median bona fide score, share over the 1 % point"
NAMES = {
    BEFORE: "version 0.1.0, where the training starts", SHIPPED: "**EfficientNet-Lite0, trained on: ships**",
    "lite0-patches": "from there, with a soft maximum over 7 x 7 places in place of the mean",
    "clip frozen": "CLIP ViT-B/16, layers 4, 6 and 8, frozen, linear head", "clip norms tuned": "that, with its layer norms tuned",
}
KINDS = {"all": "all", "portrait": "official portraits", "photo": "photographs", "video": "recordings", "130 px": "faces from 130 px"}


def slim(results: dict) -> dict:
    out = {k: results[k] for k in ("training faces", "held", "seconds")} | {"experiments": {}}
    groups = [g for _, g in results["experiments"][BEFORE]["held"]]
    rows = {g: [i for i, x in enumerate(groups) if x == g] for g in sorted(set(groups))}
    rng = np.random.default_rng(7)
    draws = [np.concatenate([rows[g] for g in rng.choice(list(rows), len(rows))]) for _ in range(300)]
    base = None
    for name, e in results["experiments"].items():
        bona, fake = (np.array(e[k])[:, MIXED] for k in ("bona", "fake"))
        each = np.array([auc(bona[d].ravel(), fake[d].ravel()) for d in draws])
        base = each if base is None else base      # the first one is what the others are compared with
        between = lambda x: [round(float(v), 3) for v in np.quantile(x, [0.025, 0.975])]
        out["experiments"][name] = {k: e[k] for k in ("steps", "pairs seen", "pairs made meanwhile", "seconds", "paired", "recall at 1 %", "auc") if k in e} | {
            "mixed": between(each), "mixed, more than before": between(each - base), "sources": e[SPREAD]}
    return out


def tables(facts: dict) -> str:
    found = {n: facts["experiments"][n] for n in NAMES}
    lines = ["| network | seconds, pairs | " + " | ".join(CONDITIONS) + " | mixed: 95 % | mixed, more than 0.1.0: 95 % | found at 1 % false alarms |",
             "|---|---|" + "---|" * (len(CONDITIONS) + 3)]
    for name, e in found.items():
        gain = "-" if name == BEFORE else "{:+.3f} to {:+.3f}".format(*e["mixed, more than before"])
        cost = f"{e['seconds']}, {e['pairs seen']:,}" if "pairs seen" in e else f"{e['seconds']}, -" if "seconds" in e else "-"
        lines.append(f"| `{name}`: {NAMES[name]} | {cost} | " + " | ".join(f"{e['auc']['all'][c]:.3f}" for c in CONDITIONS)
                     + " | {:.3f} to {:.3f}".format(*e["mixed"]) + f" | {gain} | {100 * e['recall at 1 %']:.0f} % |")
    lines += ["", "| faces | network | " + " | ".join(CONDITIONS) + " |", "|---|---|" + "---|" * len(CONDITIONS)]
    for kind, words in KINDS.items():
        for name, e in found.items():
            if kind != "all" and kind in e["auc"]:
                row = e["auc"][kind]
                lines.append(f"| {words} ({row['faces']}) | `{name}` | " + " | ".join(f"{row[c]:.3f}" for c in CONDITIONS) + " |")
    lines += ["", "| held-out source | faces | bona fide score in the median: 0.1.0 | now | over the 1 % point now |", "|---|---|---|---|---|"]
    for source, (faces, median, over) in found[SHIPPED]["sources"].items():
        lines.append(f"| {source} | {faces} | {found[BEFORE]['sources'][source][1]:+.2f} | {median:+.2f} | {100 * over:.1f} % |")
    return "\n".join(lines)


def loss(facts: dict, kind: str = "all", name: str = SHIPPED) -> float:
    """How far the AUC falls from clean to the worse of crf 28 and 33."""
    row = facts["experiments"][name]["auc"][kind]
    return row["clean"] - min(row["crf28"], row["crf33"])


if __name__ == "__main__":
    made = slim(json.loads(Path(sys.argv[1]).read_text()))
    text = re.sub(r"\[[^\[\]{}]*\]", lambda m: " ".join(m[0].split()), json.dumps(made, indent=1))   # a list in one line
    KEPT.write_text(text + "\n")
