"""How well clips are recognised in their variants: makes sources and variants, matches them, writes a table.

usage: campaign_variants.py DATA WORK PROGRAM [--sources N] [--out FILE] [--jobs N] [--pdqhash]

DATA is the data folder with its protocol.tsv; nothing of it leaves WORK, which may be deleted afterwards. PROGRAM is
target/release/examples/campaign_eval. Sources are the videos of at least 6 s, cut to 12 s, and slide shows of moving
stills (disjoint sets of photographs) with speech, for as many as are missing; all 640 x 360 or less, with sound.
Each gets the variants of VARIANTS. A match of a variant with its own source is right, with any other source wrong;
`pictures` and `sound` say which of them a variant shares. Resumable: what stands in WORK is not made again.

With --pdqhash the same frames are matched by a bag of PDQ hashes as PyPI's pdqhash makes them (share of frames within
31 bits, quality at least 50, threshold 0.5 of the variant's frames); needs scripts/fixtures/pdq-requirements.txt. With
--fpcalc the sounds are matched by Chromaprint's own tool (Debian libchromaprint-tools) as AcoustID compares raw
fingerprints: the share of equal bits at the best offset with at least 20 items in common, from 0.65 on.
"""
import argparse
import csv
import hashlib
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SECONDS = 12
FPS = 24
X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
AAC = ["-c:a", "aac", "-b:a", "96k"]
FONT_BOX = "drawbox=x=0:y=ih*0.8:w=iw:h=ih*0.2:color=white:t=fill"
# A caption in bars of changing width, so that no font is needed.
CAPTION = FONT_BOX + "".join(
    f",drawbox=x=iw*{0.05 + 0.055 * i:.3f}:y=ih*0.85:w=iw*{0.02 + 0.01 * (i * 7 % 3):.3f}:h=ih*0.09:color=black:t=fill"
    for i in range(16))
LOGO = "drawbox=x=iw*0.82:y=ih*0.05:w=iw*0.13:h=ih*0.14:color=red:t=fill,drawbox=x=iw*0.85:y=ih*0.08:w=iw*0.07:h=ih*0.08:color=white:t=fill"


def plain(vf=None, crf=23, af=None, extra=()):
    filters = (["-vf", vf] if vf else []) + (["-af", af] if af else [])
    return filters + X264 + ["-crf", str(crf)] + AAC + list(extra)


# name: (what is shared, expected speed, ffmpeg arguments or the name of a builder below)
VARIANTS = {
    "crf23": ("both", 1.0, plain()),
    "crf28": ("both", 1.0, plain(crf=28)),
    "crf33": ("both", 1.0, plain(crf=33)),
    "240p": ("both", 1.0, plain("scale=-2:240")),
    "crop10": ("both", 1.0, plain("crop=iw*0.9:ih*0.9")),
    "crop20": ("both", 1.0, plain("crop=iw*0.8:ih*0.8")),
    "mirrored": ("both", 1.0, plain("hflip")),
    "letterbox": ("both", 1.0, plain("pad=iw:trunc(ih*4/3/2)*2:0:(oh-ih)/2")),
    "pillarbox": ("both", 1.0, plain("pad=trunc(iw*1.4/2)*2:ih:(ow-iw)/2:0:color=0x203040")),
    "caption": ("both", 1.0, plain(CAPTION)),
    "logo": ("both", 1.0, plain(LOGO)),
    "speed0.9": ("both", 0.9, plain("setpts=PTS/0.9", af="atempo=0.9")),
    "speed1.1": ("both", 1.1, plain("setpts=PTS/1.1", af="atempo=1.1")),
    "trim": ("both", 1.0, plain(extra=["-ss", "3", "-t", "6.5"])),
    "grayscale": ("both", 1.0, plain("hue=s=0")),
    "brighter": ("both", 1.0, plain("eq=brightness=0.12:contrast=1.1")),
    "darker": ("both", 1.0, plain("eq=brightness=-0.12")),
    "15fps": ("both", 1.0, plain("fps=15")),
    "gif": ("pictures", 1.0, ["-vf", "fps=8,scale=320:-2", "-an"]),
    "quiet_mp3": ("both", 1.0, X264 + ["-crf", "23", "-af", "volume=0.4", "-c:a", "libmp3lame", "-b:a", "64k"]),
    "noise": ("both", 1.0, plain("noise=alls=12:allf=t")),
    "no_sound": ("pictures", 1.0, X264 + ["-crf", "26", "-an"]),
    "audio_replaced": ("pictures", 1.0, "audio_replaced"),
    "pictures_replaced": ("sound", 1.0, "pictures_replaced"),
    "splice": ("both", 1.0, "splice"),
}


