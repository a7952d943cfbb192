"""Parts of card.md that only lay out what fuse.py, cost.py and conditions.py measured on training folds."""
from __future__ import annotations

import json

from lib import MODEL


def stored(name: str):
    path = MODEL / name
    return json.loads(path.read_text()) if path.is_file() else None


def networks_tried(fusion: dict) -> list[str]:
    """What fuse.py compared."""
    keys = ("pooled_auc", "repository_auc", "source_macro_auc", "generator_macro_auc")

    def line(t: dict, what: str) -> str:
        cells = [f"{t[k]:.3f}" for k in keys] + [f"{t['source_macro_degraded']:.3f}, {t['generator_macro_degraded']:.3f}"]
        return f"| {what} | {' | '.join(cells)} | {t['merit']:.3f} |"

    honest = fusion["with_the_fold_left_out"]
    head = next(t for t in fusion["tried"] if t["what"] == "head")
    before = fusion.get("on_the_clips_of_before")
    return [
        "## Networks beside the head (training folds only)", "",
        "Trained on one GPU on the same clips and folds, with random channels as augmentation (`waveform_nets.py`): `bands`, a "
        "light CNN on log energies, 16 or 8 maps wide; `again`, the same from another seed (`twice`: the mean of both); `copies`, a "
        "quarter of the spoofed half is bona fide speech spoken again by WORLD or Griffin-Lim (`copies.py`), `more-copies`, half of "
        "it. What 0.3.0 tried on fewer clips (cepstra, a CNN on samples, tuned Whisper layers, none of them better) stands in its "
        "card. Each with its best number of steps; of the sums, the best shares of each pair. Merit is the mean of the four macro "
        "figures.", "",
        "| what | pooled | repositories | source macro | generator macro | the two, degraded copies | merit |", "|---|---|---|---|---|---|---|",
        *[line(t, t["what"] + (f" ({t['note']})" if "note" in t else "")) for t in fusion["tried"]], "",
        f"Chosen: {fusion['chosen']}. With each fold left out of all these choices and judged on it alone, the choice reaches a merit "
        f"of {honest['merit']:.3f} (pooled AUC {honest['pooled_auc']:.3f}) against {head['merit']:.3f} ({head['pooled_auc']:.3f}) of the "
        f"head: {fusion['reached']['merit'] - honest['merit']:.3f} of the {fusion['reached']['merit']:.3f} above is flattery by the choosing. "
        "The light CNN that ships was trained on all clips for as many steps as its folds did best with.", "",
        *([f"On the {before['clips']} clips that version {before['version']} was trained on, out of fold each time, the merit is "
           f"{before['merit']:.3f} (pooled AUC {before['pooled_auc']:.3f}) after {before['merit_before']:.3f} ({before['pooled_before']:.3f}): "
           "what the added systems and sources bring to the others.", ""] if before else []),
    ]


def cost(rows: list[dict] | None) -> list[str]:
    if not rows:
        return []
    return [
        "## Fewer layers (training folds only)", "",
        "Merit of the head on fewer layers of Whisper, alone and with the light CNN at its best share, and the time of one thread "
        "for a second of audio, all variants by turns on one machine.", "",
        "| layers | merit alone | with the CNN | ms alone | ms with the CNN |", "|---|---|---|---|---|",
        *[f"| {r['layers']} | {r['alone']:.3f} | {r['with_network']:.3f} | {r['ms_alone']:.1f} | {r['ms_with_network']:.1f} |" for r in rows], "",
    ]


