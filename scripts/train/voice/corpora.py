"""Stage 1: the trial table `trials.tsv` - shared protocol rows, Debian speech, fetched and synthesised speech.

Usage: corpora.py [--data DIR]. Only rows marked `use = train`, Debian speech, what fetch.py
brought and the project's own synthesis may reach weights and thresholds; `use = eval` rows and the
demonstration pages (`use = demo`) are kept apart for the final report.
"""
from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
from pathlib import Path

import synth
from lib import CACHE, COLUMNS, ROOT, WORK, read_table, write_table

# package, version, SHA-256 of the .deb, files, how a path names its source, clips a source, licence
LOCALES = r"(?:ktuberling/sounds/|_desc_)([a-z]{2})(?:[/.])"
DEBIAN = [
    ("asterisk-core-sounds-en-g722", "1.6.1-1", "38c5261820b406dcb0ecb37675720da2b0864850690690352ca52707eb623806",
     "*.g722", "sounds/(en)_", 14, "CC-BY-SA-3.0"),
    ("asterisk-core-sounds-es-g722", "1.6.1-1", "e4e3b4281057d3b81b779298fd6be705f57411513955c518eed1bcaabbd615b8",
     "*.g722", "sounds/(es)_", 14, "CC-BY-SA-3.0"),
    ("asterisk-core-sounds-fr-g722", "1.6.1-1", "7add61d5e42279ecff1bbdf842a5a946ac3644fac9a0fe44384731aa7270c8e0",
     "*.g722", "sounds/(fr)_", 14, "CC-BY-SA-3.0"),
    ("asterisk-core-sounds-it-g722", "1.6.1-1", "46b4cf7afc508a5fcfc051b7ea233251c0d195dd4ef83cc4b7facb4c6429b016",
     "*.g722", "sounds/(it)_", 14, "CC-BY-SA-3.0"),
    ("asterisk-core-sounds-ru-g722", "1.6.1-1", "673b4238a6b8269960f055d868c6a11083f7a0d00979167cb01554046b48ed9b",
     "*.g722", "sounds/(ru)_", 14, "CC-BY-3.0"),
    ("asterisk-prompt-it-menardi-wav", "1:1.4.22+mm20110907-3.1",
     "3094530d98f8758ac275572d59624c41f60969fef883f34f4886d144f3dfeb21", "*.wav", "sounds/(it)_", 14, "CC-BY-SA-3.0"),
    ("fillets-ng-data-cs", "1.0.1-1.1", "3ecef99b9456f1c80c9625c6f2418642b52d58e7167a46bad7a412db17991b14",
     "*.ogg", "/(cs)/", 14, "GPL-2.0-or-later"),
    ("fillets-ng-data-nl", "1.0.1-1.1", "afb4443fda9ab507dee578b75be857d121718a1cd6017a474f30e0eb13dc9d10",
     "*.ogg", "/(nl)/", 14, "GPL-2.0-or-later"),
    ("ktuberling-data", "4:22.12.3-1", "fba44c875bfa31ea488dadd9263e87a4dcaea0bd47d28817f6c0dc6d2af970ed",
     "*.*", LOCALES, 6, "GPL-2.0-or-later"),
    ("pocketsphinx-testdata", "0.8+5prealpha+1-15", "eaeb7a01d54f20b799d1a81ef110ec544b2cb47ea006614078220737a33019f0",
     "*.wav", "/(librivox)/", 5, "BSD-2-Clause"),
    ("tuxpaint-stamps-default", "2022.06.04-1", "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
     "*_desc_*.ogg", LOCALES, 10, "GPL-2.0-or-later"),
    ("festvox-ru", "0.5+dfsg-6", "21ef3f0f2978ecf2e2eddb367cb0ff4a72572196d28dc69feb84f4177af5e6c4",
     "*.wav", "(russian)", 14, "BSD-like"),
]
# Locales whose recordings are synthetic or doubtful.
DROPPED = {"de", "uk", "nd", "da"}
MIN_BYTES = {".g722": 12000, ".ogg": 14000, ".wav": 32000}  # drop single words and silence


