import json
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
import sklearn.metrics as reference

from tfdomain.errors import InputError
from tfdomain.metrics.classification import classification_metrics


def random_case(seed: int):
    """Labels, probabilities, names, weights: often with ties, absent classes, or a single example."""
    random = np.random.default_rng(seed)
    num_classes = int(random.integers(2, 11))
    num_rows = int(random.choice([1, 2, 5, 20, 200]))
    present = random.permutation(num_classes)[: random.integers(1, num_classes + 1)]
    labels = random.choice(present, num_rows)
    logits = random.normal(size=(num_rows, num_classes))
    if seed % 3 == 0:
        logits = logits.round()  # equal scores, and equal highest ones
    if seed % 4 == 0:
        logits[:, random.integers(num_classes)] = -20  # a class that is never predicted
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    if seed % 5 == 0:
        probabilities = np.eye(num_classes)[logits.argmax(axis=1)]  # zeros and ones
    weight = random.uniform(0.1, 3, num_rows) if seed % 2 else None
    return labels, probabilities, [f"class {index}" for index in range(num_classes)], weight


def same(ours, theirs):
    """Equal within rounding; None where the reference is undefined."""
    if ours is None:
        return theirs is None or np.isnan(theirs)
    return theirs is not None and np.isclose(ours, theirs, rtol=1e-9, atol=1e-12)


def each_area(labels, probabilities, weight):
    """ROC AUC and average precision of each class against the rest, NaN where undefined."""
    areas = np.full((2, probabilities.shape[1]), np.nan)
    for index in range(probabilities.shape[1]):
        positive = labels == index
        if positive.any():
            areas[1, index] = reference.average_precision_score(positive, probabilities[:, index], sample_weight=weight)
            if not positive.all():
                areas[0, index] = reference.roc_auc_score(positive, probabilities[:, index], sample_weight=weight)
    return areas


@pytest.mark.parametrize("first", range(0, 300, 30))
def test_everything_equals_scikit_learn(first):
    for seed in range(first, first + 30):
        labels, probabilities, names, weight = random_case(seed)
        ours = classification_metrics(labels, probabilities, names, weight)
        predictions, classes = probabilities.argmax(axis=1), np.arange(len(names))
        assert same(ours["accuracy"], reference.accuracy_score(labels, predictions, sample_weight=weight))
        for average in ("micro", "macro", "weighted"):
            theirs = reference.precision_recall_fscore_support(
                labels, predictions, average=average, sample_weight=weight, zero_division=0
            )
            for score, value in zip(("precision", "recall", "f1"), theirs, strict=False):
                assert same(ours[f"{average}_{score}"], value), (seed, average, score)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loss = reference.log_loss(labels, probabilities, labels=classes, sample_weight=weight)
            areas = each_area(labels, probabilities, weight)
        assert same(ours["log_loss"], loss), seed
        np.testing.assert_allclose(
            ours["confusion_matrix"],
            reference.confusion_matrix(labels, predictions, labels=classes, sample_weight=weight),
        )
        theirs = reference.precision_recall_fscore_support(
            labels, predictions, labels=classes, sample_weight=weight, zero_division=0
        )
        for index, name in enumerate(names):
            entry = ours["per_class"][name]
            seen = index in labels or index in predictions
            for score, values in zip(("precision", "recall", "f1"), theirs[:3], strict=True):
                assert same(entry[score], values[index] if seen else None), (seed, name, score)
            support = np.sum((labels == index) * (1 if weight is None else weight))
            assert entry["support"] == pytest.approx(support)
            assert same(entry["roc_auc"], areas[0, index]), (seed, name)
            assert same(entry["pr_auc"], areas[1, index]), (seed, name)
        check_averaged_areas(ours, labels, probabilities, weight, areas)


def check_averaged_areas(ours, labels, probabilities, weight, areas):
    num_classes = probabilities.shape[1]
    for row, name in zip(areas, ("roc_auc", "pr_auc"), strict=True):
        if num_classes == 2:
            assert same(ours[name], row[1])
        elif np.isnan(row).all():
            assert ours[name] is None and ours[f"weighted_{name}"] is None
        else:
            assert same(ours[name], np.nanmean(row))
    if num_classes > 2 and len(np.unique(labels)) == num_classes:
        # With every class present scikit-learn's own multi-class areas are defined too.
        for average, name in (("macro", "roc_auc"), ("weighted", "weighted_roc_auc")):
            if weight is None:
                value = reference.roc_auc_score(labels, probabilities, multi_class="ovr", average=average)
                assert same(ours[name], value)
        for average, name in (("macro", "pr_auc"), ("weighted", "weighted_pr_auc")):
            value = reference.average_precision_score(
                np.eye(num_classes)[labels], probabilities, average=average, sample_weight=weight
            )
            assert same(ours[name], value)


def test_the_random_cases_reach_the_corners():
    cases = [random_case(seed) for seed in range(300)]
    assert {len(names) for _, _, names, _ in cases} == set(range(2, 11))
    assert any(len(labels) == 1 for labels, *_ in cases)
    complete = [c for c in cases if len(c[2]) > 2 and len(np.unique(c[0])) == len(c[2]) and c[3] is None]
    assert len(complete) > 10
    assert sum(len(np.unique(labels)) < len(names) for labels, _, names, _ in cases) > 50
    assert any(len(np.unique(p)) < p.size / 4 for _, p, _, _ in cases)


