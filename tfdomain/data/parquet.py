"""Parquet files become Arrow columns."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tfdomain.data.sources import Block, unknown_column
from tfdomain.errors import InputError

__all__ = ["as_label_text", "read_parquet"]

BATCH_ROWS = 65_536


def read_parquet(path: Path, *, texts: list[str], label: str | None, extra: list[str]) -> Iterator[Block]:
    """The rows of a Parquet file, batch by batch; a row's line number is its number, from 1.

    Args:
        path: The file.
        texts: Columns of strings.
        label: A column of strings, integers, booleans or whole floats; it comes as text.
        extra: Columns of any type, which they keep.

    Raises:
        InputError: The file is no sound Parquet, lacks a column, or a text column holds no text.
    """
    columns = list(dict.fromkeys([*texts, *([label] if label else []), *extra]))
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            for name in columns:
                if name not in names:
                    raise unknown_column(name, names, path)
            first = 1
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns):
                arrays = {name: _column(batch.column(name), name, texts, label, path) for name in columns}
                yield Block(arrays, np.arange(first, first + batch.num_rows, dtype=np.int64))
                first += batch.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        reason = str(error).splitlines()[0]
        raise InputError(f"is not sound Parquet ({reason})", where=str(path), mend="write or copy it again") from None


def as_label_text(values: pa.Array) -> pa.Array:
    """Labels as strings: whole numbers without a decimal point, booleans as `true` and `false`."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_floating(values.type):
        # A column of integers with a gap in it comes from pandas as floats.
        whole = values.cast(pa.int64(), safe=False)
        if pc.all(pc.equal(whole.cast(values.type), values)).as_py() in (True, None):
            values = whole
    return values.cast(pa.string())


def _column(values: pa.Array, name: str, texts: list[str], label: str | None, path: Path) -> pa.Array:
    if name in texts:
        decoded = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
        if not (pa.types.is_string(decoded.type) or _is_other_string(decoded.type)):
            raise InputError(
                f"column {name!r} holds {values.type}, not text", where=str(path), mend="name a text column"
            )
        return decoded.cast(pa.string())
    if name != label:
        return values
    if pa.types.is_nested(values.type) or pa.types.is_binary(values.type):
        raise InputError(f"column {name!r} holds {values.type}, no labels", where=str(path), mend="name a label column")
    return as_label_text(values)


def _is_other_string(kind: pa.DataType) -> bool:
    return pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
