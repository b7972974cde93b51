"""The encoder equals the PyTorch reference, and is a Keras layer like any other.

The stored outputs in `goldens/` were written by `experiments/make_encoder_goldens.py`, which says how to write
them again.
"""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdomain.encoders.checkpoints import load_encoder
from tfdomain.encoders.config import HIDDEN_ACTIVATIONS, EncoderConfig
from tfdomain.encoders.encoder import Encoder
from tfdomain.errors import InputError

GOLDENS = Path(__file__).parent / "goldens"
CASES = json.loads((GOLDENS / "tiny_cases.json").read_text())
KEYS = ("token_ids", "segment_ids", "padding_mask")
TINY = EncoderConfig(
    vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=32,
    max_position_embeddings=32,
)  # fmt: skip

# Which weights of ours the stored gradients belong to, and whether the reference has them transposed.
GRADIENTS = {
    "embeddings.word_embeddings.weight": ("embeddings/word_table", False),
    "embeddings.position_embeddings.weight": ("embeddings/position_table", False),
    "embeddings.token_type_embeddings.weight": ("embeddings/segment_table", False),
    "encoder.layer.0.attention.self.query.weight": ("block_0/query_kernel", True),
    "encoder.layer.0.attention.self.value.bias": ("block_0/value_bias", False),
    "encoder.layer.1.intermediate.dense.weight": ("block_1/expand_kernel", True),
    "encoder.layer.1.output.LayerNorm.weight": ("block_1/norm_scale", False),
    "pooler.dense.weight": ("pooler/dense_kernel", True),
}


@pytest.fixture(scope="module")
def tiny_goldens():
    with np.load(GOLDENS / "tiny.npz") as stored:
        return dict(stored)


def tiny_batch() -> dict[str, tf.Tensor]:
    random = np.random.default_rng(0)
    mask = np.arange(9) < np.array([9, 4, 1])[:, None]
    token_ids = random.integers(1, TINY.vocab_size, mask.shape) * mask
    return {
        "token_ids": tf.constant(token_ids, tf.int32),
        "segment_ids": tf.constant(random.integers(0, 2, mask.shape) * mask, tf.int32),
        "padding_mask": tf.constant(mask, tf.int32),
    }


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_outputs_equal_the_reference(case, tiny_goldens, make_checkpoint, tmp_path):
    golden = {key.split("/")[1]: value for key, value in tiny_goldens.items() if key.startswith(f"{case['name']}/")}
    fields = {key: value for key, value in case.items() if key != "name"}
    encoder = load_encoder(make_checkpoint(tmp_path / "checkpoint", **fields))
    hidden = encoder({key: golden[key] for key in KEYS})
    kept = golden["padding_mask"] == 1
    np.testing.assert_allclose(hidden.numpy()[kept], golden["hidden"][kept], atol=1e-5)
    assert encoder.has_pooler == ("pooled" in golden)
    if encoder.has_pooler:
        np.testing.assert_allclose(encoder.pool(hidden), golden["pooled"], atol=1e-5)


def test_every_activation_is_held_to_the_reference():
    assert {case["hidden_act"] for case in CASES if "hidden_act" in case} == set(HIDDEN_ACTIVATIONS)


def test_gradients_equal_the_reference(tiny_goldens, tiny_checkpoint):
    encoder = load_encoder(tiny_checkpoint)
    inputs = {key: tiny_goldens[f"plain/{key}"] for key in KEYS}
    weights = {name: encoder.named_weights()[own] for name, (own, _) in GRADIENTS.items()}
    with tf.GradientTape() as tape:
        hidden = encoder(inputs)
        kept = tf.cast(inputs["padding_mask"], tf.float32)[:, :, tf.newaxis]
        loss = tf.reduce_sum(tf.tanh(hidden) * kept) + tf.reduce_sum(encoder.pool(hidden) ** 2)
    gradients = tape.gradient(loss, {name: weight.value for name, weight in weights.items()})
    for name, (_, transposed) in GRADIENTS.items():
        gradient = tf.convert_to_tensor(gradients[name]).numpy()
        gradient = gradient.T if transposed else gradient
        np.testing.assert_allclose(gradient, tiny_goldens[f"plain/gradient/{name}"], atol=2e-5, err_msg=name)


