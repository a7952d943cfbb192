"""DET and reliability of the shipped detector on evaluation speech as the program judged it: det.svg and reliability.svg beside the card.

    plots.py EVIDENCE.jsonl PROTOCOL.tsv      (evidence of `seamline bench run`; clean clips of the evaluation split)

It only reports. Standard library only; the card names both files.
"""
from __future__ import annotations

import csv
import json
import math
import sys
from pathlib import Path
from statistics import NormalDist

MODEL = Path(__file__).resolve().parents[3] / "models/voice-whisper"
SIZE, LEFT, TOP = 320, 52, 14
BINS = 10
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9)   # of the DET plot, as shares


def read(evidence: Path, protocol: Path) -> tuple[list[float], list[bool], float]:
    """LLR of each clip, whether it is spoof, and the operating point."""
    label = {r["path"]: r["label"] for r in csv.DictReader(open(protocol, newline="", encoding="utf-8"), delimiter="\t")}
    llr, spoof, point = [], [], math.nan
    for line in open(evidence, encoding="utf-8"):
        r = json.loads(line)
        if r["type"] == "evidence" and r["detector"] == "voice-whisper" and r.get("rollup") and r["condition"] == "clean" and r.get("llr"):
            if r["path"].startswith("audio/"):
                llr.append(r["llr"]["value"])
                spoof.append(label[r["path"]] == "spoof")
                point = r["supports_spoof_at"]
    return llr, spoof, point


def svg(title: str, x: str, y: str, ticks: list[tuple[float, str]], body: list[str]) -> str:
    end, bottom = LEFT + SIZE, TOP + SIZE
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {end + 16} {bottom + 44}" font-family="sans-serif" font-size="11">',
           f"<title>{title}</title>", f'<rect width="{end + 16}" height="{bottom + 44}" fill="#fff"/>']
    for at, name in ticks:
        h, v = LEFT + at * SIZE, bottom - at * SIZE
        out += [f'<path d="M{h:.1f} {TOP}V{bottom}M{LEFT} {v:.1f}H{end}" stroke="#ddd"/>',
                f'<text x="{h:.1f}" y="{bottom + 15}" text-anchor="middle">{name}</text>',
                f'<text x="{LEFT - 5}" y="{v + 4:.1f}" text-anchor="end">{name}</text>']
    out += [f'<rect x="{LEFT}" y="{TOP}" width="{SIZE}" height="{SIZE}" fill="none" stroke="#444"/>', *body,
            f'<text x="{LEFT + SIZE / 2}" y="{bottom + 34}" text-anchor="middle">{x}</text>',
            f'<text transform="translate(12 {TOP + SIZE / 2}) rotate(-90)" text-anchor="middle">{y}</text>', "</svg>"]
    return "\n".join(out) + "\n"


def at(x: float, y: float) -> tuple[float, float]:
    return LEFT + x * SIZE, TOP + SIZE - y * SIZE


def det(llr: list[float], spoof: list[bool], point: float) -> str:
    probit = NormalDist().inv_cdf
    low, high = probit(0.005), probit(0.95)

    def place(rate: float) -> float:
        return (probit(min(max(rate, 0.005), 0.95)) - low) / (high - low)

    genuine, fake = [v for v, s in zip(llr, spoof) if not s], [v for v, s in zip(llr, spoof) if s]

    def rates(t: float) -> tuple[float, float]:
        return sum(v >= t for v in genuine) / len(genuine), sum(v < t for v in fake) / len(fake)

    steps = [at(*(place(r) for r in rates(t))) for t in [math.inf, *sorted(set(llr), reverse=True)]]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in steps)
    x, y = at(*(place(r) for r in rates(point)))
    body = [f'<path d="{path}" fill="none" stroke="#0072b2" stroke-width="2"/>', f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#d55e00"/>']
    ticks = [(place(t), f"{100 * t:g}") for t in TICKS]
    return svg("DET: false alarms and misses", "bona fide called spoof, %", "spoof missed, %", ticks, body)


def reliability(llr: list[float], spoof: list[bool]) -> str:
    count = {s: spoof.count(s) for s in (True, False)}
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for v, s in zip(llr, spoof):
        p = 1 / (1 + math.exp(-v))   # at even odds
        bins[min(int(p * BINS), BINS - 1)].append((p, s))
    x0, y0, x1, y1 = *at(0, 0), *at(1, 1)
    body = [f'<path d="M{x0} {y0}L{x1} {y1}" stroke="#999" stroke-dasharray="4 3"/>']
    for members in filter(None, bins):
        weight = [1 / count[s] for _, s in members]
        stated = sum(w * p for w, (p, _) in zip(weight, members)) / sum(weight)
        observed = sum(w for w, (_, s) in zip(weight, members) if s) / sum(weight)
        x, y = at(stated, observed)
        radius = 2 + 14 * math.sqrt(sum(weight) / 2)
        body.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="#0072b2" fill-opacity="0.6"/>')
    ticks = [(t / 5, f"{20 * t}") for t in range(6)]
    return svg("Reliability at even odds", "stated probability of spoof, %", "share of spoof, %", ticks, body)


def main() -> None:
    llr, spoof, point = read(Path(sys.argv[1]), Path(sys.argv[2]))
    (MODEL / "det.svg").write_text(det(llr, spoof, point))
    (MODEL / "reliability.svg").write_text(reliability(llr, spoof))
    print(f"{spoof.count(False)} bona fide and {spoof.count(True)} spoof clips, operating point {point}")


if __name__ == "__main__":
    main()
