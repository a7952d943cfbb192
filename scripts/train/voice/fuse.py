"""Stage 3c: the head alone, a network alone, or which sum of them, by train.py's merit of out-of-fold scores.

Usage: fuse.py [--waves DIR] [--nets DIR] [--before DIR]. With --before, a folder with an earlier version's manifest.toml,
fusion.json and protocol.tsv, the sum is measured on that version's clips too, as data and clips change the figures. Reads what train.py (oof.tsv) and waveform_nets.py wrote. Everything is compared
by clips, a plain and a degraded score each. A network enters with its best mark, repeated seeds as their mean, in units of
its spread; then the head and each network, and pairs and triples of different kinds, are added up over a coarse grid. Of
what is within TIE of the best and the product can run (SHIPPABLE), the first in the list is taken: the head alone, then sums
with it, which cost the least. All of it, marks included, is repeated with each fold left out and judged on that fold: that
says what the choosing flatters.

Writes models/voice-whisper/fusion.json (shares and what was tried), lcnn.npz (weights of the network in the sum), lcnn.tsv
(its out-of-fold scores) and, for calibrate.py, fused.tsv: out-of-fold clip scores of the sum. Where no network was
trained, the committed network, scores and shares stay, and fused.tsv alone is written.
"""
from __future__ import annotations

import argparse
import itertools
import json
import tomllib
from pathlib import Path
from typing import NamedTuple

import numpy as np

import figures
from tables import ROOT, WORK, read_table, write_table

MODEL = ROOT / "models" / "voice-whisper"
SHARES = (0.25, 0.5, 0.75)
TIE = 0.005  # as in train.py
KINDS = {"head": 0, "frozen": 0, "tune": 0, "norms": 0, "lfcc": 1, "bands": 1, "raw": 2}
# What lcnn_graph.py can build, in order of preference. Narrower is cheaper; copies change the training alone.
SHIPPABLE = ("bands-lcnn16", "bands-lcnn16-copies", "bands-lcnn16-more-copies", "bands-lcnn8")
Sum = tuple[tuple[str, float], ...]


class View(NamedTuple):
    """Clips as figures.py wants them: a plain score of each, then a degraded score of each."""

    rows: list[dict]

    @property
    def clip(self) -> np.ndarray:
        return np.tile(np.arange(len(self.rows)), 2)

    @property
    def degraded(self) -> np.ndarray:
        return np.repeat([False, True], len(self.rows))

    @property
    def spoof(self) -> np.ndarray:
        return np.array([r["label"] == "spoof" for r in self.rows])

    def merit(self, score: np.ndarray) -> float:
        return figures.merit(figures.measure(self, score))


class Stored(NamedTuple):
    """Windows as waveforms.py lists them."""

    rows: list[dict]
    clip: np.ndarray
    degraded: np.ndarray

    def clips(self, score: np.ndarray) -> np.ndarray:
        return np.concatenate([figures.clip_scores(self, score, degraded) for degraded in (False, True)])


def stored(clips: Path) -> Stored:
    rows = json.loads(clips.read_text())
    clip = np.concatenate([[i] * (r["windows"] + 1) for i, r in enumerate(rows)])
    return Stored(rows, clip, np.concatenate([[False] * r["windows"] + [True] for r in rows]))


def head_scores(rows: list[dict]) -> np.ndarray:
    """Out-of-fold scores of the frozen head, in the order of `rows`."""
    known = {r["trial_id"]: r for r in read_table(WORK / "oof.tsv")}
    missing = [r["trial_id"] for r in rows if known.get(r["trial_id"], {}).get("sha256") != r["sha256"]]
    if missing or len(known) != len(rows):
        raise SystemExit(f"oof.tsv and clips.json differ ({missing[:3]}): run train.py, then waveforms.py")
    return np.array([float(known[r["trial_id"]][c]) for c in ("plain", "degraded") for r in rows])


def networks(nets: Path, s: Stored) -> dict[str, dict[str, np.ndarray]]:
    """Experiment -> mark -> clip scores."""
    out: dict[str, dict[str, np.ndarray]] = {}
    for path in sorted(nets.glob("*.npz")):
        with np.load(path, allow_pickle=False) as z:
            for key in z.files:
                name, _, mark = key[6:].partition("@")
                # frozen4 is the head by another solver
                if key.startswith("score/") and len(z[key]) == len(s.clip) and name != "frozen4":
                    out.setdefault(name, {})[mark] = s.clips(z[key].astype(float))
    return out


