"""Texts that are tokenized already, as arrays in memory."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfdomain.errors import InputError
from tfdomain.pipeline.order import epoch_batches
from tfdomain.pipeline.tuning import untuned

__all__ = ["TokenArrays"]


class TokenArrays:
    """Texts that are tokenized already, as arrays in memory; see `batches_of` for the arguments."""

    def __init__(
        self,
        tokens: Mapping[str, Any],
        *,
        batch_size: int,
        labels: np.ndarray | None = None,
        sample_weight: np.ndarray | None = None,
        rows: np.ndarray | None = None,
        seed: int = 0,
        shuffle: bool = False,
    ):
        missing = sorted({"token_ids", "padding_mask"} - set(tokens))
        if missing:
            raise InputError(f"holds no {missing[0]}", where="x", mend="give what the tokenizer gives, or texts")
        segments = tokens.get("segment_ids")
        ids = np.asarray(tokens["token_ids"], "int32")
        segments = np.zeros_like(ids) if segments is None else np.asarray(segments, "int32")
        self._arrays = {"token_ids": ids, "segment_ids": segments}
        self._arrays["padding_mask"] = np.asarray(tokens["padding_mask"], "int32")
        for name, array in self._arrays.items():
            if array.ndim != 2 or array.shape != ids.shape:
                raise InputError(f"{name} has the shape {list(array.shape)}", where="x", mend="give [n, length] each")
        self._arrays |= {} if labels is None else {"labels": labels}
        self._arrays |= {} if sample_weight is None else {"sample_weight": sample_weight}
        self._rows = np.arange(len(ids)) if rows is None else np.asarray(rows, "int64")
        if not len(self._rows):
            raise InputError("there are no rows", where="x", mend="give at least one")
        self._batch_size, self._seed, self._shuffle = batch_size, seed, shuffle
        self.num_batches = -(-len(self._rows) // batch_size)

    def epoch(self, epoch: int, first_batch: int = 0) -> tf.data.Dataset:
        """The batches of one epoch; their order is a function of the seed and the epoch."""
        # They are padded to one length already: to group them by length would gain nothing.
        lengths = np.zeros(len(self._rows), "int32")
        order = epoch_batches(
            lengths, batch_size=self._batch_size, seed=self._seed, epoch=epoch, shuffle=self._shuffle, group=False
        )

        def generate() -> Iterator[dict[str, np.ndarray]]:
            for positions in order[first_batch:]:
                rows = self._rows[positions]
                yield {name: array[rows] for name, array in self._arrays.items()} | {"row_ids": rows}

        spec = {name: tf.TensorSpec([None, *array.shape[1:]], array.dtype) for name, array in self._arrays.items()}
        spec["row_ids"] = tf.TensorSpec([None], tf.int64)
        return untuned(tf.data.Dataset.from_generator(generate, output_signature=spec))
