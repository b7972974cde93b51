"""Losses scaled for float16: the update is the unscaled one, and one that overflows is left out."""

import functools
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdomain.optimization.optimizers import SGD, AdamW

STEPS = 6
NAMES = ("loss_scale", "skipped_updates", "iterations")
START = np.array([[1.0, -2.0], [0.5, 3.0]], "float32")


def learn(optimizer, gradients_of_step):
    """Steps of gradients of the loss as scaled; the weights, and the figures of each step."""
    weight = keras.Variable(START, name="kernel")
    optimizer.build([weight])
    figures = []
    for number in range(STEPS):
        step = tf.function(lambda gradient: scaled_step(optimizer, weight, gradient))
        step(tf.constant(gradients_of_step(number)))
        figures.append([float(getattr(optimizer, name).numpy()) for name in NAMES if hasattr(optimizer, name)])
    return weight.numpy(), figures


def scaled_step(optimizer, weight, gradient):
    optimizer.apply([gradient * optimizer.scale_loss(tf.constant(1.0))], [weight])


def plain(number):
    return np.full((2, 2), 0.1 * (number + 1), "float32")


def overflowing(number):
    return np.full((2, 2), np.inf if number == 2 else 0.1 * (number + 1), "float32")


@pytest.mark.parametrize("make", [AdamW, SGD])
def test_scaled_updates_are_the_unscaled_ones(make):
    scaled, figures = learn(make(0.01, scale_losses=True), plain)
    np.testing.assert_allclose(scaled, learn(make(0.01), plain)[0], rtol=1e-6)
    assert figures[-1] == [2.0**15, 0, STEPS]


@pytest.mark.parametrize("make", [AdamW, SGD])
def test_an_overflow_leaves_its_update_out(make):
    weight, figures = learn(make(0.01, clip_norm=None, scale_losses=True), overflowing)
    np.testing.assert_allclose(weight, without_the_overflow(make(0.01, clip_norm=None)), rtol=1e-6)
    assert [scale for scale, _, _ in figures] == [2.0**15] * 2 + [2.0**14] * 4
    assert [skipped for _, skipped, _ in figures] == [0, 0, 1, 1, 1, 1]
    assert figures[-1][2] == STEPS - 1


def without_the_overflow(optimizer, num_replicas=1):
    weight = keras.Variable(START, name="kernel")
    for step in (step for step in range(STEPS) if step != 2):
        optimizer.apply([tf.constant(num_replicas * plain(step))], [weight])
    return weight.numpy()


def test_all_replicas_leave_out_what_overflows_on_one():
    subprocess.run([sys.executable, __file__], check=True, timeout=300)


def learn_on_two_replicas():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for make in (AdamW, SGD):
        with strategy.scope():
            optimizer = make(0.01, clip_norm=None, scale_losses=True)
            weight = keras.Variable(START, name="kernel")
            optimizer.build([weight])

        step = functools.partial(scaled_step, optimizer, weight)
        update = tf.function(functools.partial(strategy.run, step))
        for number in range(STEPS):
            parts = [overflowing(number), plain(number)]
            own = strategy.experimental_distribute_values_from_function(
                lambda context, parts=parts: tf.constant(parts[context.replica_id_in_sync_group])
            )
            update(args=(own,))
        expected = without_the_overflow(make(0.01, clip_norm=None), num_replicas=2)
        for copy in strategy.experimental_local_results(weight.value):
            np.testing.assert_allclose(np.array(copy), expected, rtol=1e-6)
        assert float(optimizer.skipped_updates.numpy()) == 1 and float(optimizer.loss_scale.numpy()) == 2.0**14


def test_the_scale_doubles_after_many_updates_without_an_overflow(monkeypatch):
    monkeypatch.setattr("tfdomain.optimization.optimizers.UPDATES_AT_A_SCALE", 2)
    _, figures = learn(AdamW(0.01, scale_losses=True), plain)
    assert [scale for scale, _, _ in figures] == [2.0**15, 2.0**16, 2.0**16, 2.0**17, 2.0**17, 2.0**18]


def test_the_scale_never_falls_below_one():
    optimizer = SGD(0.01, scale_losses=True)
    weight = keras.Variable(START, name="kernel")
    optimizer.build([weight])
    for _ in range(20):
        optimizer.apply([tf.constant(np.full((2, 2), np.nan, "float32"))], [weight])
    assert float(optimizer.loss_scale.numpy()) == 1
    np.testing.assert_array_equal(weight.numpy(), START)


if __name__ == "__main__":
    learn_on_two_replicas()
