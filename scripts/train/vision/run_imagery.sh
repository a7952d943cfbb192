#!/usr/bin/env bash
# The whole recipe of synthetic-image. Finished work is kept in .cache/train/imagery and every stage goes on where it
# stopped.    scripts/train/vision/run_imagery.sh [--data DIR] [--mirror DIR] [--stop-after MINUTES]
# On one idle core: pictures 5 minutes, features 0.4 s a picture and view (1,115 pictures: 15 minutes), the rest 10 minutes.
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
