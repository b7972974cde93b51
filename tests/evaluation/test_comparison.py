"""The comparison of models, against scipy's bootstrap and on differences that are known."""

import numpy as np
import pytest
from scipy import stats

from tfdomain.errors import InputError
from tfdomain.evaluation.comparison import BOOTSTRAP, MCNEMAR, compare_statistics
from tfdomain.evaluation.comparison_text import comparison_text
from tfdomain.evaluation.resampling import Statistic
from tfdomain.metrics.significance import holm, mcnemar_p_value


def mean_of(values):
    return Statistic(len(values), lambda rows: float(values[rows].mean()), values)


@pytest.fixture(scope="module")
def errors():
    """The squared errors of three models on 200 rows: the second little worse, the third much."""
    random = np.random.default_rng(0)
    base = random.gamma(2.0, size=200)
    noise = random.normal(0, 1, (2, 200))
    return {"one": base, "two": base + 0.05 + 0.6 * noise[0], "three": base + 0.8 + noise[1]}


def test_intervals_are_those_of_the_paired_bootstrap(errors):
    found = compare_statistics({name: mean_of(values) for name, values in errors.items()}, "mse", resamples=4000)
    names = [(one.first, one.second) for one in found.differences]
    assert names == [("one", "two"), ("one", "three"), ("two", "three")]
    for one in found.differences:
        expected = stats.bootstrap(
            (errors[one.first], errors[one.second]),
            lambda first, second, axis: np.mean(first, axis=axis) - np.mean(second, axis=axis),
            paired=True,
            vectorized=True,
            method="percentile",
            n_resamples=4000,
            rng=np.random.default_rng(1),
        ).confidence_interval
        assert one.interval == pytest.approx(tuple(expected), abs=0.02)
        assert one.difference == pytest.approx(errors[one.first].mean() - errors[one.second].mean())
        assert one.test == BOOTSTRAP
    assert [one.corrected_p_value for one in found.differences] == holm([one.p_value for one in found.differences])


def test_p_values_are_near_those_of_the_paired_t_test(errors):
    found = compare_statistics({name: mean_of(values) for name, values in errors.items()}, "mse", resamples=4000)
    expected = stats.ttest_rel(errors["one"], errors["two"]).pvalue
    assert found.differences[0].p_value == pytest.approx(expected, abs=0.03)
    # A smaller error is better.
    assert [one.verdict for one in found.differences] == ["not distinguishable", "one is better", "two is better"]


def test_shares_of_right_rows_are_compared_by_mcnemar():
    random = np.random.default_rng(0)
    right = {"one": random.uniform(size=300) < 0.9, "two": random.uniform(size=300) < 0.7}
    statistics = {name: mean_of(each.astype("float64")) for name, each in right.items()}
    (found,) = compare_statistics(statistics, "accuracy", resamples=500).differences
    assert (found.test, found.verdict) == (MCNEMAR, "one is better")
    assert found.p_value == found.corrected_p_value == mcnemar_p_value(*right.values())


def test_equal_models_differ_rarely():
    """Of 200 pairs of models that are equally good some 5 % are told apart, and not more."""
    random = np.random.default_rng(0)
    wrong = 0
    for _ in range(200):
        statistics = {name: mean_of(random.normal(size=80)) for name in ("one", "two")}
        (found,) = compare_statistics(statistics, "mae", resamples=300).differences
        wrong += found.verdict != "not distinguishable"
        assert (found.verdict == "not distinguishable") == (found.corrected_p_value >= 0.05)
    assert 2 <= wrong <= 20


def test_a_seed_gives_one_result(errors):
    statistics = {name: mean_of(values) for name, values in errors.items()}
    first, again, other = (compare_statistics(statistics, "mse", resamples=300, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first.differences[0].interval != other.differences[0].interval


def test_resamples_without_a_value_are_left_out():
    values = np.arange(40.0)
    some = Statistic(40, lambda rows: float(values[rows].mean()) if 0 in rows else np.nan)
    (found,) = compare_statistics({"one": some, "two": mean_of(values - 1)}, "mae", resamples=300).differences
    assert found.interval == pytest.approx((1, 1))
    never = Statistic(40, lambda rows: np.nan)
    with pytest.raises(InputError, match="most resamples of the 40 test rows leave the metric undefined"):
        compare_statistics({"one": never, "two": mean_of(values)}, "mae", resamples=300)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(InputError, match="1 model"):
        compare_statistics({"one": mean_of(np.ones(3))}, "mae")
    with pytest.raises(InputError, match="10 resamples tell nothing"):
        compare_statistics({name: mean_of(np.ones(3)) for name in ("one", "two")}, "mae", resamples=10)


def test_text(errors):
    statistics = {name: mean_of(values) for name, values in errors.items()}
    text = comparison_text(compare_statistics(statistics, "mse", resamples=500))
    lines = [line.split() for line in text.splitlines()]
    assert lines[0][:3] == ["mse", "on", "the"]
    assert ["one", f"{errors['one'].mean():.4f}"] in lines
    assert any(line[:2] == ["one", "two"] and line[-2:] == ["not", "distinguishable"] for line in lines)
    assert any(line[:2] == ["two", "three"] and line[-3:] == ["two", "is", "better"] for line in lines)
    assert "corrected for 3 comparisons by Holm's procedure" in text.splitlines()[-1]
    assert all(line == line.rstrip() for line in text.splitlines())
