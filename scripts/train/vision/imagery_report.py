"""Imagery, stage 7: card, tables of the data sets, from the measured numbers only."""
from __future__ import annotations

import argparse
import csv
import hashlib
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from imagery import FOLDER, ROOT, WORK, read_pictures
from imagery_calibrate import clopper_pearson
from imagery_card_text import CARD, DATA
from imagery_features import chosen
from imagery_train import auc

COLUMNS = ["id", "repository", "commit", "file", "tile", "sha256", "label", "generator", "family", "source", "content", "licence"]


def percent(x: float) -> str:
    return f"{100 * x:.1f} %" if 0 < x < 0.1 else f"{100 * x:.0f} %"


def compared(facts: dict) -> str:
    lines = ["| what | stored: AUC all / no portraits / portraits, recall no portraits | degraded: the same |", "|---|---|---|"]
    for name, value in facts["compared"].items():
        cell = lambda v: " / ".join("-" if np.isnan(v[k]) else f"{v[k]:.3f}" for k in ("all", "other", "face")) + f", {percent(v['recall_other'])}"
        lines.append(f"| {name} | {cell(value['view 0'])} | {cell(value['view 1'])} |")
    return "\n".join(lines)


def compared_cuda(run: dict) -> str:
    lines = ["| what | no portraits: AUC stored / degraded / degraded again, recall | portraits: AUC, recall |", "|---|---|---|"]
    for name, value in run["settings"].items():
        v = [value[k] for k in sorted(value) if k.startswith("view ")]
        cell = lambda key: " / ".join(f"{x[key]:.3f}" for x in v) + ", " + " / ".join(percent(x["recall_" + key]) for x in v)
        lines.append(f"| {name} | {cell('other')} | {cell('face')} |")
    return "\n".join(lines)


def interval(rows: list[dict], content) -> str:
    """AUC of the first view with an interval from a bootstrap over families and sources."""
    these = [r for r in rows if content(r)]
    groups: dict = defaultdict(list)
    for r in these:
        groups[r["label"], r["family"] if r["label"] == "spoof" else r["source"]].append(r["scores"][0])
    sides = {s: [np.array(v) for (label, _), v in groups.items() if label == s] for s in ("bonafide", "spoof")}
    if not all(sides.values()):
        return "-"
    each = lambda take: (np.concatenate(take), np.concatenate([np.full(len(g), len(g) ** -0.5) for g in take]))
    value = lambda b, s: auc(each(b)[0], each(s)[0], each(b)[1], each(s)[1])
    rng = np.random.default_rng(3)
    draw = lambda side: [sides[side][i] for i in rng.integers(len(sides[side]), size=len(sides[side]))]
    draws = [value(draw("bonafide"), draw("spoof")) for _ in range(400)]
    return f"{value(sides['bonafide'], sides['spoof']):.3f} [{np.quantile(draws, 0.025):.3f}, {np.quantile(draws, 0.975):.3f}]"


def evaluation(rows: list[dict]) -> str:
    out = ["| kind | what | bona fide | spoof | AUC | over the threshold: spoof | bona fide |", "|---|---|---|---|---|---|---|"]
    rng = np.random.default_rng(9)
    for kind in ("image", "video"):
        for name, these in (("all", lambda r: True), ("no portraits", lambda r: r["face"] <= 0.2), ("portraits (abstains)", lambda r: r["face"] > 0.2)):
            a, b = ([r for r in rows if r["modality"] == kind and r["label"] == side and these(r)] for side in ("bonafide", "spoof"))
            if not a or not b:
                continue
            x, y = (np.array([r["score"] for r in g]) for g in (a, b))
            draws = [auc(rng.choice(x, len(x)), rng.choice(y, len(y))) for _ in range(500)]
            flags = []
            for g in (b, a):
                k = sum(r["flag"] for r in g)
                lo, hi = clopper_pearson(k, len(g))
                flags.append(f"{k} of {len(g)} ({percent(lo)} to {percent(hi)})")
            out.append(f"| {kind} | {name} | {len(a)} | {len(b)} | {auc(x, y):.2f} [{np.quantile(draws, 0.025):.2f}, {np.quantile(draws, 0.975):.2f}] "
                       f"| {flags[0]} | {flags[1]} |")
    out += ["", "| kind | label | generator or source | clips | mean score | AUC against the other class of its kind | abstains | over the threshold |",
            "|---|---|---|---|---|---|---|---|"]
    groups = defaultdict(list)
    for r in rows:
        groups[r["modality"], r["label"], r["generator"] if r["label"] == "spoof" else r["source"]].append(r)
    for (kind, label, name), g in sorted(groups.items()):
        s = np.array([r["score"] for r in g])
        other = np.array([r["score"] for r in rows if r["modality"] == kind and r["label"] != label])
        value = auc(other, s) if label == "spoof" else auc(s, other)
        out.append(f"| {kind} | {label} | {name} | {len(g)} | {s.mean():.2f} | {value:.2f} | {sum(bool(r['abstains']) for r in g)} | {sum(r['flag'] for r in g)} |")
    return "\n".join(out)


