"""The vectors nearest to a query by cosine: exactly, in bounded memory, the same in every batch."""

import numpy as np

__all__ = ["MARGIN", "nearest", "rank"]

MARGIN = 32
"""How many candidates more than asked for are ranked by their exact scores."""

QUERIES_AT_ONCE = 256
ITEMS_AT_ONCE = 16_384
NUMBERS_AT_ONCE = 4_000_000
_LAST_PLACE = 2**32 - 1


def nearest(vectors: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The `k` items with the highest inner products, by blocks of matrix products.

    Args:
        vectors: float32 `[items, size]` of length 1, under 2^32 of them.
        queries: float32 `[queries, size]` of length 1.
        k: At most the number of items.

    Returns:
        The places of the items, int64 `[queries, k]`, and their scores, float32 `[queries, k]`: the highest
        first, of equal ones the lower place.
    """
    num_candidates = min(k + MARGIN, len(vectors))
    starts = range(0, len(queries), QUERIES_AT_ONCE)
    parts = [_candidates(vectors, queries[start : start + QUERIES_AT_ONCE], num_candidates) for start in starts]
    return rank(vectors, queries, np.concatenate([np.empty((0, num_candidates), np.int64), *parts]), k)


def rank(vectors: np.ndarray, queries: np.ndarray, candidates: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The best `k` of each query's candidates (int64 `[queries, candidates]`), as `nearest` returns them.

    A matrix product rounds a score by where it stands in the matrix; here equal vectors have equal scores.
    """
    places, scores = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
    step = max(NUMBERS_AT_ONCE // max(candidates.shape[1] * vectors.shape[1], 1), 1)
    for start in range(0, len(queries), step):
        rows = slice(start, start + step)
        products = vectors[candidates[rows]].astype(np.float64) * queries[rows, np.newaxis]
        exact = products.sum(axis=-1).astype(np.float32)
        order = np.lexsort((candidates[rows], -exact), axis=-1)[:, :k]
        places[rows] = np.take_along_axis(candidates[rows], order, axis=1)
        scores[rows] = np.take_along_axis(exact, order, axis=1)
    return places, scores


def _candidates(vectors: np.ndarray, queries: np.ndarray, count: int) -> np.ndarray:
    best = np.empty((len(queries), 0), np.int64)
    for start in range(0, len(vectors), ITEMS_AT_ONCE):
        scores = queries @ vectors[start : start + ITEMS_AT_ONCE].T
        best = np.concatenate([best, _keys(scores, start)], axis=1)
        if best.shape[1] > count:
            best = np.partition(best, best.shape[1] - count, axis=1)[:, -count:]
    return _LAST_PLACE - (best & _LAST_PLACE)


def _keys(scores: np.ndarray, first_place: int) -> np.ndarray:
    """Scores and places in one integer each, which orders by the score, then by the lower place."""
    # The bits of a float order like integers, but for the negative ones, whose order is reversed.
    bits = scores.view(np.int32)
    ordered = np.where(bits < 0, bits ^ np.int32(2**31 - 1), bits).astype(np.int64)
    places = np.arange(first_place, first_place + scores.shape[1], dtype=np.int64)
    return (ordered << 32) | (_LAST_PLACE - places)
