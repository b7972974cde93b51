"""Columns that people hand over, whatever they are made of, as Arrow columns of strings."""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from tfdomain.data.parquet import as_label_text
from tfdomain.errors import InputError

__all__ = ["TextColumn", "as_text_array", "fingerprint"]

CAST_ROWS = 65_536


def as_text_array(values: Any, name: str, *, numbers: bool = False) -> pa.ChunkedArray:
    """Values as one Arrow column of strings; a memory-mapped Arrow column stays where it is.

    Args:
        values: A list, tuple, numpy array, pandas Series or Arrow array of strings (or UTF-8 bytes).
        name: What to call it in a message.
        numbers: Whether integers, whole floats and booleans are taken too, as their text.

    Raises:
        InputError: A single string, or a value that is missing or no text; its index is named.
    """
    if isinstance(values, str | bytes):
        raise InputError("is one string, not many", where=name, mend="put it into a list")
    column = values if isinstance(values, pa.ChunkedArray) else _convert(values, name)
    if pa.types.is_dictionary(column.type):
        column = pa.chunked_array([chunk.dictionary_decode() for chunk in column.chunks], column.type.value_type)
    if column.null_count:
        row = next(row for row, value in enumerate(column) if not value.is_valid)
        raise InputError("is missing", where=f"{name}[{row}]", mend="give every row a value, or leave the row out")
    if pa.types.is_string(column.type):
        return column
    if not len(column):
        return pa.chunked_array([], pa.string())
    return _cast(column, name, numbers)


def fingerprint(*columns: pa.ChunkedArray) -> str:
    """A SHA-256 over columns of strings, equal for equal values however they are cut into chunks."""
    total = hashlib.sha256()
    for column in columns:
        lengths, content = hashlib.sha256(), hashlib.sha256()
        for offsets, data in map(_buffers, column.chunks):
            lengths.update(np.diff(offsets).tobytes())
            content.update(data[offsets[0] : offsets[-1]])
        total.update(lengths.digest() + content.digest())
    return total.hexdigest()


class TextColumn:
    """Strings of an Arrow column by row number, without making Python strings of all of them.

    Args:
        column: Strings `[n]` without nulls, in any number of chunks, memory mapped or not.
    """

    def __init__(self, column: pa.ChunkedArray):
        self._chunks = [_buffers(chunk) for chunk in column.chunks if len(chunk)]
        self._starts = np.cumsum([0, *(len(offsets) - 1 for offsets, _ in self._chunks)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The strings of some rows (int64 `[k]`), in that order: an object array `[k]` of UTF-8 bytes."""
        chunks = np.searchsorted(self._starts, rows, side="right") - 1
        taken = np.empty(len(rows), object)
        for position, (row, chunk) in enumerate(
            zip((rows - self._starts[chunks]).tolist(), chunks.tolist(), strict=True)
        ):
            offsets, data = self._chunks[chunk]
            taken[position] = data[offsets[row] : offsets[row + 1]].tobytes()
        return taken


def _buffers(chunk: pa.Array) -> tuple[np.ndarray, memoryview]:
    _, offsets, data = chunk.buffers()
    if offsets is None:
        return np.zeros(1, np.int32), memoryview(b"")
    window = np.frombuffer(offsets, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
    return window, memoryview(b"" if data is None else data)


def _convert(values: Any, name: str) -> pa.ChunkedArray:
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise InputError(f"has {values.ndim} dimensions", where=name, mend="give one value a row")
    if isinstance(values, np.ndarray) and values.dtype.kind in "US":
        values = values.tolist()
    elif not isinstance(values, np.ndarray | pa.Array | list) and not hasattr(values, "__arrow_array__"):
        values = list(values) if not hasattr(values, "to_numpy") else values
    try:
        array = pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
        raise _offender(values, name) from None
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def _cast(column: pa.ChunkedArray, name: str, numbers: bool) -> pa.ChunkedArray:
    kind = column.type
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    if is_number and numbers:
        labels = as_label_text(column.combine_chunks())
        if labels.null_count:
            row = labels.is_null().index(True).as_py()
            raise InputError("is missing", where=f"{name}[{row}]", mend="give every row a value, or leave the row out")
        return pa.chunked_array([labels], pa.string())
    if not (pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_binary(kind)):
        raise InputError(f"holds {kind}, not text", where=name, mend="give strings")
    # In slices: a chunk of large strings may hold more than the 2 GiB that a chunk of strings can.
    slices = [column.slice(start, CAST_ROWS) for start in range(0, len(column), CAST_ROWS)]
    try:
        return pa.chunked_array([chunk for part in slices for chunk in part.cast(pa.string()).chunks], pa.string())
    except pa.ArrowInvalid:
        raise _offender(column.to_pylist(), name) from None


def _offender(values: Iterable[Any], name: str) -> InputError:
    kinds: dict[type, int] = {}
    for row, value in enumerate(values):
        kinds.setdefault(type(value), row)
        try:
            if isinstance(value, str):
                value.encode("utf-8")
            elif isinstance(value, bytes):
                value.decode("utf-8")
            elif value is None or value != value:
                return InputError("is missing", where=f"{name}[{row}]", mend="give every row a value, or leave it out")
            else:
                return InputError(f"is {value!r}, not a string", where=f"{name}[{row}]", mend="give strings")
        except (UnicodeEncodeError, UnicodeDecodeError) as error:
            return InputError(f"is no UTF-8 text ({error.reason})", where=f"{name}[{row}]", mend="mend the text")
    return InputError(f"mixes {', '.join(kind.__name__ for kind in kinds)}", where=name, mend="give strings")
