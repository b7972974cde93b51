"""Arrays and results become JSON replies, number for number as TensorFlow Serving writes them."""

import base64
import json
from collections.abc import Mapping
from math import prod

import numpy as np

from tfdomain.serving.status import invalid_argument

__all__ = ["write_classifications", "write_error", "write_predictions", "write_regressions"]

_SHORT_NAMES = {"float16": "half", "float32": "float", "float64": "double", "object": "string"}
_WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint32", "uint64")


def write_predictions(outputs: Mapping[str, np.ndarray], by_row: bool) -> bytes:
    """A Predict reply.

    One output stands without its name; several stand as objects. A string output whose name ends
    in `_bytes` is written in base64, any other as text with its bytes unchanged.

    Args:
        outputs: Output name to array (strings as object arrays of bytes).
        by_row: Row format (`predictions`) instead of column format (`outputs`).

    Raises:
        ServingError: No outputs, a type that JSON has no form for, or (in row format) outputs
            without a common first dimension.
    """
    if not outputs:
        raise invalid_argument("Cannot convert empty tensor map to JSON")
    names = [json.dumps(name, ensure_ascii=False) for name in outputs]
    if not by_row:
        values = [_nested(array, name) for name, array in outputs.items()]
        if len(values) == 1:
            return _encode(f'{{\n    "outputs": {values[0]}\n}}')
        members = ",\n        ".join(f"{n}: {v}" for n, v in zip(names, values, strict=True))
        return _encode(f'{{\n    "outputs": {{\n        {members}\n    }}\n}}')
    num_rows = _check_rows(outputs)
    columns = [_rows(array, name) for name, array in outputs.items()]
    if len(columns) == 1:
        rows = ", ".join(columns[0])
    else:
        lines = [",\n            ".join(f"{n}: {c[i]}" for n, c in zip(names, columns, strict=True))
                 for i in range(num_rows)]  # fmt: skip
        rows = ",".join(f"\n        {{\n            {line}\n        }}" for line in lines)
    return _encode(f'{{\n    "predictions": [{rows}\n    ]\n}}')


def write_classifications(classifications: list[list[tuple[bytes, float]]]) -> bytes:
    """A Classify reply: for every example its pairs of label and score."""
    if not classifications:
        raise invalid_argument("Cannot convert empty ClassificationResults to JSON")
    rows = []
    for pairs in classifications:
        scores = _decimals(np.array([score for _, score in pairs], np.float32))
        labels = [_string(label) for label, _ in pairs]
        rows.append("[" + ", ".join(f"[{lb}, {sc}]" for lb, sc in zip(labels, scores, strict=True)) + "]")
    return _encode(f'{{\n    "results": [{", ".join(rows)}\n    ]\n}}')


def write_regressions(values: np.ndarray) -> bytes:
    """A Regress reply: one number an example."""
    if not len(values):
        raise invalid_argument("Cannot convert empty RegressionResults to JSON")
    return _encode(f'{{\n    "results": [{", ".join(_decimals(values))}]\n}}')


def write_error(message: str) -> bytes:
    """The body of every failed REST request."""
    return _encode(f'{{\n    "error": {json.dumps(message, ensure_ascii=False)}\n}}')


def _check_rows(outputs: Mapping[str, np.ndarray]) -> int:
    num_rows = None
    for name, array in outputs.items():
        if not array.ndim:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if num_rows is not None and len(array) != num_rows:
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {num_rows}"
            )
        num_rows = len(array)
    return num_rows or 0


def _rows(array: np.ndarray, name: str) -> list[str]:
    return _group(_leaves(array, name), array.shape, 1)


def _nested(array: np.ndarray, name: str) -> str:
    return _group(_leaves(array, name), array.shape, 0)[0]


def _group(texts: list[str], shape: tuple[int, ...], keep: int) -> list[str]:
    # Joins the innermost dimension again and again until `keep` dimensions are left.
    for axis in range(len(shape) - 1, keep - 1, -1):
        size = shape[axis]
        starts = range(0, prod(shape[:axis]) * size, size) if size else [0] * prod(shape[:axis])
        texts = ["[" + ", ".join(texts[start : start + size]) + "]" for start in starts]
    return texts


def _leaves(array: np.ndarray, name: str) -> list[str]:
    flat = array.reshape(-1)
    kind = array.dtype.name
    if kind in ("float32", "float64"):
        return _decimals(flat)
    if kind == "object":
        return [_base64(item) for item in flat] if name.endswith("_bytes") else [_string(item) for item in flat]
    if kind == "bool":
        return ["true" if item else "false" for item in flat.tolist()]
    if kind in _WHOLE or not flat.size:
        return [str(item) for item in flat.tolist()]
    raise invalid_argument(f"Failed to write JSON value for tensor type: {_SHORT_NAMES.get(kind, kind)}")


def _decimals(values: np.ndarray) -> list[str]:
    # Six digits where they give the number back, else all that the type has (9 or 17); a whole
    # number gets `.0`, so that a client sees that it is no integer.
    values = values.reshape(-1)
    texts = [f"{value:.6g}" for value in values.tolist()]
    full = ".9g" if values.dtype == np.float32 else ".17g"
    with np.errstate(over="ignore", under="ignore"):
        read_back = np.array(texts, dtype=object).astype(np.float64).astype(values.dtype)
    for index in np.flatnonzero(read_back != values):
        texts[index] = format(float(values[index]), full)
    return [_WORDS.get(text) or (text if "." in text or "e" in text else f"{text}.0") for text in texts]


_WORDS = {"nan": "NaN", "-nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _string(data: bytes) -> str:
    return json.dumps(data.decode("utf-8", "surrogateescape"), ensure_ascii=False)


def _base64(data: bytes) -> str:
    return f'{{"b64": "{base64.b64encode(data).decode()}"}}'


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
