"""A text's vector and a table's, made one."""

from typing import Any

import keras
import tensorflow as tf

from tfdomain.encoders.dropout import StatelessDropout
from tfdomain.errors import InputError

__all__ = ["FUSIONS", "Concatenation", "GatedFusion", "summary_size"]

SMALLEST_SUMMARY = 8


def summary_size(num_outputs: int, hidden_size: int) -> int:
    """The length of a text's summary: enough for each output to differ, at most the text's own."""
    return min(hidden_size, max(SMALLEST_SUMMARY, 4 * num_outputs))


def _dense(size: int, activation: str, seed: int, name: str) -> keras.layers.Dense:
    glorot = keras.initializers.GlorotUniform(seed)
    return keras.layers.Dense(size, activation=activation, kernel_initializer=glorot, dtype="float32", name=name)


@keras.saving.register_keras_serializable("tfdomain")
class GatedFusion(keras.layers.Layer):
    """Sets a short summary of the text behind the table's vector, and lets both decide how much of it counts.

    With x the text, t = LayerNorm(tanh(W table + b)), s = tanh(U x + d) of `text_size` numbers and the gate
    g = sigmoid(V [s, t] + c) it gives [t, g · s]; without a text it gives t, and [t, 0] for a row whose text is
    empty: that nothing was written is no text to read. The reference mixes both vectors at full width,
    g · x + (1 - g) · t; then a text that says little about the question costs more by what the head learns
    from its noise than it gains (experiments/RESULTS.md, lendingclub).

    Args:
        hidden_size: The length of the table's vector.
        text_size: The length of the text's summary.
        dropout_rate: Of the projected table, in [0, 1); the text's vector has had its own.
        layer_index: The dropout's number among those that get the same seed.
        seed: Of the first weights.

    Raises:
        InputError: A size is below 1.

    Reference: Arevalo et al. 2017, "Gated Multimodal Units for Information Fusion".
    """

    def __init__(
        self,
        hidden_size: int,
        *,
        text_size: int = SMALLEST_SUMMARY,
        dropout_rate: float = 0.0,
        layer_index: int = 0,
        seed: int = 0,
        **kwargs: Any,
    ):
        # float32 whatever the policy: these are few weights, and a norm.
        super().__init__(**(kwargs | {"dtype": "float32"}))
        for name, size in (("hidden_size", hidden_size), ("text_size", text_size)):
            if size < 1:
                raise InputError(f"a {name.replace('_', ' ')} of {size}", where=name, mend="give at least 1")
        self.hidden_size, self.text_size, self.seed = hidden_size, text_size, seed
        self.dropout = StatelessDropout(dropout_rate, layer_index, dtype="float32", name="dropout")
        self.projection = _dense(hidden_size, "tanh", seed, "projection")
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype="float32", name="norm")
        self.summary = _dense(text_size, "tanh", seed + 1, "summary")
        self.gate = _dense(text_size, "sigmoid", seed + 2, "gate")

    def build(self, table_shape: Any, text_shape: Any = None) -> None:
        """Creates the weights; the summary and its gate only where there is a text."""
        self.projection.build(table_shape)
        self.norm.build((None, self.hidden_size))
        if text_shape is not None:
            self.summary.build(text_shape)
            self.gate.build((None, self.text_size + self.hidden_size))

    def call(
        self,
        table: tf.Tensor,
        text: tf.Tensor | None = None,
        has_text: tf.Tensor | None = None,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Joins the vectors.

        Args:
            table: Float `[batch, width]`.
            text: Float `[batch, length]`; None for a table alone.
            has_text: bool `[batch]`, whether a row's text is not empty; None: none is.
            training: Whether dropout is on.
            dropout_seed: int32 `[2]`; None draws one.

        Returns:
            Float32 `[batch, hidden_size + text_size]`; of a table alone `[batch, hidden_size]`.
        """
        table = self.norm(self.dropout(self.projection(table), training=training, seed=dropout_seed))
        if text is None:
            return table
        summary = self.summary(tf.cast(text, tf.float32))
        counted = self.gate(tf.concat([summary, table], axis=-1)) * summary
        if has_text is not None:
            counted *= tf.cast(has_text, tf.float32)[:, tf.newaxis]
        return tf.concat([table, counted], axis=-1)

    def compute_output_shape(self, table_shape: Any, text_shape: Any = None) -> tuple[int | None, int]:
        """`(batch, hidden_size + text_size)`, or `(batch, hidden_size)` of a table alone."""
        return (table_shape[0], self.hidden_size + (0 if text_shape is None else self.text_size))

    def get_config(self) -> dict[str, Any]:
        """What `from_config` rebuilds the layer from."""
        return super().get_config() | {
            "hidden_size": self.hidden_size,
            "text_size": self.text_size,
            "dropout_rate": self.dropout.rate,
            "layer_index": self.dropout.layer_index,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable("tfdomain")
class Concatenation(keras.layers.Layer):
    """Puts the table's vector behind the text's; the head weighs them.

    Args:
        dropout_rate: Of the table's vector, in [0, 1); the text's has had its own.
        layer_index: The dropout's number among those that get the same seed.
    """

    def __init__(self, *, dropout_rate: float = 0.0, layer_index: int = 0, **kwargs: Any):
        super().__init__(**(kwargs | {"dtype": "float32"}))
        self.dropout = StatelessDropout(dropout_rate, layer_index, dtype="float32", name="dropout")
        self.built = True

    def call(
        self,
        table: tf.Tensor,
        text: tf.Tensor | None = None,
        has_text: tf.Tensor | None = None,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Joins the vectors, as `GatedFusion` takes them, to float32 `[batch, hidden + width]`."""
        table = self.dropout(table, training=training, seed=dropout_seed)
        return table if text is None else tf.concat([text, table], axis=-1)

    def compute_output_shape(self, table_shape: Any, text_shape: Any = None) -> tuple[int | None, int]:
        """The sum of both lengths."""
        return (table_shape[0], table_shape[-1] + (0 if text_shape is None else text_shape[-1]))

    def get_config(self) -> dict[str, Any]:
        """What `from_config` rebuilds the layer from."""
        return super().get_config() | {"dropout_rate": self.dropout.rate, "layer_index": self.dropout.layer_index}


FUSIONS = {"gated": GatedFusion, "concatenation": Concatenation}
"""The fusions by the names that experiments use."""
