"""Predict requests in JSON become arrays: row format (`instances`) and column format (`inputs`).

The rules and the texts of the errors are TensorFlow Serving's (`util/json_tensor.cc`), so that a
client that matches on them keeps working. A well-formed request takes a fast path over whole
levels; only a faulty one, or one with base64 objects, is walked value by value.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfdomain.serving.json_text import debug_string
from tfdomain.serving.json_value import is_base64_object, read_leaves, read_regular, shape_of, to_array
from tfdomain.serving.status import ServingError, invalid_argument

__all__ = ["read_inputs", "read_signature_name"]


def read_signature_name(document: Mapping[str, Any]) -> str:
    """The request's `signature_name`; empty where it has none.

    Raises:
        ServingError: It is not a string.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid_argument(
            f"JSON Value: {debug_string(document)} not formatted correctly."
            " 'signature_name' key must be a string value."
        )
    return name


def read_inputs(document: Mapping[str, Any], dtypes: Mapping[str, int]) -> tuple[dict[str, np.ndarray], bool]:
    """The input arrays of a Predict request.

    Args:
        document: The request's JSON object.
        dtypes: The signature's inputs, name to `DataType` number; at least one.

    Returns:
        One array per input (strings as an object array of bytes), and whether the request was in
        row format, which decides the format of the answer.

    Raises:
        ServingError: Neither or both formats, or values that do not fit the inputs.
    """
    if "instances" in document:
        if "inputs" in document:
            raise _format_error(
                document,
                "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
            )
        rows = document["instances"]
        if not isinstance(rows, list):
            raise _format_error(document, "Expecting 'instances' to be an list/array")
        if not rows:
            raise _format_error(document, "No values in 'instances' array")
        return _read_rows(rows, dtypes), True
    if "inputs" in document:
        return _read_columns(document["inputs"], dtypes), False
    raise invalid_argument("Missing 'inputs' or 'instances' key")


def _read_rows(rows: list, dtypes: Mapping[str, int]) -> dict[str, np.ndarray]:
    if not isinstance(rows[0], dict) and len(dtypes) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    if isinstance(rows[0], dict) and not is_base64_object(rows[0]):
        return _read_named_rows(rows, dtypes)
    name, dtype = next(iter(dtypes.items()))
    array = read_regular(rows, dtype)
    return {name: _read_plain_rows(rows, dtype) if array is None else array}


def _read_plain_rows(rows: list, dtype: int) -> np.ndarray:
    column = _Column(dtype)
    for index, row in enumerate(rows):
        if isinstance(row, dict) and not is_base64_object(row):
            raise invalid_argument(f"Expecting value/list but got object at item {index} of input list")
        try:
            column.add(row)
        except ServingError as error:
            raise invalid_argument(f"Failed to process element: {index} of 'instances' list. Error: {error}") from None
    return column.array()


def _read_named_rows(rows: list, dtypes: Mapping[str, int]) -> dict[str, np.ndarray]:
    names = dtypes.keys()
    if all(type(row) is dict and row.keys() == names for row in rows):
        arrays = {}
        for name, dtype in dtypes.items():
            array = read_regular([row[name] for row in rows], dtype)
            if array is not None:
                arrays[name] = array
        if len(arrays) == len(dtypes):
            return arrays
    columns = {name: _Column(dtype) for name, dtype in dtypes.items()}
    for index, row in enumerate(rows):
        if not isinstance(row, dict) or is_base64_object(row):
            raise invalid_argument(f"Expecting object but got list at item {index} of input list")
        for name, value in row.items():
            try:
                if name not in columns:
                    raise invalid_argument(f"JSON object: does not have named input: {name}")
                columns[name].add(value)
            except ServingError as error:
                raise invalid_argument(
                    f"Failed to process element: {index} key: {name} of 'instances' list. Error: {error}"
                ) from None
        if row.keys() != names:
            raise invalid_argument(
                f"Failed to process element: {index} of 'instances' list. JSON object: "
                f"{debug_string(row)} keys must be equal to: {','.join(sorted(names))}"
            )
    return {name: column.array() for name, column in columns.items()}


def _read_columns(value: Any, dtypes: Mapping[str, int]) -> dict[str, np.ndarray]:
    if not isinstance(value, dict) or is_base64_object(value):
        if len(dtypes) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple "
                "input tensors required as per tensorinfo_map"
            )
        name, dtype = next(iter(dtypes.items()))
        return {name: _read_tensor(value, dtype)}
    arrays = {}
    for name, dtype in dtypes.items():
        if name not in value:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
        arrays[name] = _read_tensor(value[name], dtype)
    return arrays


def _read_tensor(value: Any, dtype: int) -> np.ndarray:
    array = read_regular(value, dtype)
    if array is None:
        shape = shape_of(value)
        array = to_array(read_leaves(value, shape, dtype), shape, dtype)
    return array


class _Column:
    # One named input, gathered row by row; every row must have the first one's shape.

    def __init__(self, dtype: int):
        self.dtype = dtype
        self.values: list = []
        self.num_rows = 0
        self.size = 0
        self.shape: list[int] = []

    def add(self, row: Any) -> None:
        shape = shape_of(row)
        values = read_leaves(row, shape, self.dtype)
        if not self.num_rows:
            self.size, self.shape = len(values), shape
        elif len(values) != self.size:
            raise invalid_argument(f"Expecting tensor size: {self.size} but got: {len(values)}")
        elif shape != self.shape:
            raise invalid_argument(f"Expecting shape {_text(self.shape)} but got: {_text(shape)}")
        self.values += values
        self.num_rows += 1

    def array(self) -> np.ndarray:
        return to_array(self.values, [self.num_rows, *self.shape], self.dtype)


def _text(shape: list[int]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _format_error(document: Mapping[str, Any], text: str) -> ServingError:
    return invalid_argument(f"JSON Value: {debug_string(document)} {text}")