@pytest.mark.real
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "graph"])
def test_minilm_equals_the_reference(minilm, compiled):
    with np.load(GOLDENS / "minilm.npz") as golden:
        encoder = load_encoder(minilm)
        run = tf.function(encoder) if compiled else encoder
        hidden = run({key: tf.constant(golden[key]) for key in KEYS})
        taken = tf.gather(hidden, golden["positions"], batch_dims=1)
        np.testing.assert_allclose(taken, golden["hidden"], rtol=0, atol=1e-4)
        np.testing.assert_allclose(encoder.pool(hidden), golden["pooled"], rtol=0, atol=1e-4)


def test_padding_changes_nothing():
    encoder = Encoder(TINY, seed=0)
    batch = tiny_batch()
    short = {key: value[:, :4] for key, value in batch.items()}
    rows = slice(1, 3)
    np.testing.assert_allclose(encoder(batch)[rows, :4][0], encoder(short)[rows][0], atol=1e-6)


def test_segments_and_mask_have_defaults():
    encoder = Encoder(TINY, seed=0)
    batch = tiny_batch()
    plain = encoder({"token_ids": batch["token_ids"]})
    spelled = encoder(batch | {"segment_ids": tf.zeros_like(batch["token_ids"])})
    np.testing.assert_array_equal(plain, spelled)


def test_a_row_of_padding_is_finite():
    for policy in ("float32", "mixed_float16", "mixed_bfloat16", "float64"):
        encoder = Encoder(TINY, seed=0, dtype=policy)
        hidden = encoder({"token_ids": tf.zeros([2, 3], tf.int32)})
        assert np.isfinite(tf.cast(hidden, tf.float32)).all()


def test_attention_weights_are_those_of_the_formula():
    encoder, batch = Encoder(TINY, seed=0), tiny_batch()
    weights = encoder.attention_weights(batch).numpy()
    rows, length = batch["token_ids"].shape
    assert weights.shape == (2, rows, 4, length, length)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)
    # The first layer's, from the weights and the embeddings alone: softmax(q k / root of the head's width).
    hidden = encoder.embeddings(batch["token_ids"], batch["segment_ids"]).numpy().reshape(rows, length, 4 * 4)
    named = {name: weight.numpy() for name, weight in encoder.named_weights().items()}
    query, key = (
        (hidden @ named[f"block_0/{name}_kernel"] + named[f"block_0/{name}_bias"]).reshape(rows, length, 4, 4)
        for name in ("query", "key")
    )
    scores = np.einsum("bihd,bjhd->bhij", query, key) / 2
    powers = np.exp(scores) * batch["padding_mask"].numpy()[:, None, None, :]
    np.testing.assert_allclose(weights[0], powers / powers.sum(axis=-1, keepdims=True), atol=1e-5)


def test_dropout_is_a_function_of_the_seed():
    encoder, batch = Encoder(TINY, seed=0), tiny_batch()
    seeds = tf.constant([[1, 2], [1, 2], [1, 3]])
    first, again, other = (encoder(batch, training=True, dropout_seed=seed).numpy() for seed in seeds)
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other) and np.any(first != encoder(batch))
    assert np.any(encoder(batch, training=True) != encoder(batch, training=True))
    still = Encoder(TINY.with_dropout_rate(0.0), seed=0)
    np.testing.assert_array_equal(still(batch, training=True), encoder(batch))


