"""What people hand to `fit` and `predict` becomes columns by name: lists, pairs, tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfdomain.data.names import near_names
from tfdomain.errors import InputError

__all__ = ["count_rows", "holds_tokens", "named_columns", "num_texts"]


def holds_tokens(x: Any) -> bool:
    """Whether these are token arrays, as the tokenizer gives them."""
    return isinstance(x, Mapping) and "token_ids" in x


def named_columns(x: Any, names: Sequence[str], others: Sequence[str] = ()) -> dict[str, Any]:
    """The columns of a model's input by name.

    Args:
        x: A list of texts (or an array, a Series, an Arrow column); a tuple of two or more such, for pairs;
            or columns by name: a dictionary or a pandas DataFrame.
        names: What the model calls the texts of a row, in their order.
        others: Further columns that a model reads, which only a table has.

    Raises:
        InputError: `x` holds something else, a column is missing, or the lengths differ.
    """
    if hasattr(x, "to_dict") and hasattr(x, "columns"):
        x = {str(name): x[name] for name in x.columns}
    if isinstance(x, Mapping):
        return _of_table(x, names, others)
    if others:
        mend = f"give a dictionary or a DataFrame with {', '.join([*names[:1], *others])}"
        raise InputError("texts alone, and the model reads columns beside them", where="x", mend=mend)
    if isinstance(x, (str, bytes)):
        raise InputError("one text where a list is expected", where="x", mend="wrap it: [text]")
    if not isinstance(x, tuple):
        return {names[0]: _checked(x, "x")}
    if not 2 <= len(x) <= len(names) or isinstance(x[0], (str, bytes)):
        mend = "give a list of texts, or a tuple of two lists for pairs"
        raise InputError(f"a tuple of {len(x)}", where="x", mend=mend)
    columns = {names[place]: _checked(column, f"x[{place}]") for place, column in enumerate(x)}
    lengths = [len(column) for column in columns.values()]
    if len(lengths) == 2 and lengths[0] != lengths[1]:
        raise InputError(f"{lengths[0]} first and {lengths[1]} second texts", where="x", mend="give as many of each")
    _check_lengths(columns)
    return columns


def count_rows(x: Any) -> int:
    """How many texts, pairs or token rows there are.

    Raises:
        InputError: `x` holds something else.
    """
    if hasattr(x, "to_dict") and hasattr(x, "columns"):
        return len(x)
    if isinstance(x, Mapping):
        return len(next(iter(x.values()), ()))
    return len(next(iter(named_columns(x, [str(place) for place in range(9)]).values())))


def num_texts(x: Any, names: Sequence[str]) -> int | None:
    """How many texts a row has: 2 of pairs; None where that cannot be told, of tokens."""
    if isinstance(x, tf.data.Dataset):
        x = x.element_spec[0] if isinstance(x.element_spec, tuple) else x.element_spec
    if isinstance(x, tuple):
        return len(x)
    if isinstance(x, Mapping) or (hasattr(x, "to_dict") and hasattr(x, "columns")):
        return None if "token_ids" in x else sum(name in x for name in names)
    return 1


def _of_table(table: Mapping[str, Any], names: Sequence[str], others: Sequence[str]) -> dict[str, Any]:
    wanted = [*(name for name in names if name in table), *others]
    if names and names[0] not in table:
        wanted.insert(0, names[0])
    missing = [name for name in wanted if name not in table]
    if missing:
        near = near_names(missing[0], list(map(str, table)))
        mend = f"did you mean {' or '.join(map(repr, near))}?" if near else f"the columns here are {', '.join(table)}"
        raise InputError(f"there is no column {missing[0]!r}", where="x", mend=mend)
    columns = {name: _checked(table[name], f"x[{name!r}]", texts=name in names) for name in wanted}
    _check_lengths(columns)
    return columns


def _check_lengths(columns: Mapping[str, Sequence]) -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{length} in {name}" for name, length in lengths.items())
        raise InputError(f"the columns differ in length: {shown}", where="x", mend="give one value a row")


def _checked(column: Any, where: str, *, texts: bool = True) -> Any:
    if isinstance(column, (str, bytes)):
        raise InputError("one text where a list is expected", where=where, mend="wrap it: [text]")
    if isinstance(column, tf.Tensor):
        column = column.numpy()
    if not hasattr(column, "__len__"):
        raise InputError(f"{type(column).__name__} holds no texts", where=where, mend="give a list of strings")
    if texts and isinstance(column, (list, np.ndarray)):
        for row, text in enumerate(column):
            if not isinstance(text, (str, bytes)):
                problem = f"{text!r} is {type(text).__name__}, not text"
                raise InputError(problem, where=f"{where}[{row}]", mend="give strings")
    return column
