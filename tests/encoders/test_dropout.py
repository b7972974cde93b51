"""Dropout is a function of its seed and its number."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdomain.encoders.dropout import StatelessDropout, apply_dropout
from tfdomain.errors import InputError

ONES = tf.ones([200, 333])


def mask(seed=(1, 2), layer_index=0, rate=0.1, x=ONES) -> np.ndarray:
    return StatelessDropout(rate, layer_index)(x, training=True, seed=tf.constant(seed, tf.int32)).numpy()


def test_mask_is_a_function_of_seed_and_layer():
    np.testing.assert_array_equal(mask(), mask())
    for other in (mask(seed=(1, 3)), mask(seed=(2, 2)), mask(layer_index=1)):
        # Independent masks of 10% agree on 0.9² + 0.1² = 82% of the elements.
        assert np.mean((mask() == 0) == (other == 0)) == pytest.approx(0.82, abs=0.01)


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5, 0.9])
def test_rate_and_expectation(rate):
    x = tf.ones([1000, 1001])
    dropped = mask(rate=rate, x=x)
    # Six standard deviations of the share of a million draws.
    tolerance = 6 * (rate * (1 - rate) / dropped.size) ** 0.5
    assert np.mean(dropped == 0) == pytest.approx(rate, abs=tolerance)
    assert np.unique(dropped[dropped != 0]) == pytest.approx(1 / (1 - rate), rel=1e-3)


def test_gradient_has_the_mask_of_the_output():
    x = tf.Variable(tf.ones([5, 7]))
    with tf.GradientTape() as tape:
        y = apply_dropout(x, rate=0.5, seed=tf.constant([3, 4]), layer_index=9)
    np.testing.assert_array_equal(tape.gradient(y, x), y)


def test_no_dropout_without_training_or_rate():
    seed = tf.constant([1, 2])
    np.testing.assert_array_equal(StatelessDropout(0.5)(ONES, training=False, seed=seed), ONES)
    np.testing.assert_array_equal(StatelessDropout(0.0)(ONES, training=True, seed=seed), ONES)


def test_compiled_masks_are_the_same():
    layer = StatelessDropout(0.3, 5)
    compiled = tf.function(lambda seed: layer(ONES, training=True, seed=seed), jit_compile=True)
    np.testing.assert_array_equal(compiled(tf.constant([1, 2])) == 0, mask(rate=0.3, layer_index=5) == 0)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision(policy):
    dropped = StatelessDropout(0.5, 1, dtype=policy)(ONES, training=True, seed=tf.constant([1, 2]))
    assert dropped.dtype == keras.DTypePolicy(policy).compute_dtype
    np.testing.assert_array_equal(tf.cast(dropped, tf.float32), mask(rate=0.5, layer_index=1))


def test_without_a_seed_every_call_differs():
    keras.utils.set_random_seed(0)
    layer = StatelessDropout(0.5)
    assert np.any(layer(ONES, training=True) != layer(ONES, training=True))


def test_config_round_trip_and_bad_rate():
    layer = StatelessDropout.from_config(StatelessDropout(0.25, 7, name="drop").get_config())
    assert (layer.rate, layer.layer_index, layer.name) == (0.25, 7, "drop")
    with pytest.raises(InputError, match="rate"):
        StatelessDropout(1.0)
