"""Stage 3: the trained net as a small ONNX file (opset 17), and what the rounding costs.

Batch norms are folded. The 1x1 convolutions, nine tenths of the weights, are stored as int8 with one scale an output
channel and turned back by Cast and Mul. ONNX Runtime folds those two at load, so the arithmetic stays fp32 and does
not depend on the CPU's integer instructions (integer kernels do).
"""
from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import onnx
import torch
from efficientnet_lite0 import EfficientNetLite0
from onnx import TensorProto, helper, numpy_helper
from torch.nn.utils.fusion import fuse_conv_bn_weights

ROOT = Path(__file__).resolve().parents[3]


def load_model(path: Path) -> EfficientNetLite0:
    model = EfficientNetLite0()
    model.load_state_dict({k: v.float() if v.is_floating_point() else v
                           for k, v in torch.load(path, map_location="cpu")["state"].items()})
    return model.eval()


def fold(model: EfficientNetLite0) -> EfficientNetLite0:
    """Convolution followed by batch norm becomes one convolution."""
    def merge(owner, conv_name: str, norm_name: str) -> None:
        conv, norm = getattr(owner, conv_name), getattr(owner, norm_name)
        conv.weight, conv.bias = fuse_conv_bn_weights(conv.weight, conv.bias, norm.running_mean, norm.running_var,
                                                      norm.eps, norm.weight, norm.bias)
        setattr(owner, norm_name, torch.nn.Identity())

    merge(model, "_conv_stem", "_bn0")
    merge(model, "_conv_head", "_bn1")
    for block in model._blocks:
        if block.expand:
            merge(block, "_expand_conv", "_bn0")
        merge(block, "_depthwise_conv", "_bn1")
        merge(block, "_project_conv", "_bn2")
    return model


def inline_padding(model: onnx.ModelProto) -> None:
    """Move the asymmetric padding of the stride-2 convolutions into the convolution, and drop what made it."""
    makers = {n.output[0]: n for n in model.graph.node}
    for node in model.graph.node:
        maker = makers.get(node.input[0]) if node.op_type == "Conv" else None
        if maker is None or maker.op_type != "Pad":
            continue
        attrs = {a.name: a for a in node.attribute}
        total = attrs["kernel_shape"].ints[0] - attrs["strides"].ints[0]
        begin, end = total // 2, total - total // 2
        attrs["pads"].ints[:] = [begin, begin, end, end]
        node.input[0] = maker.input[0]
    wanted, kept = {o.name for o in model.graph.output}, []
    for node in reversed(model.graph.node):   # in file order every producer precedes its users
        if wanted & set(node.output):
            kept.append(node)
            wanted |= set(node.input)
    del model.graph.node[:]
    model.graph.node.extend(reversed(kept))
    weights = [t for t in model.graph.initializer if t.name in wanted]
    del model.graph.initializer[:]
    model.graph.initializer.extend(weights)


def pack(model: onnx.ModelProto, smallest: int = 1024) -> onnx.ModelProto:
    """1x1 convolution weights to int8, Cast, Mul."""
    weights = {t.name: t for t in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        if node.op_type == "Conv":
            w = numpy_helper.to_array(weights[node.input[1]])
            if w.shape[2:] == (1, 1) and w.size >= smallest:
                name = node.input[1]
                scale = np.maximum(np.abs(w).max((1, 2, 3), keepdims=True) / 127, 1e-12).astype(np.float32)
                q = np.clip(np.round(w / scale), -127, 127).astype(np.int8)
                model.graph.initializer.remove(weights[name])
                model.graph.initializer.extend([numpy_helper.from_array(q, name + "_q"),
                                                numpy_helper.from_array(scale, name + "_s")])
                nodes.append(helper.make_node("Cast", [name + "_q"], [name + "_f"], to=TensorProto.FLOAT))
                nodes.append(helper.make_node("Mul", [name + "_f", name + "_s"], [name]))
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def export(model: EfficientNetLite0) -> tuple[bytes, bytes]:
    """(packed, plain fp32) ONNX bytes."""
    buffer = io.BytesIO()
    torch.onnx.export(fold(model), torch.zeros(2, 3, 224, 224), buffer, opset_version=17, input_names=["crop"],
                      output_names=["logit"], dynamic_axes={"crop": {0: "n"}, "logit": {0: "n"}})
    plain = onnx.load_from_string(buffer.getvalue())
    plain.producer_name, plain.producer_version, plain.doc_string = "seamline", "", ""
    for node in plain.graph.node:
        node.doc_string = ""
    inline_padding(plain)
    small = onnx.ModelProto()
    small.CopyFrom(plain)
    small = pack(small)
    onnx.checker.check_model(small)
    return small.SerializeToString(deterministic=True), plain.SerializeToString(deterministic=True)


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument("--work", type=Path, default=ROOT / ".cache/train/vision")
    p.add_argument("--models", type=Path, default=ROOT / "models")
    args = p.parse_args()
    packed, plain = export(load_model(args.work / "model.pt"))
    (args.models / "face-blend").mkdir(parents=True, exist_ok=True)
    (args.models / "face-blend/model.onnx").write_bytes(packed)
    (args.work / "plain.onnx").write_bytes(plain)
    print(f"model.onnx {len(packed) / 1e6:.2f} MB, fp32 {len(plain) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
