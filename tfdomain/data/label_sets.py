"""Rows with any number of labels, none among them, in the forms that files have them in.

One column holds each row's labels: delimited (`sports|politics`, an empty field for none), as a JSON list
(`["sports", "politics"]`), or as an Arrow list; a column may mix the first two. Or each label has an
indicator column of its own, of 0 and 1, true and false, or yes and no.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfdomain.data.labels import SHOWN_ROWS, label_ids, label_names
from tfdomain.data.names import near_names
from tfdomain.data.values import as_text_array
from tfdomain.errors import InputError

__all__ = ["DELIMITER", "label_set_ids", "label_set_names"]

DELIMITER = "|"
"""What stands between two labels unless told otherwise: names hold commas and semicolons more often."""

INDICATORS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1, "no": 0, "yes": 1, "否": 0, "是": 1}
"""What an indicator column may hold; capitals, blanks around it and full-width forms do not count."""

MISSING = "is missing, or holds a missing label (write an empty field or [] for no label)"

LabelSets = Any
"""One column of label sets, or a mapping from label names to indicator columns."""

Choice = Literal["refuse", "skip"]


def label_set_names(
    labels: LabelSets,
    *,
    delimiter: str = DELIMITER,
    where: Callable[[int], str] | None = None,
    on_bad: Choice = "refuse",
    skip_mend: str | None = None,
) -> list[str]:
    """The distinct labels of all rows, sorted as `labels.label_names` does; of indicator columns, their names.

    Args:
        labels: A column `[n]` of strings or lists, or `{label: column [n]}` of indicators.
        delimiter: What stands between two labels of a string.
        where: Tells a row number's place for the message (`Rows.where`); None: `labels[row]`.
        on_bad: `"refuse"` raises when a row cannot be read; `"skip"` passes over it.
        skip_mend: How the caller's user asks for `"skip"`, for the message; None: that is no choice.

    Raises:
        InputError: Rows cannot be read; the first five are named, and all are counted.

    Example:
        >>> label_set_names(["sports|politics", "", '["politics", "arts"]'])
        ['arts', 'politics', 'sports']
    """
    _check_choice(on_bad, "on_bad")
    if isinstance(labels, Mapping):
        _read_indicators(labels, list(labels), where, on_bad, skip_mend)
        return list(labels)
    sets = _read_sets(labels, delimiter, where, on_bad, skip_mend)
    return label_names(sets.flatten())


def label_set_ids(
    labels: LabelSets,
    names: Sequence[str],
    *,
    delimiter: str = DELIMITER,
    where: Callable[[int], str] | None = None,
    unseen: Choice = "refuse",
    on_bad: Choice = "refuse",
    skip_mend: str | None = None,
) -> np.ndarray:
    """Which of `names` each row has.

    In a delimited string, blanks around a label and empty labels (`a||b`, `a|`) do not count. A label that
    a row names twice is there once.

    Args:
        labels: A column `[n]` of strings or lists, or `{label: column [n]}` of indicators.
        names: The model's labels.
        delimiter: What stands between two labels of a string.
        where: Tells a row number's place for the message (`Rows.where`); None: `labels[row]`.
        unseen: `"refuse"` raises when a row has a label that is none of `names`; `"skip"` marks the row.
        on_bad: `"refuse"` raises when a row cannot be read (no JSON, no value, no indicator); `"skip"` marks it.
        skip_mend: How the caller's user asks for `"skip"`, for the message; None: that is no choice.

    Returns:
        int8 `[n, names]`: 1 where the row has the label, else 0; -1 all along a row that is marked.

    Raises:
        InputError: Rows have unseen labels or cannot be read; the first five are named with the nearest
            names, and all are counted. Or an indicator column is missing, or none of `names`.
    """
    _check_choice(unseen, "unseen")
    _check_choice(on_bad, "on_bad")
    if isinstance(labels, Mapping):
        _check_indicator_names(labels, names)
        return _read_indicators(labels, names, where, on_bad, skip_mend)
    sets = _read_sets(labels, delimiter, where, on_bad, skip_mend)
    rows = pc.list_parent_indices(sets).to_numpy(zero_copy_only=False)
    flat = sets.flatten()
    ids = label_ids(flat, names, unseen="skip")
    unseen_entries = np.flatnonzero(ids < 0)
    unseen_rows, first = np.unique(rows[unseen_entries], return_index=True)
    if len(unseen_rows) and unseen == "refuse":
        place = where or _place
        # Refuses, by the first unseen label of each row.
        label_ids(
            flat.take(pa.array(unseen_entries[first])),
            names,
            where=lambda index: place(int(unseen_rows[index])),
            skip_mend=skip_mend,
        )
    matrix = np.zeros((len(sets), len(names)), np.int8)
    matrix[rows[ids >= 0], ids[ids >= 0]] = 1
    matrix[unseen_rows] = -1
    matrix[sets.is_null().to_numpy(zero_copy_only=False)] = -1
    return matrix


def _read_sets(
    labels: Any, delimiter: str, where: Callable[[int], str] | None, on_bad: str, skip_mend: str | None
) -> pa.Array:
    """Lists of strings `[n]`, null for a row that cannot be read."""
    if not delimiter:
        raise InputError("is empty", where="delimiter", mend=f"name what stands between labels, such as {DELIMITER}")
    column = labels if isinstance(labels, pa.Array | pa.ChunkedArray) else _as_arrow(labels)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        sets, problems = _whole_lists(column), pa.nulls(len(column))
    else:
        # Rows share their sets: each distinct one is read once.
        encoded = column.cast(pa.string()).dictionary_encode()
        parsed = [_parse(value, delimiter) for value in encoded.dictionary.to_pylist()]
        lists = pa.array([None if isinstance(each, str) else each for each in parsed], pa.list_(pa.string()))
        told = pa.array([each if isinstance(each, str) else None for each in parsed], pa.string())
        sets, problems = lists.take(encoded.indices), told.take(encoded.indices)
    bad = np.flatnonzero(sets.is_null().to_numpy(zero_copy_only=False))
    if len(bad) and on_bad == "refuse":
        faults = [(row, problems[row].as_py() or MISSING) for row in bad[:SHOWN_ROWS].tolist()]
        raise _refusal(faults, len(bad), where, skip_mend)
    return sets


def _as_arrow(labels: Any) -> pa.Array:
    if isinstance(labels, str | bytes):
        raise InputError("is one string, not many", where="labels", mend="put it into a list")
    values = [sorted(value) if isinstance(value, set | frozenset) else value for value in labels]
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        raise InputError("mixes kinds of values", where="labels", mend="give strings, or lists of strings") from None


def _whole_lists(column: pa.Array) -> pa.Array:
    """The lists with their labels as strings; one that holds a null is null itself."""
    flat = column.flatten()
    rows = pc.list_parent_indices(column).to_numpy(zero_copy_only=False)
    broken = np.zeros(len(column), bool)
    broken[rows[flat.is_null().to_numpy(zero_copy_only=False)]] = True
    column = pc.if_else(pa.array(broken), pa.scalar(None, column.type), column)
    flat = as_text_array(column.flatten(), "labels", numbers=True).combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), flat, mask=column.is_null())


def _parse(value: str, delimiter: str) -> list[str] | str:
    """The labels of a value, or what is wrong with it."""
    if not value.lstrip().startswith("["):
        pieces = [piece.strip() for piece in value.split(delimiter)]
        return [piece for piece in pieces if piece]
    try:
        # A number stays as it is written: 1 is "1", and 1.0 is "1.0".
        labels = json.loads(value, parse_int=str, parse_float=str, parse_constant=str)
        json.dumps(labels, ensure_ascii=False).encode()  # Half of a surrogate pair is no character.
    except (ValueError, RecursionError):
        return f"{_shown(value)} starts with [ and is no JSON list"
    labels = [str(label).lower() if isinstance(label, bool) else label for label in labels]
    wrong = [label for label in labels if not isinstance(label, str)]
    return f"{_shown(value)} holds {json.dumps(wrong[0])[:20]}, which is no label" if wrong else labels


def _read_indicators(
    columns: Mapping[str, Any],
    names: Sequence[str],
    where: Callable[[int], str] | None,
    on_bad: str,
    skip_mend: str | None,
) -> np.ndarray:
    texts = [_indicator_texts(columns[name], name) for name in names]
    lengths = {len(text) for text in texts}
    if len(lengths) != 1:
        raise InputError(f"the indicator columns have {sorted(lengths)} rows", mend="give each one value a row")
    known, values = pa.array(list(INDICATORS)), np.array([*INDICATORS.values(), -1], np.int8)
    matrix = np.empty((*lengths, len(names)), np.int8)
    for place, text in enumerate(texts):
        plain = pc.utf8_lower(pc.utf8_trim_whitespace(pc.utf8_normalize(text, form="NFKC")))
        matrix[:, place] = values[pc.fill_null(pc.index_in(plain, value_set=known), -1).to_numpy()]
    bad = np.flatnonzero((matrix < 0).any(axis=1))
    if len(bad) and on_bad == "refuse":
        faults = []
        for row in bad[:SHOWN_ROWS].tolist():
            place = int(np.argmax(matrix[row] < 0))
            found = texts[place][row].as_py()
            faults.append((row, f"{names[place]!r} is {'empty' if not found else _shown(found)}, not 0 or 1"))
        raise _refusal(faults, len(bad), where, skip_mend)
    matrix[bad] = -1
    return matrix


def _indicator_texts(column: Any, name: str) -> pa.ChunkedArray:
    values = column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(list(column), from_pandas=True)
    if values.null_count:
        # An empty string is told as empty, with its row.
        values = pc.fill_null(values.cast(pa.string()), "")
    return as_text_array(values, name, numbers=True)


def _check_indicator_names(columns: Mapping[str, Any], names: Sequence[str]) -> None:
    for name in [name for name in names if name not in columns]:
        raise InputError(
            f"there is no indicator column for the label {name!r}", mend=f"the columns are {list(columns)}"
        )
    for name in [name for name in columns if name not in set(names)]:
        near = near_names(name, names)
        mend = f"did you mean {' or '.join(map(repr, near))}?" if near else f"the labels are {list(names)[:10]}"
        raise InputError(f"the indicator column {name!r} is none of the model's labels", mend=mend)


def _refusal(
    faults: list[tuple[int, str]], count: int, where: Callable[[int], str] | None, skip_mend: str | None
) -> InputError:
    skip = "" if skip_mend is None else f", or {skip_mend} to leave such rows out"
    place = where or _place
    if count == 1:
        ((row, problem),) = faults
        return InputError(problem, where=place(row), mend=f"mend the labels{skip}")
    places = [f"{place(row)}: {problem}" for row, problem in faults]
    if count > len(faults):
        places.append(f"and {count - len(faults):,} more")
    return InputError(f"{count:,} rows have unreadable labels: {', '.join(places)}", mend=f"mend them{skip}")


def _place(row: int) -> str:
    return f"labels[{row}]"


def _shown(value: str) -> str:
    return repr(value if len(value) <= 40 else f"{value[:40]}...")


def _check_choice(value: str, name: str) -> None:
    if value not in ("refuse", "skip"):
        raise InputError(f"is {value!r}", where=name, mend="choose refuse or skip")
