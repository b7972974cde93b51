"""The prepared rows as Parquet files, a file a split, with the columns that their sources had."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tfdomain.config.preparation import Preparation
from tfdomain.data.progress import bar
from tfdomain.files import whole_file
from tfdomain.preparation.shards import Shard
from tfdomain.preparation.splits import SPLITS, hash_positions

__all__ = ["write_splits"]

FOLD = "fold"
# JSON's types by the names that Python gives them; all others, and mixtures, stay JSON.
_TYPES = {
    ("bool",): pa.bool_(),
    ("int",): pa.int64(),
    ("float",): pa.float64(),
    ("float", "int"): pa.float64(),
    ("str",): pa.string(),
    (): pa.string(),
}
_STRINGS = pa.list_(pa.string())


def write_splits(
    shards: Sequence[Shard], splits: np.ndarray, folder: Path, preparation: Preparation
) -> list[dict[str, Any]]:
    """Writes `train.parquet`, `validation.parquet` and `test.parquet`, rows in the order of their sources.

    Args:
        shards: All rows.
        splits: int8 `[num_rows]`, places in `SPLITS`; -1: dropped.
        folder: Where the files go; those of before are replaced when all are whole.
        preparation: Names the columns, and says how many folds training has.

    Returns:
        Of each split what its text lengths and labels are: `rows`, `labels` (counts by name), `lengths` (counts of
        texts by tens of characters).
    """
    schema = _schema(shards, preparation)
    found: list[dict[str, Any]] = [{"rows": 0, "labels": {}, "lengths": {}} for _ in SPLITS]
    with ExitStack() as stack:
        sinks = [stack.enter_context(whole_file(folder / f"{name}.parquet", "wb")) for name in SPLITS]
        writers = [stack.enter_context(pq.ParquetWriter(sink, schema, compression="zstd")) for sink in sinks]
        advance = stack.enter_context(bar("writing", total=len(splits)))
        for shard in shards:
            table = shard.read()
            of_row = splits[shard.first_row : shard.first_row + shard.num_rows]
            for number, writer in enumerate(writers):
                part = table.filter(pa.array(of_row == number))
                if part.num_rows:
                    writer.write_table(_columns(part, schema, preparation, in_training=number == 0))
                    _count(part, found[number])
            advance(shard.num_rows)
    return found


def _schema(shards: Sequence[Shard], preparation: Preparation) -> pa.Schema:
    """The columns of all sources, each in a type that holds all its values."""
    types: dict[str, set[str]] = {}
    for shard in shards:
        for name, kinds in shard.counts()["types"].items():
            types.setdefault(name, set()).update(kinds)
    fields = [(preparation.text, pa.string())]
    if preparation.label is not None:
        fields.append((preparation.label, pa.string()))
    for name, kinds in types.items():
        found = tuple(sorted(kinds - {"NoneType"}))
        if name not in (preparation.text, preparation.label):
            is_words = name in ("words", "tags") and found == ("list",)
            fields.append((name, _STRINGS if is_words else _TYPES.get(found, pa.string())))
    if preparation.folds is not None:
        fields.append((FOLD, pa.int8()))
    return pa.schema(fields)


def _columns(table: pa.Table, schema: pa.Schema, preparation: Preparation, in_training: bool) -> pa.Table:
    rows = [json.loads(rest) for rest in table.column("rest").to_pylist()]
    own = {preparation.text: "text", preparation.label: "label"}
    arrays = []
    for field in schema:
        if field.name in own:
            arrays.append(table.column(own[field.name]))
        elif field.name == FOLD and preparation.folds is not None:
            keys = table.column("group" if preparation.group is not None else "text").to_pylist()
            positions = hash_positions(keys, seed=preparation.seed, salt="fold")
            numbers = (positions * preparation.folds).astype("int8")
            arrays.append(pa.array(numbers) if in_training else pa.nulls(len(rows), pa.int8()))
        else:
            arrays.append(pa.array([_cell(row.get(field.name), field.type) for row in rows], field.type))
    return pa.table(arrays, schema=schema)


def _cell(value: Any, kind: pa.DataType) -> Any:
    if value is None or not pa.types.is_string(kind) or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _count(table: pa.Table, found: dict[str, Any]) -> None:
    found["rows"] += table.num_rows
    lengths = np.array([len(text) for text in table.column("text").to_pylist()]) // 10 * 10
    counted = [("lengths", *np.unique(lengths, return_counts=True))]
    if table.column("label").null_count < table.num_rows:
        labels = table.column("label").value_counts()
        counted.append(("labels", labels.field("values").to_pylist(), labels.field("counts").to_numpy()))
    for name, values, counts in counted:
        for value, count in zip(values, counts, strict=True):
            key = value if name == "labels" else int(value)
            found[name][key] = found[name].get(key, 0) + int(count)
