import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tfdomain.data.labels import alike, label_ids, label_names
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


def test_unseen_labels_are_told_in_one_line_with_their_number():
    labels = ["repaid", "repayed", "x", *["defualt"] * 1500]
    with pytest.raises(InputError) as caught:
        label_ids(labels, ["default", "repaid"], where=lambda row: f"a.csv: line {row + 2}", skip_mend="do this")
    message = str(caught.value)
    assert message.startswith("1,502 rows have labels never seen in training: a.csv: line 3: 'repayed' (did you mean")
    assert "a.csv: line 4: 'x', a.csv: line 5: 'defualt' (did you mean 'default'" in message
    assert "a.csv: line 7: 'defualt'" in message
    assert "a.csv: line 8" not in message
    assert "and 1,497 more; the labels are 'default', 'repaid'" in message
    assert "do this to leave such rows out" in message
    assert "\n" not in message


def test_unseen_labels_may_be_skipped():
    ids = label_ids(["b", "x", "a"], ["a", "b"], unseen="skip")
    assert ids.dtype == np.int32
    assert ids.tolist() == [1, -1, 0]
    with pytest.raises(InputError, match="choose refuse or skip"):
        label_ids(["a"], ["a", "b"], unseen="ignore")


def test_labels_that_differ_by_case_or_blanks_are_alike():
    assert alike(["Spam", "ham", "spam ", " SPAM", "straße", "STRASSE"]) == [
        ("Spam", "spam "),
        ("Spam", " SPAM"),
        ("straße", "STRASSE"),
    ]
    assert alike(["a", "b", "1", "01"]) == []


def test_floats_are_labels_value_by_value():
    assert label_names(pa.chunked_array([[1.0, 2.5], [-3.0, 1e20]])) == ["-3", "1", "1e+20", "2.5"]
    with pytest.raises(InputError, match=r"labels\[1\]: is missing"):
        label_names(pa.chunked_array([[1.0, float("nan")]]))
