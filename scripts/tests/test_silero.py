"""The one input of `speech-silero` gives what the package's three give, in one call and in several.

Run with: pytest scripts/tests/test_silero.py (needs numpy, onnxruntime and the files that scripts/setup.sh makes).
"""
from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

MODELS = Path(os.environ.get("SEAMLINE_CACHE", Path(__file__).resolve().parents[2] / ".cache")) / "models"
SOURCE, OURS = MODELS / "silero_vad.onnx.source", MODELS / "speech-silero.onnx"


@pytest.mark.skipif(not (SOURCE.is_file() and OURS.is_file()), reason="models are not set up")
def test_one_input_is_as_good_as_three():
    package, ours = (onnxruntime.InferenceSession(p.read_bytes(), providers=["CPUExecutionProvider"]) for p in (SOURCE, OURS))
    rng = np.random.default_rng(1)
    rows = rng.normal(0, 0.1, (40, 576)).astype(np.float32) * np.linspace(0, 1, 40, dtype=np.float32)[:, None]
    zero = np.zeros((1, 1, 128), np.float32)
    want, h, c = package.run(["speech_probs", "hn", "cn"], {"input": rows, "h": zero, "c": zero})
    memory, got = np.zeros((1, 576), np.float32), []
    for part in (rows[:1], rows[1:7], rows[7:]):
        probabilities, hn, cn = ours.run(["speech_probs", "hn", "cn"], {"sound": np.concatenate([memory, part])})
        got.append(probabilities)
        memory[0, :128], memory[0, 128:256] = hn.ravel(), cn.ravel()
    assert np.abs(np.concatenate(got) - want).max() < 1e-5
    assert np.abs(memory[0, :128] - h.ravel()).max() < 1e-5 and np.abs(memory[0, 128:256] - c.ravel()).max() < 1e-5
