"""What people hand to `fit` and `predict` becomes batches: lists, columns, pairs, token arrays, data sets."""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.optimization.loop import EpochSource
from tfdomain.pipeline.batches import TokenBatches
from tfdomain.pipeline.datasets import tokenized
from tfdomain.pipeline.order import epoch_batches

__all__ = [
    "DatasetBatches",
    "TokenArrays",
    "are_numbers",
    "batches_of",
    "count_rows",
    "explained_labels",
    "holds_pairs",
    "split_pair",
    "without_labels",
]

UNSEEN = "labels never seen in training:"


class DatasetBatches:
    """A caller's own `tf.data.Dataset` as a source of epochs; its order is the caller's affair.

    Args:
        dataset: Of the forms that `tfdomain.pipeline.datasets.tokenized` takes.
        tokenizer: Turns text into token batches.
        max_length: Tokens that a text (or pair) is cut to.
        batch_size: For a data set of single elements.
        label_names: The classes; labels may then be their names or their numbers.

    Raises:
        InputError: The data set has no end, or elements of another form.
    """

    def __init__(
        self,
        dataset: tf.data.Dataset,
        tokenizer: Tokenizer,
        max_length: int,
        *,
        batch_size: int,
        label_names: Sequence[str] | None = None,
    ):
        num_elements = int(dataset.cardinality())
        if num_elements == tf.data.INFINITE_CARDINALITY:
            raise InputError("the data set has no end", where="x", mend="bound it with dataset.take(n)")
        spec = dataset.element_spec
        single = tf.nest.flatten(spec)[0].shape.rank == 0
        tokens = tokenized(dataset, tokenizer, max_length, batch_size=batch_size, label_names=label_names)
        label = spec.get("labels") if isinstance(spec, dict) else spec[1] if isinstance(spec, tuple) else None
        if label is not None and label_names is not None and label.dtype.is_integer:
            tokens = tokens.map(lambda batch: batch | {"labels": _known_numbers(batch["labels"], label_names)})
        self._dataset = tokens
        self.has_labels, self.has_pairs = label is not None, holds_pairs(dataset)
        if num_elements == tf.data.UNKNOWN_CARDINALITY:
            # The learning rate falls to 0 at the last step, so the steps have to be counted.
            num_elements = int(dataset.reduce(np.int64(0), lambda count, *_: count + 1))
        self.num_batches = -(-num_elements // batch_size) if single else num_elements

    def epoch(self, epoch: int, first_batch: int = 0) -> tf.data.Dataset:
        """The data set once through, from the given batch on."""
        return self._dataset.skip(first_batch)


class TokenArrays:
    """Texts that are tokenized already, as arrays in memory; see `batches_of` for the arguments."""

    def __init__(
        self,
        tokens: Mapping[str, Any],
        *,
        batch_size: int,
        labels: np.ndarray | None = None,
        sample_weight: np.ndarray | None = None,
        rows: np.ndarray | None = None,
        seed: int = 0,
        shuffle: bool = False,
    ):
        missing = sorted({"token_ids", "padding_mask"} - set(tokens))
        if missing:
            raise InputError(f"holds no {missing[0]}", where="x", mend="give what the tokenizer gives, or texts")
        segments = tokens.get("segment_ids")
        ids = np.asarray(tokens["token_ids"], "int32")
        segments = np.zeros_like(ids) if segments is None else np.asarray(segments, "int32")
        self._arrays = {"token_ids": ids, "segment_ids": segments}
        self._arrays["padding_mask"] = np.asarray(tokens["padding_mask"], "int32")
        for name, array in self._arrays.items():
            if array.ndim != 2 or array.shape != ids.shape:
                raise InputError(f"{name} has the shape {list(array.shape)}", where="x", mend="give [n, length] each")
        self._arrays |= {} if labels is None else {"labels": labels}
        self._arrays |= {} if sample_weight is None else {"sample_weight": sample_weight}
        self._rows = np.arange(len(ids)) if rows is None else np.asarray(rows, "int64")
        if not len(self._rows):
            raise InputError("there are no rows", where="x", mend="give at least one")
        self._batch_size, self._seed, self._shuffle = batch_size, seed, shuffle
        self.num_batches = -(-len(self._rows) // batch_size)

    def epoch(self, epoch: int, first_batch: int = 0) -> tf.data.Dataset:
        """The batches of one epoch; their order is a function of the seed and the epoch."""
        # They are padded to one length already: to group them by length would gain nothing.
        lengths = np.zeros(len(self._rows), "int32")
        order = epoch_batches(
            lengths, batch_size=self._batch_size, seed=self._seed, epoch=epoch, shuffle=self._shuffle, group=False
        )

        def generate() -> Iterator[dict[str, np.ndarray]]:
            for positions in order[first_batch:]:
                rows = self._rows[positions]
                yield {name: array[rows] for name, array in self._arrays.items()} | {"row_ids": rows}

        spec = {name: tf.TensorSpec([None, *array.shape[1:]], array.dtype) for name, array in self._arrays.items()}
        return tf.data.Dataset.from_generator(
            generate, output_signature=spec | {"row_ids": tf.TensorSpec([None], tf.int64)}
        )


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


def without_labels(x: Any) -> Any:
    """What is only predicted may have any labels beside it: those of a data set of tuples are taken off."""
    if not isinstance(x, tf.data.Dataset) or not isinstance(x.element_spec, tuple):
        return x
    # A pair alone would look like a text and its label.
    return x.map(lambda text, label, *_: (text, tf.zeros_like(label, tf.int32)))


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


def are_numbers(names: Sequence[str]) -> bool:
    """Whether classes are named by whole numbers, so that a number among labels is a name."""
    return all(re.fullmatch(r"[+-]?[0-9]+", name) for name in names)


@contextlib.contextmanager
def explained_labels(names: Sequence[str] | None) -> Iterator[None]:
    """Turns the failure of a data set's look-up of labels into one line."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        found = re.search(re.escape(UNSEEN) + r"\]? \[(.*)\]", str(error.message))
        if not found or names is None:
            raise
        shown = ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
        raise InputError(f"{UNSEEN} {found[1]}", where="the data set", mend=f"the labels are {shown}") from None


def _known_numbers(labels: tf.Tensor, names: Sequence[str]) -> tf.Tensor:
    labels = tf.cast(labels, tf.int32)
    if are_numbers(names):
        ids = tf.lookup.KeyValueTensorInitializer(tf.constant([int(name) for name in names]), tf.range(len(names)))
        known = tf.lookup.StaticHashTable(ids, default_value=-1).lookup(labels)
    else:
        known = tf.where(labels < len(names), labels, -1)
    unseen = tf.boolean_mask(labels, known < 0)
    with tf.control_dependencies([tf.debugging.Assert(tf.size(unseen) == 0, [UNSEEN, unseen])]):
        return tf.identity(known)


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