def run(command, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))[:300]}\n{done.stderr[-800:]}")
    return done.stdout


def ffmpeg(arguments, out):
    part = out.with_name("part-" + out.name)
    run(["ffmpeg", "-v", "error", "-y", "-threads", "1", *arguments, part])
    part.rename(out)


def probe(path):
    return json.loads(run(["ffprobe", "-v", "error", "-show_entries", "format=duration:stream=codec_type,width,height",
                           "-of", "json", path]))


def photographs(data):
    """Paths of bona fide photographs, in the protocol's order, one a file, each picture once."""
    seen, out = set(), []
    for row in csv.DictReader((data / "protocol.tsv").open(), delimiter="\t"):
        if row["modality"] == "image" and row["label"] == "bonafide" and row["sha256"] not in seen:
            seen.add(row["sha256"])
            out.append(data / row["path"])
    return out


def speech(data):
    """Audio files of at least 5 s, as many as there are, spread over their sources."""
    rows = [r for r in csv.DictReader((data / "protocol.tsv").open(), delimiter="\t") if r["modality"] == "audio"]
    rows.sort(key=lambda r: hashlib.sha256(r["sha256"].encode()).hexdigest())
    for row in rows:
        path = data / row["path"]
        if path.suffix == ".flac" and float(probe(path)["format"]["duration"]) >= 5:
            yield path


def make_sources(data, folder, count):
    folder.mkdir(parents=True, exist_ok=True)
    small = "scale=w='min(640,iw)':h='min(360,ih)':force_original_aspect_ratio=decrease:force_divisible_by=2,fps=25"
    videos = [p for p in sorted((data / "video").rglob("*.mp4")) if float(probe(p)["format"].get("duration", 0)) >= 6]
    stills, voices, made = photographs(data), speech(data), []
    # Photographs of every n-th place, so that one source's pictures are not of one collection.
    need = max(0, count - len(videos))
    per = 6
    for i in range(count):
        out = folder / f"s{i:02}.mp4"
        made.append(out)
        spoken = [next(voices), next(voices)]
        if out.exists():
            continue
        joined = "[{0}:a]aresample=16000,aformat=channel_layouts=mono[a0];[{1}:a]aresample=16000,aformat=channel_layouts=mono[a1];[a0][a1]concat=n=2:v=0:a=1,apad[a]"
        if i < len(videos):
            ffmpeg(["-i", videos[i], "-i", spoken[0], "-i", spoken[1], "-filter_complex",
                    f"[0:v]{small}[v];" + joined.format(1, 2), "-map", "[v]", "-map", "[a]", "-t", SECONDS, "-shortest",
                    *X264, "-crf", "20", *AAC], out)
        else:
            mine = stills[i - len(videos)::need][:per]
            inputs, filters = [], ""
            for k, still in enumerate(mine):
                inputs += ["-loop", "1", "-t", "2", "-framerate", "25", "-i", still]
                pan = f"crop=w=iw*0.75:h=ih*0.75:x='(iw-ow)*{'t/2' if k % 2 else '(1-t/2)'}':y='(ih-oh)*t/2'"
                filters += f"[{k}:v]scale=960:540:force_original_aspect_ratio=increase,crop=960:540,{pan},scale=640:360,setsar=1,fps=25[v{k}];"
            filters += "".join(f"[v{k}]" for k in range(len(mine))) + f"concat=n={len(mine)}:v=1:a=0[v];"
            filters += joined.format(len(mine), len(mine) + 1)
            ffmpeg([*inputs, "-i", spoken[0], "-i", spoken[1], "-filter_complex", filters, "-map", "[v]", "-map", "[a]",
                    "-t", SECONDS, "-shortest", *X264, "-crf", "20", *AAC], out)
    return made


