import json
import time
import warnings

import numpy as np
import pytest
import sklearn.metrics as reference

from tfdomain.errors import InputError
from tfdomain.metrics.multilabel import MULTILABEL_SCORES, multilabel_metrics


def random_case(seed: int):
    """True cells, probabilities, names, thresholds, weights: often with ties, labels that never occur, empty rows."""
    random = np.random.default_rng(seed)
    num_rows, num_labels = int(random.choice([1, 2, 5, 20, 200])), int(random.integers(2, 8))
    rates = random.choice([0.0, 0.1, 0.5, 1.0], num_labels) if seed % 3 == 0 else random.uniform(0.1, 0.6, num_labels)
    true = (random.random((num_rows, num_labels)) < rates).astype(int)
    probabilities = np.clip(0.4 * true + random.normal(0.3, 0.25, true.shape), 0, 1)
    if seed % 4 == 0:
        probabilities = probabilities.round(1)  # equal scores, some equal to the threshold
    if seed % 7 == 0:
        true[:] = 0
    if seed % 11 == 0:
        probabilities *= 0.4  # no label is predicted
    thresholds = random.uniform(0.2, 0.8, num_labels).round(1) if seed % 5 else 0.5
    weight = random.uniform(0.1, 3, num_rows) if seed % 2 else None
    return true, probabilities, [f"label {index}" for index in range(num_labels)], thresholds, weight


def same(ours, theirs):
    return ours is not None and np.isclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_everything_equals_scikit_learn(first):
    for seed in range(first, first + 20):
        true, probabilities, names, thresholds, weight = random_case(seed)
        ours = multilabel_metrics(true, probabilities, names, thresholds, weight)
        predicted = (probabilities >= thresholds).astype(int)
        assert same(ours["hamming_loss"], reference.hamming_loss(true, predicted, sample_weight=weight))
        assert same(ours["exact_match"], reference.accuracy_score(true, predicted, sample_weight=weight))
        losses = [
            reference.log_loss(true[:, index], probabilities[:, index], sample_weight=weight, labels=[0, 1])
            for index in range(len(names))
        ]
        assert same(ours["log_loss"], np.mean(losses))
        check_averages(ours, true, predicted, weight)
        check_labels(ours, true, predicted, probabilities, names, thresholds, weight)


def check_averages(ours, true, predicted, weight):
    labels = np.flatnonzero((true | predicted).any(axis=0))
    rows = np.flatnonzero((true | predicted).any(axis=1))
    if not len(labels):
        for average in ("micro", "macro", "weighted", "samples"):
            assert ours[f"{average}_precision"] is ours[f"{average}_recall"] is ours[f"{average}_f1"] is None
        return
    for average in ("micro", "macro", "weighted", "samples"):
        chosen = rows if average == "samples" else slice(None)
        theirs = reference.precision_recall_fscore_support(
            true[chosen],
            predicted[chosen],
            labels=labels if average in ("macro", "weighted") else None,
            average=average,
            sample_weight=None if weight is None else weight[chosen],
            zero_division=0,
        )
        for score, value in zip(("precision", "recall", "f1"), theirs, strict=False):
            assert same(ours[f"{average}_{score}"], value), (average, score)


def check_labels(ours, true, predicted, probabilities, names, thresholds, weight):
    areas = {"roc_auc": [], "pr_auc": []}
    for index, name in enumerate(names):
        entry, cells, scores = ours["per_label"][name], true[:, index], probabilities[:, index]
        assert entry["support"] == pytest.approx(np.sum(cells * (1 if weight is None else weight)))
        assert entry["threshold"] == np.broadcast_to(thresholds, len(names))[index]
        theirs = reference.precision_recall_fscore_support(
            cells, predicted[:, index], average="binary", sample_weight=weight, zero_division=0
        )
        for score, value in zip(("precision", "recall", "f1"), theirs, strict=False):
            if cells.any() or predicted[:, index].any():
                assert same(entry[score], value)
            else:
                assert entry[score] is None
        for area, score in (("roc_auc", reference.roc_auc_score), ("pr_auc", reference.average_precision_score)):
            if not cells.any() or (area == "roc_auc" and cells.all()):
                assert entry[area] is None
            else:
                areas[area].append(score(cells, scores, sample_weight=weight))
                assert same(entry[area], areas[area][-1])
    for ours_name, area in (("roc_auc", "roc_auc"), ("mean_average_precision", "pr_auc")):
        if areas[area]:
            assert same(ours[ours_name], np.mean(areas[area]))
        else:
            assert ours[ours_name] is None


