"""What every model has in common: an encoder, a tokenizer, and raw text in `fit` and `predict`."""

import dataclasses
import functools
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
from tfdomain.errors import InputError
from tfdomain.models.inputs import DatasetBatches, batches_of, count_rows, explained_labels, holds_pairs, without_labels
from tfdomain.models.parameters import default_optimizer, trained_variables
from tfdomain.optimization.loop import EpochSource, LoopState, run_epochs
from tfdomain.optimization.progress import ProgressReport, with_bar
from tfdomain.optimization.train_step import make_train_function

__all__ = ["ENCODER_INPUTS", "TextModel", "encoder_inputs", "flat_figures"]

DEFAULT_MAX_LENGTH = 128
ENCODER_INPUTS = ("token_ids", "segment_ids", "padding_mask")
OPTIMIZER_OPTIONS = ("learning_rate", "warmup_rate", "weight_decay", "optimizer", "clip_norm", "layer_decay")


class TextModel(keras.Model):
    """An encoder with a head; a task subclasses it.

    A subclass gives `call`, `example_losses`, `encode_labels` and `measure`, and names its `task`
    and the `headline` metrics that are shown after each epoch, and the `loss_metric` that is its
    loss on held-out examples. A task with classes has their names in `labels`. The model owns its train function:
    one update is `train_replica`, the same under every `tf.distribute` strategy, and its dropout is
    a function of (seed, step, replica, layer).

    Args:
        encoder: Turns tokens into vectors.
        tokenizer: Turns text into tokens; must fit the encoder's embedding.
        max_length: Tokens that a text (or pair) is cut to, at most the encoder's positions; None: 128,
            or the positions where they are fewer.
        pairs: Whether it reads pairs of texts.

    Raises:
        InputError: The tokenizer or `max_length` does not fit the encoder.
    """

    task: str
    headline: tuple[str, ...]
    loss_metric: str
    labels: Sequence[str] | None = None

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        *,
        max_length: int | None = None,
        pairs: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        config = encoder.config
        if max_length is None:
            max_length = min(DEFAULT_MAX_LENGTH, config.max_position_embeddings)
        if tokenizer.vocabulary_size > config.vocab_size:
            raise InputError(
                f"the vocabulary has {tokenizer.vocabulary_size} tokens and the embedding {config.vocab_size} rows",
                where="tokenizer",
                mend="take both from the same checkpoint",
            )
        if not 3 <= max_length <= config.max_position_embeddings:
            raise InputError(
                f"max_length is {max_length}",
                mend=f"choose 3 to {config.max_position_embeddings}, the encoder's positions",
            )
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.pairs = pairs
        # What the model's folder says of where it came from: columns, fingerprints.
        self.notes: dict[str, Any] = {}
        self.options = FitOptions()
        self.loop_state = LoopState()
        self._compiled_by_caller = self._has_callers_optimizer = False
        self._uses_task_loss = True
        self._compile_again = functools.partial(super().compile, jit_compile=False)
        self._train_functions: dict[str, Callable] = {}
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

    # What a task gives.

    def example_losses(self, labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """The float32 `[batch]` losses of the head's raw outputs."""
        raise NotImplementedError

    def encode_labels(self, labels: Any) -> np.ndarray:
        """The labels as people write them, as the array that the loss takes."""
        raise NotImplementedError

    def example_weights(
        self, labels: np.ndarray, options: FitOptions, rows: np.ndarray | None = None
    ) -> np.ndarray | None:
        """The float32 `[n]` weights that the options ask for; None where all weigh the same."""
        return None

    def measure(
        self, labels: np.ndarray, predictions: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> dict[str, Any]:
        """The task's metrics of predictions against encoded labels."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments but the encoder and the tokenizer, as JSON values."""
        raise NotImplementedError

    def build_head(self) -> None:
        """Creates every weight, by running the finished model once; constructors end with it."""
        self(_sample_batch(), training=False)

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

    @property
    def step(self) -> int:
        """Updates made in the training under way, or in the last one."""
        return self.loop_state.step

    @property
    def seed(self) -> int:
        """The seed of the training under way."""
        return self.options.seed

    def compile(self, optimizer=None, loss=None, metrics=None, **kwargs):
        """Chooses an optimizer, a loss and metrics of one's own; `fit` compiles the model otherwise.

        Without `optimizer` the one that the options of `fit` describe stays, without `loss` the
        task's own. A loss and metrics of the caller's get what `predict` gives: probabilities, for
        a classifier.
        """
        kwargs = {"jit_compile": False} | kwargs
        # In a partial Keras does not track the metrics a second time.
        self._compile_again = functools.partial(super().compile, loss=loss, metrics=metrics, **kwargs)
        self._compile_again(optimizer=optimizer or default_optimizer(self, self.options, 1))
        self._compiled_by_caller, self._has_callers_optimizer = True, optimizer is not None
        self._uses_task_loss = loss is None

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
            x: Texts; a tuple of two lists for pairs; token arrays as the tokenizer gives them; or a
                `tf.data.Dataset` of (text, label) or (text, label, sample weight).
            y: A label a text; None with a data set.
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
        chosen = validated(FitOptions, options, where="fit")
        self._refuse_ignored(chosen)
        source = self.training_batches(x, y, sample_weight=sample_weight, options=chosen, shuffle=shuffle)
        self.prepare_training(chosen, source.num_batches)
        validate = None
        if validation_data is not None:
            held_out = _held_out(validation_data)

            def validate():
                figures = flat_figures(self.evaluate(**held_out))
                if self._uses_task_loss and self.loss_metric in figures:
                    figures["loss"] = figures[self.loss_metric]
                return figures

        return self.fit_batches(source, validate=validate, callbacks=callbacks, verbose=verbose)

    def training_batches(
        self,
        x: Any,
        y: Any,
        *,
        options: FitOptions,
        sample_weight: Any = None,
        rows: np.ndarray | None = None,
        shuffle: bool = True,
        lengths_cache: Path | None = None,
    ) -> EpochSource:
        """The batches that `fit` trains on, of all rows or the given ones, with the options' class weights."""
        labels = None if y is None else self.encode_labels(y)
        is_dataset = isinstance(x, tf.data.Dataset)
        if labels is None and not is_dataset:
            raise InputError("no labels to train on", where="y", mend="give one a text")
        if is_dataset and options.class_weights is not None:
            mend = "give the data set a third part, the weight of each example"
            raise InputError("a data set's classes are not counted", where="class_weights", mend=mend)
        weights = sample_weight
        by_class = None if labels is None else self.example_weights(labels, options, rows)
        if by_class is not None:
            # One weight too few must not be stretched over the others.
            same_length = sample_weight is None or np.shape(sample_weight) == by_class.shape
            weights = by_class * (1 if sample_weight is None else sample_weight) if same_length else sample_weight
        source = batches_of(
            x,
            tokenizer=self.tokenizer,
            max_length=self.max_length,
            batch_size=options.batch_size,
            labels=labels,
            label_names=self.labels,
            sample_weight=weights,
            rows=rows,
            seed=options.seed,
            shuffle=shuffle,
            lengths_cache=lengths_cache,
        )
        if isinstance(source, DatasetBatches) and not (source.has_labels and source.num_batches):
            problem = "the data set holds no labels" if source.num_batches else "the data set is empty"
            raise InputError(problem, where="x", mend="its elements are to be (text, label)")
        self.pairs = self.pairs or bool(holds_pairs(x))
        self._check_pairs(x)
        return source

    def prepare_training(self, options: FitOptions, num_batches: int) -> None:
        """Sets the options and, unless the caller compiled the model, its optimizer and schedule."""
        self.options, self.stop_training = options, False
        if options.frozen_layers > self.encoder.num_layers:
            raise InputError(
                f"{options.frozen_layers} layers to freeze of an encoder that has {self.encoder.num_layers}",
                where="training.frozen_layers",
                mend="choose fewer",
            )
        if not self._has_callers_optimizer:
            self._compile_again(optimizer=default_optimizer(self, options, num_batches))
        # They told of another training's data.
        self.notes = {}
        self.optimizer.build(trained_variables(self))
        self._train_functions = {}

    def fit_batches(
        self,
        source: EpochSource,
        *,
        state: LoopState | None = None,
        validate: Callable[[], dict[str, float]] | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        verbose: str | int = "auto",
    ) -> keras.callbacks.History:
        """Trains a prepared model on a source of epochs, from `state` on.

        `validate` gives the figures of the held-out rows after each epoch.
        """
        self.loop_state = state or LoopState()
        epochs = self.options.epochs
        progress = ProgressReport(
            num_epochs=epochs,
            num_batches=source.num_batches,
            first_batch=self.loop_state.batch,
            figures=["loss", "val_loss", *(f"val_{name}" for name in self.headline)],
        )
        callback_list = keras.callbacks.CallbackList(
            [*callbacks, *([progress] if verbose else [])],
            add_history=True,
            model=self,
            epochs=epochs,
            steps=source.num_batches,
            verbose=verbose,
        )
        state = self.loop_state
        try:
            with explained_labels(self.labels):
                run_epochs(self, source, num_epochs=epochs, state=state, callbacks=callback_list, validate=validate)
        finally:
            progress.close()
        return self.history

    def make_train_function(self, batch_spec) -> Callable:
        """Compiles `train_replica` for batches of the given spec, once in a training."""
        key = repr(batch_spec)
        if key not in self._train_functions:
            self._train_functions[key] = make_train_function(self, batch_spec, jit_compile=self.jit_compile)
        return self._train_functions[key]

    def train_graph(self) -> Any:
        """The concrete function of the updates under way, for TensorBoard; None before the first one."""
        functions = list(self._train_functions.values())
        return functions[-1].get_concrete_function() if functions else None

    def train_replica(self, batch: Mapping[str, tf.Tensor], *, num_examples: tf.Tensor, seed: tf.Tensor):
        """One update from this replica's share of a batch; the seam that other train steps replace.

        Args:
            batch: The batch vocabulary, with `labels`.
            num_examples: Float32 scalar, the examples of the global batch.
            seed: int32 `[2]`, of everything random in this step.

        Returns:
            This replica's part of the mean loss, float32 scalar.
        """
        variables = trained_variables(self)
        with tf.GradientTape() as tape:
            loss = self.replica_loss(batch, num_examples=num_examples, seed=seed)
            scaled = self.optimizer.scale_loss(loss)
        self.optimizer.apply(tape.gradient(scaled, variables), variables)
        return loss

    def replica_loss(self, batch, *, num_examples: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """This replica's part of the batch's mean loss, float32 scalar."""
        inputs, labels, weights = encoder_inputs(batch), batch["labels"], batch.get("sample_weight")
        outputs = self(inputs, training=True, dropout_seed=seed, logits=self._uses_task_loss)
        if self._uses_task_loss:
            losses = self.example_losses(labels, outputs)
            return tf.reduce_sum(losses if weights is None else losses * weights) / num_examples
        mean = self.compute_loss(x=inputs, y=labels, y_pred=outputs, sample_weight=weights, training=True)
        return mean * tf.cast(tf.shape(labels)[0], tf.float32) / num_examples

    # Use.

    def predict(
        self, x: Any, batch_size: int = 64, verbose: str | int = 0, *, rows: np.ndarray | None = None
    ) -> np.ndarray:
        """The predictions of texts, pairs or a data set, in their order: float32 `[n, ...]`.

        Args:
            x: As for `fit`.
            batch_size: Texts at a time; more are faster and take more memory.
            verbose: 1 shows a bar on a terminal.
            rows: int64 `[m]`, ascending: the rows of `x` that are asked for; None: all.

        Raises:
            InputError: `x` holds something else than texts, or the model reads pairs and `x` has none.
        """
        parts, row_ids = [self._no_predictions()], []
        for batch in self._batches_in_order(without_labels(x), batch_size, verbose, rows):
            parts.append(self.predict_batch(batch).numpy())
            row_ids.append(batch["row_ids"].numpy() if "row_ids" in batch else [])
        # Rows come grouped by length; a data set of the caller's comes in its own order.
        order = np.argsort(np.concatenate([[], *row_ids]), kind="stable")
        predictions = np.concatenate(parts)
        return predictions[order] if len(order) else predictions

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
        if y is None and not isinstance(x, tf.data.Dataset):
            raise InputError("no labels to compare with", where="y", mend="give one a text")
        if y is None:
            labels, predictions, weights = self._labels_and_predictions(x, batch_size, verbose)
        else:
            labels, weights = self.encode_labels(y), sample_weight
            if isinstance(x, tf.data.Dataset) or not len(labels):
                problem = "a data set comes with labels beside it" if len(labels) else "there are no examples"
                raise InputError(problem, where="y", mend="give texts and a label for each")
            for name, column in {"y": labels, "sample_weight": weights}.items():
                if column is not None and len(column) != count_rows(x):
                    problem = f"{len(column)} for {count_rows(x)} texts"
                    raise InputError(problem, where=name, mend="give one a text")
            predictions = self.predict(x, batch_size, verbose)
        weights = None if weights is None else np.asarray(weights, "float32")
        return self.measure(labels, predictions, weights) | self._caller_metrics(labels, predictions, weights)

    def predict_batch(self, batch: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The predictions of one token batch, compiled once however long the texts are."""
        if self._predict_function is None:
            spec = {name: tf.TensorSpec([None, None], tf.int32) for name in ENCODER_INPUTS}
            self._predict_function = tf.function(lambda inputs: self(inputs, training=False), input_signature=[spec])
        return self._predict_function(encoder_inputs(batch))

    def save(self, folder: str | Path, *, overwrite: bool = True, **notes: Any) -> None:
        """Writes the model as a folder that `tfdomain.load` reads; see `tfdomain.models.folder`."""
        from tfdomain.models.folder import save_model

        save_model(self, folder, notes, overwrite=overwrite)

    def export(self, folder: str | Path) -> Path:
        """Writes a raw-text SavedModel to `folder/<next number>`; see `tfdomain.models.export`."""
        from tfdomain.models.export import export_model

        return export_model(self, folder)

    def _batches_in_order(self, x, batch_size, verbose, rows=None):
        if rows is None and not isinstance(x, tf.data.Dataset) and not count_rows(x):
            return
        self._check_pairs(x)
        source = batches_of(
            x,
            tokenizer=self.tokenizer,
            max_length=self.max_length,
            batch_size=batch_size,
            label_names=self.labels,
            rows=rows,
        )
        batches = source.epoch(0)
        if verbose:
            batches = with_bar(batches, num_batches=source.num_batches, title=self.name)
        with explained_labels(self.labels):
            yield from batches

    def _labels_and_predictions(self, dataset, batch_size, verbose):
        labels: list[np.ndarray] = []
        predictions, weights = [self._no_predictions()], []
        for batch in self._batches_in_order(dataset, batch_size, verbose):
            if "labels" not in batch:
                raise InputError("the data set holds no labels", where="x", mend="its elements are to be (text, label)")
            labels.append(batch["labels"].numpy())
            predictions.append(self.predict_batch(batch).numpy())
            weights += [batch["sample_weight"].numpy()] if "sample_weight" in batch else []
        if not labels:
            raise InputError("the data set is empty", where="x", mend="give it examples")
        weighted = np.concatenate(weights) if weights else None
        return np.concatenate(labels), np.concatenate(predictions), weighted

    def _check_pairs(self, x):
        given = holds_pairs(x)
        if given is None or given == self.pairs:
            return
        problem, mend = (
            ("the model reads pairs of texts", "give a tuple of two lists")
            if self.pairs
            else ("the model reads single texts", "give a list of texts, or make the model with pairs=True")
        )
        raise InputError(problem, where="x", mend=mend)

    def _refuse_ignored(self, options: FitOptions) -> None:
        """What the caller compiled and what the caller asks of `fit` must not contradict."""
        given = [name for name in OPTIMIZER_OPTIONS if name in options.model_fields_set]
        if self._has_callers_optimizer and given:
            raise InputError(
                f"{given[0]} is given, but compile() chose the optimizer", where="fit", mend="leave one of them out"
            )
        if not self._uses_task_loss and options.label_smoothing:
            raise InputError(
                "label_smoothing is given, but compile() chose the loss", where="fit", mend="leave one of them out"
            )

    def _no_predictions(self) -> np.ndarray:
        return self.predict_batch(_sample_batch()).numpy()[:0]

    def _caller_metrics(self, labels, predictions, weights) -> dict[str, float]:
        if not self._compiled_by_caller:
            return {}
        self.reset_metrics()
        self.compute_metrics(None, labels, predictions, weights)
        figures = {name: float(value) for name, value in self.get_metrics_result().items() if name != "loss"}
        if not self._uses_task_loss:
            figures["loss"] = float(self.compute_loss(None, labels, predictions, weights, training=False))
        return figures


def _held_out(validation_data: Any) -> dict[str, Any]:
    if isinstance(validation_data, tf.data.Dataset):
        return {"x": validation_data}
    if not isinstance(validation_data, tuple) or len(validation_data) not in (2, 3):
        raise InputError("is no (texts, labels)", where="validation_data", mend="give such a tuple, or a data set")
    return dict(zip(("x", "y", "sample_weight"), validation_data, strict=False))


def encoder_inputs(batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The part of a batch that the encoder reads."""
    return {name: batch[name] for name in ENCODER_INPUTS}


def flat_figures(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The plain numbers among a task's metrics, which go through logs and callbacks; counts are left out."""
    return {name: float(value) for name, value in metrics.items() if isinstance(value, float)}


def _sample_batch() -> dict[str, tf.Tensor]:
    return {name: tf.ones([1, 3], tf.int32) for name in ENCODER_INPUTS}
