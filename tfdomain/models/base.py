"""What every model has in common: an encoder, a tokenizer, and raw text in `fit` and `predict`."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfdomain.config import FitOptions, validated
from tfdomain.encoders.checkpoints import load_encoder
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.sources import resolve_checkpoint
from tfdomain.encoders.special_tokens import SpecialToken
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.encoders.vocabulary import TokenizerSettings
from tfdomain.models import fitting, prediction
from tfdomain.models.batches import batches_of
from tfdomain.models.compilation import check_compiles, resolved
from tfdomain.models.encoder_model import EncoderModel
from tfdomain.models.task import Task
from tfdomain.optimization.loop import EpochSource

__all__ = ["TextModel"]

# What a batch holds for the loss and for the order, and a forward pass does not read.
BESIDE_INPUTS = ("labels", "sample_weight", "row_ids", "row_mask")


class TextModel(Task, EncoderModel):
    """An encoder with a head; a task subclasses it and gives what `Task` asks for, and `call`.

    Args:
        encoder: Turns tokens into vectors.
        tokenizer: Turns text into tokens; must fit the encoder's embedding.
        max_length: Tokens that a text (or pair) is cut to, at most the encoder's positions; None: 128,
            or the positions where they are fewer.
        pairs: Whether it reads pairs of texts.

    Raises:
        InputError: The tokenizer or `max_length` does not fit the encoder.
    """

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        *,
        max_length: int | None = None,
        pairs: bool = False,
        **kwargs: Any,
    ):
        super().__init__(encoder, tokenizer, max_length=max_length, **kwargs)
        self.pairs = pairs
        self._predict_function: Callable | None = None

    @classmethod
    def from_pretrained(cls, encoder: str, *, max_length: int | None = None, dropout_rate: float | None = None, **head):
        """Puts a fresh head on a checkpoint.

        Args:
            encoder: A folder in the Hugging Face layout, a Hub id, or `package:NAME/folder`.
            max_length: Tokens that a text (or pair) is cut to.
            dropout_rate: One rate for every dropout; None keeps the checkpoint's.
            **head: What the task's head needs, such as `labels`.

        Raises:
            InputError: The checkpoint is not to be had, is broken, or is no BERT.
        """
        folder = resolve_checkpoint(encoder)
        return cls(
            load_encoder(folder, dropout_rate=dropout_rate),
            Tokenizer.from_pretrained(folder),
            max_length=max_length,
            **head,
        )

    def build_head(self) -> None:
        """Creates every weight, by running the finished model once; constructors end with it."""
        self(self.sample_batch(), training=False)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` makes a model without its weights from."""
        return {
            "encoder": self.encoder.get_config(),
            "tokenizer": dataclasses.asdict(self.tokenizer.settings),
            **self.settings(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects=None):
        """Makes a model, with fresh weights, from what `get_config` gave."""
        rest = dict(config)
        encoder, tokenizer = Encoder.from_config(rest.pop("encoder")), dict(rest.pop("tokenizer"))
        tokenizer["vocabulary"] = tuple(tokenizer["vocabulary"])
        tokenizer["specials"] = tuple(SpecialToken(*special) for special in tokenizer["specials"])
        return cls(encoder, Tokenizer(TokenizerSettings(**tokenizer)), **rest)

    # Training.

    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        validation_data: Any = None,
        sample_weight: Any = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        verbose: str | int = "auto",
        shuffle: bool = True,
        **options: Any,
    ) -> keras.callbacks.History:
        """Trains the model.

        Args:
            x: Texts; a tuple of two lists for pairs; a dictionary or DataFrame of columns by name;
                token arrays as the tokenizer gives them; or a `tf.data.Dataset` of (text, label) or
                (text, label, sample weight).
            y: A label a text; None with a data set, and for a task that learns from texts alone.
            validation_data: (x, y), (x, y, sample_weight) or a data set, measured after each epoch.
            sample_weight: Float `[n]`, a factor on each example's loss.
            callbacks: Keras callbacks.
            verbose: 0 shows nothing.
            shuffle: Whether the order differs by epoch.
            **options: The fields of `tfdomain.config.FitOptions`: `epochs`, `batch_size`,
                `learning_rate`, `seed` and so on.

        Returns:
            The Keras history of the epochs' figures: `loss`, and under `val_` names the plain
            numbers that `evaluate` gives and `val_loss`, without smoothing and class weights.

        Raises:
            InputError: An option, a text or a label is wrong.
            TfdomainError: The loss is no longer a finite number.
        """
        chosen = resolved(validated(FitOptions, options, where="fit"))
        fitting.refuse_contradictions(self, chosen)
        labels = None if y is None else self.encode_labels(y)
        source = self.training_batches(x, labels, sample_weight=sample_weight, options=chosen, shuffle=shuffle)
        self.prepare_training(chosen, source.num_batches)
        check_compiles(self, source)
        validate = None
        if validation_data is not None:
            held_out = fitting.held_out(validation_data)

            def validate():
                return self.held_out_figures(self.evaluate(**held_out))

        return self.fit_batches(source, validate=validate, callbacks=callbacks, verbose=verbose)

    def held_out_figures(self, metrics: Mapping[str, Any]) -> dict[str, float]:
        """The plain numbers among metrics, and the task's `loss`: what logs and callbacks are given."""
        figures = {name: float(value) for name, value in metrics.items() if isinstance(value, float)}
        if self.uses_task_loss and self.loss_metric in figures:
            figures["loss"] = figures[self.loss_metric]
        return figures

    def training_batches(self, x: Any, labels: np.ndarray | None, *, options: FitOptions, **more: Any) -> EpochSource:
        """The batches that `fit` trains on; see `tfdomain.models.fitting`."""
        return fitting.training_batches(self, x, labels, options=options, **more)

    def batches(
        self, x: Any, *, batch_size: int, labels: np.ndarray | None = None, for_training: bool = False, **more: Any
    ) -> EpochSource:
        """A source of token batches of `x`; see `tfdomain.models.batches`."""
        return batches_of(
            x,
            tokenizer=self.tokenizer,
            max_length=self.max_length,
            batch_size=batch_size,
            prepare=self.prepare,
            read_columns=self.read_columns,
            names=self.training_names if for_training or labels is not None else self.text_names,
            others=self.feature_names,
            labels=labels,
            label_names=self.labels,
            **more,
        )

    def replica_loss(self, batch, *, denominator: Any, seed: tf.Tensor) -> tf.Tensor:
        """This replica's part of the batch's mean loss, float32 scalar."""
        inputs, weights = _model_inputs(batch), batch.get("sample_weight")
        outputs = self(inputs, training=True, dropout_seed=seed, logits=self.uses_task_loss)
        if self.uses_task_loss:
            losses = self.example_losses(batch, outputs)
            # A batch may have nothing to learn from: taggers count words, and no text may have any.
            return tf.math.divide_no_nan(tf.reduce_sum(losses if weights is None else losses * weights), denominator)
        labels = batch["labels"]
        mean = self.compute_loss(x=inputs, y=labels, y_pred=outputs, sample_weight=weights, training=True)
        return mean * tf.cast(tf.shape(labels)[0], tf.float32) / denominator

    # Use.

    def predict(self, x: Any, batch_size: int = 64, verbose: str | int = 0, *, rows: np.ndarray | None = None) -> Any:
        """The predictions of texts, pairs, tables or a data set, in their order; float32 `[n, ...]` for most tasks.

        Args:
            x: As for `fit`.
            batch_size: Texts at a time; more are faster and take more memory.
            verbose: 1 shows a bar on a terminal.
            rows: int64 `[m]`, ascending: the rows of `x` that are asked for; None: all.

        Raises:
            InputError: `x` holds something else than texts, or the model reads pairs and `x` has none.
        """
        return prediction.predict(self, x, batch_size, verbose, rows)

    def evaluate(
        self, x: Any, y: Any = None, batch_size: int = 64, verbose: str | int = 0, *, sample_weight: Any = None
    ) -> dict[str, Any]:
        """The task's metrics on labelled texts or on a data set of (text, label).

        Metrics that the caller compiled the model with stand beside them under their own names, and
        `loss` where the caller gave one.

        Args:
            x: As for `fit`.
            y: As for `fit`.
            batch_size: Texts at a time.
            verbose: 1 shows a bar on a terminal.
            sample_weight: Float `[n]`, how much each example counts.

        Raises:
            InputError: There are no examples or no labels, or a text or a label is wrong.
        """
        return prediction.evaluate(self, x, y, batch_size, verbose, sample_weight)

    def decode(self, batch: Mapping[str, tf.Tensor]) -> Any:
        """The predictions of a token batch: one tensor `[batch, ...]` or a dictionary of such."""
        return self(batch, training=False)

    def predict_batch(self, batch: Mapping[str, tf.Tensor]) -> Any:
        """`decode` of one token batch, compiled once however long the texts are."""
        inputs = _model_inputs(batch)
        if self._predict_function is None:
            spec = tf.nest.map_structure(_any_size, inputs)
            self._predict_function = tf.function(self.decode, input_signature=[spec])
        return self._predict_function(inputs)

    def save(self, folder: str | Path, *, overwrite: bool = True, **notes: Any) -> None:
        """Writes the model as a folder that `tfdomain.load` reads; see `tfdomain.models.folder`."""
        from tfdomain.models.folder import save_model

        save_model(self, folder, notes, overwrite=overwrite)

    def export(self, folder: str | Path) -> Path:
        """Writes a raw-text SavedModel to `folder/<next number>`; see `tfdomain.models.export`."""
        from tfdomain.models.export import export_model

        return export_model(self, folder)


def _model_inputs(batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {name: values for name, values in batch.items() if name not in BESIDE_INPUTS}


def _any_size(tensor: tf.Tensor) -> tf.TensorSpec:
    """The spec of a batch's tensor for any number of rows and tokens."""
    return tf.TensorSpec([None, None, *tensor.shape[2:]][: tensor.shape.rank], tensor.dtype)
