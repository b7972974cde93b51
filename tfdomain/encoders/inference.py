"""The encoder as an exported model runs it: the same function of the same weights, in fewer and cheaper steps.

Small batches pay for the number of operations, large ones for padding. So the three projections of attention are one
matrix product here, constant factors are multiplied into weights beforehand, and from `MANY_ROWS` on the padding is
left out (`tfdomain.encoders.streams`).
"""

import contextlib
import math
from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf

from tfdomain.encoders.activations import ACTIVATIONS
from tfdomain.encoders.blocks import Block, normalize, project
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.streams import SortedRows, WholeRows

__all__ = ["InferenceEncoder", "inference_form"]

# A single row that was sorted took a tenth longer (experiments/RESULTS.md); from which number of rows on sorting pays
# depends on their lengths.
MANY_ROWS = 8

Dense = tuple[tf.Variable, tf.Variable]


class InferenceEncoder(tf.Module):
    """An encoder's forward pass without dropout, for whole rows: no `document_ids` or `position_ids`.

    Its embeddings are the encoder's own variables. The weights of the blocks are copies in the compute type: what is
    trained afterwards does not change them.

    Args:
        encoder: With the weights to be used.
    """

    def __init__(self, encoder: Encoder):
        super().__init__()
        self._config, self._dtype = encoder.config, tf.as_dtype(encoder.compute_dtype)
        self._wide = tf.float64 if self._dtype == tf.float64 else tf.float32
        embeddings = encoder.embeddings
        tables = (embeddings.words, embeddings.positions, embeddings.segments)
        self._tables = [table.value for table in tables]
        scale, bias = embeddings.norm
        self._norm = (scale.value, bias.value)
        self.blocks = [_BlockWeights(block, self._config, self._dtype, self._wide) for block in encoder.blocks]

    def __call__(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Computes the last hidden states.

        Args:
            inputs: `token_ids`, `segment_ids` and `padding_mask` int32 `[batch, length]`, padded behind the tokens.

        Returns:
            Hidden states `[batch, length, hidden]` in the compute type; of no use where padding is.
        """
        hidden = tf.cond(
            tf.shape(inputs["token_ids"])[0] < MANY_ROWS,
            lambda: self._encode(WholeRows(inputs)),
            lambda: self._encode(SortedRows(inputs)),
        )
        return tf.ensure_shape(hidden, [*inputs["token_ids"].shape, self._config.hidden_size])

    def _encode(self, rows: WholeRows | SortedRows) -> tf.Tensor:
        ids = (rows.token_ids, rows.position_ids, rows.segment_ids)
        x = tf.add_n([tf.gather(table, one) for table, one in zip(self._tables, ids, strict=True)])
        x = self._normalize(x, self._norm)
        # Finite, since a row of minus infinities has no softmax.
        bias = [tf.cast(~mask, self._wide)[:, tf.newaxis, tf.newaxis] * self._wide.min for mask in rows.masks()]
        for block in self.blocks:
            projected = rows.rectangles(project(x, block.attention))
            attended = rows.stream([self._attend(each, own) for each, own in zip(projected, bias, strict=True)])
            x = self._normalize(x + project(attended, block.attention_output), block.attention_norm)
            inner = block.activate(project(x, block.expand))
            x = self._normalize(x + project(inner, block.contract), block.norm)
        return rows.batch(x)

    def _attend(self, projected: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        """Attention within rows: `[rows, length, 3 * hidden]` to `[rows * length, hidden]`."""
        hidden, heads = self._config.hidden_size, self._config.num_attention_heads
        num_rows, length = tf.unstack(tf.shape(projected)[:2])
        split = tf.reshape(projected, [num_rows, length, 3, heads, hidden // heads])
        query, key, value = tf.unstack(tf.transpose(split, [2, 0, 3, 1, 4]), num=3)
        scores = tf.cast(tf.matmul(query, key, transpose_b=True), self._wide) + bias
        weights = tf.cast(tf.nn.softmax(scores), self._dtype)
        return tf.reshape(tf.transpose(tf.matmul(weights, value), [0, 2, 1, 3]), [-1, hidden])

    def _normalize(self, x: tf.Tensor, norm: Dense) -> tf.Tensor:
        return tf.cast(normalize(tf.cast(x, self._wide), norm, self._config.layer_norm_eps), self._dtype)


class _BlockWeights(tf.Module):
    """A block's weights as inference takes them, and its activation."""

    def __init__(self, block: Block, config, dtype: tf.DType, wide: tf.DType):
        super().__init__()
        # The scores' factor is the queries'.
        factors = ((config.hidden_size // config.num_attention_heads) ** -0.5, 1.0, 1.0)
        kernels, biases = zip(*(_numbers(dense) for dense in (block.query, block.key, block.value)), strict=True)
        kernel = np.concatenate([one * factor for one, factor in zip(kernels, factors, strict=True)], axis=1)
        bias = np.concatenate([one * factor for one, factor in zip(biases, factors, strict=True)])
        self.attention = _variables((kernel, bias), dtype)
        self.attention_output = _variables(_numbers(block.attention_output), dtype)
        self.attention_norm = _variables(_numbers(block.attention_norm), wide)
        self.norm = _variables(_numbers(block.norm), wide)
        expand, (contract, contract_bias) = _numbers(block.expand), _numbers(block.contract)
        self.activate = ACTIVATIONS[config.hidden_act]
        if config.hidden_act == "gelu":
            # x / 2 * (1 + erf(x / sqrt(2))) is sqrt(1 / 2) * y * (1 + erf(y)) of y = sqrt(1 / 2) * x.
            root = math.sqrt(0.5)
            expand, contract = (expand[0] * root, expand[1] * root), contract * root
            self.activate = lambda y: y * (1 + tf.math.erf(y))
        self.expand = _variables(expand, dtype)
        self.contract = _variables((contract, contract_bias), dtype)


@contextlib.contextmanager
def inference_form(encoder: Encoder) -> Iterator[InferenceEncoder]:
    """Within it whatever calls the encoder without training runs its inference form.

    Args:
        encoder: Graphs that are traced within keep the weights that it has now.
    """
    form = InferenceEncoder(encoder)
    # A function: of an object Keras would keep track.
    encoder.inference = lambda inputs: form(inputs)
    try:
        yield form
    finally:
        encoder.inference = None


def _numbers(dense) -> tuple[np.ndarray, np.ndarray]:
    first, second = (variable.numpy() for variable in dense)
    return first, second


def _variables(arrays: tuple[np.ndarray, np.ndarray], dtype: tf.DType) -> Dense:
    first, second = (tf.Variable(tf.cast(array, dtype), trainable=False) for array in arrays)
    return first, second
