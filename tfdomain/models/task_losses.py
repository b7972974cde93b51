"""The losses of several tasks become one."""

import math
from collections.abc import Mapping
from typing import Any, Literal

import keras
import tensorflow as tf

from tfdomain.errors import InputError

__all__ = ["TaskLosses"]

UNCERTAINTY = "uncertainty"


class TaskLosses(keras.layers.Layer):
    """Weighs the losses of several tasks, by numbers that are given or by learned uncertainties.

    With `uncertainty` each task has a variance, and its logarithm s is learned: a task adds exp(-s) times its loss, and
    s / 2; where the loss is a squared error, half of exp(-s) times it. A task that stays uncertain comes to weigh less.

    Args:
        is_squared: Whether the loss of each task is a squared error.
        weights: A factor above 0 by task, 1 where none is given; or `uncertainty`.

    Raises:
        InputError: A weight is of no task, or not above 0.

    Reference:
        Kendall, Gal and Cipolla 2018, "Multi-Task Learning Using Uncertainty to Weigh Losses", equations 7 and 10
        (https://arxiv.org/abs/1705.07115).
    """

    def __init__(
        self,
        is_squared: Mapping[str, bool],
        weights: Mapping[str, float] | Literal["uncertainty"] | None = None,
        **kwargs: Any,
    ):
        super().__init__(dtype="float32", **kwargs)
        self.names, self.factors = list(is_squared), [0.5 if squared else 1.0 for squared in is_squared.values()]
        self.log_variances = None
        self.fixed = [1.0] * len(self.names)
        if weights == UNCERTAINTY:
            self.log_variances = self.add_weight(shape=[len(self.names)], initializer="zeros", name="log_variances")
        elif isinstance(weights, str):
            mend = f"give {UNCERTAINTY!r}, or a factor by task"
            raise InputError(f"loss_weights is {weights!r}", mend=mend)
        else:
            self.fixed = _checked(weights or {}, self.names)
        self.built = True

    def total(self, losses: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The one loss.

        Args:
            losses: This replica's part of the mean loss of each task, float32 scalars.

        Returns:
            This replica's part of the weighted sum, float32 scalar.
        """
        parts = tf.stack([losses[name] for name in self.names])
        if self.log_variances is None:
            return tf.reduce_sum(parts * tf.constant(self.fixed))
        log_variances = tf.convert_to_tensor(self.log_variances)
        # Replicas' losses are summed, and this term is there once.
        once = log_variances / (2 * tf.distribute.get_strategy().num_replicas_in_sync)
        return tf.reduce_sum(tf.constant(self.factors) * tf.exp(-log_variances) * parts + once)


def _checked(weights: Mapping[str, float], names: list[str]) -> list[float]:
    unknown = [name for name in weights if name not in names]
    if unknown:
        raise InputError(f"a weight for {unknown[0]!r}", where="loss_weights", mend=f"the tasks are {', '.join(names)}")
    for name, weight in weights.items():
        if not 0 < weight < math.inf:
            raise InputError(f"{name} weighs {weight}", where="loss_weights", mend="give a number above 0")
    return [float(weights.get(name, 1.0)) for name in names]
