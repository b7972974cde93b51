"""A source of token batches from whatever people hand to `fit` and `predict`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.models.datasets import DatasetBatches
from tfdomain.models.inputs import count_rows, holds_tokens, named_columns
from tfdomain.models.token_arrays import TokenArrays
from tfdomain.optimization.loop import EpochSource
from tfdomain.pipeline.batches import TEXT_NAMES, Prepare, TokenBatches

__all__ = ["batches_of"]


def batches_of(
    x: Any,
    *,
    tokenizer: Tokenizer,
    max_length: int | None,
    batch_size: int,
    batch_tokens: int | None = None,
    prepare: Prepare | None = None,
    read_columns: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
    names: Sequence[str] = TEXT_NAMES,
    others: Sequence[str] = (),
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
        x: What `named_columns` takes, a dictionary of token arrays as the tokenizer gives it, or a
            `tf.data.Dataset`.
        tokenizer: Turns text into token batches.
        max_length: Tokens that a text (or pair) is cut to; None where `prepare` cuts nothing.
        batch_size: Examples of a batch; of a data set only where its elements are single.
        batch_tokens: As for `tfdomain.pipeline.batches.TokenBatches`; texts alone are counted.
        prepare: As for `tfdomain.pipeline.batches.TokenBatches`.
        read_columns: Checks columns by name, and types them as `prepare` takes them.
        names: What `prepare` calls the texts of a row.
        others: Further columns that `prepare` reads.
        labels: int32 or float `[n, ...]`, one entry a text.
        label_names: The classes that a data set's labels are of.
        sample_weight: Float `[n]`, one a text.
        rows: int64 `[m]`, the rows that count; None: all.
        seed: Of the order.
        shuffle: Whether the order differs by epoch.
        lengths_cache: Where token lengths are kept from run to run.

    Raises:
        InputError: `x` holds something else than text, or the lengths differ.
    """
    if batch_tokens is not None and (isinstance(x, tf.data.Dataset) or holds_tokens(x)):
        mend = "leave it out, or give the texts"
        raise InputError("is given, and what comes is no texts to count", where="batch_tokens", mend=mend)
    if isinstance(x, tf.data.Dataset):
        if labels is not None or sample_weight is not None:
            raise InputError("a data set comes with labels beside it", where="y", mend="put them into the data set")
        return DatasetBatches(
            x, tokenizer, max_length, batch_size=batch_size, label_names=label_names, prepare=prepare, names=names
        )
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
    if holds_tokens(x):
        if others:
            mend = f"give columns by name: {', '.join([*names[:1], *others])}"
            raise InputError("token arrays, and the model reads columns beside the text", where="x", mend=mend)
        return TokenArrays(x, batch_size=batch_size, **shared)
    return TokenBatches(
        read_columns(named_columns(x, names, others)),
        tokenizer=tokenizer,
        max_length=max_length,
        batch_size=batch_size,
        batch_tokens=batch_tokens,
        prepare=prepare,
        text_names=names,
        lengths_cache=lengths_cache,
        **shared,
    )
