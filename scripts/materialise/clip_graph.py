"""One ONNX graph from pictures of 224 x 224 to pooled CLIP ViT-B/16 features or to a logit.

    image[n, 3, 224, 224] -> patches, positions -> first layers -> class token, mean and deviation over the patches

With a head the pooled features of its layers become `logit[n]`; without one they are all exposed as `layer_1`,
`layer_2`, ... (each [n, 2304]) for training, so both see the same arithmetic. The weights stay int8 with one scale a
column, as their package has them, and are multiplied out when the file is loaded: a quarter of the bytes, and float
arithmetic that agrees between processors (the packaged file's own int8 arithmetic does not).
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from onnx_graph import Graph

OPSET = 17
SIZE, PATCH, WIDTH, HEADS, LAYERS = 224, 16, 768, 12, 12
TOKENS = (SIZE // PATCH) ** 2 + 1
POOLED = 3 * WIDTH
LINEAR = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2")


class ClipError(ValueError):
    """The file is not the CLIP encoder that this reads."""


class Head(NamedTuple):
    """A linear head with its standardiser folded in: logit = sum(weight * pooled) + bias."""

    layers: list[int]    # 1-based, ascending
    weight: np.ndarray   # [len(layers) * 2304], per layer: class token, means, deviations
    bias: float


def _shape_of(name: str) -> tuple[int, ...]:
    """What the tensor of this name must be, in the order in which it is multiplied."""
    if name.endswith("position_embedding.weight"):
        return TOKENS, WIDTH
    if name.endswith("patch_embedding.weight"):
        return WIDTH, 3, PATCH, PATCH
    wide = 4 * WIDTH
    if name.endswith("fc1.bias"):
        return (wide,)
    return {"mlp.fc1": (WIDTH, wide), "mlp.fc2": (wide, WIDTH)}.get(name.split(".", 3)[-1], (WIDTH, WIDTH) if name.endswith("_proj") else (WIDTH,))


def read(data: bytes) -> dict[str, np.ndarray | tuple[np.ndarray, np.ndarray]]:
    """Tensors by name out of the packaged graph; a linear layer's weight is (int8 [in, out], scale [out])."""
    graph = onnx.load_from_string(data).graph
    constants = {t.name: t for t in graph.initializer}

    def tensor(source: str, want: tuple[int, ...], kind: int) -> np.ndarray:
        t = constants.get(source)
        if t is None or tuple(t.dims) != want or t.data_type != kind or t.external_data:
            raise ClipError(f"{source}: not a tensor of {want}")
        return numpy_helper.to_array(t)

    out: dict = {}
    prefix = "vision_model."
    names = ["embeddings.class_embedding", "embeddings.patch_embedding.weight", "embeddings.position_embedding.weight",
             "pre_layrnorm.weight", "pre_layrnorm.bias"]
    for i in range(LAYERS):
        layer = f"encoder.layers.{i}."
        names += [layer + n for n in ("layer_norm1.weight", "layer_norm1.bias", "layer_norm2.weight", "layer_norm2.bias")]
        names += [layer + n + ".bias" for n in LINEAR]
    for name in names:
        out[name] = tensor(prefix + name, _shape_of(name), TensorProto.FLOAT)
    products = {n.name: n for n in graph.node if n.op_type == "MatMulInteger"}
    for i in range(LAYERS):
        for part in LINEAR:
            name = f"encoder.layers.{i}.{part}"
            node = products.get(f"/vision_model/encoder/layers.{i}/{part.replace('.', '/')}/MatMul_quant")
            if node is None or len(node.input) != 4 or not node.input[1].endswith("_quantized"):
                raise ClipError(f"{name}: no product")
            source, shape = node.input[1].removesuffix("_quantized"), _shape_of(name)
            if tensor(source + "_zero_point", shape[1:], TensorProto.INT8).any():
                raise ClipError(f"{name}: zero is not zero")
            out[name] = (tensor(source + "_quantized", shape, TensorProto.INT8), tensor(source + "_scale", shape[1:], TensorProto.FLOAT))
    return out


class _Graph(Graph):
    """With the encoder's layers."""

    def __init__(self, weights: dict) -> None:
        super().__init__()
        self.weights = weights

    def norm(self, x: str, name: str) -> str:
        scale, shift = (self.f32(f"{name}.{p}", self.weights[f"{name}.{p}"]) for p in ("weight", "bias"))
        return self.op("LayerNormalization", x, scale, shift, axis=-1, epsilon=1e-5)

    def linear(self, x: str, name: str) -> str:
        levels, scale = self.weights[name]
        w = self.op("Cast", self.const(name + ".levels", levels), to=TensorProto.FLOAT)
        w = self.op("Mul", w, self.f32(name + ".scale", scale))
        return self.op("Add", self.op("MatMul", x, w), self.f32(name + ".bias", self.weights[name + ".bias"]))


