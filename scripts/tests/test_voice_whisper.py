"""The voice model's builder: bounded reading, exact front end, same bytes every time.

Run with: pytest scripts/tests/test_voice_whisper.py (needs numpy, onnx, onnxruntime; the tests use
a tiny random encoder, so nothing is downloaded).
"""
from __future__ import annotations

import hashlib
import io
import struct
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
# Appended, not put first: a materialiser must never hide a package of the same name.
sys.path.append(str(ROOT / "scripts" / "materialise"))

import ct2  # noqa: E402
import lcnn_graph  # noqa: E402
import logmel  # noqa: E402
import voice_whisper  # noqa: E402
import whisper_graph  # noqa: E402

WIDTH, HEADS = 16, 2


def tiny_encoder() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {"conv1/weight": (WIDTH, 80, 3), "conv1/bias": (WIDTH,), "conv2/weight": (WIDTH, WIDTH, 3),
              "conv2/bias": (WIDTH,), "position_encodings/encodings": (200, WIDTH)}
    for layer in ("layer_0/", "layer_1/"):
        for norm in ("self_attention/layer_norm", "ffn/layer_norm"):
            shapes |= {f"{layer}{norm}/gamma": (WIDTH,), f"{layer}{norm}/beta": (WIDTH,)}
        for name, out, into in (("self_attention/linear_0", 3 * WIDTH, WIDTH), ("self_attention/linear_1", WIDTH, WIDTH),
                                ("ffn/linear_0", 4 * WIDTH, WIDTH), ("ffn/linear_1", WIDTH, 4 * WIDTH)):
            shapes |= {f"{layer}{name}/weight": (out, into), f"{layer}{name}/bias": (out,)}
    weights = {"encoder/" + k: (rng.standard_normal(s) * 0.2).astype(np.float16) for k, s in shapes.items()}
    weights["encoder/num_heads"] = np.array(HEADS, dtype=np.int16)
    return weights


def head() -> whisper_graph.Head:
    return whisper_graph.Head([1, 2], np.linspace(-1, 1, 4 * WIDTH).astype(np.float32), 0.25)


def model_bin(variables: dict[str, np.ndarray]) -> bytes:
    def string(s: str) -> bytes:
        return struct.pack("<H", len(s) + 1) + s.encode() + b"\0"

    kinds = {v.str: k for k, v in ct2.TYPES.items()} | {"|i1": 1}
    out = struct.pack("<I", 6) + string("WhisperSpec") + struct.pack("<II", 3, len(variables))
    for name, a in variables.items():
        out += string(name) + struct.pack("<B", a.ndim) + struct.pack(f"<{a.ndim}I", *a.shape)
        out += struct.pack("<BI", kinds[a.dtype.str], a.nbytes) + a.tobytes()
    return out


def test_reader_gives_back_what_was_written():
    weights = tiny_encoder()
    got = ct2.read(io.BytesIO(model_bin(weights)), "encoder/")
    assert got.spec == "WhisperSpec" and got.revision == 3
    assert ct2.digest(got.variables) == ct2.digest(weights)


def test_every_truncation_is_refused():
    whole = model_bin({"encoder/a": np.arange(6, dtype=np.float16).reshape(2, 3), "encoder/b": np.zeros(2, np.float32)})
    for n in range(len(whole)):
        with pytest.raises(ct2.Ct2Error):
            ct2.read(io.BytesIO(whole[:n]))


@pytest.mark.parametrize("at, value", [(0, 7), (22, 0xFFFFFFFF)])
def test_wrong_version_and_absurd_counts_are_refused(at, value):
    whole = bytearray(model_bin({"encoder/a": np.zeros(2, np.float32)}))
    whole[at : at + 4] = struct.pack("<I", value)
    with pytest.raises(ct2.Ct2Error):
        ct2.read(io.BytesIO(bytes(whole)))


def test_size_must_agree_with_shape():
    whole = model_bin({"a": np.zeros(2, np.float32)})
    with pytest.raises(ct2.Ct2Error):
        ct2.read(io.BytesIO(whole.replace(struct.pack("<BI", 0, 8), struct.pack("<BI", 0, 4))))


def test_same_bytes_every_time():
    first, second = (whisper_graph.build(tiny_encoder(), head=head()).SerializeToString(deterministic=True) for _ in "12")
    assert hashlib.sha256(first).digest() == hashlib.sha256(second).digest()


