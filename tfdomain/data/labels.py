"""Labels as people write them, and the integers that a model learns."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfdomain.data.names import near_names
from tfdomain.data.values import as_text_array
from tfdomain.errors import InputError

__all__ = ["alike", "label_ids", "label_names"]

SHOWN_ROWS = 5

_INTEGER = re.compile(r"[+-]?[0-9]+\Z")


def label_names(labels: Any) -> list[str]:
    """The distinct labels, sorted: in numeric order when all are integers, else by code point.

    Args:
        labels: Labels `[n]`: strings, integers or booleans; a list, numpy, pandas or Arrow column.

    Raises:
        InputError: A label is missing.
    """
    names = pc.unique(as_text_array(labels, "labels", numbers=True)).to_pylist()
    if all(_INTEGER.match(name) for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def label_ids(
    labels: Any,
    names: Sequence[str],
    *,
    where: Callable[[int], str] | None = None,
    unseen: Literal["refuse", "skip"] = "refuse",
    skip_mend: str | None = None,
) -> np.ndarray:
    """The position of each label in `names`.

    Args:
        labels: Labels `[n]`, as `label_names` takes them.
        names: The model's labels.
        where: Tells a row number's place for the message (`Rows.where`); None: `labels[row]`.
        unseen: `"refuse"` raises when a label is none of `names`; `"skip"` gives -1 for it.
        skip_mend: How the caller's user asks for `"skip"`, for the message; None: that is no choice.

    Returns:
        int32 `[n]`.

    Raises:
        InputError: Labels are none of `names`; the first five are named with their rows and the nearest
            names, and all are counted.
    """
    if unseen not in ("refuse", "skip"):
        raise InputError(f"is {unseen!r}", where="unseen", mend="choose refuse or skip")
    column = as_text_array(labels, "labels", numbers=True)
    ids = pc.index_in(column, value_set=pa.array(list(names), pa.string()))
    if ids.null_count and unseen == "refuse":
        rows = np.flatnonzero(ids.is_null().to_numpy())
        first = [(where(row) if where else f"labels[{row}]", column[row].as_py()) for row in rows[:SHOWN_ROWS].tolist()]
        raise _unseen(first, len(rows), names, skip_mend)
    return pc.fill_null(ids, -1).to_numpy().astype(np.int32)


def alike(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of labels that differ only by case or by the blanks around them: one was most likely meant.

    Returns:
        For each label that is like an earlier one, that one and itself.
    """
    first: dict[str, str] = {}
    pairs = [(first.setdefault(name.strip().casefold(), name), name) for name in names]
    return [(one, other) for one, other in pairs if one != other]


def _unseen(first: list[tuple[str, str]], count: int, names: Sequence[str], skip_mend: str | None) -> InputError:
    near = {label: near_names(label, names) for _, label in first}
    meant = {label: f"did you mean {' or '.join(map(repr, found))}?" for label, found in near.items() if found}
    shown = ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
    skip = "" if skip_mend is None else f"; mend the labels, or {skip_mend} to leave such rows out"
    if count == 1:
        ((place, label),) = first
        mend = meant.get(label, f"the labels are {shown}") + skip
        return InputError(f"label {label!r} was never seen in training", where=place, mend=mend)
    places = [f"{place}: {label!r}" + (f" ({meant[label]})" if label in meant else "") for place, label in first]
    if count > len(first):
        places.append(f"and {count - len(first):,} more")
    problem = f"{count:,} rows have labels never seen in training: {', '.join(places)}"
    return InputError(problem, mend=f"the labels are {shown}{skip}")
