"""Predict requests in JSON, by the cases that TensorFlow Serving holds its own reader to."""

import base64
import json

import numpy as np
import pytest
import tensorflow as tf

from tfdomain.serving.json_tensor import read_inputs, read_signature_name
from tfdomain.serving.json_text import parse_object
from tfdomain.serving.status import ServingError


def read(document, **dtypes):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_inputs(parse_object(body), {name: dtype.as_datatype_enum for name, dtype in dtypes.items()})


def b64(data: bytes) -> dict:
    return {"b64": base64.b64encode(data).decode()}


def check(arrays, name, dtype, expected):
    assert arrays[name].dtype == dtype
    np.testing.assert_array_equal(arrays[name], np.array(expected, dtype))


@pytest.mark.parametrize("document", [{"instances": [[4, 5], [6, 7]]}, {"inputs": [[4, 5], [6, 7]]}])
def test_one_input_needs_no_name(document):
    arrays, by_row = read(document, x=tf.int32)
    check(arrays, "x", np.int32, [[4, 5], [6, 7]])
    assert by_row == ("instances" in document)


def test_one_input_may_be_named_all_the_same():
    check(read({"instances": [{"x": [4, 5]}, {"x": [6, 7]}]}, x=tf.int64)[0], "x", np.int64, [[4, 5], [6, 7]])
    check(read({"inputs": {"x": [[4, 5]]}}, x=tf.int64)[0], "x", np.int64, [[4, 5]])


def test_whole_and_decimal_numbers_mix_in_a_float():
    for dtype in (tf.float32, tf.float64):
        arrays, _ = read({"instances": [3, 0.25, 0, -7.125]}, x=dtype)
        check(arrays, "x", dtype.as_numpy_dtype, [3, 0.25, 0, -7.125])


def test_a_number_that_no_float_holds_is_rounded():
    check(read({"instances": [987654321]}, x=tf.float32)[0], "x", np.float32, [987654321.0])
    arrays, _ = read(b'{"instances": [1.7e308, -1.7e308, 1e-300]}', x=tf.float32)
    assert arrays["x"].tolist() == [np.inf, -np.inf, 0.0]


def test_not_a_number_and_infinities_are_numbers():
    arrays, _ = read(b'{"instances": [NaN, Infinity, -Infinity]}', x=tf.float64)
    np.testing.assert_array_equal(arrays["x"], [np.nan, np.inf, -np.inf])


def test_several_inputs_of_several_kinds_in_rows_and_in_columns():
    rows = [{"n": [[1], [2]], "s": "a", "f": 0.5, "t": True}, {"n": [[3], [4]], "s": "ü", "f": 2, "t": False}]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    for document in ({"instances": rows}, {"inputs": columns}):
        arrays, _ = read(document, n=tf.int32, s=tf.string, f=tf.float32, t=tf.bool)
        check(arrays, "n", np.int32, [[[1], [2]], [[3], [4]]])
        check(arrays, "s", object, [b"a", "ü".encode()])
        check(arrays, "f", np.float32, [0.5, 2])
        check(arrays, "t", np.bool_, [True, False])


def test_columns_need_no_common_batch():
    arrays, _ = read({"inputs": {"a": [1, 2, 3], "b": 9}}, a=tf.int32, b=tf.int32)
    assert arrays["a"].shape == (3,) and arrays["b"].shape == ()


def test_binary_strings_come_in_base64():
    data = [b"\x00\xff", b"two"]
    for document, shape in [
        ({"instances": [b64(d) for d in data]}, (2,)),
        ({"instances": [[b64(d)] for d in data]}, (2, 1)),
        ({"instances": [{"s": [[b64(d)] for d in data]}]}, (1, 2, 1)),
        ({"inputs": [b64(d) for d in data]}, (2,)),
        ({"inputs": {"s": [b64(d) for d in data]}}, (2,)),
    ]:
        arrays, _ = read(document, s=tf.string)
        assert arrays["s"].shape == shape and arrays["s"].ravel().tolist() == data
    assert read({"inputs": b64(data[0])}, s=tf.string)[0]["s"].shape == ()
    assert read({"instances": [{"b64": "AP8"}, "plain"]}, s=tf.string)[0]["s"].tolist() == [b"\x00\xff", b"plain"]


def test_bytes_that_are_no_utf8_pass_through():
    assert read(b'{"instances": ["a\xfe"]}', s=tf.string)[0]["s"].tolist() == [b"a\xfe"]


def test_small_integers_wrap_and_large_ones_do_not_fit():
    check(read({"instances": [300, -1]}, x=tf.uint8)[0], "x", np.uint8, [44, 255])
    check(read({"instances": [2**63]}, x=tf.uint64)[0], "x", np.uint64, [2**63])
    with pytest.raises(ServingError, match="not of expected type: int32"):
        read({"instances": [2**31]}, x=tf.int32)
    with pytest.raises(ServingError, match="not of expected type: uint32"):
        read({"instances": [-1]}, x=tf.uint32)


