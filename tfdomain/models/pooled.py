"""Models that judge a text by one vector: what classifiers and regressors share."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfdomain.encoders.dropout import StatelessDropout
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.models.base import TextModel
from tfdomain.models.pooling import POOLINGS, pool

__all__ = ["PooledModel"]


class PooledModel(TextModel):
    """A dense layer on one vector a text; a task says what its outputs mean.

    A subclass gives `activate` beside what `TextModel` asks for, and calls `build_head` at the end
    of its constructor.

    Args:
        encoder: Turns tokens into vectors.
        tokenizer: Turns text into tokens.
        num_outputs: Outputs of the dense layer.
        pooling: `cls` (the checkpoint's pooler where it has one) or `mean`.
        max_length: Tokens that a text (or pair) is cut to; None: 128, or the encoder's positions.
        pairs: Whether it reads pairs of texts; `fit` on pairs sets it.
        seed: Of the head's first weights.
    """

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        *,
        num_outputs: int,
        pooling: str = "cls",
        max_length: int | None = None,
        pairs: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(encoder, tokenizer, max_length=max_length, pairs=pairs, **kwargs)
        if pooling not in POOLINGS:
            raise InputError(f"pooling is {pooling!r}", mend=f"choose {' or '.join(POOLINGS)}")
        self.pooling = pooling
        if pooling == "mean" and encoder.pooler is not None:
            # It is kept for the folder's sake: no gradient reaches it.
            encoder.pooler.trainable = False
        self.dropout = StatelessDropout(
            encoder.config.hidden_dropout_prob, layer_index=encoder.num_dropout_layers, name="dropout"
        )
        self.head = keras.layers.Dense(
            num_outputs,
            # Not truncated, as in the PyTorch reference: a truncated one is an eighth narrower, and
            # banking77 was then learned more slowly (experiments/RESULTS.md).
            kernel_initializer=keras.initializers.RandomNormal(stddev=encoder.config.initializer_range, seed=seed),
            # float32 whatever the policy: probabilities of half precision do not sum to 1.
            dtype="float32",
            name="head",
        )

    def activate(self, outputs: tf.Tensor) -> tf.Tensor:
        """The predictions of the head's raw outputs, float32 `[batch, outputs]` both."""
        raise NotImplementedError

    def call(self, inputs, training=False, dropout_seed=None, logits=False):
        """Judges a token batch.

        Args:
            inputs: `token_ids`, `segment_ids` and `padding_mask`, int32 `[batch, length]`.
            training: Whether dropout is on.
            dropout_seed: int32 `[2]`; None draws one.
            logits: Give the head's raw outputs instead of predictions.

        Returns:
            Float32 `[batch, outputs]`.
        """
        pooled = self.embed(inputs, training=training, dropout_seed=dropout_seed)
        outputs = self.head(self.dropout(pooled, training=training, seed=dropout_seed))
        return outputs if logits else self.activate(outputs)

    def embed(self, inputs, training=False, dropout_seed=None):
        """The pooled vectors of a token batch, `[batch, hidden]`."""
        hidden = self.encoder(inputs, training=training, dropout_seed=dropout_seed)
        return pool(self.encoder, hidden, inputs["padding_mask"], self.pooling)

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments that every model of this kind has, as JSON values."""
        return {"pooling": self.pooling, "max_length": self.max_length, "pairs": self.pairs}

    def transformers_form(self) -> dict[str, Any] | None:
        """The head as transformers knows it: architecture, config and tensors; None where it has no such."""
        return None

    def classification_form(self, config: dict[str, Any]) -> dict[str, Any] | None:
        """The head as a `BertForSequenceClassification` with `config`; None where it is no such."""
        if self.pooling != "cls" or not self.encoder.has_pooler:
            return None
        tensors = {"classifier.weight": self.head.kernel.numpy().T, "classifier.bias": self.head.bias.numpy()}
        return {"architecture": "BertForSequenceClassification", "config": config, "tensors": tensors}

    def head_tensors(self) -> dict[str, np.ndarray]:
        """The head's weights under our own names."""
        return {"head.kernel": self.head.kernel.numpy(), "head.bias": self.head.bias.numpy()}

    def set_head_tensors(self, tensors: dict[str, np.ndarray]) -> None:
        """Sets the head's weights, under our own names or those of transformers."""
        if "head.kernel" in tensors:
            self.head.set_weights([tensors["head.kernel"], tensors["head.bias"]])
        else:
            self.head.set_weights([tensors["classifier.weight"].T, tensors["classifier.bias"]])
