"""Layers computed a second time for the gradient: the same training in less memory."""

import subprocess
import sys

import numpy as np
import pytest

from tfdomain.models.classifier import TextClassifier

FIT = {"epochs": 2, "batch_size": 10, "optimizer": "sgd", "learning_rate": 0.05, "verbose": 0}


def trained(checkpoint, texts, **options):
    model = TextClassifier.from_pretrained(str(checkpoint), labels=["default", "repaid"], dropout_rate=0.3, seed=1)
    model.fit(*texts, **FIT, **options)
    return model


@pytest.mark.parametrize("options", [{}, {"accumulate": 2}, {"frozen_layers": 1}], ids=["all", "parts", "frozen"])
def test_the_same_weights_with_the_same_dropout(tiny_checkpoint, labelled_texts, options):
    plain = trained(tiny_checkpoint, labelled_texts, **options)
    again = trained(tiny_checkpoint, labelled_texts, **options, recompute=True)
    assert again.encoder.recompute and not plain.encoder.recompute
    for one, other in zip(plain.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_it_ends_with_the_training_that_asked_for_it(tiny_checkpoint, labelled_texts):
    model = trained(tiny_checkpoint, labelled_texts, recompute=True)
    model.fit(*labelled_texts, **FIT)
    assert not model.encoder.recompute


@pytest.mark.thorough
def test_it_takes_less_memory():
    script = """
import sys
import tensorflow as tf
from tfdomain.encoders.config import EncoderConfig
from tfdomain.encoders.encoder import Encoder
from tfdomain.training.peak_memory import peak_memory_bytes
sizes = dict(hidden_size=128, num_hidden_layers=8, num_attention_heads=2, intermediate_size=512)
encoder = Encoder(EncoderConfig(vocab_size=50, **sizes), seed=0)
encoder.recompute = bool(int(sys.argv[1]))
weights = [weight.value for weight in encoder.trainable_variables]

@tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)])
def gradients(ids):
    with tf.GradientTape() as tape:
        hidden = encoder({"token_ids": ids}, training=True, dropout_seed=tf.constant([0, 1]))
        loss = tf.reduce_sum(hidden[:, :, :3])
    return [tf.reduce_sum(gradient) for gradient in tape.gradient(loss, weights) if gradient is not None]

gradients(tf.ones([1, 8], tf.int32))
before = peak_memory_bytes()
gradients(tf.ones([16, 256], tf.int32))
print(peak_memory_bytes() - before)
"""
    plain, again = (
        int(subprocess.run([sys.executable, "-c", script, flag], capture_output=True, text=True, check=True).stdout)
        for flag in "01"
    )
    assert again < 0.6 * plain


@pytest.mark.thorough
def test_replicas_recompute_too(tiny_checkpoint, labelled_texts, tmp_path):
    script = f"""
import sys
import numpy as np
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from tfdomain.models.classifier import TextClassifier
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    for name, recompute in (("plain", False), ("again", True)):
        model = TextClassifier.from_pretrained({str(tiny_checkpoint)!r}, labels=["default", "repaid"], seed=1)
        model.fit(*{labelled_texts!r}, **{FIT!r}, recompute=recompute)
        np.savez(name, *model.get_weights())
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    with np.load(tmp_path / "plain.npz") as plain, np.load(tmp_path / "again.npz") as again:
        for name in plain.files:
            np.testing.assert_allclose(plain[name], again[name], atol=1e-6)
