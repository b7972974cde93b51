import json
import time

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics as reference
from hypothesis import given
from hypothesis import strategies as st

from tfdomain.errors import InputError
from tfdomain.metrics.regression import REGRESSION_SCORES, regression_metrics


def random_case(seed: int):
    """Targets, predictions and weights: often with ties, several columns, or few rows."""
    random = np.random.default_rng(seed)
    shape = (int(random.choice([2, 3, 10, 200])), int(random.integers(1, 4)))
    true = random.normal(3, 2, shape)
    predicted = true * random.normal() + random.normal(size=shape)
    if seed % 3 == 0:
        true, predicted = true.round(), predicted.round()
    weight = random.uniform(0.1, 3, shape[0]) if seed % 2 else None
    return true, predicted, [f"target {index}" for index in range(shape[1])], weight


def constant(*columns):
    return any(np.all(column == column[0]) for column in columns)


@pytest.mark.parametrize("seed", range(120))
def test_everything_equals_scipy_and_scikit_learn(seed):
    true, predicted, names, weight = random_case(seed)
    metrics = regression_metrics(true, predicted, names, weight)
    for name, score in (
        ("mse", reference.mean_squared_error),
        ("rmse", reference.root_mean_squared_error),
        ("mae", reference.mean_absolute_error),
    ):
        assert metrics[name] == pytest.approx(score(true, predicted, sample_weight=weight), rel=1e-12)
    for index, name in enumerate(names):
        ours, x, y = metrics["per_target"][name], true[:, index], predicted[:, index]
        if constant(x):
            assert ours["r2"] is None
        else:
            assert ours["r2"] == pytest.approx(reference.r2_score(x, y, sample_weight=weight), rel=1e-9)
        if constant(x, y):
            assert ours["pearson"] is ours["spearman"] is None
        elif weight is None:
            assert ours["pearson"] == pytest.approx(scipy.stats.pearsonr(x, y).statistic, abs=1e-12)
            assert ours["spearman"] == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-12)
        else:
            covariance = np.cov(x, y, aweights=weight)
            assert ours["pearson"] == pytest.approx(
                covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]), abs=1e-12
            )
    for score in REGRESSION_SCORES:
        defined = [entry[score] for entry in metrics["per_target"].values() if entry[score] is not None]
        assert metrics[score] == (pytest.approx(np.mean(defined)) if defined else None)


def test_the_random_cases_reach_the_corners():
    cases = [random_case(seed) for seed in range(120)]
    assert any(constant(true[:, 0]) for true, *_ in cases)
    assert sum(len(np.unique(true[:, 0])) < len(true) for true, *_ in cases) > 20
    assert any(true.shape[1] == 3 for true, *_ in cases) and any(len(true) == 2 for true, *_ in cases)


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_a_weight_is_the_example_that_many_times(seed):
    true, predicted, names, _ = random_case(seed)
    weight = np.random.default_rng(seed).integers(0, 4, len(true))
    weight[:2] = 1
    weighted = regression_metrics(true, predicted, names, weight)
    repeated = regression_metrics(np.repeat(true, weight, axis=0), np.repeat(predicted, weight, axis=0), names)
    assert weighted.pop("num_examples") == len(true)
    repeated.pop("num_examples")
    for score in REGRESSION_SCORES:
        assert weighted[score] == (None if repeated[score] is None else pytest.approx(repeated[score], abs=1e-12))


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=2, max_size=8), st.floats(1e-150, 1e150))
def test_correlations_do_not_depend_on_the_unit(pairs, unit):
    true, predicted = np.array(pairs, "float64").T
    plain = regression_metrics(true, predicted, ["y"])
    scaled = regression_metrics(true * unit, predicted * 3 + 1, ["y"])
    for score in ("pearson", "spearman"):
        assert scaled[score] == (None if plain[score] is None else pytest.approx(plain[score], abs=1e-9))
        assert plain[score] is None or -1 <= plain[score] <= 1


@pytest.mark.parametrize(
    ("true", "predicted", "undefined"),
    [
        ([2.0], [1.0], {"pearson", "spearman", "r2"}),
        ([0.1] * 7, list(range(7)), {"pearson", "spearman", "r2"}),
        (list(range(7)), [0.1] * 7, {"pearson", "spearman"}),
        ([], [], set(REGRESSION_SCORES)),
    ],
)
def test_what_the_examples_leave_undefined_is_none(true, predicted, undefined):
    metrics = regression_metrics(true, predicted, ["y"])
    assert {name for name in REGRESSION_SCORES if metrics[name] is None} == undefined
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_a_target_that_is_undefined_leaves_the_mean():
    true, predicted = np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]]), np.array([[1.0, 5.0], [2.0, 5.0], [4.0, 6.0]])
    metrics = regression_metrics(true, predicted, ["y", "constant"])
    assert metrics["r2"] == metrics["per_target"]["y"]["r2"] == pytest.approx(0.5)
    assert metrics["per_target"]["constant"]["r2"] is None
    assert metrics["mse"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("true", "predicted", "names", "weight", "message"),
    [
        ([1.0], [1.0], [], None, "one or more different names"),
        ([[1.0, 2.0]], [[1.0, 2.0]], ["a", "a"], None, "one or more different names"),
        ([[1.0, 2.0]], [[1.0, 2.0]], ["a"], None, r"true has the shape \(1, 2\), not \(1, 1\); give one column"),
        ([1.0, 2.0], [1.0], ["a"], None, r"predicted has the shape \(1, 1\), not \(2, 1\)"),
        ([[[1.0]]], [1.0], ["a"], None, r"true has the shape \(1, 1, 1\)"),
        ([1.0, np.nan], [1.0, 1.0], ["a"], None, "row 1, target 'a': nan is not a finite number; leave out rows"),
        ([1.0, 1.0], [1.0, np.inf], ["a"], None, "row 1, target 'a': inf is not a finite number; NaN means"),
        ([1.0], [1.0], ["a"], [-1.0], "sample_weight"),
    ],
)
def test_bad_input_is_refused_in_one_line(true, predicted, names, weight, message):
    with pytest.raises(InputError, match=message) as caught:
        regression_metrics(true, predicted, names, weight)
    assert "\n" not in str(caught.value)


def test_a_million_rows_take_seconds():
    random = np.random.default_rng(0)
    true, noise = random.normal(size=(2, 1_000_000))
    started = time.perf_counter()
    metrics = regression_metrics(true, true + noise, ["y"])
    assert metrics["pearson"] == pytest.approx(np.sqrt(0.5), abs=0.01)
    assert time.perf_counter() - started < 10
