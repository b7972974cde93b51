"""Whether a difference between two models is more than chance: tests on the rows that both were asked."""

from collections.abc import Sequence

import numpy as np

from tfdomain.errors import InputError

__all__ = ["SIGNIFICANT", "bootstrap_p_value", "holm", "mcnemar_p_value"]

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
