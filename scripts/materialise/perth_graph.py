"""One ONNX graph from two seconds of sound to Perth's confidence.

    wave[n, 32000] at 16 kHz -> log magnitudes -> three stacks of convolutions at three speeds -> score[n]

Perth works at 32 kHz with frames of 2,048 samples every 320. Only what lies below 2 kHz carries its mark, so half
the rate with half the frame and half the hop gives the same bins; each magnitude is doubled, since half as many
samples are added up.
"""
from __future__ import annotations

import math

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
SAMPLES = 32000
N_FFT, HOP = 1024, 160
BINS = N_FFT // 2 + 1
FRAMES = SAMPLES // HOP + 1
SUBBAND = 128  # round(1025 * 2000 / 16000): the mark's bins
# 20 * log10(|X|), floor 1e-9, to 0 at the floor and 1 at 15 dB over full scale
FLOOR, SHIFT, SPAN = 1e-9, 180.0, 195.0
MASK = 0.05  # frames quieter than this part of the loudest are left out
SLOPE = 0.01  # of the leaky units
BRANCHES = (("slow", 1.25), ("normal", 1.0), ("fast", 0.75))


def dft_kernel() -> np.ndarray:
    """[2 * 513, 1, 1024]: periodic Hann window times cosine rows, then sine rows, doubled."""
    turn = [2 * math.pi * i / N_FFT for i in range(N_FFT)]
    cos, sin = np.array([math.cos(a) for a in turn]), np.array([math.sin(a) for a in turn])
    window = 2.0 * (0.5 - 0.5 * cos)
    index = np.outer(np.arange(BINS), np.arange(N_FFT)) % N_FFT
    return np.concatenate([window * cos[index], window * sin[index]]).astype(np.float32)[:, None, :]


def stretch(size: int) -> np.ndarray:
    """[FRAMES, size]: linear interpolation whose first and last points stay where they are."""
    out = np.zeros((FRAMES, size))
    for i in range(size):
        at = i * (FRAMES - 1) / (size - 1)
        low = min(int(at), FRAMES - 2)
        out[low, i], out[low + 1, i] = 1 - (at - low), at - low
    return out.astype(np.float32)


def build(weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    """The graph from the decoder's tensors; weights stay in half precision, arithmetic is in single."""
    nodes, constants = [], {}

    def const(name: str, value: np.ndarray) -> str:
        constants.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def f32(name: str, value) -> str:
        return const(name, np.asarray(value, dtype=np.float32))

    def i64(name: str, *values: int) -> str:
        return const(name, np.array(values, dtype=np.int64))

    def op(kind: str, *inputs: str, out: str | None = None, **attributes) -> str:
        out = out or f"t{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [out], name=f"{kind}_{len(nodes)}", **attributes))
        return out

    def half(name: str, value: np.ndarray) -> str:
        return op("Cast", const(name, value.astype(np.float16)), to=TensorProto.FLOAT)

    x = op("Unsqueeze", "wave", i64("axis1", 1))
    x = op("Pad", x, i64("pads", 0, 0, N_FFT // 2, 0, 0, N_FFT // 2), mode="reflect")
    x = op("Conv", x, f32("dft", dft_kernel()), kernel_shape=[N_FFT], strides=[HOP])
    x = op("Mul", x, x)
    re = op("Slice", x, i64("b0", 0), i64("b1", BINS), i64("axis1", 1))
    im = op("Slice", x, i64("b1", BINS), i64("b2", 2 * BINS), i64("axis1", 1))
    power = op("Max", op("Add", re, im), f32("floor", FLOOR**2))
    # 20 log10 |X| = 10 log10 of the power
    x = op("Mul", op("Log", power), f32("decibel", 10 / math.log(10)))
    x = op("Div", op("Add", x, f32("shift", SHIFT)), f32("span", SPAN))
    loud = op("ReduceSum", x, i64("axis1", 1), keepdims=1)
    least = op("Mul", op("ReduceMax", loud, axes=[2], keepdims=1), f32("part", MASK))
    mask = op("Cast", op("Greater", loud, least), to=TensorProto.FLOAT)
    band = op("Slice", x, i64("b0", 0), i64("sub", SUBBAND), i64("axis1", 1))
    branches = []
    for name, speed in BRANCHES:
        size = int(FRAMES * speed)
        h, m = band, mask
        if size != FRAMES:
            h = op("MatMul", band, f32(f"{name}/stretch", stretch(size)))
            nearest = [i * FRAMES // size for i in range(size)]
            m = op("Gather", mask, i64(f"{name}/nearest", *nearest), axis=2)
        for layer in range(7):
            prefix = f"decoder.{name}_layers.{layer}.conv."
            w = weights[prefix + "weight"]
            k = w.shape[2]
            h = op("Conv", h, half(f"{name}{layer}/w", w), half(f"{name}{layer}/b", weights[prefix + "bias"]),
                   kernel_shape=[k], pads=[k // 2, k // 2])
            if layer < 6:
                h = op("LeakyRelu", h, alpha=SLOPE)
        total = op("ReduceSum", op("Mul", h, m), i64("axis2", 2), keepdims=1)
        branches.append(op("Div", total, op("ReduceSum", m, i64("axis2", 2), keepdims=1)))  # [n, 2, 1]
    both = op("Concat", *branches, axis=2)
    attention = op("Slice", both, i64("b0", 0), i64("one", 1), i64("axis1", 1))
    marks = op("Slice", both, i64("one", 1), i64("two", 2), i64("axis1", 1))
    y = op("Mul", marks, op("Softmax", attention, axis=2))
    op("ReduceSum", y, i64("axes12", 1, 2), keepdims=0, out="score")
    graph = helper.make_graph(
        nodes, "perth",
        [helper.make_tensor_value_info("wave", TensorProto.FLOAT, ["n", SAMPLES])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])],
        list(constants.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="seamline")
    model.ir_version = 9
    onnx.checker.check_model(model)
    return model
