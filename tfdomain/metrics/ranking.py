"""The areas under the ROC curve and under the precision-recall curve, from one sort of the scores."""

from typing import NamedTuple

import numpy as np

__all__ = ["RankingAreas", "ranking_areas"]


class RankingAreas(NamedTuple):
    """The two areas; None where the labels leave one undefined."""

    roc_auc: float | None
    pr_auc: float | None


def ranking_areas(positive: np.ndarray, scores: np.ndarray, sample_weight: np.ndarray | None = None) -> RankingAreas:
    """How well the scores put the positive examples before the negative ones.

    Equal scores count as one threshold: ties neither help nor harm. The ROC area needs both
    positive and negative examples, the precision-recall area needs positive ones.

    Args:
        positive: bool `[n]`.
        scores: float `[n]`, higher means more likely positive.
        sample_weight: float `[n]`, how much each example counts; None counts each as one.

    Returns:
        The area under the ROC curve by the trapezoid rule, and the average precision: the sum of
        the precisions at each threshold, weighed by the gain in recall. The latter has no linear
        interpolation, which would be too optimistic.

    Reference:
        Davis and Goadrich, "The Relationship Between Precision-Recall and ROC Curves", ICML 2006.

    Example:
        >>> ranking_areas(np.array([True, False, True]), np.array([0.9, 0.5, 0.5]))
        RankingAreas(roc_auc=0.75, pr_auc=0.8333333333333333)
    """
    order = np.argsort(-scores, kind="stable")
    weight = np.ones(len(order)) if sample_weight is None else np.asarray(sample_weight, "float64")[order]
    hit = np.asarray(positive, bool)[order]
    ranked = scores[order]
    # The last example of each run of equal scores closes a threshold.
    closes = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(order) - 1) if len(order) else order
    true_positives = np.append(0.0, np.cumsum(np.where(hit, weight, 0.0))[closes])
    false_positives = np.append(0.0, np.cumsum(np.where(hit, 0.0, weight))[closes])
    num_positive, num_negative = true_positives[-1], false_positives[-1]
    if num_positive <= 0:
        return RankingAreas(None, None)
    gain = np.diff(true_positives)
    chosen = true_positives[1:] + false_positives[1:]
    precision = np.divide(true_positives[1:], chosen, out=np.zeros_like(chosen), where=chosen > 0)
    pr_auc = min(float(np.sum(gain * precision) / num_positive), 1.0)
    if num_negative <= 0:
        return RankingAreas(None, pr_auc)
    height = true_positives[1:] + true_positives[:-1]
    area = np.sum(np.diff(false_positives) * height) / 2
    return RankingAreas(float(area / (num_positive * num_negative)), pr_auc)
