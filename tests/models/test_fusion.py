import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdomain.errors import InputError
from tfdomain.models.fusion import FUSIONS, Concatenation, GatedFusion, summary_size

RANDOM = np.random.default_rng(0)
TEXT, TABLE = RANDOM.normal(size=(6, 8)).astype("float32"), RANDOM.normal(size=(6, 5)).astype("float32")


def norm(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)


def reference(fusion: GatedFusion) -> tuple[np.ndarray, np.ndarray]:
    """The table's vector and the gated summary of the text, as the formula has them."""

    def dense(layer, inputs):
        return inputs @ layer.kernel.numpy() + layer.bias.numpy()

    table, summary = norm(np.tanh(dense(fusion.projection, TABLE))), np.tanh(dense(fusion.summary, TEXT))
    gate = 1 / (1 + np.exp(-dense(fusion.gate, np.concatenate([summary, table], axis=1))))
    return table, gate * summary


def test_the_gate_equals_the_formula():
    fusion = GatedFusion(8, text_size=3)
    fusion(tf.constant(TABLE), tf.constant(TEXT))
    fusion.gate.bias.assign(RANDOM.normal(size=3))
    fusion.summary.bias.assign(RANDOM.normal(size=3))
    joined = fusion(tf.constant(TABLE), tf.constant(TEXT))
    np.testing.assert_allclose(joined, np.concatenate(reference(fusion), axis=1), atol=1e-5)
    fusion.gate.bias.assign(np.full(3, -50.0))
    np.testing.assert_allclose(fusion(tf.constant(TABLE), tf.constant(TEXT))[:, 8:], np.zeros((6, 3)), atol=1e-5)


def test_an_empty_text_is_no_text():
    fusion = GatedFusion(8, text_size=3)
    has_text = tf.constant([True, False, True, False, True, True])
    joined = fusion(tf.constant(TABLE), tf.constant(TEXT), has_text=has_text).numpy()
    whole = fusion(tf.constant(TABLE), tf.constant(TEXT)).numpy()
    np.testing.assert_array_equal(joined[has_text], whole[has_text])
    np.testing.assert_array_equal(joined[~has_text.numpy()], whole[~has_text.numpy()] * ([1] * 8 + [0] * 3))


def test_a_table_alone():
    fusion = GatedFusion(8)
    alone = fusion(tf.constant(TABLE))
    np.testing.assert_allclose(alone, norm(np.tanh(TABLE @ fusion.projection.kernel.numpy())), atol=1e-5)
    assert [variable.path.split("/")[-2] for variable in fusion.weights] == ["projection", "projection", "norm", "norm"]
    np.testing.assert_array_equal(Concatenation()(tf.constant(TABLE)), TABLE)


@pytest.mark.parametrize(("outputs", "hidden", "size"), [(2, 384, 8), (77, 384, 308), (150, 384, 384), (1, 4, 4)])
def test_a_summary_is_as_long_as_the_outputs_need(outputs, hidden, size):
    assert summary_size(outputs, hidden) == size


def test_concatenation():
    joined = Concatenation()(tf.constant(TABLE), tf.constant(TEXT))
    np.testing.assert_array_equal(joined, np.concatenate([TEXT, TABLE], axis=1))


@pytest.mark.parametrize("make", [lambda **kwargs: GatedFusion(8, **kwargs), Concatenation])
def test_dropout_is_a_function_of_its_seed(make):
    fusion = make(dropout_rate=0.5, layer_index=3)
    table, text = tf.constant(TABLE), tf.constant(TEXT)

    def run(seed, training=True):
        return fusion(table, text, training=training, dropout_seed=tf.constant(seed)).numpy()

    still = run([1, 2], training=False)
    np.testing.assert_array_equal(run([1, 2]), run([1, 2]))
    assert np.any(run([1, 2]) != run([1, 3])) and np.any(run([1, 2]) != still)
    np.testing.assert_array_equal(run([9, 9], training=False), still)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float32"])
@pytest.mark.parametrize("name", FUSIONS)
def test_mixed_precision_gives_float32_and_gradients(name, policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        fusion = GatedFusion(8, seed=1) if name == "gated" else Concatenation()
        text = tf.cast(TEXT, fusion.dtype if policy == "float32" else policy.removeprefix("mixed_"))
        with tf.GradientTape() as tape:
            tape.watch(text)
            joined = fusion(tf.constant(TABLE), text)
            loss = tf.reduce_sum(joined * tf.range(joined.shape[-1], dtype=tf.float32))
        gradients = tape.gradient(loss, [text, *(variable.value for variable in fusion.trainable_variables)])
    finally:
        keras.config.set_dtype_policy(before)
    assert joined.dtype == tf.float32
    exact = GatedFusion(8, seed=1) if name == "gated" else Concatenation()
    np.testing.assert_allclose(joined, exact(tf.constant(TABLE), tf.constant(TEXT)), atol=0.05)
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


@pytest.mark.parametrize("with_text", [True, False])
def test_config_shape_and_seed(with_text):
    inputs = [tf.constant(TABLE), tf.constant(TEXT)] if with_text else [tf.constant(TABLE)]
    shapes = [tensor.shape for tensor in inputs]
    for fusion in (GatedFusion(8, dropout_rate=0.25, layer_index=4, seed=2, name="a"), Concatenation(dropout_rate=0.1)):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(fusion))
        assert again.get_config() == fusion.get_config()
        joined = fusion(*inputs)
        np.testing.assert_array_equal(again(*inputs), joined)
        assert fusion.compute_output_shape(*shapes) == joined.shape
    assert np.any(GatedFusion(8, seed=3)(*inputs) != GatedFusion(8, seed=2)(*inputs))


def test_sizes_that_contradict():
    with pytest.raises(InputError, match="a hidden size of 0"):
        GatedFusion(0)
    with pytest.raises(InputError, match="a text size of 0"):
        GatedFusion(8, text_size=0)
    with pytest.raises(InputError, match="dropout rate of 1"):
        Concatenation(dropout_rate=1)
