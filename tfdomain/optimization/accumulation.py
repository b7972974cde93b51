"""Gradients of a batch computed in parts, in the memory of one part."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfdomain.optimization.shares import share_of_rows

__all__ = ["sum_over_parts"]

Differentiate = Callable[[Any, tf.Tensor], tuple[tf.Tensor, Sequence[Any]]]


def sum_over_parts(
    differentiate: Differentiate, batch: Mapping[str, Any], seed: tf.Tensor, num_parts: int
) -> tuple[tf.Tensor, list[tf.Tensor | None]]:
    """The loss and the gradients of a batch, as the sums over its parts.

    Equal to those of the whole batch where the loss is a sum over rows divided by a number that is given.

    Args:
        differentiate: Gives a part's loss and gradients, of the part and a seed.
        batch: Tensors `[rows, ...]`, perhaps in dictionaries by name.
        seed: int32 `[2]`, of everything random; each part has its own, and one part alone this very one.
        num_parts: Into how many parts the rows are divided, as evenly as they can be.

    Returns:
        The loss, float32 scalar, and dense gradients; None for a variable that has no part in the loss.
    """
    if num_parts == 1:
        loss, gradients = differentiate(batch, seed)
        return loss, list(gradients)

    def compute(number: tf.Tensor | int):
        part = share_of_rows(dict(batch), number, num_parts)
        loss, gradients = differentiate(part, tf.random.fold_in(seed, number))
        return loss, [None if gradient is None else tf.convert_to_tensor(gradient) for gradient in gradients]

    def add(number: tf.Tensor, loss: tf.Tensor, sums: list[tf.Tensor]):
        more_loss, more = compute(number)
        return number + 1, loss + more_loss, [one + other for one, other in zip(sums, _there(more), strict=True)]

    first_loss, first = compute(0)
    # One after the other: side by side they would need the memory of the whole batch.
    _, loss, sums = tf.while_loop(
        lambda number, *_: number < num_parts, add, (tf.constant(1), first_loss, _there(first)), parallel_iterations=1
    )
    rest = iter(sums)
    return loss, [None if gradient is None else next(rest) for gradient in first]


def _there(gradients: Sequence[tf.Tensor | None]) -> list[tf.Tensor]:
    return [gradient for gradient in gradients if gradient is not None]
