"""Updates with rows of every task, each in a share of its own."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfdomain.errors import InputError
from tfdomain.optimization.loop import EpochSource
from tfdomain.pipeline.tuning import untuned

__all__ = ["SHARES", "TaskBatches", "rows_of_update"]

SHARES = {"proportional": 1.0, "square_root": 0.5, "uniform": 0.0}
"""The power of its rows that a task's share of an update goes by."""


def rows_of_update(num_rows: Mapping[str, int], batch_size: int, share: str) -> dict[str, int]:
    """How many rows of each task an update takes: `batch_size` in all, at least one of each.

    Args:
        num_rows: The training rows of each task.
        batch_size: Rows of an update; where there are more tasks than that, each gives one.
        share: One of `SHARES`.

    Example:
        >>> rows_of_update({"intent": 9000, "sentiment": 1000}, 32, "proportional")
        {'intent': 29, 'sentiment': 3}
    """
    weights = np.array(list(num_rows.values()), "float64") ** SHARES[share]
    wanted = batch_size * weights / weights.sum()
    sizes = np.maximum(np.floor(wanted).astype(int), 1)
    # What the rounding leaves goes to those that lost most by it.
    sizes[np.argsort(sizes - wanted, kind="stable")[: max(batch_size - sizes.sum(), 0)]] += 1
    return dict(zip(num_rows, sizes.tolist(), strict=True))


class TaskBatches:
    """An epoch of updates, each a dictionary with a token batch of every task.

    A task whose rows are used up begins its next own epoch, in that epoch's order, wherever the others are.
    Update `n` of all takes batch `n` of each task, counted through its own epochs: where a run stands is told by its
    epoch and batch alone.

    Args:
        sources: The batches of each task.
        num_batches: The updates of an epoch.

    Raises:
        InputError: There is no update.
    """

    def __init__(self, sources: Mapping[str, EpochSource], num_batches: int):
        if num_batches < 1:
            raise InputError(f"an epoch of {num_batches} updates", mend="give each task examples")
        self.sources, self.num_batches = dict(sources), num_batches

    def epoch(self, epoch: int = 0, first_batch: int = 0) -> tf.data.Dataset:
        """The updates of one epoch, from the given one on."""
        start, count = epoch * self.num_batches + first_batch, self.num_batches - first_batch
        parts = {name: _stretch(source, start, count) for name, source in self.sources.items()}
        return tf.data.Dataset.zip(parts).apply(tf.data.experimental.assert_cardinality(count))


def _stretch(source: EpochSource, start: int, count: int) -> tf.data.Dataset:
    """So many batches of a source whose epochs follow one another, from batch `start` on."""
    first_epoch, first_batch = divmod(start, source.num_batches)

    def generate() -> Iterator[dict[str, Any]]:
        epochs = (
            source.epoch(epoch, first_batch if epoch == first_epoch else 0).as_numpy_iterator()
            for epoch in itertools.count(first_epoch)
        )
        return itertools.islice(itertools.chain.from_iterable(epochs), count)

    # Which of its own epochs comes next is Python's to say; inside each the tokenizing stays parallel.
    signature = source.epoch(0).element_spec
    return untuned(tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(tf.data.AUTOTUNE))
