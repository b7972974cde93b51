"""From which score on an example is positive: chosen by a metric or by what each error costs, and judged."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tfdomain.errors import InputError
from tfdomain.metrics.confusion import class_scores, confusion_matrix
from tfdomain.metrics.weights import checked_weight

__all__ = ["THRESHOLD_SCORES", "Threshold", "choose_threshold", "choose_thresholds", "thresholded_metrics"]

THRESHOLD_SCORES = ("precision", "recall", "f1", "accuracy", "specificity", "false_positive_rate", "cost")
"""The names that `thresholded_metrics` gives."""

_F_BETA = re.compile(r"f(\d+(?:\.\d+)?)")
_ERRORS = ("false_positive", "false_negative")
# Sums of weights in another order differ by rounding: cuts this close are equal.
_EQUAL = 1e-13


class Threshold(NamedTuple):
    """A chosen threshold: an example is positive where its score is at least `value`.

    Attributes:
        value: The threshold, in the unit of the scores.
        objective: What it was chosen by: the metric's name, or `"cost"`.
        score: The objective's value at the threshold; None where nothing could be chosen.
        reason: Why nothing could be chosen, else None.
    """

    value: float
    objective: str
    score: float | None
    reason: str | None = None


def choose_threshold(
    true: ArrayLike,
    scores: ArrayLike,
    *,
    metric: str = "f1",
    costs: Mapping[str, float] | None = None,
    sample_weight: ArrayLike | None = None,
) -> Threshold:
    """The threshold that is best on these examples, over every way to cut their scores.

    It stands half-way between two neighbouring scores, in the scores' own precision; the one that
    makes all positive is the lowest score, the one that makes none positive lies just above the
    highest. Of equally good ones it is the highest, which raises the fewest alarms. Choose on
    validation data: on the training data it would be too optimistic.

    Without positives, or without negatives, every objective is undefined or best at an end of the
    scale: that says nothing about later examples, and the threshold is 0.5, with the reason.

    Args:
        true: int or bool `[n]`, 1 for positive.
        scores: float `[n]`, higher means more likely positive.
        metric: `"f1"` or any F-beta such as `"f2"` (recall counts more) and `"f0.5"` (precision
            counts more), `"accuracy"`, `"balanced_accuracy"`, or `"youden"` (recall less the false
            positive rate).
        costs: What an error costs, `{"false_positive": c, "false_negative": c}`, each at least 0.
            If given, the least mean cost per example decides and not the metric.
        sample_weight: float `[n]`, not negative; None counts each example as one.

    Raises:
        InputError: Shapes do not fit, a value is no label or no score, or the metric is unknown.

    Example:
        >>> choose_threshold([0, 0, 1, 1], [0.1, 0.2, 0.4, 0.9])
        Threshold(value=0.30000000000000004, objective='f1', score=1.0, reason=None)
        >>> choose_threshold([0, 1, 0], [0.2, 0.4, 0.6], costs={"false_positive": 1, "false_negative": 5}).score
        0.3333333333333333

    Reference:
        Youden, "Index for rating diagnostic tests", Cancer 3 (1950).
    """
    objective = _cost_objective(costs) if costs is not None else _metric_objective(metric)
    name = metric if costs is None else "cost"
    positive, scores, weight = _checked(true, scores, sample_weight)
    counts = weight > 0
    positive, scores, weight = positive[counts], scores[counts], weight[counts]
    if not positive.any() or positive.all():
        reason = "no examples" if not len(positive) else "no negatives" if positive.all() else "no positives"
        return Threshold(0.5, name, None, reason)
    distinct, true_positives, false_positives = _cuts(positive, scores, weight)
    values = objective(true_positives, false_positives, true_positives[-1], false_positives[-1])
    unit = 1.0 if costs is None else abs(values.max())
    best = int(np.flatnonzero(values >= values.max() - _EQUAL * unit)[0])
    score = float(values[best])
    return Threshold(_between(distinct, best), name, score if costs is None else 0.0 - score)


def choose_thresholds(
    true: ArrayLike,
    scores: ArrayLike,
    *,
    metric: str = "f1",
    costs: Mapping[str, float] | None = None,
    sample_weight: ArrayLike | None = None,
) -> list[Threshold]:
    """A threshold for each label, chosen on its own by `choose_threshold`.

    Args:
        true: int or bool `[n, labels]`, 1 where the example has the label.
        scores: float `[n, labels]`.
        metric: As for `choose_threshold`.
        costs: As for `choose_threshold`, the same for every label.
        sample_weight: float `[n]`.

    Raises:
        InputError: Shapes do not fit, a value is no label or no score, or the metric is unknown.

    Example:
        >>> [each.value for each in choose_thresholds([[1, 0], [0, 0]], [[0.75, 0.2], [0.25, 0.1]])]
        [0.5, 0.5]
    """
    true, scores = np.asarray(true), np.asarray(scores)
    if true.ndim != 2 or true.shape != scores.shape:
        raise InputError(f"true is {true.shape} and scores are {scores.shape}, not both [n, labels]")
    return [
        choose_threshold(cells, column, metric=metric, costs=costs, sample_weight=sample_weight)
        for cells, column in zip(true.T, scores.T, strict=True)
    ]


def thresholded_metrics(
    true: ArrayLike,
    scores: ArrayLike,
    threshold: float,
    *,
    costs: Mapping[str, float] | None = None,
    sample_weight: ArrayLike | None = None,
) -> dict[str, Any]:
    """Judges a binary classifier at one threshold.

    Args:
        true: int or bool `[n]`, 1 for positive.
        scores: float `[n]`; positive where at least the threshold.
        threshold: Taken in the precision of the scores.
        costs: What an error costs, as for `choose_threshold`.
        sample_weight: float `[n]`, not negative; None counts each example as one.

    Returns:
        `num_examples`; `precision`, `recall`, `f1` of the positives (None where none is true or
        predicted), `accuracy`, `specificity` (the share of the negatives that are not predicted
        positive) and `false_positive_rate` (1 less that), both None without negatives, and `cost`,
        the mean cost per example, None without costs.

    Raises:
        InputError: Shapes do not fit, or a value is no label or no score.

    Example:
        >>> metrics = thresholded_metrics([0, 1, 1], [0.2, 0.4, 0.6], 0.5)
        >>> metrics["recall"], metrics["specificity"]
        (0.5, 1.0)
    """
    cost = _cost_objective(costs) if costs is not None else None
    positive, scores, weight = _checked(true, scores, sample_weight)
    matrix = confusion_matrix(positive, scores >= scores.dtype.type(threshold), 2, weight)
    (true_negatives, false_positives), (_, true_positives) = matrix
    num_negative, num_positive = matrix.sum(axis=1)
    total, classes = num_negative + num_positive, class_scores(matrix)
    counts = (true_positives, false_positives, num_positive, num_negative)
    return {
        "num_examples": len(positive),
        **{name: float(classes[name][1]) if classes["seen"][1] else None for name in ("precision", "recall", "f1")},
        "accuracy": float(np.trace(matrix) / total) if total else None,
        "specificity": float(true_negatives / num_negative) if num_negative else None,
        "false_positive_rate": float(false_positives / num_negative) if num_negative else None,
        "cost": 0.0 - float(cost(*counts)) if cost and total else None,
    }


def _cuts(positive: np.ndarray, scores: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The distinct scores, highest first, and what is caught when the first 0, 1, 2, ... of them are positive."""
    order = np.argsort(-scores, kind="stable")
    ranked, hit, weight = scores[order], positive[order], weight[order]
    closes = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    true_positives = np.append(0.0, np.cumsum(np.where(hit, weight, 0.0))[closes])
    false_positives = np.append(0.0, np.cumsum(np.where(hit, 0.0, weight))[closes])
    return ranked[closes], true_positives, false_positives


