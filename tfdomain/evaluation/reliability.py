"""Whether probabilities are what they say: of what is 80 % sure, four in five should be right."""

import dataclasses
from typing import Any

import numpy as np

from tfdomain.errors import InputError
from tfdomain.evaluation.figures import new_figure, png_of

__all__ = ["Reliability", "reliability", "reliability_png"]


@dataclasses.dataclass(frozen=True)
class Reliability:
    """Probabilities in bins of equal width from 0 to 1; what an empty bin has no value for is NaN.

    Attributes:
        counts: int64 `[bins]`, the probabilities in each.
        confidence: float64 `[bins]`, their mean.
        share: float64 `[bins]`, the share of them that came true.
    """

    counts: np.ndarray
    confidence: np.ndarray
    share: np.ndarray

    @property
    def calibration_error(self) -> float:
        """The mean distance of a bin's confidence from its share, weighed by the bins' counts.

        Reference: Naeini, Cooper and Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian binning".
        """
        filled = self.counts > 0
        gaps = np.abs(self.confidence - self.share)[filled]
        return float(np.average(gaps, weights=self.counts[filled])) if filled.any() else float("nan")


def reliability(probabilities: Any, is_true: Any, *, num_bins: int = 10) -> Reliability:
    """Sorts probabilities into bins.

    Args:
        probabilities: float `[n]`, 0 to 1.
        is_true: bool `[n]`, whether what they are of came true.
        num_bins: How many bins there are. A bin has its lower end; the last one has 1, too.

    Raises:
        InputError: The lengths differ.
    """
    values, came = np.asarray(probabilities, "float64"), np.asarray(is_true, bool)
    if values.shape != came.shape or values.ndim != 1:
        raise InputError(f"{values.shape} probabilities and {came.shape} outcomes", mend="give one outcome for each")
    bins = np.clip((values * num_bins).astype(int), 0, num_bins - 1)
    counts = np.bincount(bins, minlength=num_bins)
    sums = [np.bincount(bins, weights=weights, minlength=num_bins) for weights in (values, came.astype("float64"))]
    confidence, share = (np.where(counts > 0, total / np.maximum(counts, 1), np.nan) for total in sums)
    return Reliability(counts, confidence, share)


def reliability_png(found: Reliability) -> bytes:
    """Draws the share that came true over the confidence, and below it how many probabilities are in each bin."""
    figure = new_figure(4.6, 5.2)
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    edges = np.linspace(0, 1, len(found.counts) + 1)
    middles, width = (edges[:-1] + edges[1:]) / 2, edges[1]
    upper.bar(middles, np.nan_to_num(found.share), width=width, color="#9ecae1", edgecolor="white")
    upper.plot([0, 1], [0, 1], linestyle="--", color="grey", linewidth=1, label="as sure as it is right")
    upper.plot(found.confidence, found.share, "o-", color="#08519c", markersize=4, label="this model")
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that came true")
    upper.set_title(f"calibration error {found.calibration_error:.3f}", fontsize=10)
    upper.legend(fontsize=8, loc="upper left")
    lower.bar(middles, found.counts, width=width, color="#bdbdbd", edgecolor="white")
    lower.set(xlabel="probability", ylabel="how many")
    return png_of(figure)
