"""A table's columns as features: what is learned of each from the training rows.

What was learned is a list of `FeatureSpec`s, plain values that a model stores; `models.features` does
inside the graph what they say.
"""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, cast, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfdomain.data.cells import as_cells, as_column, as_days, as_numbers
from tfdomain.data.names import near_names
from tfdomain.errors import InputError

__all__ = ["FeatureKind", "FeatureSpec", "feature_arrays", "guess_kind", "learn_features"]

FeatureKind = Literal["numeric", "category", "date"]

SHOWN_ROWS = 5
# Incomes, balances: beyond this skewness a few rows would decide the scale of all others.
HEAVY_TAIL = 2.0
# Distinct values a row; a category with more repeats so little that it is none.
MOST_DISTINCT = 0.9
# A column of amounts may hold such a number, but not in every row.
_COMPACT_DATE = "^(?:19|20)[0-9]{6}$"


@dataclasses.dataclass(frozen=True)
class FeatureSpec:
    """One column, and what the training rows told of it.

    Attributes:
        name: The column.
        kind: `numeric`, `category` or `date`.
        has_missing: Whether training rows lacked the value; what was never seen is not flagged.
        log: Numbers only: whether sign(x)·log(1 + |x|) takes their place.
        median: Numbers, and dates as days since 1970-01-01: what stands for a missing one, before `log`.
        mean: Of the training rows, after `log` and with the missing ones replaced.
        deviation: The standard deviation, likewise; never 0.
        vocabulary: Categories only: the known values, the most frequent first.
        has_unknown: Categories only: whether training rows held other values, too rare to be known.
    """

    name: str
    kind: FeatureKind
    has_missing: bool = False
    log: bool = False
    median: float = 0.0
    mean: float = 0.0
    deviation: float = 1.0
    vocabulary: tuple[str, ...] = ()
    has_unknown: bool = False

    def to_json(self) -> dict[str, Any]:
        """The attributes as JSON values."""
        return dataclasses.asdict(self) | {"vocabulary": list(self.vocabulary)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "FeatureSpec":
        """The spec that `to_json` wrote."""
        return cls(**{**values, "vocabulary": tuple(values["vocabulary"])})


def learn_features(
    table: Mapping[str, Any],
    kinds: Mapping[str, FeatureKind | None] | Sequence[str] | None = None,
    *,
    refused: Collection[str] = (),
    max_categories: int = 1000,
    min_count: int = 2,
    where: Callable[[int], str] | None = None,
) -> list[FeatureSpec]:
    """What a model has to know of each column; learned from the training rows, and from no others.

    Args:
        table: Columns `[n]` by name, of strings, numbers, booleans or dates (Arrow, numpy, pandas or lists).
        kinds: The kind of each feature, None to tell it from the values; or only the names of the
            features; None takes all columns.
        refused: Columns that must not be features, since they were written after the outcome, say.
        max_categories: The most values of a category that are known, the most frequent ones.
        min_count: Rows that a value has to stand in to be known.
        where: Tells a row number's place for messages (`Rows.where`); None: `column[row]`.

    Returns:
        One spec a feature, in the order of `kinds`.

    Raises:
        InputError: A feature is refused or not there, its kind is none, its values are not of its kind, are
            all missing or all equal, or a category that hardly repeats a value (an id,
            or free text).

    Example:
        >>> [spec] = learn_features({"purpose": ["car", "house", "car", ""]}, min_count=1)
        >>> spec.kind, spec.vocabulary, spec.has_missing
        ('category', ('car', 'house'), True)
    """
    chosen = _chosen(table, kinds, refused)
    specs = []
    for name, kind in chosen.items():
        column = as_column(table[name], name)
        kind = kind or guess_kind(column, name)
        if kind == "category":
            specs.append(_learn_category(name, column, max_categories, min_count))
        else:
            specs.append(_learn_number(name, kind, column, where))
    return specs


def feature_arrays(
    specs: Sequence[FeatureSpec], columns: Mapping[str, Any], *, where: Callable[[int], str] | None = None
) -> dict[str, np.ndarray]:
    """The features' columns as a model takes them.

    Args:
        specs: As `learn_features` gave them.
        columns: Columns `[n]` by name; others than the features may be there.
        where: As in `learn_features`.

    Returns:
        For each feature an array `[n]`: float32 with NaN for a missing number; else objects, strings
        with `""` for a missing one. A date that cannot be read stays as it is: the model flags it as missing.

    Raises:
        InputError: A column is not there, or a numeric one holds something else.
    """
    arrays = {}
    for spec in specs:
        if spec.name not in columns:
            raise _unknown(spec.name, columns)
        if spec.kind == "numeric":
            arrays[spec.name], malformed = as_numbers(columns[spec.name], spec.name)
            _check(malformed, as_column(columns[spec.name], spec.name), spec.name, spec.kind, where)
        else:
            arrays[spec.name] = np.array(as_cells(columns[spec.name], spec.name).to_pylist(), object)
    return arrays


def guess_kind(values: Any, name: str) -> FeatureKind:
    """The kind that all values of a column are of: numbers, else dates, else categories.

    Numbers such as 20111201 in every row are dates. Without any value the kind is `category`.
    """
    column = as_column(values, name)
    if pa.types.is_temporal(column.type):
        return "date"
    cells = as_cells(column, name)
    cells = cells.filter(pc.not_equal(cells, ""))
    if pa.types.is_boolean(column.type) or not len(cells):
        return "category"
    is_date = not as_days(cells, name)[1].any()
    if is_date and pc.all(pc.match_substring_regex(cells, _COMPACT_DATE)).as_py():
        return "date"
    if not as_numbers(cells, name)[1].any():
        return "numeric"
    return "date" if is_date else "category"


def _chosen(table: Mapping[str, Any], kinds: Any, refused: Collection[str]) -> dict[str, FeatureKind | None]:
    if kinds is None:
        kinds = [name for name in table if name not in refused]
    if not isinstance(kinds, Mapping):
        kinds = dict.fromkeys(kinds)
    for name, kind in kinds.items():
        if name in refused:
            mend = "take it out of data.features, or out of data.refuse_columns"
            raise InputError(f"column {name!r} is refused", where="data.features", mend=mend)
        if name not in table:
            raise _unknown(name, table)
        if kind is not None and kind not in get_args(FeatureKind):
            mend = f"choose {', '.join(get_args(FeatureKind))}"
            raise InputError(f"{kind!r} is no kind of feature", where=f"data.features.{name}", mend=mend)
    return dict(kinds)


def _learn_category(name: str, column: pa.ChunkedArray, max_categories: int, min_count: int) -> FeatureSpec:
    cells = as_cells(column, name)
    _check_varied(cells, name)
    counts = {each["values"]: each["counts"] for each in pc.value_counts(cells).to_pylist()}
    num_missing = counts.pop("", 0)
    num_filled = len(cells) - num_missing
    if len(counts) > max(MOST_DISTINCT * num_filled, 1):
        problem = f"the category {name!r} has {len(counts):,} values in {num_filled:,} rows: an id, or free text"
        mend = "take it out of data.features, or read it as text"
        raise InputError(problem, where="data.features", mend=mend)
    known = sorted((value for value in counts if counts[value] >= min_count), key=lambda value: (-counts[value], value))
    known = known[:max_categories]
    if not known:
        problem = f"no value of the category {name!r} stands in {min_count} rows"
        raise InputError(problem, where="data.features", mend="take it out, or give more rows")
    return FeatureSpec(
        name,
        "category",
        has_missing=num_missing > 0,
        vocabulary=tuple(known),
        has_unknown=len(known) < len(counts),
    )


def _learn_number(
    name: str, kind: FeatureKind, column: pa.ChunkedArray, where: Callable[[int], str] | None
) -> FeatureSpec:
    values, malformed = (as_numbers if kind == "numeric" else as_days)(column, name)
    _check(malformed, column, name, kind, where)
    _check_varied(pa.chunked_array([pa.array(values, from_pandas=True)]), name)
    missing = np.isnan(values)
    median = float(np.median(values[~missing]))
    filled = np.where(missing, median, values).astype("float64")
    log = kind == "numeric" and filled.min() >= 0 and HEAVY_TAIL < _skewness(filled) > _skewness(np.log1p(filled))
    scaled = np.log1p(filled) if log else filled
    return FeatureSpec(
        name,
        kind,
        has_missing=bool(missing.any()),
        log=bool(log),
        median=median,
        mean=float(scaled.mean()),
        deviation=float(scaled.std()) or 1.0,
    )


def _skewness(values: np.ndarray) -> float:
    centred = values - values.mean()
    deviation = centred.std()
    return float(np.mean((centred / deviation) ** 3)) if deviation > 0 else 0.0


def _check(
    malformed: np.ndarray,
    column: pa.ChunkedArray,
    name: str,
    kind: FeatureKind,
    where: Callable[[int], str] | None,
) -> None:
    rows = np.flatnonzero(malformed)
    if not len(rows):
        return
    places = [
        f"{where(row) if where else f'{name}[{row}]'}: {cast(Any, column[row]).as_py()!r}"
        for row in rows[:SHOWN_ROWS].tolist()
    ]
    if len(rows) > len(places):
        places.append(f"and {len(rows) - len(places):,} more")
    what = {"numeric": "number", "date": "date"}[kind]
    count = "1 value is" if len(rows) == 1 else f"{len(rows):,} values are"
    problem = f"{count} no {what} in the {kind} column {name!r}: {', '.join(places)}"
    raise InputError(problem, mend="mend or empty these cells, or declare the column a category")


def _check_varied(values: pa.ChunkedArray, name: str) -> None:
    distinct = pc.unique(values)
    if len(distinct) > 1:
        return
    is_missing = not len(distinct) or not distinct[0].is_valid or distinct[0].as_py() == ""
    value = "no value" if is_missing else f"one value only, {distinct[0].as_py()!r},"
    problem = f"column {name!r} has {value} in the training rows"
    raise InputError(problem, where="data.features", mend="take it out: nothing can be learned from it")


def _unknown(name: str, columns: Mapping[str, Any]) -> InputError:
    near = near_names(name, columns)
    shown = ", ".join(list(columns)[:20]) + (", ..." if len(columns) > 20 else "")
    mend = f"did you mean {' or '.join(near)}?" if near else f"the columns are {shown}"
    return InputError(f"there is no column {name!r}", where="data.features", mend=mend)