def members(v: View, head: np.ndarray, nets: dict[str, dict[str, np.ndarray]], keep: np.ndarray) -> dict[str, np.ndarray]:
    """Name -> scores of all clips, its mark chosen on those in `keep`, in units of their spread there."""
    part, use = View([r for r, k in zip(v.rows, keep) if k]), np.tile(keep, 2)
    out = {"head": head}
    for name, marks in nets.items():
        out[name] = max(marks.values(), key=lambda score: part.merit(score[use]))
    out = {n: score / score[use].std() for n, score in out.items()}
    for name in [n for n in out if n.endswith("-again")]:
        first = name[: -len("-again")]
        if first in out:
            out[first + "-twice"] = (out[first] + out[name]) / 2
    return out


def kind(name: str) -> int:
    return next(v for k, v in KINDS.items() if name.startswith(k))


def candidates(alone: dict[str, float]) -> list[Sum]:
    """What is compared, in order of preference: singly, with the head, then the three best of each kind."""
    found: list[Sum] = [((n, 1.0),) for n in alone]
    top = {k: sorted((n for n in alone if kind(n) == k), key=lambda n: (n != "head", -alone[n]))[:6] for k in set(KINDS.values())}
    for a, b in itertools.combinations(sorted(top), 2):
        for first, second in itertools.product(top[a], top[b]):
            found += [((first, 1 - s), (second, s)) for s in SHARES]
    if all(top.values()):
        found += [((a, 0.5), (b, 0.25), (c, 0.25)) for a, b, c in itertools.product(*(top[k] for k in sorted(top)))]
    return found


def can_run(c: Sum) -> bool:
    return all(name == "head" or name in SHIPPABLE for name, _ in c) and len(c) <= 2


def added(out: dict[str, np.ndarray], what: Sum) -> np.ndarray:
    return sum(share * out[name] for name, share in what)


def choose(v: View, head: np.ndarray, nets: dict, keep: np.ndarray) -> tuple[Sum, dict[Sum, float], dict[str, np.ndarray]]:
    """The first within TIE of the best, by the clips in `keep` alone; the merit of every sum; scores of all clips."""
    part, use = View([r for r, k in zip(v.rows, keep) if k]), np.tile(keep, 2)
    out = members(v, head, nets, keep)
    tried = candidates({n: part.merit(score[use]) for n, score in out.items()})
    merits = {c: part.merit(added(out, c)[use]) for c in tried}
    best = max(m for c, m in merits.items() if can_run(c))
    return next(c for c in tried if merits[c] >= best - TIE and can_run(c)), merits, out


def words(c: Sum) -> str:
    return " + ".join(f"{share:g} {name}" for name, share in c) if len(c) > 1 else c[0][0]


def rounded(m: dict[str, float]) -> dict[str, float]:
    return {**{k: round(x, 4) for k, x in m.items()}, "merit": round(figures.merit(m), 4)}


def notes(nets: Path) -> dict[str, str]:
    """Experiment -> the share of its steps that it got to, where its time ran out."""
    out: dict[str, str] = {}
    for path in sorted(nets.glob("*.npz")):
        with np.load(path, allow_pickle=False) as z:
            done = json.loads(str(z["notes"])).get("done", {})
            marks: dict[str, list[str]] = {}
            for key in z.files:
                name, _, mark = key[6:].partition("@")
                if key.startswith("score/") and mark:
                    marks.setdefault(name, []).append(mark)
            out |= {n: f"stopped after {float(max(m)):.0%} of its steps" for n, m in marks.items() if n not in done}
    return out


def ship(nets: Path, network: str, rows: list[dict], score: np.ndarray) -> None:
    """The weights of all clips, in half precision, and the scores of the folds."""
    state, start = {}, f"state/{network}/"
    for path in sorted(nets.glob("*.npz")):
        with np.load(path, allow_pickle=False) as z:
            state |= {k[len(start):]: z[k].astype(np.float16) for k in z.files if k.startswith(start) and z[k].ndim}
    if not state or not all(np.isfinite(v).all() for v in state.values()):
        raise SystemExit(f"no weights of {network} in half precision")
    np.savez_compressed(MODEL / "lcnn.npz", **state)
    lines = [{"clip": r["sha256"][:16], "plain": f"{p:.4f}", "degraded": f"{d:.4f}"}
             for r, p, d in zip(rows, *score.reshape(2, -1))]
    write_table(MODEL / "lcnn.tsv", sorted(lines, key=lambda r: r["clip"]), ["clip", "plain", "degraded"])


