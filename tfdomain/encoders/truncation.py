"""How many tokens of each text of a pair stay: `longest_first` as the reference does it."""

import tensorflow as tf

__all__ = ["truncate_pair_lengths"]


def truncate_pair_lengths(first: tf.Tensor, second: tf.Tensor, budget: tf.Tensor | int) -> tuple[tf.Tensor, tf.Tensor]:
    """Shortens the longer text until both fit; where neither half would fit, both become halves.

    This gives target lengths at once. Where both texts are longer than half of an odd budget, the
    one token more goes to the longer text, and to the second where they are equally long.

    Args:
        first: int32 `[batch]`, tokens of the first texts, without special tokens.
        second: int32 `[batch]`, tokens of the second texts.
        budget: int32 scalar, the most tokens that both may have together, without special tokens.

    Returns:
        int32 `[batch]` twice: how many tokens of each to keep, from the left.

    Reference:
        `truncate_encodings` of the `tokenizers` library, strategy `LongestFirst`.
    """
    fits = first + second <= budget
    shorter = tf.minimum(first, second)
    halves = shorter > budget // 2
    kept_shorter = tf.where(halves, budget // 2, shorter)
    kept_longer = budget - kept_shorter
    kept_first = tf.where(first > second, kept_longer, kept_shorter)
    kept_second = tf.where(first > second, kept_shorter, kept_longer)
    return tf.where(fits, first, kept_first), tf.where(fits, second, kept_second)
