"""Write `datasets/provenance/expected.tsv` from a report: findings above context, by the file's SHA-256.

    seamline scan DATA --trust-list DATA/c2pa-org+conformance-public --out report.jsonl
    python scripts/expected_provenance.py report.jsonl DATA > datasets/provenance/expected.tsv

A row is what a person has checked against the peers in benches/provenance.md: read the difference before committing.
"""
from __future__ import annotations

import json
import sys
from pathlib import Path

CONTEXT = ("container.", "forensics.", "c2pa.present", "c2pa.signals", "c2pa.ingredients", "c2pa.soft_binding")
# Beside context: what stands in the table because the issue of trust hangs on it.
KEPT = ("c2pa.present", "c2pa.credential_expired", "c2pa.remote_manifest")


def main() -> None:
    found: dict[tuple[str, str], set[str]] = {}
    for line in open(sys.argv[1], encoding="utf-8"):
        record = json.loads(line)
        if record["type"] == "verdict" and record["sha256"]:
            found.setdefault((record["sha256"], record["path"]), set())
        code = record.get("code", "")
        if record["type"] == "evidence" and code and (code in KEPT or not code.startswith(CONTEXT)):
            found.setdefault((record["sha256"], record["path"]), set()).add(code)
    print("sha256\tname\tfindings")
    for (sha256, path), codes in sorted(found.items(), key=lambda item: item[0][1]):
        print(f"{sha256}\t{Path(path).relative_to(sys.argv[2])}\t{' '.join(sorted(codes)) or '-'}")


if __name__ == "__main__":
    main()