def groups_table(facts: dict, key: str, first: str, last: str) -> str:
    lines = [f"| {first} | pictures | AUC | {last} |", "|---|---|---|---|"]
    return "\n".join(lines + [f"| {n} | {v['pictures']} | {v['auc']:.2f} | {percent(v['over'])} |" for n, v in facts[key].items()])


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, default=WORK)
    args = p.parse_args()
    read = lambda name: json.loads((args.work / name).read_text())
    cal = json.loads((FOLDER / "calibration.json").read_text())
    head = hashlib.sha256((FOLDER / "head.json").read_bytes()).hexdigest()[:16]
    facts, train, oof = read("calibration_facts.json"), read("train_facts.json"), read("oof.json")
    rows = read(f"evaluation-{head}.json")
    protocol = lambda kind: ROOT / f"datasets/eval-{kind}/protocol.tsv"
    unfinished = [k for k in ("image", "video") if sum(r["modality"] == k for r in rows) < sum(1 for _ in open(protocol(k))) - 1]
    begun = sum(r["modality"] in unfinished for r in rows)
    rows = [r for r in rows if r["modality"] not in unfinished]
    used = {r["name"]: r for r in oof}
    spoof, bona = ([r for r in oof if r["label"] == s] for s in ("spoof", "bonafide"))
    held = facts["held"]
    raw = json.loads((FOLDER / "head.json").read_text())
    layers = [str(n) for n in raw["layers"]]
    tuned = json.loads((Path(__file__).parent / "imagery_compared.json").read_text())
    at = facts["together"]["portraits"]
    judges = facts["portraits_judged"]
    flags = {s: sum(r["flag"] for r in rows if r["label"] == s) for s in ("bonafide", "spoof")}
    judged = {s: sum(not r["abstains"] for r in rows if r["label"] == s) for s in ("bonafide", "spoof")}
    (FOLDER / "card.md").write_text(CARD.format(
        depth=raw["layers"][-1], layers=" and ".join([", ".join(layers[:-1]), layers[-1]] if len(layers) > 1 else layers),
        pictures=len(oof), spoof=len(spoof), families=len({r["family"] for r in spoof}), bona=len(bona),
        sources=len({r["source"] for r in bona}), auc_all=interval(oof, lambda r: True), auc_other=interval(oof, lambda r: not r["face"]),
        auc_face=interval(oof, lambda r: r["face"]), compared=compared(train), compared_cuda=compared_cuda(tuned), views=tuned["views"],
        evaluation=evaluation(rows), judged_content="" if judges else " that are no portraits",
        portraits="It judges portraits too: the rule held for them alone." if judges else
        "It **abstains on portraits** (a face's longer side over 20 % of the picture's shorter side): for them alone the rule below did not hold.",
        p_rate=percent(at["rate"]), p_low=percent(at["bounds"][0]), p_high=percent(at["bounds"][1]), p_pictures=at["pictures"],
        p_by_source=percent(at["by_source"]), p_recall=percent(at["recall"]), p_auc=" and ".join(f"{a:.3f}" for a in at["auc_views"]),
        flags=f"{flags['bonafide']} of {judged['bonafide']} bona fide and {flags['spoof']} of {judged['spoof']} spoofed clips that it judges are over the threshold",
        unfinished=f"**{' and '.join(k + 's' for k in unfinished)}: not finished** ({begun} clips begun); no figure is given."
        if unfinished else "",
        rate=percent(facts["rate"]), by_source=percent(facts["by_source"]), low=percent(facts["bounds"][0]), high=percent(facts["bounds"][1]),
        bona_pictures=facts["pictures"], spoof_pictures=facts["spoof_pictures"], recall=percent(facts["recall"]),
        recall_0=percent(facts["recall_views"][0]), recall_1=percent(facts["recall_views"][1]),
        claim=("It says \"supports spoof\" from LLR {:.2f} on.".format(cal["supports_spoof_at_llr"]) if held else
               "**At most 2 % false alarms on unseen sources could not be shown (see the bounds below), so the score is a weak hint: it has no threshold, "
               "its LLR ends at 1, and it never decides a verdict.**"),
        by_family=groups_table(facts, "families", "family of generators", "over the threshold"),
        by_source_table=groups_table(facts, "sources", "bona fide source", "over the threshold"), ece=cal["ece"], half=cal["llr_halfwidth"]))
    home = ROOT / "datasets/imagery-open"
    table = [dict(r, content="portrait" if used[r["name"]]["face"] else "other") for r in chosen(read_pictures(args.work)) if r["name"] in used]
    with open(home / "protocol.tsv", "w", newline="") as f:
        out = csv.DictWriter(f, COLUMNS, delimiter="\t", extrasaction="ignore", lineterminator="\n", quoting=csv.QUOTE_NONE)
        out.writeheader()
        out.writerows(sorted(table, key=lambda r: r["id"]))
    count: dict = defaultdict(lambda: [0, 0])
    for r in table:
        count[r["source"] if r["label"] == "bonafide" else r["repository"], r["licence"]][r["label"] == "spoof"] += 1
    lines = "\n".join(f"| {a} | {b} | {n[0]} | {n[1]} |" for (a, b), n in sorted(count.items()))
    (home / "card.md").write_text(DATA.format(table=lines, n=len(table)))


if __name__ == "__main__":
    main()
