"""A scan from Python is the program's own."""
import math
import os
import struct
import wave
from pathlib import Path

import pytest

import seamline


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    path = tmp_path / "tone.wav"
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 16000, 0, "NONE", ""))
        out.writeframes(b"".join(struct.pack("<h", round(8000 * math.sin(i / 9))) for i in range(48000)))
    return path


def test_a_clip_gives_its_verdict_and_evidence(tone):
    clip = seamline.scan(tone)
    assert clip["verdict"]["conclusion"] == "inconclusive" or clip["verdict"]["conclusion"] == "not_assessable"
    assert clip["verdict"]["path"] == str(tone)
    reasons = {e["detector"]: e.get("reason") for e in clip["evidence"] if e["outcome"] == "abstained"}
    assert reasons["voice-whisper"] == "no_speech"
    assert {m["id"] for m in clip["run"]["models"]} >= {"voice-whisper", "face-blend"}


def test_only_the_named_detectors_run(tone):
    clip = seamline.scan(tone, detectors=["voice-whisper"])
    assert "face-blend" not in {e["detector"] for e in clip["evidence"]}


def test_one_bad_file_is_a_verdict_among_others(tone):
    bad = tone.with_name("bad.mp4")
    bad.write_text("not a video")
    by_name = {Path(c["verdict"]["path"]).name: c["verdict"] for c in seamline.scan_many([tone, bad], jobs=1)}
    assert by_name.keys() == {"tone.wav", "bad.mp4"}
    assert by_name["bad.mp4"]["conclusion"] == "not_assessable"


def test_a_caller_may_stop_half_way(tone):
    for name in "abc":
        os.link(tone, tone.with_name(f"{name}.wav"))
    clips = seamline.scan_many([tone.parent], jobs=1)
    next(clips)
    clips.close()


def test_failures_of_the_scan_itself_are_errors(tone, tmp_path, monkeypatch):
    with pytest.raises(seamline.ScanError, match="no-such-detector"):
        seamline.scan(tone, detectors=["no-such-detector"])
    with pytest.raises(IsADirectoryError):
        seamline.scan(tmp_path)
    with pytest.raises(seamline.ScanError, match="No such file"):
        seamline.scan(tone, program=tmp_path / "absent")
    monkeypatch.delenv("SEAMLINE_BIN")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(seamline.ScanError, match="SEAMLINE_BIN"):
        seamline.scan(tone)
