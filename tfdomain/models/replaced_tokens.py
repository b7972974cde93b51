"""An encoder that learns to tell which tokens a small generator has put in the place of others."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from safetensors.numpy import load_file, save

from tfdomain.encoders.activations import ACTIVATIONS
from tfdomain.encoders.checkpoints import load_encoder, save_checkpoint
from tfdomain.encoders.config import EncoderConfig
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.files import whole_folder, write_json
from tfdomain.models.encoder_model import EncoderModel
from tfdomain.models.masked_lm import IGNORED, INPUTS, MaskedLM

__all__ = ["ReplacedTokenDetector"]

EXTRA_WEIGHTS = "replaced_tokens.safetensors"
HELD_OUT_SEED = (0, 1)


class ReplacedTokenDetector(EncoderModel):
    """A generator guesses hidden tokens, and the encoder tells for every token whether it was one of its guesses.

    Every token teaches the encoder something, not only the hidden ones: it learns more of a text in the same time than
    a masked language model. Its batches are those of `MaskedLM`. The generator is an encoder of the same depth and a
    share of the width, with a table of words of its own, where the reference shares the encoder's. The loss is the
    generator's, and `detection_weight` times the mean cross-entropy over all tokens.

    Args:
        encoder: What is to learn.
        tokenizer: Fits it.
        max_length: Tokens of a row.
        generator_size: The generator's share of the encoder's width, attention heads and inner width.
        detection_weight: The factor on the loss of detection.
        seed: Of the weights of all that is no encoder.

    Reference: Clark et al. 2020, "ELECTRA: Pre-training Text Encoders as Discriminators Rather Than Generators".
    """

    task = "replaced_tokens"
    headline = ("detection_accuracy",)
    unused_options = ("class_weights", "label_smoothing", "batch_tokens")
    has_trained_head = True
    """Nothing needs to learn before the encoder: a new generator's guesses are easy to tell, and get harder."""

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        *,
        max_length: int | None = None,
        generator_size: float = 0.25,
        detection_weight: float = 50.0,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(encoder, tokenizer, max_length=max_length, **kwargs)
        self.detection_weight = detection_weight
        small = Encoder(
            _smaller(encoder.config, generator_size),
            pooler=False,
            seed=seed,
            dtype=encoder.dtype_policy,
            name="generator",
        )
        self.generator = MaskedLM(small, tokenizer, max_length=max_length, seed=seed, name="generator_model")
        size, normal = encoder.config.hidden_size, keras.initializers.TruncatedNormal(stddev=0.02, seed=seed)
        self.dense = keras.layers.Dense(size, kernel_initializer=normal, dtype=encoder.dtype_policy, name="dense")
        self.score = keras.layers.Dense(1, kernel_initializer=normal, dtype="float32", name="score")
        if encoder.pooler is not None:
            # It is kept for the folder's sake: no gradient reaches it.
            encoder.pooler.trainable = False
        self({"token_ids": tf.ones([1, 3], tf.int32)})

    @classmethod
    def from_folder(cls, folder: str | Path, *, dropout_rate: float | None = None, **options: Any) -> Self:
        """Loads what `save` wrote.

        Raises:
            InputError: A file is missing or damaged.
        """
        tokenizer = Tokenizer.from_pretrained(folder)
        model = cls(load_encoder(folder, dropout_rate=dropout_rate), tokenizer, **options)
        stored = load_file(Path(folder) / EXTRA_WEIGHTS)
        for name, weight in model._extra_weights().items():
            weight.assign(stored[name])
        return model

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool = False, dropout_seed: tf.Tensor | None = None):
        """For each token the log-odds that it was put in the place of another, float32 `[batch, length]`."""
        hidden = self.encoder(_read(inputs), training=training, dropout_seed=dropout_seed)
        inner = ACTIVATIONS[self.encoder.config.hidden_act](self.dense(hidden))
        return self.score(inner)[:, :, 0]

    def loss_denominator(self, batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The tokens to guess and all tokens, float32 scalars."""
        return {
            "guesses": tf.reduce_sum(tf.cast(batch["labels"] != IGNORED, tf.float32)),
            "tokens": tf.reduce_sum(tf.cast(batch["padding_mask"], tf.float32)),
        }

    def replica_loss(self, batch, *, denominator: Any, seed: tf.Tensor) -> tf.Tensor:
        """This replica's part of both losses."""
        guesses, tokens, _ = self._detect(batch, seed, training=True)
        return tf.math.divide_no_nan(
            tf.reduce_sum(guesses), denominator["guesses"]
        ) + self.detection_weight * tf.math.divide_no_nan(tf.reduce_sum(tokens), denominator["tokens"])

    def guess_batch(self, batch: Mapping[str, tf.Tensor]) -> tuple[np.ndarray, np.ndarray]:
        """Without dropout and with fixed guesses: each token's loss of detection, and whether it was told rightly."""
        _, tokens, right = self._detect(batch, tf.constant(HELD_OUT_SEED), training=False)
        kept = batch["padding_mask"].numpy() > 0
        return tokens.numpy()[kept], right.numpy()[kept]

    def save(self, folder: str | Path, *, extra: Mapping[str, Any] | None = None, **notes: Any) -> None:
        """Writes the encoder as a checkpoint, and beside it what else has learned; see `MaskedLM.save`."""
        files = {**(extra or {}), **({"notes.json": notes} if notes else {})}
        with whole_folder(Path(folder)) as temporary:
            save_checkpoint(self.encoder, temporary)
            self.tokenizer.save(temporary)
            tensors = {name: np.ascontiguousarray(weight.numpy()) for name, weight in self._extra_weights().items()}
            (temporary / EXTRA_WEIGHTS).write_bytes(save(tensors))
            for name, values in files.items():
                write_json(temporary / name, values)

    def _detect(self, batch, seed: tf.Tensor, training: bool):
        """The losses of the guesses `[guesses]` and of all tokens `[batch, length]`, and which were told rightly."""
        hidden = batch["labels"] != IGNORED
        dropout_seeds = tf.unstack(tf.random.split(seed, 3))
        scores = self.generator(batch, training=training, dropout_seed=dropout_seeds[0] if training else None)
        labels = tf.boolean_mask(batch["labels"], hidden)
        guesses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores)
        # The largest of scores with Gumbel noise is a draw from their softmax.
        uniform = tf.random.stateless_uniform(tf.shape(scores), dropout_seeds[1], minval=1e-9)
        drawn = tf.argmax(tf.stop_gradient(scores) - tf.math.log(-tf.math.log(uniform)), axis=-1, output_type=tf.int32)
        original = tf.where(hidden, batch["labels"], batch["token_ids"])
        corrupted = tf.tensor_scatter_nd_update(original, tf.where(hidden), drawn)
        replaced = corrupted != original
        odds = self(
            dict(batch) | {"token_ids": corrupted},
            training=training,
            dropout_seed=dropout_seeds[2] if training else None,
        )
        tokens = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(replaced, tf.float32), odds)
        return guesses, tokens * tf.cast(batch["padding_mask"], tf.float32), (odds > 0) == replaced

    def _extra_weights(self) -> dict[str, keras.Variable]:
        """Every weight that is not the encoder's, by a name that does not depend on the process."""
        own = {f"{layer.name}.{weight.name}": weight for layer in (self.dense, self.score) for weight in layer.weights}
        own |= {f"generator.{name}": weight for name, weight in self.generator.encoder.named_weights().items()}
        return own | {f"generator.{name}": weight for name, weight in self.generator.head.named_weights().items()}


def _read(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {name: inputs[name] for name in INPUTS if name in inputs}


def _smaller(config: EncoderConfig, share: float) -> EncoderConfig:
    heads = max(1, round(config.num_attention_heads * share))
    width = config.hidden_size // config.num_attention_heads * heads
    return dataclasses.replace(
        config,
        num_attention_heads=heads,
        hidden_size=width,
        intermediate_size=max(width, round(config.intermediate_size * share)),
    )