def debian_rows() -> list[dict[str, str]]:
    """Fetch and unpack the packages, then choose clips by the hash of their path (no human choice)."""
    rows = []
    for package, version, want, pattern, where, most, licence in DEBIAN:
        folder = WORK / "debx" / package
        if not folder.exists() and not unpack(package, version, want, folder):
            continue
        by_source: dict[str, list[Path]] = {}
        for path in folder.rglob(pattern):
            small = path.stat().st_size < MIN_BYTES.get(path.suffix, 1 << 40)
            found = re.search(where, str(path.relative_to(folder)))
            if small or not found or found[1] in DROPPED or "/silence/" in str(path):
                continue
            by_source.setdefault(f"debian/{package}/{found[1]}", []).append(path)
        for source, paths in sorted(by_source.items()):
            paths.sort(key=lambda p: hashlib.sha256(str(p.relative_to(folder)).encode()).hexdigest())
            for path in paths[:most]:
                rows.append({"trial_id": f"debian/{package}/{path.relative_to(folder)}",
                             "path": str(path.relative_to(CACHE)), "sha256": file_hash(path), "label": "bonafide",
                             "attack_family": "-", "generator": "-", "source": source, "use": "train",
                             "licence": licence})
    print(f"debian: {len(rows)} clips of {len({r['source'] for r in rows})} sources")
    return rows


def fetched_rows(dataset: str, use: str) -> list[dict[str, str]]:
    """Recordings that `fetch.py` brought and verified; `voice-demo` is for the report only."""
    home, rows = WORK / "fetched" / dataset, []
    for r in read_table(ROOT / "datasets" / dataset / "fetched.tsv"):
        path = home / r["repository"].replace("/", "+") / r["file"]
        if path.is_file():
            rows.append({**r, "trial_id": f"fetched/{r['repository']}/{r['file']}", "path": str(path.relative_to(CACHE)),
                         "source": r["repository"], "use": use})
    print(f"{dataset}: {len(rows)} clips of {len({r['source'] for r in rows})} repositories")
    return rows


def file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def unpack(package: str, version: str, want: str, folder: Path) -> bool:
    """`apt-get download` the pinned version, check its hash, unpack it (nothing is installed)."""
    debs = WORK / "deb"
    debs.mkdir(parents=True, exist_ok=True)
    if not any(debs.glob(f"{package}_*.deb")):
        subprocess.run(["apt-get", "download", "-q", f"{package}={version}"], cwd=debs, capture_output=True)
    for deb in debs.glob(f"{package}_*.deb"):
        if file_hash(deb) == want:
            folder.mkdir(parents=True)
            subprocess.run(["dpkg-deb", "-x", str(deb), str(folder)], check=True)
            return True
    print(f"debian: {package} {version} cannot be had, skipped")
    return False


def protocol_rows(data: Path) -> list[dict[str, str]]:
    """The audio rows of the shared protocol, without what is reserved or a system of `voice-demo`."""
    reserved = {(r["kind"], r["name"]) for r in read_table(data / "reserved.tsv")}
    demo = {r["generator"] for r in read_table(ROOT / "datasets" / "voice-demo" / "repositories.tsv")} - {"-"}
    rows = []
    for r in read_table(data / "protocol.tsv"):
        if r["modality"] != "audio" or r["label"] not in ("bonafide", "spoof"):
            continue
        if ("repository", r["source"]) in reserved or ("generator", r["generator"]) in reserved:
            continue
        if r["use"] == "train" and r["generator"] in demo:  # the demonstration pages must stay unseen systems
            continue
        rows.append({**r, "path": f"data:{r['path']}"})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    args = parser.parse_args()
    rows = (protocol_rows(args.data) + debian_rows() + fetched_rows("voice-open", "train")
            + fetched_rows("voice-demo", "demo") + synth.main())
    write_table(WORK / "trials.tsv", rows, COLUMNS)
    kinds = sorted({(r["use"], r["label"]) for r in rows})
    print({k: sum((r["use"], r["label"]) == k for r in rows) for k in kinds})


if __name__ == "__main__":
    main()
