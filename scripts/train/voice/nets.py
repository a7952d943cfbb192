"""Networks from a 3 s waveform to a logit: an LCNN on linear-frequency spectra, a raw-waveform CNN, Whisper's first layers.

The spectra use the STFT of Whisper's front end (400 samples, hop 160), so that one transform serves all at run time.
"""
from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

FRAMES, BINS = 300, 201


def power(wave: torch.Tensor) -> torch.Tensor:
    """[n, 48000] -> [n, 201, 300] power spectra, edges reflected and the last frame dropped, as Whisper does."""
    x = F.pad(wave[:, None], (200, 200), mode="reflect")[:, 0]
    s = torch.stft(x, 400, 160, window=torch.hann_window(400, device=x.device), center=False, return_complex=True)
    return (s.real.square() + s.imag.square())[:, :, :FRAMES]


def statistics(x: torch.Tensor) -> torch.Tensor:
    """[n, time, width] -> [n, 2 * width]: mean and population standard deviation over time."""
    mean = x.mean(dim=1, keepdim=True)
    return torch.cat([mean[:, 0], ((x - mean).square().mean(dim=1) + 1e-9).sqrt()], dim=1)


def blanked(x: torch.Tensor, widths: tuple[int, int]) -> torch.Tensor:
    """[n, bands, time] with a random run of bands and one of frames set to the mean."""
    for axis, most in zip((1, 2), widths):
        size = x.shape[axis]
        shape = [len(x), 1, 1]
        width = torch.rand(shape, device=x.device) * most
        start = torch.rand(shape, device=x.device) * (size - width)
        at = torch.arange(size, device=x.device).view([1, -1, 1] if axis == 1 else [1, 1, -1])
        x = torch.where((at >= start) & (at < start + width), x.mean(dim=(1, 2), keepdim=True), x)
    return x


class Bands(nn.Module):
    """Log energies in triangles of equal width, level removed; with `cepstra` their cosine transform."""

    def __init__(self, bands: int, cepstra: bool) -> None:
        super().__init__()
        edges = torch.linspace(0, BINS - 1, bands + 2)
        k = torch.arange(BINS)[None].float()
        low, mid, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
        self.register_buffer("filters", torch.minimum((k - low) / (mid - low), (high - k) / (high - mid)).clamp_min(0))
        turn = math.pi / bands * (torch.arange(bands)[None] + 0.5) * torch.arange(bands)[:, None]
        self.register_buffer("cosines", torch.cos(turn) * math.sqrt(2 / bands) if cepstra else None)

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        p = power(wave)
        x = self.filters @ (p / p.mean(dim=(1, 2), keepdim=True).clamp_min(1e-10))
        x = torch.log(x + 1e-5)
        if self.training:
            x = blanked(x, (12, 40))
        if self.cosines is None:
            return x / 3
        x = self.cosines @ x
        return x / x.square().mean(dim=(1, 2), keepdim=True).clamp_min(1e-6).sqrt()


