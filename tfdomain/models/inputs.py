"""What people hand to `fit` and `predict` becomes batches: lists, columns, pairs, data sets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.optimization.loop import EpochSource
from tfdomain.pipeline.batches import TokenBatches
from tfdomain.pipeline.datasets import tokenized

__all__ = ["DatasetBatches", "batches_of", "split_pair"]


class DatasetBatches:
    """A caller's own `tf.data.Dataset` as a source of epochs; its order is the caller's affair."""

    def __init__(self, dataset: tf.data.Dataset, tokenizer: Tokenizer, max_length: int):
        self._dataset = tokenized(dataset, tokenizer, max_length)
        cardinality = int(self._dataset.cardinality())
        if cardinality == tf.data.INFINITE_CARDINALITY:
            raise InputError("the data set has no end", where="x", mend="bound it with dataset.take(n)")
        if cardinality == tf.data.UNKNOWN_CARDINALITY:
            # The learning rate falls to 0 at the last step, so the steps have to be counted.
            cardinality = int(dataset.reduce(np.int64(0), lambda count, *_: count + 1))
        self.num_batches = cardinality

    def epoch(self, epoch: int, first_batch: int = 0) -> tf.data.Dataset:
        """The data set once through, from the given batch on."""
        return self._dataset.skip(first_batch)


def batches_of(
    x: Any,
    *,
    tokenizer: Tokenizer,
    max_length: int,
    batch_size: int,
    labels: np.ndarray | None = None,
    sample_weight: Any = None,
    rows: np.ndarray | None = None,
    seed: int = 0,
    shuffle: bool = False,
    lengths_cache: Path | None = None,
) -> EpochSource:
    """Makes a source of token batches.

    Args:
        x: Texts (a list, an array, a Series, an Arrow column), a tuple of two such for pairs, a
            `tf.data.Dataset`.
        tokenizer: Turns text into token batches.
        max_length: Tokens that a text (or pair) is cut to.
        batch_size: Examples of a batch.
        labels: int32 `[n]` or float `[n, ...]`, one a text.
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
        return DatasetBatches(x, tokenizer, max_length)
    texts, pairs = split_pair(x)
    for name, column in {"y": labels, "sample_weight": sample_weight}.items():
        if column is not None and len(column) != len(texts):
            raise InputError(f"{len(column)} values for {len(texts)} texts", where=name, mend="give one a text")
    weights = None if sample_weight is None else np.asarray(sample_weight, "float32")
    return TokenBatches(
        texts,
        pairs=pairs,
        labels=labels,
        sample_weight=weights,
        rows=rows,
        tokenizer=tokenizer,
        max_length=max_length,
        batch_size=batch_size,
        seed=seed,
        shuffle=shuffle,
        lengths_cache=lengths_cache,
    )


def split_pair(x: Any) -> tuple[Sequence, Sequence | None]:
    """Takes texts, or a tuple of texts and their seconds, apart."""
    if isinstance(x, (str, bytes)):
        raise InputError("one text where a list is expected", where="x", mend="wrap it: [text]")
    if not isinstance(x, tuple):
        return _checked(x), None
    if len(x) != 2 or isinstance(x[0], (str, bytes)):
        raise InputError(
            f"a tuple of {len(x)}", where="x", mend="give a list of texts, or a tuple of two lists for pairs"
        )
    first, second = _checked(x[0]), _checked(x[1])
    if len(first) != len(second):
        raise InputError(f"{len(first)} first and {len(second)} second texts", where="x", mend="give as many of each")
    return first, second


def _checked(column: Any) -> Sequence:
    if isinstance(column, tf.Tensor):
        column = column.numpy()
    if not hasattr(column, "__len__"):
        raise InputError(f"{type(column).__name__} holds no texts", where="x", mend="give a list of strings")
    if isinstance(column, (list, np.ndarray)):
        for row, text in enumerate(column):
            if not isinstance(text, (str, bytes)):
                raise InputError(f"{text!r} is {type(text).__name__}, not text", where=f"x[{row}]", mend="give strings")
    return column
