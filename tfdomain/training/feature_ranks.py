"""How much each feature of a run tells by itself, so that a leak is seen in the report."""

from typing import Any

import numpy as np

from tfdomain.evaluation.column_ranks import column_ranks
from tfdomain.models.base import TextModel
from tfdomain.training.datasets import Part

__all__ = ["rank_features"]

# The score of a leak does not hang on more rows, and a category is scored value by value.
MOST_ROWS = 100_000


def rank_features(model: TextModel, part: Part, *, seed: int = 0) -> dict[str, Any]:
    """Scores each feature alone on a part's rows, the most telling first.

    Args:
        model: Has features.
        part: The rows that were trained on.
        seed: Of the rows that are drawn where there are very many, and of the folds.

    Returns:
        `num_examples`, and `per_feature`: by its column's name the `kind` of each, its `missing_rate` and its
        `own_roc_auc`, or of a regression its `own_spearman`, without sign. Of several labels or targets it is
        the one that the feature tells best.
    """
    every_label = np.asarray(part.labels)
    rows = np.arange(len(every_label)) if part.rows is None else part.rows
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))
    kinds = {spec.name: spec.kind for spec in model.features}
    columns = {name: part.inputs[name][rows] for name in kinds}
    regression = model.labels is None
    found: dict[str, dict[str, Any]] = {}
    for labels in _columns_of(every_label[rows]):
        for rank in column_ranks(columns, labels, kinds=kinds, regression=regression, seed=seed):
            entry = found.setdefault(rank.name, {"kind": rank.kind, "score": 0.0, "missing_rate": rank.missing_rate})
            entry["score"] = max(entry["score"], rank.score)
    score = "own_spearman" if regression else "own_roc_auc"
    ranked = sorted(found.items(), key=lambda item: (-item[1]["score"], item[0]))
    return {
        "num_examples": len(rows),
        "per_feature": {
            name: {"kind": one["kind"], score: one["score"], "missing_rate": one["missing_rate"]}
            for name, one in ranked
        },
    }


def _columns_of(labels: np.ndarray) -> list[np.ndarray]:
    """The labels, target by target; those that are the same in every row tell nothing."""
    columns = [labels] if labels.ndim == 1 else list(labels.T)
    return [column for column in columns if len(np.unique(column)) > 1]
