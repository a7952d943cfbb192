"""`speaker-ge2e`: the graph says what the checkpoint's own arithmetic says, and a checkpoint cannot run code."""
import io
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "materialise"))
import torch_legacy  # noqa: E402
from common import cache_dir  # noqa: E402
from logmel import HOP, N_FFT, mel_filters  # noqa: E402
from speaker_graph import FRAMES, LEVEL, SAMPLES  # noqa: E402


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def reference(state, wave):
    """Resemblyzer's arithmetic in double precision: level, mel power (librosa's), LSTM in torch's order of gates."""
    wave = wave * max(1.0, LEVEL / np.sqrt(np.mean(wave**2)))
    padded = np.pad(wave, N_FFT // 2, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    frames = np.stack([padded[i * HOP:i * HOP + N_FFT] * window for i in range(FRAMES)])
    x = np.abs(np.fft.rfft(frames)) ** 2 @ mel_filters(40).astype(np.float64).T
    for layer in range(3):
        w, u = state[f"lstm.weight_ih_l{layer}"].astype(np.float64), state[f"lstm.weight_hh_l{layer}"].astype(np.float64)
        b = state[f"lstm.bias_ih_l{layer}"].astype(np.float64) + state[f"lstm.bias_hh_l{layer}"]
        h = c = np.zeros(256)
        out = []
        for step in x:
            i, f, g, o = np.split(w @ step + u @ h + b, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            out.append(h)
        x = np.stack(out)
    v = np.maximum(state["linear.weight"].astype(np.float64) @ x[-1] + state["linear.bias"], 0)
    return v / np.linalg.norm(v)


def test_the_graph_agrees_with_the_checkpoint_s_arithmetic():
    ort = pytest.importorskip("onnxruntime")
    model, checkpoint = cache_dir() / "models/speaker-ge2e.onnx", cache_dir() / "models/resemblyzer.pt"
    with open(checkpoint, "rb") as f:
        state = torch_legacy.read(f)["model_state"]
    rng = np.random.default_rng(5)
    t = np.arange(SAMPLES) / 16000
    buzz = np.sign(np.sin(2 * np.pi * 120 * t + 3 * np.sin(2 * np.pi * 3 * t)))
    waves = np.stack([0.2 * buzz, 0.001 * rng.standard_normal(SAMPLES), 0.3 * np.sin(2 * np.pi * (200 + 800 * t) * t)])
    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {"wave": waves.astype(np.float32)})
    for wave, voice in zip(waves, got):
        assert voice.shape == (256,) and voice.min() >= 0
        assert np.dot(reference(state, wave), voice) > 0.99999


@pytest.mark.parametrize("what", ["code", "cut"])
def test_a_checkpoint_that_names_code_or_is_cut_off_is_refused(what):
    out = io.BytesIO()
    for value in (torch_legacy.MAGIC, torch_legacy.PROTOCOL, {"little_endian": True}):
        pickle.dump(value, out, protocol=2)
    if what == "code":
        out.write(b"cos\nsystem\n(S'true'\ntR.")
        wanted = pickle.UnpicklingError
    else:
        wanted = EOFError
    with pytest.raises(wanted):
        torch_legacy.read(io.BytesIO(out.getvalue()))
