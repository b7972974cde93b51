"""What every model that trains an encoder has in common: its options, its optimizer and its train function."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfdomain.config import FitOptions
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.models import fitting
from tfdomain.models.compilation import shapes_of
from tfdomain.models.parameters import default_optimizer, trained_variables
from tfdomain.optimization.accumulation import sum_over_parts
from tfdomain.optimization.exchange import on_tpu
from tfdomain.optimization.loop import EpochSource, LoopState
from tfdomain.optimization.train_step import make_train_function

__all__ = ["DEFAULT_MAX_LENGTH", "EncoderModel"]

DEFAULT_MAX_LENGTH = 128


class EncoderModel(keras.Model):
    """An encoder that learns; subclasses say what from, in `replica_loss` and `loss_denominator`.

    The model owns its train function: one update is `train_replica`, the same under every
    `tf.distribute` strategy, and its dropout is a function of (seed, step, replica, layer).

    Args:
        encoder: Turns tokens into vectors.
        tokenizer: Turns text into tokens; must fit the encoder's embedding.
        max_length: Tokens that a row is cut to, at most the encoder's positions; None: 128, or the positions where
            they are fewer.

    Raises:
        InputError: The tokenizer or `max_length` does not fit the encoder.
    """

    task: str
    headline: tuple[str, ...] = ()
    """The metrics that are shown after each epoch."""
    labels: Sequence[str] | None = None
    """The names of the classes, of a task that has some."""
    unused_options: Sequence[str] = ()
    """The options of `fit` that mean nothing to the task."""

    def __init__(self, encoder: Encoder, tokenizer: Tokenizer, *, max_length: int | None = None, **kwargs: Any):
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
        # What the model's folder says of where it came from: columns, fingerprints.
        self.notes: dict[str, Any] = {}
        self.options = FitOptions()
        self.loop_state = LoopState()
        self.compiled_by_caller = self.has_callers_optimizer = False
        self.uses_task_loss = True
        self._compile_again = functools.partial(super().compile, jit_compile=False, auto_scale_loss=False)
        self._train_functions: dict[str, Any] = {}

    @property
    def has_fixed_shapes(self) -> bool:
        """Whether a batch of a known shape gives an update whose shapes are all known, which can be compiled."""
        return False

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
        # An optimizer of our own scales the loss itself, where float16 asks for it.
        kwargs = {"jit_compile": False, "auto_scale_loss": optimizer is not None} | kwargs
        # In a partial Keras does not track the metrics a second time.
        self._compile_again = functools.partial(super().compile, loss=loss, metrics=metrics, **kwargs)
        self._compile_again(optimizer=optimizer or default_optimizer(self, self.options, 1))
        self.compiled_by_caller, self.has_callers_optimizer = True, optimizer is not None
        self.uses_task_loss = loss is None

    def prepare_training(self, options: FitOptions, num_batches: int) -> None:
        """Sets the options and, unless the caller compiled the model, its optimizer and schedule."""
        for name in self.unused_options:
            if getattr(options, name) != FitOptions.model_fields[name].default:
                problem = f"{name} is given, which means nothing to {self.task}"
                raise InputError(problem, where=f"training.{name}", mend="leave it out")
        self.options, self.stop_training = options, False
        self.encoder.recompute = options.recompute
        if options.frozen_layers > self.encoder.num_layers:
            raise InputError(
                f"{options.frozen_layers} layers to freeze of an encoder that has {self.encoder.num_layers}",
                where="training.frozen_layers",
                mend="choose fewer",
            )
        if not self.has_callers_optimizer:
            self._compile_again(optimizer=default_optimizer(self, options, num_batches))
        # They told of another training's data.
        self.notes = {}
        self.optimizer.build(trained_variables(self))
        self._train_functions = {}

    def own_rates(self, options: FitOptions) -> dict[str, float]:
        """The factor on the learning rate of variables, by path, that a task's own nature asks for."""
        return {}

    def fit_batches(self, source: EpochSource, **more: Any) -> keras.callbacks.History:
        """Trains a prepared model on a source of epochs; see `tfdomain.models.fitting`."""
        return fitting.fit_batches(self, source, **more)

    def make_train_function(self, batch_spec) -> Callable:
        """Makes a function of `train_replica` for batches of the given spec, once in a training.

        With the option `jit` it is made for each shape that comes, since what is compiled knows all shapes.
        """
        jit = self.options.jit is True
        if jit and not all(spec.shape.is_fully_defined() for spec in tf.nest.flatten(batch_spec, True)):
            return lambda batch, step: self.make_train_function(shapes_of(batch))(batch, step)
        key = repr(batch_spec)
        if key not in self._train_functions:
            # A TPU's strategy compiles by itself.
            jit_compile = self.jit_compile or (jit and not on_tpu())
            self._train_functions[key] = make_train_function(self, batch_spec, jit_compile=jit_compile)
        return self._train_functions[key]

    def train_graph(self) -> Any:
        """The concrete function of the updates under way, for TensorBoard; None before the first one."""
        functions = list(self._train_functions.values())
        return functions[-1].get_concrete_function() if functions else None

    def train_replica(self, batch: Mapping[str, tf.Tensor], *, denominator: Any, seed: tf.Tensor) -> tf.Tensor:
        """One update from this replica's share of a batch; the seam that other train steps replace.

        Args:
            batch: The batch vocabulary, with `labels`.
            denominator: `loss_denominator` of the global batch.
            seed: int32 `[2]`, of everything random in this step.

        Returns:
            This replica's part of the mean loss, float32 scalar.
        """
        variables = trained_variables(self)

        def differentiate(part: Mapping[str, tf.Tensor], part_seed: tf.Tensor):
            with tf.GradientTape() as tape:
                loss = self.replica_loss(part, denominator=denominator, seed=part_seed)
                scaled = self.optimizer.scale_loss(loss)
            return loss, tape.gradient(scaled, variables)

        loss, gradients = sum_over_parts(differentiate, batch, seed, self.options.accumulate)
        self.optimizer.apply(gradients, variables)
        return loss

    def replica_loss(self, batch: Mapping[str, tf.Tensor], *, denominator: Any, seed: tf.Tensor) -> tf.Tensor:
        """This replica's part of the batch's mean loss, float32 scalar."""
        raise NotImplementedError
