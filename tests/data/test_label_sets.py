import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import MultiLabelBinarizer

from tfdomain.data.label_sets import label_set_ids, label_set_names
from tfdomain.errors import InputError

SETS = [["b", "a"], [], ["c"], ["a", "a"], ["体育", "😀"]]
NAMES = ["a", "b", "c", "体育", "😀"]
EXPECTED = [[1, 1, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 1, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 1, 1]]


def refusal(function, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        function(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "column",
    [
        ["b|a", "", "c", "a|a", "体育|😀"],
        [" b | a ", "  ", "c|", "|a||a", "体育 | 😀"],
        [json.dumps(labels) for labels in SETS],
        ["b|a", "[]", ' ["c"]', "a", '["体育", "😀"]'],
        SETS,
        [set(labels) for labels in SETS],
        pd.Series(["b|a", "", "c", "a|a", "体育|😀"]),
        pa.array(SETS),
        pa.array(SETS, pa.large_list(pa.large_string())),
        pa.chunked_array([SETS[:2], SETS[2:]]),
        pa.chunked_array([pa.array([["x"], *SETS]).slice(1)]),
        pa.chunked_array([["b|a", ""], [], ["c", "a|a", "体育|😀"]]),
        pa.array(["b|a", "", "c", "a|a", "体育|😀"]).dictionary_encode(),
    ],
)
def test_one_column_in_every_form(column):
    assert label_set_names(column) == NAMES
    ids = label_set_ids(column, NAMES)
    assert ids.dtype == np.int8
    assert ids.tolist() == EXPECTED


@given(st.lists(st.sets(st.text("ab,é中😀", min_size=1, max_size=3)), min_size=1, max_size=20))
def test_as_scikit_learn_counts(sets):
    reference = MultiLabelBinarizer()
    expected = reference.fit_transform(sets)
    names = reference.classes_.tolist()
    for column in (["|".join(labels) for labels in sets], [json.dumps(sorted(labels)) for labels in sets]):
        assert label_set_names(column) == names
        np.testing.assert_array_equal(label_set_ids(column, names), expected)


def test_the_delimiter_is_a_choice():
    assert label_set_names(["a;b", "c|d"], delimiter=";") == ["a", "b", "c|d"]
    assert label_set_names(["一、二"], delimiter="、") == ["一", "二"]
    assert "delimiter: is empty" in refusal(label_set_names, ["a"], delimiter="")


def test_numbers_and_booleans_in_lists_stay_as_they_are_written():
    assert label_set_names(["[10, 9]", "[true, 1.0]"]) == ["1.0", "10", "9", "true"]
    assert label_set_names(["10|9"]) == ["9", "10"]
    assert label_set_names(pa.array([[10, 9], []])) == ["9", "10"]


def test_no_row_has_a_label():
    for column in (["", "[]"], [[], []], pa.array([[], []], pa.list_(pa.string())), []):
        assert label_set_names(column) == []
        assert label_set_ids(column, ["a", "b"]).tolist() == [[0, 0]] * len(column)


def test_indicator_columns():
    columns = {"toxic": ["0", "1", " TRUE ", "No"], "spam": ["否", "是", "1", "1.0"]}
    assert label_set_names(columns) == ["toxic", "spam"]
    assert label_set_ids(columns, ["spam", "toxic"]).tolist() == [[0, 0], [1, 1], [1, 1], [1, 0]]
    frame = pd.DataFrame({"a": [1.0, 0.0], "b": [True, False], "c": [0, 1]})
    assert label_set_ids(dict(frame.items()), ["a", "b", "c"]).tolist() == [[1, 1, 0], [0, 0, 1]]


def test_an_indicator_that_is_none():
    columns = {"a": ["1", "2", ""], "b": ["0", "x", "1"]}
    message = refusal(label_set_ids, columns, ["a", "b"], where=lambda row: f"t.csv: line {row + 2}")
    assert message == (
        "2 rows have unreadable labels: t.csv: line 3: 'a' is '2', not 0 or 1, t.csv: line 4: 'a' is empty, "
        "not 0 or 1; mend them"
    )
    assert label_set_ids(columns, ["a", "b"], on_bad="skip").tolist() == [[1, 0], [-1, -1], [-1, -1]]
    message = refusal(label_set_names, {"a": pa.array([1.0, None])}, skip_mend="do this")
    assert message == "labels[1]: 'a' is empty, not 0 or 1; mend the labels, or do this to leave such rows out"


def test_indicator_columns_and_labels_must_agree():
    assert "no indicator column for the label 'b'" in refusal(label_set_ids, {"a": ["1"]}, ["a", "b"])
    message = refusal(label_set_ids, {"toxic": ["1"], "toxicc": ["1"]}, ["toxic"])
    assert message == "the indicator column 'toxicc' is none of the model's labels; did you mean 'toxic'?"
    assert "have [1, 2] rows" in refusal(label_set_names, {"a": ["1"], "b": ["1", "0"]})


def test_an_unseen_label_is_named_with_its_row_and_the_nearest():
    column = ["sports", "sprots|politics|x", ""]
    message = refusal(label_set_ids, column, ["politics", "sports"], where=lambda row: f"t.csv: line {row + 2}")
    assert message == "t.csv: line 3: label 'sprots' was never seen in training; did you mean 'sports'?"
    ids = label_set_ids(column, ["politics", "sports"], unseen="skip")
    assert ids.tolist() == [[0, 1], [-1, -1], [0, 0]]


def test_unseen_labels_are_counted_by_rows():
    message = refusal(label_set_ids, ["x|y"] * 1500 + ["a"], ["a", "b"], skip_mend="do this")
    assert message.startswith("1,500 rows have labels never seen in training: labels[0]: 'x', labels[1]: 'x'")
    assert "and 1,495 more; the labels are 'a', 'b'" in message
    assert "do this to leave such rows out" in message


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('["a", ', "starts with [ and is no JSON list"),
        ("[a]", "starts with [ and is no JSON list"),
        ('["\\ud83d"]', "is no JSON list"),
        ("[null]", "holds null, which is no label"),
        ('[["a"]]', 'holds ["a"], which is no label'),
        (None, "is missing"),
    ],
)
def test_a_value_that_cannot_be_read(value, words):
    column = ["a", value, "b"]
    message = refusal(label_set_names, column, skip_mend="do this")
    assert message.startswith("labels[1]: ")
    assert words in message
    assert "or do this to leave such rows out" in message
    assert words in refusal(label_set_ids, column, ["a", "b"])
    assert label_set_names(column, on_bad="skip") == ["a", "b"]
    assert label_set_ids(column, ["a", "b"], on_bad="skip").tolist() == [[1, 0], [-1, -1], [0, 1]]


def test_a_list_with_a_missing_label():
    column = pa.array([["a"], ["b", None], None, []])
    assert "2 rows have unreadable labels: labels[1]: is missing, or holds" in refusal(label_set_names, column)
    assert label_set_names(column, on_bad="skip") == ["a"]
    assert label_set_ids(column, ["a"], on_bad="skip").tolist() == [[1], [-1], [-1], [0]]


def test_what_is_no_column():
    assert "put it into a list" in refusal(label_set_names, "a|b")
    assert "mixes kinds" in refusal(label_set_names, ["a", ["b"]])
    assert "choose refuse or skip" in refusal(label_set_ids, ["a"], ["a"], unseen="ignore")
    assert "choose refuse or skip" in refusal(label_set_names, ["a"], on_bad="ignore")
