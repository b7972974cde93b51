"""JSON values become the elements of one tensor, by the rules of its element type."""

import base64
import binascii
import re
from itertools import chain
from typing import Any

import grpc
import numpy as np
from tensorflow.core.framework import types_pb2

from tfdomain.serving.json_text import debug_string, type_name
from tfdomain.serving.status import ServingError, invalid_argument

__all__ = [
    "dtype_name",
    "is_base64_object",
    "read_base64_object",
    "read_leaves",
    "read_regular",
    "shape_of",
    "to_array",
]

_NAMES = {types_pb2.DT_FLOAT: "float", types_pb2.DT_DOUBLE: "double", types_pb2.DT_HALF: "half"}
_INT32 = (types_pb2.DT_INT32, types_pb2.DT_INT16, types_pb2.DT_INT8, types_pb2.DT_UINT8)
# What numpy stores each type as, and the widest type the JSON number is read as before it.
_STORED = {
    types_pb2.DT_FLOAT: (np.float64, np.float32),
    types_pb2.DT_DOUBLE: (np.float64, np.float64),
    types_pb2.DT_INT32: (np.int32, np.int32),
    types_pb2.DT_INT16: (np.int32, np.int16),
    types_pb2.DT_INT8: (np.int32, np.int8),
    types_pb2.DT_UINT8: (np.int32, np.uint8),
    types_pb2.DT_INT64: (np.int64, np.int64),
    types_pb2.DT_UINT32: (np.uint32, np.uint32),
    types_pb2.DT_UINT64: (np.uint64, np.uint64),
    types_pb2.DT_BOOL: (np.bool_, np.bool_),
    types_pb2.DT_STRING: (object, object),
}
_RANGES = {
    **dict.fromkeys(_INT32, (-(2**31), 2**31 - 1)),
    types_pb2.DT_INT64: (-(2**63), 2**63 - 1),
    types_pb2.DT_UINT32: (0, 2**32 - 1),
    types_pb2.DT_UINT64: (0, 2**64 - 1),
}
_MAX_RANK = 254


def dtype_name(dtype: int) -> str:
    """TensorFlow's short name of a `DataType` number, as error messages use it: `float`, `int32`."""
    return _NAMES.get(dtype) or types_pb2.DataType.Name(dtype).removeprefix("DT_").lower()


def is_base64_object(value: Any) -> bool:
    """Whether a JSON value is `{"b64": "<text>"}` and nothing else."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def read_base64_object(value: Any) -> bytes:
    """The bytes of a `{"b64": ...}` object; padding may be left out.

    Raises:
        ServingError: The object has another form, or its text is not base64.
    """
    if not is_base64_object(value):
        raise invalid_argument(f"JSON Value: {debug_string(value)} not formatted correctly for base64 data")
    text = re.sub(r"\s", "", value["b64"]).replace(".", "=")
    data = text.rstrip("=")
    padding = -len(data) % 4
    if not re.fullmatch("[A-Za-z0-9+/]*", data) or padding == 3 or len(text) - len(data) not in (0, padding):
        raise invalid_argument("Unable to base64 decode")
    try:
        return base64.b64decode(data + "=" * padding)
    except binascii.Error:
        raise invalid_argument("Unable to base64 decode") from None


def shape_of(value: Any) -> list[int]:
    """The shape that a nested list has if all of it is like its first elements; empty for a scalar.

    Raises:
        ServingError: More dimensions than a tensor can have.
    """
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    if len(shape) > _MAX_RANK:
        raise invalid_argument(f"A tensor has at most {_MAX_RANK} dimensions, but got: {len(shape)}")
    return shape


def read_regular(value: Any, dtype: int) -> np.ndarray | None:
    """The array of a tensor without irregularities, converted level by level.

    Returns:
        The array; None where a value needs a closer look: base64, a wrong type, a ragged list.
    """
    shape = shape_of(value)
    level = [value]
    for size in shape:
        if any(type(item) is not list or len(item) != size for item in level):
            return None
        level = list(chain.from_iterable(level))
    types = set(map(type, level))
    if dtype in (types_pb2.DT_FLOAT, types_pb2.DT_DOUBLE):
        return to_array(level, shape, dtype) if types <= {int, float} else None
    if dtype == types_pb2.DT_STRING:
        return to_array([_to_bytes(text) for text in level], shape, dtype) if types <= {str} else None
    if dtype == types_pb2.DT_BOOL:
        return to_array(level, shape, dtype) if types <= {bool} else None
    if dtype not in _RANGES or not types <= {int}:
        return None
    low, high = _RANGES[dtype]
    return to_array(level, shape, dtype) if not level or (min(level) >= low and max(level) <= high) else None


def read_leaves(value: Any, shape: list[int], dtype: int, level: int = 0) -> list:
    """Every value of a dense tensor in order, checked one by one.

    Raises:
        ServingError: The first value that is at the wrong depth or of the wrong type.
    """
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid_argument(
                f"JSON Value: {debug_string(value)} found at incorrect level: {level + 1}"
                f" in the JSON DOM. Expected at level: {len(shape)}"
            )
        return [_leaf(value, dtype)]
    if level >= len(shape):
        raise invalid_argument(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    return list(chain.from_iterable(read_leaves(item, shape, dtype, level + 1) for item in value))


def _leaf(value: Any, dtype: int) -> Any:
    if dtype == types_pb2.DT_STRING and isinstance(value, dict):
        return read_base64_object(value)
    if dtype not in _STORED and not isinstance(value, dict):
        raise ServingError(
            grpc.StatusCode.UNIMPLEMENTED,
            f"Conversion of JSON Value: {debug_string(value)} to type: {dtype_name(dtype)}",
        )
    if dtype in (types_pb2.DT_FLOAT, types_pb2.DT_DOUBLE):
        fits = type(value) in (int, float)
    elif dtype == types_pb2.DT_STRING:
        fits = isinstance(value, str)
    elif dtype == types_pb2.DT_BOOL:
        fits = isinstance(value, bool)
    else:
        low, high = _RANGES.get(dtype, (0, -1))
        fits = type(value) is int and low <= value <= high
    if not fits:
        raise invalid_argument(
            f"JSON Value: {debug_string(value)} Type: {type_name(value)} is not of expected type: {dtype_name(dtype)}"
        )
    return _to_bytes(value) if isinstance(value, str) else value


def _to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def to_array(values: list, shape: list[int], dtype: int) -> np.ndarray:
    """Checked values as an array of the type's own width."""
    wide, stored = _STORED[dtype]
    array: np.ndarray = np.empty(len(values), wide)
    array[:] = values
    # A double beyond float32 becomes an infinity and an int32 wraps into int8, as in C++.
    with np.errstate(over="ignore", under="ignore"):
        return array.astype(stored).reshape(shape)
