"""Labels as people write them, and the integers that a model learns."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfdomain.data.names import near_names
from tfdomain.data.values import as_text_array
from tfdomain.errors import InputError

__all__ = ["label_ids", "label_names"]

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


def label_ids(labels: Any, names: Sequence[str], *, where: Callable[[int], str] | None = None) -> np.ndarray:
    """The position of each label in `names`.

    Args:
        labels: Labels `[n]`, as `label_names` takes them.
        names: The model's labels.
        where: Tells a row number's place for the message (`Rows.where`); None: `labels[row]`.

    Returns:
        int32 `[n]`.

    Raises:
        InputError: A label is none of `names`; it is named with its row and the nearest names.
    """
    column = as_text_array(labels, "labels", numbers=True)
    ids = pc.index_in(column, value_set=pa.array(list(names), pa.string()))
    if ids.null_count:
        row = int(np.flatnonzero(ids.is_null().to_numpy())[0])
        raise _unknown_label(column[row].as_py(), names, where(row) if where else f"labels[{row}]")
    return ids.to_numpy().astype(np.int32)


def _unknown_label(label: str, names: Sequence[str], place: str) -> InputError:
    near = near_names(label, names)
    if near:
        mend = f"did you mean {' or '.join(map(repr, near))}?"
    else:
        shown = ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
        mend = f"the labels are {shown}"
    return InputError(f"label {label!r} was never seen in training", where=place, mend=mend)
