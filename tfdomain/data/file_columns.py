"""Which columns files of rows have, and what seems to stand in each, by their first rows."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from tfdomain.data.cells import as_numbers
from tfdomain.data.features import guess_kind
from tfdomain.data.label_sets import INDICATORS
from tfdomain.data.rest import REST_COLUMN, as_json
from tfdomain.data.sources import file_format
from tfdomain.data.table_blocks import read_table_blocks
from tfdomain.data.token_estimates import estimate_tokens
from tfdomain.errors import InputError

__all__ = ["Column", "ColumnKind", "FileColumns", "read_columns"]

ColumnKind = Literal["text", "category", "flag", "number", "date", "labels", "spans", "identifier", "empty"]

SAMPLED_ROWS = 5_000
# A text has more tokens than a name or a code, and hardly ever stands in a file again and again.
LEAST_TOKENS, LEAST_DISTINCT = 4.0, 0.3
MOST_DISTINCT = 0.9
MOST_LABELS = 1000
DELIMITERS = ("|", ";", ",")


class Column(NamedTuple):
    """A column, by the first rows of its files.

    Attributes:
        name: Its name.
        kind: `text`; `category`, words that occur again and again; `flag`, 0 and 1 or yes and no; `number`; `date`;
            `labels`, several a row; `spans`, marked places in a text; `identifier`; or `empty`.
        filled: The share of rows with a value.
        num_distinct: How many values there are.
        examples: The first different values, three at most.
        tokens: About how many tokens a value has, in the mean.
        whole: Of numbers, whether all are integers.
        delimiter: Of labels in a string, what stands between two; None where they are lists.
    """

    name: str
    kind: ColumnKind
    filled: float
    num_distinct: int
    examples: tuple[str, ...]
    tokens: float
    whole: bool = False
    delimiter: str | None = None


class FileColumns(NamedTuple):
    """The columns of files of rows.

    Attributes:
        columns: In the order of the first file.
        num_rows: How many rows were looked at.
        column_names: Names made up for a file without a header; None where the file names them.
    """

    columns: list[Column]
    num_rows: int
    column_names: list[str] | None

    def named(self, name: str) -> Column | None:
        """The column of that name."""
        return next((column for column in self.columns if column.name == name), None)


def read_columns(file: Path, *, num_rows: int = SAMPLED_ROWS) -> FileColumns:
    """Looks at the first rows of a CSV, TSV, JSON Lines or Parquet file.

    A CSV or TSV has no header if its first row has a phrase in the column of the longest texts, and a number in another
    or a value that its column holds again.

    Args:
        file: Perhaps gzipped.
        num_rows: How many rows to look at.

    Raises:
        InputError: The file cannot be read, or none of its first rows is sound.
    """
    values, rows = _first_rows(file, num_rows, None)
    names = None
    if file_format(file)[0] in ("csv", "tsv") and _has_no_header(values):
        names = [f"column_{number}" for number in range(1, len(values) + 1)]
        values, rows = _first_rows(file, num_rows, names)
    if not rows:
        raise InputError("has no sound row", where=str(file), mend="give a file with rows")
    return FileColumns([_describe(name, cells, rows) for name, cells in values.items()], rows, names)


def _first_rows(file: Path, most: int, names: list[str] | None) -> tuple[dict[str, list[Any]], int]:
    """The values of each column, None for a missing one; and how many rows there are."""
    values: dict[str, list[Any]] = {}
    num_rows = 0
    how: dict[str, Any] = {"rest": True} if names is None else {"texts": names, "column_names": names}
    # What is wrong with rows is told where all of them are read.
    for block in read_table_blocks(file, report=lambda problem, lines: None, **how):
        if names is None:
            records = [json.loads(record) for record in block.columns[REST_COLUMN].slice(0, most).to_pylist()]
        else:
            records = pa.table(dict(block.columns)).slice(0, most).to_pylist()
        for record in records[: most - num_rows]:
            for name, value in record.items():
                values.setdefault(name, [None] * num_rows).append(value)
            num_rows += 1
            for cells in values.values():
                if len(cells) < num_rows:
                    cells.append(None)
        if num_rows >= most:
            break
    return values, num_rows


def _has_no_header(values: Mapping[str, list[Any]]) -> bool:
    """Whether what stands in the place of names are values."""
    names = list(values)
    longest = max(names, key=lambda name: sum(len(cell or "") for cell in values[name]), default="")
    if not _is_phrase(longest):
        # What is above the texts is a name: a column may well be called 2024, or hold its name as a value.
        return False
    is_number = (any(map(str.isdigit, name)) and not as_numbers([name], "header")[1][0] for name in names)
    repeated = [name for name in names if name and name in values[name]]
    # Files that were put together may repeat their header; then each name stands in its column.
    return any(is_number) or 0 < len(repeated) < len(names)


def _describe(name: str, cells: list[Any], num_rows: int) -> Column:
    filled = [cell for cell in cells if not (cell is None or (isinstance(cell, str) and not cell.strip()))]
    plain = [cell if isinstance(cell, str) else as_json(cell) for cell in filled]
    counts = Counter(plain)
    tokens = float(estimate_tokens(pa.array(plain, pa.large_string())).mean()) if plain else 0.0
    shared: dict[str, Any] = {
        "filled": len(filled) / num_rows,
        "num_distinct": len(counts),
        "examples": tuple(list(counts)[:3]),
        "tokens": tokens,
    }
    if not filled:
        return Column(name, "empty", **shared)
    structure = _structure(filled)
    if structure is not None:
        return Column(name, structure, **shared)
    if all(value.strip().lower() in INDICATORS for value in counts):
        return Column(name, "flag", **shared)
    kind = guess_kind(pa.array(plain, pa.large_string()), name)
    if kind == "date":
        return Column(name, "date", **shared)
    if kind == "numeric":
        return _number(name, plain, shared)
    delimiter = _delimiter(counts)
    if delimiter is not None:
        return Column(name, "labels", **shared, delimiter=delimiter)
    distinct = len(counts) / len(filled)
    # One word a value is no sentence, whatever its length: a name, an address, a key.
    has_words = tokens >= LEAST_TOKENS and sum(_is_phrase(value) for value in plain[:1000]) > len(plain[:1000]) / 2
    if has_words and (distinct >= LEAST_DISTINCT or tokens >= 5 * LEAST_TOKENS):
        return Column(name, "text", **shared)
    return Column(name, "identifier" if distinct > MOST_DISTINCT and len(filled) > 20 else "category", **shared)


def _structure(values: Sequence[Any]) -> ColumnKind | None:
    """What lists and objects hold, whether they are the file's own or written as JSON in a field."""
    decoded = [_decoded(value) for value in values[:1000]]
    if not all(isinstance(value, list | dict) for value in decoded):
        return None
    members = list(chain.from_iterable(decoded))
    if all(isinstance(member, str) for member in members) and all(isinstance(value, list) for value in decoded):
        return "labels"
    return "spans"