def write_fused(shares: dict[str, float]) -> None:
    """fused.tsv, of every clip that both have a score of: a synthesiser may speak a sentence anew."""
    network = {r["clip"]: r for r in read_table(MODEL / "lcnn.tsv")}
    rows = read_table(WORK / "oof.tsv")
    out = []
    for r in rows:
        other = network.get(r["sha256"][:16])
        if other:
            both = {c: shares["head"] * float(r[c]) + shares["network"] * float(other[c]) for c in ("plain", "degraded")}
            out.append({**r, **{c: f"{x:.5f}" for c, x in both.items()}})
    print(f"fuse: {len(out)} of {len(rows)} clips have a score of both")
    write_table(WORK / "fused.tsv", out, list(rows[0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waves", type=Path, default=WORK / "waves")
    parser.add_argument("--nets", type=Path, default=WORK / "nets")
    parser.add_argument("--before", type=Path)
    args = parser.parse_args()
    if not any(args.nets.glob("*.npz")):
        write_fused(json.loads((MODEL / "fusion.json").read_text())["shares"])
        return
    s = stored(args.waves / "clips.json")
    v, head = View(s.rows), head_scores(s.rows)
    nets = networks(args.nets, s)
    everything = np.ones(len(v.rows), dtype=bool)
    chosen, merits, out = choose(v, head, nets, everything)
    fold, honest, picks = np.array([r["fold"] for r in v.rows]), np.zeros(len(v.clip)), []
    for f in np.unique(fold):
        pick, _, scores = choose(v, head, nets, fold != f)
        honest[np.tile(fold == f, 2)] = added(scores, pick)[np.tile(fold == f, 2)]
        picks.append(words(pick))
        print(f"without fold {f}: {picks[-1]}", flush=True)
    if len(chosen) != 2 or chosen[0][0] != "head":
        raise SystemExit(f"{words(chosen)} is best: whisper_graph.py and lcnn_graph.py build the head with one of {SHIPPABLE}")
    network = chosen[1][0]
    scores = {"head": head, network: max(nets[network].values(), key=v.merit)}
    factor = {n: round(share / scores[n].std(), 6) for n, share in chosen}
    final = sum(factor[n] * x for n, x in scores.items())
    short = notes(args.nets)
    order = sorted(merits, key=lambda c: (len(c), -merits[c]))
    # Every single one, and of the sums the best of each set of members.
    listed = [c for i, c in enumerate(order) if {n for n, _ in c} not in [{n for n, _ in d} for d in order[:i]]]
    result = {"schema": 1, "shares": {"head": factor["head"], "network": factor[network]}, "network": network,
              "chosen": words(chosen), "reached": rounded(figures.measure(v, final)),
              "with_the_fold_left_out": {**rounded(figures.measure(v, honest)), "chosen": picks},
              "tried": [{"what": words(c), **({"note": short[c[0][0]]} if len(c) == 1 and c[0][0] in short else {}),
                         **rounded(figures.measure(v, added(out, c)))} for c in listed[:24]]}
    if args.before:
        earlier = {r["trial_id"] for r in read_table(args.before / "protocol.tsv")}
        keep = np.array([r["trial_id"] in earlier for r in v.rows])
        m = figures.measure(View([r for r, k in zip(v.rows, keep) if k]), final[np.tile(keep, 2)])
        was = json.loads((args.before / "fusion.json").read_text())["reached"]
        result["on_the_clips_of_before"] = {"version": tomllib.loads((args.before / "manifest.toml").read_text())["version"],
                                            "clips": int(keep.sum()), **rounded(m), "merit_before": was["merit"],
                                            "pooled_before": was["pooled_auc"]}
    (MODEL / "fusion.json").write_text(json.dumps(result, indent=1) + "\n")
    ship(args.nets, network, v.rows, scores[network])
    write_fused(result["shares"])
    print(json.dumps({k: x for k, x in result.items() if k != "tried"}))
    for line in result["tried"]:
        print(line)


if __name__ == "__main__":
    main()
