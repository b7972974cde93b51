"""What people hand to `fit` and `predict` becomes batches: lists, columns, pairs, token arrays, data sets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.models.datasets import DatasetBatches
from tfdomain.models.token_arrays import TokenArrays
from tfdomain.optimization.loop import EpochSource
from tfdomain.pipeline.batches import TokenBatches

__all__ = ["batches_of", "count_rows", "holds_pairs", "split_pair"]


def batches_of(
    x: Any,
    *,
    tokenizer: Tokenizer,
    max_length: int,
    batch_size: int,
    labels: np.ndarray | None = None,
    label_names: Sequence[str] | None = None,
    sample_weight: Any = None,
    rows: np.ndarray | None = None,
    seed: int = 0,
    shuffle: bool = False,
    lengths_cache: Path | None = None,
) -> EpochSource:
    """Makes a source of token batches.

    Args:
        x: Texts (a list, an array, a Series, an Arrow column), a tuple of two such for pairs, a
            dictionary of token arrays as the tokenizer gives it, or a `tf.data.Dataset`.
        tokenizer: Turns text into token batches.
        max_length: Tokens that a text (or pair) is cut to.
        batch_size: Examples of a batch; of a data set only where its elements are single.
        labels: int32 `[n]` or float `[n, ...]`, one a text.
        label_names: The classes that a data set's labels are of.
        sample_weight: Float `[n]`, one a text.
        rows: int64 `[m]`, the rows that count; None: all.
        seed: Of the order.
        shuffle: Whether the order differs by epoch.
        lengths_cache: Where token lengths are kept from run to run.

    Raises:
        InputError: `x` holds something else than text, or the lengths differ.
    """
    if isinstance(x, tf.data.Dataset):
        if labels is not None or sample_weight is not None:
            raise InputError("a data set comes with labels beside it", where="y", mend="put them into the data set")
        return DatasetBatches(x, tokenizer, max_length, batch_size=batch_size, label_names=label_names)
    weights = None if sample_weight is None else np.asarray(sample_weight, "float32")
    count = count_rows(x)
    for name, column in {"y": labels, "sample_weight": weights}.items():
        if column is not None and (not column.ndim or len(column) != count):
            given = len(column) if column.ndim else "a single value"
            raise InputError(f"{given} for {count} texts", where=name, mend="give one a text")
    shared: dict[str, Any] = {
        "labels": labels,
        "sample_weight": weights,
        "rows": rows,
        "seed": seed,
        "shuffle": shuffle,
    }
    if isinstance(x, Mapping):
        return TokenArrays(x, batch_size=batch_size, **shared)
    texts, pairs = split_pair(x)
    return TokenBatches(
        texts,
        pairs=pairs,
        tokenizer=tokenizer,
        max_length=max_length,
        batch_size=batch_size,
        lengths_cache=lengths_cache,
        **shared,
    )


def count_rows(x: Any) -> int:
    """How many texts, pairs or token rows there are.

    Raises:
        InputError: `x` holds something else.
    """
    if isinstance(x, Mapping):
        return len(next(iter(x.values()), ()))
    return len(split_pair(x)[0])


def holds_pairs(x: Any) -> bool | None:
    """Whether these are pairs of texts; None where that cannot be told, of tokens."""
    if not isinstance(x, tf.data.Dataset):
        return None if isinstance(x, Mapping) else isinstance(x, tuple)
    spec = x.element_spec
    if isinstance(spec, dict):
        return None
    return isinstance(spec, tuple) and isinstance(spec[0], tuple)


def split_pair(x: Any) -> tuple[Sequence, Sequence | None]:
    """Takes texts, or a tuple of texts and their seconds, apart."""
    if isinstance(x, (str, bytes)):
        raise InputError("one text where a list is expected", where="x", mend="wrap it: [text]")
    if not isinstance(x, tuple):
        return _checked(x, "x"), None
    if len(x) != 2 or isinstance(x[0], (str, bytes)):
        raise InputError(
            f"a tuple of {len(x)}", where="x", mend="give a list of texts, or a tuple of two lists for pairs"
        )
    first, second = _checked(x[0], "x[0]"), _checked(x[1], "x[1]")
    if len(first) != len(second):
        raise InputError(f"{len(first)} first and {len(second)} second texts", where="x", mend="give as many of each")
    return first, second


def _checked(column: Any, where: str) -> Sequence:
    if isinstance(column, (str, bytes)):
        raise InputError("one text where a list is expected", where=where, mend="wrap it: [text]")
    if isinstance(column, tf.Tensor):
        column = column.numpy()
    if not hasattr(column, "__len__"):
        raise InputError(f"{type(column).__name__} holds no texts", where=where, mend="give a list of strings")
    if isinstance(column, (list, np.ndarray)):
        for row, text in enumerate(column):
            if not isinstance(text, (str, bytes)):
                problem = f"{text!r} is {type(text).__name__}, not text"
                raise InputError(problem, where=f"{where}[{row}]", mend="give strings")
    return column
