"""The BERT encoder as a plain Keras layer: tokens in, hidden states out."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from tfdomain.encoders.blocks import Block, Embeddings, Pooler
from tfdomain.encoders.config import EncoderConfig
from tfdomain.encoders.dropout import draw_seed
from tfdomain.errors import InputError

__all__ = ["Encoder"]

_DROPOUTS_PER_BLOCK = 3


@keras.saving.register_keras_serializable("tfdomain")
class Encoder(keras.layers.Layer):
    """A BERT encoder with every weight created at once, from random numbers or from a checkpoint.

    It is an ordinary Keras layer: it can stand in a functional model, be frozen, be saved, and run under a
    mixed-precision policy, a `tf.distribute` strategy or XLA.

    Args:
        config: Sizes and constants.
        pooler: Whether it has the dense-tanh pooler of the first token.
        seed: What the initial weights are a function of; None takes Keras' global seed.
        initialize: False leaves tables and kernels at zero, for a caller that assigns them: random numbers for
            a large encoder take seconds.
        **kwargs: `name`, `dtype`, `trainable` as for every Keras layer.

    Example:
        >>> encoder = Encoder.from_pretrained("sentence-transformers/all-MiniLM-L6-v2")
        >>> hidden = encoder({"token_ids": tf.constant([[101, 7592, 102]])})
        >>> hidden.shape
        TensorShape([1, 3, 384])

    Reference: Devlin et al. 2018, "BERT" (https://arxiv.org/abs/1810.04805).
    """

    def __init__(
        self,
        config: EncoderConfig,
        *,
        pooler: bool = True,
        seed: int | None = None,
        initialize: bool = True,
        **kwargs: Any,
    ):
        kwargs.setdefault("name", "encoder")
        super().__init__(**kwargs)
        self.config, self.seed, self.has_pooler = config, seed, bool(pooler)
        seeds = iter(_part_seeds(seed, config.num_hidden_layers + 2))
        shared = {"config": config, "initialize": initialize, "dtype": self.dtype_policy}
        self.embeddings = Embeddings(**shared, seed=next(seeds), name="embeddings")
        self.blocks = [
            Block(
                **shared,
                seed=next(seeds),
                name=f"block_{index}",
                first_dropout=1 + _DROPOUTS_PER_BLOCK * index,
            )
            for index in range(config.num_hidden_layers)
        ]
        self.pooler = Pooler(**shared, seed=next(seeds), name="pooler") if pooler else None
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.recompute = False
        """Whether training keeps of a block only what goes into it, and computes the rest again for the gradient."""
        self.inference: Callable[[Mapping[str, tf.Tensor]], tf.Tensor] | None = None
        """What computes hidden states in place of the blocks where nothing is trained; an export sets it."""
        self.build()

    @classmethod
    def from_pretrained(
        cls, source: str | Path, *, dropout_rate: float | None = None, pooler: bool | None = None
    ) -> "Encoder":
        """Loads a checkpoint's encoder.

        Args:
            source: A folder, `package:NAME/folder`, or a Hub id; see `resolve_checkpoint`.
            dropout_rate: Sets every dropout rate; None keeps the checkpoint's.
            pooler: Whether to load the pooler; None: where the checkpoint has one.

        Raises:
            InputError: The checkpoint cannot be found, is damaged, or is no BERT.
        """
        from tfdomain.encoders.checkpoints import load_encoder
        from tfdomain.encoders.sources import resolve_checkpoint

        return load_encoder(resolve_checkpoint(source), dropout_rate=dropout_rate, pooler=pooler)

    @property
    def num_layers(self) -> int:
        """The number of transformer blocks."""
        return self.config.num_hidden_layers

    @property
    def num_dropout_layers(self) -> int:
        """How many layer numbers its dropouts use, from 0; a head's dropout takes this one and up."""
        return 1 + _DROPOUTS_PER_BLOCK * self.num_layers

    def build(self, input_shape: Any = None) -> None:
        """Creates every weight; shapes come from the configuration alone."""
        for part in self._parts():
            part.build()

    def call(
        self,
        inputs: Mapping[str, tf.Tensor] | tf.Tensor,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
        pool_only: bool = False,
    ) -> tf.Tensor:
        """Computes the last hidden states.

        Args:
            inputs: `token_ids` int32 `[batch, length]`, and optionally `segment_ids` int32 (default 0) and
                `padding_mask` int32 or bool (1 = keep; default: every token but the padding token), alike. Rows
                that several documents are packed into have `document_ids` and `position_ids`, int32 alike: a token
                attends to those of its own document, and a document's positions begin at 0.
            training: Whether to drop out.
            dropout_seed: int32 `[2]`: the masks are a function of it; None draws one from a Keras generator.
            pool_only: What `pool` sets: the inputs are hidden states, to be pooled.

        Returns:
            Hidden states `[batch, length, hidden]` in the compute type.

        Raises:
            InputError: The length, where it is static, is more than `max_position_embeddings`.
        """
        if pool_only:
            return self._existing_pooler()(inputs)
        if self.inference is not None and not training:
            self._check_length(tf.convert_to_tensor(inputs["token_ids"]))
            return self.inference(inputs)
        seed = None
        if training:
            seed = draw_seed(self.seed_generator) if dropout_seed is None else tf.convert_to_tensor(dropout_seed)
        hidden, bias = self._embed(inputs, seed)
        for block in self.blocks:
            if training and self.recompute:
                # Dropout is a function of the seed: the second time it drops the same.
                apply = functools.partial(block.__call__, bias=bias, seed=seed)
                hidden = tf.recompute_grad(apply)(hidden)
            else:
                hidden = block(hidden, bias, seed=seed)
        size, token_ids = self.config.hidden_size, tf.convert_to_tensor(inputs["token_ids"])
        hidden = tf.reshape(hidden, [tf.shape(token_ids)[0], tf.shape(token_ids)[1], size])
        return tf.ensure_shape(hidden, [*token_ids.shape, size])

    def pool(self, hidden: tf.Tensor) -> tf.Tensor:
        """Turns hidden states `[batch, length, hidden]` into `[batch, hidden]` with the dense-tanh pooler.

        Raises:
            InputError: This encoder has no pooler.
        """
        self._existing_pooler()
        # By way of a call, so that a functional model sees one shared layer and not a second one.
        return self(hidden, pool_only=True)

    def attention_weights(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """How much each token takes from each, in every layer and head, without dropout.

        Args:
            inputs: As for a call.

        Returns:
            Float32 `[layers, batch, heads, length, length]`; what a token takes sums to 1.
        """
        hidden, bias = self._embed(inputs, None)
        weights = []
        for block in self.blocks:
            weights.append(tf.cast(block(hidden, bias, weights_only=True), tf.float32))
            hidden = block(hidden, bias)
        return tf.stack(weights)

    def depth_of(self, variable: keras.Variable) -> int:
        """How deep a weight of this encoder lies: 0 embeddings, i + 1 block i, num_layers + 1 the pooler.

        Raises:
            InputError: The variable is not one of this encoder's weights.
        """
        for depth, part in enumerate(self._parts()):
            if any(variable is weight for weight in part.weights):
                return depth
        raise InputError(f"{variable.path} is no weight of this encoder", mend="ask for one of encoder.weights")

    def named_weights(self) -> dict[str, keras.Variable]:
        """Every weight under its part and its own name, as in `block_0/query_kernel`."""
        return {f"{part.name}/{weight.name}": weight for part in self._parts() for weight in part.weights}

    def get_config(self) -> dict[str, Any]:
        """What `from_config` rebuilds the layer from."""
        own = {"config": self.config.to_dict(), "pooler": self.has_pooler, "seed": self.seed}
        return super().get_config() | own

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Rebuilds the layer from what `get_config` gave."""
        return cls(**config | {"config": EncoderConfig.from_dict(config["config"])})

    def _parts(self) -> list[keras.layers.Layer]:
        return [self.embeddings, *self.blocks] + ([self.pooler] if self.pooler is not None else [])

    def _embed(self, inputs: Mapping[str, tf.Tensor], seed: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """What goes into the first block: the tokens' vectors, flat, and the attention's bias."""
        token_ids = tf.convert_to_tensor(inputs["token_ids"])
        segment_ids = inputs.get("segment_ids")
        segment_ids = tf.zeros_like(token_ids) if segment_ids is None else tf.convert_to_tensor(segment_ids)
        self._check_length(token_ids)
        bias = self._attention_bias(inputs, token_ids)
        return self.embeddings(token_ids, segment_ids, inputs.get("position_ids"), seed=seed), bias

    def _existing_pooler(self) -> Pooler:
        if self.pooler is None:
            raise InputError("this encoder has no pooler", mend="build it with pooler=True, or pool by mean")
        return self.pooler

    def _attention_bias(self, inputs: Mapping[str, tf.Tensor], token_ids: tf.Tensor) -> tf.Tensor:
        mask, pad = inputs.get("padding_mask"), self.config.pad_token_id
        if mask is None:
            mask = tf.ones_like(token_ids) if pad is None else token_ids != tf.cast(pad, token_ids.dtype)
        masked = 1.0 - tf.cast(tf.convert_to_tensor(mask), self.compute_dtype)[:, tf.newaxis, :]
        if "document_ids" in inputs:
            documents = tf.convert_to_tensor(inputs["document_ids"])
            others = documents[:, :, tf.newaxis] != documents[:, tf.newaxis, :]
            masked = tf.maximum(masked, tf.cast(others, masked.dtype))
        # Finite, since a row of minus infinities has no softmax: a row of padding alone still attends.
        return (masked * masked.dtype.min)[:, tf.newaxis, :, :]

    def _check_length(self, token_ids: tf.Tensor) -> None:
        length, longest = token_ids.shape[1], self.config.max_position_embeddings
        if length is None:
            message = f"an input has more tokens than the {longest} positions of the encoder"
            tf.debugging.assert_less_equal(tf.shape(token_ids)[1], longest, message=message)
        elif length > longest:
            raise InputError(
                f"{length} tokens are more than the encoder's {longest} positions",
                where="token_ids",
                mend=f"set max_length to {longest} or less",
            )


def _part_seeds(seed: int | None, count: int) -> list[int | None]:
    if seed is None:
        return [None] * count
    # Each part counts its weights up from its own seed: far apart, so that no two weights share one.
    return [int(word) & ~0xFF for word in np.random.SeedSequence(seed).generate_state(count)]
