#!/usr/bin/env bash
# A campaign by recipe: one clip that may be redistributed (a drawn face over a LibriVox reading), cut fifty ways as such
# clips are, posted by invented channels over ten days, and three clips that have nothing to do with it. They are recorded,
# linked, and shown on one page.
set -euo pipefail
cd "$(dirname "$0")/.."
out="${1:-out/demo-campaign}"
clips="$out/clips"
seamline=target/release/seamline
librivox=/usr/share/pocketsphinx/test/data/librivox
quiet=(ffmpeg -nostdin -hide_banner -loglevel error -y)
x264=(-c:v libx264 -preset ultrafast -pix_fmt yuv420p)
mkdir -p "$clips"

if [ ! -e "$clips/.done" ]; then
  echo "demo-campaign: making clips in $clips"
  original="$clips/original.mp4"
  # What moves behind the face tells one second from the next.
  target/release/examples/draw_face 300 | "${quiet[@]}" -f rawvideo -pix_fmt rgb24 -s 640x480 -r 25 -i - \
    -f lavfi -i "gradients=s=640x480:r=25:n=6:speed=0.02:seed=7" \
    -i "$librivox/sense_and_sensibility_01_austen_64kb-0870.wav" \
    -filter_complex "[1:v][0:v]blend=all_mode=average[v]" -map "[v]" -map 2:a "${x264[@]}" -crf 20 -c:a aac -shortest "$original"
  # Video filter, sound filter and encoder settings of each cut; ten pictures' treatments by five sounds' treatments.
  pictures=("null" "hflip" "crop=iw*0.9:ih*0.9" "scale=-2:240" "hue=s=0" "eq=brightness=0.1:contrast=1.1"
    "pad=iw:trunc(ih*4/3/2)*2:0:(oh-ih)/2" "drawbox=x=iw*0.82:y=ih*0.05:w=iw*0.13:h=ih*0.14:color=red:t=fill"
    "drawbox=x=0:y=ih*0.85:w=iw:h=ih*0.15:color=white:t=fill" "noise=alls=10:allf=t")
  sounds=("anull" "volume=0.5" "highpass=f=200" "lowpass=f=5000" "aecho=0.8:0.7:25:0.2")
  n=0
  for i in "${!pictures[@]}"; do
    for j in "${!sounds[@]}"; do
      n=$((n + 1))
      "${quiet[@]}" -ss "$(((n % 4))).$((n % 10))" -i "$original" -vf "${pictures[$i]}" -af "${sounds[$j]}" "${x264[@]}" \
        -crf $((22 + n % 12)) -c:a aac -b:a 64k "$clips/$(printf 'cut-%02d.mp4' "$n")"
    done
  done
  others=("mandelbrot=s=480x270:r=25" "testsrc2=s=480x270:r=25" "life=s=480x270:r=25:mold=10:ratio=0.1:seed=3")
  for n in 1 2 3; do
    wav=$(find "$librivox" -name '*.wav' | sort | sed -n "$((n + 1))p")
    "${quiet[@]}" -f lavfi -i "${others[$((n - 1))]}" -i "$wav" -t 8 "${x264[@]}" -crf 23 -c:a aac -shortest \
      "$clips/unrelated-$n.mp4"
  done
  touch "$clips/.done"
fi

# Who posted what, when: invented, and said to be so by its names.
rm -rf "$out/seen.db"*
channels=(invented_news invented_daily invented_front invented_voice invented_mirror invented_echo)
: >"$out/sightings.ndjson"
n=0
for clip in "$clips"/*.mp4; do
  n=$((n + 1))
  for post in $(seq 0 $((n % 3))); do
    printf '{"path":"%s","channel":"@%s","url":"https://example.org/%d-%d","seen_at":"2026-11-%02dT%02d:%02d:00Z"}\n' "$clip" \
      "${channels[$(((n + post) % 6))]}" "$n" "$post" $((1 + (n + 3 * post) / 6)) $(((n * 5 + post) % 24)) $((n * 7 % 60)) >>"$out/sightings.ndjson"
  done
done

status=0
"$seamline" scan "$clips" --quiet --detectors voice-whisper --store "$out/seen.db" --sightings "$out/sightings.ndjson" || status=$?
[ "$status" -le 1 ] || exit "$status"
"$seamline" campaign list --store "$out/seen.db"
id=$("$seamline" campaign list --store "$out/seen.db" --limit 1 | awk '{print $1}')
"$seamline" campaign name "$id" "Demonstration: one clip in fifty cuts" --author demo --store "$out/seen.db" >/dev/null
"$seamline" campaign export "$id" --format html --store "$out/seen.db" >"$out/campaign.html"
"$seamline" campaign export "$id" --format stix --store "$out/seen.db" >"$out/campaign.stix.json"
"$seamline" store check --store "$out/seen.db"
echo
echo "page:  $out/campaign.html"
echo "STIX:  $out/campaign.stix.json"
