#!/bin/sh
# The whole recipe: data table, features, head, light CNN, calibration, ONNX file, card. Every stage can be run
# again; finished clips are not computed twice. Arguments go to the stages that read data (--data DIR).
set -eu
cd "$(dirname "$0")"
root=../../..
cache=${SEAMLINE_CACHE:-$root/.cache}
python=$cache/train-venv/bin/python
export OMP_NUM_THREADS=1
if [ ! -x "$python" ]; then
    python3 -m venv "$cache/train-venv"
    "$python" -m pip install --quiet -r requirements.txt
fi
"$python" $root/scripts/materialise/voice_whisper.py --features 6
# From the public repositories by git, or from local bare clones: MIRROR=DIR.
"$python" fetch.py ${MIRROR:+--mirror "$MIRROR"} voice-open voice-demo
"$python" corpora.py "$@"
"$python" features.py "$@" --part 0/2 &
"$python" features.py "$@" --part 1/2
wait $!
"$python" train.py
# The committed light CNN stays, with its out-of-fold scores; NETWORK=1 trains it anew (README.md says how long that takes).
if [ -n "${NETWORK:-}" ]; then
    "$python" -m pip install --quiet -r requirements-nets.txt
    "$python" waveforms.py "$@"
    "$python" waveform_nets.py --part lcnn --only bands-lcnn16 --until 0.5
fi
"$python" fuse.py
"$python" calibrate.py
"$python" package.py
"$python" report.py "$@"
