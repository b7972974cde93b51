"""The parts of the encoder: embeddings, a transformer block, the pooler.

Hidden states are flat here, `[batch * length, hidden]`: every dense layer is then one matrix product. Norms
and softmax are computed in float32 at least; under mixed precision their weights and the tables stay in it.
"""

from typing import Any

import keras
import tensorflow as tf

from tfdomain.encoders.activations import ACTIVATIONS
from tfdomain.encoders.config import EncoderConfig
from tfdomain.encoders.dropout import apply_dropout
from tfdomain.encoders.written_gradients import gelu, normalized

__all__ = ["Block", "Embeddings", "Pooler", "normalize", "project"]


class _Part(keras.layers.Layer):
    """A layer that draws its weights from one seeded generator and drops out by number."""

    def __init__(self, config: EncoderConfig, *, seed: int | None, initialize: bool, **kwargs: Any):
        super().__init__(**kwargs)
        self._config, self._initializer_seed, self._initialize = config, seed, initialize

    @property
    def _wide(self) -> tf.DType:
        return tf.float64 if self.compute_dtype == "float64" else tf.float32

    def _table(self, name: str, *shape: int) -> keras.Variable:
        return self._matrix(name, *shape, autocast=False)

    def _matrix(self, name: str, *shape: int, autocast: bool = True) -> keras.Variable:
        seed = self._initializer_seed
        if seed is not None:
            seed, self._initializer_seed = seed, seed + 1
        initializer: Any = "zeros"
        if self._initialize:
            initializer = keras.initializers.TruncatedNormal(stddev=self._config.initializer_range, seed=seed)
        return self.add_weight(shape=shape, initializer=initializer, autocast=autocast, name=name)

    def _dense(self, name: str, inputs: int, outputs: int) -> tuple[keras.Variable, keras.Variable]:
        kernel = self._matrix(f"{name}_kernel", inputs, outputs)
        return kernel, self.add_weight(shape=(outputs,), initializer="zeros", name=f"{name}_bias")

    def _norm(self, name: str) -> tuple[keras.Variable, keras.Variable]:
        shape = (self._config.hidden_size,)
        scale = self.add_weight(shape=shape, initializer="ones", autocast=False, name=f"{name}_scale")
        return scale, self.add_weight(shape=shape, initializer="zeros", autocast=False, name=f"{name}_bias")

    def _normalize(self, x: tf.Tensor, norm: tuple[keras.Variable, keras.Variable], *, training: bool) -> tf.Tensor:
        scale, bias = (tf.cast(variable, self._wide) for variable in norm)
        form = normalized if training else normalize
        return tf.cast(form(tf.cast(x, self._wide), (scale, bias), self._config.layer_norm_eps), self.compute_dtype)


def normalize(x: tf.Tensor, norm: tuple[Any, Any], epsilon: float) -> tf.Tensor:
    """Layer normalization of the last dimension, in the type of `x`; `norm` is scale and bias, `[size]` each."""
    scale, bias = norm
    x = x - tf.reduce_mean(x, axis=-1, keepdims=True)
    variance = tf.reduce_mean(tf.square(x), axis=-1, keepdims=True)
    return x * tf.math.rsqrt(variance + epsilon) * scale + bias


def project(x: tf.Tensor, dense: tuple[Any, Any]) -> tf.Tensor:
    """A dense layer on `[tokens, inputs]`; `dense` is kernel `[inputs, outputs]` and bias `[outputs]`."""
    kernel, bias = (tf.convert_to_tensor(variable) for variable in dense)
    return tf.nn.bias_add(tf.matmul(x, kernel), bias)


