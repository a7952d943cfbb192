#!/usr/bin/env bash
# Every test: Rust (unit, integration, end to end), doc tests, the Python recipes' own, and the browser's.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --workspace --all-targets --quiet
# The recipes' tests come first, so that the Rust runner's closing line stands last.
if ! .cache/venv/bin/python -c 'import pytest, onnxruntime' 2>/dev/null; then
  .cache/venv/bin/python -m pip install --quiet --disable-pip-version-check pytest==8.3.4
  # The same pinned version that Seamline loads; without its dependencies, which only its tools need.
  .cache/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps onnxruntime==1.28.0
fi
# An environment of its own with pinned packages, made again when their list changes.
environment() { # folder, requirements
  local wanted
  wanted=$(sha256sum "$2" | cut -c1-64)
  [ "$(cat "$1/stamp" 2>/dev/null)" != "$wanted" ] || return 0
  rm -rf "$1"
  python3 -m venv "$1"
  "$1/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r "$2"
  # The list of the export validators has no pytest.
  "$1/bin/python" -c 'import pytest' 2>/dev/null ||
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check pytest==8.3.4
  echo "$wanted" >"$1/stamp"
}
exports=.cache/export-venv api=.cache/api-venv
environment "$exports" scripts/tests/campaign-requirements.txt
environment "$api" scripts/tests/api-requirements.txt
.cache/venv/bin/python -m pytest -q scripts/tests
"$exports/bin/python" -m pytest -q scripts/tests/test_campaign_exports.py
"$api/bin/python" -m pytest -q scripts/tests/test_api_description.py
# The Python package as a wheel would lay it out, with the extension that was just built.
package=target/python/seamline
rm -rf target/python && mkdir -p target/python
cp -r crates/seamline-py/python/seamline "$package"
cp target/debug/libseamline_native.so "$package/seamline_native.abi3.so"
PYTHONPATH=target/python SEAMLINE_BIN="$PWD/target/debug/seamline" .cache/venv/bin/python -m pytest -q crates/seamline-py/tests
# The web application in a real browser, on the server that was just built; the packages are pinned by hash.
browser=crates/seamline-server/browser
if [ ! -e "$browser/node_modules/.package-lock.json" ] || [ "$browser/package-lock.json" -nt "$browser/node_modules/.package-lock.json" ]; then
  (cd "$browser" && npm ci --silent)
fi
node --test "$browser"/*.test.mjs
cargo test --workspace --doc --quiet
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --workspace --no-fail-fast
else
  cargo test --workspace --all-targets --no-fail-fast
fi
