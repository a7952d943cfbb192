"""Perth's decoder on sound that nobody marked, and on the same after Perth's own encoder. Writes benches/perth.md.

    python benches/perth_alarms.py SEAMLINE --mirror DIR [--work DIR]

`datasets/unmarked-sound/files.tsv` names the sound: files of public repositories (commit, path, git's hash of the bytes),
read from bare clones under DIR/OWNER+NAME/repo; nothing of them is kept in this repository. Recordings, music, noise, films and
synthetic speech alike: what matters is that no Chatterbox made it. At most a minute of each, as the program judges it
(`seamline scan --detectors perth`). "Chosen on": these files were looked at when the rule was made. "Fresh": they were not.
Marked: two files of each repository of the first part, up to 240, by `scripts/fixtures/perth_marked.py`.
Needs numpy and what `scripts/materialise/perth.py` needs (`.cache/venv`), and FFmpeg.
"""
import argparse
import csv
import hashlib
import json
import os
import random
import subprocess
import sys
import wave
from collections import Counter, defaultdict
from multiprocessing import Pool
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "scripts/fixtures"), str(ROOT / "scripts/materialise"), str(ROOT / "benches")]
from splices import bounds  # noqa: E402

RATE, MOST = 16_000, 60
LENGTHS = ((0, 7), (7, 15), (15, 61))   # seconds; the rule wants six windows with speech, which is 7 s at least
CODECS = {"mp3 64k": ("mp3", ["-c:a", "libmp3lame", "-b:a", "64k"]), "mp3 32k": ("mp3", ["-c:a", "libmp3lame", "-b:a", "32k"]),
          "aac 32k": ("m4a", ["-c:a", "aac", "-b:a", "32k"]), "opus 32k": ("ogg", ["-c:a", "libopus", "-b:a", "32k"]),
          "opus 16k": ("ogg", ["-c:a", "libopus", "-b:a", "16k"])}


def convert(source: Path, to: Path, *codec: str) -> bool:
    part = to.with_name("part-" + to.name)
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-t", str(MOST), "-i", source, "-vn", "-ac", "1", "-ar", str(RATE), *codec, part],
                   stderr=subprocess.DEVNULL, check=False)
    if part.is_file() and (codec or part.stat().st_size > 44 + 2 * RATE * 2):   # two seconds are one window
        part.replace(to)
        return True
    part.unlink(missing_ok=True)
    return False


def bring(job: tuple[dict, Path, Path]) -> None:
    row, mirror, folder = job
    to = folder / f"{row['repository'].replace('/', '+')}__{row['blob'][:10]}.wav"
    if to.is_file():
        return
    clone = mirror / row["repository"].replace("/", "+") / "repo"
    data = subprocess.run(["git", "-C", clone, "cat-file", "blob", row["blob"]], capture_output=True, check=True).stdout
    if hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() != row["blob"]:
        raise SystemExit(f"perth: {row['repository']} {row['file']} is not the file that files.tsv names")
    raw = folder / f"raw-{os.getpid()}{Path(row['file']).suffix}"
    raw.write_bytes(data)
    convert(raw, to)
    raw.unlink()


def mark(job: tuple[Path, Path, int]) -> None:
    import perth
    from perth_marked import mark as embed

    source, folder, number = job
    clean = folder / f"{number:03}-clean.wav"
    if not clean.is_file():
        with wave.open(str(source)) as w:
            sound = np.frombuffer(w.readframes(RATE * 20), "<i2") / 32768
        if sound.std() < 1e-3:
            return
        data = np.clip(np.round(embed(sound, perth.checkpoint()) * 32768), -32768, 32767).astype("<i2").tobytes()
        with wave.open(str(clean), "wb") as w:
            w.setnchannels(1), w.setsampwidth(2), w.setframerate(RATE), w.writeframes(data)
    for name, (suffix, codec) in CODECS.items():
        to = folder / f"{number:03}-{name.replace(' ', '_')}.{suffix}"
        if not to.is_file():
            convert(clean, to, *codec)


def scan(seamline: Path, files: list[Path], report: Path) -> dict[str, set[str]]:
    """Codes of marks by file name."""
    environment = os.environ | {"SEAMLINE_HOME": str(ROOT)}
    done = subprocess.run([seamline, "scan", "-0", "-", "--quiet", "-j", "2", "--detectors", "perth", "--out", report], check=False,
                          input="\0".join(map(str, files)).encode(), env=environment)
    if done.returncode not in (0, 1):
        raise SystemExit(f"the scan ended with {done.returncode}")
    out: dict[str, set[str]] = {}
    for line in open(report, encoding="utf-8"):
        record = json.loads(line)
        name = Path(record.get("path") or "").name
        if record["type"] == "verdict" and record["sha256"]:
            out.setdefault(name, set())
        elif record["type"] == "evidence" and record.get("code", "").startswith("marks.perth"):
            out.setdefault(name, set()).add(record["code"])
    return out


