"""Everything that is reported of a classifier with any number of labels an example, from its probabilities."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tfdomain.errors import InputError
from tfdomain.metrics.confusion import class_scores, confusion_matrix
from tfdomain.metrics.ranking import ranking_areas
from tfdomain.metrics.weights import checked_weight, mean_of_defined

__all__ = ["MULTILABEL_SCORES", "counted_label_scores", "multilabel_metrics"]

_SCORES = ("precision", "recall", "f1")

MULTILABEL_SCORES = (
    *(f"{average}_{score}" for average in ("micro", "macro", "weighted", "samples") for score in _SCORES),
    "mean_average_precision",
    "roc_auc",
    "hamming_loss",
    "exact_match",
    "log_loss",
)
"""The names of the single numbers that `multilabel_metrics` gives."""

# Rounding in float32 or bfloat16 may leave a probability this far outside of 0 to 1.
_ROUNDING = 1e-2


def multilabel_metrics(
    true: ArrayLike,
    probabilities: ArrayLike,
    label_names: Sequence[str],
    thresholds: ArrayLike = 0.5,
    sample_weight: ArrayLike | None = None,
) -> dict[str, Any]:
    """Judges a classifier that gives each example any number of labels, also none.

    A label is predicted where its probability is at least its threshold. What the examples leave
    undefined is None, never NaN.

    Args:
        true: int or bool `[n, labels]`, 1 where the example has the label.
        probabilities: float `[n, labels]`, each cell on its own between 0 and 1.
        label_names: The names of the labels, in the order of the columns; at least one.
        thresholds: float `[labels]`, or one for all; taken in the precision of the probabilities.
        sample_weight: float `[n]`, not negative; None counts each example as one. With weights
            `support` is a sum of weights.

    Returns:
        - `num_examples`: the number of rows.
        - `micro_`, `macro_`, `weighted_` and `samples_` each with `precision`, `recall` and `f1`.
          Micro counts all cells together. Macro is the mean over the labels that are true or
          predicted somewhere, weighted weighs them by their support. Samples is the mean over the
          examples that have or were given a label. None where no label is true or predicted.
        - `mean_average_precision`: the mean of `pr_auc` over the labels that have positives.
        - `roc_auc`: the mean over the labels that have both positives and negatives.
        - `hamming_loss`: the share of wrong cells.
        - `exact_match`: the share of examples with every label right.
        - `log_loss`: the mean binary cross-entropy of the cells, in nats; p is kept the precision
          of its dtype away from 0 and 1.
        - `per_label`: for each name `precision`, `recall`, `f1` (None where the label is neither
          true nor predicted), `support`, `roc_auc`, `pr_auc`, `threshold`.

    Raises:
        InputError: Shapes do not fit, a label is not 0 or 1, or a probability is not one.

    Example:
        >>> metrics = multilabel_metrics([[1, 0], [0, 0]], [[0.9, 0.6], [0.2, 0.1]], ["fever", "cough"])
        >>> metrics["micro_f1"], metrics["hamming_loss"], metrics["exact_match"]
        (0.6666666666666666, 0.25, 0.5)
    """
    true, probabilities = np.asarray(true), np.asarray(probabilities)
    if probabilities.dtype not in (np.float32, np.float64):
        probabilities = probabilities.astype("float64")
    _check(true, probabilities, label_names)
    thresholds = _thresholds(thresholds, probabilities)
    counts = checked_weight(sample_weight, len(true))
    weight = None if sample_weight is None else counts
    true, predicted = true.astype(bool), probabilities >= thresholds
    # Each label is a problem of two classes; the second is the label.
    matrices = [confusion_matrix(t, p, 2, weight) for t, p in zip(true.T, predicted.T, strict=True)]
    averages = counted_label_scores(matrices, label_names)
    per_label = {
        name: scores
        | ranking_areas(true[:, index], probabilities[:, index], weight)._asdict()
        | {"threshold": float(thresholds[index])}
        for index, (name, scores) in enumerate(averages.pop("per_label").items())
    }
    wrong = true != predicted
    some = counts.sum() > 0
    return {
        "num_examples": len(true),
        **averages,
        **_sample_averages(true, predicted, counts),
        "mean_average_precision": mean_of_defined(entry["pr_auc"] for entry in per_label.values()),
        "roc_auc": mean_of_defined(entry["roc_auc"] for entry in per_label.values()),
        "hamming_loss": float(np.average(wrong.mean(axis=1), weights=counts)) if some else None,
        "exact_match": float(np.average(~wrong.any(axis=1), weights=counts)) if some else None,
        "log_loss": float(np.average(_cross_entropy(true, probabilities), weights=counts)) if some else None,
        "per_label": per_label,
    }


def counted_label_scores(matrices: Sequence[np.ndarray] | np.ndarray, label_names: Sequence[str]) -> dict[str, Any]:
    """What `multilabel_metrics` says of labels that are counted one by one.

    Args:
        matrices: `[labels, 2, 2]`, for each label how often it is true (rows) and predicted (columns).
        label_names: The names of the labels.

    Returns:
        `micro_`, `macro_` and `weighted_` scores, and `per_label` with `precision`, `recall`, `f1` and `support`.
    """
    per_label: dict[str, dict[str, Any]] = {
        name: _second_class(matrix) | {"support": matrix[1].sum().item()}
        for name, matrix in zip(label_names, matrices, strict=True)
    }
    return {**_averages(per_label, np.sum(matrices, axis=0)), "per_label": per_label}


def _second_class(matrix: np.ndarray) -> dict[str, float | None]:
    scores = class_scores(matrix)
    return {score: float(scores[score][1]) if scores["seen"][1] else None for score in _SCORES}


def _averages(per_label: dict[str, dict], total: np.ndarray) -> dict[str, float | None]:
    supports = [entry["support"] for entry in per_label.values()]
    columns = {score: [entry[score] for entry in per_label.values()] for score in _SCORES}
    micro, macro = _second_class(total), {score: mean_of_defined(columns[score]) for score in _SCORES}
    # Labels that are predicted and never true have no support, and a macro mean of 0.
    weighted = {score: mean_of_defined(columns[score], supports) for score in _SCORES} if any(supports) else macro
    averages = {"micro": micro, "macro": macro, "weighted": weighted}
    return {f"{average}_{score}": value for average, scores in averages.items() for score, value in scores.items()}


def _sample_averages(true: np.ndarray, predicted: np.ndarray, weight: np.ndarray) -> dict[str, float | None]:
    hits, has, given = (cells.sum(axis=1) for cells in (true & predicted, true, predicted))
    weight = weight * (has + given > 0)
    if not weight.sum():
        return {f"samples_{score}": None for score in _SCORES}
    shares = {"precision": (hits, given), "recall": (hits, has), "f1": (2 * hits, has + given)}
    return {
        f"samples_{score}": float(np.average(part / np.maximum(whole, 1), weights=weight))
        for score, (part, whole) in shares.items()
    }


def _cross_entropy(true: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    epsilon = float(np.finfo(probabilities.dtype).eps)
    chosen = np.where(true, probabilities, 1 - probabilities).astype("float64")
    return -np.log(np.clip(chosen, epsilon, 1 - epsilon)).mean(axis=1)


def _thresholds(thresholds: ArrayLike, probabilities: np.ndarray) -> np.ndarray:
    given = np.asarray(thresholds, probabilities.dtype)
    if given.shape not in ((), probabilities.shape[1:]) or not np.isfinite(given).all():
        raise InputError(f"thresholds must be one finite number, or one for each of {probabilities.shape[1]} labels")
    return np.broadcast_to(given, probabilities.shape[1:])


def _check(true: np.ndarray, probabilities: np.ndarray, label_names: Sequence[str]) -> None:
    if not label_names or len(set(label_names)) != len(label_names):
        raise InputError("label_names must be one or more different names")
    for values, name in ((true, "true"), (probabilities, "probabilities")):
        if values.ndim != 2 or values.shape != (len(true), len(label_names)):
            raise InputError(
                f"{name} has the shape {values.shape}, not [n, {len(label_names)}] for each of the n examples",
                mend="give one column for each label name",
            )
    valid = (true == 0) | (true == 1)
    if not valid.all():
        row, column = np.argwhere(~valid)[0]
        where = f"row {row}, label {label_names[column]!r}"
        raise InputError(f"{true[row, column]} is not 0 or 1", where=where, mend="give 1 where the label is true")
    # A comparison with NaN is false: this finds values that are not numbers too.
    valid = (probabilities >= -_ROUNDING) & (probabilities <= 1 + _ROUNDING)
    if not valid.all():
        row, column = np.argwhere(~valid)[0]
        problem, where = (
            f"{probabilities[row, column]} is not a probability",
            f"row {row}, label {label_names[column]!r}",
        )
        raise InputError(problem, where=where, mend="apply sigmoid to logits; NaN means that training diverged")
