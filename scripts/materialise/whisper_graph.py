"""One ONNX graph from waveform to pooled Whisper encoder features or to a logit.

    wave[n, 48000] -> power spectra -> log-mel -> conv stem -> positions -> first layers -> mean and std over time
                                    -> light CNN (lcnn_graph.py)

With a head the pooled features of its layers become `logit[n]`, with a light CNN the weighted sum of both; without a head
they are all exposed as `layer_1`, `layer_2`, ... (each [n, 2 * width]) for training, so both see the same arithmetic. So are
`step_0`, `step_1`, ... (each [n, width]): how much each value changes from frame to frame, 0 being the convolutions' output.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper

import logmel
from lcnn_graph import lcnn
from onnx_graph import Graph

OPSET = 17
SAMPLES = 48000
FRAMES = SAMPLES // logmel.HOP
STEPS = FRAMES // 2


class Head(NamedTuple):
    """A linear head with its standardiser folded in: logit = sum(weight * pooled) + bias."""

    layers: list[int]  # 1-based, ascending
    weight: np.ndarray  # per layer: means, then standard deviations, [2 * width]; then per entry of steps [width]
    bias: float
    steps: list[int] = []  # whose change from frame to frame is used too, ascending, 0 for the convolutions' output


class Fusion(NamedTuple):
    """logit = shares[0] * head + shares[1] * light CNN."""

    shares: tuple[float, float]
    network: dict[str, np.ndarray]


def _power(g: Graph, wave: str) -> str:
    """[n, samples] -> [n, bins, frames] power spectra, edges reflected as Whisper has them."""
    half = logmel.N_FFT // 2
    x = g.op("Unsqueeze", wave, g.i64(1))
    x = g.op("Pad", x, g.i64(0, 0, half, 0, 0, half), mode="reflect")
    x = g.op("Conv", x, g.f32("dft", logmel.dft_kernel()), kernel_shape=[logmel.N_FFT], strides=[logmel.HOP])
    x = g.op("Slice", x, g.i64(0), g.i64(FRAMES), g.i64(2))  # Whisper drops the last frame
    x = g.op("Mul", x, x)
    re = g.op("Slice", x, g.i64(0), g.i64(logmel.BINS), g.i64(1))
    im = g.op("Slice", x, g.i64(logmel.BINS), g.i64(2 * logmel.BINS), g.i64(1))
    return g.op("Add", re, im)


def _log_mel(g: Graph, power: str) -> str:
    """[n, bins, frames] -> [n, 80, frames] as Whisper computes it."""
    x = g.op("MatMul", g.f32("mel", logmel.mel_filters()), power)
    x = g.op("Log", g.op("Max", x, g.f32("floor", 1e-10)))
    x = g.op("Mul", x, g.f32("log10_e", 0.4342944819032518))
    top = g.op("ReduceMax", x, axes=[1, 2], keepdims=1)
    x = g.op("Max", x, g.op("Sub", top, g.f32("eight", 8.0)))
    return g.op("Mul", g.op("Add", x, g.f32("four", 4.0)), g.f32("quarter", 0.25))


def _gelu(g: Graph, x: str) -> str:
    """The exact GELU, spelt so that ONNX Runtime recognises and fuses it."""
    y = g.op("Add", g.op("Erf", g.op("Div", x, g.f32("sqrt2", 2.0**0.5))), g.f32("one", 1.0))
    return g.op("Mul", g.op("Mul", x, y), g.f32("half", 0.5))


def _layer(g: Graph, x: str, weights: dict[str, np.ndarray], index: int, heads: int, width: int) -> str:
    """One pre-norm transformer layer."""
    prefix = f"encoder/layer_{index}/"

    def get(name: str, transpose: bool = False) -> str:
        value = weights[prefix + name].astype(np.float32)
        return g.f32(f"l{index}/{name}", value.T if transpose else value)

    def norm(x: str, name: str) -> str:
        return g.op("LayerNormalization", x, get(name + "/gamma"), get(name + "/beta"), axis=-1, epsilon=1e-5)

    def linear(x: str, name: str) -> str:
        return g.op("Add", g.op("MatMul", x, get(name + "/weight", True)), get(name + "/bias"))

    size = width // heads
    h = linear(norm(x, "self_attention/layer_norm"), "self_attention/linear_0")
    parts = []
    for i in range(3):
        part = g.op("Slice", h, g.i64(i * width), g.i64((i + 1) * width), g.i64(2))
        part = g.op("Reshape", part, g.i64(0, STEPS, heads, size))
        parts.append(g.op("Transpose", part, perm=[0, 2, 3, 1] if i == 1 else [0, 2, 1, 3]))
    q, k, v = parts
    scores = g.op("MatMul", g.op("Mul", q, g.f32("scale", size**-0.5)), k)
    h = g.op("MatMul", g.op("Softmax", scores, axis=-1), v)
    h = g.op("Reshape", g.op("Transpose", h, perm=[0, 2, 1, 3]), g.i64(0, STEPS, width))
    x = g.op("Add", x, linear(h, "self_attention/linear_1"))
    h = linear(norm(x, "ffn/layer_norm"), "ffn/linear_0")
    return g.op("Add", x, linear(_gelu(g, h), "ffn/linear_1"))


def _pool(g: Graph, x: str, out: str | None) -> str:
    """[n, time, width] -> [n, 2 * width]: mean and population standard deviation over time."""
    mean = g.op("ReduceMean", x, axes=[1], keepdims=1)
    d = g.op("Sub", x, mean)
    std = g.op("Sqrt", g.op("ReduceMean", g.op("Mul", d, d), axes=[1], keepdims=1))
    return g.op("Flatten", g.op("Concat", mean, std, axis=2), out=out, axis=1)


def _step(g: Graph, x: str, out: str | None) -> str:
    """[n, time, width] -> [n, width]: root mean square of the change from one frame to the next."""
    frames = [g.op("Slice", x, g.i64(a), g.i64(a + STEPS - 1), g.i64(1)) for a in (0, 1)]
    d = g.op("Sub", frames[1], frames[0])
    return g.op("Flatten", g.op("Sqrt", g.op("ReduceMean", g.op("Mul", d, d), axes=[1], keepdims=1)), out=out, axis=1)


def build(weights: dict[str, np.ndarray], *, head: Head | None = None, fusion: Fusion | None = None,
          expose: int = 0) -> onnx.ModelProto:
    """The graph with `head` (and `fusion`), or with the pooled features of the first `expose` layers as outputs."""
    heads = int(weights["encoder/num_heads"])
    width = weights["encoder/conv1/weight"].shape[0]
    wanted = head.layers if head else list(range(1, expose + 1))
    steps = head.steps if head else list(range(expose + 1))
    g = Graph()
    power = _power(g, "wave")
    x = _log_mel(g, power)
    for name, stride in (("conv1", 1), ("conv2", 2)):
        w = weights[f"encoder/{name}/weight"].astype(np.float32)
        b = weights[f"encoder/{name}/bias"].astype(np.float32)
        x = g.op("Conv", x, g.f32(name + "/w", w), g.f32(name + "/b", b), kernel_shape=[3], strides=[stride], pads=[1, 1])
        x = _gelu(g, x)
    x = g.op("Transpose", x, perm=[0, 2, 1])
    changes = [_step(g, x, None if head else "step_0")] if 0 in steps else []
    positions = weights["encoder/position_encodings/encodings"][:STEPS].astype(np.float32)
    x = g.op("Add", x, g.f32("positions", positions))
    pooled = []
    for layer in range(1, max(wanted + steps) + 1):
        x = _layer(g, x, weights, layer - 1, heads, width)
        if layer in wanted:
            pooled.append(_pool(g, x, None if head else f"layer_{layer}"))
        if layer in steps:
            changes.append(_step(g, x, None if head else f"step_{layer}"))
    if head:
        pooled += changes
        y = g.op("Concat", *pooled, axis=1) if len(pooled) > 1 else pooled[0]
        y = g.op("MatMul", y, g.f32("head/weight", head.weight.reshape(-1, 1)))
        y = g.op("Add", y, g.f32("head/bias", [head.bias]))
        if fusion:
            mine, theirs = (g.f32(f"share/{i}", share) for i, share in enumerate(fusion.shares))
            y = g.op("Add", g.op("Mul", y, mine), g.op("Mul", lcnn(g, power, fusion.network), theirs))
        g.op("Reshape", y, g.i64(-1), out="logit")
        outputs = [helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n"])]
    else:
        outputs = [helper.make_tensor_value_info(p, TensorProto.FLOAT, ["n", 2 * width]) for p in pooled]
        outputs += [helper.make_tensor_value_info(p, TensorProto.FLOAT, ["n", width]) for p in changes]
    wave = helper.make_tensor_value_info("wave", TensorProto.FLOAT, ["n", SAMPLES])
    graph = helper.make_graph(g.nodes, "voice-whisper", [wave], outputs, initializer=g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8,
                              producer_name="seamline")
    onnx.checker.check_model(model)
    return model