class Embeddings(_Part):
    """Adds a word's, a position's and a segment's vector, and normalizes the sum."""

    def build(self, input_shape: Any = None) -> None:
        """Creates the three tables and the norm."""
        config = self._config
        self.words = self._table("word_table", config.vocab_size, config.hidden_size)
        self.positions = self._table("position_table", config.max_position_embeddings, config.hidden_size)
        self.segments = self._table("segment_table", config.type_vocab_size, config.hidden_size)
        self.norm = self._norm("norm")

    def call(
        self,
        token_ids: tf.Tensor,
        segment_ids: tf.Tensor,
        position_ids: tf.Tensor | None = None,
        seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Embeds int32 `[batch, length]` tokens as `[batch * length, hidden]`; with a seed it drops out."""
        x = tf.gather(tf.convert_to_tensor(self.words), token_ids)
        x += tf.gather(tf.convert_to_tensor(self.segments), segment_ids)
        positions = tf.convert_to_tensor(self.positions)
        x += positions[: tf.shape(token_ids)[1]] if position_ids is None else tf.gather(positions, position_ids)
        x = self._normalize(tf.reshape(x, [-1, self._config.hidden_size]), self.norm, training=seed is not None)
        if seed is None:
            return x
        return apply_dropout(x, rate=self._config.hidden_dropout_prob, seed=seed, layer_index=0)


class Block(_Part):
    """Self-attention and a feed-forward part, each added to its input and then normalized."""

    def __init__(self, config: EncoderConfig, *, first_dropout: int, **kwargs: Any):
        super().__init__(config, **kwargs)
        self._first_dropout = first_dropout

    def build(self, input_shape: Any = None) -> None:
        """Creates the six dense layers and the two norms."""
        hidden, inner = self._config.hidden_size, self._config.intermediate_size
        self.query = self._dense("query", hidden, hidden)
        self.key = self._dense("key", hidden, hidden)
        self.value = self._dense("value", hidden, hidden)
        self.attention_output = self._dense("attention_output", hidden, hidden)
        self.attention_norm = self._norm("attention_norm")
        self.expand = self._dense("expand", hidden, inner)
        self.contract = self._dense("contract", inner, hidden)
        self.norm = self._norm("norm")

    def call(
        self, x: tf.Tensor, bias: tf.Tensor, seed: tf.Tensor | None = None, weights_only: bool = False
    ) -> tf.Tensor:
        """Transforms `[batch * length, hidden]` into the same.

        Args:
            x: Hidden states, flat.
            bias: `[batch, 1, 1, length]`, added to the attention's scores; `[batch, 1, length, length]` where it
                differs by the token that attends.
            seed: int32 `[2]`; None is inference, without dropout.
            weights_only: Give the weights of the attention instead, `[batch, heads, length, length]`: how much each
                token takes from each.
        """
        if weights_only:
            return self._weigh(x, bias)[0]
        attended = project(self._attend(x, bias, seed), self.attention_output)
        training = seed is not None
        x = self._normalize(x + self._drop(attended, 1, seed), self.attention_norm, training=training)
        # "gelu" alone is the exact one in a configuration.
        act = self._config.hidden_act
        inner = (gelu if training and act == "gelu" else ACTIVATIONS[act])(project(x, self.expand))
        return self._normalize(x + self._drop(project(inner, self.contract), 2, seed), self.norm, training=training)

    def _attend(self, x: tf.Tensor, bias: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        weights, value = self._weigh(x, bias)
        weights = self._drop(tf.cast(weights, self.compute_dtype), 0, seed)
        return tf.reshape(tf.transpose(tf.matmul(weights, value), [0, 2, 1, 3]), [-1, self._config.hidden_size])

    def _weigh(self, x: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The weights of the attention, and the values `[batch, heads, length, head width]` that they weigh."""
        hidden, heads = self._config.hidden_size, self._config.num_attention_heads
        shape = tf.shape(bias)
        split = [shape[0], shape[3], heads, hidden // heads]
        # Scaling the queries instead of the scores touches `length / head width` times fewer numbers.
        scale = (hidden // heads) ** -0.5
        query, key, value = (
            tf.transpose(tf.reshape(projected, split), [0, 2, 1, 3])
            for projected in (project(x, self.query) * scale, project(x, self.key), project(x, self.value))
        )
        scores = tf.cast(tf.matmul(query, key, transpose_b=True), self._wide) + tf.cast(bias, self._wide)
        return tf.nn.softmax(scores), value

    def _drop(self, x: tf.Tensor, place: int, seed: tf.Tensor | None) -> tf.Tensor:
        if seed is None:
            return x
        config = self._config
        rate = config.attention_probs_dropout_prob if place == 0 else config.hidden_dropout_prob
        return apply_dropout(x, rate=rate, seed=seed, layer_index=self._first_dropout + place)


class Pooler(_Part):
    """A dense layer with tanh on the first token's hidden state."""

    def build(self, input_shape: Any = None) -> None:
        """Creates the dense layer."""
        self.dense = self._dense("dense", self._config.hidden_size, self._config.hidden_size)

    def call(self, hidden: tf.Tensor) -> tf.Tensor:
        """Pools `[batch, length, hidden]` into `[batch, hidden]`."""
        return tf.tanh(project(hidden[:, 0], self.dense))
