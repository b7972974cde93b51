"""Everything that is reported of a classifier with one label an example, from its probabilities."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tfdomain.errors import InputError
from tfdomain.metrics.confusion import CONFUSION_SCORES, class_scores, confusion_matrix, confusion_scores
from tfdomain.metrics.ranking import ranking_areas

__all__ = ["classification_metrics"]

# Rounding in float32 or bfloat16 may leave a probability this far outside of 0 to 1.
_ROUNDING = 1e-2


def classification_metrics(
    labels: ArrayLike,
    probabilities: ArrayLike,
    label_names: Sequence[str],
    sample_weight: ArrayLike | None = None,
    *,
    predicted: ArrayLike | None = None,
) -> dict[str, Any]:
    """Judges a classifier on labelled examples.

    What the examples leave undefined is None, never NaN: the dictionary can be written as JSON as
    it is.

    Args:
        labels: int `[n]`, the true classes as places in `label_names`.
        probabilities: float `[n, classes]`, each row a distribution over the classes.
        label_names: The names of the classes, in the order of the columns; at least two.
        sample_weight: float `[n]`, not negative, how much each example counts; None counts each as
            one. With weights `support` and the confusion matrix are sums of weights.
        predicted: int `[n]`, the classes that were given, at a threshold say; None: those with the highest
            probability, the first of equal ones.

    Returns:
        - `num_examples`: the number of rows.
        - `accuracy`; `micro_`, `macro_` and `weighted_` each with `precision`, `recall` and `f1`.
          Macro takes the classes that occur in the labels or in the predictions.
        - `log_loss`: the mean of -ln p(true class), in nats; p is kept the precision of its dtype
          away from 0 and 1.
        - `roc_auc` and `pr_auc` (average precision). For two classes: of the second class against
          the first. For more: each class against the rest, the mean over the classes for which it
          is defined; `weighted_roc_auc` and `weighted_pr_auc` weigh these classes by their support.
        - `per_class`: for each name `precision`, `recall`, `f1`, `support`, `roc_auc`, `pr_auc`.
          Precision, recall and F1 are None for a class that occurs neither in the labels nor in
          the predictions; `roc_auc` is None without both positive and negative examples, `pr_auc`
          without positive ones.
        - `confusion_matrix`: rows are true, columns predicted.

    Raises:
        InputError: Shapes do not fit, a label is out of range, or a probability is not one.

    Example:
        >>> metrics = classification_metrics([0, 1], [[0.9, 0.1], [0.6, 0.4]], ["repaid", "default"])
        >>> metrics["accuracy"], metrics["roc_auc"]
        (0.5, 1.0)
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    weight = None if sample_weight is None else np.asarray(sample_weight, "float64")
    _check(labels, probabilities, label_names, weight)
    num_classes = len(label_names)
    given = np.argmax(probabilities, axis=1) if predicted is None else np.asarray(predicted)
    if given.shape != labels.shape:
        raise InputError(f"predicted has the shape {given.shape}, not {labels.shape}", mend="give a class for each row")
    matrix = confusion_matrix(labels, given, num_classes, weight)
    some = matrix.sum() > 0
    averages = confusion_scores(matrix)
    areas = [ranking_areas(labels == index, probabilities[:, index], weight) for index in range(num_classes)]
    classes = class_scores(matrix)
    per_class = {
        name: {
            score: float(classes[score][index]) if classes["seen"][index] else None
            for score in ("precision", "recall", "f1")
        }
        | {"support": matrix[index].sum().item()}
        | areas[index]._asdict()
        for index, name in enumerate(label_names)
    }
    return {
        "num_examples": len(labels),
        **{name: float(averages[name]) if some else None for name in CONFUSION_SCORES},
        "log_loss": _log_loss(labels, probabilities, weight) if some else None,
        **_averaged_areas(areas, classes["support"]),
        "per_class": per_class,
        "confusion_matrix": matrix.tolist(),
    }


def _averaged_areas(areas: list, support: np.ndarray) -> dict[str, float | None]:
    averaged: dict[str, float | None] = {}
    for name in ("roc_auc", "pr_auc"):
        values = [getattr(area, name) for area in areas]
        if len(values) == 2:
            averaged[name] = averaged[f"weighted_{name}"] = values[1]
            continue
        defined = [index for index, value in enumerate(values) if value is not None]
        chosen = [values[index] for index in defined]
        averaged[name] = float(np.mean(chosen)) if defined else None
        averaged[f"weighted_{name}"] = float(np.average(chosen, weights=support[defined])) if defined else None
    return averaged


def _log_loss(labels: np.ndarray, probabilities: np.ndarray, weight: np.ndarray | None) -> float:
    dtype = probabilities.dtype if np.issubdtype(probabilities.dtype, np.floating) else np.dtype("float64")
    epsilon = float(np.finfo(dtype).eps)
    chosen = probabilities[np.arange(len(labels)), labels].astype("float64")
    return float(np.average(-np.log(np.clip(chosen, epsilon, 1 - epsilon)), weights=weight))


def _check(
    labels: np.ndarray, probabilities: np.ndarray, label_names: Sequence[str], weight: np.ndarray | None
) -> None:
    if len(label_names) < 2 or len(set(label_names)) != len(label_names):
        given = ", ".join(map(repr, list(label_names)[:10]))
        raise InputError(f"label_names must be two or more different names, not [{given}]")
    if probabilities.ndim != 2 or probabilities.shape[1] != len(label_names):
        raise InputError(
            f"probabilities have the shape {probabilities.shape}, not [n, {len(label_names)}]",
            mend="give one column for each label name",
        )
    if labels.shape != probabilities.shape[:1] or (labels.size and labels.dtype.kind not in "iu"):
        problem = f"labels are {labels.dtype} {labels.shape}, not whole numbers of shape ({len(probabilities)},)"
        raise InputError(problem, mend="give the place of the true class for each row")
    outside = np.flatnonzero((labels < 0) | (labels >= len(label_names)))
    if outside.size:
        problem = f"the label {labels[outside[0]]} is not one of 0 to {len(label_names) - 1}"
        raise InputError(problem, where=f"row {outside[0]}", mend="name every class in label_names")
    # A comparison with NaN is false: this finds values that are not numbers too.
    valid = (probabilities >= -_ROUNDING) & (probabilities <= 1 + _ROUNDING)
    if not valid.all():
        row, column = np.argwhere(~valid)[0]
        problem = f"{probabilities[row, column]} is not a probability"
        raise InputError(problem, where=f"row {row}", mend="apply softmax to logits; NaN means that training diverged")
    if weight is not None and (weight.shape != labels.shape or not np.all((weight >= 0) & np.isfinite(weight))):
        raise InputError("sample_weight must hold one finite number of at least 0 for each row")
