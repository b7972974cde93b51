import numpy as np
import tensorflow as tf

from tfdomain.encoders.encoder import Encoder
from tfdomain.models.pooling import mean_of_tokens, pool

HIDDEN = np.random.default_rng(0).normal(size=(3, 5, 16)).astype("float32")
MASK = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]], "int32")


def test_mean_of_the_kept_tokens():
    mean = mean_of_tokens(tf.constant(HIDDEN), tf.constant(MASK)).numpy()
    np.testing.assert_allclose(mean[0], HIDDEN[0, :3].mean(0), atol=1e-6)
    np.testing.assert_allclose(mean[1], HIDDEN[1].mean(0), atol=1e-6)
    np.testing.assert_array_equal(mean[2], 0)


def test_mean_is_summed_in_full_precision():
    ones = tf.ones([1, 4096, 1], tf.bfloat16)
    mean = mean_of_tokens(ones, tf.ones([1, 4096], tf.int32))
    assert mean.dtype == tf.bfloat16
    # In bfloat16 a sum of ones stops at 256.
    assert float(mean[0, 0]) == 1


def test_cls_goes_through_the_pooler_where_there_is_one(tiny_checkpoint, make_checkpoint, tmp_path):
    encoder = Encoder.from_pretrained(tiny_checkpoint)
    weights = encoder.named_weights()
    kernel, bias = weights["pooler/dense_kernel"].numpy(), weights["pooler/dense_bias"].numpy()
    expected = np.tanh(HIDDEN[:, 0] @ kernel + bias)
    np.testing.assert_allclose(pool(encoder, tf.constant(HIDDEN), MASK, "cls"), expected, atol=1e-5)
    plain = Encoder.from_pretrained(make_checkpoint(tmp_path / "plain", pooler=False, num_hidden_layers=1))
    np.testing.assert_array_equal(pool(plain, tf.constant(HIDDEN), MASK, "cls"), HIDDEN[:, 0])
    np.testing.assert_allclose(pool(plain, tf.constant(HIDDEN), MASK, "mean")[1], HIDDEN[1].mean(0), atol=1e-6)
