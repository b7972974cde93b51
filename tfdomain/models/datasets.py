"""A caller's own `tf.data.Dataset` of texts or tokens, as a source of epochs."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.pipeline.batches import TEXT_NAMES, Prepare
from tfdomain.pipeline.datasets import tokenized

__all__ = ["DatasetBatches", "are_numbers", "explained_labels", "without_labels"]

UNSEEN = "labels never seen in training:"


class DatasetBatches:
    """A caller's own `tf.data.Dataset` as a source of epochs; its order is the caller's affair.

    Args:
        dataset: Of the forms that `tfdomain.pipeline.datasets.tokenized` takes.
        tokenizer: Turns text into token batches.
        max_length: Tokens that a text (or pair) is cut to.
        batch_size: For a data set of single elements.
        label_names: The classes; labels may then be their names or their numbers.
        prepare: As for `tokenized`.
        names: As for `tokenized`.

    Raises:
        InputError: The data set has no end, or elements of another form.
    """

    def __init__(
        self,
        dataset: tf.data.Dataset,
        tokenizer: Tokenizer,
        max_length: int | None,
        *,
        batch_size: int,
        label_names: Sequence[str] | None = None,
        prepare: Prepare | None = None,
        names: Sequence[str] = TEXT_NAMES,
    ):
        num_elements = int(dataset.cardinality())
        if num_elements == tf.data.INFINITE_CARDINALITY:
            raise InputError("the data set has no end", where="x", mend="bound it with dataset.take(n)")
        spec = dataset.element_spec
        single = tf.nest.flatten(spec)[0].shape.rank == 0
        forms: dict[str, Any] = {"label_names": label_names, "prepare": prepare, "names": names}
        tokens = tokenized(dataset, tokenizer, max_length, batch_size=batch_size, **forms)
        label = spec.get("labels") if isinstance(spec, dict) else spec[1] if isinstance(spec, tuple) else None
        if label is not None and label_names is not None and label.dtype.is_integer:
            tokens = tokens.map(lambda batch: batch | {"labels": _known_numbers(batch["labels"], label_names)})
        self._dataset = tokens
        self.has_labels = label is not None
        if num_elements == tf.data.UNKNOWN_CARDINALITY:
            # The learning rate falls to 0 at the last step, so the steps have to be counted.
            num_elements = int(dataset.reduce(np.int64(0), lambda count, *_: count + 1))
        self.num_batches = -(-num_elements // batch_size) if single else num_elements

    def epoch(self, epoch: int, first_batch: int = 0) -> tf.data.Dataset:
        """The data set once through, from the given batch on."""
        return self._dataset.skip(first_batch)


def without_labels(x: Any) -> Any:
    """What is only predicted may have any labels beside it: those of a data set of tuples are taken off."""
    if not isinstance(x, tf.data.Dataset) or not isinstance(x.element_spec, tuple):
        return x
    # A pair alone would look like a text and its label.
    return x.map(lambda text, label, *_: (text, tf.zeros_like(label, tf.int32)))


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
