"""Random channels for a batch of waveforms, all on one device: what a clip may have gone through before it is judged.

Every step happens to a clip with its own chance, and three in ten clips stay as they are: gain, a smooth random
filter with band limits, a room (exponentially decaying noise), coloured noise, impulses that follow the signal,
mu-law, clipping, and the holes a low-rate codec leaves in the spectrum.
"""
from __future__ import annotations

import torch

RATE = 16000
SAMPLES = 48000
SIZE = 65536  # of the transform: a window and the longest room without wrapping round
CLEAN = 0.3


def uniform(count: int, low: float, high: float, like: torch.Tensor) -> torch.Tensor:
    return torch.rand(count, 1, device=like.device) * (high - low) + low


def happens(count: int, chance: float, like: torch.Tensor) -> torch.Tensor:
    return (torch.rand(count, 1, device=like.device) < chance).float()


def level(x: torch.Tensor) -> torch.Tensor:
    return x.square().mean(dim=1, keepdim=True).clamp_min(1e-10)


def response(n: int, x: torch.Tensor) -> torch.Tensor:
    """[n, bins] gains: a smooth random curve, then low-pass and high-pass of random steepness."""
    hz = torch.linspace(0, RATE / 2, SIZE // 2 + 1, device=x.device)[None]
    knots = torch.randn(n, 1, 12, device=x.device) * uniform(n, 0.5, 4, x)[:, :, None] * happens(n, 0.6, x)[:, :, None]
    db = torch.nn.functional.interpolate(knots, size=hz.shape[1], mode="linear", align_corners=True)[:, 0]
    low, steep = uniform(n, 3400, 7600, x), uniform(n, 20, 120, x)
    db = db - happens(n, 0.4, x) * ((hz - low).clamp_min(0) / 1000 * steep).clamp_max(80)
    high = uniform(n, 60, 300, x)
    db = db - happens(n, 0.3, x) * (12 * torch.log2(high / hz.clamp_min(1)).clamp_min(0)).clamp_max(60)
    return 10 ** (db / 20)


def room(n: int, x: torch.Tensor) -> torch.Tensor:
    """[n, bins] transfer functions of direct sound and a tail of 0.1 to 0.6 s."""
    length = int(0.6 * RATE)
    t = torch.arange(length, device=x.device)[None] / RATE
    tail = torch.randn(n, length, device=x.device) * torch.exp(-6.9 * t / uniform(n, 0.1, 0.6, x))
    tail = tail * (t > uniform(n, 0.001, 0.02, x)).float()
    tail = tail / tail.square().sum(dim=1, keepdim=True).clamp_min(1e-9).sqrt()
    impulse = tail * uniform(n, 0.1, 0.9, x) * happens(n, 0.3, x)
    impulse[:, 0] = 1.0
    return torch.fft.rfft(impulse, SIZE)


def coloured(n: int, x: torch.Tensor) -> torch.Tensor:
    """Noise of unit power whose spectrum falls by 0 to 6 dB an octave."""
    spectrum = torch.fft.rfft(torch.randn(n, SAMPLES, device=x.device))
    bins = torch.arange(1, spectrum.shape[1] + 1, device=x.device)[None].float()
    noise = torch.fft.irfft(spectrum * bins ** (-uniform(n, 0, 1, x)), SAMPLES)
    return noise / level(noise).sqrt()


def mu_law(x: torch.Tensor) -> torch.Tensor:
    peak = x.abs().amax(dim=1, keepdim=True).clamp_min(1e-6)
    y = torch.log1p(255 * (x / peak).abs()) / 5.545177 * 127
    return torch.sign(x) * torch.expm1(torch.round(y) / 127 * 5.545177) / 255 * peak


def holes(x: torch.Tensor) -> torch.Tensor:
    """Coefficients far below their neighbourhood are zeroed, the others rounded coarsely, frame by frame."""
    n, size = len(x), 512
    window = torch.hann_window(size, device=x.device)
    s = torch.stft(x, size, size // 2, window=window, return_complex=True)
    loud = torch.nn.functional.avg_pool1d(s.abs().transpose(1, 2), 17, 1, 8).transpose(1, 2).clamp_min(1e-6)
    step = loud * uniform(n, 0.3, 1.6, x)[:, :, None]
    rough = torch.complex(torch.round(s.real / step) * step, torch.round(s.imag / step) * step)
    return torch.istft(rough, size, size // 2, window=window, length=x.shape[1])


@torch.no_grad()
def augment(x: torch.Tensor) -> torch.Tensor:
    """[n, 48000] -> the same shape; each row on its own."""
    n = len(x)
    y = torch.fft.irfft(torch.fft.rfft(x, SIZE) * response(n, x) * room(n, x), SIZE)[:, :SAMPLES]
    stationary = coloured(n, x) * happens(n, 0.5, x) * (level(y) * 10 ** (-uniform(n, 10, 45, x) / 10)).sqrt()
    rare = (torch.rand_like(y) < uniform(n, 0, 0.05, x)).float() * happens(n, 0.2, x)
    y = y + stationary + y * rare * (torch.rand_like(y) * 2 - 1)
    top = y.abs().amax(dim=1, keepdim=True)
    limit = top * torch.where(happens(n, 0.1, x) > 0, uniform(n, 0.3, 0.9, x), torch.ones_like(top))
    y = torch.maximum(torch.minimum(y, limit), -limit)
    which = torch.rand(n, 1, device=x.device)
    y = torch.where(which < 0.12, mu_law(y), torch.where(which > 0.8, holes(y), y))
    y = torch.where(happens(n, CLEAN, x) > 0, x, y)
    peak = 10 ** (uniform(n, -22, -1, x) / 20)
    return y * peak / y.abs().amax(dim=1, keepdim=True).clamp_min(1e-6)
