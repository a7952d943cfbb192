#!/bin/sh
# The whole recipe: data table, features, head, light CNN, calibration, ONNX file, card. Every stage can be run
# again; finished clips are not computed twice. Arguments go to the stages that read data (--data DIR). What each stage
# took goes to <cache>/train/voice/seconds.tsv. JOBS=1 computes the features in one process, not in two.
set -eu
cd "$(dirname "$0")"
root=../../..
cache=${SEAMLINE_CACHE:-$root/.cache}
python=$cache/train-venv/bin/python
jobs=${JOBS:-2}
export OMP_NUM_THREADS=1
mkdir -p "$cache/train/voice"

clock() { # wall and processor seconds so far; `times` counts for the shell it runs in, so not for one in $(...)
    times >"$cache/train/voice/times"
    wall=$(date +%s)
    busy=$(tail -n 1 "$cache/train/voice/times" | tr 'ms' '  ' | awk '{ printf "%d", $1 * 60 + $2 + $3 * 60 + $4 }')
}

stage() { # name, command with its arguments
    name=$1
    shift
    clock
    from=$wall used=$busy
    "$@"
    clock
    printf '%s\t%s\t%d\t%d\n' "$(date -u +%FT%TZ)" "$name" $((wall - from)) $((busy - used)) >>"$cache/train/voice/seconds.tsv"
}

environment() {
    if [ ! -x "$python" ]; then
        python3 -m venv "$cache/train-venv"
        "$python" -m pip install --quiet -r requirements.txt
    fi
}

features() {
    part=1 others=
    while [ "$part" -lt "$jobs" ]; do
        "$python" features.py "$@" --part "$part/$jobs" &
        others="$others $!"
        part=$((part + 1))
    done
    "$python" features.py "$@" --part "0/$jobs"
    for other in $others; do wait "$other"; done
}

stage environment environment
stage encoder "$python" $root/scripts/materialise/voice_whisper.py --features 6
# From the public repositories by git, or from local bare clones: MIRROR=DIR.
stage fetch "$python" fetch.py ${MIRROR:+--mirror "$MIRROR"} voice-open voice-demo
stage corpora "$python" corpora.py "$@"
stage features features "$@"
stage train "$python" train.py
# The committed light CNN stays, with its out-of-fold scores; NETWORK=1 trains it anew (README.md says how long that takes).
if [ -n "${NETWORK:-}" ]; then
    stage torch "$python" -m pip install --quiet -r requirements-nets.txt
    stage waveforms "$python" waveforms.py "$@"
    stage network "$python" waveform_nets.py --part lcnn --only bands-lcnn16 --until 0.5
fi
stage fuse "$python" fuse.py
stage calibrate "$python" calibrate.py
# For the card alone: speech quality as a condition, other calibrations, fewer layers.
stage quality "$python" quality.py "$@"
stage conditions "$python" conditions.py
stage cost "$python" cost.py
stage package "$python" package.py
stage report "$python" report.py "$@"
