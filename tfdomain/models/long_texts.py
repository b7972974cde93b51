"""Texts longer than the encoder's positions: encoded window by window, the windows' vectors made one."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from tfdomain.errors import InputError
from tfdomain.models.encoder_model import DEFAULT_MAX_LENGTH
from tfdomain.models.windows import WINDOW_POOLINGS, pool_windows

__all__ = ["WINDOWS", "WindowPooling", "choose_lengths", "encode_in_parts", "refuse_pairs"]

WINDOWS = (*WINDOW_POOLINGS, "attention")
"""The ways from the vectors of a text's windows to one."""
DEFAULT_NUM_WINDOWS = 8
# A text of 5,000 Chinese characters in each of 64 rows would otherwise take all memory at once.
TOKENS_AT_ONCE = 1 << 15


@keras.saving.register_keras_serializable("tfdomain")
class WindowPooling(keras.layers.Layer):
    """Makes the vectors of a text's windows one.

    `mean` and `max` are taken in each dimension. `attention` is a mean with weights, the softmax over a text's
    windows of their scores: a window's vector times a learned query, divided by the root of their length. The
    query starts at zero, where the weights are equal.

    Args:
        pooling: `mean`, `max` or `attention`.

    Raises:
        InputError: There is no such pooling.

    Reference: Yang et al. 2016, "Hierarchical Attention Networks for Document Classification", section 2.2.
    """

    def __init__(self, pooling: str, **kwargs: Any):
        # float32 whatever the policy: sums over windows, and few weights.
        super().__init__(**(kwargs | {"dtype": "float32"}))
        if pooling not in WINDOWS:
            raise InputError(f"windows is {pooling!r}", where="model.windows", mend=f"choose {', '.join(WINDOWS)}")
        self.pooling = pooling

    def build(self, vectors_shape: Any) -> None:
        """Creates the query of `attention`."""
        if self.pooling == "attention":
            self.query = self.add_weight(shape=(vectors_shape[-1],), initializer="zeros", name="query")

    def call(self, vectors: tf.Tensor, row_of_window: tf.Tensor, num_texts: tf.Tensor) -> tf.Tensor:
        """Pools windows.

        Args:
            vectors: Float `[num_windows, size]`.
            row_of_window: int32 `[num_windows]`, the text of each: every text has at least one.
            num_texts: int32 scalar.

        Returns:
            Float32 `[num_texts, size]`; of a text with one window that window's vector, exactly.
        """
        if self.pooling != "attention":
            return pool_windows(vectors, row_of_window, num_texts, self.pooling)
        scores = tf.linalg.matvec(vectors, self.query) / vectors.shape[-1] ** 0.5
        # The highest score of a text becomes 0: no exponential is too large for a float.
        highest = tf.stop_gradient(tf.math.unsorted_segment_max(scores, row_of_window, num_texts))
        shares = tf.exp(scores - tf.gather(highest, row_of_window))
        weights = shares / tf.gather(tf.math.unsorted_segment_sum(shares, row_of_window, num_texts), row_of_window)
        return tf.math.unsorted_segment_sum(vectors * weights[:, tf.newaxis], row_of_window, num_texts)

    def compute_output_shape(self, vectors_shape: Any, *others: Any) -> tuple[int | None, int]:
        """`(num_texts, size)`."""
        return (None, vectors_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """What `from_config` rebuilds the layer from."""
        return super().get_config() | {"pooling": self.pooling}


def choose_lengths(
    windows: str | None,
    *,
    max_length: int | None,
    window_length: int | None,
    overlap: int | None,
    num_positions: int,
    pairs: bool = False,
) -> tuple[int, int]:
    """The lengths that a model of whole texts (`windows` is None) or of windows has, with the defaults filled in.

    Args:
        windows: How windows are pooled; None: there are none.
        max_length: Tokens that a text is cut to; None: eight windows' length, or without windows 128 or the positions.
        window_length: Tokens of a window; None: 128, or the positions or `max_length` where they are fewer.
        overlap: Tokens that a window repeats of the one before; None: a quarter of a window's content.
        num_positions: Of the encoder.
        pairs: Whether the model reads pairs of texts.

    Returns:
        `max_length`, and the tokens that the encoder is given at a time: those of a window, or of a whole text.

    Raises:
        InputError: The choices contradict each other.
    """
    if windows is None:
        for name, value in {"window_length": window_length, "overlap": overlap}.items():
            if value is not None:
                mend = f"choose model.windows ({', '.join(WINDOWS)}), or leave it out"
                raise InputError(f"{name} is {value}, and there are no windows", where=f"model.{name}", mend=mend)
        if max_length is None:
            max_length = min(DEFAULT_MAX_LENGTH, num_positions)
        if max_length > num_positions:
            mend = f"choose 3 to {num_positions}, the encoder's positions, or read longer texts with model.windows"
            raise InputError(f"max_length is {max_length}", mend=mend)
        return max_length, max_length
    if pairs:
        refuse_pairs()
    if window_length is None:
        window_length = min(DEFAULT_MAX_LENGTH, num_positions, max_length or num_positions)
    if not 3 <= window_length <= num_positions:
        mend = f"choose 3 to {num_positions}, the encoder's positions"
        raise InputError(f"window_length is {window_length}", where="model.window_length", mend=mend)
    if max_length is None:
        max_length = DEFAULT_NUM_WINDOWS * window_length
    if max_length < window_length:
        mend = f"give {window_length} or more, or a smaller model.window_length"
        raise InputError(f"max_length is {max_length}, less than a window of {window_length}", mend=mend)
    if overlap is not None and not 0 <= overlap < window_length - 2:
        mend = f"give 0 to {window_length - 3} for windows of {window_length}"
        raise InputError(f"overlap is {overlap}", where="model.overlap", mend=mend)
    return max_length, window_length


def refuse_pairs() -> None:
    """Refuses windows of pairs: a window would show a part of one text without what it is compared with.

    Raises:
        InputError: Always.
    """
    problem = "windows are of single texts, and a window of a pair would not show both"
    raise InputError(problem, where="model.windows", mend="leave it out for pairs")


def encode_in_parts(
    encode: Callable[[dict[str, tf.Tensor]], tf.Tensor],
    inputs: Mapping[str, tf.Tensor],
    *,
    size: int,
    dtype: str,
) -> tf.Tensor:
    """What `encode` gives for all windows, so many at a time that memory does not grow with their number.

    Args:
        encode: Turns a token batch of any number of rows into vectors `[rows, size]` of `dtype`.
        inputs: The token batch, `[num_windows, width]` each.
        size: Of a vector.
        dtype: Of the vectors.

    Returns:
        `[num_windows, size]`.
    """
    num_windows, width = tf.unstack(tf.shape(inputs["token_ids"]))
    step = tf.maximum(TOKENS_AT_ONCE // tf.maximum(width, 1), 1)
    # Of no windows there is one empty part.
    num_parts = tf.maximum((num_windows + step - 1) // step, 1)

    def add(number, parts):
        rows = slice(number * step, (number + 1) * step)
        return number + 1, parts.write(number, encode({name: tensor[rows] for name, tensor in inputs.items()}))

    parts = tf.TensorArray(dtype, size=num_parts, infer_shape=False, element_shape=[None, size])
    # One part after the other: side by side they would take the memory that this is to save.
    _, parts = tf.while_loop(lambda number, _: number < num_parts, add, (0, parts), parallel_iterations=1)
    return parts.concat()
