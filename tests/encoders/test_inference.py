"""The encoder as an export runs it: the same hidden states, whatever the batch."""

import numpy as np
import pytest
import tensorflow as tf

from tfdomain.encoders.config import EncoderConfig
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.inference import MANY_ROWS, InferenceEncoder, inference_form

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 32}


def make_encoder(dtype="float32", **fields):
    config = EncoderConfig(vocab_size=50, max_position_embeddings=40, **(SIZES | fields))
    encoder, random = Encoder(config, seed=0, dtype=dtype), np.random.default_rng(0)
    # Fresh biases and norms are zeros and ones, with which a mistake would not show.
    encoder.set_weights([random.normal(0.1, 0.4, weight.shape) for weight in encoder.get_weights()])
    return encoder


def make_batch(lengths):
    random = np.random.default_rng(1)
    shape = (len(lengths), max(lengths))
    mask = np.arange(shape[1]) < np.array(lengths)[:, np.newaxis]
    return {
        "token_ids": tf.constant(np.where(mask, random.integers(1, 50, shape), 0), tf.int32),
        "segment_ids": tf.constant(mask & (np.arange(shape[1]) > 3), tf.int32),
        "padding_mask": tf.constant(mask, tf.int32),
    }


LENGTHS = {
    "one": [9],
    "one token": [1],
    "few": [9, 2, 30, 2, 5][: MANY_ROWS - 1],
    "many": [*np.random.default_rng(2).integers(2, 31, 3 * MANY_ROWS + 1)],
    "alike": [5] * MANY_ROWS,
    "one long": [2] * MANY_ROWS + [40] + [2] * MANY_ROWS,
}


def assert_same_hidden_states(encoder, batch, atol):
    mask = batch["padding_mask"].numpy() > 0
    # In a graph, as an export has it, shapes are not known.
    signature = [{name: tf.TensorSpec([None, None], tf.int32) for name in batch}]
    in_graph = tf.function(InferenceEncoder(encoder), input_signature=signature)
    expected, found = (tf.cast(call(batch), tf.float32) for call in (encoder, in_graph))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy()[mask], expected.numpy()[mask], atol=atol, rtol=0)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_the_same_hidden_states(lengths):
    assert_same_hidden_states(make_encoder(), make_batch(lengths), 1e-5)


@pytest.mark.parametrize("activation", ["gelu_new", "relu", "gelu_10"])
def test_every_activation(activation):
    assert_same_hidden_states(make_encoder(hidden_act=activation), make_batch(LENGTHS["many"]), 1e-5)


@pytest.mark.parametrize("name", ["one", "many"])
def test_half_precision(name):
    assert_same_hidden_states(make_encoder("mixed_bfloat16"), make_batch(LENGTHS[name]), 0.15)


def test_a_row_without_tokens_disturbs_no_other():
    assert_same_hidden_states(make_encoder(), make_batch([3, 0, 7, 2, 0, 1, 4, 4, 5]), 1e-5)


def test_within_its_block_only_and_not_in_training():
    encoder, batch, calls = make_encoder(), make_batch([4, 2]), []
    before = encoder(batch)
    with inference_form(encoder) as form:
        encoder.inference = lambda inputs: calls.append(1) or form(inputs)
        np.testing.assert_allclose(encoder(batch), before, atol=1e-5)
        encoder(batch, training=True)
        assert len(calls) == 1
    np.testing.assert_array_equal(encoder(batch), before)
    assert encoder.inference is None