def _decoded(value: Any) -> Any:
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _number(name: str, plain: list[str], shared: dict[str, Any]) -> Column:
    numbers = as_numbers(plain, name)[0]
    # 1.0 and 2.0 are integers: a column of them with a gap comes from pandas so.
    whole = bool((numbers == numbers.round()).all())
    is_counter = whole and shared["num_distinct"] == len(plain) > 20 and _rises(numbers.tolist())
    return Column(name, "identifier" if is_counter else "number", **shared, whole=whole)


def _rises(numbers: list[float]) -> bool:
    return all(one < other for one, other in pairwise(numbers))


def _delimiter(counts: Counter[str]) -> str | None:
    """What stands between the labels of a column; None where its values are no sets of labels."""
    for mark in DELIMITERS:
        joined = sum(count for value, count in counts.items() if mark in value)
        pieces = {piece.strip() for value in counts for piece in value.split(mark)} - {""}
        # Sets of labels share their members: there are fewer of these than of sets, and each is a name, no sentence.
        is_few = 1 < len(pieces) <= MOST_LABELS and len(pieces) < max(len(counts), 4)
        if joined > 0.02 * counts.total() and is_few and all(len(piece.split()) <= 5 for piece in pieces):
            alone = sum(count for value, count in counts.items() if value.strip() in pieces)
            if alone or mark == "|":
                return mark
    return None


def _is_phrase(value: str) -> bool:
    return len(value.split()) > 1 or any(ord(character) > 0x2E7F for character in value)
