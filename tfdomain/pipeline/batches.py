"""Rows and a tokenizer become the token batches of an epoch, as a `tf.data.Dataset`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfdomain.data.values import TextColumn, as_text_array, fingerprint
from tfdomain.errors import InputError
from tfdomain.pipeline.lengths import token_lengths
from tfdomain.pipeline.order import Batches, epoch_batches
from tfdomain.pipeline.tuning import untuned

__all__ = ["TEXT_NAMES", "TOKEN_KEYS", "TokenBatches", "tokenize_texts"]

TOKEN_KEYS = ("token_ids", "segment_ids", "padding_mask")
TEXT_NAMES = ("text", "text_pair")

Prepare = Callable[[Mapping[str, tf.Tensor]], dict[str, tf.Tensor]]


def tokenize_texts(columns: Mapping[str, tf.Tensor], tokenizer: Any, max_length: int | None) -> dict[str, tf.Tensor]:
    """The token keys of texts, or of pairs of texts, cut to `max_length`.

    Args:
        columns: Strings `[b]`: `text`, and for pairs `text_pair`.
        tokenizer: As `TokenBatches` takes it.
        max_length: The most tokens of a row, special tokens included.
    """
    tokens = tokenizer(columns["text"], columns.get("text_pair"), max_length=max_length)
    return {key: tokens[key] for key in TOKEN_KEYS}


class TokenBatches:
    """Token batches over texts that stay where they are: in a list, or in a memory-mapped Arrow column.

    Strings are taken row by row as a batch needs them and tokenized inside the graph, in parallel and in
    order. Which rows meet in which batch is a function of (seed, epoch) alone, so `epoch(e, first_batch=k)`
    continues an interrupted epoch exactly.

    Args:
        columns: Strings `[n]` (a list, a numpy array, a pandas Series, an Arrow column), or a mapping of
            such columns and of numpy arrays of numbers, by name; `text` and `text_pair` are the usual texts.
        tokenizer: `tokenizer(texts, pairs, max_length=...)` gives the token keys, `tokenizer.lengths` counts.
        prepare: Turns the columns of a batch, tensors `[b]` by name, into the keys of the batch, inside the
            graph; None: `tokenize_texts`.
        text_names: The columns, one or two of them, whose tokens count for the length of a row.
        labels: Integers (int32 in the batch) or floats (float32) `[n]`, or `[n, ...]`.
        sample_weight: Floats `[n]`.
        rows: Row numbers (integers `[m]`) to which an epoch is limited, as `splits.split_rows` gives them;
            None: all. The other arguments keep their `n` rows.
        max_length: The most tokens of a row, special tokens included; None: any number.
        batch_size: Rows a batch.
        batch_tokens: In place of it the most tokens of a batch with its padding; see `order.epoch_batches`.
        seed: Of the order; at least 0.
        shuffle: False gives one fixed order in every epoch.
        group: Whether rows of like length share a batch; see `order.epoch_batches`.
        lengths_cache: The folder where token lengths are kept between runs; None: nowhere. With one they
            are counted at once, with a bar on a terminal, and not under the bar of the first epoch.

    Raises:
        InputError: There are no rows, the columns differ in length, or a value is of a wrong type.
        TfdomainError: `lengths_cache` cannot be read or written.

    Example:
        >>> batches = TokenBatches(rows.texts[0], tokenizer=tokenizer, labels=ids, batch_size=32)
        >>> for batch in batches.epoch(0): ...
    """

    def __init__(
        self,
        columns: Any,
        *,
        tokenizer: Any,
        prepare: Prepare | None = None,
        text_names: Sequence[str] = TEXT_NAMES,
        labels: Any = None,
        sample_weight: Any = None,
        rows: Any = None,
        max_length: int | None = 128,
        batch_size: int = 32,
        batch_tokens: int | None = None,
        seed: int = 0,
        shuffle: bool = True,
        group: bool = True,
        lengths_cache: Path | None = None,
    ):
        given = columns if isinstance(columns, Mapping) else {"text": columns}
        self._arrow = {name: as_text_array(column, name) for name, column in given.items() if not _is_numeric(column)}
        self._columns = {name: TextColumn(column) for name, column in self._arrow.items()}
        self._numbers = {name: column for name, column in given.items() if _is_numeric(column)}
        self._arrays = _row_arrays(labels, sample_weight)
        self._text_names = [name for name in text_names if name in self._columns]
        counts = {name: len(column) for name, column in {**self._columns, **self._numbers, **self._arrays}.items()}
        if len(set(counts.values())) > 1:
            shown = ", ".join(f"{count} in {name}" for name, count in counts.items())
            raise InputError(f"the columns differ in length: {shown}", mend="give one value a row")
        self._rows = _chosen_rows(rows, next(iter(counts.values())))
        if not len(self._rows):
            raise InputError("there are no rows", where=next(iter(counts)), mend="give at least one")
        self._prepare = prepare or (lambda columns: tokenize_texts(columns, tokenizer, max_length))
        self.tokenizer, self.max_length, self.batch_size = tokenizer, max_length, batch_size
        self.batch_tokens = batch_tokens
        self.seed, self.shuffle, self.group = seed, shuffle, group
        self._lengths_cache = lengths_cache
        self._check_order()
        if (group or batch_tokens) and lengths_cache is not None:
            _ = self.lengths

    @property
    def num_examples(self) -> int:
        """The rows of an epoch."""
        return len(self._rows)

    @cached_property
    def num_batches(self) -> int:
        """The batches of an epoch: `ceil(num_examples / batch_size)`; with `batch_tokens` those of the first one."""
        return len(self.order(0)) if self.batch_tokens else -(-self.num_examples // self.batch_size)

    @cached_property
    def fingerprint(self) -> str:
        """A SHA-256 over the texts, equal for equal texts."""
        return fingerprint(*(self._arrow[name] for name in self._text_names))

    @cached_property
    def lengths(self) -> np.ndarray:
        """The tokens of each row of an epoch, int32 `[num_examples]`; counted on first use at the latest."""
        if not self._text_names:
            return np.zeros(self.num_examples, np.int32)
        return token_lengths(
            [self._columns[name] for name in self._text_names[:2]],
            self._rows,
            tokenizer=self.tokenizer,
            max_length=self.max_length,
            content=lambda: self.fingerprint,
            folder=self._lengths_cache,
        )

    def order(self, epoch: int) -> Batches:
        """The batches of an epoch as positions in `lengths`, int64 arrays."""
        # Without grouping the order does not depend on the lengths: they need not be known.
        lengths = self.lengths if self.group or self.batch_tokens else np.zeros(self.num_examples, np.int32)
        return epoch_batches(
            lengths,
            batch_size=self.batch_size,
            batch_tokens=self.batch_tokens,
            seed=self.seed,
            epoch=epoch,
            shuffle=self.shuffle,
            group=self.group,
        )

    def epoch(self, epoch: int = 0, first_batch: int = 0) -> tf.data.Dataset:
        """The batches of one epoch.

        Args:
            epoch: From 0.
            first_batch: How many batches to leave out at the start, without reading or tokenizing them.

        Returns:
            Dictionaries of what `prepare` gives (`token_ids`, `segment_ids`, `padding_mask`, int32
            `[b, longest]`), `row_ids` (int64 `[b]`, row numbers), and where given `labels` (int32 or
            float32 `[b, ...]`) and `sample_weight` (float32 `[b]`).
        """
        batches = self.order(epoch)
        if not 0 <= first_batch <= len(batches):
            mend = f"choose 0 to {len(batches)}"
            raise InputError(f"is {first_batch}", where="first_batch", mend=mend)
        batches = batches[first_batch:]
        dataset = tf.data.Dataset.from_generator(lambda: self._generate(batches), output_signature=self._signature)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(batches)))
        dataset = dataset.map(self._to_batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return untuned(dataset.prefetch(tf.data.AUTOTUNE))

    @cached_property
    def _signature(self) -> tuple[dict[str, tf.TensorSpec], dict[str, tf.TensorSpec]]:
        """The columns of a batch, and what stands beside them."""
        columns = {name: tf.TensorSpec([None], tf.string) for name in self._columns}
        columns |= {name: tf.TensorSpec([None], array.dtype) for name, array in self._numbers.items()}
        rest = {name: tf.TensorSpec([None, *array.shape[1:]], array.dtype) for name, array in self._arrays.items()}
        return columns, rest | {"row_ids": tf.TensorSpec([None], tf.int64)}

    @cached_property
    def _to_batch(self) -> Callable[..., dict[str, tf.Tensor]]:
        """Traced once: the pipeline of every epoch calls it."""
        # Without `self` inside: a ring of references would keep the texts longer than they are needed.
        prepare = self._prepare
        return tf.function(lambda columns, rest: prepare(columns) | rest, input_signature=self._signature)

    def _generate(self, batches: Batches) -> Iterator[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
        for positions in batches:
            rows = self._rows[positions]
            columns = {name: column.take(rows) for name, column in self._columns.items()}
            columns |= {name: array[rows] for name, array in self._numbers.items()}
            yield columns, {name: array[rows] for name, array in self._arrays.items()} | {"row_ids": rows}

    def _check_order(self) -> None:
        # A wrong number is told at once, not when the first epoch starts.
        empty = np.zeros(0, np.int32)
        epoch_batches(empty, batch_size=self.batch_size, seed=self.seed, shuffle=self.shuffle, group=self.group)


def _is_numeric(column: Any) -> bool:
    return isinstance(column, np.ndarray) and column.dtype.kind in "iufb"


def _row_arrays(labels: Any, sample_weight: Any) -> dict[str, np.ndarray]:
    arrays = {}
    if labels is not None:
        array = np.asarray(labels)
        if array.dtype.kind not in "iubf":
            mend = "turn them into integers first (`data.labels.label_ids`)"
            raise InputError(f"hold {array.dtype}, not numbers", where="labels", mend=mend)
        arrays["labels"] = array.astype(np.float32 if array.dtype.kind == "f" else np.int32)
    if sample_weight is not None:
        arrays["sample_weight"] = np.asarray(sample_weight, np.float32)
    return arrays


def _chosen_rows(rows: Any, count: int) -> np.ndarray:
    if rows is None:
        return np.arange(count)
    rows = np.asarray(rows, np.int64)
    if len(rows) and (rows.min() < 0 or rows.max() >= count):
        raise InputError(f"{rows.min()} to {rows.max()} are not rows of {count}", where="rows", mend="count from 0")
    return rows
