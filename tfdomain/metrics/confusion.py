"""The confusion matrix, and every score that can be read off one.

The formulas stand here once. They use only operators and the few functions that NumPy and
`keras.ops` have in common, so that the tables (float64, NumPy) and the metrics that stream through
`fit` (tensors, inside a graph) give the same numbers.
"""

from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["CONFUSION_SCORES", "class_scores", "confusion_matrix", "confusion_scores"]

_AVERAGES = ("micro", "macro", "weighted")

CONFUSION_SCORES = (
    "accuracy",
    *(f"{average}_{score}" for average in _AVERAGES for score in ("precision", "recall", "f1")),
)
"""The names that `confusion_scores` gives."""


def confusion_matrix(
    labels: np.ndarray, predictions: np.ndarray, num_classes: int, sample_weight: np.ndarray | None = None
) -> np.ndarray:
    """Counts how often each class was predicted as each class.

    Args:
        labels: int `[n]`, the true classes, 0 to `num_classes - 1`.
        predictions: int `[n]`, the predicted classes.
        num_classes: How many classes there are.
        sample_weight: float `[n]`, how much each example counts; None counts each as one.

    Returns:
        int64 (float64 with weights) `[num_classes, num_classes]`; rows are true, columns predicted.

    Example:
        >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
        [[1, 0], [1, 1]]
    """
    cells = np.asarray(labels, "int64") * num_classes + np.asarray(predictions, "int64")
    counts = np.bincount(cells, weights=sample_weight, minlength=num_classes * num_classes)
    return counts.reshape(num_classes, num_classes)


def class_scores(matrix: Any, ops: ModuleType = np) -> dict[str, Any]:
    """Precision, recall and F1 of each class.

    A class that was never predicted has precision 0, one that never occurs has recall 0, as in
    scikit-learn with `zero_division=0`.

    Args:
        matrix: float or int `[classes, classes]`; rows are true, columns predicted.
        ops: The module that computes: `numpy` or `keras.ops`.

    Returns:
        `precision`, `recall`, `f1`, `support` (how much of each class there is) and `seen` (1 where
        the class occurs in the labels or in the predictions, else 0), each `[classes]`.
    """
    correct = ops.diagonal(matrix)
    support, predicted = ops.sum(matrix, axis=1), ops.sum(matrix, axis=0)
    return {
        "precision": _share(correct, predicted, ops),
        "recall": _share(correct, support, ops),
        "f1": _share(2 * correct, support + predicted, ops),
        "support": support,
        "seen": ops.where(support + predicted > 0, ops.ones_like(support), ops.zeros_like(support)),
    }


def confusion_scores(matrix: Any, ops: ModuleType = np) -> dict[str, Any]:
    """Accuracy, and the micro, macro and weighted averages of precision, recall and F1.

    Micro counts all examples together; with one label an example this is the accuracy. Macro is the
    plain mean over the classes that occur in the labels or the predictions: a class that occurs in
    neither says nothing about the model, and scikit-learn leaves it out too. Weighted weighs each
    class by its support. An empty matrix scores 0.

    Args:
        matrix: float or int `[classes, classes]`; rows are true, columns predicted.
        ops: The module that computes: `numpy` or `keras.ops`.

    Returns:
        A scalar for each of `CONFUSION_SCORES`.
    """
    classes = class_scores(matrix, ops)
    accuracy = _share(ops.sum(ops.diagonal(matrix)), ops.sum(matrix), ops)
    scores = {"accuracy": accuracy}
    for name in ("precision", "recall", "f1"):
        scores[f"micro_{name}"] = accuracy
        scores[f"macro_{name}"] = _mean(classes[name], classes["seen"], ops)
        scores[f"weighted_{name}"] = _mean(classes[name], classes["support"], ops)
    return scores


def _mean(values: Any, weights: Any, ops: ModuleType) -> Any:
    return _share(ops.sum(values * weights), ops.sum(weights), ops)


def _share(part: Any, whole: Any, ops: ModuleType) -> Any:
    # Dividing by 1 where the whole is 0 keeps NaN out of the graph, gradients included.
    return ops.where(whole > 0, part / ops.where(whole > 0, whole, ops.ones_like(whole)), 0.0)
