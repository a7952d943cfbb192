"""Imagery: from the runs with CUDA (imagery_tune.py) to what is kept of them, and from that to the next stages.

    imagery_norms.py --take "norms 1e-3, 12 passes"     # models/synthetic-image: head.json, norms.npz, oof.tsv, tuned.json
    imagery_norms.py                                     # oof.json and train_facts.json of the kept run

A tuned encoder is this project's layer norms (half precision, 17 of them) on CLIP's other weights, which stay as their
package has them. `oof.tsv` has the scores of every training picture from the fold that never saw its family or source.
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from imagery import FOLDER, PARTS, WORK, read_pictures
from imagery_features import chosen
from imagery_tune_settings import SETTINGS

WIDTH = 768
FIELDS = ("id", "name", "label", "family", "generator", "source", "repository", "size")


def encoder_name(ours: str) -> str:
    """`layers.3.norm1.weight` of networks.py as the packaged encoder has it."""
    if ours.startswith("pre."):
        return "pre_layrnorm." + ours.removeprefix("pre.")
    _, layer, norm, part = ours.split(".")
    return f"encoder.layers.{layer}.layer_norm{norm[-1]}.{part}"


def take(work: Path, name: str) -> None:
    z = np.load(work / "tune/states.npz")
    layers = list(SETTINGS[name][0])
    weight = z[f"{name}|head"]
    head = {"layers": layers, "bias": round(float(z[f"{name}|bias"]), 6), "weights": {
        str(layer): {part: [float(f"{v:.6g}") for v in weight[(n * 3 + i) * WIDTH:(n * 3 + i + 1) * WIDTH]] for i, part in enumerate(PARTS)}
        for n, layer in enumerate(layers)}}
    (FOLDER / "head.json").write_text(json.dumps(head) + "\n")
    norms = {encoder_name(k.split("|")[1]): z[k] for k in z.files if k.startswith(name + "|") and k.split("|")[1].startswith(("pre.", "layers."))}
    (FOLDER / "norms.npz").unlink(missing_ok=True)
    if norms:
        np.savez_compressed(FOLDER / "norms.npz", **norms)
    lines = ["\t".join(["name", "fold", *(f"view_{v}" for v in range(z[f"{name}|oof"].shape[1]))])]
    for picture, fold, scores in zip(z["names"], z["fold"], z[f"{name}|oof"]):
        lines.append("\t".join([str(picture), str(fold), *(f"{s:.4f}" for s in scores)]))
    (FOLDER / "oof.tsv").write_text("\n".join(lines) + "\n")
    facts = json.loads((work / "tune/tune.json").read_text())
    (FOLDER / "tuned.json").write_text(json.dumps({"taken": name, **facts}, indent=1) + "\n")


def restore(work: Path) -> None:
    """What imagery_train.py would have written, from the kept files."""
    head, *lines = (FOLDER / "oof.tsv").read_text().splitlines()
    kept = {x[0]: x[1:] for x in (line.split("\t") for line in lines)}
    pictures = chosen(read_pictures(work))
    missing = [p["id"] for p in pictures if p["name"] not in kept]
    if missing or len(pictures) != len(kept):
        raise SystemExit(f"{len(pictures)} pictures here, {len(kept)} when the model was trained; without a score {missing[:5]}")
    faces = json.loads((work / "faces.json").read_text())
    rows = []
    for p in pictures:
        fold, *scores = kept[p["name"]]
        rows.append({k: p[k] for k in FIELDS} | {"face": faces[p["name"]][0], "fold": int(fold), "scores": [float(s) for s in scores]})
    (work / "oof.json").write_text(json.dumps(rows))
    tuned = json.loads((FOLDER / "tuned.json").read_text())
    (work / "train_facts.json").write_text(json.dumps({"pictures": len(rows), "views": tuned["views"], "taken": tuned["taken"], "compared": tuned["settings"]}, indent=1))


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, default=WORK)
    p.add_argument("--take", metavar="SETTING")
    args = p.parse_args()
    if args.take:
        take(args.work, args.take)
    restore(args.work)


if __name__ == "__main__":
    main()
