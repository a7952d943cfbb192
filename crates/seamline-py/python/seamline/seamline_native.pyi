import os
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

__version__: str

class ModelError(Exception):
    """A model or the ONNX Runtime cannot be used; the message says why and how to mend it."""

class Detector:
    """A detector by its id, its weights verified against its manifest. Raises KeyError, ModelError."""

    def __new__(cls, id: str, *, home: str | os.PathLike[str] | None = None) -> Detector: ...
    @property
    def id(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def sha256(self) -> str:
        """Of the weights, hexadecimal."""
    @property
    def aspect(self) -> Literal["voice", "face"]: ...
    @property
    def higher_is_spoof(self) -> bool:
        """Whether larger raw scores support spoof; otherwise they support bona fide."""
    @property
    def unit(self) -> Literal["logit", "probability", "arbitrary"]: ...
    @property
    def input_shape(self) -> list[int]:
        """One row: [samples] (-1 = any length) of mono sound at 16 kHz, or [height, width, 3] of RGB."""
    def score(self, rows: NDArray[np.floating] | NDArray[np.uint8]) -> NDArray[np.float64]:
        """Raw, uncalibrated scores, one a row. Sound: floating point in [-1, 1]; shorter windows are filled as the
        manifest says. Crops: uint8."""

def find_program() -> str | None:
    """$SEAMLINE_BIN, or the first seamline on $PATH."""

def auc(scores: ArrayLike, is_spoof: NDArray[np.bool_] | Sequence[bool]) -> float:
    """Area under the ROC: P(spoof > bona fide) + P(equal) / 2."""

def eer(scores: ArrayLike, is_spoof: NDArray[np.bool_] | Sequence[bool]) -> float:
    """Equal error rate, where the straight lines between the points of the ROC meet."""

def average_precision(scores: ArrayLike, is_spoof: NDArray[np.bool_] | Sequence[bool]) -> float:
    """With spoof as the positive class, without interpolation (as in scikit-learn)."""

def min_dcf(scores: ArrayLike, is_spoof: NDArray[np.bool_] | Sequence[bool]) -> float:
    """Least normalised detection cost, costs and prior of ASVspoof 5."""

def rank_metrics(scores: ArrayLike, is_spoof: NDArray[np.bool_] | Sequence[bool]) -> dict[str, float]:
    """auc, eer, eer_nearest (as the ASVspoof 5 package has it), average_precision, min_dcf, in one pass."""

def act_dcf(llrs: ArrayLike, is_spoof: NDArray[np.bool_] | Sequence[bool]) -> float:
    """Normalised detection cost at the Bayes threshold of ASVspoof 5."""

def cllr(llrs: ArrayLike, is_spoof: NDArray[np.bool_] | Sequence[bool]) -> float:
    """In bits: 0 is perfect, 1 is what LLRs of 0 cost."""

def min_cllr(scores: ArrayLike, is_spoof: NDArray[np.bool_] | Sequence[bool]) -> float:
    """Cllr after the best monotone recalibration of these very scores."""

def brier(llrs: ArrayLike, is_spoof: NDArray[np.bool_] | Sequence[bool], prior: float) -> float:
    """Mean squared error of P(spoof) under a stated prior, trials weighted to that prior."""

def ece(llrs: ArrayLike, is_spoof: NDArray[np.bool_] | Sequence[bool], prior: float, bins: int = 15) -> float:
    """Expected calibration error of P(spoof) under a stated prior, bins of equal width."""

def aurc(scores: ArrayLike, is_spoof: NDArray[np.bool_] | Sequence[bool], threshold: float) -> float:
    """Area under the risk-coverage curve; confidence is the distance to the threshold."""

def roc(
    scores: ArrayLike, is_spoof: NDArray[np.bool_] | Sequence[bool]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Thresholds (falling from infinity), false-alarm rates, detection rates."""

def risk_coverage(
    scores: ArrayLike, is_spoof: NDArray[np.bool_] | Sequence[bool], threshold: float, abstained: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coverage, and the risk among the trials that are answered there."""

def operating(scores: ArrayLike, is_spoof: NDArray[np.bool_] | Sequence[bool], threshold: float) -> dict[str, int]:
    """Counts where scores from the threshold up are called spoof: false_alarms, bonafide, detected, spoof."""

def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float, float]:
    """Rate, lower and upper bound."""

def average_precision_at_iou(
    segments: Sequence[tuple[Sequence[tuple[float, float]], Sequence[tuple[float, float, float]]]], iou: float
) -> float:
    """AP@IoU. A clip is (true spans, proposals); a proposal is (start, end, score)."""

def average_recall_at(
    segments: Sequence[tuple[Sequence[tuple[float, float]], Sequence[tuple[float, float, float]]]], proposals: int
) -> float:
    """AR@N, over IoU 0.5 to 0.95."""

def bootstrap_intervals(
    scores: ArrayLike,
    is_spoof: NDArray[np.bool_] | Sequence[bool],
    strata: Sequence[str] | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, tuple[float, float | None, float | None]]:
    """Each of rank_metrics with its interval, trials drawn within class and stratum; the bounds are None where most
    resamples lack a class."""
