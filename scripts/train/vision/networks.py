"""The networks that are compared for face-blend, each started from an ONNX file that this project already builds.

- `Lite0`: EfficientNet-Lite0 from models/face-blend/model.onnx, pooled by the mean or, patch by patch, by a soft maximum.
- `Clip`: the first layers of CLIP ViT-B/16 as in the file of `synthetic-image`; trainable are its layer norms and the head.
"""
from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from efficientnet_lite0 import EfficientNetLite0
from onnx import numpy_helper
from torch import nn
from torch.nn import functional as F


def arrays(path: Path) -> tuple[onnx.GraphProto, dict[str, np.ndarray]]:
    """The graph and its constants; weights stored as int8 are multiplied out."""
    graph = onnx.load(str(path)).graph
    out = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in out:
            out[node.output[0]] = out[node.input[0]].astype(np.float32)
        elif node.op_type == "Mul" and all(i in out for i in node.input):
            out[node.output[0]] = out[node.input[0]] * out[node.input[1]]
    return graph, out


class Lite0(EfficientNetLite0):
    """With `patches` the logit is the soft maximum over the 7 x 7 places instead of their mean: a small seam need not
    show everywhere. The weights mean the same in both."""

    def __init__(self, patches: bool = False):
        super().__init__()
        self.patches, self.sharpness = patches, 1.0

    def places(self, x):
        x = self.act(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return self.act(self._bn1(self._conv_head(x)))

    def forward(self, x):
        y = self.places(x)
        if not self.patches:
            return self.head(self.dropout(y.mean((2, 3)))).squeeze(1)
        kept = F.dropout2d(y, self.dropout.p, self.training)
        logits = F.conv2d(kept, self.head.weight[:, :, None, None], self.head.bias).flatten(1).float()
        return torch.logsumexp(logits * self.sharpness, 1) / self.sharpness - np.log(logits.shape[1]) / self.sharpness

    @staticmethod
    def prepare(images: torch.Tensor) -> torch.Tensor:
        """uint8 NHWC to the net's input. That memory order suits a GPU; one core takes five times as long with it."""
        x = (images.permute(0, 3, 1, 2).float() - 127) / 128
        return x if x.is_cuda else x.contiguous()


def lite0(path: Path, images: torch.Tensor) -> Lite0:
    """From an exported file, whose batch norms are folded into the convolutions. Each norm is put back with the mean and
    the deviation that its convolution has on `images`, and undone by its own scale and shift, so that the function is the
    same and training can go on as before."""
    graph, values = arrays(path)
    convs = [n for n in graph.node if n.op_type == "Conv"]
    gemm = next(n for n in graph.node if n.op_type == "Gemm")
    model = Lite0().to(images.device)
    pairs = [(model._conv_stem, model._bn0)]
    for b in model._blocks:
        pairs += ([(b._expand_conv, b._bn0)] if b.expand else []) + [(b._depthwise_conv, b._bn1), (b._project_conv, b._bn2)]
    pairs.append((model._conv_head, model._bn1))
    assert len(pairs) == len(convs), (len(pairs), len(convs))
    hooks = []

    def undo(norm, shift):
        def hook(_, inputs):
            x = inputs[0].double()
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(var)
            norm.weight.copy_((var + norm.eps).sqrt())
            norm.bias.copy_(mean + shift)
        return hook

    with torch.no_grad():
        for (conv, norm), node in zip(pairs, convs):
            conv.weight.copy_(torch.from_numpy(values[node.input[1]].copy()))
            hooks.append(norm.register_forward_pre_hook(undo(norm, torch.from_numpy(values[node.input[2]].copy()).to(images.device))))
        model.head.weight.copy_(torch.from_numpy(values[gemm.input[1]].copy()))
        model.head.bias.copy_(torch.from_numpy(values[gemm.input[2]].copy()))
        model.eval()(Lite0.prepare(images))
    for hook in hooks:
        hook.remove()
    return model


class Layer(nn.Module):
    """One pre-norm transformer layer of CLIP."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        n, tokens, width = x.shape
        h = self.norm1(x)
        q, k, v = (f(h).view(n, tokens, self.heads, -1).transpose(1, 2) for f in (self.q_proj, self.k_proj, self.v_proj))
        if hasattr(F, "scaled_dot_product_attention"):
            h = F.scaled_dot_product_attention(q, k, v)
        else:
            h = ((q @ k.transpose(2, 3)) * (width // self.heads) ** -0.5).softmax(-1) @ v
        x = x + self.out_proj(h.transpose(1, 2).reshape(n, tokens, width))
        h = self.fc1(self.norm2(x))
        return x + self.fc2(h * torch.sigmoid(1.702 * h))


class Clip(nn.Module):
    """crop[n, 3, 224, 224] -> logit[n], from the class token and the patches' mean and deviation of some layers."""

    def __init__(self, layers=(4, 6, 8), width: int = 768, heads: int = 12):
        super().__init__()
        self.used = tuple(layers)
        self.patch = nn.Conv2d(3, width, 16, 16, bias=False)
        self.positions = nn.Parameter(torch.zeros(197, width))
        self.pre = nn.LayerNorm(width)
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(max(layers)))
        self.scale = nn.BatchNorm1d(3 * width * len(layers), affine=False, momentum=0.02)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(3 * width * len(layers), 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.requires_grad_(False)
        for part in self.tuned().values():
            part.requires_grad_(True)

    def tuned(self) -> dict[str, nn.Module]:
        """What is trained, and what comes back."""
        norms = {f"layers.{i}.{n}": getattr(layer, n) for i, layer in enumerate(self.layers) for n in ("norm1", "norm2")}
        return {"pre": self.pre, **norms, "head": self.head}

    def state(self) -> dict[str, torch.Tensor]:
        keep = (*(f"{k}." for k in self.tuned()), "scale.")
        return {k: v.detach().cpu().clone() for k, v in self.state_dict().items() if k.startswith(keep)}

    def features(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = self.pre(F.pad(x, (0, 0, 1, 0)) + self.positions)
        out = []
        for i, layer in enumerate(self.layers, 1):
            x = layer(x)
            if i in self.used:
                y = x.float()
                patches = y[:, 1:]
                out += [y[:, 0], patches.mean(1), (patches.var(1, unbiased=False) + 1e-8).sqrt()]
        return torch.cat(out, 1)

    def forward(self, x):
        return self.head(self.drop(self.scale(self.features(x)))).squeeze(1)

    @staticmethod
    def prepare(images: torch.Tensor) -> torch.Tensor:
        mean, std = (torch.tensor(v, device=images.device).view(3, 1, 1)
                     for v in ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)))
        return (images.permute(0, 3, 1, 2).float() / 255 - mean) / std