def test_each_dropout_has_its_own_number(monkeypatch):
    from tfdomain.encoders import blocks

    numbers = []
    applied = blocks.apply_dropout

    def spy(x, *, rate, seed, layer_index):
        numbers.append((layer_index, rate))
        return applied(x, rate=rate, seed=seed, layer_index=layer_index)

    monkeypatch.setattr(blocks, "apply_dropout", spy)
    config = EncoderConfig.from_dict(TINY.to_dict() | {"attention_probs_dropout_prob": 0.3})
    encoder = Encoder(config)
    encoder(tiny_batch(), training=True)
    assert [number for number, _ in numbers] == list(range(encoder.num_dropout_layers))
    assert [rate for _, rate in numbers] == [0.1, 0.3, 0.1, 0.1, 0.3, 0.1, 0.1]


def test_initial_weights_are_a_function_of_the_seed():
    first, again, other = Encoder(TINY, seed=3), Encoder(TINY, seed=3), Encoder(TINY, seed=4)
    weights = first.named_weights()
    for name, weight in weights.items():
        np.testing.assert_array_equal(weight, again.named_weights()[name])
        if not name.endswith(("bias", "scale")):
            assert np.any(weight.numpy() != other.named_weights()[name].numpy())
    table = Encoder(EncoderConfig(num_hidden_layers=1, initializer_range=0.05), seed=0).embeddings.words.numpy()
    assert np.abs(table).max() <= 0.1 + 1e-6 and table.std() == pytest.approx(0.044, abs=0.001)
    # No two weights of one shape are alike.
    squares = [value.numpy() for name, value in weights.items() if value.shape == (16, 16)]
    assert len({square.tobytes() for square in squares}) == len(squares)


def test_depths_and_paths():
    encoder = Encoder(TINY)
    depths = {name: encoder.depth_of(weight) for name, weight in encoder.named_weights().items()}
    assert depths["embeddings/word_table"] == 0 and depths["block_0/query_kernel"] == 1
    assert depths["block_1/norm_bias"] == 2 and depths["pooler/dense_kernel"] == encoder.num_layers + 1
    assert {weight.path for weight in encoder.weights} == {f"encoder/{name}" for name in depths}
    with pytest.raises(InputError, match="no weight of this encoder"):
        encoder.depth_of(Encoder(TINY).weights[0])


def test_pooling_without_a_pooler_is_an_error():
    encoder = Encoder(TINY, pooler=False)
    assert not encoder.has_pooler
    with pytest.raises(InputError, match="no pooler"):
        encoder.pool(encoder(tiny_batch()))


def test_too_long_an_input_is_an_error():
    encoder = Encoder(TINY)
    with pytest.raises(InputError, match="33 tokens are more than the encoder's 32 positions"):
        encoder({"token_ids": tf.ones([1, 33], tf.int32)})
    run = tf.function(encoder, input_signature=[{"token_ids": tf.TensorSpec([None, None], tf.int32)}])
    assert run({"token_ids": tf.ones([1, 32], tf.int32)}).shape == (1, 32, 16)
    with pytest.raises(tf.errors.InvalidArgumentError, match="more tokens than the 32 positions of the encoder"):
        run({"token_ids": tf.ones([1, 33], tf.int32)})


@pytest.mark.parametrize("policy, tolerance", [("mixed_float16", 0.01), ("mixed_bfloat16", 0.06)])
def test_mixed_precision(policy, tolerance):
    plain, batch = Encoder(TINY, seed=0), tiny_batch()
    encoder = Encoder(TINY, seed=0, dtype=policy)
    hidden = encoder(batch)
    assert hidden.dtype == encoder.compute_dtype != "float32"
    assert {weight.dtype for weight in encoder.weights} == {"float32"}
    np.testing.assert_allclose(tf.cast(hidden, tf.float32), plain(batch), atol=tolerance)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.cast(encoder.pool(encoder(batch, training=True)), tf.float32) ** 2)
    gradients = tape.gradient(loss, [weight.value for weight in encoder.trainable_weights])
    assert all(np.isfinite(tf.convert_to_tensor(gradient)).all() for gradient in gradients)


