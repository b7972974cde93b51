import json
import math
import time

import numpy as np
import pytest
import sklearn.metrics as reference

from tfdomain.errors import InputError
from tfdomain.metrics.retrieval import RETRIEVAL_SCORES_AT_K, rank_items, retrieval_metrics

KS = (1, 2, 5, 30)


def random_case(seed: int):
    """Scores without ties, and graded gains, often with queries that have no relevant item."""
    random = np.random.default_rng(seed)
    num_queries, num_items = int(random.integers(1, 8)), int(random.choice([2, 5, 25]))
    scores = random.permutation(num_queries * num_items).reshape(num_queries, num_items) / 7
    gains = random.integers(0, 2 if seed % 2 else 4, scores.shape) * (random.random(scores.shape) < 0.3)
    return scores, gains


def plain_scores(ranking, gains, k):
    """One query's scores, spelled out over the ranking cut at k."""
    relevant = [item for item in gains if gains[item] > 0]
    top = ranking[:k]
    hits = [item in relevant for item in top]
    first = next((rank for rank, hit in enumerate(hits, start=1) if hit), math.inf)
    dcg = sum(gains.get(item, 0) / math.log2(rank + 1) for rank, item in enumerate(top, start=1))
    ideal = sum(g / math.log2(rank + 1) for rank, g in enumerate(sorted(gains.values(), reverse=True)[:k], start=1))
    return {
        "recall": len(set(top) & set(relevant)) / len(relevant),
        "precision": sum(hits) / k,
        "hit_rate": float(any(hits)),
        "mrr": 1 / first,
        "ndcg": dcg / ideal,
    }


@pytest.mark.parametrize("seed", range(100))
def test_everything_equals_brute_force_and_scikit_learn(seed):
    scores, gains = random_case(seed)
    depth = None if seed % 3 else scores.shape[1] // 2
    rankings = rank_items(scores, depth)
    relevant = [{item: int(gain) for item, gain in enumerate(row)} for row in gains]
    metrics = retrieval_metrics(rankings, relevant, KS)
    judged = [query for query in range(len(scores)) if gains[query].any()]
    assert (metrics["num_examples"], metrics["num_without_relevant"]) == (len(scores), len(scores) - len(judged))
    if not judged:
        assert all(metrics[f"{name}_at_{k}"] is None for name in RETRIEVAL_SCORES_AT_K for k in KS)
        assert metrics["mrr"] is metrics["map"] is None
        return
    for k in KS:
        plain = [plain_scores(rankings[query].tolist(), relevant[query], k) for query in judged]
        for name in RETRIEVAL_SCORES_AT_K:
            expected = np.mean([each[name] for each in plain])
            assert metrics[f"{name}_at_{k}"] == pytest.approx(expected, abs=1e-12), (name, k)
    whole = [plain_scores(rankings[query].tolist(), relevant[query], scores.shape[1]) for query in judged]
    assert metrics["mrr"] == pytest.approx(np.mean([each["mrr"] for each in whole]))
    if depth is None:
        for k in KS:
            assert metrics[f"ndcg_at_{k}"] == pytest.approx(reference.ndcg_score(gains[judged], scores[judged], k=k))
        precisions = [reference.average_precision_score(gains[query] > 0, scores[query]) for query in judged]
        assert metrics["map"] == pytest.approx(np.mean(precisions))


def test_the_random_cases_reach_the_corners():
    cases = [random_case(seed) for seed in range(100)]
    assert sum((~gains.any(axis=1)).any() for _, gains in cases) > 20
    assert sum(not gains.any() for _, gains in cases) > 2
    assert sum((gains > 1).any() for _, gains in cases) > 20


def test_what_is_not_in_the_ranking_was_not_found():
    metrics = retrieval_metrics([["a", "x"], []], [["a", "b"], {"c"}], ks=[1, 10])
    assert (metrics["recall_at_1"], metrics["recall_at_10"]) == (0.25, 0.25)
    assert metrics["precision_at_10"] == 0.05
    assert metrics["map"] == 0.25 and metrics["mrr"] == 0.5


def test_ids_can_be_texts_and_the_kinds_of_relevance_agree():
    rankings = [["北京", "上海", "广州"]]
    plain = retrieval_metrics(rankings, [{"上海"}])
    assert plain == retrieval_metrics(rankings, [["上海"]]) == retrieval_metrics(rankings, [{"上海": 1.0, "北京": 0}])
    assert plain["mrr_at_1"] == 0 and plain["mrr_at_5"] == 0.5


def test_a_greater_gain_counts_for_the_order_alone():
    good = retrieval_metrics([[7, 3]], [{7: 3, 3: 1}], ks=[2])
    poor = retrieval_metrics([[3, 7]], [{7: 3, 3: 1}], ks=[2])
    assert good["ndcg_at_2"] == 1 > poor["ndcg_at_2"]
    assert good["map"] == poor["map"] == good["recall_at_2"] == 1


def test_equal_scores_put_the_first_item_first_and_large_tables_are_ranked_whole():
    scores = np.random.default_rng(0).integers(0, 5, (600, 9)).astype("float32")
    expected = [sorted(range(9), key=lambda item, row=row: (-row[item], item)) for row in scores]
    np.testing.assert_array_equal(rank_items(scores), expected)
    np.testing.assert_array_equal(rank_items(scores, 4), np.array(expected)[:, :4])
    np.testing.assert_array_equal(rank_items(scores.astype("uint8")), expected)
    assert rank_items(scores, 20).shape == (600, 9)


def test_the_result_is_json_without_nan():
    metrics = retrieval_metrics([[1]], [set()])
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert metrics["num_without_relevant"] == 1 and metrics["recall_at_100"] is None
    assert retrieval_metrics([], [])["map"] is None


@pytest.mark.parametrize(
    ("rankings", "relevant", "ks", "message"),
    [
        ([[1]], [], (1,), "1 rankings were given for 0 queries"),
        ([[1], [2, 3, 2]], [{1}, {1}], (1,), "query 1: the item 2 is ranked twice"),
        ([["a"]], ["a"], (1,), "query 0: the relevant items are the text 'a'; give a set"),
        ([["a"]], [{"a": -1}], (1,), "query 0: the gain of 'a' is -1; give finite gains"),
        ([["a"]], [{"a": math.nan}], (1,), "query 0: the gain of 'a' is nan"),
        ([["a"]], [{"a"}], (), r"ks are \[\]; give whole numbers"),
        ([["a"]], [{"a"}], (0,), r"ks are \[0\]"),
    ],
)
def test_bad_input_is_refused_in_one_line(rankings, relevant, ks, message):
    with pytest.raises(InputError, match=message) as caught:
        retrieval_metrics(rankings, relevant, ks)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("scores", "message"), [([0.1], r"\(1,\), not \[queries, items\]"), ([[0, np.nan]], "item 1")])
def test_scores_that_cannot_be_ranked_are_refused(scores, message):
    with pytest.raises(InputError, match=message):
        rank_items(scores)


def test_ten_thousand_queries_take_seconds():
    random = np.random.default_rng(0)
    started = time.perf_counter()
    rankings = rank_items(random.random((10_000, 500), "float32"), 100)
    retrieval_metrics(rankings, [{int(item)} for item in random.integers(0, 500, 10_000)])
    assert time.perf_counter() - started < 10
