"""Parts of the encoder with their gradients written out, for training.

What TensorFlow derives by itself keeps the result of each small step for the gradient: eight tensors of the
feed-forward part's size for one GELU, and a float for each element that a dropout kept. These keep what the formulas
need, and pass over it fewer times. In inference, where nothing is kept, the plain forms are fewer operations.
"""

import math

import tensorflow as tf

__all__ = ["dropped_out", "gelu", "normalized"]


@tf.custom_gradient
def gelu(x: tf.Tensor):
    """`x` times the normal distribution's share below it, elementwise.

    Reference: Hendrycks and Gimpel 2016, "Gaussian Error Linear Units (GELUs)".
    """
    below = 0.5 * tf.math.erfc(x * -math.sqrt(0.5))

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        density = tf.exp(tf.square(x) * -0.5) * (1 / math.sqrt(2 * math.pi))
        return upstream * (below + x * density)

    return x * below, gradient


def normalized(x: tf.Tensor, norm: tuple[tf.Tensor, tf.Tensor], epsilon: float) -> tf.Tensor:
    """Layer normalization of the last dimension of `[tokens, size]`; `norm` is scale and bias, `[size]` each.

    Reference: Ba, Kiros and Hinton 2016, "Layer Normalization".
    """

    @tf.custom_gradient
    def apply(x: tf.Tensor, scale: tf.Tensor, bias: tf.Tensor):
        centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
        inverse = tf.math.rsqrt(tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True) + epsilon)
        standard = centred * inverse

        def gradient(upstream: tf.Tensor):
            inner = upstream * scale
            mean = tf.reduce_mean(inner, axis=-1, keepdims=True)
            shared = tf.reduce_mean(inner * standard, axis=-1, keepdims=True)
            own = (inner - mean - standard * shared) * inverse
            return own, tf.reduce_sum(upstream * standard, axis=0), tf.reduce_sum(upstream, axis=0)

        return standard * scale + bias, gradient

    return apply(x, *norm)


def dropped_out(x: tf.Tensor, kept: tf.Tensor, factor: float) -> tf.Tensor:
    """`x` times `factor` where `kept` (booleans, as `x`), and 0 elsewhere; a byte an element waits for the gradient."""

    def apply(values: tf.Tensor) -> tf.Tensor:
        return values * (tf.cast(kept, values.dtype) * tf.cast(factor, values.dtype))

    return tf.custom_gradient(lambda x: (apply(x), apply))(x)
