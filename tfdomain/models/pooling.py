"""From one vector a token to one vector a text."""

import tensorflow as tf

from tfdomain.encoders.encoder import Encoder

__all__ = ["POOLINGS", "mean_of_tokens", "pool"]

POOLINGS = ("cls", "mean")


def pool(encoder: Encoder, hidden: tf.Tensor, padding_mask: tf.Tensor, pooling: str) -> tf.Tensor:
    """The vector of each text, `[batch, hidden]`.

    Args:
        encoder: Gives the dense-tanh pooler of its checkpoint, where it has one.
        hidden: Float `[batch, length, hidden]`.
        padding_mask: int32 `[batch, length]`, 1 = keep.
        pooling: `cls` takes the first token, `mean` the mean of the kept ones.
    """
    if pooling == "mean":
        return mean_of_tokens(hidden, padding_mask)
    return encoder.pool(hidden) if encoder.has_pooler else hidden[:, 0]


def mean_of_tokens(hidden: tf.Tensor, padding_mask: tf.Tensor) -> tf.Tensor:
    """The mean over the tokens that are no padding, `[batch, hidden]`, summed in float32."""
    weights = tf.cast(padding_mask, tf.float32)[:, :, tf.newaxis]
    total = tf.reduce_sum(tf.cast(hidden, tf.float32) * weights, axis=1)
    mean = total / tf.maximum(tf.reduce_sum(weights, axis=1), 1.0)
    return tf.cast(mean, hidden.dtype)
