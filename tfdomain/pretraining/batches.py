"""Masked batches of a packed corpus: a function of (seed, epoch, batch), so that a killed run goes on exactly."""

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.pipeline.tuning import untuned
from tfdomain.pretraining.packing import PackedRows, pack
from tfdomain.pretraining.token_store import TokenStore

__all__ = ["PackedBatches"]

KEYS = ("token_ids", "padding_mask", "document_ids", "position_ids")
Hide = Callable[[Mapping[str, tf.Tensor], tf.Tensor], dict[str, tf.Tensor]]
# Epochs and batches share a seed's second number.
BATCHES_PER_EPOCH = 1 << 20


class PackedBatches:
    """Batches of rows that documents were packed into.

    A batch holds int32 `[rows, length]`: `token_ids`; `padding_mask`, 1 for a token; `document_ids`, from 1 in each
    row and 0 for padding; `position_ids`, from 0 in each document; and what `hide` adds.

    Args:
        store: The corpus.
        tokenizer: Whose ids the store holds.
        documents: int64 `[n]`, the documents to read.
        hide: Hides tokens of a batch by a seed: a `Masking`.
        length: Tokens of a row.
        batch_size: Rows of a batch.
        seed: Of the documents' order and of what is hidden.
        shuffle: Whether the order and what is hidden differ by epoch.
    """

    def __init__(
        self,
        store: TokenStore,
        tokenizer: Tokenizer,
        documents: np.ndarray,
        *,
        hide: Hide,
        length: int,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = True,
    ):
        self.store, self.documents, self.hide = store, np.asarray(documents, np.int64), hide
        self.length, self.batch_size, self.seed, self.shuffle = length, batch_size, seed, shuffle
        self._fillers = tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id
        self._begins = ~tokenizer.continues
        # Another order of documents fills rows a little differently: the first epoch's count is every epoch's.
        self._first = self._pack(0)

    @property
    def num_rows(self) -> int:
        """Rows of the first epoch; of another as many, or a few more or less that are left out or repeated."""
        return self._first.num_rows

    @property
    def num_batches(self) -> int:
        """The batches of an epoch."""
        return -(-self.num_rows // self.batch_size)

    def epoch(self, epoch: int, first_batch: int = 0) -> tf.data.Dataset:
        """The batches of one epoch, from the given one on."""
        packed = self._first if epoch == 0 or not self.shuffle else self._pack(epoch)
        bounds = np.searchsorted(packed.rows, np.arange(0, packed.num_rows + 1))
        number = epoch if self.shuffle else 0

        def read(batch: int) -> list[np.ndarray]:
            rows = np.arange(batch * self.batch_size, min((batch + 1) * self.batch_size, self.num_rows))
            return self._rows(packed, bounds, rows % packed.num_rows)

        def masked(batch: tf.Tensor) -> dict[str, tf.Tensor]:
            tensors = tf.numpy_function(read, [batch], [tf.int32] * len(KEYS), stateful=False)
            arrays = {
                key: tf.ensure_shape(tensor, [None, self.length]) for key, tensor in zip(KEYS, tensors, strict=True)
            }
            draw = tf.cast(number * BATCHES_PER_EPOCH, tf.int64) + batch
            return self.hide(arrays, tf.stack([tf.constant(self.seed, tf.int32), tf.cast(draw, tf.int32)]))

        dataset = tf.data.Dataset.range(first_batch, self.num_batches)
        return untuned(dataset.map(masked, num_parallel_calls=1, deterministic=True).prefetch(4))

    def _pack(self, epoch: int) -> PackedRows:
        order = self.documents
        if self.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(order)
        return pack(self.store, order, self._begins, length=self.length)

    def _rows(self, packed: PackedRows, bounds: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
        pad_id, cls_id, sep_id = self._fillers
        token_ids, mask, documents, positions = (np.zeros((len(rows), self.length), np.int32) for _ in KEYS)
        token_ids[:] = pad_id
        for place, row in enumerate(rows):
            used = 0
            for number, piece in enumerate(range(bounds[row], bounds[row + 1]), start=1):
                start, size = packed.starts[piece], packed.lengths[piece]
                end = used + size + 2
                token_ids[place, used], token_ids[place, end - 1] = cls_id, sep_id
                token_ids[place, used + 1 : end - 1] = self.store.token_ids[start : start + size]
                documents[place, used:end], positions[place, used:end] = number, np.arange(size + 2)
                used = end
            mask[place, :used] = 1
        return [token_ids, mask, documents, positions]
