import time

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given
from hypothesis import strategies as st

from tfdomain.errors import InputError
from tfdomain.metrics.thresholds import (
    THRESHOLD_SCORES,
    Threshold,
    choose_threshold,
    choose_thresholds,
    thresholded_metrics,
)

COSTS = {"false_positive": 1.0, "false_negative": 7.5}


def youden(true, predicted, weight):
    return 2 * reference.balanced_accuracy_score(true, predicted, sample_weight=weight) - 1


def cheapness(true, predicted, weight):
    each = COSTS["false_positive"] * (predicted & ~true) + COSTS["false_negative"] * (true & ~predicted)
    return -np.average(each, weights=weight)


def f_beta(beta):
    return lambda true, predicted, weight: reference.fbeta_score(
        true, predicted, beta=beta, sample_weight=weight, zero_division=0
    )


OBJECTIVES = {
    "f1": f_beta(1),
    "f2": f_beta(2),
    "f0.5": f_beta(0.5),
    "accuracy": lambda t, p, w: reference.accuracy_score(t, p, sample_weight=w),
    "balanced_accuracy": lambda t, p, w: reference.balanced_accuracy_score(t, p, sample_weight=w),
    "youden": youden,
    "cost": cheapness,
}


def random_case(seed: int):
    """Labels of both kinds, scores with and without ties, in both precisions, and weights, some of them 0."""
    random = np.random.default_rng(seed)
    num_rows = int(random.choice([2, 3, 8, 30]))
    true = random.permutation(np.arange(num_rows) < random.integers(1, num_rows))
    scores = true * random.uniform(0, 0.5) + random.normal(0.3, 0.3, num_rows)
    if seed % 3 == 0:
        scores = scores.round(1)
    if seed % 4 == 0:
        scores = scores.astype("float32")
    weight = random.choice([0.0, 0.5, 1.0, 3.0], num_rows) if seed % 2 else None
    if weight is not None:
        weight[[true.argmax(), true.argmin()]] = 1.0
    return true, scores, weight


def every_cut(true, scores, weight, objective):
    """The scores of all sets of the highest examples, none first, all last: brute force."""
    counts = np.ones(len(true), bool) if weight is None else weight > 0
    lowest = [np.inf, *sorted(set(scores[counts].tolist()), reverse=True)]
    return lowest, [OBJECTIVES[objective](true, scores >= least, weight) for least in lowest]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_choice_is_the_best_of_all_cuts(objective):
    for seed in range(60):
        true, scores, weight = random_case(seed)
        how = {"costs": COSTS} if objective == "cost" else {"metric": objective}
        chosen = choose_threshold(true, scores, sample_weight=weight, **how)
        lowest, values = every_cut(true, scores, weight, objective)
        cut = next(index for index, value in enumerate(values) if value >= max(values) - 1e-12)
        assert chosen.objective == objective and chosen.reason is None
        assert chosen.score == pytest.approx(-values[cut] if objective == "cost" else values[cut], abs=1e-12)
        if cut == 0:
            assert lowest[1] < chosen.value < lowest[1] + 1e-6
        elif cut == len(lowest) - 1:
            assert chosen.value == lowest[-1]
        else:
            assert chosen.value == pytest.approx((lowest[cut] + lowest[cut + 1]) / 2)
            assert lowest[cut + 1] < chosen.value <= lowest[cut]
        judged = thresholded_metrics(true, scores, chosen.value, costs=COSTS, sample_weight=weight)
        if objective in judged:
            assert judged[objective] == pytest.approx(chosen.score, abs=1e-12)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=12), st.randoms())
def test_the_order_of_the_examples_does_not_matter(examples, random):
    weight = [0.1 * (index % 3 + 1) for index in range(len(examples))]
    rows = [(*example, each) for example, each in zip(examples, weight, strict=True)]
    chosen = choose_threshold(*np.array(rows, "float64").T[:2], sample_weight=[row[2] for row in rows])
    random.shuffle(rows)
    again = choose_threshold(*np.array(rows, "float64").T[:2], sample_weight=[row[2] for row in rows])
    assert chosen.value == again.value and chosen.reason == again.reason


def test_neighbouring_floats_are_still_told_apart_in_their_own_precision():
    for dtype in ("float32", "float64"):
        for start in (0.5, 0.7, 1e-40):
            below = np.array(start, dtype)
            scores = np.array([below, np.nextafter(below, np.array(1, dtype))])
            value = choose_threshold([0, 1], scores).value
            assert ((scores >= np.array(value, dtype)) == [False, True]).all()
            above = choose_threshold([1, 0], scores, metric="accuracy", sample_weight=[1.0, 2.0]).value
            assert not (scores >= np.array(above, dtype)).any()


def test_equally_good_cuts_give_the_highest():
    assert choose_threshold([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], metric="accuracy").value == pytest.approx(0.35)