def test_float32_probabilities_are_clipped_as_scikit_learn_does():
    labels = np.array([0, 1, 1])
    probabilities = np.array([[1, 0], [1, 0], [0.25, 0.75]], "float32")
    ours = classification_metrics(labels, probabilities, ["a", "b"])["log_loss"]
    assert ours == pytest.approx(reference.log_loss(labels, probabilities), rel=1e-6)


def test_the_result_is_json_without_nan_and_counts_are_whole():
    metrics = classification_metrics([0, 0], [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]], ["a", "b", "c"])
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert metrics["confusion_matrix"] == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert isinstance(metrics["per_class"]["a"]["support"], int)
    assert metrics["per_class"]["c"] == {
        "precision": None, "recall": None, "f1": None, "support": 0, "roc_auc": None, "pr_auc": None,
    }  # fmt: skip
    assert metrics["roc_auc"] is None


def test_no_examples_leave_everything_undefined():
    metrics = classification_metrics(np.zeros(0, "int32"), np.zeros((0, 2)), ["a", "b"])
    assert metrics["num_examples"] == 0
    assert metrics["accuracy"] is metrics["macro_f1"] is metrics["log_loss"] is metrics["pr_auc"] is None


def test_a_weight_of_two_is_the_example_twice():
    labels, probabilities, names, _ = random_case(8)
    weight = np.random.default_rng(0).integers(0, 3, len(labels))
    weighted = classification_metrics(labels, probabilities, names, weight)
    repeated = classification_metrics(np.repeat(labels, weight), np.repeat(probabilities, weight, axis=0), names)
    for name in ("accuracy", "macro_f1", "weighted_recall", "log_loss", "roc_auc", "pr_auc"):
        assert weighted[name] == pytest.approx(repeated[name])


@pytest.mark.parametrize(
    ("labels", "probabilities", "names", "weight", "message"),
    [
        ([0], [[0.5, 0.5]], ["a"], None, "two or more different names"),
        ([0], [[0.5, 0.5]], ["a", "a"], None, "two or more different names"),
        ([0], [[0.5, 0.5]], ["a", "b", "c"], None, r"shape \(1, 2\), not \[n, 3\]"),
        ([0, 1], [[0.5, 0.5]], ["a", "b"], None, r"not whole numbers of shape \(1,\)"),
        ([0.0], [[0.5, 0.5]], ["a", "b"], None, "labels are float64"),
        ([0, 2], [[0.5, 0.5]] * 2, ["a", "b"], None, "row 1: the label 2 is not one of 0 to 1"),
        ([0, -1], [[0.5, 0.5]] * 2, ["a", "b"], None, "row 1: the label -1"),
        ([0, 1], [[0.5, 0.5], [0.5, np.nan]], ["a", "b"], None, "row 1: nan is not a probability"),
        ([0], [[3.5, -1.5]], ["a", "b"], None, "row 0: 3.5 is not a probability; apply softmax"),
        ([0], [[0.5, 0.5]], ["a", "b"], [-1.0], "sample_weight"),
        ([0], [[0.5, 0.5]], ["a", "b"], [1.0, 1.0], "sample_weight"),
    ],
)
def test_bad_input_is_refused_in_one_line(labels, probabilities, names, weight, message):
    with pytest.raises(InputError, match=message) as caught:
        classification_metrics(np.array(labels), np.array(probabilities), names, weight)
    assert "\n" not in str(caught.value)


def test_a_large_test_set_takes_seconds():
    random = np.random.default_rng(0)
    started = time.perf_counter()
    many_classes = random.dirichlet(np.ones(77), 3_080).astype("float32")
    classification_metrics(random.integers(0, 77, 3_080), many_classes, [str(index) for index in range(77)])
    second = random.random(1_000_000, "float32")
    classification_metrics(random.integers(0, 2, 1_000_000), np.stack([1 - second, second], 1), ["a", "b"])
    assert time.perf_counter() - started < 20


def test_tensorflow_is_not_imported():
    code = (
        "import sys, tfdomain.metrics.classification, tfdomain.metrics.selection;"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_classes_given_at_a_threshold_are_judged_in_place_of_the_most_probable():
    labels, probabilities = [0, 1, 1, 0], np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]])
    given = (probabilities[:, 1] >= 0.35).astype(int)
    metrics = classification_metrics(labels, probabilities, ["a", "b"], predicted=given)
    usual = classification_metrics(labels, probabilities, ["a", "b"])
    assert (metrics["accuracy"], usual["accuracy"]) == (1.0, 0.75)
    assert metrics["confusion_matrix"] == [[2, 0], [0, 2]]
    assert metrics["log_loss"] == usual["log_loss"]
    with pytest.raises(InputError, match=r"predicted has the shape \(3,\), not \(4,\); give a class for each row"):
        classification_metrics(labels, probabilities, ["a", "b"], predicted=given[:3])
