"""The light CNN of voice-whisper as ONNX nodes: log energies of equal bands, maxout convolutions, mean and deviation over time.

Its weights are this project's (`models/voice-whisper/lcnn.npz`, half precision); the network that was trained is `Lcnn` in
`scripts/train/voice/nets.py`, with the names used here. It starts from the power spectra that Whisper's front end has anyway.
"""
from __future__ import annotations

import numpy as np

import logmel
from onnx_graph import Graph

BANDS = 80
# What follows what, numbered as in nets.py: a maxout convolution (its kernel), a pool (its size), a normalisation.
LAYOUT = [("max", 5), ("pool", 2, 2), ("max", 1), ("norm",), ("max", 3), ("pool", 2, 2), ("norm",), ("max", 1), ("norm",),
          ("max", 3), ("pool", 2, 2), ("max", 1), ("norm",), ("max", 3), ("norm",), ("max", 1), ("norm",), ("max", 3), ("pool", 2, 1)]


def triangles() -> np.ndarray:
    """[bands, bins]: overlapping triangles of equal width from 0 to 8 kHz."""
    edges = np.linspace(0, logmel.BINS - 1, BANDS + 2)
    k = np.arange(logmel.BINS)[None]
    low, mid, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return np.maximum(np.minimum((k - low) / (mid - low), (high - k) / (high - mid)), 0).astype(np.float32)


def lcnn(g: Graph, power: str, weights: dict[str, np.ndarray]) -> str:
    """[n, bins, frames] power spectra -> [n, 1] logit."""

    def get(name: str) -> str:
        return g.f32("lcnn/" + name, weights[name])

    level = g.op("Max", g.op("ReduceMean", power, axes=[1, 2], keepdims=1), g.f32("floor", 1e-10))
    x = g.op("MatMul", g.f32("triangles", triangles()), g.op("Div", power, level))
    x = g.op("Div", g.op("Log", g.op("Add", x, g.f32("lcnn/floor", 1e-5))), g.f32("three", 3.0))
    x = g.op("Unsqueeze", x, g.i64(1))
    for i, (kind, *size) in enumerate(LAYOUT):
        name = f"body.{i}."
        if kind == "max":  # of each pair of maps the larger value
            width = weights[name + "conv.bias"].shape[0]
            x = g.op("Conv", x, get(name + "conv.weight"), get(name + "conv.bias"), kernel_shape=size * 2, pads=[size[0] // 2] * 4)
            halves = [g.op("Slice", x, g.i64(a), g.i64(a + width // 2), g.i64(1)) for a in (0, width // 2)]
            x = g.op("Max", *halves)
        elif kind == "pool":
            x = g.op("MaxPool", x, kernel_shape=size, strides=size)
        else:
            x = g.op("BatchNormalization", x, *(get(name + part) for part in ("weight", "bias", "running_mean", "running_var")))
    x = g.op("Reshape", x, g.i64(0, weights["head.weight"].shape[1] // 2, -1))
    mean = g.op("ReduceMean", x, axes=[2], keepdims=1)
    d = g.op("Sub", x, mean)
    deviation = g.op("Sqrt", g.op("Add", g.op("ReduceMean", g.op("Mul", d, d), axes=[2], keepdims=1), g.f32("lcnn/tiny", 1e-9)))
    x = g.op("Flatten", g.op("Concat", mean, deviation, axis=1), axis=1)
    return g.op("Add", g.op("MatMul", x, g.f32("lcnn/head", weights["head.weight"].T)), get("head.bias"))
