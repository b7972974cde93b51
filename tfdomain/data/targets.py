"""The numbers that a regression learns, from columns as people write them."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfdomain.errors import InputError

__all__ = ["TargetValues", "target_scale", "target_values"]

SHOWN_ROWS = 5
NOT_A_NUMBER = "not a number"

_NUMBER = r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*"
_PLAIN = re.compile(_NUMBER, re.ASCII)
# A comma for the decimal point, perhaps with points or blanks between the thousands.
_DECIMAL_COMMA = re.compile(r"[+-]?([0-9]+|[0-9]{1,3}([. ][0-9]{3})+),[0-9]+")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")
_FULL_WIDTH = {ord("０") + digit: ord("0") + digit for digit in range(10)} | str.maketrans(
    "．＋－ｅＥ，％　", ".+-eE,% "
)


class TargetValues(NamedTuple):
    """Targets and which of their rows are sound.

    Attributes:
        values: float32 `[n, targets]`; NaN in what cannot be read.
        sound: bool `[n]`, whether all targets of a row are finite numbers.
        counts: How many rows have each kind of fault; a row counts under its first.
    """

    values: np.ndarray
    sound: np.ndarray
    counts: dict[str, int]


def target_values(
    columns: Sequence[Any],
    names: Sequence[str],
    *,
    where: Callable[[int], str] | None = None,
    on_bad: Literal["refuse", "skip"] = "refuse",
    skip_mend: str | None = None,
) -> TargetValues:
    """Reads one or several targets of each row.

    A number is written with a decimal point and perhaps an exponent (`-1.5e3`), in ASCII or in full-width
    digits; blanks around it do not count. A comma is never guessed to be a point or a separator.

    Args:
        columns: One column `[n]` of strings or numbers for each target: lists, numpy, pandas or Arrow.
        names: The targets' names, one for each column.
        where: Tells a row number's place for the message (`Rows.where`); None: `targets[row]`.
        on_bad: `"refuse"` raises when a target is missing, no number, NaN, infinite, or beyond float32;
            `"skip"` marks its row as not sound.
        skip_mend: How the caller's user asks for `"skip"`, for the message; None: that is no choice.

    Raises:
        InputError: Rows have faults; the first five are named with what was most likely meant, and all
            are counted. Or the columns differ in length.

    Example:
        >>> target_values([["0.5", "１２", "n/a"]], ["score"], on_bad="skip").sound.tolist()
        [True, True, False]
    """
    if on_bad not in ("refuse", "skip"):
        raise InputError(f"is {on_bad!r}", where="on_bad", mend="choose refuse or skip")
    if not len(columns) or len(columns) != len(names):
        problem = f"there are {len(columns)} columns for {len(names)} names"
        raise InputError(problem, where="targets", mend="give at least one column, and a name for each")
    arrays = [_as_arrow(column, name) for column, name in zip(columns, names, strict=True)]
    lengths = {name: len(array) for name, array in zip(names, arrays, strict=True)}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{length} in {name}" for name, length in lengths.items())
        raise InputError(f"the columns differ in length: {shown}", where="targets", mend="give one value a row")
    with np.errstate(over="ignore"):
        values = np.stack([_read(array) for array in arrays], axis=1).astype(np.float32)
    finite = np.isfinite(values)
    bad = np.flatnonzero(~finite.all(axis=1))
    faults = [(row, place, *_fault(arrays[place][row].as_py())) for row, place in _first(finite, bad)]
    if faults and on_bad == "refuse":
        raise _refusal(faults, names, where or (lambda row: f"targets[{row}]"), skip_mend)
    values[~finite] = np.nan
    sound = np.ones(len(values), bool)
    sound[bad] = False
    return TargetValues(values, sound, dict(Counter(kind for _, _, kind, _ in faults)))


def target_scale(values: np.ndarray, names: Sequence[str]) -> dict[str, list[float]]:
    """What brings each target to mean 0 and standard deviation 1.

    Args:
        values: Finite float `[n, targets]`, at least one row.
        names: The targets' names.

    Returns:
        `means` and `deviations`, a number for each target, in the target's own unit.

    Raises:
        InputError: A target is the same in every row: there is nothing to learn.
    """
    values = values.astype(np.float64)
    for name, column in zip(names, values.T, strict=True):
        if np.ptp(column) == 0:
            raise InputError(f"every row has the value {column[0]:g}", where=name, mend="give rows that differ")
    return {"means": values.mean(axis=0).tolist(), "deviations": values.std(axis=0).tolist()}


def _as_arrow(column: Any, name: str) -> pa.ChunkedArray | pa.Array:
    if isinstance(column, str | bytes):
        raise InputError("is one string, not many", where=name, mend="put it into a list")
    if isinstance(column, np.ndarray) and column.ndim != 1:
        raise InputError(f"has {column.ndim} dimensions", where=name, mend="give one value a row")
    try:
        array = column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        raise InputError("mixes kinds of values", where=name, mend="give numbers, or strings") from None
    kind = array.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if _is_number(kind) or pa.types.is_null(kind):
        return array.cast(pa.float64(), safe=False)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return array.cast(pa.string())
    raise InputError(f"holds {kind}, not numbers", where=name, mend="name a column of numbers")


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _read(array: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """float64 `[n]`, NaN for what is no number."""
    if pa.types.is_floating(array.type):
        return pc.fill_null(array, np.nan).to_numpy(zero_copy_only=False)
    values = np.full(len(array), np.nan)
    plain = pc.fill_null(pc.match_substring_regex(array, f"^{_NUMBER}$"), False)
    mask = plain.to_numpy(zero_copy_only=False)
    values[mask] = [float(text) for text in array.filter(plain).to_pylist()]
    for row in np.flatnonzero(~mask).tolist():
        text = (array[row].as_py() or "").translate(_FULL_WIDTH)
        if _PLAIN.fullmatch(text):
            values[row] = float(text)
    return values


def _first(finite: np.ndarray, rows: np.ndarray) -> list[tuple[int, int]]:
    """Each of `rows` with the first of its targets that is not finite."""
    return list(zip(rows.tolist(), np.argmin(finite[rows], axis=1).tolist(), strict=True))


def _fault(value: str | float | None) -> tuple[str, str]:
    """The kind of a value's fault, and how the message tells it."""
    text = "" if value is None else str(value)
    plain = text.translate(_FULL_WIDTH).strip()
    shown = repr(text if len(text) <= 40 else f"{text[:40]}...")
    if not plain:
        return "empty", "is empty"
    try:
        number = float(plain)
    except ValueError:
        number = None
    if number is not None and np.isnan(number):
        return "NaN", f"is {shown}, not a number"
    if number is not None and _PLAIN.fullmatch(plain):
        return "beyond float32", f"is {shown}, beyond the range of float32"
    if number is not None and np.isinf(number):
        return "infinite", f"is {shown}, not a finite number"
    return NOT_A_NUMBER, f"is {shown}, {NOT_A_NUMBER}{_meant(plain)}"


