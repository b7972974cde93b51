"""The tokens of a batch as one stream, and how attention sees the rows in it.

Dense layers and norms do not care which row a token is of: they take a stream `[tokens, size]`. Attention does, and is
given the stream's rows as rectangles. `WholeRows` keeps the batch as it is, padding and all: nothing is sorted or
copied, which suits a few rows. `SortedRows` leaves the padding out, and sorts rows by length, so that the rectangles
of attention have little of it either.
"""

import itertools
from collections.abc import Mapping, Sequence

import tensorflow as tf

__all__ = ["SortedRows", "WholeRows"]

# Where the rows, sorted by length, are cut: attention's work grows with the square of the length, so the longest rows,
# which differ most, share a rectangle with few others.
CUTS = (0.0, 3 / 8, 6 / 8, 15 / 16, 1.0)


class WholeRows:
    """A batch as it is; every place of it is a token of the stream.

    Args:
        inputs: `token_ids`, `segment_ids`, `padding_mask` int32 `[batch, length]`.
    """

    def __init__(self, inputs: Mapping[str, tf.Tensor]):
        self._batch, self._length = tf.unstack(tf.shape(inputs["token_ids"]))
        self._mask = inputs["padding_mask"]
        self.token_ids, self.segment_ids = (tf.reshape(inputs[name], [-1]) for name in ("token_ids", "segment_ids"))
        """int32 `[tokens]`."""
        self.position_ids = tf.tile(tf.range(self._length), self._batch[tf.newaxis])

    def masks(self) -> list[tf.Tensor]:
        """For each rectangle of rows which places are tokens: bool `[rows, length]`."""
        return [self._mask > 0]

    def rectangles(self, stream: tf.Tensor) -> list[tf.Tensor]:
        """The rows of a stream `[tokens, size]`: `[rows, length, size]` each, with anything for padding."""
        return [tf.reshape(stream, [self._batch, self._length, stream.shape[1]])]

    def stream(self, rectangles: Sequence[tf.Tensor]) -> tf.Tensor:
        """What `rectangles` gave, or others of their form, `[rows * length, size]` each, as a stream."""
        return rectangles[0]

    def batch(self, stream: tf.Tensor) -> tf.Tensor:
        """A stream `[tokens, size]` in the batch's order, `[batch, length, size]`; of no use where padding is."""
        return self.rectangles(stream)[0]


class SortedRows:
    """A batch without its padding, its rows sorted by length and cut into four rectangles.

    Args:
        inputs: `token_ids`, `segment_ids`, `padding_mask` int32 `[batch, length]`, the padding behind the tokens; at
            least one token.
    """

    def __init__(self, inputs: Mapping[str, tf.Tensor]):
        mask = inputs["padding_mask"]
        lengths = tf.reduce_sum(mask, axis=1)
        order = tf.argsort(lengths, stable=True)
        self._lengths = tf.gather(lengths, order)
        self._starts = tf.cumsum(self._lengths, exclusive=True)
        self._num_tokens = tf.reduce_sum(lengths)
        places = tf.cast(tf.where(tf.sequence_mask(self._lengths, tf.shape(mask)[1])), tf.int32)  # [tokens, 2]
        row, self.position_ids = tf.unstack(places, axis=1)
        source = tf.stack([tf.gather(order, row), self.position_ids], axis=1)
        self.token_ids, self.segment_ids = (tf.gather_nd(inputs[name], source) for name in ("token_ids", "segment_ids"))
        """int32 `[tokens]`."""
        self._place_in_stream = tf.scatter_nd(source, tf.range(self._num_tokens), tf.shape(mask))
        self._masks, self._indices, widths = self._cut()
        self._place_in_rectangles = tf.gather(tf.cumsum(widths, exclusive=True), row) + self.position_ids

    def masks(self) -> list[tf.Tensor]:
        """As `WholeRows.masks`."""
        return self._masks

    def rectangles(self, stream: tf.Tensor) -> list[tf.Tensor]:
        """As `WholeRows.rectangles`."""
        return [tf.gather(stream, index) for index in self._indices]

    def stream(self, rectangles: Sequence[tf.Tensor]) -> tf.Tensor:
        """As `WholeRows.stream`."""
        return tf.gather(tf.concat(rectangles, axis=0), self._place_in_rectangles)

    def batch(self, stream: tf.Tensor) -> tf.Tensor:
        """As `WholeRows.batch`."""
        return tf.gather(stream, self._place_in_stream)

    def _cut(self) -> tuple[list[tf.Tensor], list[tf.Tensor], tf.Tensor]:
        """Each rectangle's mask and its places in the stream, `[rows, length]`; and each row's width in its own."""
        num_rows = tf.cast(tf.size(self._lengths), tf.float32)
        borders = [tf.cast(tf.round(num_rows * cut), tf.int32) for cut in CUTS]
        masks, indices, widths = [], [], []
        for first, last in itertools.pairwise(borders):
            lengths = self._lengths[first:last]
            # They ascend; a rectangle may have no rows.
            width = tf.reduce_sum(lengths[-1:])
            place = tf.range(width)
            masks.append(place < lengths[:, tf.newaxis])
            index = self._starts[first:last, tf.newaxis] + place
            indices.append(tf.minimum(index, self._num_tokens - 1))
            widths.append(tf.fill(tf.shape(lengths), width))
        return masks, indices, tf.concat(widths, axis=0)
