"""One update of a model's weights, compiled, the same on one device and on many replicas."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import tensorflow as tf

from tfdomain.optimization.shares import rows_that_count

__all__ = ["Trainable", "fold_seed", "make_train_function"]

Batch = Mapping[str, Any]


class Trainable(Protocol):
    """What a model offers the train function: the seam for adversarial and other steps."""

    seed: int

    def loss_denominator(self, batch: Batch) -> tf.Tensor:
        """This replica's part of what the batch's sum of losses is divided by, float32 scalar; or some by name."""

    def train_replica(self, batch: Batch, *, denominator: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Updates the weights from this replica's share of a batch and gives its part of the loss."""


def fold_seed(seed: int, step: tf.Tensor, replica: tf.Tensor | int, num_replicas: int) -> tf.Tensor:
    """The int32 `[2]` seed of everything random in one step of one replica.

    No two of (step, replica) share a seed within a run, and the same pair always has the same one:
    a resumed run draws what the uninterrupted one would have drawn.
    """
    draw = tf.cast(step, tf.int32) * num_replicas + tf.cast(replica, tf.int32)
    return tf.stack([tf.constant(seed & 0x7FFFFFFF, tf.int32), draw])


def make_train_function(model: Trainable, batch_spec, *, jit_compile: bool = False) -> Callable:
    """Compiles `train(batch, step) -> totals`, traced once however long the batches are.

    Args:
        model: Computes a replica's share of an update in `train_replica`.
        batch_spec: The `element_spec` of the (distributed) data set that the batches come from.
        jit_compile: Compile the replica's step with XLA; of one replica alone the whole function.

    Returns:
        A function of a batch (a dict of tensors, per replica under a strategy, or several batches
        by name) and the step's number (int64 scalar). It gives float32 scalars: `loss`, the mean over the global batch,
        and the batch's `num_examples`, `num_tokens` and `num_positions` (tokens with padding).
    """
    strategy = tf.distribute.get_strategy()
    num_replicas = strategy.num_replicas_in_sync

    def replica_step(batch, step):
        context = tf.distribute.get_replica_context()
        totals = _totals(batch)
        denominator = model.loss_denominator(batch)
        if num_replicas > 1:
            totals, denominator = context.all_reduce(tf.distribute.ReduceOp.SUM, (totals, denominator))
        seed = fold_seed(model.seed, step, context.replica_id_in_sync_group, num_replicas)
        loss = model.train_replica(batch, denominator=denominator, seed=seed)
        if num_replicas > 1:
            loss = context.all_reduce(tf.distribute.ReduceOp.SUM, loss)
        return {"loss": loss, **totals}

    if jit_compile and num_replicas > 1:
        replica_step = tf.function(replica_step, jit_compile=True)

    @tf.function(
        input_signature=[batch_spec, tf.TensorSpec([], tf.int64)],
        jit_compile=(jit_compile and num_replicas == 1) or None,
    )
    def train(batch, step):
        if num_replicas == 1:
            return replica_step(batch, step)
        return strategy.experimental_local_results(strategy.run(replica_step, args=(batch, step)))[0]

    return train


def _totals(batch: Batch) -> dict[str, tf.Tensor]:
    """The size of a batch, or of several by name together, in float32 scalars."""
    if "token_ids" not in batch:
        parts = [_totals(part) for part in batch.values()]
        return {name: tf.add_n([part[name] for part in parts]) for name in parts[0]}
    return {
        "num_examples": rows_that_count(batch),
        "num_tokens": tf.cast(tf.reduce_sum(batch["padding_mask"]), tf.float32),
        "num_positions": tf.cast(tf.size(batch["token_ids"]), tf.float32),
    }