def _layer(g: _Graph, x: str, index: int) -> str:
    """One pre-norm transformer layer."""
    name, size = f"encoder.layers.{index}.", WIDTH // HEADS
    h = g.norm(x, name + "layer_norm1")
    parts = []
    for part, turn in (("q_proj", [0, 2, 1, 3]), ("k_proj", [0, 2, 3, 1]), ("v_proj", [0, 2, 1, 3])):
        y = g.linear(h, name + "self_attn." + part)
        if part == "q_proj":
            y = g.op("Mul", y, g.f32("root", size**-0.5))
        parts.append(g.op("Transpose", g.op("Reshape", y, g.i64(0, TOKENS, HEADS, size)), perm=turn))
    q, k, v = parts
    h = g.op("MatMul", g.op("Softmax", g.op("MatMul", q, k), axis=-1), v)
    h = g.op("Reshape", g.op("Transpose", h, perm=[0, 2, 1, 3]), g.i64(0, TOKENS, WIDTH))
    x = g.op("Add", x, g.linear(h, name + "self_attn.out_proj"))
    h = g.linear(g.norm(x, name + "layer_norm2"), name + "mlp.fc1")
    h = g.op("Mul", h, g.op("Sigmoid", g.op("Mul", h, g.f32("quick", 1.702))))   # CLIP's "quick" GELU
    return g.op("Add", x, g.linear(h, name + "mlp.fc2"))


def _pool(g: _Graph, x: str, out: str | None) -> str:
    """[n, 197, 768] -> [n, 2304]: class token, then mean and population deviation over the 196 patches."""
    token = g.op("Slice", x, g.i64(0), g.i64(1), g.i64(1))
    patches = g.op("Slice", x, g.i64(1), g.i64(TOKENS), g.i64(1))
    mean = g.op("ReduceMean", patches, axes=[1], keepdims=1)
    d = g.op("Sub", patches, mean)
    deviation = g.op("Sqrt", g.op("ReduceMean", g.op("Mul", d, d), axes=[1], keepdims=1))
    return g.op("Flatten", g.op("Concat", token, mean, deviation, axis=2), out=out, axis=1)


def build(weights: dict, *, head: Head | None = None, expose: list[int] | None = None, name: str = "clip") -> onnx.ModelProto:
    """The graph with `head`, or with the pooled features of the layers in `expose` as outputs."""
    wanted = head.layers if head else list(expose or [])
    if not wanted or sorted(set(wanted)) != wanted or not 1 <= wanted[0] <= wanted[-1] <= LAYERS:
        raise ClipError(f"layers {wanted}")
    if head and head.weight.shape != (len(wanted) * POOLED,):
        raise ClipError(f"head of {head.weight.shape} for {len(wanted)} layers")
    g = _Graph(weights)
    x = g.op("Conv", "image", g.f32("patches", weights["embeddings.patch_embedding.weight"]), kernel_shape=[PATCH, PATCH], strides=[PATCH, PATCH])
    x = g.op("Transpose", g.op("Reshape", x, g.i64(0, WIDTH, TOKENS - 1)), perm=[0, 2, 1])
    # The class token is the same in every picture: it and its position are put in front by padding and adding.
    positions = np.array(weights["embeddings.position_embedding.weight"])
    positions[0] += weights["embeddings.class_embedding"]
    x = g.op("Add", g.op("Pad", x, g.i64(0, 1, 0, 0, 0, 0)), g.f32("positions", positions))
    x = g.norm(x, "pre_layrnorm")
    pooled = []
    for layer in range(1, wanted[-1] + 1):
        x = _layer(g, x, layer - 1)
        if layer in wanted:
            pooled.append(_pool(g, x, None if head else f"layer_{layer}"))
    if head:
        y = g.op("Concat", *pooled, axis=1) if len(pooled) > 1 else pooled[0]
        y = g.op("MatMul", y, g.f32("head.weight", head.weight.reshape(-1, 1)))
        y = g.op("Add", y, g.f32("head.bias", [head.bias]))
        g.op("Reshape", y, g.i64(-1), out="logit")
        outputs = [helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n"])]
    else:
        outputs = [helper.make_tensor_value_info(p, TensorProto.FLOAT, ["n", POOLED]) for p in pooled]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])
    graph = helper.make_graph(g.nodes, name, [image], outputs, initializer=g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8, producer_name="seamline")
    onnx.checker.check_model(model)
    return model
