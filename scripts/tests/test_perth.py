"""Perth's materialiser: a checkpoint can name nothing but tensors, and the graph computes what it should.

Run with: pytest scripts/tests/test_perth.py (needs numpy, onnx, onnxruntime; random weights, nothing is downloaded).
"""
from __future__ import annotations

import io
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "materialise"))

import perth_graph as graph  # noqa: E402
import torch_zip  # noqa: E402


def checkpoint(pickled: bytes) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("archive/data.pkl", pickled)
        z.writestr("archive/data/0", np.arange(6, dtype="<f4").tobytes())
    out.seek(0)
    return out


@pytest.mark.parametrize("value", [print, Path("x"), np.float64(1)])
def test_a_checkpoint_that_names_anything_else_is_refused(value):
    with pytest.raises(pickle.UnpicklingError, match="names"):
        torch_zip.read(checkpoint(pickle.dumps(value)))


def test_views_are_rebuilt_and_bounded():
    storage = np.arange(6, dtype=np.float32)
    assert torch_zip._view(storage, 0, (2, 3), (3, 1)).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert torch_zip._view(storage, 1, (2,), (3,)).tolist() == [1, 4]
    for bad in [(0, (3, 3), (3, 1)), (5, (2,), (1,)), (-1, (1,), (1,)), (0, (2,), (-1,))]:
        with pytest.raises(ValueError):
            torch_zip._view(storage, *bad)


def weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    out = {}
    for name, _ in graph.BRANCHES:
        sizes = [graph.SUBBAND, *[8] * 6, 2]
        for layer in range(7):
            k = 1 if layer in (0, 6) else 7
            prefix = f"decoder.{name}_layers.{layer}.conv."
            out[prefix + "weight"] = (rng.standard_normal((sizes[layer + 1], sizes[layer], k)) * 0.2).astype(np.float32)
            out[prefix + "bias"] = (rng.standard_normal(sizes[layer + 1]) * 0.1).astype(np.float32)
    return out


def reference(wave: np.ndarray, w: dict[str, np.ndarray]) -> float:
    """The same in plain numpy, with an FFT in place of the convolution."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(graph.N_FFT) / graph.N_FFT)
    padded = np.pad(wave.astype(np.float64), graph.N_FFT // 2, mode="reflect")
    frames = [padded[s:s + graph.N_FFT] for s in range(0, len(padded) - graph.N_FFT + 1, graph.HOP)]
    size = 2 * np.abs(np.fft.rfft(np.array(frames) * window)).T
    level = (20 * np.log10(np.maximum(size, graph.FLOOR)) + graph.SHIFT) / graph.SPAN
    loud = level.sum(axis=0)
    mask = (loud > graph.MASK * loud.max()).astype(float)
    values, attention = [], []
    for name, speed in graph.BRANCHES:
        n = int(graph.FRAMES * speed)
        x = level[:graph.SUBBAND]
        if n != graph.FRAMES:
            at = np.arange(n) * (graph.FRAMES - 1) / (n - 1)
            x = np.array([np.interp(at, np.arange(graph.FRAMES), row) for row in x])
        m = mask[np.arange(n) * graph.FRAMES // n]
        for layer in range(7):
            prefix = f"decoder.{name}_layers.{layer}.conv."
            k = w[prefix + "weight"].astype(np.float16).astype(np.float64)
            b = w[prefix + "bias"].astype(np.float16).astype(np.float64)
            p = np.pad(x, ((0, 0), (k.shape[2] // 2,) * 2))
            x = sum(k[:, :, i] @ p[:, i:i + n] for i in range(k.shape[2])) + b[:, None]
            if layer < 6:
                x = np.where(x > 0, x, graph.SLOPE * x)
        attention.append((x[0] * m).sum() / m.sum())
        values.append((x[1] * m).sum() / m.sum())
    e = np.exp(np.array(attention) - max(attention))
    return float((np.array(values) * e).sum() / e.sum())


def test_the_graph_computes_what_the_formulas_say():
    w = weights()
    model = graph.build(w)
    assert model.SerializeToString(deterministic=True) == graph.build(w).SerializeToString(deterministic=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    rng = np.random.default_rng(1)
    wave = (rng.standard_normal(graph.SAMPLES) * np.linspace(0, 0.3, graph.SAMPLES)).astype(np.float32)
    got = session.run(None, {"wave": wave[None]})[0]
    assert got.shape == (1,)
    assert abs(float(got[0]) - reference(wave, w)) < 1e-3
