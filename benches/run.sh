#!/usr/bin/env bash
# End-to-end bench: ratios within one run, on clips made by recipe. Prints a table; copy it to benches/README.md
# with machine and date when it is worth keeping.
set -euo pipefail
cd "$(dirname "$0")/.."
exec .cache/venv/bin/python benches/end_to_end.py "${1:-target/release/seamline}"
