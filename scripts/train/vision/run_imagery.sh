#!/usr/bin/env bash
# The whole recipe of synthetic-image. Finished work is kept in .cache/train/imagery and every stage goes on where it
# stopped.    scripts/train/vision/run_imagery.sh [--data DIR] [--mirror DIR] [--stop-after MINUTES]
# Measured with every picture (1,389, two views each) on one core: Python packages 2 minutes, fetching from local clones 13 s,
# pictures 5 minutes (on a busy machine), features 9 minutes (0.19 s a picture and view on an idle core, up to 2 s on a busy
# one), faces 80 s (busy), low-level numbers 90 s, comparison and head 25 s, calibration 3 s, evaluation 30 s.
# imagery_tune.py, which needs CUDA, is a comparison only and no part of it.
set -euo pipefail
cd "$(dirname "$0")/../../.."
data=../shared/data mirror=() minutes=55
while [ $# -gt 0 ]; do
  case $1 in
    --data) data=$2; shift 2 ;;
    --mirror) mirror=(--mirror "$2"); shift 2 ;;
    --stop-after) minutes=$2; shift 2 ;;
    *) echo "unknown argument $1" >&2; exit 2 ;;
  esac
done
cache="${SEAMLINE_CACHE:-$PWD/.cache}" venv="${SEAMLINE_CACHE:-$PWD/.cache}/train-venv-imagery" here=scripts/train/vision
export OMP_NUM_THREADS=1
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $here/requirements-imagery.txt
fi
py="$venv/bin/python"
"$cache/venv/bin/python" scripts/materialise/face-blazeface.py
"$cache/venv/bin/python" scripts/materialise/clip_encoder.py --features 6,8,10
"$py" $here/fetch.py ${mirror[@]+"${mirror[@]}"} imagery-open
"$py" $here/pictures.py --data "$data"
timeout "${minutes}m" "$py" $here/imagery_features.py || [ $? -eq 124 ]   # few of every source come first: it may be cut short
"$py" $here/imagery_faces.py
"$py" $here/imagery_lowlevel.py
"$py" $here/imagery_train.py
"$py" $here/imagery_calibrate.py
"$py" $here/imagery_evaluate.py --data "$data" --what "a run of the recipe"
"$py" $here/imagery_golden.py
"$py" $here/imagery_report.py
