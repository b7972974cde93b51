"""Everything that is reported of an embedder: whether vectors of texts that belong together lie close."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tfdomain.errors import InputError
from tfdomain.metrics.regression import regression_metrics
from tfdomain.metrics.retrieval import rank_items, retrieval_metrics

__all__ = ["PAIR_SCORES", "pair_metrics", "pair_rankings", "scored_pair_metrics"]

PAIR_SCORES = ("recall_at_1", "recall_at_5", "recall_at_10", "mrr", "ndcg_at_10")
"""The names that `pair_metrics` gives."""

_DEPTH = 100
_QUERIES_AT_ONCE = 1024
_SMALLEST = 1e-30


def pair_metrics(anchors: ArrayLike, positives: ArrayLike, ids: np.ndarray) -> dict[str, Any]:
    """Judges a search of the distinct positives by the distinct anchors, by cosine.

    An anchor that stands in several pairs has several positives to find.

    Args:
        anchors: Float `[n, size]`.
        positives: Float `[n, size]`.
        ids: Integers `[n, 2]`, equal for equal anchors and for equal positives.

    Returns:
        - `num_examples`: the number of pairs; `num_queries`: of distinct anchors; `num_items`: of distinct
          positives.
        - `recall_at_1`, `recall_at_5`, `recall_at_10`, `mrr`, `ndcg_at_10`: as `retrieval_metrics` has them,
          with the first 100 places of each ranking. None without pairs.

    Raises:
        InputError: The shapes do not fit, or a vector is not finite.
    """
    rankings, relevant = pair_rankings(anchors, positives, ids)
    scores = retrieval_metrics(rankings, relevant, ks=(1, 5, 10))
    num_items = len(np.unique(np.asarray(ids)[:, 1]))
    counts = {"num_examples": len(ids), "num_queries": len(relevant), "num_items": num_items}
    return counts | {name: scores[name] for name in PAIR_SCORES}


def pair_rankings(anchors: ArrayLike, positives: ArrayLike, ids: ArrayLike) -> tuple[np.ndarray, list[set[int]]]:
    """The search that `pair_metrics` judges, as `retrieval_metrics` takes it.

    Args:
        anchors: Float `[n, size]`.
        positives: Float `[n, size]`.
        ids: Integers `[n, 2]`, equal for equal anchors and for equal positives.

    Returns:
        For each distinct anchor, by its id, the first items (at most 100), int64 `[queries, depth]`, and those that
        belong to it.

    Raises:
        InputError: The shapes do not fit, or a vector is not finite.
    """
    anchors, positives, ids = _units(anchors, "anchors"), _units(positives, "positives"), np.asarray(ids)
    if anchors.shape != positives.shape or ids.shape != (len(anchors), 2):
        shapes = f"{anchors.shape}, {positives.shape} and {ids.shape}"
        raise InputError(f"anchors, positives and ids have the shapes {shapes}", mend="give one of each a pair")
    _, query_rows, queries = np.unique(ids[:, 0], return_index=True, return_inverse=True)
    _, item_rows, items = np.unique(ids[:, 1], return_index=True, return_inverse=True)
    relevant: list[set[int]] = [set() for _ in query_rows]
    for query, item in zip(queries.tolist(), items.tolist(), strict=True):
        relevant[query].add(item)
    candidates = positives[item_rows]
    depth = min(_DEPTH, len(candidates))
    rankings = np.empty((len(query_rows), depth), np.int64)
    for start in range(0, len(query_rows), _QUERIES_AT_ONCE):
        part = slice(start, start + _QUERIES_AT_ONCE)
        rankings[part] = rank_items(anchors[query_rows[part]] @ candidates.T, depth)
    return rankings, relevant


def scored_pair_metrics(
    first: ArrayLike, second: ArrayLike, scores: ArrayLike, sample_weight: ArrayLike | None = None
) -> dict[str, Any]:
    """Judges the cosines of pairs by their scores.

    Args:
        first: Float `[n, size]`.
        second: Float `[n, size]`.
        scores: Float `[n]`, 0 for unrelated to 1 for equal in meaning.
        sample_weight: Float `[n]`; None counts each pair as one.

    Returns:
        `num_examples`, `spearman`, `pearson` and `mse`, as `regression_metrics` has them.

    Raises:
        InputError: The shapes do not fit, or a number is not finite.
    """
    first, second = _units(first, "first"), _units(second, "second")
    if first.shape != second.shape:
        raise InputError(f"the vectors have the shapes {first.shape} and {second.shape}", mend="give pairs")
    found = regression_metrics(scores, np.sum(first * second, axis=1), ["score"], sample_weight)
    return {name: found[name] for name in ("num_examples", "spearman", "pearson", "mse")}


def _units(vectors: ArrayLike, name: str) -> np.ndarray:
    values = np.asarray(vectors, "float32")
    if values.ndim != 2:
        raise InputError(f"have the shape {values.shape}, not [n, size]", where=name, mend="give a vector a text")
    if not np.isfinite(values).all():
        row = np.argwhere(~np.isfinite(values))[0][0]
        raise InputError("is not finite", where=f"{name}[{row}]", mend="NaN means that training diverged")
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), _SMALLEST)
