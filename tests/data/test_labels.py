import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tfdomain.data.labels import label_ids, label_names
from tfdomain.errors import InputError


@pytest.mark.parametrize(
    ("labels", "names", "ids"),
    [
        (["b", "a", "b"], ["a", "b"], [1, 0, 1]),
        (["10", "9", "-1"], ["-1", "9", "10"], [2, 1, 0]),
        (["10", "9", "x"], ["10", "9", "x"], [0, 1, 2]),
        ([10, 9, 9], ["9", "10"], [1, 0, 0]),
        (np.array([True, False]), ["false", "true"], [1, 0]),
        (pd.Series([1.0, 2.0]), ["1", "2"], [0, 1]),
        (pd.Series(["b", "a"], dtype="category"), ["a", "b"], [1, 0]),
        (pa.chunked_array([["Z", "a"], ["é"]]), ["Z", "a", "é"], [0, 1, 2]),
        (["01", "1", " 1"], [" 1", "01", "1"], [1, 2, 0]),
    ],
)
def test_names_are_sorted_and_ids_are_their_places(labels, names, ids):
    assert label_names(labels) == names
    found = label_ids(labels, names)
    assert found.dtype == np.int32
    assert found.tolist() == ids


def test_an_unseen_label_is_named_with_its_row_and_the_nearest():
    names = ["card_arrival", "card_linking", "exchange_rate"]
    with pytest.raises(InputError) as caught:
        label_ids(["card_linking", "card_arival"], names, where=lambda row: f"test.csv: line {row + 2}")
    expected = "test.csv: line 3: label 'card_arival' was never seen in training; did you mean 'card_arrival'"
    assert str(caught.value).startswith(expected)
    with pytest.raises(InputError, match=r"labels\[0\]: label 'x' .* the labels are 'card_arrival', 'card_linking'"):
        label_ids(["x"], names)


def test_a_missing_label():
    with pytest.raises(InputError, match=r"labels\[1\]: is missing"):
        label_names(["a", None])
