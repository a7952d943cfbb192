"""Where things are and how tables are read and written; the standard library only."""
from __future__ import annotations

import csv
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CACHE = Path(os.environ.get("SEAMLINE_CACHE", ROOT / ".cache"))
WORK = CACHE / "train" / "voice"


def read_table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))


def write_table(path: Path, rows: list[dict[str, str]], columns: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as f:
        out = csv.DictWriter(f, columns, delimiter="\t", extrasaction="ignore", lineterminator="\n",
                             quoting=csv.QUOTE_NONE)
        out.writeheader()
        out.writerows(rows)
