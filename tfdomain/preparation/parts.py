"""What a shard gives to the prepared data set, read once: its rows as they are written, and all that is counted."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tfdomain.config.preparation import Preparation
from tfdomain.preparation.shards import COUNTS_KEY, Shard, read_objects
from tfdomain.preparation.splits import SPLITS, hash_positions
from tfdomain.preparation.vocabulary import count_words

__all__ = ["Part", "Tally", "make_part", "output_schema"]

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


class Part(NamedTuple):
    """The rows of a shard.

    Attributes:
        table: Those that are kept, as they are written: of training first, then of validation, then of the test.
        counts: What JSON can hold: `splits` (of each `rows`, `labels` by name, `lengths` by tens of characters),
            `cleaned`, `masked` (numbers of rows), `found` (how often each kind of personal data), `dropped` (row,
            place and reason of each that a step on texts left out), `words` (how often each occurs, or None).
    """

    table: pa.Table
    counts: dict[str, Any]


class Tally:
    """The counts of all parts together."""

    def __init__(self) -> None:
        self.splits: list[dict[str, Any]] = [{"rows": 0, "labels": {}, "lengths": {}} for _ in SPLITS]
        self.changed: Counter[str] = Counter()
        self.found: Counter[str] = Counter()

    def add(self, counts: dict[str, Any]) -> None:
        """Takes in the counts of a part."""
        self.changed.update({name: counts[name] for name in ("cleaned", "masked")})
        self.found.update(counts["found"])
        for own, split in zip(self.splits, counts["splits"], strict=True):
            own["rows"] += split["rows"]
            for name in ("labels", "lengths"):
                for key, count in split[name].items():
                    own[name][key] = own[name].get(key, 0) + count


def output_schema(shards: Sequence[Shard], preparation: Preparation) -> pa.Schema:
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


def make_part(
    shard: Shard, splits: np.ndarray, schema: pa.Schema, preparation: Preparation, with_words: bool = False
) -> Part:
    """Reads a shard, and makes of it what is written.

    Args:
        shard: Which.
        splits: int8 `[shard.num_rows]`, places in `SPLITS`; -1: left out.
        schema: Of `output_schema`.
        preparation: Names the columns, and says how many folds training has.
        with_words: Whether words are counted.
    """
    table = shard.read()
    dropped = table.filter(table.column("dropped").is_valid())
    names = [shard.file_names[file] for file in dropped.column("file").to_pylist()]
    places = [f"{name}:{line}" for name, line in zip(names, dropped.column("line").to_pylist(), strict=True)]
    rows = [list(each) for each in zip(*(_list(dropped, "row"), places, _list(dropped, "dropped")), strict=True)]
    counts: dict[str, Any] = {
        "cleaned": int(np.sum(table.column("cleaned").to_numpy())),
        "masked": int(np.sum(table.column("masked").to_numpy())),
        "found": json.loads(table.schema.metadata[COUNTS_KEY])["masked"],
        "dropped": rows,
    }
    kept = np.flatnonzero(splits >= 0)
    kept = kept[np.argsort(splits[kept], kind="stable")]
    table, sizes = table.take(pa.array(kept)), np.bincount(splits[kept], minlength=len(SPLITS))
    texts = _list(table, "text")
    written = _columns(table, texts, schema, preparation, num_training=int(sizes[0]))
    lengths = np.fromiter(map(len, texts), np.int64, len(texts)) // 10 * 10
    ends = np.cumsum(sizes)
    counts["splits"] = [
        _count(table.column("label").slice(end - size, size), lengths[end - size : end])
        for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)
    ]
    counts["words"] = dict(count_words(texts)) if with_words else None
    return Part(written, counts)


def _list(table: pa.Table, name: str) -> list[Any]:
    return table.column(name).to_pylist()


def _columns(
    table: pa.Table, texts: Sequence[str], schema: pa.Schema, preparation: Preparation, *, num_training: int
) -> pa.Table:
    own = {preparation.text: "text", preparation.label: "label"}
    is_rest = [field.name not in own for field in schema]
    rows = read_objects(table.column("rest")) if any(is_rest) else []
    arrays = []
    for field in schema:
        if field.name in own:
            arrays.append(table.column(own[field.name]))
        elif field.name == FOLD and preparation.folds is not None:
            keys = _list(table, "group") if preparation.group is not None else texts
            positions = hash_positions(keys[:num_training], seed=preparation.seed, salt="fold")
            numbers = (positions * preparation.folds).astype("int8").tolist()
            arrays.append(pa.array(numbers + [None] * (len(texts) - num_training), pa.int8()))
        else:
            arrays.append(_cells([row.get(field.name) for row in rows], field.type))
    return pa.table(arrays, schema=schema)


def _cells(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind) and not {type(value) for value in values} <= {str, type(None)}:
        values = [value if isinstance(value, str | None) else json.dumps(value, ensure_ascii=False) for value in values]
    return pa.array(values, kind)


def _count(labels: pa.ChunkedArray, lengths: np.ndarray) -> dict[str, Any]:
    found: dict[str, Any] = {"rows": len(lengths), "labels": {}}
    if labels.null_count < len(labels):
        counted = labels.value_counts()
        names, counts = counted.field("values").to_pylist(), counted.field("counts").to_pylist()
        found["labels"] = dict(zip(names, counts, strict=True))
    tens, counts = np.unique(lengths, return_counts=True)
    return found | {"lengths": dict(zip(map(str, tens.tolist()), counts.tolist(), strict=True))}
