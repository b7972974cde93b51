"""The tests of significance, against scipy and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tfdomain.errors import InputError
from tfdomain.metrics.significance import bootstrap_p_value, holm, mcnemar_p_value


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