def clip(path: Path, layers=(4, 6, 8)) -> Clip:
    _, values = arrays(path)
    model = Clip(layers)
    get = lambda name: torch.from_numpy(np.array(values[name], np.float32))
    with torch.no_grad():
        model.patch.weight.copy_(get("patches"))
        model.positions.copy_(get("positions"))
        model.pre.weight.copy_(get("pre_layrnorm.weight"))
        model.pre.bias.copy_(get("pre_layrnorm.bias"))
        for i, layer in enumerate(model.layers):
            name = f"encoder.layers.{i}."
            for ours, theirs in (("norm1", "layer_norm1"), ("norm2", "layer_norm2")):
                getattr(layer, ours).weight.copy_(get(name + theirs + ".weight"))
                getattr(layer, ours).bias.copy_(get(name + theirs + ".bias"))
            for ours, theirs in (*((p, "self_attn." + p) for p in ("q_proj", "k_proj", "v_proj", "out_proj")),
                                 ("fc1", "mlp.fc1"), ("fc2", "mlp.fc2")):
                levels = get(name + theirs + ".levels") * get(name + theirs + ".scale")   # [in, out]
                getattr(layer, ours).weight.copy_(levels.T)
                getattr(layer, ours).bias.copy_(get(name + theirs + ".bias"))
    return model
