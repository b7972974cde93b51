"""A model that guesses hidden tokens, from which an encoder learns how a field writes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from tfdomain.encoders import _hf
from tfdomain.encoders.activations import ACTIVATIONS
from tfdomain.encoders.checkpoints import load_encoder, read_head_tensors, save_checkpoint
from tfdomain.encoders.config import EncoderConfig
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.sources import resolve_checkpoint
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.files import whole_folder, write_json
from tfdomain.models.encoder_model import EncoderModel

__all__ = ["IGNORED", "MaskedLM", "MaskedLMHead"]

IGNORED = -1
"""The label of a token that is not to be guessed."""
INPUTS = ("token_ids", "padding_mask", "document_ids", "position_ids", "segment_ids")


@keras.saving.register_keras_serializable("tfdomain")
class MaskedLMHead(keras.layers.Layer):
    """Hidden states to a score for each token of the vocabulary, by the encoder's own table of words.

    Args:
        config: The encoder's.
        seed: Of the first weights; None takes Keras' global seed.

    Reference: Devlin et al. 2019, "BERT", 3.1; the dense layer and the norm before the table are those of the
    published code.
    """

    def __init__(self, config: EncoderConfig, *, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.config, self.seed = config, seed
        size = config.hidden_size
        normal = keras.initializers.TruncatedNormal(stddev=config.initializer_range, seed=seed)
        self.kernel = self.add_weight(shape=(size, size), initializer=normal, name="kernel")
        self.kernel_bias = self.add_weight(shape=(size,), initializer="zeros", name="kernel_bias")
        self.norm_scale = self.add_weight(shape=(size,), initializer="ones", autocast=False, name="norm_scale")
        self.norm_bias = self.add_weight(shape=(size,), initializer="zeros", autocast=False, name="norm_bias")
        self.bias = self.add_weight(shape=(config.vocab_size,), initializer="zeros", autocast=False, name="bias")
        self.built = True

    def call(self, hidden: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
        """Scores tokens.

        Args:
            hidden: `[n, hidden]`, in the compute type.
            table: The encoder's table of words, `[vocabulary, hidden]`.

        Returns:
            Logits, float32 `[n, vocabulary]`.
        """
        x = tf.matmul(hidden, tf.convert_to_tensor(self.kernel)) + tf.convert_to_tensor(self.kernel_bias)
        x = tf.cast(ACTIVATIONS[self.config.hidden_act](x), tf.float32)
        x -= tf.reduce_mean(x, axis=-1, keepdims=True)
        variance = tf.reduce_mean(tf.square(x), axis=-1, keepdims=True)
        x *= tf.math.rsqrt(variance + self.config.layer_norm_eps)
        x = x * tf.cast(self.norm_scale, tf.float32) + tf.cast(self.norm_bias, tf.float32)
        scores = tf.matmul(tf.cast(x, self.compute_dtype), tf.cast(table, self.compute_dtype), transpose_b=True)
        return tf.cast(scores, tf.float32) + tf.convert_to_tensor(self.bias)

    def named_weights(self) -> dict[str, keras.Variable]:
        """Every weight by the name that transformers has for it."""
        return {_hf.MASKED_LM_HEAD[weight.name]: weight for weight in self.weights}

    def get_config(self) -> dict[str, Any]:
        """What `from_config` rebuilds the layer from."""
        return super().get_config() | {"config": self.config.to_dict(), "seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The layer that `get_config` described, with new weights."""
        return cls(**config | {"config": EncoderConfig.from_dict(config["config"])})