def make_variant(name, source, out):
    """Makes one variant of one source."""
    how = VARIANTS[name][2]
    # Foreign pictures and sound of its own for every source: what two sources share would rightly be found.
    seed = int(hashlib.sha256(f"{source.stem}{name}".encode()).hexdigest()[:6], 16)
    if how == "audio_replaced":
        ffmpeg(["-i", source, "-f", "lavfi", "-i", f"anoisesrc=c=brown:a=0.2:r=16000:d={SECONDS}:seed={seed}", "-map", "0:v", "-map", "1:a",
                "-shortest", *plain()], out)
    elif how == "pictures_replaced":
        ffmpeg(["-i", source, "-f", "lavfi", "-i", f"gradients=s=480x270:d={SECONDS}:n=6:speed=0.02:seed={seed}",
                "-map", "1:v", "-map", "0:a", "-shortest", *plain()], out)
    elif how == "splice":
        # 5 s of foreign pictures and sound (synthetic), then 6.5 s of the source from its second second on.
        ffmpeg(["-f", "lavfi", "-i", f"gradients=s=640x360:r=25:n=6:speed=0.03:seed={seed}",
                "-f", "lavfi", "-i", f"anoisesrc=c=pink:a=0.1:r=16000:seed={seed}",
                "-ss", "2", "-t", "6.5", "-i", source, "-filter_complex",
                "[0:v]trim=duration=5,setpts=PTS-STARTPTS,setsar=1[x];[2:v]scale=640:360,setsar=1,fps=25[y];"
                "[1:a]atrim=duration=5,aformat=channel_layouts=mono:sample_rates=16000[p];"
                "[2:a]aformat=channel_layouts=mono:sample_rates=16000[q];[x][p][y][q]concat=n=2:v=1:a=1[v][a]",
                "-map", "[v]", "-map", "[a]", *X264, "-crf", "25", *AAC], out)
    else:
        ffmpeg(["-i", source, *how], out)


def observe(program, clip, name, out, pdq_out=None, print_out=None):
    if print_out is not None and not print_out.exists():
        fpcalc_print(clip, print_out)
    if out.exists() and (pdq_out is None or pdq_out.exists()):
        return None
    video = next(s for s in probe(clip)["streams"] if s["codec_type"] == "video")
    size = video["width"], video["height"]
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "sound"
        has_sound = any(s["codec_type"] == "audio" for s in probe(clip)["streams"])
        if has_sound:
            run(["ffmpeg", "-v", "error", "-i", clip, "-vn", "-ac", "1", "-ar", "16000", "-f", "f32le", sound])
        else:
            sound.touch()
        frames = subprocess.run(["ffmpeg", "-v", "error", "-threads", "1", "-i", str(clip), "-an", "-vf", f"fps={FPS}",
                                 "-pix_fmt", "rgb24", "-f", "rawvideo", "-"], capture_output=True, check=True).stdout
        done = subprocess.run([str(program), "observe", str(out), name, *map(str, size), str(FPS), str(sound)],
                              input=frames, capture_output=True, check=True)
        if pdq_out is not None:
            pdq_bag(frames, size, pdq_out)
    return json.loads(done.stdout)


def pdq_bag(frames, size, out):
    import numpy as np
    import pdqhash
    step = FPS // 2
    all_frames = np.frombuffer(frames, dtype=np.uint8).reshape(-1, size[1], size[0], 3)[::step]
    rows = [pdqhash.compute(np.ascontiguousarray(f)) for f in all_frames]
    out.write_text(json.dumps([np.packbits(h.astype(np.uint8)).tobytes().hex() for h, q in rows if q >= 50]))


