"""The cells of a table's columns: as text, as numbers, as days.

One cell decides for itself what it means, whatever file it came from. The patterns are RE2's, the
engine of both Arrow and TensorFlow: a model's graph applies the same ones (`models.feature_reader`).
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfdomain.data.parquet import as_label_text
from tfdomain.data.values import as_text_array
from tfdomain.errors import InputError

__all__ = ["BLANKS", "DATE", "DATE_REWRITES", "as_cells", "as_column", "as_days", "as_numbers"]

BLANKS = "^[\\s\u00a0\u3000]+|[\\s\u00a0\u3000]+$"
"""What is cut from both ends of a cell."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

DATE_REWRITES: tuple[tuple[str, str], ...] = (
    *((chr(ord("０") + digit), str(digit)) for digit in range(10)),
    ("／", "/"),
    ("－", "-"),
    (r"^([0-9]{4}-[0-9]{1,2}-[0-9]{1,2})[T ][0-9]{1,2}:[0-9]{2}[0-9:.]*(?:Z|[+-][0-9]{2}:?[0-9]{2})?$", r"\1"),
    (r"^([0-9]{4})([0-9]{2})([0-9]{2})$", r"\1-\2-\3"),
    (r"^([0-9]{4})/([0-9]{1,2})/([0-9]{1,2})$", r"\1-\2-\3"),
    (r"^([0-9]{4})年([0-9]{1,2})月([0-9]{1,2})日$", r"\1-\2-\3"),
    (r"^([0-9]{4})年([0-9]{1,2})月$", r"\1-\2-1"),
    (r"^([0-9]{4}-[0-9]{1,2})$", r"\1-1"),
    (r"(?i)^([a-z]{3})-(69|[7-9][0-9])$", r"\1-19\2"),
    (r"(?i)^([a-z]{3})-([0-9]{2})$", r"\1-20\2"),
    *((rf"(?i)^{name}-([0-9]{{4}})$", rf"\1-{number}-1") for number, name in enumerate(_MONTHS, 1)),
)
"""Patterns and what replaces them, in order: afterwards every known form of a date matches `DATE`."""

DATE = r"^([1-9][0-9]{3})-([0-9]{1,2})-([0-9]{1,2})$"
"""Year, month and day; whether the month has that day is left to the calendar."""

_NO_NUMBER = r"(?i)^(?:[+-]?(?:nan|inf|infinity)|na|n/a|null|none)?$"
_NUMBER = r"(?i)^[+-]?(?:(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?\s*%?$"


def as_column(values: Any, name: str) -> pa.ChunkedArray:
    """Values as one Arrow column of a plain type; a column of categories is decoded.

    Args:
        values: A list, numpy array, pandas Series or Arrow array of strings, numbers, booleans or dates.
        name: What to call it in a message.

    Raises:
        InputError: The values are of no such type, or of several.
    """
    if not isinstance(values, pa.ChunkedArray):
        try:
            array = pa.array(values, from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, UnicodeEncodeError):
            mend = "give it values of one type: text, numbers, booleans or dates"
            raise InputError(
                "mixes types of values, or has unknown ones", where=f"column {name!r}", mend=mend
            ) from None
        values = array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_nested(values.type) or pa.types.is_time(values.type):
        mend = "a feature is a column of text, numbers, booleans or dates"
        raise InputError(f"holds {values.type}", where=f"column {name!r}", mend=mend)
    return values


def as_cells(values: Any, name: str) -> pa.ChunkedArray:
    """Each cell's text without the blanks around it; a missing one is empty.

    Whole numbers have no decimal point, booleans are `true` and `false`, dates are ISO's.
    """
    column = as_column(values, name)
    kind = column.type
    if pa.types.is_temporal(kind):
        column = column.cast(pa.date32(), safe=False).cast(pa.string())
    elif _is_number(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind):
        column = pa.chunked_array([as_label_text(column.combine_chunks())], pa.string())
    elif pa.types.is_string_view(kind):
        column = column.cast(pa.large_string())
    text = as_text_array(pc.fill_null(column, b"" if pa.types.is_binary(kind) else ""), name)
    return pc.replace_substring_regex(text, BLANKS, "")


def as_numbers(values: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Each cell's number, as the float32 that a model gets; NaN where it has none.

    `1,234.5`, full-width digits and a percent sign are understood: `12%` is 12. Infinity, what float32
    cannot hold, and NA, N/A, null, none and nan in any case are missing.

    Returns:
        float32 `[n]`, and bool `[n]`: whether the cell holds something that is no number.
    """
    column = as_column(values, name)
    if _is_number(column.type) or pa.types.is_boolean(column.type):
        column = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
        numbers = pc.fill_null(column.cast(pa.float64(), safe=False), np.nan).to_numpy()
        return _as_float32(numbers), np.zeros(len(numbers), bool)
    text = pc.replace_substring(pc.utf8_normalize(as_cells(column, name), "NFKC"), "\u2212", "-")
    sound = pc.match_substring_regex(text, _NUMBER)
    malformed = pc.invert(pc.or_(sound, pc.match_substring_regex(text, _NO_NUMBER)))
    digits = pc.if_else(sound, pc.replace_substring_regex(text, r"[,+%\s]", ""), pa.scalar(None, pa.string()))
    numbers = pc.fill_null(digits.cast(pa.float64()), np.nan).to_numpy()
    return _as_float32(numbers), malformed.to_numpy()


def as_days(values: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Each cell's date as days since 1970-01-01; NaN where it has none.

    Known forms: `2011-12-01` (also with a time of day, which is dropped), `2011-12`, `2011/12/1`, `20111201`,
    `2011年12月1日`, `2011年12月`, `Dec-2011` and `Dec-11`, full-width digits too; a month without a day is
    its first. Years of two digits are 1969 to 2068, as POSIX reads them.

    Returns:
        float64 `[n]`, and bool `[n]`: whether the cell holds something that is no date.
    """
    cells = as_cells(values, name).combine_chunks().dictionary_encode()
    texts = cells.dictionary
    for pattern, replacement in DATE_REWRITES:
        texts = pc.replace_substring_regex(texts, pattern, replacement)
    sound = pc.match_substring_regex(texts, DATE).to_numpy(zero_copy_only=False)
    texts = pc.if_else(sound, texts, "1970-1-1")
    year, month, day = (
        pc.replace_substring_regex(texts, DATE, rf"\{part}").cast(pa.int64()).to_numpy() for part in (1, 2, 3)
    )
    months = (year - 1970) * 12 + month - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]") + (day - 1)
    sound &= (month >= 1) & (month <= 12) & (day >= 1) & (days.astype("datetime64[M]").astype("int64") == months)
    number = np.where(sound, days.astype("float64"), np.nan)
    empty = pc.equal(cells.dictionary, "").to_numpy(zero_copy_only=False)
    places = cells.indices.to_numpy()
    return number[places], (~sound & ~empty)[places]


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _as_float32(numbers: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        narrow = numbers.astype("float32")
    return np.where(np.isfinite(narrow), narrow, np.float32(np.nan))
