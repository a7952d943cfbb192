"""Constants of Whisper's log-mel front end, computed with `math` only so that every machine agrees.

All values are rounded to float32 from double precision, which hides the last-digit differences
between maths libraries.
"""
from __future__ import annotations

import math

import numpy as np

RATE = 16000
N_FFT = 400
HOP = 160
MELS = 80
BINS = N_FFT // 2 + 1


def dft_kernel() -> np.ndarray:
    """[2 * 201, 1, 400]: Hann-windowed cosine rows, then sine rows: an STFT as one convolution."""
    turn = [2 * math.pi * i / N_FFT for i in range(N_FFT)]
    cos, sin = [math.cos(a) for a in turn], [math.sin(a) for a in turn]
    window = [0.5 - 0.5 * cos[i] for i in range(N_FFT)]
    rows = [[window[i] * table[k * i % N_FFT] for i in range(N_FFT)] for table in (cos, sin) for k in range(BINS)]
    return np.array(rows, dtype=np.float64).astype(np.float32)[:, None, :]


def _hz_to_mel(hz: float) -> float:
    return hz * 3 / 200 if hz < 1000 else 15 + math.log(hz / 1000) * 27 / math.log(6.4)


def _mel_to_hz(mel: float) -> float:
    return mel * 200 / 3 if mel < 15 else 1000 * math.exp((mel - 15) * math.log(6.4) / 27)


def mel_filters(mels: int = MELS) -> np.ndarray:
    """[mels, 201]: Slaney's triangles with area normalisation, 0 to 8 kHz, as Whisper (80) and librosa have them."""
    top = _hz_to_mel(RATE / 2)
    edges = [_mel_to_hz(top * i / (mels + 1)) for i in range(mels + 2)]
    out = np.zeros((mels, BINS), dtype=np.float64)
    for m in range(mels):
        low, mid, high = edges[m : m + 3]
        for k in range(BINS):
            hz = k * RATE / N_FFT
            weight = min((hz - low) / (mid - low), (high - hz) / (high - mid))
            out[m, k] = max(0.0, weight) * 2 / (high - low)
    return out.astype(np.float32)