def bag_matches(variant, sources):
    """Names of the sources that hold at least half of the variant's frames."""
    frames = [int(h, 16) for h in variant]
    found = []
    for name, hashes in sources.items():
        near = sum(any((f ^ h).bit_count() <= 31 for h in hashes) for f in frames)
        if frames and near >= 0.5 * len(frames):
            found.append(name)
    return found


def fpcalc_print(clip, out):
    """Chromaprint's raw fingerprint of a clip's sound, empty where there is none."""
    done = subprocess.run(["fpcalc", "-raw", "-json", "-length", "0", str(clip)], capture_output=True, text=True)
    # It complains of the end of some files after having printed the whole fingerprint.
    items = json.loads(done.stdout)["fingerprint"] if done.stdout.startswith("{") else []
    out.write_text(json.dumps(items))


def fpcalc_score(a, b):
    """Share of equal bits at the best offset of two raw fingerprints, 0 where fewer than 20 items meet."""
    import numpy as np
    best = 0.0
    for offset in range(20 - len(a), len(b) - 19):
        x = a[max(0, -offset):len(b) - offset]
        y = b[max(0, offset):offset + len(a)]
        n = min(len(x), len(y))
        if n >= 20:
            best = max(best, 1 - np.unpackbits((x[:n] ^ y[:n]).view(np.uint8)).mean())
    return best


def thumbnails(clip):
    """Frames four a second, 32 x 18 grey, each with mean 0 and length 1; flat ones left out."""
    import numpy as np
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", str(clip), "-an", "-vf", "fps=4,scale=32:18", "-pix_fmt", "gray", "-f", "rawvideo", "-"],
                         capture_output=True, check=True).stdout
    frames = np.frombuffer(raw, dtype=np.uint8).reshape(-1, 32 * 18).astype(np.float32)
    frames = frames[frames.std(axis=1) >= 10]
    frames -= frames.mean(axis=1, keepdims=True)
    return frames / np.linalg.norm(frames, axis=1, keepdims=True)


def waveform(clip):
    import numpy as np
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", str(clip), "-vn", "-ac", "1", "-ar", "4000", "-f", "f32le", "-"],
                         capture_output=True, check=True).stdout
    return np.frombuffer(raw, dtype=np.float32)