def _meant(text: str) -> str:
    """What was most likely meant; a comma before three digits may be either of its two uses."""
    meant = [text.replace(",", "")] if _THOUSANDS.fullmatch(text) else []
    if _DECIMAL_COMMA.fullmatch(text):
        meant.append(text.replace(".", "").replace(" ", "").replace(",", "."))
    if text.endswith("%") and _PLAIN.fullmatch(text[:-1]):
        meant.append(f"{text[:-1].strip()} in all rows alike")
    return f" (write {' or '.join(meant)})" if meant else ""


def _refusal(
    faults: list[tuple[int, int, str, str]],
    names: Sequence[str],
    where: Callable[[int], str],
    skip_mend: str | None,
) -> InputError:
    skip = "" if skip_mend is None else f", or {skip_mend} to leave such rows out"
    told = [(where(row), f"{names[place]!r} {problem}") for row, place, _, problem in faults[:SHOWN_ROWS]]
    if len(faults) == 1:
        ((place, problem),) = told
        return InputError(problem, where=place, mend=f"write a number such as 12.5{skip}")
    places = [f"{place}: {problem}" for place, problem in told]
    if len(faults) > len(told):
        places.append(f"and {len(faults) - len(told):,} more")
    problem = f"{len(faults):,} rows have targets that are no numbers: {', '.join(places)}"
    return InputError(problem, mend=f"write numbers such as 12.5{skip}")
