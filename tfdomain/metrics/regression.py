"""Everything that is reported of a regressor with one or several targets."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tfdomain.errors import InputError
from tfdomain.metrics.weights import checked_weight, mean_of_defined

__all__ = ["REGRESSION_SCORES", "regression_metrics"]

REGRESSION_SCORES = ("mse", "rmse", "mae", "pearson", "spearman", "r2")
"""The names that `regression_metrics` gives, over all targets and for each."""


def regression_metrics(
    true: ArrayLike,
    predicted: ArrayLike,
    target_names: Sequence[str],
    sample_weight: ArrayLike | None = None,
) -> dict[str, Any]:
    """Judges a regressor on examples with known targets.

    A weight of 2 is the example twice, in every number: Spearman's ranks are those of the repeated
    examples. What the examples leave undefined is None, never NaN.

    Args:
        true: float `[n]` or `[n, targets]`, in the targets' own unit.
        predicted: float, the same shape.
        target_names: The names of the targets, in the order of the columns; at least one.
        sample_weight: float `[n]`, not negative; None counts each example as one. An example with
            weight 0 has no part in any number but `num_examples`.

    Returns:
        - `num_examples`: the number of rows.
        - `mse`, `rmse`, `mae`: the mean squared error, its root, the mean absolute error; None
          without examples.
        - `pearson`: the linear correlation; `spearman`: that of the ranks, equal values sharing
          the mean of their ranks. None where the targets or the predictions are all equal.
        - `r2`: 1 less the squared error's share of the targets' variance; 0 is what the mean of the
          targets would reach, below 0 is worse. None where the targets are all equal.
        - `per_target`: for each name the same six.

        With several targets the first six are the plain means over the targets that define them.

    Raises:
        InputError: Shapes do not fit, or a value is not finite.

    Example:
        >>> metrics = regression_metrics([1.0, 2.0, 4.0], [1.0, 3.0, 4.0], ["similarity"])
        >>> round(metrics["mse"], 4), round(metrics["pearson"], 4), round(metrics["r2"], 4)
        (0.3333, 0.9286, 0.7857)
    """
    true, predicted = _columns(true, "true"), _columns(predicted, "predicted")
    _check(true, predicted, target_names)
    weight = checked_weight(sample_weight, len(true))
    counts = weight > 0
    per_target = {
        name: _target_scores(true[counts, index], predicted[counts, index], weight[counts])
        for index, name in enumerate(target_names)
    }
    means = {score: mean_of_defined(scores[score] for scores in per_target.values()) for score in REGRESSION_SCORES}
    return {"num_examples": len(true), **means, "per_target": per_target}


def _target_scores(true: np.ndarray, predicted: np.ndarray, weight: np.ndarray) -> dict[str, float | None]:
    if not len(true):
        return dict.fromkeys(REGRESSION_SCORES)
    error = predicted - true
    mse = float(np.average(error**2, weights=weight))
    variance = float(np.average((true - np.average(true, weights=weight)) ** 2, weights=weight))
    return {
        "mse": mse,
        "rmse": float(np.sqrt(mse)),
        "mae": float(np.average(np.abs(error), weights=weight)),
        "pearson": _correlation(true, predicted, weight),
        "spearman": _correlation(_ranks(true, weight), _ranks(predicted, weight), weight),
        "r2": 1 - mse / variance if variance > 0 and np.ptp(true) > 0 else None,
    }


def _correlation(first: np.ndarray, second: np.ndarray, weight: np.ndarray) -> float | None:
    # Rounding may leave equal values a hair off their mean: ask the values, not the variance.
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    product = np.sum(weight * _standardized(first, weight) * _standardized(second, weight))
    return float(np.clip(product, -1, 1))


def _standardized(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    centred = values - np.average(values, weights=weight)
    centred = centred / np.abs(centred).max()  # squares of very small numbers would vanish
    return centred / np.sqrt(np.sum(weight * centred**2))


def _ranks(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Half-way through the weight that shares the value; with weights of one the usual mean rank, less a half."""
    _, group = np.unique(values, return_inverse=True)
    shared = np.bincount(group, weights=weight)
    return (np.cumsum(shared) - shared / 2)[group]


def _columns(values: ArrayLike, name: str) -> np.ndarray:
    values = np.asarray(values, "float64")
    if values.ndim not in (1, 2):
        raise InputError(f"{name} has the shape {values.shape}, not [n] or [n, targets]")
    return values[:, np.newaxis] if values.ndim == 1 else values


def _check(true: np.ndarray, predicted: np.ndarray, target_names: Sequence[str]) -> None:
    if not target_names or len(set(target_names)) != len(target_names):
        raise InputError("target_names must be one or more different names")
    for values, name in ((true, "true"), (predicted, "predicted")):
        if values.shape != (len(true), len(target_names)):
            raise InputError(
                f"{name} has the shape {values.shape}, not ({len(true)}, {len(target_names)})",
                mend="give one column for each target name",
            )
    for values, mend in ((true, "leave out rows without a target"), (predicted, "NaN means that training diverged")):
        if not np.isfinite(values).all():
            row, column = np.argwhere(~np.isfinite(values))[0]
            problem = f"{values[row, column]} is not a finite number"
            raise InputError(problem, where=f"row {row}, target {target_names[column]!r}", mend=mend)
