#!/usr/bin/env bash
# Demo clips by recipe, all redistributable: LibriVox readings (public domain, from Debian's pocketsphinx-testdata)
# as bona fide speech; speech synthesised by flite and espeak-ng as spoof; a drawn face as video; a picture that
# declares its generator. Then a scan of them.
set -euo pipefail
cd "$(dirname "$0")/.."
out="${1:-out/demo}"
clips="$out/clips"
mkdir -p "$clips"
quiet=(ffmpeg -nostdin -hide_banner -loglevel error -y)
text="Seamline reads every clip from its first frame to its last, and says what it found and what it could not judge. Nothing leaves this machine."

if [ ! -e "$clips/.done" ]; then
  echo "demo: making clips in $clips"
  i=0
  for wav in /usr/share/pocketsphinx/test/data/librivox/*.wav; do
    i=$((i + 1))
    "${quiet[@]}" -i "$wav" -c:a libmp3lame -b:a 96k "$clips/bonafide-reading-$i.mp3"
  done
  flite -voice slt -t "$text" -o "$clips/spoof-flite.wav"
  espeak-ng -v en -w "$clips/spoof-espeak.wav" "$text"
  # A drawn face that moves, over a real reading: there is a face to follow, and speech to judge.
  target/release/examples/draw_face 250 | "${quiet[@]}" -f rawvideo -pix_fmt rgb24 -s 640x480 -r 25 -i - \
    -i /usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0870.wav \
    -c:v libx264 -crf 23 -pix_fmt yuv420p -c:a aac -shortest "$clips/bonafide-voice-drawn-face.mp4"
  # The same with synthesised speech, and its last third cut off as a failed download does.
  "${quiet[@]}" -i "$clips/bonafide-voice-drawn-face.mp4" -i "$clips/spoof-flite.wav" -map 0:v -map 1:a -c:v copy -c:a aac \
    -shortest -movflags +faststart "$clips/spoof-voice-drawn-face.mp4"
  size=$(stat -c %s "$clips/spoof-voice-drawn-face.mp4")
  head -c $((size * 2 / 3)) "$clips/spoof-voice-drawn-face.mp4" >"$clips/cut-off-download.mp4"
  .cache/venv/bin/python scripts/fixtures/labelled_png.py "$clips/declares-generator.png"
  touch "$clips/.done"
fi

status=0
target/release/seamline scan "$clips" --out "$out/report.jsonl" --html "$out" || status=$?
# 1 only says that some clip could not be assessed: the drawing has no voice detector's verdict on its face, say.
[ "$status" -le 1 ] || exit "$status"
echo
echo "report:      $out/report.html"
echo "JSON Lines:  $out/report.jsonl"
