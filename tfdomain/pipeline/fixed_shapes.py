"""Batches of few shapes, for updates that are compiled: each shape is compiled for itself, which takes its time."""

from collections.abc import Mapping
from typing import Any, Protocol

import tensorflow as tf

from tfdomain.pipeline.tuning import untuned

__all__ = ["FixedShapes", "fixed_lengths"]

SHORTEST = 16


class Source(Protocol):
    """Where batches come from."""

    num_batches: int

    def epoch(self, epoch: int, first_batch: int = 0) -> tf.data.Dataset:
        """The batches of one epoch, from the given one on."""


def fixed_lengths(longest: int) -> list[int]:
    """The lengths that batches are padded to: 16, 24, 32, 48, 64, 96 and so on, and `longest`.

    At most a third of a length above 16 is padding, and there are few: 7 up to 128, 11 up to 512.
    """
    lengths, step = [SHORTEST], SHORTEST // 2
    while lengths[-1] + step < longest:
        lengths.append(lengths[-1] + step)
        # Two steps of one size, then two of twice the size.
        step *= 2 if lengths[-1] == 4 * step else 1
    return [length for length in lengths if length < longest] + [longest]


class FixedShapes:
    """The batches of a source, each filled up to one number of rows and padded to one of a few lengths.

    What is added is 0. Rows that are added count nowhere: their `sample_weight` is 0, and so is their `row_mask`,
    float32 `[rows]`, which is 1 for the rows of the source. Tensors whose second dimension is of any size are padded
    with `token_ids`.

    Args:
        source: Gives token batches with `token_ids` `[rows, length]`; what else it has is to be had here, too.
        num_rows: The most rows of a batch.
        longest: The most tokens of a row.
    """

    def __init__(self, source: Source, *, num_rows: int, longest: int):
        self.source, self.num_rows = source, num_rows
        # A table alone has no tokens.
        self._lengths = tf.constant([0, *fixed_lengths(longest)])

    def __getattr__(self, name: str) -> Any:
        if name == "source":
            raise AttributeError(name)
        return getattr(self.source, name)

    def epoch(self, epoch: int, first_batch: int = 0) -> tf.data.Dataset:
        """The batches of one epoch, from the given one on."""
        batches = self.source.epoch(epoch, first_batch)
        return untuned(batches.map(self._filled).prefetch(tf.data.AUTOTUNE))

    def _filled(self, batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        rows, length = tf.unstack(tf.shape(batch["token_ids"]))
        more_rows = self.num_rows - rows
        more_tokens = tf.gather(self._lengths, tf.searchsorted(self._lengths, [length])[0]) - length
        ones = tf.ones([rows], tf.float32)

        def fill(tensor: tf.Tensor) -> tf.Tensor:
            is_long = tensor.shape.rank > 1 and tensor.shape[1] is None
            paddings = [[0, more_rows], *([0, 0] for _ in tensor.shape[1:])]
            if is_long:
                paddings[1] = [0, more_tokens]
            return tf.ensure_shape(tf.pad(tensor, paddings), [self.num_rows, *tensor.shape[1:]])

        return {name: fill(tensor) for name, tensor in ({"sample_weight": ones} | dict(batch)).items()} | {
            "row_mask": fill(ones)
        }
