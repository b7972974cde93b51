import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdomain.errors import InputError
from tfdomain.metrics.classification import classification_metrics
from tfdomain.metrics.confusion import CONFUSION_SCORES
from tfdomain.metrics.streaming import ConfusionScore


@pytest.fixture(scope="module")
def case():
    random = np.random.default_rng(0)
    labels = random.choice([0, 1, 3], 90)  # class 2 never occurs, class 4 neither, and is never predicted
    probabilities = random.dirichlet([2, 2, 1, 2, 0.001], 90).astype("float32")
    return labels, probabilities, random.uniform(0, 2, 90).astype("float32")


@pytest.mark.parametrize("weighted", [False, True])
def test_batches_give_what_the_table_gives(case, weighted):
    labels, probabilities, weight = case
    weight = weight if weighted else None
    table = classification_metrics(labels, probabilities, list("abcde"), weight)
    for name in CONFUSION_SCORES:
        metric = ConfusionScore(name, num_classes=5, dtype="float64")
        update = tf.function(metric.update_state)
        for start in range(0, 90, 25):
            rows = slice(start, start + 25)
            update(labels[rows, None], probabilities[rows], None if weight is None else weight[rows, None])
        assert float(tf.function(metric.result)()) == pytest.approx(table[name], abs=1e-12), name


def test_reset_empties_it_and_empty_is_zero(case):
    metric = ConfusionScore("macro_f1", num_classes=5)
    assert float(metric.result()) == 0
    metric.update_state(*case[:2])
    metric.reset_state()
    assert float(metric.result()) == 0


def test_negative_labels_are_left_out(case):
    labels, probabilities, _ = case
    metric = ConfusionScore("accuracy", num_classes=5, dtype="float64")
    metric.update_state(np.where(np.arange(90) < 40, -1, labels), probabilities)
    assert float(metric.result()) == pytest.approx(np.mean(probabilities[40:].argmax(1) == labels[40:]))


def test_config_round_trip():
    metric = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(ConfusionScore("weighted_recall", num_classes=3, name="recall"))
    )
    assert (metric.score, metric.num_classes, metric.name) == ("weighted_recall", 3, "recall")


def test_counting_goes_on_past_float32():
    metric = ConfusionScore("accuracy", num_classes=2, dtype="float64")
    metric.update_state([0], [[1.0, 0.0]], [2.0**24])
    metric.update_state([0], [[0.0, 1.0]])
    assert float(metric.result()) == 2**24 / (2**24 + 1)


@pytest.mark.parametrize("arguments", [{"score": "f1", "num_classes": 3}, {"score": "accuracy", "num_classes": 1}])
def test_contradictions_are_refused(arguments):
    with pytest.raises(InputError, match=r"choose one of accuracy|num_classes is 1"):
        ConfusionScore(**arguments)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_fit_logs_it(case, jit_compile):
    labels, probabilities, _ = case
    model = keras.Sequential([keras.layers.Input((5,)), keras.layers.Softmax()])
    model.compile(
        loss="sparse_categorical_crossentropy",
        metrics=[ConfusionScore("macro_f1", num_classes=5)],
        jit_compile=jit_compile,
    )
    logs = model.evaluate(np.log(probabilities + 1e-9), labels, batch_size=32, verbose=0, return_dict=True)
    table = classification_metrics(labels, probabilities, list("abcde"))
    assert logs["macro_f1"] == pytest.approx(table["macro_f1"], rel=1e-6)


REPLICAS = """
import json, sys
import numpy as np
import tensorflow as tf
from tfdomain.metrics.streaming import ConfusionScore

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
labels, probabilities = map(np.array, json.load(sys.stdin))
with strategy.scope():
    metric = ConfusionScore("macro_f1", num_classes=5, dtype="float64")
data = tf.data.Dataset.from_tensor_slices((labels, probabilities)).batch(30)

@tf.function
def step(batch):
    strategy.run(lambda pair: metric.update_state(*pair), args=(batch,))

for batch in strategy.experimental_distribute_dataset(data):
    step(batch)
print(strategy.num_replicas_in_sync, float(metric.result()))
"""


@pytest.mark.thorough
def test_replicas_add_up(case):
    # In a process of its own: the number of devices cannot change once TensorFlow has started.
    labels, probabilities, _ = case
    answer = subprocess.run(
        [sys.executable, "-c", REPLICAS],
        input=json.dumps([labels.tolist(), probabilities.tolist()]),
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    num_replicas, score = answer.stdout.split()
    assert num_replicas == "2"
    table = classification_metrics(labels, probabilities, list("abcde"))
    assert float(score) == pytest.approx(table["macro_f1"], abs=1e-12)
