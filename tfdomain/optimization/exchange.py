"""Gradients added up over the replicas of a strategy; of a table of words only the rows that a batch touched are sent.

MiniLM's table has 30,522 rows of 384 numbers, 47 MB and half of all its weights, and an update of 4,000 tokens touches
4,000 of them at most.
"""

from collections.abc import Sequence
from typing import TypeAlias

import tensorflow as tf

__all__ = ["Gradient", "add_over_replicas", "exchanges_rows", "on_tpu"]

LEAST_TABLE_BYTES = 1 << 20
"""Below it a table is sent whole: to agree on the rows takes two more messages."""
EXACT_TYPES = (tf.float32, tf.float64)
"""They hold the number of a row exactly, up to 2 ** 24."""

Gradient: TypeAlias = tf.Tensor | tf.IndexedSlices


def on_tpu() -> bool:
    """Whether the strategy at hand computes on TPUs."""
    return isinstance(tf.distribute.get_strategy(), tf.distribute.TPUStrategy)


def exchanges_rows() -> bool:
    """Whether the strategy at hand may send single rows of a table: not on TPUs, whose programs have fixed sizes."""
    return tf.distribute.get_strategy().num_replicas_in_sync > 1 and not on_tpu()


def add_over_replicas(gradients: Sequence[Gradient]) -> list[tf.Tensor]:
    """The sums of all replicas' gradients, bit for bit the same in each of them.

    Args:
        gradients: This replica's; `tf.IndexedSlices` of a table that rows were gathered from.

    Returns:
        Dense tensors.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return [tf.convert_to_tensor(gradient) for gradient in gradients]
    tables = {place: _TouchedRows(one, context) for place, one in enumerate(gradients) if _is_large_table(one)}
    sent = [tables[place].rest if place in tables else tf.convert_to_tensor(one) for place, one in enumerate(gradients)]
    sums = context.all_reduce(tf.distribute.ReduceOp.SUM, sent)
    return [tables[place].add_up(one) if place in tables else one for place, one in enumerate(sums)]


def _is_large_table(gradient: Gradient) -> bool:
    if not isinstance(gradient, tf.IndexedSlices) or not exchanges_rows() or gradient.dtype not in EXACT_TYPES:
        return False
    size = gradient.shape.num_elements() if gradient.shape.rank == 2 else None
    return size is not None and size * gradient.dtype.size >= LEAST_TABLE_BYTES


class _TouchedRows:
    """The gradient of a table `[rows, width]`, sent as the rows that a replica touched, or whole where that is less.

    By a ring each of n replicas sends 2 (n - 1) / n times the table to add it up, and n - 1 times its own touched rows
    to hand them round, padded to the most that any has. So rows are sent where

        n * most touched * (width + 1) < 2 * rows * width

    the one being the number of the row. How many are touched is known to all before: a graph cannot leave a collective
    operation out, so the form that is not chosen sends one row.

    Args:
        gradient: This replica's.
        context: Of the replica.
    """

    def __init__(self, gradient: tf.IndexedSlices, context: tf.distribute.ReplicaContext):
        self._shape = gradient.shape
        rows, width = self._shape
        self._num_replicas = context.num_replicas_in_sync
        ids, place = tf.unique(gradient.indices)
        values = tf.math.unsorted_segment_sum(gradient.values, place, tf.size(ids))
        self._counts = context.all_gather(tf.shape(ids), axis=0)
        most = tf.cast(self._num_replicas * (width + 1), tf.int64) * tf.cast(tf.reduce_max(self._counts), tf.int64)
        self._sends_rows = most < 2 * rows * width
        own = tf.concat([values, tf.cast(ids, values.dtype)[:, tf.newaxis]], axis=1)
        self._gathered = context.all_gather(tf.cond(self._sends_rows, lambda: own, lambda: own[:1]), axis=0)
        self.rest = tf.cond(
            self._sends_rows, lambda: tf.zeros([1, width], values.dtype), lambda: tf.convert_to_tensor(gradient)
        )
        """What is added up as other gradients are."""

    def add_up(self, rest: tf.Tensor) -> tf.Tensor:
        """The sum of all replicas' gradients, dense; `rest` is the sum of what they gave as such."""
        total = tf.cond(self._sends_rows, self._add_rows, lambda: rest)
        return tf.ensure_shape(total, self._shape)

    def _add_rows(self) -> tf.Tensor:
        # Replica by replica, each of which has a row once: the order is the same everywhere, on GPUs too.
        total, start = tf.zeros(self._shape, self._gathered.dtype), tf.constant(0)
        for replica in range(self._num_replicas):
            end = start + self._counts[replica]
            part = self._gathered[start:end]
            total = tf.tensor_scatter_nd_add(total, tf.cast(part[:, -1:], tf.int32), part[:, :-1])
            start = end
        return total
