#!/usr/bin/env bash
# Every default detector and each published detector of benches/imports over the evaluation clips, as they are and
# under the ladder; writes benches/detectors.md. Finished clips are kept in the cache: an interrupted run goes on.
#   DATA=folder with protocol.tsv and clips   WEIGHTS=folder with the published ONNX files
#   CONDITIONS=all | clean | a,b, for ours   IMPORT_CONDITIONS likewise, for the others   BENCH_OUT=results and cache
#   IMPORT_SHARE=share of each source and class on which published voice detectors climb the ladder [0.25]: the whole
#   of it takes eight hours of one core. As they are, all clips are scored.
set -euo pipefail
cd "$(dirname "$0")/.."
data="${DATA:-../shared/data}" weights="${WEIGHTS:-../shared/weights}" out="${BENCH_OUT:-.cache/bench}"
seamline="${SEAMLINE:-target/release/seamline}"
export SEAMLINE_HOME="$PWD" SEAMLINE_USER_MODELS="$PWD/.cache/bench/models"
[ -f "$data/protocol.tsv" ] || { echo "detectors: $data/protocol.tsv is not there; set DATA" >&2; exit 2; }
common=(--protocol "$data/protocol.tsv" --media "$data" --split eval)

run() { # name, conditions, further arguments
  local name=$1 conditions=$2
  shift 2
  echo "bench: $name ($conditions)"
  "$seamline" bench run "${common[@]}" --cache "$out" --out "$out/runs/$name" --conditions "$conditions" --resamples 0 --quiet "$@"
  evidence+=(--evidence "$out/runs/$name/evidence.jsonl")
}

evidence=()
run default "${CONDITIONS:-all}"
# One run a detector: its scans are kept under its own digest, and a new one costs only itself.
for manifest in benches/imports/*.toml; do
  id=$(basename "$manifest" .toml)
  file="$weights/$(sed -n 's/^path = "\(.*\)"/\1/p' "$manifest")"
  if [ ! -f "$file" ]; then
    echo "bench: $id is left out, $file is not there" >&2
    continue
  fi
  [ -d "$SEAMLINE_USER_MODELS/$id" ] || "$seamline" models add "$file" --manifest "$manifest"
  conditions="${IMPORT_CONDITIONS:-all}"
  if [ "$conditions" = all ] && grep -q '^aspect = "voice"' "$manifest"; then
    run "$id" clean --detectors "$id"
    run "$id-ladder" ladder --detectors "$id" --share "${IMPORT_SHARE:-0.25}"
  else
    run "$id" "$conditions" --detectors "$id"
  fi
done
"$seamline" bench score "${common[@]}" "${evidence[@]}" --partial --out "$out/result" --markdown benches/detectors.md
