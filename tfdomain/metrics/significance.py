"""Whether a difference is more than chance: tests of two models on the same rows, intervals of runs that overlap."""

import math
from collections.abc import Sequence

import numpy as np

from tfdomain.errors import InputError

__all__ = ["SIGNIFICANT", "bootstrap_p_value", "holm", "mcnemar_p_value", "resampled_interval", "student_t_quantile"]

SIGNIFICANT = 0.05
"""A difference is called one where its corrected p-value is below this."""


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number, so that one wrong claim among all is as rare as it is for a single test.

    Args:
        p_values: `[n]`, each 0 to 1.

    Returns:
        `[n]`, in the same order.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]

    Reference: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
        Statistics 6 (1979).
    """
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(np.argsort(p_values, kind="stable").tolist()):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected


def mcnemar_p_value(first: np.ndarray, second: np.ndarray) -> float:
    """McNemar's exact test, of two sides: whether two models are right equally often on the same rows.

    Only the rows count on which one is right and the other wrong; by chance either would be so equally often.
    The tail of the binomial distribution is summed in whole numbers, so that no approximation is made.

    Args:
        first: bool `[n]`, where the first model is right.
        second: bool `[n]`, where the second is.

    Raises:
        InputError: The numbers of rows differ.

    Example:
        >>> mcnemar_p_value(np.array([True] * 6 + [False]), np.array([False] * 6 + [False]))
        0.03125

    Reference: McNemar, "Note on the Sampling Error of the Difference Between Correlated Proportions or
        Percentages", Psychometrika 12 (1947).
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    if first.shape != second.shape:
        raise InputError(f"{len(first)} and {len(second)} rows are compared", mend="give the same rows of both")
    counts = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    total = sum(counts)
    tail = term = 1
    for chosen in range(1, min(counts) + 1):
        term = term * (total - chosen + 1) // chosen
        tail += term
    # Whole numbers are divided exactly, however large: 2**total is no float from 1,024 rows on.
    return min(1.0, 2 * tail / 2**total)


def bootstrap_p_value(differences: np.ndarray) -> float:
    """How rare a difference of the other sign is among resamples, of two sides.

    It goes with the percentile interval: p is below 0.05 where the 95 % interval leaves 0 out. One resample more than
    were drawn counts for either side, since no number of them shows that something cannot happen.

    Args:
        differences: float `[resamples]`, the metric's difference in each.

    Reference: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 13 and 16.
    """
    tail = min(int(np.sum(differences <= 0)), int(np.sum(differences >= 0)))
    return min(1.0, 2 * (1 + tail) / (1 + len(differences)))


def resampled_interval(values: Sequence[float], test_to_train: float) -> tuple[float, float]:
    """The 95 % interval of a mean over runs whose training rows overlap, as those of cross-validation do.

    The runs are not independent, so that the plain t interval, with a variance of s^2 / n, is too narrow. Here the
    variance is s^2 (1 / n + test / train): n runs never tell as much as n samples.

    Args:
        values: Float `[n]`, two at least.
        test_to_train: Rows tested on as a share of those trained on; 1 / (k - 1) for k folds.

    Example:
        >>> low, high = resampled_interval([0.80, 0.82, 0.84, 0.81, 0.83], 1 / 4)
        >>> round(low, 4), round(high, 4)
        (0.7906, 0.8494)

    Reference: Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 52 (2003); of repeated
        cross-validation Bouckaert and Frank, "Evaluating the Replicability of Significance Tests for Comparing
        Learning Algorithms", PAKDD 2004.
    """
    count = len(values)
    error = float(np.std(values, ddof=1)) * math.sqrt(1 / count + test_to_train)
    reach = student_t_quantile(0.975, count - 1) * error
    return float(np.mean(values)) - reach, float(np.mean(values)) + reach


def student_t_quantile(probability: float, degrees: int) -> float:
    """What Student's t is below with this probability.

    The distribution has a closed form for whole degrees of freedom, in which the quantile is searched for.

    Args:
        probability: 0.5 to less than 1.
        degrees: Degrees of freedom, 1 at least.

    Example:
        >>> round(student_t_quantile(0.975, 4), 4)
        2.7764

    Reference: Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.3 and 26.7.4.
    """
    low, high = 0.0, math.pi / 2
    for _ in range(100):
        middle = (low + high) / 2
        if (1 + _within_angle(middle, degrees)) / 2 < probability:
            low = middle
        else:
            high = middle
    return math.sqrt(degrees) * math.tan(low)


def _within_angle(angle: float, degrees: int) -> float:
    """The probability that Student's t is between -x and x, for x = sqrt(degrees) tan(angle)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2 == 1
    term = cosine if odd else 1.0
    total = 0.0 if degrees == 1 else term
    for power in range(3 if odd else 2, degrees - 1, 2):
        term *= cosine * cosine * (power - 1) / power
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
