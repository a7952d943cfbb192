"""One ONNX graph from 1.6 seconds of speech to a voice's vector, as Resemblyzer computes it.

    wave[n, 25600] at 16 kHz -> level -> mel power [n, 160, 40] -> three LSTM layers -> ReLU(linear) -> voice[n, 256]

The vector has length 1 and no negative part (Wan et al. 2018, generalised end-to-end loss). Resemblyzer sets the level of
a whole utterance to -30 dBFS, upwards only; here each window has its own, which moves vectors by some hundredths.
"""
from __future__ import annotations

import numpy as np
import onnx
from logmel import BINS, HOP, N_FFT, dft_kernel, mel_filters
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
FRAMES = 160
SAMPLES = FRAMES * HOP
MELS, HIDDEN, LAYERS = 40, 256, 3
LEVEL = 10 ** (-30 / 20)


def lstm_weights(state: dict[str, np.ndarray], layer: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W, R and B in ONNX's order of gates (i, o, f, c) from torch's (i, f, c, o)."""
    def order(w: np.ndarray) -> np.ndarray:
        i, f, c, o = np.split(w, 4)
        return np.concatenate([i, o, f, c])

    get = lambda name: order(state[f"lstm.{name}_l{layer}"])
    bias = np.concatenate([get("bias_ih"), get("bias_hh")])
    return get("weight_ih")[None], get("weight_hh")[None], bias[None]


def build(state: dict[str, np.ndarray]) -> onnx.ModelProto:
    """The graph; weights and arithmetic in single precision."""
    nodes, constants = [], {}

    def const(name: str, value) -> str:
        assert name not in constants, name
        constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def i64(name: str, *values: int) -> str:
        return const(name, np.array(values, dtype=np.int64))

    def f32(name: str, value) -> str:
        return const(name, np.asarray(value, dtype=np.float32))

    def op(kind: str, *inputs: str, out: str | None = None, outputs: list[str] | None = None, **attributes) -> str:
        outs = outputs or [out or f"t{len(nodes)}"]
        nodes.append(helper.make_node(kind, list(inputs), outs, name=f"{kind}_{len(nodes)}", **attributes))
        return outs[-1]

    power = op("ReduceMean", op("Mul", "wave", "wave"), axes=[1], keepdims=1)
    rms = op("Sqrt", op("Max", power, f32("least", 1e-20)))
    x = op("Mul", "wave", op("Max", op("Div", f32("level", LEVEL), rms), f32("unit", 1.0)))
    x = op("Pad", op("Unsqueeze", x, i64("axis1", 1)), i64("pads", 0, 0, N_FFT // 2, 0, 0, N_FFT // 2), mode="reflect")
    x = op("Conv", x, f32("dft", dft_kernel()), kernel_shape=[N_FFT], strides=[HOP])
    x = op("Mul", x, x)
    re = op("Slice", x, i64("b0", 0), i64("b1", BINS), "axis1")
    im = op("Slice", x, "b1", i64("b2", 2 * BINS), "axis1")
    x = op("MatMul", f32("mel", mel_filters(MELS)), op("Add", re, im))
    x = op("Slice", x, "b0", i64("frames", FRAMES), i64("axis2", 2))
    x = op("Transpose", x, perm=[2, 0, 1])  # [frames, n, mel]
    for layer in range(LAYERS):
        w, r, b = lstm_weights(state, layer)
        every, last = f"every{layer}", f"last{layer}"
        op("LSTM", x, f32(f"lstm{layer}/w", w), f32(f"lstm{layer}/r", r), f32(f"lstm{layer}/b", b), outputs=[every, last],
           hidden_size=HIDDEN)
        x = op("Squeeze", every, "axis1")
    hidden = op("Squeeze", last, i64("axis0", 0))  # [n, 256]
    x = op("Add", op("MatMul", hidden, f32("linear", state["linear.weight"].T)), f32("bias", state["linear.bias"]))
    x = op("Relu", x)
    length = op("Max", op("ReduceL2", x, axes=[1], keepdims=1), f32("short", 1e-12))
    op("Div", x, length, out="voice")
    graph = helper.make_graph(
        nodes, "speaker",
        [helper.make_tensor_value_info("wave", TensorProto.FLOAT, ["n", SAMPLES])],
        [helper.make_tensor_value_info("voice", TensorProto.FLOAT, ["n", HIDDEN])],
        list(constants.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="seamline")
    model.ir_version = 9
    onnx.checker.check_model(model)
    return model
