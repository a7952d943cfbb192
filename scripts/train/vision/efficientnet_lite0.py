"""EfficientNet-Lite0 (no squeeze-and-excite, ReLU6) with the parameter names of the packaged weights.

Written out here because the package's own code is a general EfficientNet that does not export cleanly.
"""
from __future__ import annotations

import torch
from torch import nn

# repeats, kernel, stride, expand, output channels
STAGES = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
          (1, 3, 1, 6, 320)]
EPS = 1e-3   # TensorFlow's batch-norm epsilon; the weights were trained with it


class SameConv(nn.Conv2d):
    """TensorFlow's asymmetric SAME padding, fixed for an even input size so that the exported graph is static."""

    def forward(self, x):
        k, s = self.kernel_size[0], self.stride[0]
        total = k - s if s > 1 else k - 1
        if total > 0 and s > 1:
            x = nn.functional.pad(x, (total // 2, total - total // 2) * 2)
            return nn.functional.conv2d(x, self.weight, self.bias, self.stride, 0, 1, self.groups)
        return nn.functional.conv2d(x, self.weight, self.bias, self.stride, total // 2, 1, self.groups)


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPS, momentum=0.01)


class Block(nn.Module):
    def __init__(self, cin: int, cout: int, kernel: int, stride: int, expand: int):
        super().__init__()
        mid = cin * expand
        if expand != 1:
            self._expand_conv, self._bn0 = SameConv(cin, mid, 1, bias=False), norm(mid)
        self.expand, self.skip = expand != 1, stride == 1 and cin == cout
        self._depthwise_conv, self._bn1 = SameConv(mid, mid, kernel, stride, groups=mid, bias=False), norm(mid)
        self._project_conv, self._bn2 = SameConv(mid, cout, 1, bias=False), norm(cout)
        self.act = nn.ReLU6()
        self.drop = 0.0

    def forward(self, x):
        y = self.act(self._bn0(self._expand_conv(x))) if self.expand else x
        y = self.act(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        if not self.skip:
            return y
        if self.training and self.drop > 0:   # stochastic depth
            keep = torch.rand(len(x), 1, 1, 1, device=x.device) >= self.drop
            y = y * keep / (1 - self.drop)
        return x + y


class EfficientNetLite0(nn.Module):
    """crop[n,3,224,224] in [-1, 1] -> logit[n]."""

    def __init__(self, drop_path: float = 0.1, dropout: float = 0.3):
        super().__init__()
        self._conv_stem, self._bn0 = SameConv(3, 32, 3, 2, bias=False), norm(32)
        blocks, cin = [], 32
        for repeats, kernel, stride, expand, cout in STAGES:
            for i in range(repeats):
                blocks.append(Block(cin, cout, kernel, stride if i == 0 else 1, expand))
                cin = cout
        for i, b in enumerate(blocks):
            b.drop = drop_path * i / len(blocks)
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = SameConv(320, 1280, 1, bias=False), norm(1280)
        self.act, self.dropout = nn.ReLU6(), nn.Dropout(dropout)
        self.head = nn.Linear(1280, 1)

    def load_backbone(self, state: dict) -> None:
        """The packaged ImageNet weights; its 1000-class layer is dropped."""
        missing, unexpected = self.load_state_dict({k: v.float() if v.is_floating_point() else v
                                                    for k, v in state.items()}, strict=False)
        assert set(missing) == {"head.weight", "head.bias"}, missing
        assert set(unexpected) <= {"_fc.weight", "_fc.bias"}, unexpected

    def forward(self, x):
        x = self.act(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = self.act(self._bn1(self._conv_head(x))).mean((2, 3))
        return self.head(self.dropout(x)).squeeze(1)
