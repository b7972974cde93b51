import pytest
import tensorflow as tf


class LetterTokenizer:
    """One token a character: what is under test here is the batching."""

    fingerprint = "letters"

    def __init__(self):
        self.counted = 0

    def __call__(self, texts, pairs=None, max_length=128):
        ids = tf.strings.unicode_decode(texts, "UTF-8")
        segments = tf.zeros_like(ids)
        if pairs is not None:
            second = tf.strings.unicode_decode(pairs, "UTF-8")
            ids, segments = tf.concat([ids, second], 1), tf.concat([segments, tf.ones_like(second)], 1)
        ids, segments = ids[:, :max_length], segments[:, :max_length]
        return {
            "token_ids": ids.to_tensor(),
            "segment_ids": segments.to_tensor(),
            "padding_mask": tf.ones_like(ids).to_tensor(),
        }

    def lengths(self, texts, pairs=None, max_length=None):
        self.counted += int(tf.size(texts))
        return tf.reduce_sum(self(texts, pairs, max_length or 10**6)["padding_mask"], 1)


@pytest.fixture
def letters():
    return LetterTokenizer()
