import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import ndcg_score

from tfdomain.errors import InputError
from tfdomain.metrics.pairs import pair_metrics, scored_pair_metrics

RANDOM = np.random.default_rng(0)


def test_distinct_anchors_search_distinct_positives():
    ids = np.array([[0, 0], [1, 1], [0, 2], [2, 1], [3, 3], [1, 1]])
    anchor_vectors, positive_vectors = RANDOM.normal(size=(2, 4, 5))
    metrics = pair_metrics(anchor_vectors[ids[:, 0]] * 3, positive_vectors[ids[:, 1]], ids)
    assert (metrics["num_examples"], metrics["num_queries"], metrics["num_items"]) == (6, 4, 4)
    relevant = np.zeros((4, 4))
    relevant[ids[:, 0], ids[:, 1]] = 1
    lengths = np.linalg.norm(positive_vectors, axis=1)
    scores = anchor_vectors @ (positive_vectors / lengths[:, None]).T
    order = np.take_along_axis(relevant, (-scores).argsort(axis=1), axis=1)
    assert metrics["recall_at_1"] == pytest.approx(np.mean(order[:, 0] / order.sum(axis=1)))
    assert metrics["mrr"] == pytest.approx(np.mean(1 / (1 + order.argmax(axis=1))))
    assert metrics["ndcg_at_10"] == pytest.approx(ndcg_score(relevant, scores, k=10))
    assert metrics["recall_at_5"] == metrics["recall_at_10"] == 1


def test_many_pairs_count_one_by_one():
    anchors = RANDOM.normal(size=(2500, 6))
    positives = anchors + RANDOM.normal(size=anchors.shape)
    metrics = pair_metrics(anchors, positives, np.repeat(np.arange(2500)[:, None], 2, axis=1))
    units = [vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (anchors, positives)]
    scores = units[0] @ units[1].T
    ranks = 1 + (scores > np.diag(scores)[:, None]).sum(axis=1)
    for k in (1, 5, 10):
        assert metrics[f"recall_at_{k}"] == pytest.approx(np.mean(ranks <= k), abs=1e-3)
    assert metrics["mrr"] == pytest.approx(np.mean(np.where(ranks <= 100, 1 / ranks, 0)), abs=1e-3)


def test_scored_pairs():
    first, second = RANDOM.normal(size=(2, 30, 4))
    scores = RANDOM.random(30)
    cosines = np.sum(first * second, axis=1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    metrics = scored_pair_metrics(first, second, scores)
    assert metrics["spearman"] == pytest.approx(spearmanr(cosines, scores).statistic)
    assert metrics["pearson"] == pytest.approx(pearsonr(cosines, scores).statistic)
    assert metrics["mse"] == pytest.approx(np.mean((cosines - scores) ** 2), rel=1e-5)
    assert metrics["num_examples"] == 30


def test_shapes_and_numbers_are_checked():
    with pytest.raises(InputError, match="shapes"):
        pair_metrics(np.ones((2, 3)), np.ones((3, 3)), np.zeros((2, 2), int))
    with pytest.raises(InputError, match=r"anchors\[1\]: is not finite"):
        pair_metrics([[1.0], [np.nan]], np.ones((2, 1)), np.zeros((2, 2), int))
    with pytest.raises(InputError, match="shapes"):
        scored_pair_metrics(np.ones((2, 3)), np.ones((2, 4)), [0, 1])
    assert pair_metrics(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 2), int))["mrr"] is None