def test_an_empty_column_is_an_empty_tensor():
    check(read({"inputs": []}, x=tf.float32)[0], "x", np.float32, [])
    assert read({"inputs": [[], []]}, s=tf.string)[0]["s"].shape == (2, 0)


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"instances": [1], "inputs": [1]}, "Not formatted correctly expecting only one of"),
        ({"instances": 5}, "Expecting 'instances' to be an list/array"),
        ({"instances": []}, "No values in 'instances' array"),
        ({"instances": [[1, 2], [3, 4, 5]]}, "element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
         "Expecting tensor size: 2 but got: 3"),
        ({"instances": [[1, 2], [[3, 4]]]}, "Expecting shape [2] but got: [1,2]"),
        ({"instances": [1, [1]]}, "Expecting shape [] but got: [1]"),
        ({"instances": [[1, "b"]]}, 'JSON Value: "b" Type: String is not of expected type: int32'),
        ({"instances": [1.5]}, "JSON Value: 1.5 Type: Number is not of expected type: int32"),
        ({"instances": [True]}, "JSON Value: true Type: True is not of expected type: int32"),
        ({"instances": [None]}, "JSON Value: null Type: Null is not of expected type: int32"),
        ({"instances": [[[1], [2, 3]]]}, "unexpected size: 2 at level: 1 expected size: 1"),
        ({"instances": [[[1], 2]]}, "found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
        ({"instances": [[1, [2]]]}, "Encountered list at unexpected level: 1 expected < 1"),
        ({"instances": [1, {"x": 1}]}, "Expecting value/list but got object at item 1 of input list"),
        ({"instances": [{"x": 1}, 2]}, "Expecting object but got list at item 1 of input list"),
        ({"instances": [{"z": 1}]}, "element: 0 key: z of 'instances' list. Error: INVALID_ARGUMENT: "
         "JSON object: does not have named input: z"),
        ({"inputs": {"z": 1}}, "Missing named input: x in 'inputs' object."),
        ({"inputs": {"x": [[1, 2], [3]]}}, "Encountered list at unexpected size: 1 at level: 1"),
    ],
)  # fmt: skip
def test_what_is_refused(document, error):
    with pytest.raises(ServingError) as caught:
        read(document, x=tf.int32)
    assert caught.value.code.name == "INVALID_ARGUMENT" and error in caught.value.message


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"instances": [[1, 2]]}, "instances is a plain list, but expecting list of objects as multiple input"),
        ({"inputs": [1]}, "inputs is a plain value/list, but expecting an object as multiple input"),
        ({"instances": [{"x": 1}]}, "of 'instances' list. JSON object: {\n    \"x\": 1\n} keys must be equal to: s,x"),
        ({"instances": [{"x": 1, "s": "a"}, [1, 2]]}, "Expecting object but got list at item 1"),
        ({"instances": [{"x": [1], "s": "a"}, {"x": [[1]], "s": "b"}]}, "Expecting shape [1] but got: [1,1]"),
        ({"instances": [{"x": [1], "s": "a"}, {"x": [1, 2], "s": "b"}]}, "Expecting tensor size: 1 but got: 2"),
        ({"instances": [{"x": 1, "s": {"b64": 4}}]}, "not formatted correctly for base64 data"),
        ({"instances": [{"x": 1, "s": {"b64": "a"}}]}, "Unable to base64 decode"),
        ({"instances": [{"x": 1, "s": {"b64": "a*bc"}}]}, "Unable to base64 decode"),
        ({"instances": [{"x": {"b64": "YQ=="}, "s": "a"}]}, "Type: Object is not of expected type: float"),
    ],
)
def test_what_is_refused_with_two_inputs(document, error):
    with pytest.raises(ServingError) as caught:
        read(document, x=tf.float32, s=tf.string)
    assert caught.value.code.name == "INVALID_ARGUMENT" and error in caught.value.message


def test_a_type_without_a_json_form_is_unimplemented():
    with pytest.raises(ServingError, match=r"^UNIMPLEMENTED: Conversion of JSON Value: 1.5 to type: half$"):
        read({"inputs": [1.5]}, x=tf.float16)


def test_a_tensor_has_a_limit_of_dimensions():
    with pytest.raises(ServingError, match="at most 254 dimensions"):
        read(b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", x=tf.int32)


def test_the_signature_name_is_a_string():
    assert read_signature_name({"signature_name": "embed"}) == "embed"
    assert read_signature_name({}) == ""
    with pytest.raises(ServingError, match="'signature_name' key must be a string value"):
        read_signature_name({"signature_name": 4})
