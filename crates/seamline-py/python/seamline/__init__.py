"""Seamline from Python: an offline deepfake and synthetic-media detector.

    import seamline
    verdict = seamline.scan("clip.mp4")["verdict"]["conclusion"]
    seamline.Detector("voice-whisper").score(samples)     # raw scores; float32, mono, 16 kHz
    seamline.metrics.auc(scores, is_spoof)                # higher scores support spoof

A scan runs the `seamline` program, because a decoder of untrusted files belongs in its own jailed process: the
program is taken from $SEAMLINE_BIN or $PATH. Nothing uses a network.
"""
from . import metrics
from .scanning import ScanError, scan, scan_many
from .seamline_native import Detector, ModelError, __version__

__all__ = ["Detector", "ModelError", "ScanError", "__version__", "metrics", "scan", "scan_many"]
