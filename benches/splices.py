"""Joins inside one recording: how often `sound.floor_jump` and `sound.band_jump` are told of whole recordings, and how
often of two that were joined. Writes benches/splices.md. The thresholds stand in crates/seamline-detect/src/consistency.rs.

    python benches/splices.py PROGRAM --data ../shared/data --more DIR     (PROGRAM: target/release/examples/sound_jumps)

Standard library and FFmpeg only. Training recordings (use = train, and the folder of the voice recipe's fetched ones) set
the thresholds; evaluation recordings are only reported. Joins: the first half of one clip and the second of another, both at
the same loudness, of one source or of two; and as a control a clip cut in its middle and put together again.
"""
import argparse
import csv
import json
import math
import random
import re
import subprocess
import tempfile
import wave
from array import array
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RATE = 16_000
LEAST = 6.5    # seconds; shorter clips have no moment with three seconds on both sides


def samples(path: Path) -> array:
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), "-ac", "1", "-ar", str(RATE), "-f", "s16le", "-"],
                         check=True, capture_output=True).stdout
    return array("h", raw)


def save(path: Path, sound: array) -> None:
    with wave.open(str(path), "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(RATE)
        w.writeframes(sound.tobytes())


def loud(sound: array) -> float:
    return math.sqrt(sum(s * s for s in sound) / len(sound)) + 1


def joined(a: array, b: array) -> array:
    a, b = a[:len(a) // 2], b[len(b) // 2:]
    gain = loud(a) / loud(b)
    return a + array("h", (max(-32768, min(32767, round(s * gain))) for s in b))


def measure(program: Path, clips: list[Path]) -> list[dict]:
    out = []
    for at in range(0, len(clips), 50):
        done = subprocess.run([str(program), *map(str, clips[at:at + 50])], check=True, capture_output=True, text=True)
        out += [json.loads(line) for line in done.stdout.splitlines()]
    return out


def bounds(k: int, n: int) -> str:
    """Clopper-Pearson, by bisection of the binomial sum."""
    def tail(p: float, low: int, high: int) -> float:
        ways = (math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in range(low, high + 1))
        return sum(math.exp(w + i * math.log(p) + (n - i) * math.log1p(-p)) for i, w in enumerate(ways, low))

    def solve(f) -> float:
        a, b = 0.0, 1.0
        for _ in range(60):
            m = (a + b) / 2
            a, b = (m, b) if f(m) else (a, m)
        return a

    low = 0.0 if k == 0 else solve(lambda p: tail(p, k, n) < 0.025)
    high = 1.0 if k == n else solve(lambda p: tail(p, 0, k) > 0.025)
    return f"{k} of {n} [{100 * low:.1f}, {100 * high:.1f}] %"


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("program", type=Path)
    p.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    p.add_argument("--more", type=Path, default=ROOT / ".cache/train/voice/fetched/voice-open")
    args = p.parse_args()
    code = (ROOT / "crates/seamline-detect/src/consistency.rs").read_text()
    at = {k: float(re.search(rf"{n}: f32 = ([\d.]+);", code)[1]) for k, n in (("floor", "FLOOR_JUMP"), ("band", "BAND_JUMP"))}
    read = lambda path: list(csv.DictReader(open(path, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE))
    sets: dict[str, list[tuple[str, Path]]] = {"training": [], "evaluation": []}
    for r in read(args.data / "protocol.tsv"):
        if r["modality"] == "audio" and r["label"] == "bonafide" and r["use"] in ("train", "eval"):
            sets["training" if r["use"] == "train" else "evaluation"].append((r["source"], args.data / r["path"]))
    for r in read(ROOT / "datasets/voice-open/fetched.tsv"):
        path = args.more / r["repository"].replace("/", "+") / r["file"]
        if r["label"] == "bonafide" and path.is_file():
            sets["training"].append((r["repository"], path))
    lines = []
    for name, clips in sets.items():
        rows = measure(args.program, [c for _, c in clips])
        seen = [(s, c, r) for (s, c), r in zip(clips, rows) if "floor" in r]
        rng = random.Random(11)
        with tempfile.TemporaryDirectory() as folder:
            made: dict[str, list[Path]] = {"cut and put together": [], "joined, same source": [], "joined, two sources": []}
            loaded = [(s, x) for s, x in ((s, samples(c)) for s, c, _ in seen[:150]) if len(x) >= LEAST * RATE]
            for i, (source, x) in enumerate(loaded):
                x = x[:20 * RATE]
                others = {"joined, same source": [y for s, y in loaded if s == source and y is not loaded[i][1]],
                          "joined, two sources": [y for s, y in loaded if s != source]}
                made["cut and put together"].append(Path(folder) / f"{i}-own.wav")
                save(made["cut and put together"][-1], joined(x, x))
                for kind, pool in others.items():
                    if pool:
                        made[kind].append(Path(folder) / f"{i}-{len(made[kind])}-{kind[8:11]}.wav")
                        save(made[kind][-1], joined(x, rng.choice(pool)[:20 * RATE]))
            parts = {"whole": [r for _, _, r in seen]} | {k: [r for r in measure(args.program, v) if "floor" in r] for k, v in made.items()}
        for kind, found in parts.items():
            told = [bounds(sum(r[k] >= at[k] for r in found), len(found)) if found else "-" for k in at]
            either = bounds(sum(any(r[k] >= at[k] for k in at) for r in found), len(found)) if found else "-"
            lines.append(f"| {name} | {kind} | {told[0]} | {told[1]} | {either} |")
        lines.append(f"| {name} | of {len(clips)} recordings of {len({s for s, _ in clips})} sources, {len(seen)} of {len({s for s, _, _ in seen})} could be judged | | | |")
    (ROOT / "benches/splices.md").write_text(f"""# Joins inside one recording

Written by `benches/splices.py`. A background that differs by more than {4.343 * at['floor']:.1f} dB, or a band that differs by more than
{500 * at['band']:.0f} Hz, beyond what the halves of either side differ by, is told as a hint ([codes](../docs/codes.md)). Both thresholds were set
on the training recordings, about one in a hundred of which passes each; among those that do are test files for diarisation, which
are joins. Joins are made at equal loudness, without a crossfade, in the middle of speech. Brackets: 95 %, Clopper-Pearson; the joins of
one set share their recordings, so the truth may lie further off.

| recordings | | background jumps | band jumps | either |
|---|---|---|---|---|
{chr(10).join(lines)}

Two clips of one studio or one corpus have one background: such a join is not seen, nor is one that a new noise floor was laid over.
""")
    print((ROOT / "benches/splices.md").read_text())


if __name__ == "__main__":
    main()
