"""Classify and Regress requests in JSON, by TensorFlow Serving's own cases."""

import json

import pytest
import tensorflow as tf

from tfdomain.serving.json_example import read_examples
from tfdomain.serving.json_text import parse_object
from tfdomain.serving.status import ServingError
from tfdomain.serving.tensor_proto import serialized_examples


def features(**lists):
    example = tf.train.Example()
    for name, value in lists.items():
        example.features.feature[name].CopyFrom(value)
    return example


def floats(*values):
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def integers(*values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def texts(*values):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def test_examples_without_a_context():
    request_input = read_examples(
        {"examples": [{"word": ["up", "down"], "price": [1.5, 2.0], "age": 30}, {"word": "left", "price": 0.5}]}
    )
    assert list(request_input.example_list.examples) == [
        features(word=texts(b"up", b"down"), price=floats(1.5, 2.0), age=integers(30)),
        features(word=texts(b"left"), price=floats(0.5)),
    ]


def test_a_context_is_shared_by_every_example():
    document = {"context": {"city": "Bern"}, "examples": [{"price": 0.5}, {"mixed": [2, True, False]}]}
    request_input = read_examples(document)
    shared = request_input.example_list_with_context
    assert shared.context == features(city=texts(b"Bern"))
    assert shared.examples[1] == features(mixed=integers(2, 1, 0))
    first, second = map(tf.train.Example.FromString, serialized_examples(request_input))
    assert first == features(city=texts(b"Bern"), price=floats(0.5))
    assert second == features(city=texts(b"Bern"), mixed=integers(2, 1, 0))


def test_base64_and_numbers_that_are_not_finite():
    document = parse_object(b'{"examples": [{"raw": ["a", {"b64": "/w=="}], "x": [1.0, NaN, -Infinity]}]}')
    feature = read_examples(document).example_list.examples[0].features.feature
    assert list(feature["raw"].bytes_list.value) == [b"a", b"\xff"]
    assert str(list(feature["x"].float_list.value)) == "[1.0, nan, -inf]"


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({}, "When method is classify, key 'examples' is expected and was not found"),
        ({"context": [{"a": 1}]}, "Example must be JSON object but got JSON Array"),
        ({"examples": {"a": 1}}, "Expecting 'examples' value to be an list/array"),
        ({"examples": []}, "'examples' value is an empty array"),
        ({"examples": [[{"a": 1}]]}, "Example must be JSON object but got JSON Array"),
        ({"examples": [True]}, "Example must be JSON object but got JSON True"),
        ({"examples": [{"a": [1, None]}]}, "Feature: a has element with unexpected JSON type: Null"),
        ({"examples": [{"a": [1, {"b": 2}]}]}, "Feature: a has element with unexpected JSON type: Object"),
        ({"examples": [{"a": [[1], 2]}]}, "Feature: a has element with unexpected JSON type: Array"),
        ({"examples": [{"a": [1, 1.5]}]}, "Unexpected element type in feature: a expecting type: int64"),
        ({"examples": [{"a": [1.5, 1]}]}, "Unexpected element type in feature: a expecting type: float"),
        ({"examples": [{"a": ["b", 1]}]}, "Unexpected element type in feature: a expecting type: bytes"),
        ({"examples": [{"a": [1, 2**63 + 7]}]}, "Feature: a has uint64_t element. Only int64_t is supported."),
        ({"examples": [{"a": {"b64": "*"}}]}, "Unable to base64 decode"),
    ],
)
def test_what_is_refused(document, error):
    with pytest.raises(ServingError) as caught:
        read_examples(json.loads(json.dumps(document)))
    assert caught.value.code.name == "INVALID_ARGUMENT" and error in caught.value.message


def test_a_request_without_examples_is_empty():
    from tensorflow_serving.apis import input_pb2

    with pytest.raises(ServingError, match=r"^INVALID_ARGUMENT: Input is empty.$"):
        serialized_examples(input_pb2.Input())
