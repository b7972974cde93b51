"""The rows of a batch divided: into the parts of an update, and among the replicas of a strategy."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

__all__ = ["distribute_rows", "rows_that_count", "share_of_rows"]


def share_of_rows(tensors: Any, number: tf.Tensor | int, num_shares: int) -> Any:
    """One of the shares that rows are divided into: they hold each row once, and their sizes differ by 1 at most.

    Args:
        tensors: Tensors `[rows, ...]`, perhaps in dictionaries by name.
        number: Which share, from 0.
        num_shares: How many there are; with fewer rows than that some are empty.
    """

    def share(tensor: tf.Tensor) -> tf.Tensor:
        if tensor.shape[0] is not None and tensor.shape[0] % num_shares == 0:
            # Of equal shares each has a size that is known: what is compiled wants to know it.
            size = tensor.shape[0] // num_shares
            shares = tf.reshape(tensor, tf.concat([[num_shares, size], tf.shape(tensor)[1:]], 0))
            return tf.ensure_shape(tf.gather(shares, number), [size, *tensor.shape[1:]])
        rows = tf.shape(tensor, tf.int64)[0]
        place = tf.cast(number, tf.int64)
        return tensor[rows * place // num_shares : rows * (place + 1) // num_shares]

    return tf.nest.map_structure(share, tensors)


def rows_that_count(batch: Mapping[str, Any]) -> tf.Tensor:
    """The rows of a token batch but those that only fill it up, whose `row_mask` is 0; float32 scalar."""
    if "row_mask" in batch:
        return tf.reduce_sum(batch["row_mask"])
    return tf.cast(tf.shape(batch["token_ids"])[0], tf.float32)


def distribute_rows(dataset: tf.data.Dataset) -> Any:
    """A data set of global batches as the strategy at hand takes it: each replica gets its share of each batch's rows.

    Every process reads all batches and keeps its own rows: which rows a batch holds is then the same for any number
    of processes, and no row is lost or seen twice where the last batch is a small one.

    Args:
        dataset: The same in every process; dictionaries of tensors `[rows, ...]`.

    Returns:
        An iterable with an `element_spec`.
    """
    strategy = tf.distribute.get_strategy()
    num_replicas = strategy.num_replicas_in_sync
    if num_replicas == 1:
        return dataset

    def own_shares(context: tf.distribute.InputContext) -> tf.data.Dataset:
        num_own = num_replicas // context.num_input_pipelines
        first = context.input_pipeline_id * num_own
        replicas = tf.data.Dataset.range(first, first + num_own)
        return dataset.flat_map(
            lambda batch: replicas.map(lambda replica: share_of_rows(batch, replica, num_replicas))
        ).prefetch(num_own)

    return strategy.distribute_datasets_from_function(own_shares)
