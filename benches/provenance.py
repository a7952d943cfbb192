"""Side by side on the provenance set: Seamline, exiftool, c2pa-python, ffprobe, aivid and remove-ai-watermarks.

    benches/provenance.py DATA REPORT.jsonl > benches/provenance.md

DATA is a folder of signed, labelled and marked media (no part of the repository); REPORT comes from
`seamline scan DATA --trust-list ... --out REPORT.jsonl`. exiftool and ffprobe come from Debian
(libimage-exiftool-perl, ffmpeg), the rest from pinned packages in a virtual environment of their own. A tool "says AI"
where its output names generative AI by the rules in `says_ai`, which look at what the tool itself prints.
"""
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PEERS = Path(os.environ.get("SEAMLINE_CACHE", ROOT / ".cache")) / "peers"
PINNED = ["aivid==0.3.0", "remove-ai-watermarks==0.47.1", "c2pa-python==0.38.1"]
STRONG = ("proves", "declares")
AI_TYPES = "trainedAlgorithmicMedia|compositeWithTrainedAlgorithmicMedia|compositeSynthetic|AI Generated Image"
# Text that a person reads as "a generator made this", in the metadata that exiftool and ffprobe print.
AI_TEXT = re.compile(
    rf"{AI_TYPES}|\"Label\": ?\\?\"[123]|Label..?:..?\"1|Made with Google AI|Steps: \d+, Sampler|class_type|last_node_id"
    r"|invokeai_metadata|Sd-metadata|Dream\"|fooocus_scheme|NovelAI|AI generated image",
    re.IGNORECASE,
)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=300)
    return done.stdout


def peers() -> Path:
    python = PEERS / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PINNED], check=True)
    return PEERS / "bin"


def c2pa(python: Path, path: Path) -> str:
    code = "import c2pa,sys\ntry: print(c2pa.Reader(sys.argv[1]).json())\nexcept Exception as e: print(type(e).__name__)"
    return run(str(python), "-c", code, str(path))


def says_ai(tool: str, text: str) -> bool:
    if tool == "aivid":
        return "DETECTION SIGNALS" in text and "No AI detection signals found" not in text
    if tool == "remove-ai-watermarks":
        try:
            report = json.loads(text[text.index("{"):])
        except ValueError:
            return False
        return report.get("is_ai_generated") is True
    return bool(AI_TEXT.search(text))


def seamline(report: Path) -> dict[str, tuple[bool, set[str]]]:
    """Path to (says AI, codes that say so)."""
    strength = {}
    for row in (ROOT / "docs" / "codes.md").read_text(encoding="utf-8").splitlines():
        cells = [c.strip().strip("`") for c in row.strip("|").split("|")]
        if row.startswith("| `") and len(cells) == 4:
            strength[cells[0]] = (cells[1], cells[2])
    found: dict[str, tuple[bool, set[str]]] = {}
    for line in open(report, encoding="utf-8"):
        record = json.loads(line)
        if record["type"] != "evidence":
            continue
        said, codes = found.get(record["path"], (False, set()))
        kind = strength.get(record.get("code", ""))
        if kind and kind[0] in STRONG and kind[1] == "spoof":
            said, codes = True, codes | {record["code"]}
        found[record["path"]] = (said, codes)
    return found


def main() -> None:
    data, report = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    own = seamline(report)
    bin_dir = peers()
    tools = ["exiftool", "c2pa-python", "ffprobe", "aivid", "remove-ai-watermarks"]
    rows, counts, missed, alone = [], dict.fromkeys(["Seamline", *tools], 0), [], 0
    files = [p for p in sorted(data.rglob("*")) if str(p) in own]
    for path in files:
        output = {
            "exiftool": run("exiftool", "-G1", "-a", "-j", str(path)),
            "c2pa-python": c2pa(bin_dir / "python", path),
            "ffprobe": run("ffprobe", "-v", "error", "-show_format", "-show_streams", str(path)),
            "aivid": run(str(bin_dir / "aivid"), "--c2pa", str(path)),
            "remove-ai-watermarks": run(str(bin_dir / "remove-ai-watermarks"), "identify", "--json", str(path)),
        }
        said = {tool: says_ai(tool, output[tool]) for tool in tools}
        ours, codes = own[str(path)]
        counts["Seamline"] += ours
        for tool in tools:
            counts[tool] += said[tool]
        if any(said.values()) and not ours:
            missed.append((path.relative_to(data), [t for t in tools if said[t]]))
        alone += ours and not any(said.values())
        if ours or any(said.values()):
            marks = ["yes" if said[t] else "-" for t in tools]
            rows.append([str(path.relative_to(data)), " ".join(sorted(codes)) or "-", *marks])
    versions = {"exiftool": run("exiftool", "-ver").strip(), "ffprobe": run("ffprobe", "-version").split()[2]}
    versions |= {p.split("==")[0]: p.split("==")[1] for p in PINNED}
    print("# Provenance, side by side\n")
    print("Generated by `benches/provenance.py`; every figure is measured by it.\n")
    print(f"{len(files)} files. \"yes\": the tool's own output names generative AI (rules in the script). "
          "remove-ai-watermarks runs as its package installs it, without its optional pixel detectors.\n")
    print("| tool | version | files on which it says AI |\n|---|---|---|")
    print(f"| Seamline (proves or declares) | this one | {counts['Seamline']} |")
    for tool in tools:
        print(f"| {tool} | {versions[tool]} | {counts[tool]} |")
    print(f"\nSaid by Seamline alone: {alone}. Said by a peer and not by Seamline: {len(missed)}.\n")
    for name, who in missed:
        print(f"- `{name}`: {', '.join(who)}")
    print("\n| file | Seamline | " + " | ".join(tools) + " |\n|---|---|" + "---|" * len(tools))
    for row in rows:
        print("| " + " | ".join([f"`{row[0]}`", row[1], *row[2:]]) + " |")


if __name__ == "__main__":
    main()
