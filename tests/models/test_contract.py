"""What every public model keeps: one test case a promise, one row a model."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfdomain
from tfdomain.models.folder import TASKS

TEXTS = ["my car is lost", "we paid", "", "please help with the money for school !"]

# How each task's model is made on the tiny checkpoint, and one label for each of TEXTS.
ROWS = {
    "classification": [
        (tfdomain.TextClassifier, {"labels": ["default", "repaid"]}, ["default", "repaid", "repaid", "default"]),
        (
            tfdomain.TextClassifier,
            {"labels": ["a", "b", "c"], "pooling": "mean", "max_length": 16},
            ["a", "b", "c", "a"],
        ),
    ],
}
CASES = [pytest.param(*row, id=f"{task}-{place}") for task, rows in ROWS.items() for place, row in enumerate(rows)]
FIT = {"epochs": 1, "batch_size": 2, "verbose": 0, "learning_rate": 0.01}


def make(kind, settings, checkpoint, **more):
    return kind.from_pretrained(checkpoint, **settings, **more)


def test_every_task_has_a_row():
    assert set(ROWS) == set(TASKS)


@pytest.mark.parametrize(("kind", "settings", "labels"), CASES)
class TestContract:
    def test_config_round_trip(self, kind, settings, labels, tiny_checkpoint):
        model = make(kind, settings, tiny_checkpoint)
        config = json.loads(json.dumps(model.get_config()))
        again = kind.from_config(config)
        assert json.loads(json.dumps(again.get_config())) == config
        again.set_weights(model.get_weights())
        np.testing.assert_array_equal(again.predict(TEXTS), model.predict(TEXTS))

    def test_save_and_load(self, kind, settings, labels, tiny_checkpoint, tmp_path):
        model = make(kind, settings, tiny_checkpoint)
        model.fit(TEXTS, labels, **FIT)
        model.save(tmp_path / "model", origin="a test")
        again = tfdomain.load(tmp_path / "model")
        assert type(again) is kind
        assert again.notes == {"origin": "a test"}
        np.testing.assert_array_equal(again.predict(TEXTS), model.predict(TEXTS))

    def test_fit_is_a_function_of_the_seed(self, kind, settings, labels, tiny_checkpoint):
        runs = [make(kind, settings, tiny_checkpoint) for _ in range(3)]
        before = runs[0].predict(TEXTS)
        for model, seed in zip(runs, (1, 1, 2), strict=True):
            model.fit(TEXTS, labels, seed=seed, **FIT)
        first, same, other = (model.predict(TEXTS) for model in runs)
        np.testing.assert_array_equal(first, same)
        assert not np.array_equal(first, other)
        assert not np.array_equal(first, before)

    def test_fit_takes_a_dataset(self, kind, settings, labels, tiny_checkpoint):
        numbers = make(kind, settings, tiny_checkpoint).encode_labels(labels)
        dataset = tf.data.Dataset.from_tensor_slices((TEXTS, numbers)).batch(2)
        model, other = (make(kind, settings, tiny_checkpoint) for _ in range(2))
        model.fit(dataset, **FIT)
        other.fit(dataset, **FIT)
        # Texts in a list are grouped by length, and rounding differs with the batch that a text is in.
        np.testing.assert_allclose(model.predict(dataset), other.predict(TEXTS), atol=1e-6)
        assert model.evaluate(dataset)["accuracy"] == model.evaluate(TEXTS, labels)["accuracy"]

    def test_export_answers_as_predict(self, kind, settings, labels, tiny_checkpoint, tmp_path):
        model = make(kind, settings, tiny_checkpoint)
        folder = model.export(tmp_path / "served")
        np.save(tmp_path / "expected.npy", model.predict(TEXTS))
        # A server has TensorFlow and its text ops, and nothing of ours.
        script = f"""
import sys, numpy as np, tensorflow as tf, tensorflow_text
signature = tf.saved_model.load({str(folder)!r}).signatures["serving_default"]
scores = signature(text=tf.constant({TEXTS!r}))["scores"].numpy()
np.testing.assert_allclose(scores, np.load({str(tmp_path / "expected.npy")!r}), atol=1e-5)
assert not [name for name in sys.modules if name.split(".")[0] in ("tfdomain", "keras_hub", "transformers")]
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr

    @pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
    def test_mixed_precision(self, kind, settings, labels, tiny_checkpoint, policy):
        full = make(kind, settings, tiny_checkpoint).predict(TEXTS)
        keras.mixed_precision.set_global_policy(policy)
        try:
            model = make(kind, settings, tiny_checkpoint)
            scores = model.predict(TEXTS)
            assert scores.dtype == np.float32
            np.testing.assert_allclose(scores, full, atol=0.03)
            history = model.fit(TEXTS, labels, **FIT)
        finally:
            keras.mixed_precision.set_global_policy("float32")
        assert np.isfinite(history.history["loss"]).all()
        assert all(variable.dtype == "float32" for variable in model.trainable_variables)

    def test_mirrored_strategy_gives_the_same_weights(self, kind, settings, labels, tiny_checkpoint, tmp_path):
        script = f"""
import numpy as np, tensorflow as tf, tfdomain
devices = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(devices[0], [tf.config.LogicalDeviceConfiguration()] * 2)
texts, labels = {TEXTS!r} * 3, {labels!r} * 3

def train():
    model = tfdomain.{kind.__name__}.from_pretrained({str(tiny_checkpoint)!r}, dropout_rate=0.0, **{settings!r})
    # 12 rows in batches of 5: the last batch of an epoch is uneven on two replicas.
    model.fit(texts, labels, epochs=3, batch_size=5, optimizer="sgd", learning_rate=0.1, verbose=0)
    return model

alone = train()
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    together = train()
    np.testing.assert_allclose(together.predict(texts), alone.predict(texts), atol=1e-5)
for one, other in zip(together.get_weights(), alone.get_weights(), strict=True):
    np.testing.assert_allclose(one, other, atol=1e-5)
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-3000:]
