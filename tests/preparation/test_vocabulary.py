from collections import Counter

import pytest
from scipy.spatial.distance import jensenshannon

from tfdomain.preparation.vocabulary import compare_vocabularies, count_words


def test_words_and_chinese_characters():
    counts = count_words(["The loan, the LOAN!", "贷款 2024年x"])
    assert counts == Counter({"the": 2, "loan": 2, "贷": 1, "款": 1, "2024": 1, "年": 1, "x": 1})


def test_distance_is_that_of_scipy():
    before, now = Counter(a=5, b=3, c=2), Counter(a=1, b=3, d=4)
    found = compare_vocabularies(before, now)
    shares = [[5 / 10, 3 / 10, 2 / 10, 0], [1 / 8, 3 / 8, 0, 4 / 8]]
    assert found["divergence"] == pytest.approx(jensenshannon(*shares, base=2) ** 2)
    assert found["unknown_rate"] == 0.5
    assert found["new_words"] == ["d"]


@pytest.mark.parametrize(("now", "divergence"), [(Counter(a=1), 0.0), (Counter(b=1), 1.0), (Counter(), 0.5)])
def test_the_ends_of_the_scale(now, divergence):
    assert compare_vocabularies(Counter(a=3), now)["divergence"] == pytest.approx(divergence)
