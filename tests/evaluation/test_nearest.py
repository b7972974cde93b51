import numpy as np
import pytest

from tfdomain.evaluation import nearest as module
from tfdomain.evaluation.nearest import nearest, rank


def units(*shape, seed=0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=shape).astype("float32")
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def brute_force(vectors, queries, k):
    """Every score in float64 and rounded once; sorted by score, then by place."""
    scores = (vectors.astype("float64")[None] * queries.astype("float64")[:, None]).sum(axis=-1).astype("float32")
    places = np.array([sorted(range(len(vectors)), key=lambda place: (-row[place], place))[:k] for row in scores])
    return places, np.take_along_axis(scores, places, axis=1)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "ITEMS_AT_ONCE", 64)
    monkeypatch.setattr(module, "QUERIES_AT_ONCE", 5)
    monkeypatch.setattr(module, "NUMBERS_AT_ONCE", 2000)


@pytest.mark.parametrize("k", [1, 10, 63, 64, 65, 299, 300])
def test_as_every_score_sorted(small_blocks, k):
    vectors, queries = units(300, 16), units(13, 16, seed=1)
    places, scores = nearest(vectors, queries, k)
    assert places.dtype == np.int64
    assert scores.dtype == np.float32
    expected_places, expected_scores = brute_force(vectors, queries, k)
    np.testing.assert_array_equal(places, expected_places)
    np.testing.assert_array_equal(scores, expected_scores)


def test_of_equal_scores_the_lower_place_comes_first(small_blocks):
    vectors = np.repeat(units(30, 16), 10, axis=0)[np.random.default_rng(2).permutation(300)]
    queries = units(13, 16, seed=1)
    for k in (3, 15, 200):
        np.testing.assert_array_equal(nearest(vectors, queries, k)[0], brute_force(vectors, queries, k)[0])


def test_equal_items_past_every_margin(small_blocks):
    vectors = np.tile(units(1, 16), (300, 1))
    places, scores = nearest(vectors, vectors[:3], 20)
    np.testing.assert_array_equal(places, np.tile(np.arange(20), (3, 1)))
    np.testing.assert_allclose(scores, 1, atol=1e-6)


def test_negative_scores_and_zeros_keep_their_order():
    vectors = np.array([[-1, 0], [0, 1], [0, -1], [1, 0], [-0.6, -0.8]], "float32")
    places, scores = nearest(vectors, np.array([[1, 0], [-1, 0]], "float32"), 5)
    assert places.tolist() == [[3, 1, 2, 4, 0], [0, 4, 1, 2, 3]]
    np.testing.assert_allclose(scores[0], [1, 0, 0, -0.6, -1])


def test_a_query_is_answered_alike_alone_and_among_others(small_blocks):
    vectors, queries = units(1000, 48), units(40, 48, seed=1)
    places, scores = nearest(vectors, queries, 10)
    for row in range(40):
        alone = nearest(vectors, queries[row : row + 1], 10)
        np.testing.assert_array_equal(alone[0][0], places[row])
        np.testing.assert_array_equal(alone[1][0], scores[row])


def test_no_queries():
    places, scores = nearest(units(5, 4), units(0, 4), 3)
    assert places.shape == scores.shape == (0, 3)


def test_candidates_are_ranked_by_their_scores():
    vectors, queries = units(50, 8), units(2, 8, seed=3)
    candidates = np.array([[9, 3, 40, 7], [0, 1, 2, 3]])
    places, scores = rank(vectors, queries, candidates, 2)
    for row in range(2):
        products = {place: float(vectors[place] @ queries[row]) for place in candidates[row].tolist()}
        assert places[row].tolist() == sorted(products, key=lambda place: -products[place])[:2]
        np.testing.assert_allclose(scores[row], sorted(products.values(), reverse=True)[:2], atol=1e-6)