class MaskedLM(EncoderModel):
    """An encoder that learns to guess the tokens that were hidden from it.

    A batch holds `token_ids` with some of them hidden, `labels`, the hidden tokens and -1 elsewhere, and what else
    the encoder reads; `tfdomain.pretraining` makes such batches. Scores are computed where there is something to
    guess, and nowhere else.

    Args:
        encoder: What is to learn.
        tokenizer: Fits it.
        max_length: Tokens of a row.
        seed: Of the head's first weights.

    Raises:
        InputError: The head would need a table of words of its own.
    """

    task = "masked_lm"
    headline = ("masked_accuracy",)
    unused_options = ("class_weights", "label_smoothing", "batch_tokens")

    def __init__(
        self, encoder: Encoder, tokenizer: Tokenizer, *, max_length: int | None = None, seed: int = 0, **kwargs: Any
    ):
        if not encoder.config.tie_word_embeddings:
            problem = "is false, and the head here has no table of words but the encoder's"
            raise InputError(problem, where="tie_word_embeddings", mend="choose a checkpoint that ties them")
        super().__init__(encoder, tokenizer, max_length=max_length, **kwargs)
        self.head = MaskedLMHead(encoder.config, seed=seed, dtype=encoder.dtype_policy, name="masked_lm_head")
        self.has_trained_head = False
        self._guess_functions: dict[tuple[str, ...], Any] = {}
        if encoder.pooler is not None:
            # It is kept for the folder's sake: no gradient reaches it.
            encoder.pooler.trainable = False
        self({"token_ids": tf.ones([1, 3], tf.int32), "labels": tf.constant([[IGNORED, 1, IGNORED]])})

    @classmethod
    def from_pretrained(
        cls, source: str | Path, *, max_length: int | None = None, dropout_rate: float | None = None, seed: int = 0
    ) -> Self:
        """Loads a checkpoint's encoder, and its masked-language-model head where it has one.

        Args:
            source: A folder, or a name that `resolve_checkpoint` knows.
            max_length: Tokens of a row; None: 128, or the encoder's positions where they are fewer.
            dropout_rate: In place of the checkpoint's.
            seed: Of a fresh head's weights.

        Raises:
            InputError: The checkpoint is not to be had, is broken, or is no BERT.
        """
        folder = resolve_checkpoint(str(source))
        encoder, tokenizer = load_encoder(folder, dropout_rate=dropout_rate), Tokenizer.from_pretrained(folder)
        model = cls(encoder, tokenizer, max_length=max_length, seed=seed)
        stored = {_hf.modern_head_name(name): tensor for name, tensor in read_head_tensors(folder).items()}
        weights = model.head.named_weights()
        if weights.keys() <= stored.keys():
            for name, weight in weights.items():
                weight.assign(stored[name].T if weight is model.head.kernel else stored[name])
            model.has_trained_head = True
        return model

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool = False, dropout_seed: tf.Tensor | None = None):
        """The scores of the tokens to guess, float32 `[guesses, vocabulary]`, in the order of rows and places."""
        hidden = self.encoder(
            {name: inputs[name] for name in INPUTS if name in inputs}, training=training, dropout_seed=dropout_seed
        )
        places = tf.where(tf.convert_to_tensor(inputs["labels"]) != IGNORED)
        return self.head(tf.gather_nd(hidden, places), tf.convert_to_tensor(self.encoder.embeddings.words))

    def loss_denominator(self, batch: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The tokens to guess, float32 scalar."""
        return tf.reduce_sum(tf.cast(batch["labels"] != IGNORED, tf.float32))

    def replica_loss(self, batch, *, denominator: Any, seed: tf.Tensor) -> tf.Tensor:
        """This replica's part of the mean cross-entropy of the tokens to guess."""
        losses, _ = self._guess(batch, training=True, dropout_seed=seed)
        return tf.math.divide_no_nan(tf.reduce_sum(losses), denominator)

    def guess_batch(self, batch: Mapping[str, tf.Tensor]) -> tuple[np.ndarray, np.ndarray]:
        """Without dropout: the loss of each token to guess, float32 `[guesses]`, and whether it was guessed right."""
        names = tuple(sorted(batch))
        if names not in self._guess_functions:
            spec = {name: tf.TensorSpec([None, None], tf.int32) for name in names}
            self._guess_functions[names] = tf.function(self._guess, input_signature=[spec])
        losses, right = self._guess_functions[names](dict(batch))
        return losses.numpy(), right.numpy()

    def save(self, folder: str | Path, *, extra: Mapping[str, Any] | None = None, **notes: Any) -> None:
        """Writes the checkpoint that transformers loads as `BertForMaskedLM`, and that every `encoder:` takes.

        Args:
            folder: Appears whole; one that stands there is replaced.
            extra: JSON values by the name of a further file.
            **notes: JSON values that go to `notes.json`, such as the epoch.
        """
        files = {**(extra or {}), **({"notes.json": notes} if notes else {})}
        with whole_folder(Path(folder)) as temporary:
            save_checkpoint(self.encoder, temporary, architecture="BertForMaskedLM", extra_tensors=self.head_tensors())
            self.tokenizer.save(temporary)
            for name, values in files.items():
                write_json(temporary / name, values)

    def head_tensors(self) -> dict[str, np.ndarray]:
        """The head's weights under the names and in the layout of transformers."""
        return {
            name: np.ascontiguousarray(weight.numpy().T if weight is self.head.kernel else weight.numpy())
            for name, weight in self.head.named_weights().items()
        }

    def _guess(self, batch, training: bool = False, dropout_seed: tf.Tensor | None = None):
        labels = tf.boolean_mask(batch["labels"], batch["labels"] != IGNORED)
        scores = self(batch, training=training, dropout_seed=dropout_seed)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores)
        return losses, tf.argmax(scores, axis=-1, output_type=labels.dtype) == labels
