"""Dropout whose mask is a function of a seed and of the layer's number, and of nothing else.

A step of training can then be repeated, resumed or split over replicas without any hidden state: whoever runs
the step hands in the seed of (run, step, replica), and each layer adds its own number.
"""

from typing import Any

import keras
import tensorflow as tf

from tfdomain.encoders.written_gradients import dropped_out
from tfdomain.errors import InputError

__all__ = ["StatelessDropout", "apply_dropout", "draw_seed"]

# Sixteen random bits decide an element: half the random numbers of a float draw, the rate exact to 1/65536.
_STEPS = 1 << 16


def apply_dropout(x: tf.Tensor, *, rate: float, seed: tf.Tensor, layer_index: int) -> tf.Tensor:
    """Zeroes a share of the elements and scales the others up by as much.

    Args:
        x: Floating-point tensor of any shape.
        rate: The share to zero, in [0, 1); met to within 1/65536.
        seed: int32 `[2]`.
        layer_index: The number that tells this dropout from the others that get the same seed.

    Returns:
        A tensor like `x`; the mask depends on the shape, the seed and the layer's number alone.

    Reference: Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting".
    """
    threshold = min(round(rate * _STEPS), _STEPS - 1)
    if threshold == 0:
        return x
    # Philox by name: "auto" is another generator, and so another mask, on other devices.
    seed = tf.random.experimental.stateless_fold_in(seed, layer_index, alg="philox")
    shape = tf.shape(x)
    size = tf.reduce_prod(shape)
    words = tf.random.stateless_uniform(
        [(size + 1) // 2], seed, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )
    bits = tf.reshape(tf.bitcast(words, tf.uint16), [-1])[:size]
    kept = tf.reshape(bits >= tf.constant(threshold, tf.uint16), shape)
    return tf.ensure_shape(dropped_out(x, kept, _STEPS / (_STEPS - threshold)), x.shape)


def draw_seed(generator: keras.random.SeedGenerator) -> tf.Tensor:
    """The next seed of a Keras generator, as int32 `[2]`."""
    # Keras counts in int64 here and in uint32 elsewhere: what fits int32 is kept.
    state = tf.cast(tf.convert_to_tensor(generator.next()), tf.int64)
    return tf.cast(tf.math.floormod(state, tf.int32.max), tf.int32)


@keras.saving.register_keras_serializable("tfdomain")
class StatelessDropout(keras.layers.Layer):
    """A dropout layer that takes its seed as an argument of the call.

    Args:
        rate: The share to zero, in [0, 1).
        layer_index: This layer's number among those that get the same seed.

    Raises:
        InputError: The rate is out of its range.
    """

    def __init__(self, rate: float, layer_index: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise InputError(f"a dropout rate of {rate}", where="rate", mend="give a number from 0 to less than 1")
        self.rate, self.layer_index = rate, layer_index
        self.seed_generator = keras.random.SeedGenerator()
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Applies the dropout in training.

        Args:
            x: Floating-point tensor of any shape.
            training: Whether to drop at all.
            seed: int32 `[2]`; None draws one from the layer's own Keras generator.
        """
        if not training or self.rate == 0:
            return x
        if seed is None:
            seed = draw_seed(self.seed_generator)
        return apply_dropout(x, rate=self.rate, seed=seed, layer_index=self.layer_index)

    def compute_output_shape(self, input_shape):
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """What `from_config` rebuilds the layer from."""
        return super().get_config() | {"rate": self.rate, "layer_index": self.layer_index}
