"""A text's vector and a table's, made one."""

from typing import Any

import keras
import tensorflow as tf

from tfdomain.encoders.dropout import StatelessDropout
from tfdomain.errors import InputError

__all__ = ["FUSIONS", "Concatenation", "GatedFusion"]


@keras.saving.register_keras_serializable("tfdomain")
class GatedFusion(keras.layers.Layer):
    """Weighs the text against the table, in each dimension and for each example anew.

    With x the text, t = tanh(W table + b) and the gate g = sigmoid(V [x, t] + c) it gives
    LayerNorm(g · x + (1 - g) · t). The reference also projects x; a pretrained encoder's vector needs
    no such projection. Without a text it gives LayerNorm(t).

    Args:
        hidden_size: The length of the text's vector, and of the result.
        dropout_rate: Of the projected table, in [0, 1).
        layer_index: The dropout's number among those that get the same seed.
        seed: Of the first weights.

    Reference: Arevalo et al. 2017, "Gated Multimodal Units for Information Fusion".
    """

    def __init__(
        self, hidden_size: int, *, dropout_rate: float = 0.0, layer_index: int = 0, seed: int = 0, **kwargs: Any
    ):
        # float32 whatever the policy: these are few weights, and a norm.
        super().__init__(**(kwargs | {"dtype": "float32"}))
        if hidden_size < 1:
            raise InputError(f"a hidden size of {hidden_size}", where="hidden_size", mend="give at least 1")
        self.hidden_size, self.seed = hidden_size, seed
        self.dropout = StatelessDropout(dropout_rate, layer_index, dtype="float32", name="dropout")
        self.projection = keras.layers.Dense(
            hidden_size,
            activation="tanh",
            kernel_initializer=keras.initializers.GlorotUniform(seed),
            dtype="float32",
            name="projection",
        )
        self.gate = keras.layers.Dense(
            hidden_size,
            activation="sigmoid",
            kernel_initializer=keras.initializers.GlorotUniform(seed + 1),
            dtype="float32",
            name="gate",
        )
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype="float32", name="norm")

    def build(self, table_shape: Any, text_shape: Any = None) -> None:
        """Creates the weights; the gate only where there is a text."""
        self.projection.build(table_shape)
        self.norm.build((None, self.hidden_size))
        if text_shape is None:
            return
        if text_shape[-1] != self.hidden_size:
            problem = f"a text vector of length {text_shape[-1]} where {self.hidden_size} was declared"
            raise InputError(problem, where="hidden_size", mend=f"give {text_shape[-1]}")
        self.gate.build((None, 2 * self.hidden_size))

    def call(
        self,
        table: tf.Tensor,
        text: tf.Tensor | None = None,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Joins the vectors.

        Args:
            table: Float `[batch, width]`.
            text: Float `[batch, hidden_size]`; None for a table alone.
            training: Whether dropout is on.
            dropout_seed: int32 `[2]`; None draws one.

        Returns:
            Float32 `[batch, hidden_size]`.
        """
        projected = self.dropout(self.projection(table), training=training, seed=dropout_seed)
        if text is None:
            return self.norm(projected)
        gate = self.gate(tf.concat([text, projected], axis=-1))
        return self.norm(gate * text + (1 - gate) * projected)

    def compute_output_shape(self, table_shape: Any, text_shape: Any = None) -> tuple[int | None, int]:
        """`(batch, hidden_size)`."""
        return (table_shape[0], self.hidden_size)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` rebuilds the layer from."""
        return super().get_config() | {
            "hidden_size": self.hidden_size,
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
