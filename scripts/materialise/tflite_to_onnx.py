"""Convert the small convolutional TFLite models of this project to ONNX (opset 17).

Why not an existing converter: they import TensorFlow (500 MB) and write files that depend on their version. This
one needs numpy and onnx, covers the operators that BlazeFace and the face landmark net use and refuses all others.

- TFLite is NHWC; the result is NCHW from the input on. Transposes appear only before a reshape that flattens.
- The batch dimension is free; with `free_size` height and width are free too (multiples of `STRIDE`).
- float16 weights become float32 (exact).
- "SAME" padding becomes explicit padding, because its asymmetry depends on the size and stride.
"""
from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tflite_file import BadTflite, Graph, Op, read

ADD, CONCAT, CONV, DEPTHWISE, DEQUANTIZE, LOGISTIC, MAX_POOL = 0, 2, 3, 4, 6, 14, 17
RELU, RELU6, RESHAPE, RESIZE_BILINEAR, PAD, PRELU = 19, 21, 22, 23, 34, 54
SAME = 0
TO_NCHW = [0, 3, 1, 2]
TO_NHWC = [0, 2, 3, 1]
# With inputs that are multiples of this, "SAME" padding is k - s everywhere and does not depend on the size.
STRIDE = 32


class Converter:
    """Walks the operators in file order, which TFLite guarantees to be a valid execution order."""

    def __init__(self, graph: Graph, outputs: dict[int, str], input_name: str, free_size: bool):
        self.g, self.free_size = graph, free_size
        self.nodes: list[onnx.NodeProto] = []
        self.inits: list[onnx.TensorProto] = []
        self.const: dict[int, np.ndarray] = {i: t.value for i, t in enumerate(graph.tensors) if t.value is not None}
        self.names: dict[int, str] = {graph.inputs[0]: input_name, **outputs}
        self.count = 0

    # --- helpers ---
    def name(self, index: int) -> str:
        return self.names.get(index, f"t{index}")

    def fresh(self) -> str:
        self.count += 1
        return f"x{self.count}"

    def init(self, value: np.ndarray) -> str:
        name = f"w{len(self.inits)}"
        self.inits.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def emit(self, kind: str, inputs: list[str], output: str | None = None, **attrs) -> str:
        output = output or self.fresh()
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"n{len(self.nodes)}", **attrs))
        return output

    def shape(self, index: int) -> list[int]:
        return self.g.tensors[index].shape

    def constant(self, index: int) -> np.ndarray:
        if index not in self.const:
            raise BadTflite(f"tensor {index} should be constant")
        value = self.const[index]
        return value.astype(np.float32) if value.dtype == np.float16 else value

    def operand(self, index: int) -> str:
        """An input of an elementwise operator: a constant is laid out NCHW first."""
        if index not in self.const:
            return self.name(index)
        value = self.constant(index)
        if value.ndim == 4:
            value = value.transpose(TO_NCHW)
        elif value.ndim == 3:
            value = value.transpose(2, 0, 1)
        return self.init(value)

    def finish(self, kind: str, inputs: list[str], out: int, activation: int, **attrs) -> None:
        """Emit an operator and its fused activation."""
        if activation == 0:
            self.emit(kind, inputs, self.name(out), **attrs)
            return
        self.activate(self.emit(kind, inputs, **attrs), out, activation)

    def activate(self, value: str, out: int, activation: int) -> None:
        if activation == 1:
            self.emit("Relu", [value], self.name(out))
        elif activation == 3:
            limits = [self.init(np.float32(v)) for v in (0, 6)]
            self.emit("Clip", [value, *limits], self.name(out))
        else:
            raise BadTflite(f"fused activation {activation} is not supported")

    def pads(self, op: Op, kernel: list[int], strides: list[int], dilations: list[int], padding: int) -> list[int]:
        if padding != SAME:
            return [0, 0, 0, 0]
        size = self.shape(op.inputs[0])[1:3]
        begin, end = [], []
        for n, k, s, d in zip(size, kernel, strides, dilations):
            total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            begin.append(total // 2)
            end.append(total - total // 2)
        return begin + end

    # --- operators ---
    def conv(self, op: Op, depthwise: bool) -> None:
        o = op.options
        act, dil = (4, 5) if depthwise else (3, 4)
        strides = [o.num(2, "i", 1), o.num(1, "i", 1)]
        dilations = [o.num(dil + 1, "i", 1), o.num(dil, "i", 1)]
        weight = self.constant(op.inputs[1])
        channels = self.shape(op.inputs[0])[3]
        if depthwise:   # [1, kh, kw, out] -> [out, 1, kh, kw]
            weight = weight.transpose(3, 0, 1, 2)
        else:           # [out, kh, kw, in] -> [out, in, kh, kw]
            weight = weight.transpose(0, 3, 1, 2)
        kernel = list(weight.shape[2:])
        inputs = [self.name(op.inputs[0]), self.init(weight)]
        if len(op.inputs) > 2 and op.inputs[2] >= 0:
            inputs.append(self.init(self.constant(op.inputs[2])))
        self.finish("Conv", inputs, op.outputs[0], o.num(act, "b"), kernel_shape=kernel, strides=strides,
                    dilations=dilations, group=channels if depthwise else 1,
                    pads=self.pads(op, kernel, strides, dilations, o.num(0, "b")))

    def max_pool(self, op: Op) -> None:
        o = op.options
        strides, kernel = [o.num(2, "i", 1), o.num(1, "i", 1)], [o.num(4, "i", 1), o.num(3, "i", 1)]
        self.finish("MaxPool", [self.name(op.inputs[0])], op.outputs[0], o.num(5, "b"), kernel_shape=kernel,
                    strides=strides, pads=self.pads(op, kernel, strides, [1, 1], o.num(0, "b")))

    def pad(self, op: Op) -> None:
        amount = self.constant(op.inputs[1]).astype(np.int64)
        if amount.shape != (4, 2):
            raise BadTflite("only 4-D padding is supported")
        amount = amount[TO_NCHW]
        pads = self.init(np.concatenate([amount[:, 0], amount[:, 1]]))
        self.emit("Pad", [self.name(op.inputs[0]), pads], self.name(op.outputs[0]), mode="constant")

    def reshape(self, op: Op) -> None:
        source, target = self.shape(op.inputs[0]), self.shape(op.outputs[0])
        value = self.name(op.inputs[0])
        if len(target) == 4 or source[0] != target[0]:
            raise BadTflite(f"reshape {source} -> {target} is not supported")
        if len(source) == 4:
            value = self.emit("Transpose", [value], perm=TO_NHWC)
        # 0 copies the batch dimension, which keeps it free
        inner = [-1, *target[2:]] if self.free_size else target[1:]
        shape = self.init(np.array([0, *inner], np.int64))
        self.emit("Reshape", [value, shape], self.name(op.outputs[0]))

    def concat(self, op: Op) -> None:
        axis, rank = op.options.num(0, "i"), len(self.shape(op.outputs[0]))
        axis = axis + rank if axis < 0 else axis
        axis = TO_NCHW.index(axis) if rank == 4 else axis
        self.finish("Concat", [self.name(i) for i in op.inputs], op.outputs[0], op.options.num(1, "b"), axis=axis)

    def resize(self, op: Op) -> None:
        source, target = self.shape(op.inputs[0]), self.shape(op.outputs[0])
        align, half = op.options.num(2, "b"), op.options.num(3, "b")
        mode = "align_corners" if align else "half_pixel" if half else "asymmetric"
        scales = self.init(np.array([1, 1, target[1] / source[1], target[2] / source[2]], np.float32))
        self.emit("Resize", [self.name(op.inputs[0]), "", scales], self.name(op.outputs[0]), mode="linear",
                  coordinate_transformation_mode=mode)

    def convert(self, op: Op) -> None:
        code = op.code
        if code == DEQUANTIZE and op.inputs[0] in self.const:
            self.const[op.outputs[0]] = self.constant(op.inputs[0])
        elif code in (CONV, DEPTHWISE):
            self.conv(op, code == DEPTHWISE)
        elif code == ADD:
            activation = op.options.num(0, "b") if op.options else 0
            self.finish("Add", [self.operand(i) for i in op.inputs], op.outputs[0], activation)
        elif code == PRELU:
            self.emit("PRelu", [self.name(op.inputs[0]), self.operand(op.inputs[1])], self.name(op.outputs[0]))
        elif code == MAX_POOL:
            self.max_pool(op)
        elif code == PAD:
            self.pad(op)
        elif code == RESHAPE:
            self.reshape(op)
        elif code == CONCAT:
            self.concat(op)
        elif code == RESIZE_BILINEAR:
            self.resize(op)
        elif code in (RELU, RELU6):
            self.activate(self.name(op.inputs[0]), op.outputs[0], 1 if code == RELU else 3)
        elif code == LOGISTIC:
            self.emit("Sigmoid", [self.name(op.inputs[0])], self.name(op.outputs[0]))
        else:
            raise BadTflite(f"operator {code} is not supported")


def convert(data: bytes, output_names: list[str], *, free_size: bool = False, input_name: str = "image") -> bytes:
    """TFLite bytes to ONNX bytes. `output_names` name the outputs in the file's order."""
    graph = read(data)
    if len(graph.inputs) != 1 or len(graph.outputs) != len(output_names):
        raise BadTflite(f"{len(graph.inputs)} inputs and {len(graph.outputs)} outputs")
    n, h, w, c = graph.tensors[graph.inputs[0]].shape
    if free_size and (h % STRIDE or w % STRIDE):
        raise BadTflite(f"size {h}x{w} is no multiple of {STRIDE}")
    conv = Converter(graph, dict(zip(graph.outputs, output_names)), input_name, free_size)
    for op in graph.ops:
        conv.convert(op)
    image = helper.make_tensor_value_info(input_name, TensorProto.FLOAT, ["n", c, *(("h", "w") if free_size else (h, w))])
    outputs = []
    for index, name in zip(graph.outputs, output_names):
        shape = graph.tensors[index].shape
        shape = [shape[i] for i in TO_NCHW] if len(shape) == 4 else shape
        inner = ["anchors", *shape[2:]] if free_size else shape[1:]
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *inner]))
    made = helper.make_graph(conv.nodes, "tflite", [image], outputs, conv.inits)
    model = helper.make_model(made, producer_name="seamline", ir_version=8,
                              opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def main() -> None:
    source, dest, *names = sys.argv[1:]
    Path(dest).write_bytes(convert(Path(source).read_bytes(), names))


if __name__ == "__main__":
    main()
