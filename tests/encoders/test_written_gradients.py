"""Gradients that are written out are those that TensorFlow derives from the plain forms."""

import numpy as np
import tensorflow as tf

from tfdomain.encoders.blocks import normalize
from tfdomain.encoders.written_gradients import dropped_out, gelu, normalized

RANDOM = np.random.default_rng(0)


def assert_alike(written, plain, *inputs):
    """The values and the gradients of two functions, in float64."""
    tensors = [tf.constant(one) for one in inputs]
    weights = tf.constant(RANDOM.normal(size=plain(*tensors).shape))
    values, gradients = [], []
    for function in (written, plain):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
            loss = tf.reduce_sum(value * weights)
        values.append(value)
        gradients.append(tape.gradient(loss, tensors))
    np.testing.assert_allclose(*values, rtol=1e-7, atol=1e-7)
    for own, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-7, atol=1e-7)


def test_gelu():
    assert_alike(gelu, lambda x: tf.nn.gelu(x, approximate=False), np.linspace(-9, 9, 301))


def test_layer_normalization():
    x, scale, bias = RANDOM.normal(3, 2, size=(7, 12)), RANDOM.normal(size=12), RANDOM.normal(size=12)
    assert_alike(
        lambda x, *norm: normalized(x, norm, 1e-12), lambda x, *norm: normalize(x, norm, 1e-12), x, scale, bias
    )


def test_dropout():
    kept = tf.constant(RANDOM.random((5, 6)) < 0.7)
    assert_alike(
        lambda x: dropped_out(x, kept, 1 / 0.7), lambda x: tf.where(kept, x / 0.7, 0.0), RANDOM.normal(size=(5, 6))
    )
