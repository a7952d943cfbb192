"""Stage 3c: which network, or which fusion, by train.py's merit of out-of-fold scores.

Usage: fuse.py [--waves DIR] [--nets DIR]. Reads what waveform_nets.py wrote, prints and writes fusion.json beside it.
Every experiment enters with its best mark, repeated seeds as their mean; then pairs and triples of different kinds are
tried over a coarse grid of weights. The choice is repeated with each fold left out and judged on that fold, which says
how much the choosing itself flatters.
"""
from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

import figures

SHARES = (0.25, 0.5, 0.75)
TIE = 0.005  # as in train.py
KINDS = {"frozen": 0, "tune": 0, "norms": 0, "lfcc": 1, "bands": 1, "raw": 2}


class View(NamedTuple):
    """Clips and windows as figures.py wants them."""

    rows: list[dict]
    clip: np.ndarray
    degraded: np.ndarray

    @property
    def spoof(self) -> np.ndarray:
        return np.array([r["label"] == "spoof" for r in self.rows])

    def part(self, keep: np.ndarray) -> tuple["View", np.ndarray]:
        """The clips in `keep`, and which windows are theirs."""
        window = keep[self.clip]
        place = np.cumsum(keep) - 1
        return View([r for r, k in zip(self.rows, keep) if k], place[self.clip[window]], self.degraded[window]), window


def view(clips: Path) -> View:
    rows = json.loads(clips.read_text())
    clip = np.concatenate([[i] * (r["windows"] + 1) for i, r in enumerate(rows)])
    degraded = np.concatenate([[False] * r["windows"] + [True] for r in rows])
    return View(rows, clip, degraded)


def kind(name: str) -> int:
    return next(v for k, v in KINDS.items() if name.startswith(k))


def members(nets: Path, v: View) -> dict[str, np.ndarray]:
    """Experiment -> its scores at the best mark, in units of their spread; seeds (`-again`) averaged."""
    best: dict[str, tuple[float, str, np.ndarray]] = {}
    for path in sorted(nets.glob("*.npz")):
        with np.load(path, allow_pickle=False) as z:
            for key in z.files:
                if not key.startswith("score/") or len(z[key]) != len(v.clip):
                    continue
                name = key[6:].split("@")[0]
                value = figures.merit(figures.measure(v, z[key].astype(float)))
                if name not in best or value > best[name][0]:
                    best[name] = (value, key[6:], z[key].astype(float))
    out = {}
    for name, (_, _, score) in best.items():
        out[name] = score / score.std()
    for name in [n for n in out if n.endswith("-again")]:
        first = name[: -len("-again")]
        if first in out:
            out[first + "-twice"] = (out[first] + out[name]) / 2
    return out


def candidates(out: dict[str, np.ndarray], merits: dict[str, float]) -> list[tuple[tuple[str, float], ...]]:
    """Single ones first (cheaper), then pairs and triples of the three best of each kind."""
    top = {k: sorted((n for n in out if kind(n) == k), key=lambda n: -merits[n])[:3] for k in set(KINDS.values())}
    found = [((n, 1.0),) for n in out]
    for a, b in itertools.combinations(sorted(top), 2):
        for first, second in itertools.product(top[a], top[b]):
            found += [((first, 1 - s), (second, s)) for s in SHARES]
    if all(top.values()):
        found += [((a, 0.5), (b, 0.25), (c, 0.25)) for a, b, c in itertools.product(*(top[k] for k in sorted(top)))]
    return found


def fused(out: dict[str, np.ndarray], what: tuple[tuple[str, float], ...]) -> np.ndarray:
    return sum(share * out[name] for name, share in what)


def choose(v: View, out: dict[str, np.ndarray], tried: list) -> tuple[tuple, dict]:
    """The first candidate within TIE of the best, and the merit of every one."""
    merits = {c: figures.merit(figures.measure(v, fused(out, c))) for c in tried}
    top = max(merits.values())
    return next(c for c in tried if merits[c] >= top - TIE), merits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    work = Path(__file__).resolve().parents[3] / ".cache" / "train" / "voice"
    parser.add_argument("--waves", type=Path, default=work / "waves")
    parser.add_argument("--nets", type=Path, default=work / "nets")
    args = parser.parse_args()
    v = view(args.waves / "clips.json")
    out = members(args.nets, v)
    alone = {n: figures.merit(figures.measure(v, s)) for n, s in out.items()}
    tried = candidates(out, alone)
    chosen, merits = choose(v, out, tried)
    fold = np.array([r["fold"] for r in v.rows])
    honest = np.zeros(len(v.clip))
    for f in np.unique(fold):
        rest, window = v.part(fold != f)
        pick, _ = choose(rest, {n: s[window] for n, s in out.items()}, tried)
        honest[~window] = fused(out, pick)[~window]

    def words(c) -> str:
        return " + ".join(f"{share:g} {name}" for name, share in c)

    table = [{"what": words(c), "merit": round(m, 4), **{k: round(x, 4) for k, x in figures.measure(v, fused(out, c)).items()}}
             for c, m in sorted(merits.items(), key=lambda item: -item[1])]
    result = {"chosen": words(chosen), "chosen_with_the_fold_left_out": {k: round(x, 4) for k, x in figures.measure(v, honest).items()},
              "tried": table}
    (args.nets / "fusion.json").write_text(json.dumps(result, indent=1))
    for line in table[:25]:
        print(line)
    print("singly:", {n: round(m, 4) for n, m in sorted(alone.items(), key=lambda item: -item[1])})
    print("chosen:", words(chosen), "; with the fold left out:", result["chosen_with_the_fold_left_out"])


if __name__ == "__main__":
    main()
