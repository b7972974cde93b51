import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdomain.encoders.encoder import Encoder
from tfdomain.errors import InputError
from tfdomain.optimization.optimizers import SGD, AdamW
from tfdomain.optimization.schedules import WarmupLinearDecay

SHAPES = {"kernel": (4, 3), "bias": (3,), "norm_scale": (3,), "word_table": (5, 3)}


def make_variables():
    random = np.random.default_rng(3)
    with keras.name_scope("block"):
        return [keras.Variable(random.normal(size=shape).astype("float32"), name=n) for n, shape in SHAPES.items()]


def gradients_of(step, scale=1.0):
    random = np.random.default_rng(100 + step)
    return [(scale * random.normal(size=shape)).astype("float32") for shape in SHAPES.values()]


def run(optimizer, num_steps, scale=1.0, variables=None, first=0):
    variables = variables or make_variables()
    optimizer.build(variables)
    for step in range(first, first + num_steps):
        optimizer.apply([tf.constant(one) for one in gradients_of(step, scale)], variables)
    return [variable.numpy() for variable in variables]


class NumpyAdamW:
    """Loshchilov and Hutter's update in float64, after torch's clip_grad_norm_."""

    def __init__(self, rate, decay, clip_norm, epsilon=1e-8):
        self.rate, self.decay, self.clip_norm, self.epsilon = rate, decay, clip_norm, epsilon

    def run(self, num_steps, scale):
        weights = [variable.numpy().astype("float64") for variable in make_variables()]
        means, squares = ([np.zeros_like(weight) for weight in weights] for _ in range(2))
        for step in range(num_steps):
            gradients = [one.astype("float64") for one in gradients_of(step, scale)]
            norm = np.sqrt(sum((one**2).sum() for one in gradients))
            gradients = [one * min(1.0, self.clip_norm / (norm + 1e-6)) for one in gradients]
            correction = np.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
            for i, (name, gradient) in enumerate(zip(SHAPES, gradients, strict=True)):
                if name in ("kernel", "word_table"):
                    weights[i] -= self.rate * self.decay * weights[i]
                means[i] = 0.9 * means[i] + 0.1 * gradient
                squares[i] = 0.999 * squares[i] + 0.001 * gradient**2
                weights[i] -= self.rate * correction * means[i] / (np.sqrt(squares[i]) + self.epsilon)
        return weights