def same_sound(a, b):
    """Whether two seconds of a occur in b: the largest normalised cross-correlation of waveforms is at least 0.8."""
    import numpy as np
    size = 8000
    for start in range(0, len(a) - size + 1, size // 2):
        part = a[start:start + size] - a[start:start + size].mean()
        if np.abs(part).max() < 1e-3 or len(b) < size:
            continue
        n = 1 << (len(b) + size).bit_length()
        correlation = np.fft.irfft(np.fft.rfft(b, n) * np.conj(np.fft.rfft(part, n)), n)[:len(b) - size + 1]
        energy = np.cumsum(np.concatenate([[0.0], np.asarray(b, dtype=np.float64) ** 2]))
        scale = np.sqrt(np.maximum(energy[size:] - energy[:-size], 1e-9)) * np.linalg.norm(part)
        if (correlation / scale).max() >= 0.8:
            return True
    return False


def shared_sources(sources):
    """Pairs of sources that hold the same material, found without fingerprints: grey thumbnails that correlate by 0.985 or
    more, or waveforms that do by 0.8. The data has the same photograph and the same footage in more than one file."""
    frames, sounds = {}, {}
    for s in sources:
        frames[s.stem], sounds[s.stem] = thumbnails(s), waveform(s)
    pairs = {"pictures": set(), "sound": set()}
    names = sorted(frames)
    for i, a in enumerate(names):
        for b in names[i + 1:]:
            if len(frames[a]) and len(frames[b]) and (frames[a] @ frames[b].T).max() >= 0.985:
                pairs["pictures"].add((a, b))
            if same_sound(sounds[a], sounds[b]):
                pairs["sound"].add((a, b))
    return pairs


def fpcalc_prints(folder):
    import numpy as np
    return {p.stem: np.array(json.loads(p.read_text()), dtype=np.uint32) for p in folder.glob("*.json")}


def expected_span(name):
    """Where a variant's first shared second lies in the source, and how long it is shared, in source seconds."""
    return {"trim": (3.0, 6.5), "splice": (2.0, 6.5)}.get(name, (0.0, None))


def one_material(clusters, pairs):
    """The group of each source: sources that share material, directly or through others, are one."""
    group = {name[:3]: name[:3] for name in clusters}
    for a, b in sorted(pairs):
        old, new = group[b], group[a]
        group = {k: new if g == old else g for k, g in group.items()}
    return group


def pairwise(clusters, group):
    """Precision, recall and F1 over pairs: same material against same cluster."""
    items = list(clusters.items())
    tp = fp = fn = 0
    for i, (a, ca) in enumerate(items):
        for b, cb in items[i + 1:]:
            same, together = group[a[:3]] == group[b[:3]], ca == cb
            tp += same and together
            fp += together and not same
            fn += same and not together
    precision, recall = tp / max(1, tp + fp), tp / max(1, tp + fn)
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("program", type=Path)
    parser.add_argument("--sources", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--pdqhash", action="store_true")
    parser.add_argument("--fpcalc", action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    for folder in ["sources", "variants", "pdq", "print"]:
        (args.work / "observed" / folder).mkdir(parents=True, exist_ok=True)
    (args.work / "clips").mkdir(exist_ok=True)
    sources = make_sources(args.data, args.work / "sources", args.sources)

    def pdq_of(name):
        return args.work / "observed/pdq" / f"{name}.json" if args.pdqhash else None

    def print_of(name):
        return args.work / "observed/print" / f"{name}.json" if args.fpcalc else None

    def one(job):
        i, name = job
        if name is None:
            clip, label, kind = sources[i], sources[i].stem, "sources"
        else:
            label, kind = f"{sources[i].stem}-{name}", "variants"
            clip = args.work / "clips" / (label + (".gif" if name == "gif" else ".mp4"))
            if not clip.exists():
                make_variant(name, sources[i], clip)
        return observe(args.program, clip, label, args.work / "observed" / kind / f"{label}.json", pdq_of(label), print_of(label))

    jobs = [(i, name) for i in range(len(sources)) for name in [None, *VARIANTS]]
    with ThreadPoolExecutor(args.jobs) as pool:
        costs = [c for c in pool.map(one, jobs) if c]
    lines = run([args.program, "match", args.work / "observed"]).splitlines()
    report(args, [json.loads(line) for line in lines], costs, shared_sources(sources))


def report(args, lines, costs, shared):
    rows = {name: {"n": 0, "pictures": 0, "sound": 0, "any": 0, "wrong": 0, "error": [], "speed": [], "bag": 0, "bag_wrong": 0, "print": 0, "print_wrong": 0}
            for name in VARIANTS}
    took = []
    bags = {p.stem: json.loads(p.read_text()) for p in (args.work / "observed/pdq").glob("*.json")} if args.pdqhash else {}
    source_bags = {n: [int(h, 16) for h in b] for n, b in bags.items() if "-" not in n}
    prints = fpcalc_prints(args.work / "observed/print") if args.fpcalc else {}
    wrong_pairs, rightly = [], 0
    for line in lines:
        if line["type"] != "asked":
            continue
        source, name = line["name"].split("-", 1)
        row = rows[name]
        row["n"] += 1
        took.append(line["took_ms"])
        right = [m for m in line["matches"] if m["path"] == source]
        for m in line["matches"]:
            of = "sound" if m["kind"] == "same_audio" else "pictures"
            if m["path"] != source and tuple(sorted((m["path"], source))) in shared[of]:
                rightly += 1
            elif m["path"] != source:
                row["wrong"] += 1
                wrong_pairs.append((line["name"], m["path"], m["kind"], m["score"], m.get("start_s"), m.get("end_s")))
        row["pictures"] += any(m["kind"] == "same_pictures" for m in right)
        row["sound"] += any(m["kind"] == "same_audio" for m in right)
        row["any"] += bool(right)
        start, _ = expected_span(name)
        for m in right:
            if m["kind"] == "same_pictures" and not name.startswith("splice"):
                row["error"].append(abs(m["other_start_s"] - m["start_s"] * VARIANTS[name][1] - start))
            if m["kind"] == "same_pictures" and name == "splice":
                row["error"].append(abs(m["start_s"] - 5.0 - (m["other_start_s"] - start)))
            row["speed"].append(abs(m["speed"] - VARIANTS[name][1]))
        if bags:
            found = bag_matches(bags[line["name"]], source_bags)
            row["bag"] += source in found
            row["bag_wrong"] += any(f != source for f in found)
        if prints:
            found = [n for n, p in prints.items() if "-" not in n and fpcalc_score(prints[line["name"]], p) >= 0.65]
            row["print"] += source in found
            row["print_wrong"] += any(f != source for f in found)
    clusters = {line["name"]: line["cluster"] for line in lines if line["type"] == "clip"}
    groups = one_material(clusters, shared["pictures"] | shared["sound"])
    precision, recall, f1 = pairwise(clusters, groups)
    text = [f"{len(clusters)} clips: {len([n for n in clusters if '-' not in n])} sources, {len(took)} variants. Recall is the share of variants whose own "
            "source was found, by pictures, by sound, by either; wrong is the number of matches with other sources; the "
            "error is the median and the largest distance of the start in the source from where it is, in seconds.", "",
            "| variant | shares | n | pictures | sound | either | wrong | start error, median / largest | speed error, largest |"
            + (" bag of pdqhash | its wrong |" if bags else "") + (" fpcalc | its wrong |" if prints else ""),
            "|---|---|--:|--:|--:|--:|--:|--:|--:|" + ("--:|--:|" if bags else "") + ("--:|--:|" if prints else "")]
    for name, r in rows.items():
        if r["n"] == 0:
            continue
        e = sorted(r["error"])
        text.append(f"| {name} | {VARIANTS[name][0]} | {r['n']} | {r['pictures'] / r['n']:.3f} | {r['sound'] / r['n']:.3f} | "
                    f"{r['any'] / r['n']:.3f} | {r['wrong']} | "
                    + (f"{e[len(e) // 2]:.2f} / {e[-1]:.2f}" if e else "-") + f" | {max(r['speed'], default=0):.3f} |"
                    + (f" {r['bag'] / r['n']:.3f} | {r['bag_wrong']} |" if bags else "")
                    + (f" {r['print'] / r['n']:.3f} | {r['print_wrong']} |" if prints else ""))
    n, found, wrong = (sum(r[k] for r in rows.values()) for k in ["n", "any", "wrong"])
    matched = sum(r["pictures"] + r["sound"] for r in rows.values())
    listed = lambda kind: ", ".join(f"{a}/{b}" for a, b in sorted(shared[kind])) or "none"
    text += ["", f"The data holds some photographs and footage in more than one file: the first run showed such pairs as wrong matches, and the rule that finds them, without fingerprints, was written after it. Pairs of sources that share pictures, found by correlating "
             f"grey thumbnails: {listed('pictures')}; sound, by correlating waveforms: {listed('sound')}. The {rightly} matches between such "
             "sources are neither right nor wrong here, and clusters are compared with groups of sources that share something.", "",
             f"All: recall {found / n:.4f} of {n}; precision {matched / max(1, matched + wrong):.4f} of {matched + wrong} matches; "
             f"clusters, pairwise: precision {precision:.4f}, recall {recall:.4f}, F1 {f1:.4f}; "
             f"median time of a query {sorted(took)[len(took) // 2]:.1f} ms."]
    if costs:
        ms = sorted(c["picture_ms_a_frame"] for c in costs)
        rt = sorted(c["sound_times_real_time"] for c in costs if c["sound_times_real_time"] > 0)
        text.append(f"Observing, in time on a processor: median {ms[len(ms) // 2]:.2f} ms a hashed frame (640 x 360 or less), sound "
                    f"{rt[len(rt) // 2] if rt else 0:.0f} times real time.")
    print("\n".join(text))
    for pair in wrong_pairs[:40]:
        print("wrong:", *pair, file=sys.stderr)
    if args.out:
        args.out.write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
