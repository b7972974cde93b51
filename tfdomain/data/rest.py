"""The columns of a file that nobody asked for: each row's as one JSON object, in one column.

So files of every format keep them alike, whatever their types and though each row of a JSON Lines file may
have keys of its own.
"""

import base64
import datetime
import json
import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

__all__ = ["REST_COLUMN", "as_json", "distinct", "fold"]

REST_COLUMN = "\x00rest"
"""The column of the objects in the cache; no file's header has a name like it."""


def fold(names: Sequence[str], columns: Sequence[Sequence[Any]], num_rows: int) -> pa.Array:
    """One JSON object a row.

    Args:
        names: The columns' names; of those that occur twice each further one gets a number.
        columns: As many columns of `num_rows` values each.
        num_rows: The number of rows.

    Returns:
        Strings `[num_rows]`.
    """
    names = distinct(names)
    rows = zip(*columns, strict=True) if columns else [()] * num_rows
    return pa.array([as_json(dict(zip(names, row, strict=True))) for row in rows], pa.string())


def as_json(value: Any) -> str:
    """A value as JSON: NaN and the infinities as null, dates in ISO 8601, bytes as text or base64."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_as_text)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, default=_as_text)


def distinct(names: Sequence[str]) -> list[str]:
    """The names, each further one of its kind with the first free number: `n`, `n_2`, `n_3`."""
    taken: set[str] = set()
    chosen = []
    for name in names:
        number, free = 1, name
        while free in taken or (number > 1 and free in names):
            number += 1
            free = f"{name}_{number}"
        taken.add(free)
        chosen.append(free)
    return chosen


def _as_text(value: Any) -> str:
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return base64.b64encode(value).decode("ascii")
    return str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value