class Maxout(nn.Module):
    """A convolution of twice the width; of each pair of maps the larger value passes."""

    def __init__(self, inside: int, outside: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, 2 * outside, kernel, padding=kernel // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = self.conv(x).chunk(2, dim=1)
        return torch.maximum(a, b)


class Lcnn(nn.Module):
    def __init__(self, width: int = 16, bands: int = 60, cepstra: bool = True) -> None:
        super().__init__()
        w = [width, width * 3 // 2, width * 2, width]
        self.bands = Bands(bands, cepstra)
        self.body = nn.Sequential(
            Maxout(1, w[0], 5), nn.MaxPool2d(2),
            Maxout(w[0], w[0], 1), nn.BatchNorm2d(w[0]), Maxout(w[0], w[1], 3), nn.MaxPool2d(2), nn.BatchNorm2d(w[1]),
            Maxout(w[1], w[1], 1), nn.BatchNorm2d(w[1]), Maxout(w[1], w[2], 3), nn.MaxPool2d(2),
            Maxout(w[2], w[2], 1), nn.BatchNorm2d(w[2]), Maxout(w[2], w[3], 3), nn.BatchNorm2d(w[3]),
            Maxout(w[3], w[3], 1), nn.BatchNorm2d(w[3]), Maxout(w[3], w[3], 3), nn.MaxPool2d((2, 1)))
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(2 * w[3] * (bands // 16), 1)

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        x = self.body(self.bands(wave)[:, None])
        x = x.flatten(1, 2).transpose(1, 2)
        return self.head(self.drop(statistics(x)))[:, 0]


class Residual(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv1d(inside, outside, 3, padding=1), nn.BatchNorm1d(outside), nn.LeakyReLU(0.2))
        self.second = nn.Sequential(nn.Conv1d(outside, outside, 3, padding=1), nn.BatchNorm1d(outside))
        self.skip = nn.Conv1d(inside, outside, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.max_pool1d(F.leaky_relu(self.second(self.first(x)) + self.skip(x), 0.2), 3)


class Raw(nn.Module):
    """Learned filters on the waveform, then residual blocks."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.filters = nn.Conv1d(1, 2 * width, 129, stride=8, padding=64, bias=False)
        self.norm = nn.BatchNorm1d(2 * width)
        w = [2 * width, 2 * width, 2 * width, 3 * width, 3 * width]
        self.body = nn.Sequential(*(Residual(a, b) for a, b in zip(w, w[1:])))
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(2 * w[-1], 1)

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        x = wave / wave.square().mean(dim=1, keepdim=True).clamp_min(1e-10).sqrt()
        x = self.norm(torch.log(self.filters(x[:, None]).abs() + 1e-2))
        return self.head(self.drop(statistics(self.body(x).transpose(1, 2))))[:, 0]


class Layer(nn.Module):
    """One pre-norm transformer layer, under the names of the package."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_0, self.norm_1 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, t, width = x.shape
        q, k, v = self.qkv(self.norm_0(x)).view(n, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        a = torch.softmax(q @ k.transpose(2, 3) * (width // self.heads) ** -0.5, dim=-1)
        x = x + self.out((a @ v).transpose(1, 2).reshape(n, t, width))
        return x + self.down(F.gelu(self.up(self.norm_1(x))))


NAMES = {"norm_0": "self_attention/layer_norm", "qkv": "self_attention/linear_0", "out": "self_attention/linear_1",
         "norm_1": "ffn/layer_norm", "up": "ffn/linear_0", "down": "ffn/linear_1"}


class Whisper(nn.Module):
    """Log-mel, convolutions and the first layers; mean and deviation over time of every layer, a linear head.

    The head sees standardised values; `mean` and `scale` are set once from training data.
    """

    def __init__(self, weights: dict, layers: int) -> None:
        super().__init__()
        tensor = {k: torch.from_numpy(v).float() for k, v in weights.items() if v.ndim}
        width = tensor["encoder/conv1/weight"].shape[0]
        self.register_buffer("mel", tensor["mel"])
        self.register_buffer("positions", tensor["positions"])
        self.conv1 = nn.Conv1d(80, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(Layer(width, int(weights["heads"])) for _ in range(layers))
        self.head = nn.Linear(layers * 2 * width, 1)
        self.register_buffer("mean", torch.zeros(layers * 2 * width))
        self.register_buffer("scale", torch.ones(layers * 2 * width))
        with torch.no_grad():
            for name in ("conv1", "conv2"):
                getattr(self, name).weight.copy_(tensor[f"encoder/{name}/weight"])
                getattr(self, name).bias.copy_(tensor[f"encoder/{name}/bias"])
            for i, layer in enumerate(self.layers):
                for ours, theirs in NAMES.items():
                    part = getattr(layer, ours)
                    ends = ("gamma", "beta") if "norm" in ours else ("weight", "bias")
                    part.weight.copy_(tensor[f"encoder/layer_{i}/{theirs}/{ends[0]}"])
                    part.bias.copy_(tensor[f"encoder/layer_{i}/{theirs}/{ends[1]}"])

    def features(self, wave: torch.Tensor) -> torch.Tensor:
        with torch.no_grad(), torch.autocast(wave.device.type, enabled=False):  # the log needs all its digits
            m = (self.mel @ power(wave)).clamp_min(1e-10).log10()
            m = (torch.maximum(m, m.amax(dim=(1, 2), keepdim=True) - 8) + 4) / 4
            if self.training:
                m = blanked(m, (10, 40))
        x = F.gelu(self.conv2(F.gelu(self.conv1(m)))).transpose(1, 2) + self.positions
        pooled = []
        for layer in self.layers:
            x = layer(x)
            pooled.append(statistics(x.float()))
        return torch.cat(pooled, dim=1)

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        z = (self.features(wave) - self.mean) / self.scale
        return (z * self.head.weight[0]).sum(dim=1) + self.head.bias[0]
