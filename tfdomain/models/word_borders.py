"""Where the words of token rows begin and end, for questions asked of every row at once."""

from typing import NamedTuple

import tensorflow as tf

__all__ = ["WordBorders", "word_borders"]


class WordBorders(NamedTuple):
    """The borders of each row: the places where a word begins, and the end of the last word.

    `places` int32 `[batch, length + 1]` has them in their order, then zeros; `counts` int32
    `[batch, length]` says how many there are up to each position, with the position itself.
    """

    places: tf.Tensor
    counts: tf.Tensor

    def last_up_to(self, positions: tf.Tensor) -> tf.Tensor:
        """The last border at or before each position, int32 `[batch, k]` or `[batch]`; else the row's first."""
        return _look_up(self.places, tf.maximum(self._count(positions) - 1, 0))

    def first_behind(self, positions: tf.Tensor) -> tf.Tensor:
        """The first border behind each position, int32 `[batch, k]` or `[batch]`; else 0."""
        return _look_up(self.places, self._count(positions))

    def _count(self, positions: tf.Tensor) -> tf.Tensor:
        return _look_up(self.counts, tf.maximum(positions, 0))


def word_borders(is_continued: tf.Tensor, begin: tf.Tensor, end: tf.Tensor) -> WordBorders:
    """The borders in a stretch of each row; its begin and its end are borders whatever stands there.

    Args:
        is_continued: Bool `[batch, length]`, whether the token goes on with the word before it.
        begin: int32 `[batch]`, the first position of the stretch.
        end: int32 `[batch]`, the position behind its last one, less than length.
    """
    shape = tf.shape(is_continued)
    position = tf.range(shape[1])
    begin, end = begin[:, tf.newaxis], end[:, tf.newaxis]
    inner = (position > begin) & (position < end) & ~is_continued
    is_border = inner | (position == begin) | (position == end)
    counts = tf.cumsum(tf.cast(is_border, tf.int32), axis=1)
    found = tf.cast(tf.where(is_border), tf.int32)  # [borders, 2]: row, position
    target = tf.stack([found[:, 0], tf.gather_nd(counts, found) - 1], axis=1)
    return WordBorders(tf.scatter_nd(target, found[:, 1], [shape[0], shape[1] + 1]), counts)


def _look_up(table: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    return tf.gather(table, index, batch_dims=1)
