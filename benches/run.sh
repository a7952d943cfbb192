#!/usr/bin/env bash
# Every bench: ratios within one run, on clips made by recipe, written beside this file. `--long` measures
# the three-hour clip instead.
set -euo pipefail
cd "$(dirname "$0")/.."
cache="${SEAMLINE_CACHE:-$PWD/.cache}"
# The Python reference has packages of its own, which nothing else needs.
wanted=$(sha256sum benches/requirements.txt | cut -c1-64)
if [ "$(cat "$cache/bench-venv/stamp" 2>/dev/null)" != "$wanted" ]; then
  echo "bench: Python environment of the reference"
  rm -rf "$cache/bench-venv"
  python3 -m venv "$cache/bench-venv"
  "$cache/bench-venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: -r benches/requirements.txt
  echo "$wanted" >"$cache/bench-venv/stamp"
fi
exec "$cache/venv/bin/python" benches/end_to_end.py --cache "$cache" "$@"
