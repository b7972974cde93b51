"""JSON replies, by the cases that TensorFlow Serving holds its own writer to."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tfdomain.serving.json_reply import write_classifications, write_error, write_predictions, write_regressions
from tfdomain.serving.status import ServingError


def strings(values):
    return np.array(values, object)


def numbers_as_text(body: bytes):
    keep = {"parse_float": str, "parse_int": str, "parse_constant": str}
    return json.loads(body, **keep)


def test_one_output_stands_without_its_name():
    array = np.arange(8, dtype=np.int32).reshape(2, 2, 2)
    assert json.loads(write_predictions({"y": array}, True)) == {"predictions": array.tolist()}
    assert json.loads(write_predictions({"y": array}, False)) == {"outputs": array.tolist()}
    assert json.loads(write_predictions({"y": np.int64(5) * np.ones(3, np.int64)}, True)) == {"predictions": [5, 5, 5]}
    assert json.loads(write_predictions({"y": np.array(2.5)}, False)) == {"outputs": 2.5}


def test_several_outputs_stand_as_objects():
    outputs = {
        "ids": np.array([[1, 2], [3, 4]], np.uint8),
        "score": np.array([0.1, 1.0], np.float32),
        "text": strings([[b"a"], ['ß\n"'.encode()]]),
        "raw_bytes": strings([b"\xff", b"ok"]),
        "yes": np.array([True, False]),
    }
    first = {"ids": [1, 2], "score": 0.1, "text": ["a"], "raw_bytes": {"b64": "/w=="}, "yes": True}
    second = {"ids": [3, 4], "score": 1.0, "text": ['ß\n"'], "raw_bytes": {"b64": "b2s="}, "yes": False}
    assert json.loads(write_predictions(outputs, True)) == {"predictions": [first, second]}
    columns = {name: [first[name], second[name]] for name in first}
    assert json.loads(write_predictions(outputs, False)) == {"outputs": columns}


def test_only_strings_named_so_are_base64():
    assert json.loads(write_predictions({"n_bytes": np.array([7])}, True)) == {"predictions": [7]}
    assert write_predictions({"s": strings([b"\xff"])}, True).count(b'"\xff"') == 1


def test_numbers_are_written_as_briefly_as_they_read_back():
    values = np.array([[8_000_000, 888_888, 0.25], [0.0007, 0.00007, 777_779.5]], np.float32)
    assert numbers_as_text(write_predictions({"x": values}, True))["predictions"] == [
        ["8e+06", "888888.0", "0.25"],
        ["0.0007", "7e-05", "777779.5"],
    ]
    third = [f"{1 / 3:.9g}", "0.1"]
    assert numbers_as_text(write_predictions({"x": np.array([1 / 3, 0.1], np.float32)}, True))["predictions"] == [
        "0.333333343", third[1]
    ]  # fmt: skip
    assert numbers_as_text(write_predictions({"x": np.array([1 / 3])}, True))["predictions"] == ["0.33333333333333331"]


def test_numbers_that_are_not_finite_have_names():
    values = np.array([[np.nan, np.inf], [4, -np.inf]], np.float32)
    assert numbers_as_text(write_predictions({"x": values}, True))["predictions"] == [
        ["NaN", "Infinity"],
        ["4.0", "-Infinity"],
    ]


@settings(max_examples=100, deadline=None)
@given(arrays(np.float32, st.integers(1, 20), elements=st.floats(width=32, allow_nan=False)))
def test_every_float_reads_back_as_itself(values):
    assert np.array(json.loads(write_predictions({"x": values}, True))["predictions"], np.float32).tolist() == (
        values.tolist()
    )


def test_no_rows_are_an_empty_list():
    assert json.loads(write_predictions({"x": np.zeros((0, 2), np.int32)}, True)) == {"predictions": []}
    both = {"x": np.zeros((0, 2), np.float32), "s": np.zeros((0, 1, 3), object)}
    assert json.loads(write_predictions(both, True)) == {"predictions": []}
    assert json.loads(write_predictions({"x": np.zeros((2, 0), np.int32)}, True)) == {"predictions": [[], []]}


@pytest.mark.parametrize(
    ("outputs", "error"),
    [
        ({}, "Cannot convert empty tensor map to JSON"),
        ({"x": np.ones(2, np.complex64)}, "Failed to write JSON value for tensor type: complex64"),
        ({"x": np.ones(2, np.float16)}, "Failed to write JSON value for tensor type: half"),
        ({"x": np.array(1)}, "Tensor name: x has no shape information "),
        ({"x": np.ones(2), "y": np.ones(3)}, "Tensor name: y has inconsistent batch size: 3 expecting: 2"),
        ({"x": np.ones((0, 2)), "y": np.ones((1, 2))}, "Tensor name: y has inconsistent batch size: 1 expecting: 0"),
    ],
)
def test_what_cannot_be_written(outputs, error):
    with pytest.raises(ServingError) as caught:
        write_predictions(outputs, True)
    assert caught.value.message == error


def test_classifications_and_regressions():
    rows = [[(b"cat", np.float32(0.3)), (b"", 0.5)], [(b"dog", 1.0), (b"x", 0.0)]]
    assert json.loads(write_classifications(rows)) == {
        "results": [[["cat", 0.3], ["", 0.5]], [["dog", 1.0], ["x", 0.0]]]
    }
    values = np.array([0.3, np.inf, 2, np.nan], np.float32)
    assert numbers_as_text(write_regressions(values)) == {"results": ["0.3", "Infinity", "2.0", "NaN"]}
    with pytest.raises(ServingError, match="empty ClassificationResults"):
        write_classifications([])
    with pytest.raises(ServingError, match="empty RegressionResults"):
        write_regressions(np.zeros(0, np.float32))


def test_an_error_is_an_object_too():
    assert json.loads(write_error('no "key" here')) == {"error": 'no "key" here'}
