import numpy as np
import pyarrow as pa
import pytest

from tfdomain.preparation.label_conflicts import conflicting_labels

ORIGINALS = np.array([0, 1, 0, 3, 1, 0, 3, 7])


@pytest.mark.parametrize("form", [list, pa.array, lambda labels: pa.chunked_array([labels[:3], labels[3:]])])
def test_texts_with_several_labels(form):
    labels = form(["a", "b", "a", "c", "b", "d", None, "e"])
    assert conflicting_labels(ORIGINALS, labels) == [([0, 2, 5], ["a", "a", "d"])]


def test_in_the_order_of_rows_and_for_lists():
    labels = [["x"], ["y", "z"], ["x"], ["p"], ["z", "y"], ["x", "y"], ["q"], []]
    found = conflicting_labels(ORIGINALS, labels)
    assert [conflict.rows for conflict in found] == [[0, 2, 5], [1, 4], [3, 6]]
    assert conflicting_labels(ORIGINALS, pa.array(labels)) == found


def test_no_conflict():
    assert conflicting_labels(np.arange(3), ["a", "b", "c"]) == []
    assert conflicting_labels(np.zeros(3, np.int64), [None, "b", None]) == []
    assert conflicting_labels(np.empty(0, np.int64), []) == []