def seconds(path: Path) -> float:
    with wave.open(str(path)) as w:
        return w.getnframes() / RATE


def rows_of(found: dict[str, set[str]], length: dict[str, float], names) -> list[str]:
    lines = []
    names = [n for n in names if n in found]
    for low, high in LENGTHS:
        part = [n for n in names if low <= length[n] < high]
        hits = sum("marks.perth" in found[n] for n in part)
        hints = sum("marks.perth_weak" in found[n] for n in part)
        if part:
            lines.append(f"{low} to {high - (high == 61)} s | {bounds(hits, len(part))} | {bounds(hints, len(part))} |")
    return lines


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("seamline", type=Path)
    p.add_argument("--mirror", type=Path, required=True)
    p.add_argument("--work", type=Path, default=ROOT / ".cache/bench/perth")
    args = p.parse_args()
    sound, marked = args.work / "sound", args.work / "marked"
    sound.mkdir(parents=True, exist_ok=True), marked.mkdir(exist_ok=True)
    rows = list(csv.DictReader(open(ROOT / "datasets/unmarked-sound/files.tsv", newline="", encoding="utf-8"), delimiter="\t"))
    with Pool(2) as pool:
        pool.map(bring, [(r, args.mirror, sound) for r in rows], 8)
    by_name = {f"{r['repository'].replace('/', '+')}__{r['blob'][:10]}.wav": r for r in rows}
    files = [sound / n for n in sorted(by_name) if (sound / n).is_file()]
    length = {f.name: seconds(f) for f in files}
    rng, groups = random.Random(5), defaultdict(list)
    for f in files:
        if by_name[f.name]["part"] == "chosen on" and length[f.name] >= 4:
            groups[by_name[f.name]["repository"]].append(f)
    chosen = [f for k in sorted(groups) for f in rng.sample(groups[k], min(2, len(groups[k])))]
    rng.shuffle(chosen)
    with Pool(2) as pool:
        pool.map(mark, [(f, marked, i) for i, f in enumerate(chosen[:240])], 4)

    unmarked = scan(args.seamline, files, args.work / "unmarked.jsonl")
    out = ["# Perth's mark on sound that nobody marked, and on marked sound\n",
           "Generated by `benches/perth_alarms.py`, which says what the sound is. *Found* (`marks.perth`) speaks for spoof; a *hint* "
           "(`marks.perth_weak`) decides nothing. A hum among the fresh files was found under the rule first chosen, and the second opinion on speech "
           "followed from it: \"fresh\" is apart from the rule, not from the voice activity. Files of less than two seconds of sound are left out, "
           "and files without speech, of which nothing can be found, are counted. Brackets: 95 %, Clopper-Pearson over files; files of one repository are alike, so "
           "they are too narrow.\n",
           "| sound without a mark | repositories | length | found (false alarms) | hints |", "|---|---|---|---|---|"]
    for part in ("chosen on", "fresh"):
        names = [n for n, r in by_name.items() if r["part"] == part]
        repositories = len({by_name[n]["repository"] for n in names if n in unmarked})
        out += [f"| {part} | {repositories} | {line}" for line in rows_of(unmarked, length, names)]
    wrong = [n for n, codes in sorted(unmarked.items()) if "marks.perth" in codes]
    if wrong:
        out += ["\nFound where nobody is known to have marked:\n"]
        out += [f"- {by_name[n]['part']}: {by_name[n]['repository']} `{by_name[n]['file']}`" for n in wrong]
    heard = scan(args.seamline, sorted(marked.iterdir()), args.work / "marked.jsonl")
    base = {f.name.split("-")[0]: seconds(f) for f in marked.glob("*-clean.wav")}
    length = {n: base[n.split("-")[0]] for n in heard}
    out += ["\nSound of the first part after Perth's own encoder, the first 20 seconds of a file; files without speech are among it, and "
            "they are never judged.\n", "| marked, then | length | found | hints |", "|---|---|---|---|"]
    for name in ("clean", *CODECS):
        names = [n for n in heard if n.split("-", 1)[1].rsplit(".", 1)[0] == name.replace(" ", "_")]
        out += [f"| {name} | {line}" for line in rows_of(heard, length, names)]
    (ROOT / "benches/perth.md").write_text("\n".join(out) + "\n")
    print("\n".join(out), Counter(code for codes in unmarked.values() for code in codes))


if __name__ == "__main__":
    main()
