"""Questions with their contexts as token rows, with the context whole and the question cut to a bound."""

from collections.abc import Mapping

import tensorflow as tf

from tfdomain.encoders.tokenizer import Tokenizer

__all__ = ["tokenize_questions"]


def tokenize_questions(
    questions: tf.Tensor, contexts: tf.Tensor, tokenizer: Tokenizer, max_question_tokens: int
) -> dict[str, tf.Tensor]:
    """The tokens of `[CLS] question [SEP] context [SEP]`, however long the context is.

    Args:
        questions: String `[batch]`.
        contexts: String `[batch]`.
        tokenizer: Turns text into tokens.
        max_question_tokens: What a question is cut to, its special tokens not counted.

    Returns:
        `token_ids`, `segment_ids` (1 for the context and its `[SEP]`) and `padding_mask`, int32
        `[batch, length]`; `offsets` int32 `[batch, length, 2]`, where each token begins and ends in its
        text, in characters.
    """
    tokens = tokenizer(questions, contexts, max_length=None, return_offsets=True)
    num_tokens = tf.reduce_sum((1 - tokens["segment_ids"]) * tokens["padding_mask"], axis=1) - 2
    excess = tf.maximum(num_tokens - max_question_tokens, 0)
    return tf.cond(
        tf.reduce_any(excess > 0), lambda: _cut(tokens, excess, max_question_tokens, tokenizer.pad_id), lambda: tokens
    )


def _cut(tokens: Mapping[str, tf.Tensor], excess: tf.Tensor, kept: int, pad_id: int) -> dict[str, tf.Tensor]:
    """The rows without the `excess` (int32 `[batch]`) last tokens of their questions."""
    lengths = tf.reduce_sum(tokens["padding_mask"], axis=1) - excess
    place = tf.range(tf.reduce_max(lengths))
    source = place + tf.where(place <= kept, 0, excess[:, tf.newaxis])
    is_token = place < lengths[:, tf.newaxis]
    source = tf.where(is_token, source, 0)
    cut = {name: tf.gather(values, source, batch_dims=1) for name, values in tokens.items()}
    return {
        "token_ids": tf.where(is_token, cut["token_ids"], pad_id),
        "segment_ids": tf.where(is_token, cut["segment_ids"], 0),
        "padding_mask": tf.cast(is_token, tf.int32),
        "offsets": tf.where(is_token[:, :, tf.newaxis], cut["offsets"], 0),
    }
