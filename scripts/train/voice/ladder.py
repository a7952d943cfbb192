"""The shipped detector under the ladder, from the program's own measurement, into ladder.json and the card.

    ladder.py METRICS.json      (as `seamline bench run --conditions all` or `bench score` writes it, of the evaluation split)

It only reports: nothing of the recipe reads ladder.json but report.py, which prints it while the weights are the same.
"""
from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

from lib import MODEL
from report_tables import ladder

METRICS = ("auc", "false_alarm_rate", "detection_rate")


def main() -> None:
    rows: dict[str, dict] = {}
    for r in json.loads(Path(sys.argv[1]).read_text()):
        whole = r["source"] == r["generator"] == "*"
        if r["detector"] == "voice-whisper" and r["modality"] == "audio" and whole and r["metric"] in METRICS:
            rows.setdefault(r["condition"], {})[r["metric"]] = [r["value"], r["lo"], r["hi"]]
    manifest = tomllib.loads((MODEL / "manifest.toml").read_text())
    out = {"model_sha256": manifest["file"]["sha256"], "version": manifest["version"], "conditions": rows}
    (MODEL / "ladder.json").write_text(json.dumps(out, indent=1) + "\n")
    path, title, after = MODEL / "card.md", "## Under the ladder", "## Limits"
    card = path.read_text()
    start, end = card.find(title), card.index(after)
    path.write_text(card[:start if start >= 0 else end] + "\n".join(ladder(out, manifest)) + "\n" + card[end:])


if __name__ == "__main__":
    main()