def _between(distinct: np.ndarray, cut: int) -> float:
    if cut == 0:
        return float(np.nextafter(distinct[0], distinct.dtype.type(np.inf)))
    if cut == len(distinct):
        return float(distinct[-1])
    above, below = distinct[cut - 1], distinct[cut]
    middle = above / 2 + below / 2
    # Between two neighbouring floats there is no third: the upper one itself cuts.
    return float(middle if below < middle <= above else above)


def _metric_objective(metric: str):
    if matched := _F_BETA.fullmatch(metric):
        square = float(matched[1]) ** 2
        # Both are 0 together only when nothing is predicted and beta is 0.
        return lambda tp, fp, p, n: (1 + square) * tp / np.maximum(square * p + tp + fp, np.finfo("float64").tiny)
    objectives = {
        "accuracy": lambda tp, fp, p, n: (tp + n - fp) / (p + n),
        "balanced_accuracy": lambda tp, fp, p, n: (tp / p + 1 - fp / n) / 2,
        "youden": lambda tp, fp, p, n: tp / p - fp / n,
    }
    if metric not in objectives:
        choices = ", ".join(["f1, f2, f0.5 (any f<beta>)", *objectives])
        raise InputError(f"no threshold can be chosen by {metric!r}", mend=f"choose one of {choices}, or give costs")
    return objectives[metric]


def _cost_objective(costs: Mapping[str, float]):
    each = [costs.get(error, -1.0) for error in _ERRORS]
    if len(costs) != len(_ERRORS) or not all(0 <= cost < np.inf for cost in each) or not any(each):
        raise InputError(
            f"costs are {dict(costs)}",
            mend="give a finite number of at least 0 for false_positive and for false_negative, and not 0 for both",
        )
    return lambda tp, fp, p, n: -(each[0] * fp + each[1] * (p - tp)) / (p + n)


def _checked(
    true: ArrayLike, scores: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    true, scores = np.asarray(true), np.asarray(scores)
    if scores.dtype not in (np.float32, np.float64):
        scores = scores.astype("float64")
    if true.ndim != 1 or true.shape != scores.shape:
        raise InputError(f"true is {true.shape} and scores are {scores.shape}, not both [n]")
    valid = (true == 0) | (true == 1)
    if not valid.all():
        row = np.flatnonzero(~valid)[0]
        raise InputError(f"{true[row]} is not 0 or 1", where=f"row {row}", mend="give 1 for positive")
    if not np.isfinite(scores).all():
        row = np.flatnonzero(~np.isfinite(scores))[0]
        mend = "NaN means that training diverged"
        raise InputError(f"{scores[row]} is not a finite score", where=f"row {row}", mend=mend)
    return true.astype(bool), scores, checked_weight(sample_weight, len(true))
