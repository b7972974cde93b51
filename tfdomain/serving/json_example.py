"""Classify and Regress requests in JSON become `tf.Example` messages."""

from collections.abc import Mapping
from typing import Any

from tensorflow.core.example import example_pb2, feature_pb2
from tensorflow_serving.apis import input_pb2

from tfdomain.serving.json_text import debug_string, type_name
from tfdomain.serving.json_value import is_base64_object, read_base64_object
from tfdomain.serving.status import ServingError, invalid_argument

__all__ = ["read_examples"]

_KINDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64", None: "UNKNOWN"}


def read_examples(document: Mapping[str, Any]) -> input_pb2.Input:
    """The `examples`, with the features of `context` shared by all of them where it is given.

    Raises:
        ServingError: No list of examples, or a value that no feature can hold.
    """
    request_input = input_pb2.Input()
    has_context = "context" in document
    if has_context:
        context = request_input.example_list_with_context.context
        context.CopyFrom(_read_example(document["context"]))
    if "examples" not in document:
        raise _format_error(document, "When method is classify, key 'examples' is expected and was not found")
    examples = document["examples"]
    if not isinstance(examples, list):
        raise _format_error(document, "Expecting 'examples' value to be an list/array")
    if not examples:
        raise _format_error(document, "'examples' value is an empty array")
    target = request_input.example_list_with_context if has_context else request_input.example_list
    target.examples.extend(_read_example(example) for example in examples)
    return request_input


def _read_example(value: Any) -> example_pb2.Example:
    if not isinstance(value, dict):
        raise invalid_argument(f"Example must be JSON object but got JSON {type_name(value)}")
    example = example_pb2.Example()
    for name, content in value.items():
        feature = feature_pb2.Feature()
        for item in content if isinstance(content, list) else [content]:
            _add_value(feature, name, item)
        example.features.feature[name].CopyFrom(feature)
    return example


def _add_value(feature: feature_pb2.Feature, name: str, value: Any) -> None:
    if isinstance(value, bool):
        _list_of_kind(feature, "int64_list", name).append(int(value))
    elif isinstance(value, str):
        _list_of_kind(feature, "bytes_list", name).append(value.encode("utf-8", "surrogateescape"))
    elif is_base64_object(value):
        _list_of_kind(feature, "bytes_list", name).append(read_base64_object(value))
    elif isinstance(value, float) or (isinstance(value, int) and not -(2**63) <= value < 2**64):
        # An integer that fits no 64 bits is a double to TensorFlow Serving's parser.
        _list_of_kind(feature, "float_list", name).append(value)
    elif isinstance(value, int):
        target = _list_of_kind(feature, "int64_list", name)
        if value >= 2**63:
            raise invalid_argument(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
        target.append(value)
    else:
        raise invalid_argument(f"Feature: {name} has element with unexpected JSON type: {type_name(value)}")


def _list_of_kind(feature: feature_pb2.Feature, kind: str, name: str) -> Any:
    present = feature.WhichOneof("kind")
    if present not in (None, kind):
        raise invalid_argument(f"Unexpected element type in feature: {name} expecting type: {_KINDS[present]}")
    return getattr(feature, kind).value


def _format_error(document: Mapping[str, Any], text: str) -> ServingError:
    return invalid_argument(f"JSON Value: {debug_string(document)} {text}")
