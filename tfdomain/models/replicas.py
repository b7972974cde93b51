"""What the replicas of a training step know of each other's examples."""

from collections.abc import Mapping

import tensorflow as tf

__all__ = ["gather_examples"]


def gather_examples(
    vectors: Mapping[str, tf.Tensor], ids: Mapping[str, tf.Tensor]
) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor], tf.Tensor]:
    """The examples of all replicas, on each of them; gradients flow back to the replica that each came from.

    Args:
        vectors: Float `[batch, size]` each, this replica's share of a global batch.
        ids: int64 `[batch]` each.

    Returns:
        Both for the global batch, and where this replica's share starts in them, int32 scalar.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return dict(vectors), dict(ids), tf.constant(0)
    size = tf.shape(next(iter(vectors.values())))[:1]
    start = tf.reduce_sum(context.all_gather(size, axis=0)[: context.replica_id_in_sync_group])
    return _gathered(context, vectors), _gathered(context, ids), start


def _gathered(context: tf.distribute.ReplicaContext, tensors: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    # All at once: replicas have to meet in each gathering in one order, and gradients know of none.
    gathered = context.all_gather(tf.stack(list(tensors.values()), axis=1), axis=0)
    return dict(zip(tensors, tf.unstack(gathered, num=len(tensors), axis=1), strict=True))