def conditions(c: dict | None) -> list[str]:
    if not c:
        return []
    first = c["calibrations"][0]
    better = [r for r in c["calibrations"][1:] if r["ece"] < first["ece"] - 0.005 and r["ece_few_mean"] < first["ece_few_mean"] - 0.005
              and r["recall"] >= first["recall"] - 0.01]
    return [
        "## Quality of the speech as a condition, and other calibrations (training folds only)", "",
        f"{c['clips']} clips, plain and degraded. DNSMOS P.835 is that of the package `speechmos`. Rank correlation of each value with "
        "the LLR within a class, and how well the value alone tells the classes apart (AUC, .5 is not at all):", "",
        "| value | within bona fide | within spoof | AUC of the value |", "|---|---|---|---|",
        *[f"| {r['what']} | {r['bonafide']:+.2f} | {r['spoof']:+.2f} | {r['class_auc']:.2f} |" for r in c["correlations"]], "",
        "Calibrations fitted on five folds and judged on the sixth. ECE at equal prior, every generator and source weighing the same; "
        f"then the ECE of sets of {c['few']} random groups of sources, as few as the evaluation set has: its mean and 90th percentile over "
        "such sets; the cost of the LLRs in bits (lower is better); recall at a threshold set as the shipped one, and false alarms "
        "there on repository speech, each source with a threshold set without it.", "",
        "| calibration | ECE | on few sources | 90th percentile | bits | recall | false alarms |", "|---|---|---|---|---|---|---|",
        *[f"| {r['what']} | {r['ece']:.3f} | {r['ece_few_mean']:.3f} | {r['ece_few_90']:.3f} | {r['cost_bits']:.3f} | {100 * r['recall']:.1f} % | "
          f"{100 * r['alarms']:.1f} % |" for r in c["calibrations"]], "",
        ("Better by more than .005 on both ECEs at no loss of recall: " + "; ".join(r["what"] for r in better) + "."
         if better else "None is better by more than .005 on both ECEs without a loss of recall: the shipped calibration stays.")
        + f" An ECE over few sources is large whatever the calibration: {first['ece_few_mean']:.3f} on average where all groups together "
        f"give {first['ece']:.3f}, because each source shifts its clips together.", "",
        "Not judging clips by one value:", "",
        "| left out | bona fide kept | AUC | recall of what is kept | of all | false alarms | ECE |", "|---|---|---|---|---|---|---|",
        *[f"| {r['left_out']} | {100 * r['kept_bonafide']:.0f} % | {r['auc']:.3f} | {100 * r['recall_of_kept']:.1f} % | {100 * r['recall_of_all']:.1f} % | "
          f"{100 * r['alarms']:.1f} % | {r['ece']:.3f} |" for r in c["abstaining"]], "",
    ]


def ladder(facts: dict | None, manifest: dict) -> list[str]:
    """The evaluation clips, re-encoded, as the program judges them; nothing where the weights are others."""
    if not facts or facts["model_sha256"] != manifest["file"]["sha256"]:
        return []
    clean = facts["conditions"]["clean"]["auc"][0]
    order = sorted(facts["conditions"].items(), key=lambda c: c[1]["auc"][0] - clean, reverse=True)

    def cell(v: list[float], scale: float, digits: int) -> str:
        return f"{scale * v[0]:.{digits}f} [{scale * v[1]:.{digits}f}, {scale * v[2]:.{digits}f}]"

    worst = [name for name, v in order if clean - v["auc"][0] > 0.03]
    return [
        "## Under the ladder", "",
        "The evaluation clips, re-encoded and judged by the program (`benches/detectors.md`; `scripts/train/voice/ladder.py`). "
        f"A loss of at most .03 of AUC was wanted: {'missed under ' + ', '.join(worst) if worst else 'met'}.", "",
        "| condition | AUC | loss | false alarms, % | found, % |", "|---|---|---|---|---|",
        *[f"| {name} | {cell(v['auc'], 1, 3)} | {clean - v['auc'][0]:+.3f} | {cell(v['false_alarm_rate'], 100, 1)} | "
          f"{cell(v['detection_rate'], 100, 1)} |" for name, v in order], "",
        "The clean clips: how many of each class are called wrongly at every threshold (the dot is the one that ships), and how the stated "
        "probabilities, at even odds, compare with what the clips are (the larger a circle, the more clips). `plots.py` draws both.", "",
        "![DET](det.svg) ![Reliability](reliability.svg)", "",
    ]
