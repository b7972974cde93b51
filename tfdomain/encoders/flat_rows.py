"""Rows of different lengths as one flat vector and the places where each row starts.

TensorFlow's own `repeat` builds a mask of rows times the longest row; these do not.
"""

import tensorflow as tf

__all__ = ["repeat_index", "row_indices"]


def repeat_index(counts: tf.Tensor) -> tf.Tensor:
    """Element `i` of the result is repeated `counts[i]` times: `[2, 0, 1]` gives `[0, 0, 2]`.

    Args:
        counts: int32 `[n]`.

    Returns:
        int32 `[sum of counts]`.
    """
    return row_indices(tf.concat([[0], tf.cumsum(counts)], 0))


def row_indices(splits: tf.Tensor) -> tf.Tensor:
    """The row of each element: `[0, 2, 2, 3]` gives `[0, 0, 2]`.

    Args:
        splits: int32 `[rows + 1]`, where each row starts, and the end.

    Returns:
        int32 `[splits[-1]]`.
    """
    inner = splits[1:-1]
    # Several empty rows in a row add up in one place.
    steps = tf.scatter_nd(inner[:, tf.newaxis], tf.ones_like(inner), [splits[-1] + 1])
    return tf.cumsum(steps)[:-1]
