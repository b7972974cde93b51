"""The tests of significance, against scipy and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tfdomain.errors import InputError
from tfdomain.metrics.significance import (
    bootstrap_p_value,
    holm,
    mcnemar_p_value,
    resampled_interval,
    student_t_quantile,
)


def adjusted(p_values):
    """Holm's correction, word for word: of the sorted values the largest of (n - i + 1) p up to each place."""
    ranked = sorted(p_values)
    grown = [min(1.0, (len(ranked) - place) * p) for place, p in enumerate(ranked)]
    return [max(grown[: ranked.index(p) + 1 + ranked.count(p) - 1]) for p in p_values]


@given(st.lists(st.sampled_from([0.0, 0.001, 0.01, 0.02, 0.04, 0.3, 0.5, 1.0]), max_size=8))
def test_holm_corrects_as_its_paper_says(p_values):
    assert holm(p_values) == pytest.approx(adjusted(p_values))


def test_holm_keeps_the_order_of_what_it_is_given():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@pytest.mark.parametrize(("first_alone", "second_alone"), [(0, 0), (1, 0), (6, 1), (3, 3), (40, 21), (1500, 1400)])
def test_mcnemar_is_the_exact_test_of_the_discordant_rows(first_alone, second_alone):
    both = np.array([True] * 10 + [False] * 5)
    first = np.concatenate([both, np.repeat([True, False], [first_alone, second_alone])])
    second = np.concatenate([both, np.repeat([False, True], [first_alone, second_alone])])
    total = first_alone + second_alone
    expected = stats.binomtest(first_alone, total).pvalue if total else 1.0
    assert mcnemar_p_value(first, second) == pytest.approx(expected, rel=1e-9)
    assert mcnemar_p_value(second, first) == mcnemar_p_value(first, second)


def test_mcnemar_wants_the_same_rows():
    with pytest.raises(InputError, match="2 and 3 rows"):
        mcnemar_p_value(np.ones(2, bool), np.ones(3, bool))


def test_p_of_resamples():
    assert bootstrap_p_value(np.linspace(1, 2, 999)) == pytest.approx(2 / 1000)
    assert bootstrap_p_value(-np.linspace(1, 2, 999)) == pytest.approx(2 / 1000)
    assert bootstrap_p_value(np.repeat([-1.0, 1.0], [49, 950])) == pytest.approx(2 * 50 / 1000)
    assert bootstrap_p_value(np.zeros(99)) == 1.0


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 8, 14, 29, 200, 1001])
@pytest.mark.parametrize("probability", [0.5, 0.9, 0.975, 0.9999])
def test_quantiles_of_student_t(degrees, probability):
    expected = stats.t.ppf(probability, degrees)
    assert student_t_quantile(probability, degrees) == pytest.approx(expected, rel=1e-7, abs=1e-7)


def test_interval_of_independent_runs_is_the_plain_one():
    values = [0.8, 0.85, 0.7, 0.9]
    expected = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert resampled_interval(values, 0.0) == pytest.approx(expected)


def test_interval_of_overlapping_runs_covers_what_it_should():
    """Means of 10 folds, whose runs share a part of their luck: the corrected interval holds the true value."""
    random = np.random.default_rng(0)
    covered = {0.0: 0, 1 / 9: 0}
    for _ in range(400):
        values = 0.8 + random.normal(0, 0.01) + random.normal(0, 0.03, 10)
        for ratio in covered:
            low, high = resampled_interval(values.tolist(), ratio)
            covered[ratio] += low < 0.8 < high
    assert covered[0.0] < 0.91 * 400
    assert covered[1 / 9] > 0.93 * 400
