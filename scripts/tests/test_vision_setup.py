"""The TFLite converter: damaged files are errors, and the pinned results are reproduced byte for byte."""
import hashlib
import random
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts/materialise"))
from common import cache_dir   # noqa: E402
from pins import BLAZEFACE   # noqa: E402
from tflite_file import BadTflite, read   # noqa: E402
from tflite_to_onnx import convert   # noqa: E402

SOURCE = cache_dir() / "models/face_detection_full_range.tflite"
needs_source = pytest.mark.skipif(not SOURCE.is_file(), reason="run scripts/materialise/face-blazeface.py first")


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\0" * 4 + b"TFL3", b"\xff" * 4 + b"TFL3" + b"\xff" * 64])
def test_rubbish_is_refused(data):
    with pytest.raises(BadTflite):
        read(data)


@needs_source
def test_truncation_is_refused():
    data = SOURCE.read_bytes()
    for size in range(0, len(data) - 1, 9973):
        with pytest.raises(BadTflite):
            read(data[:size])


@needs_source
def test_damage_never_escapes_as_another_error():
    data, rng = SOURCE.read_bytes(), random.Random(1)
    tables = range(len(data) - 60_000, len(data))   # the graph; the rest of the file is weights
    for _ in range(60):
        broken = bytearray(data)
        for _ in range(8):
            broken[rng.choice(tables)] = rng.randrange(256)
        try:
            read(bytes(broken))
        except BadTflite:
            pass


@needs_source
def test_conversion_is_reproducible():
    made = convert(SOURCE.read_bytes(), ["boxes", "scores"], free_size=True)
    assert hashlib.sha256(made).hexdigest() == BLAZEFACE["onnx"]
