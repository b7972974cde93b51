"""Everything that is reported of a search: whether the relevant items stand on top of each query's ranking."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tfdomain.errors import InputError
from tfdomain.metrics.weights import mean_of_defined

__all__ = ["RETRIEVAL_SCORES", "RETRIEVAL_SCORES_AT_K", "rank_items", "retrieval_metrics"]

RETRIEVAL_SCORES = ("mrr", "map")
"""The names that `retrieval_metrics` gives over whole rankings."""

RETRIEVAL_SCORES_AT_K = ("recall", "precision", "hit_rate", "mrr", "ndcg")
"""What it gives at each rank k, as `recall_at_10`."""

_QUERIES_AT_ONCE = 256


def rank_items(scores: ArrayLike, depth: int | None = None) -> np.ndarray:
    """The items of each query, the highest score first; of equal scores the first item.

    Args:
        scores: float `[queries, items]`.
        depth: How many items of each ranking are kept; None keeps all.

    Returns:
        int64 `[queries, depth]`, the items as places in the columns.

    Raises:
        InputError: The scores are not of that shape, or one is NaN.

    Example:
        >>> rank_items([[0.1, 0.9, 0.9]], depth=2).tolist()
        [[1, 2]]
    """
    scores = np.asarray(scores)
    if scores.dtype.kind != "f":
        scores = scores.astype("float64")  # minus an unsigned number is a large one
    if scores.ndim != 2:
        raise InputError(f"scores have the shape {scores.shape}, not [queries, items]")
    if np.isnan(scores).any():
        query, item = np.argwhere(np.isnan(scores))[0]
        raise InputError("a score is NaN", where=f"query {query}, item {item}", mend="NaN means that training diverged")
    depth = scores.shape[1] if depth is None else min(depth, scores.shape[1])
    ranked = np.empty((len(scores), depth), "int64")
    for first in range(0, len(scores), _QUERIES_AT_ONCE):  # a sort of all at once would hold all twice more
        part = slice(first, first + _QUERIES_AT_ONCE)
        ranked[part] = np.argsort(-scores[part], axis=1, kind="stable")[:, :depth]
    return ranked


def retrieval_metrics(
    rankings: Sequence[Sequence[Hashable]] | np.ndarray,
    relevant: Sequence[Collection[Hashable] | Mapping[Any, float]],
    ks: Sequence[int] = (1, 5, 10, 100),
) -> dict[str, Any]:
    """Judges a search by the rankings it gave.

    A query without relevant items says nothing about the search: it is counted, and left out of
    every mean. A relevant item that is not in the ranking was not found.

    Args:
        rankings: The ids of the items for each query, the best first, no id twice; an integer
            array `[queries, depth]` such as `rank_items` gives, or lists of any length.
        relevant: The ids of the relevant items of each query, or a mapping from id to gain, at
            least 0, for graded relevance; gain 0 is not relevant, and a plain id has gain 1.
        ks: The ranks at which the rankings are cut.

    Returns:
        - `num_examples`: the number of queries; `num_without_relevant`: how many are left out.
        - for each k, as `recall_at_10`: `recall_at_k`, the share of the relevant items among the
          first k; `precision_at_k`, the relevant share of k places, also where the ranking is
          shorter; `hit_rate_at_k`, 1 where any relevant item is among them; `mrr_at_k`, 1 / rank
          of the first relevant item, 0 below k; `ndcg_at_k`, the sum of gain / log2(1 + rank), as
          a share of the greatest possible one.
        - `mrr` over the whole rankings, and `map`: the mean of the precisions at the rank of each
          relevant item, 0 for one that is not in the ranking.

        Means over the queries; None where all are left out.

    Raises:
        InputError: The numbers of queries differ, an id is ranked twice, or a gain or k is wrong.

    Example:
        >>> metrics = retrieval_metrics([["b", "a", "c"]], [{"a", "d"}], ks=[2])
        >>> metrics["recall_at_2"], metrics["mrr"], metrics["map"]
        (0.5, 0.5, 0.25)

    Reference:
        Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 20 (2002).
        Gains are linear, as in scikit-learn; give 2**grade - 1 for the exponential ones.
    """
    if isinstance(rankings, np.ndarray):
        rankings = rankings.tolist()
    if len(rankings) != len(relevant):
        raise InputError(f"{len(rankings)} rankings were given for {len(relevant)} queries")
    if not ks or any(k != int(k) or k < 1 for k in ks):
        raise InputError(f"ks are {list(ks)}", mend="give whole numbers of at least 1")
    scored = []
    for query, (ranking, items) in enumerate(zip(rankings, relevant, strict=True)):
        gains = _gains(items, query)
        if len(set(ranking)) != len(ranking):
            twice = next(item for index, item in enumerate(ranking) if item in ranking[:index])
            raise InputError(f"the item {twice!r} is ranked twice", where=f"query {query}")
        if gains:
            scored.append(_query_scores(ranking, gains, ks))
    names = [*(f"{score}_at_{k}" for k in ks for score in RETRIEVAL_SCORES_AT_K), *RETRIEVAL_SCORES]
    return {
        "num_examples": len(rankings),
        "num_without_relevant": len(rankings) - len(scored),
        **{name: mean_of_defined(scores[name] for scores in scored) for name in names},
    }


def _query_scores(ranking: Sequence[Hashable], gains: Mapping[Any, float], ks: Sequence[int]) -> dict[str, float]:
    """The scores of one query with relevant items; only the ranks of those count, so the cost is in finding them."""
    ranks = np.array([rank for rank, item in enumerate(ranking, start=1) if item in gains], "int64")
    found = np.array([gains[ranking[rank - 1]] for rank in ranks])
    ideal = np.sort(np.array(list(gains.values()), "float64"))[::-1]
    best = np.cumsum(ideal / np.log2(2 + np.arange(len(ideal))))
    reached = np.append(0.0, np.cumsum(found / np.log2(1 + ranks)))
    first = 1 / ranks[0] if len(ranks) else 0.0
    scores = {"mrr": float(first), "map": float(np.sum(np.arange(1, len(ranks) + 1) / ranks) / len(gains))}
    for k in ks:
        hits = int(np.searchsorted(ranks, k, side="right"))
        scores[f"recall_at_{k}"] = hits / len(gains)
        scores[f"precision_at_{k}"] = hits / k
        scores[f"hit_rate_at_{k}"] = float(hits > 0)
        scores[f"mrr_at_{k}"] = float(first) if hits else 0.0
        scores[f"ndcg_at_{k}"] = float(reached[hits] / best[min(k, len(best)) - 1])
    return scores


def _gains(items: Collection[Hashable] | Mapping[Any, float], query: int) -> dict[Any, float]:
    if isinstance(items, str):
        mend = "give a set of ids, or a mapping from id to gain"
        raise InputError(f"the relevant items are the text {items!r}", where=f"query {query}", mend=mend)
    if not isinstance(items, Mapping):
        return dict.fromkeys(items, 1.0)
    for item, gain in items.items():
        if not 0 <= gain < np.inf:
            mend = "give finite gains of at least 0"
            raise InputError(f"the gain of {item!r} is {gain}", where=f"query {query}", mend=mend)
    return {item: gain for item, gain in items.items() if gain > 0}