def test_the_random_cases_reach_the_corners():
    cases = [random_case(seed) for seed in range(200)]
    assert sum(not true.any(axis=0).all() and true.any() for true, *_ in cases) > 20  # a label without positives
    assert sum(not true.any() for true, *_ in cases) > 20
    assert sum(not ((p >= t) | (true == 1)).any() for true, p, _, t, _ in cases) > 2
    assert sum((p == t).any() for _, p, _, t, _ in cases) > 20
    complete = [case for case in cases if case[0].any(axis=0).all() and not case[0].all(axis=0).any()]
    assert len(complete) > 50


def test_complete_labels_equal_scikit_learns_own_averages_too():
    random = np.random.default_rng(5)
    true, probabilities = random.integers(0, 2, (50, 4)), random.random((50, 4))
    ours = multilabel_metrics(true, probabilities, list("abcd"))
    assert same(ours["macro_f1"], reference.f1_score(true, probabilities >= 0.5, average="macro"))
    assert same(ours["mean_average_precision"], reference.average_precision_score(true, probabilities, average="macro"))
    assert same(ours["roc_auc"], reference.roc_auc_score(true, probabilities, average="macro"))


def test_a_model_that_is_right_about_examples_without_labels_scores_one():
    true = np.array([[1, 0], [0, 0]])
    metrics = multilabel_metrics(true, true * 0.8 + 0.1, ["a", "b"])
    assert metrics["samples_f1"] == metrics["macro_f1"] == metrics["weighted_f1"] == metrics["exact_match"] == 1


def test_only_wrong_labels_score_zero():
    metrics = multilabel_metrics([[0, 0]], [[0.9, 0.1]], ["a", "b"])
    assert metrics["micro_f1"] == metrics["macro_f1"] == metrics["weighted_f1"] == metrics["samples_f1"] == 0.0


def test_a_threshold_is_taken_in_the_precision_of_the_probabilities():
    probabilities = np.array([[0.7, 0.7]], "float32")
    for thresholds in (0.7, [0.7, 0.7], np.float64(0.7)):
        assert multilabel_metrics([[1, 1]], probabilities, ["a", "b"], thresholds)["exact_match"] == 1


def test_the_result_is_json_without_nan_and_no_examples_leave_everything_undefined():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics = multilabel_metrics(np.zeros((0, 2), int), np.zeros((0, 2)), ["a", "b"])
        nothing = multilabel_metrics([[1, 0]], [[0.9, 0.9]], ["a", "b"], sample_weight=[0.0])
    assert all(metrics[name] is None for name in MULTILABEL_SCORES)
    assert all(nothing[name] is None for name in MULTILABEL_SCORES)
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert list(metrics) == ["num_examples", *MULTILABEL_SCORES, "per_label"]


@pytest.mark.parametrize(
    ("true", "probabilities", "names", "thresholds", "weight", "message"),
    [
        ([[1]], [[0.5]], [], 0.5, None, "one or more different names"),
        ([[1, 0]], [[0.5, 0.5]], ["a", "a"], 0.5, None, "one or more different names"),
        ([[1]], [[0.5]], ["a", "b"], 0.5, None, r"true has the shape \(1, 1\), not \[n, 2\]"),
        ([1], [[0.5]], ["a"], 0.5, None, r"true has the shape \(1,\)"),
        ([[1], [0]], [[0.5]], ["a"], 0.5, None, r"probabilities has the shape \(1, 1\)"),
        ([[1], [2]], [[0.5], [0.5]], ["发热"], 0.5, None, "row 1, label '发热': 2 is not 0 or 1; give 1"),
        ([[1]], [[np.nan]], ["a"], 0.5, None, "row 0, label 'a': nan is not a probability; apply sigmoid"),
        ([[1]], [[2.5]], ["a"], 0.5, None, "row 0, label 'a': 2.5 is not a probability"),
        ([[1]], [[0.5]], ["a"], [0.5, 0.5], None, "thresholds must be one finite number, or one for each of 1 labels"),
        ([[1]], [[0.5]], ["a"], np.nan, None, "thresholds must be one finite number"),
        ([[1]], [[0.5]], ["a"], 0.5, [1.0, 1.0], "sample_weight"),
    ],
)
def test_bad_input_is_refused_in_one_line(true, probabilities, names, thresholds, weight, message):
    with pytest.raises(InputError, match=message) as caught:
        multilabel_metrics(true, probabilities, names, thresholds, weight)
    assert "\n" not in str(caught.value)


def test_a_large_test_set_takes_seconds():
    random = np.random.default_rng(0)
    true, probabilities = random.integers(0, 2, (100_000, 20)), random.random((100_000, 20), "float32")
    started = time.perf_counter()
    multilabel_metrics(true, probabilities, [str(index) for index in range(20)])
    assert time.perf_counter() - started < 10