def test_a_cheap_error_counts_beside_a_very_dear_one():
    costs = {"false_positive": 1e-6, "false_negative": 1e12}
    chosen = choose_threshold([1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.2, 0.1], costs=costs)
    assert chosen.value == pytest.approx(0.45) and chosen.score == pytest.approx(1e-6 / 5)


@pytest.mark.parametrize(
    ("true", "weight", "reason"),
    [([0, 0], None, "no positives"), ([1, 1], None, "no negatives"), ([], None, "no examples"),
     ([0, 1], [1.0, 0.0], "no positives"), ([0, 1], [0.0, 0.0], "no examples")],
)  # fmt: skip
def test_nothing_to_choose_from_gives_a_half_and_the_reason(true, weight, reason):
    scores = [0.9, 0.95][: len(true)]
    assert choose_threshold(true, scores, sample_weight=weight) == Threshold(0.5, "f1", None, reason)
    assert choose_threshold(true, scores, costs=COSTS, sample_weight=weight) == Threshold(0.5, "cost", None, reason)


def test_each_label_has_its_own_threshold():
    random = np.random.default_rng(3)
    true, scores, weight = random.integers(0, 2, (40, 3)), random.random((40, 3)), random.random(40)
    true[:, 1] = 0
    chosen = choose_thresholds(true, scores, metric="f2", sample_weight=weight)
    assert chosen[1].reason == "no positives"
    for index in (0, 2):
        assert chosen[index] == choose_threshold(true[:, index], scores[:, index], metric="f2", sample_weight=weight)


@pytest.mark.parametrize("seed", range(40))
def test_the_scores_at_a_threshold_equal_scikit_learn(seed):
    true, scores, weight = random_case(seed)
    metrics = thresholded_metrics(true, scores, 0.5, costs=COSTS, sample_weight=weight)
    predicted = scores >= 0.5
    names = ("precision", "recall", "f1")
    theirs = reference.precision_recall_fscore_support(
        true, predicted, average="binary", sample_weight=weight, zero_division=0
    )
    assert [metrics[name] for name in names] == pytest.approx(list(theirs[:3]))
    assert metrics["accuracy"] == pytest.approx(reference.accuracy_score(true, predicted, sample_weight=weight))
    specificity = reference.recall_score(true, predicted, pos_label=False, sample_weight=weight)
    assert metrics["specificity"] == pytest.approx(specificity)
    assert metrics["false_positive_rate"] == pytest.approx(1 - specificity)
    assert metrics["cost"] == pytest.approx(-cheapness(true, predicted, weight))
    assert metrics["num_examples"] == len(true)


def test_what_the_examples_leave_undefined_is_none():
    everything = thresholded_metrics([], [], 0.5, costs=COSTS)
    assert everything == {"num_examples": 0, **dict.fromkeys(THRESHOLD_SCORES)}
    metrics = thresholded_metrics([0, 0], [0.1, 0.2], 0.5)
    assert metrics["precision"] is metrics["recall"] is metrics["f1"] is metrics["cost"] is None
    assert metrics["specificity"] == metrics["accuracy"] == 1
    metrics = thresholded_metrics([1], [0.1], 0.5)
    assert metrics["specificity"] is metrics["false_positive_rate"] is None and metrics["recall"] == 0


@pytest.mark.parametrize(
    ("true", "scores", "options", "message"),
    [
        ([0, 1], [0.5], {}, r"true is \(2,\) and scores are \(1,\), not both \[n\]"),
        ([0, 2], [0.5, 0.5], {}, "row 1: 2 is not 0 or 1"),
        ([0, 1], [0.5, np.nan], {}, "row 1: nan is not a finite score"),
        ([0, 1], [0.5, 0.6], {"sample_weight": [1.0]}, "sample_weight"),
        ([0, 1], [0.5, 0.6], {"metric": "auc"}, "chosen by 'auc'; choose one of f1, f2, .*youden, or give costs"),
        ([0, 1], [0.5, 0.6], {"costs": {"false_positive": 1}}, r"costs are \{'false_positive': 1\}; give"),
        ([0, 1], [0.5, 0.6], {"costs": {"false_positive": -1, "false_negative": 1}}, "at least 0"),
        ([0, 1], [0.5, 0.6], {"costs": {"false_positive": 0, "false_negative": 0}}, "not 0 for both"),
    ],
)
def test_bad_input_is_refused_in_one_line(true, scores, options, message):
    with pytest.raises(InputError, match=message) as caught:
        choose_threshold(true, scores, **options)
    assert "\n" not in str(caught.value)


def test_labels_without_columns_are_refused():
    with pytest.raises(InputError, match=r"not both \[n, labels\]"):
        choose_thresholds([0, 1], [0.5, 0.6])


def test_a_million_scores_take_less_than_two_seconds():
    random = np.random.default_rng(0)
    true, scores = random.integers(0, 2, 1_000_000), random.random(1_000_000)
    started = time.perf_counter()
    choose_threshold(true, scores)
    assert time.perf_counter() - started < 2
