"""Gradients of a batch computed in parts, in the memory of one part."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfdomain.optimization.exchange import Gradient, exchanges_rows
from tfdomain.optimization.shares import share_of_rows

__all__ = ["sum_over_parts"]

Differentiate = Callable[[Any, tf.Tensor], tuple[tf.Tensor, Sequence[Gradient | None]]]


def sum_over_parts(
    differentiate: Differentiate, batch: Mapping[str, Any], seed: tf.Tensor, num_parts: int
) -> tuple[tf.Tensor, list[Gradient | None]]:
    """The loss and the gradients of a batch, as the sums over its parts.

    Equal to those of the whole batch where the loss is a sum over rows divided by a number that is given.

    Args:
        differentiate: Gives a part's loss and gradients, of the part and a seed.
        batch: Tensors `[rows, ...]`, perhaps in dictionaries by name.
        seed: int32 `[2]`, of everything random; each part has its own, and one part alone this very one.
        num_parts: Into how many parts the rows are divided, as evenly as they can be.

    Returns:
        The loss, float32 scalar, and the gradients, dense but for tables whose rows are to be exchanged with other
        replicas; None for a variable that has no part in the loss.
    """
    if num_parts == 1:
        loss, gradients = differentiate(batch, seed)
        return loss, list(gradients)

    def compute(number: tf.Tensor | int):
        part = share_of_rows(dict(batch), number, num_parts)
        loss, gradients = differentiate(part, tf.random.fold_in(seed, number))
        return loss, [gradient for gradient in gradients if gradient is not None], gradients

    def add(number: tf.Tensor, loss: tf.Tensor, sums: list[list[tf.Tensor]]):
        more_loss, more, _ = compute(number)
        return number + 1, loss + more_loss, [_added(one, other) for one, other in zip(sums, more, strict=True)]

    first_loss, there, first = compute(0)
    begun = [_begun(gradient) for gradient in there]
    # One after the other: side by side they would need the memory of the whole batch.
    _, loss, sums = tf.while_loop(
        lambda number, *_: number < num_parts,
        add,
        (tf.constant(1), first_loss, begun),
        # How many rows of a table are touched grows from part to part.
        shape_invariants=(
            tf.TensorShape([]),
            first_loss.shape,
            [[one.shape, *(tf.TensorShape([None]) for _ in rows)] for one, *rows in begun],
        ),
        parallel_iterations=1,
    )
    rest = iter(sums)
    return loss, [None if gradient is None else _ended(next(rest)) for gradient in first]


def _begun(gradient: Gradient) -> list[tf.Tensor]:
    """What the loop carries of a gradient: it dense, and of a table whose rows are exchanged their numbers."""
    rows = [gradient.indices] if isinstance(gradient, tf.IndexedSlices) and exchanges_rows() else []
    return [tf.convert_to_tensor(gradient), *rows]


def _added(carried: list[tf.Tensor], gradient: Gradient) -> list[tf.Tensor]:
    if len(carried) == 1:
        return [carried[0] + tf.convert_to_tensor(gradient)]
    total, rows = carried
    total = tf.tensor_scatter_nd_add(total, gradient.indices[:, tf.newaxis], gradient.values)
    return [total, tf.concat([rows, gradient.indices], 0)]


def _ended(carried: list[tf.Tensor]) -> Gradient:
    total, *rows = carried
    if not rows:
        return total
    touched, _ = tf.unique(rows[0])
    return tf.IndexedSlices(tf.gather(total, touched), touched, tf.shape(total, touched.dtype))
