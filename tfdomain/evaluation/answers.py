"""The rows that `predict_file` writes: the source's own columns, the answers beside them, in three formats."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from tfdomain.data.rest import as_json
from tfdomain.data.rows import Rows
from tfdomain.errors import InputError

__all__ = ["WRITERS", "Columns", "find_columns"]

ROWS_AT_ONCE = 65_536
INT64 = range(-(2**63), 2**63)
EXACT_IN_FLOAT64 = range(-(2**53), 2**53 + 1)


@dataclass(frozen=True)
class Columns:
    """The source's columns, and what they are called in the target.

    Attributes:
        rows: The source.
        names: The source's name of each column to the target's: the texts, then the others.
        types: The Arrow type of each in a Parquet target, by the target's name.
        answer_types: The same of the answers that come beside them.
    """

    rows: Rows
    names: dict[str, str]
    types: dict[str, pa.DataType]
    answer_types: Mapping[str, pa.DataType]

    def read(self, start: int, count: int) -> list[dict[str, Any]]:
        """Some rows by the target's names; a key that a row of JSON Lines lacks is not there."""
        texts = [column.slice(start, count).to_pylist() for column in self.rows.texts]
        rest = _rest(self.rows, start, count)
        by_row = zip(*texts, strict=True) if texts else [()] * len(rest)
        text_names = [self.names[name] for name in self.rows.text_columns]
        return [
            dict(zip(text_names, values, strict=True)) | {self.names[name]: value for name, value in others.items()}
            for values, others in zip(by_row, rest, strict=True)
        ]


def find_columns(rows: Rows, answer_types: Mapping[str, pa.DataType], *, typed: bool) -> Columns:
    """Looks through the source for its columns, and for the types of their values where these are needed.

    Args:
        rows: Read with `rest=True`.
        answer_types: The answers that will come beside the columns, and their types in a Parquet target.
        typed: Whether the types are wanted. A column of integers, of numbers or of booleans alone keeps its
            type; all others become strings, what is no string as JSON.
    """
    kinds: dict[str, set[str]] = {}
    for start in range(0, rows.num_rows, ROWS_AT_ONCE):
        for row in _rest(rows, start, ROWS_AT_ONCE):
            for name, value in row.items():
                found = kinds.setdefault(name, set())
                if typed:
                    found.add(_kind(value))
    taken = {*rows.text_columns, *kinds, *answer_types}
    names = {}
    for name in [*rows.text_columns, *kinds]:
        names[name] = name
        while names[name] in answer_types or (names[name] != name and names[name] in taken):
            names[name] = f"source_{names[name]}"
        taken.add(names[name])
    types = {names[name]: pa.string() for name in rows.text_columns}
    types |= {names[name]: _arrow_type(found) for name, found in kinds.items()}
    return Columns(rows, names, types, answer_types)


def _rest(rows: Rows, start: int, count: int) -> list[dict[str, Any]]:
    if rows.rest is None:
        raise InputError("were read without their other columns", where="rows", mend="read them with rest=True")
    return [json.loads(text) for text in rows.rest.slice(start, count).to_pylist()]


def _kind(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return "int" if value in EXACT_IN_FLOAT64 else "long" if value in INT64 else "other"
    return {bool: "bool", float: "float", type(None): "null"}.get(type(value), "other")


def _arrow_type(kinds: set[str]) -> pa.DataType:
    kinds = kinds - {"null"}
    choices = [({"bool"}, pa.bool_()), ({"int", "long"}, pa.int64()), ({"int", "float"}, pa.float64())]
    for choice, arrow_type in choices:
        if kinds and kinds <= choice:
            return arrow_type
    return pa.string()


def _as_field(value: Any) -> str | None:
    """A value as the text of a CSV field or of a column of strings."""
    return value if value is None or isinstance(value, str) else as_json(value)


Writer = Callable[[IO, Iterator[list[dict[str, Any]]], Columns], None]


def _write_json_lines(file: IO, chunks: Iterable[list[dict[str, Any]]], columns: Columns) -> None:
    for chunk in chunks:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in chunk)


def _write_csv(file: IO, chunks: Iterable[list[dict[str, Any]]], columns: Columns) -> None:
    writer = csv.DictWriter(file, [*columns.names.values(), *columns.answer_types], lineterminator="\n")
    writer.writeheader()
    for chunk in chunks:
        writer.writerows({name: _as_field(value) for name, value in row.items()} for row in chunk)


def _write_parquet(file: IO, chunks: Iterable[list[dict[str, Any]]], columns: Columns) -> None:
    types = {**columns.types, **columns.answer_types}
    texts = [name for name, kind in columns.types.items() if pa.types.is_string(kind)]
    schema = pa.schema(list(types.items()))
    with pq.ParquetWriter(file, schema) as writer:
        for chunk in chunks:
            for row in chunk:
                row |= {name: _as_field(row[name]) for name in texts if name in row}
            writer.write_table(pa.Table.from_pylist(chunk, schema=schema))


WRITERS: dict[str, Writer] = {".jsonl": _write_json_lines, ".csv": _write_csv, ".parquet": _write_parquet}
"""What writes a target, by its ending."""