@pytest.mark.thorough
def test_xla_gives_the_same_forward_and_backward():
    encoder, batch = Encoder(TINY, seed=0), tiny_batch()
    weights = [weight.value for weight in encoder.trainable_weights]

    def step(seed):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(encoder.pool(encoder(batch, training=True, dropout_seed=seed)) ** 2)
        return [loss, *(tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, weights))]

    seed = tf.constant([5, 6])
    for plain, compiled in zip(step(seed), tf.function(step, jit_compile=True)(seed), strict=True):
        np.testing.assert_allclose(plain, compiled, atol=1e-6)


def functional_model(encoder: Encoder) -> keras.Model:
    inputs = {key: keras.Input([None], dtype="int32", name=key) for key in KEYS}
    hidden = encoder(inputs)
    mean = keras.layers.GlobalAveragePooling1D()(hidden)
    outputs = keras.layers.Dense(2, name="head")(keras.layers.Concatenate()([encoder.pool(hidden), mean]))
    return keras.Model(inputs, outputs)


@pytest.mark.thorough
def test_in_a_functional_model_that_is_trained_saved_and_loaded(tmp_path):
    keras.utils.set_random_seed(0)
    model, batch = functional_model(Encoder(TINY, seed=0)), tiny_batch()
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(True), run_eagerly=True)
    labels = tf.constant([0, 1, 1])
    before = model.evaluate(batch, labels, verbose=0)
    model.fit(batch, labels, epochs=3, verbose=0)
    assert model.evaluate(batch, labels, verbose=0) < before
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(batch), model(batch))
    # The pooler is the encoder's own, not a copy beside it.
    assert len(loaded.weights) == len(model.weights)
    assert loaded.get_layer("encoder").config == TINY
    model.export(tmp_path / "exported", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(served.serve(batch), model(batch), atol=1e-6)


def test_frozen_weights_stay():
    encoder, batch = Encoder(TINY, seed=0), tiny_batch()
    encoder.embeddings.trainable = False
    encoder.blocks[0].trainable = False
    before = {name: weight.numpy() for name, weight in encoder.named_weights().items()}
    model = functional_model(encoder)
    model.compile("adam", "mse", run_eagerly=True)
    model.fit(batch, tf.ones([3, 2]), verbose=0)
    changed = {name for name, weight in encoder.named_weights().items() if np.any(weight.numpy() != before[name])}
    assert changed and {name.split("/")[0] for name in changed} == {"block_1", "pooler"}


MIRRORED = """
import numpy as np, tensorflow as tf
from tfdomain.encoders.config import EncoderConfig
from tfdomain.encoders.encoder import Encoder

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
config = EncoderConfig(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=4,
                       intermediate_size=32, max_position_embeddings=32)
with strategy.scope():
    encoder = Encoder(config, seed=0)
ids = tf.constant([[1, 2, 3, 0]])

@tf.function
def step(seeded):
    def replica():
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = tf.stack([7, number]) if seeded else None
        with tf.GradientTape() as tape:
            hidden = encoder({"token_ids": ids}, training=True, dropout_seed=seed)
            loss = tf.reduce_sum(encoder.pool(hidden) ** 2)
        gradient = tape.gradient(loss, encoder.blocks[0].query[0].value)
        total = tf.distribute.get_replica_context().all_reduce("sum", gradient)
        return hidden, total
    return strategy.run(replica)

hidden, total = step(True)
first, second = strategy.experimental_local_results(hidden)
alone = Encoder(config, seed=0)
for number, found in enumerate((first, second)):
    expected = alone({"token_ids": ids}, training=True, dropout_seed=tf.constant([7, number]))
    np.testing.assert_allclose(found, expected, atol=1e-6)
assert np.any(first.numpy() != second.numpy())
one, two = strategy.experimental_local_results(total)
np.testing.assert_array_equal(one, two)
assert all(np.isfinite(part).all() for part in strategy.experimental_local_results(step(False)[0]))
print("MIRRORED OK")
"""


@pytest.mark.thorough
def test_two_replicas():
    # In a process of its own: devices can be split only before TensorFlow starts.
    done = subprocess.run([sys.executable, "-c", MIRRORED], capture_output=True, text=True, timeout=300)
    assert "MIRRORED OK" in done.stdout, done.stderr[-2000:]
