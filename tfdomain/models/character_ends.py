"""Token offsets that end with whole characters, where the tokenizer leaves marks out that belong to the last one.

An accent that is written as a character of its own, or the selector behind an emoji, is stripped before words become
tokens; a span that ends before it would cut what a reader sees as one character.
"""

import unicodedata
from functools import lru_cache

import numpy as np
import tensorflow as tf

__all__ = ["extend_to_characters"]

# Marks, joiners, half-width voicing, skin tones, and the tags and selectors of plane 14, as RE2 spells them.
_EXTENDING = r"\pM\x{200C}\x{200D}\x{FF9E}\x{FF9F}\x{1F3FB}-\x{1F3FF}\x{E0020}-\x{E007F}"
_OTHERS = [0x200C, 0x200D, 0xFF9E, 0xFF9F, *range(0x1F3FB, 0x1F400)]
_NUM_CODES = 0x20000
_PLANE_14 = 0xE0000


def extend_to_characters(texts: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
    """Moves the end of each token behind the marks that follow it.

    Args:
        texts: Strings `[batch]`, valid UTF-8.
        offsets: int32 `[batch, length, 2]`: the first character of each token and the one after its last; `(0, 0)`
            of what is no token.

    Returns:
        int32 `[batch, length, 2]`.
    """
    any_mark = tf.reduce_any(tf.strings.regex_full_match(texts, rf"(?s).*[{_EXTENDING}].*"))
    return tf.cond(any_mark, lambda: _extended(texts, offsets), lambda: offsets)


def _extended(texts: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
    codes = tf.strings.unicode_decode(texts, "UTF-8").to_tensor(0)
    # One more, which ends the longest text: [batch, characters + 1].
    codes = tf.pad(codes, [[0, 0], [0, 1]])
    is_mark = tf.gather(tf.constant(_marks()), tf.minimum(codes, _NUM_CODES - 1)) | (codes >= _PLANE_14)
    found = tf.cast(tf.where(~is_mark), tf.int32)
    counts = tf.cumsum(tf.cast(~is_mark, tf.int32), axis=1, exclusive=True)
    target = tf.stack([found[:, 0], tf.gather_nd(counts, found)], axis=1)
    places = tf.scatter_nd(target, found[:, 1], tf.shape(codes))  # of the characters that are no marks, in their order
    starts, ends = tf.unstack(offsets, axis=2)
    behind = tf.gather(places, tf.gather(counts, ends, batch_dims=1), batch_dims=1)
    return tf.stack([starts, tf.where(ends > 0, behind, 0)], axis=2)


@lru_cache(maxsize=1)
def _marks() -> np.ndarray:
    """Whether each code point of the first two planes belongs to the character before it."""
    marks = np.array([unicodedata.category(chr(code))[0] == "M" for code in range(_NUM_CODES)])
    marks[_OTHERS] = True
    return marks
