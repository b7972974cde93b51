import keras
import numpy as np
import pytest

import tfdomain
from tfdomain.config import FitOptions
from tfdomain.models.parameters import default_optimizer, rate_multipliers, trained_variables
from tfdomain.optimization.optimizers import SGD, AdamW


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return tfdomain.TextClassifier.from_pretrained(str(tiny_checkpoint), labels=["default", "repaid"])


def test_rates_fall_with_the_depth(model):
    rates = rate_multipliers(model, 0.5)
    named = {name: rates[variable.path] for name, variable in model.encoder.named_weights().items()}
    expected = {"embeddings": 0.125, "block_0": 0.25, "block_1": 0.5, "pooler": 1.0}
    assert named == {name: expected[name.split("/")[0]] for name in named}
    # Paths tell all variables apart, or two would share a rate.
    assert len(rates) == len(named)
    assert model.head.kernel.path not in rates
    assert rate_multipliers(model, 1.0) == {}


def test_frozen_layers_stay_bit_equal_and_all_others_move(tiny_checkpoint, labelled_texts):
    model = tfdomain.TextClassifier.from_pretrained(str(tiny_checkpoint), labels=["default", "repaid"])
    named = model.encoder.named_weights() | {"head/kernel": model.head.kernel, "head/bias": model.head.bias}
    before = {name: variable.numpy() for name, variable in named.items()}
    texts, labels = labelled_texts
    model.fit(texts, labels, frozen_layers=1, epochs=1, batch_size=20, learning_rate=0.01, verbose=0)
    same = {name for name, variable in named.items() if np.array_equal(variable.numpy(), before[name])}
    assert same == {name for name in named if name.startswith(("embeddings/", "block_0/"))}
    assert len(trained_variables(model)) == len(named) - len(same)


def test_nothing_frozen_trains_all(model):
    assert len(trained_variables(model)) == len(model.trainable_variables) == len(model.encoder.named_weights()) + 2


def test_default_optimizer_is_what_the_options_say(model):
    options = FitOptions(epochs=4, learning_rate=0.3, warmup_rate=0.25, weight_decay=0.2, clip_norm=None)
    optimizer = default_optimizer(model, options, 10)
    assert isinstance(optimizer, AdamW)
    schedule = optimizer.get_config()["learning_rate"]["config"]
    assert schedule == {"peak": 0.3, "num_steps": 40, "num_warmup_steps": 10}
    assert (optimizer.decay_rate, optimizer.clip_norm) == (0.2, None)
    sgd = default_optimizer(model, FitOptions(optimizer="sgd", layer_decay=0.5), 10)
    assert isinstance(sgd, SGD)
    assert isinstance(sgd, keras.optimizers.Optimizer)
    assert min(sgd.rate_multipliers.values()) == 0.125
