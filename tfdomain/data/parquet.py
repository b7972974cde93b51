"""Parquet files become Arrow columns."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tfdomain.data.rest import REST_COLUMN, fold
from tfdomain.data.sources import Advance, Block, check_columns, explained_reading
from tfdomain.errors import InputError

__all__ = ["as_label_text", "read_parquet"]

BATCH_ROWS = 65_536


def read_parquet(
    path: Path,
    *,
    texts: list[str],
    label: str | None,
    extra: list[str],
    rest: bool = False,
    advance: Advance | None = None,
) -> Iterator[Block]:
    """The rows of a Parquet file, batch by batch; a row's line number is its number, from 1.

    Args:
        path: The file.
        texts: Columns of strings.
        label: A column of strings, integers, booleans or floats; it comes as text.
        extra: Columns of any type, which they keep.
        rest: Whether all columns but the texts and the label are read too, folded into one (`rest.fold`).
        advance: Told of the bytes read, estimated from the rows.

    Raises:
        InputError: The file cannot be read, is no sound Parquet, lacks a column or has it twice, or a text
            column holds no text.
    """
    columns = list(dict.fromkeys([*texts, *([label] if label else []), *extra]))
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            check_columns(columns, names, path, mend="rename them in the file")
            first, row_bytes = 1, path.stat().st_size / max(file.metadata.num_rows, 1)
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=None if rest else columns):
                arrays = {name: _column(batch.column(name), name, texts, label, path) for name in columns}
                if rest:
                    others = [index for index, name in enumerate(names) if name not in (*texts, label)]
                    values = [batch.column(index).to_pylist() for index in others]
                    arrays[REST_COLUMN] = fold([names[index] for index in others], values, batch.num_rows)
                yield Block(arrays, np.arange(first, first + batch.num_rows, dtype=np.int64))
                first += batch.num_rows
                if advance is not None:
                    advance(round(batch.num_rows * row_bytes))
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            with explained_reading(path):
                raise
        reason = str(error).splitlines()[0]
        raise InputError(f"is not sound Parquet ({reason})", where=str(path), mend="write or copy it again") from None


def as_label_text(values: pa.Array) -> pa.Array:
    """Labels as strings: whole numbers without a decimal point, booleans as `true` and `false`.

    Each value decides for itself, so that a label's text does not hang on the rows around it; NaN is
    missing.
    """
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if not pa.types.is_floating(values.type):
        return values.cast(pa.string())
    # A column of integers with a gap in it comes from pandas as floats, perhaps with a NaN for the gap.
    values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    whole = values.cast(pa.int64(), safe=False)
    is_whole = pc.equal(whole.cast(values.type, safe=False), values)
    return pc.if_else(is_whole, whole.cast(pa.string()), values.cast(pa.string()))


def _column(values: pa.Array, name: str, texts: list[str], label: str | None, path: Path) -> pa.Array:
    decoded = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
    if name in texts:
        if not _is_string(decoded.type):
            raise InputError(
                f"column {name!r} holds {values.type}, not text", where=str(path), mend="name a text column"
            )
        return decoded.cast(pa.string())
    if name != label:
        # Strings are of one type whoever wrote the file, as those of a CSV are.
        return decoded.cast(pa.string()) if _is_string(decoded.type) else values
    if pa.types.is_nested(values.type) or pa.types.is_binary(values.type):
        raise InputError(f"column {name!r} holds {values.type}, no labels", where=str(path), mend="name a label column")
    return as_label_text(values)


def _is_string(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
