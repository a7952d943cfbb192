"""A detector's scores are ONNX Runtime's own on the tensor that its manifest describes."""
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import seamline

ROOT = Path(__file__).parents[3]


def session(model: str, file: Path):
    manifest = tomllib.loads((ROOT / "models" / model / "manifest.toml").read_text())
    return manifest, onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])


def test_voice_scores_are_the_runtime_s():
    detector = seamline.Detector("voice-whisper", home=ROOT)
    manifest, reference = session("voice-whisper", ROOT / ".cache/models/voice-whisper.onnx")
    assert (detector.id, detector.aspect, detector.unit) == ("voice-whisper", "voice", "logit")
    assert detector.higher_is_spoof and detector.sha256 == manifest["file"]["sha256"]
    assert detector.input_shape == [48000]
    random = np.random.default_rng(3)
    waves = (random.normal(size=(2, 48000)) * 0.05).astype(np.float32)
    want = [reference.run(None, {"wave": wave[None]})[0].item() for wave in waves]
    got = detector.score(waves)
    assert got.dtype == np.float64 and got == pytest.approx(want, abs=1e-3)
    assert detector.score(waves[0]) == pytest.approx(want[:1], abs=1e-3)
    # A short window is filled with itself, as the manifest says.
    short = waves[0][:20000]
    filled = np.concatenate([short, short, short])[:48000]
    assert detector.score(short) == pytest.approx(detector.score(filled), abs=1e-6)


def test_face_scores_are_the_runtime_s():
    detector = seamline.Detector("face-blend", home=ROOT)
    height, width, channels = detector.input_shape
    assert channels == 3 and detector.aspect == "face"
    manifest, reference = session("face-blend", next((ROOT / "models/face-blend").glob("*.onnx")))
    image = manifest["preprocess"]["image"]
    crop = np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)
    lo, hi = image["range"]
    x = crop[..., :: -1 if image["colour"] == "bgr" else 1].astype(np.float32) / 255 * (hi - lo) + lo
    x = (x - np.float32(image["mean"])) / np.float32(image["std"])
    x = (x if image["layout"] == "nhwc" else x.transpose(2, 0, 1))[None].astype(np.float32)
    want = reference.run([manifest["output"]["name"]], {manifest["input"]["name"]: x})[0].reshape(-1)
    assert detector.score(crop) == pytest.approx(want, abs=1e-3)
    assert detector.score(np.stack([crop, crop])).shape == (2,)


def test_wrong_input_is_refused_in_words():
    voice = seamline.Detector("voice-whisper", home=ROOT)
    with pytest.raises(TypeError, match="floating point"):
        voice.score(np.zeros(48000, dtype=np.int16))
    with pytest.raises(ValueError, match="at most 48000"):
        voice.score(np.zeros(48001, dtype=np.float32))
    with pytest.raises(ValueError, match="NaN"):
        voice.score(np.full(48000, np.nan, dtype=np.float32))
    face = seamline.Detector("face-blend", home=ROOT)
    with pytest.raises(TypeError, match="uint8"):
        face.score(np.zeros(face.input_shape, dtype=np.float32))
    with pytest.raises(ValueError, match="crops must be"):
        face.score(np.zeros((10, 10, 3), dtype=np.uint8))


def test_a_missing_detector_or_model_is_named(tmp_path):
    with pytest.raises(KeyError, match="voice-whisper"):
        seamline.Detector("no-such-detector", home=ROOT)
    (tmp_path / "models").symlink_to(ROOT / "models")
    with pytest.raises(seamline.ModelError):
        seamline.Detector("voice-whisper", home=tmp_path)