def test_adamw_is_that_of_keras():
    # The fused kernel takes 1 - beta of float32 betas, 5e-5 off: at a rate of 0.01 that shows in the sixth place.
    reference = keras.optimizers.AdamW(0.002, weight_decay=0.1, epsilon=1e-8)
    reference.exclude_from_weight_decay(var_names=["bias", "norm"])
    ours = run(AdamW(0.002, weight_decay=0.1, clip_norm=None), 50)
    for one, other in zip(ours, run(reference, 50), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("scale", [0.01, 1.0, 50.0])
def test_adamw_clips_by_the_global_norm(scale):
    ours = run(AdamW(0.01, weight_decay=0.1, clip_norm=1.0), 50, scale)
    for one, other in zip(ours, NumpyAdamW(0.01, 0.1, 1.0).run(50, scale), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)
    optimizer = AdamW(0.01)
    run(optimizer, 1, scale)
    norm = np.sqrt(sum((one.astype("float64") ** 2).sum() for one in gradients_of(0, scale)))
    assert float(optimizer.gradient_norm.numpy()) == pytest.approx(norm, rel=1e-5)


def test_sgd_clips_and_decays():
    before, after = [variable.numpy() for variable in make_variables()], run(SGD(0.1, weight_decay=0.5), 1)
    gradients = gradients_of(0)
    norm = np.sqrt(sum((one**2).sum() for one in gradients))
    for name, old, new, gradient in zip(SHAPES, before, after, gradients, strict=True):
        kept = 1 - 0.1 * 0.5 * (name in ("kernel", "word_table"))
        np.testing.assert_allclose(new, old * kept - 0.1 * gradient / norm, atol=1e-6)


@pytest.mark.parametrize("kind", [AdamW, SGD])
def test_sparse_gradients_with_repeated_rows(kind):
    table = np.random.default_rng(0).normal(size=(6, 2)).astype("float32")
    rows, values = [1, 4, 1, 1], np.random.default_rng(1).normal(size=(4, 2)).astype("float32")
    dense = np.zeros_like(table)
    np.add.at(dense, rows, values)
    results = []
    for gradient in (tf.IndexedSlices(tf.constant(values), tf.constant(rows), tf.constant([6, 2])), dense):
        variable, optimizer = keras.Variable(table, name="word_table"), kind(0.1, clip_norm=0.5)
        optimizer.build([variable])
        for _ in range(3):
            optimizer.apply([gradient if isinstance(gradient, tf.IndexedSlices) else tf.constant(gradient)], [variable])
        results.append(variable.numpy())
    np.testing.assert_allclose(*results, atol=1e-7)
    assert not np.allclose(results[0], table)


def test_decay_spares_biases_and_norms_of_the_encoder_and_nothing_else(tiny_checkpoint):
    encoder = Encoder.from_pretrained(tiny_checkpoint)
    before = {name: variable.numpy() for name, variable in encoder.named_weights().items()}
    optimizer = SGD(0.1, weight_decay=0.5)
    optimizer.build(encoder.trainable_variables)
    optimizer.apply([tf.zeros(variable.shape) for variable in encoder.trainable_variables], encoder.trainable_variables)
    spared = set()
    for name, variable in encoder.named_weights().items():
        if np.array_equal(variable.numpy(), before[name]):
            spared.add(name)
        else:
            np.testing.assert_allclose(variable.numpy(), before[name] * 0.95, rtol=1e-5)
    # By rank and not by name: a matrix decays, a vector does not.
    assert spared == {name for name, weight in before.items() if weight.ndim == 1}
    assert {"embeddings/norm_scale", "block_0/query_bias", "block_1/attention_norm_bias"} <= spared


def test_a_variable_has_its_own_rate():
    variables = make_variables()
    before = [variable.numpy() for variable in variables]
    rates = {"block/kernel": 0.25, "block/word_table": 0.0}
    after = run(SGD(0.1, weight_decay=0.5, rate_multipliers=rates), 1, variables=variables)
    plain = run(SGD(0.1, weight_decay=0.5), 1)
    for name, old, new, usual in zip(SHAPES, before, after, plain, strict=True):
        factor = rates.get(f"block/{name}", 1.0)
        np.testing.assert_allclose(new - old, factor * (usual - old), atol=1e-6)


@pytest.mark.parametrize("kind", [AdamW, SGD])
def test_config_round_trip(kind):
    settings = {"weight_decay": 0.2, "clip_norm": 0.7, "undecayed": ("bias",), "rate_multipliers": {"block/bias": 0.5}}
    optimizer = kind(WarmupLinearDecay(0.05, 9, 2), **settings)
    again = kind.from_config(json.loads(json.dumps(optimizer.get_config())))
    assert again.get_config() == optimizer.get_config()
    for one, other in zip(run(again, 9), run(optimizer, 9), strict=True):
        np.testing.assert_array_equal(one, other)


def test_restored_state_gives_the_same_next_steps():
    whole = run(AdamW(0.01, weight_decay=0.1), 8)
    first, variables = AdamW(0.01, weight_decay=0.1), make_variables()
    run(first, 5, variables=variables)
    second, copies = AdamW(0.01, weight_decay=0.1), make_variables()
    second.build(copies)
    for one, other in zip([*second.variables, *copies], [*first.variables, *variables], strict=True):
        one.assign(other.numpy())
    for one, other in zip(run(second, 3, variables=copies, first=5), whole, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("settings", [{"clip_norm": 0.0}, {"clip_norm": -1.0}, {"weight_decay": -0.1}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        AdamW(0.1, **settings)