def reference_power(x: np.ndarray) -> np.ndarray:
    padded = np.pad(x.astype(np.float64), 200, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.stack([padded[i * 160 : i * 160 + 400] * window for i in range(300)])
    return (np.abs(np.fft.rfft(frames)) ** 2).T


def reference_log_mel(x: np.ndarray) -> np.ndarray:
    mel = np.log10(np.maximum(logmel.mel_filters().astype(np.float64) @ reference_power(x), 1e-10))
    return (np.maximum(mel, mel.max() - 8) + 4) / 4


def run(model, x: np.ndarray, outputs=None):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(outputs, {"wave": x})


def test_log_mel_agrees_with_plain_numpy():
    import onnx

    g = whisper_graph.Graph()
    g.op("Identity", whisper_graph._log_mel(g, whisper_graph._power(g, "wave")), out="mel_out")
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(g.nodes, "t", [info("wave", 1, ["n", 48000])], [info("mel_out", 1, ["n", 80, 300])],
                                   initializer=g.constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    t = np.arange(48000) / 16000
    rng = np.random.default_rng(3)
    waves = np.stack([0.5 * np.sin(2 * np.pi * (100 * t + 300 * t * t)), 0.1 * rng.standard_normal(48000),
                      np.zeros(48000)]).astype(np.float32)
    got = run(model, waves)[0]
    for x, y in zip(waves, got):
        assert np.abs(y - reference_log_mel(x)).max() < 2e-3


def test_mel_filters_have_slaney_area():
    filters = logmel.mel_filters()
    assert filters.shape == (80, 201) and filters.min() == 0
    area = filters.sum(axis=1) * logmel.RATE / logmel.N_FFT
    assert np.all(np.abs(area[40:] - 1) < 0.1)


@pytest.mark.parametrize("steps", [[], [0, 1]])
def test_logit_is_the_head_on_the_exposed_layers(steps):
    x = (np.random.default_rng(1).standard_normal((2, 48000)) * 0.1).astype(np.float32)
    names = ["layer_1", "layer_2"] + [f"step_{k}" for k in steps]
    pooled = np.concatenate(run(whisper_graph.build(tiny_encoder(), expose=2), x, names), axis=1)
    weight = np.linspace(-1, 1, pooled.shape[1]).astype(np.float32)
    logit = run(whisper_graph.build(tiny_encoder(), head=whisper_graph.Head([1, 2], weight, 0.25, steps)), x)[0]
    assert logit.shape == (2,)
    assert np.allclose(pooled @ weight + 0.25, logit, atol=1e-4)


def reference_lcnn(x: np.ndarray, w: dict[str, np.ndarray]) -> float:
    """Plain numpy, from samples to logit."""
    power = reference_power(x)
    x = np.log(lcnn_graph.triangles() @ (power / max(power.mean(), 1e-10)) + 1e-5)[None] / 3
    for i, (kind, *size) in enumerate(lcnn_graph.LAYOUT):
        name = f"body.{i}."
        if kind == "max":
            k = size[0]
            padded = np.pad(x, ((0, 0), (k // 2,) * 2, (k // 2,) * 2))
            patches = np.lib.stride_tricks.sliding_window_view(padded, (k, k), axis=(1, 2))
            x = np.einsum("chwij,ocij->ohw", patches, w[name + "conv.weight"], optimize=True) + w[name + "conv.bias"][:, None, None]
            x = np.maximum(x[: len(x) // 2], x[len(x) // 2 :])
        elif kind == "pool":
            h, v = x.shape[1] // size[0], x.shape[2] // size[1]
            x = x[:, : h * size[0], : v * size[1]].reshape(len(x), h, size[0], v, size[1]).max(axis=(2, 4))
        else:
            gain = w[name + "weight"] / np.sqrt(w[name + "running_var"] + 1e-5)
            x = (x - w[name + "running_mean"][:, None, None]) * gain[:, None, None] + w[name + "bias"][:, None, None]
    x = x.reshape(-1, x.shape[2])
    pooled = np.concatenate([x.mean(axis=1), np.sqrt(x.var(axis=1) + 1e-9)])
    return float(w["head.weight"][0] @ pooled + w["head.bias"][0])


def test_the_sum_is_the_head_and_the_committed_light_cnn():
    fusion = voice_whisper.read_fusion(ROOT / "models" / "voice-whisper")
    t = np.arange(48000) / 16000
    waves = np.stack([np.random.default_rng(1).standard_normal(48000) * 0.1, 0.4 * np.sin(2 * np.pi * (90 * t + 200 * t * t)),
                      np.zeros(48000)]).astype(np.float32)
    alone = run(whisper_graph.build(tiny_encoder(), head=head()), waves)[0]
    both = run(whisper_graph.build(tiny_encoder(), head=head(), fusion=fusion), waves)[0]
    network = {k: v.astype(np.float64) for k, v in fusion.network.items()}
    for x, a, b in zip(waves, alone, both):
        assert abs(fusion.shares[0] * a + fusion.shares[1] * reference_lcnn(x, network) - b) < 2e-3


def test_built_file_has_its_pinned_hash():
    built = ROOT / ".cache" / "models" / "voice-whisper.onnx"
    if not built.exists():
        pytest.skip("not materialised here")
    want = tomllib.loads((ROOT / "models" / "voice-whisper" / "manifest.toml").read_text())["file"]["sha256"]
    assert hashlib.sha256(built.read_bytes()).hexdigest() == want
