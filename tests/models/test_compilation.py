"""Updates on batches of fixed shapes, compiled by XLA on the CPU: what a TPU would compile."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfdomain.config import FitOptions
from tfdomain.errors import InputError
from tfdomain.models.classifier import TextClassifier
from tfdomain.models.compilation import resolved
from tfdomain.models.tagger import TokenClassifier

LABELS = ["default", "repaid"]
OPTIONS = {"optimizer": "sgd", "learning_rate": 0.1, "verbose": 0}


class Noting(TextClassifier):
    """Notes the shapes of each batch that an update is traced for."""

    def train_replica(self, batch, **more):
        shapes = {name: tuple(tensor.shape) for name, tensor in batch.items()}
        self.traced = [*getattr(self, "traced", []), shapes]
        return super().train_replica(batch, **more)


def trained(checkpoint, texts, labels, *, kind=TextClassifier, dropout_rate=0.0, **options):
    model = kind.from_pretrained(str(checkpoint), labels=LABELS, dropout_rate=dropout_rate, max_length=32, seed=1)
    weights = np.linspace(0, 2, len(texts))
    history = model.fit(texts, labels, sample_weight=weights, **OPTIONS | options).history
    return model, history["loss"]


def same(model, other):
    for one, another in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(one, another, atol=1e-5)


def test_compiled_updates_on_few_static_shapes_learn_what_others_do(tiny_checkpoint, labelled_texts):
    texts, labels = (column[:21] for column in labelled_texts)
    plain, losses = trained(tiny_checkpoint, texts, labels, batch_size=8, epochs=2)
    compiled, same_losses = trained(tiny_checkpoint, texts, labels, kind=Noting, batch_size=8, epochs=2, jit=True)
    same(plain, compiled)
    np.testing.assert_allclose(losses, same_losses, rtol=1e-5)
    assert plain.loop_state.examples_seen == compiled.loop_state.examples_seen == 42
    lengths = [shapes["token_ids"][1] for shapes in compiled.traced]
    assert len(set(lengths)) == len(lengths) and set(lengths) <= {16, 24, 32}
    for shapes in compiled.traced:
        assert all(size is not None for shape in shapes.values() for size in shape)
        assert {shape[0] for shape in shapes.values()} == {8}


@pytest.mark.thorough
def test_compiled_updates_in_parts(tiny_checkpoint, labelled_texts):
    texts, labels = ([text[:20] for text in labelled_texts[0][:21]], labelled_texts[1][:21])
    plain, _ = trained(tiny_checkpoint, texts, labels, batch_size=8, epochs=1)
    same(plain, trained(tiny_checkpoint, texts, labels, batch_size=4, accumulate=2, epochs=1, jit=True)[0])


@pytest.mark.thorough
def test_compiled_updates_of_adamw_with_dropout_and_recomputing(tiny_checkpoint, labelled_texts):
    options = {"optimizer": "adamw", "learning_rate": 1e-3, "recompute": True, "jit": True, "dropout_rate": 0.1}
    texts = [text[:20] for text in labelled_texts[0]]
    first, losses = trained(tiny_checkpoint, texts, labelled_texts[1], **options)
    second, _ = trained(tiny_checkpoint, texts, labelled_texts[1], **options)
    assert losses[-1] < losses[0]
    for one, another in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, another)


def test_auto_compiles_nothing_here_and_a_run_keeps_its_choice():
    assert resolved(FitOptions()).jit is False
    assert resolved(FitOptions(), before=True).jit is True
    assert resolved(FitOptions(jit=False), before=True).jit is False


def told(*arguments, call):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_has_no_fixed_shapes_is_refused(tiny_checkpoint, labelled_texts):
    refused = "training.jit: {} have no fixed shapes, and cannot be compiled; set it to false"
    tagger = TokenClassifier.from_pretrained(str(tiny_checkpoint), labels=["debt"])
    fit = {"jit": True, "verbose": 0}
    message = told(call=lambda: tagger.fit(["old debt"], [[("debt", 4, 8)]], **fit))
    assert message == refused.format("the updates of this tagging")
    windows = TextClassifier.from_pretrained(str(tiny_checkpoint), labels=LABELS, windows="mean")
    message = told(call=lambda: windows.fit(*labelled_texts, **fit))
    assert message == refused.format("the updates of this classification")
    plain = TextClassifier.from_pretrained(str(tiny_checkpoint), labels=LABELS)
    dataset = tf.data.Dataset.from_tensor_slices(labelled_texts)
    assert told(call=lambda: plain.fit(dataset, **fit)) == refused.format("the batches of a data set")
    with pytest.raises(InputError, match="give batch_size in place of batch_tokens"):
        plain.fit(*labelled_texts, batch_tokens=64, **fit)


def test_what_xla_does_not_know_is_told_in_a_line(tiny_checkpoint, labelled_texts):
    def through_text(true, predicted):
        return tf.strings.to_number(tf.strings.as_string(tf.reduce_sum(predicted))) * tf.reduce_sum(predicted)

    model = TextClassifier.from_pretrained(str(tiny_checkpoint), labels=LABELS)
    model.compile(loss=through_text)
    before = model.get_weights()
    message = told(call=lambda: model.fit(*labelled_texts, jit=True, verbose=0))
    assert message.startswith("training.jit: XLA cannot compile the updates of this classification: the operation ")
    assert message.endswith("; set it to false")
    for one, another in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, another)


# No TPU is here: a strategy of two devices that is told to be one, and so gets what a TPU's cores would.
ON_TWO_CORES = """
import sys
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])

from tfdomain.config import FitOptions
from tfdomain.models import compilation, encoder_model
from tfdomain.models.classifier import TextClassifier

shapes = []

class Noting(TextClassifier):
    def train_replica(self, batch, **more):
        shapes.append({name: tuple(tensor.shape) for name, tensor in batch.items()})
        return super().train_replica(batch, **more)

texts = ["my debt", "a loan for a new car", "paid", "the old house", "lost job and the debt"] * 2 + ["not paid"]
ids = np.array([0, 1, 1, 1, 0] * 2 + [1], "int32")

def train(kind, options):
    model = kind.from_pretrained(sys.argv[1], labels=["late", "paid"], dropout_rate=0.0, seed=3)
    source = model.training_batches(texts, ids, options=options)
    model.prepare_training(options, source.num_batches)
    model.fit_batches(source, verbose=0)
    return model

options = FitOptions(epochs=2, batch_size=4, optimizer="sgd", learning_rate=0.1)
alone = train(TextClassifier, options.model_copy(update={"jit": False}))
encoder_model.on_tpu = compilation.on_tpu = lambda: True
with strategy.scope():
    options = compilation.resolved(options)
    assert options.jit is True
    shared = train(Noting, options)
assert shared.loop_state.examples_seen == 22
assert {tuple(each["token_ids"]) for each in shapes} == {(2, 16)}, shapes
assert all(size is not None for each in shapes for shape in each.values() for size in shape), shapes
for one, other in zip(alone.get_weights(), shared.get_weights()):
    np.testing.assert_allclose(one, other, atol=1e-5)
"""


def test_what_the_cores_of_a_tpu_would_be_given(tiny_checkpoint):
    subprocess.run([sys.executable, "-c", ON_TWO_CORES, str(tiny_checkpoint)], check=True, timeout=420)
