"""Several tasks at once: one encoder, a head for each."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from tfdomain.config import FitOptions
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.models.base import TextModel
from tfdomain.models.compilation import check_fixed_shapes
from tfdomain.models.inputs import count_rows
from tfdomain.models.single_tasks import SINGLE_TASKS
from tfdomain.models.task_batches import SHARES, TaskBatches, rows_of_update
from tfdomain.models.task_losses import TaskLosses
from tfdomain.optimization.loop import EpochSource

__all__ = ["MultiTaskModel", "choose_task"]

# What a log variance moves in a step of Adam at its peak, whatever the rate that suits the encoder: it has a way of
# ones to go, and weights one of hundredths.
LOG_VARIANCE_RATE = 0.01
# What the exported model calls signatures of its own.
RESERVED = ("serving_default", "embed", "classify")


@keras.saving.register_keras_serializable("tfdomain")
class MultiTaskModel(TextModel):
    """Learns several tasks with one encoder.

    Each task is a model as it would be alone, with the same encoder; they stand in `models` and can be used one by
    one. What `fit`, `predict` and `evaluate` take and give is by task. An update takes rows of every task, and its loss
    is the weighted sum of the tasks' mean losses.

    Args:
        encoder: Turns tokens into vectors.
        tokenizer: Turns text into tokens.
        tasks: What each task is and its model's settings, by a name of one's own: a pair such as
            `("classification", {"labels": ["a", "b"]})`.
        share: How the rows of an update are shared among tasks: `proportional` to their rows, to the `square_root` of
            these, or `uniform`.
        loss_weights: A factor on each task's loss, 1 where none is given; or `uncertainty`: learned, see `TaskLosses`.
        max_length: Tokens of a text, for the tasks whose settings give none.
        seed: Of the heads' first weights.

    Raises:
        InputError: A task is unknown, or a name or a choice is none.

    Example:
        >>> model = MultiTaskModel.from_pretrained(folder, tasks={
        ...     "intent": ("classification", {"labels": ["card", "loan"]}),
        ...     "stars": ("regression", {"targets": ["stars"]}),
        ... })
        >>> history = model.fit({"intent": texts, "stars": reviews}, {"intent": intents, "stars": stars})
        >>> model.predict({"intent": ["I lost my card"]})["intent"].shape
        (1, 2)
    """

    task = "multitask"
    takes_callers_loss = False

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        *,
        tasks: Mapping[str, Sequence[Any]],
        share: str = "proportional",
        loss_weights: Mapping[str, float] | Literal["uncertainty"] | None = None,
        max_length: int | None = None,
        seed: int = 0,
        **kwargs: Any,
    ):
        if share not in SHARES:
            raise InputError(f"share is {share!r}", mend=f"choose {', '.join(SHARES)}")
        super().__init__(encoder, tokenizer, max_length=max_length, **kwargs)
        self.models = _make_models(encoder, tokenizer, tasks, max_length=max_length, seed=seed)
        self.share, self.loss_weights = share, loss_weights
        is_squared = {name: model.needs_labels and model.loss_metric == "mse" for name, model in self.models.items()}
        self.task_losses = TaskLosses(is_squared, loss_weights, name="task_losses")
        self.headline = tuple(f"{name}_{model.headline[0]}" for name, model in self.models.items())
        unused = [set(model.unused_options) for model in self.models.values()]
        # Tasks share an update by their numbers of examples.
        self.unused_options = sorted(set.intersection(*unused) | {"batch_tokens"})
        self.build_head()

    def task_model(self, name: str) -> TextModel:
        """The model of one task, with what this one's notes say of the task's data.

        Raises:
            InputError: There is no such task.
        """
        if name not in self.models:
            raise InputError(f"there is no task {name!r}", mend=f"choose one of {', '.join(self.models)}")
        data = self.notes.get("data", {}).get(name)
        self.models[name].notes = self.notes | ({} if data is None else {"data": data})
        return self.models[name]

    # From batches to a loss.

    def column_specs(self) -> dict[str, tf.TensorSpec]:
        """The `text` that tasks which read nothing else share; empty where there is no such task."""
        return TextModel.column_specs(self) if self.text_models() else {}

    def text_models(self) -> dict[str, TextModel]:
        """The models of the tasks that read one plain `text` and nothing beside it, by task."""
        return {name: model for name, model in self.models.items() if list(model.column_specs()) == ["text"]}

    def sample_batch(self) -> dict[str, Any]:
        """A batch of one row of every task."""
        return {name: model.sample_batch() for name, model in self.models.items()}

    def call(self, inputs, training=False, dropout_seed=None, logits=False):
        """What each task's model makes of its token batch, by task.

        Args:
            inputs: Token batches by task.
            training: Whether dropout is on.
            dropout_seed: int32 `[2]`; None draws one.
            logits: Give the heads' raw outputs.
        """
        return {
            name: self.models[name](
                batch, training=training, dropout_seed=self._seed_of(name, dropout_seed), logits=logits
            )
            for name, batch in inputs.items()
        }

    def loss_denominator(self, batch: Mapping[str, Any]) -> Any:
        """What each task's sum of losses is divided by, float32 scalars by task."""
        return {name: self.models[name].loss_denominator(part) for name, part in batch.items()}

    def replica_loss(self, batch, *, denominator, seed) -> tf.Tensor:
        """This replica's part of the weighted sum of the tasks' mean losses, float32 scalar."""
        losses = {
            name: model.replica_loss(batch[name], denominator=denominator[name], seed=self._seed_of(name, seed))
            for name, model in self.models.items()
        }
        return self.task_losses.total(losses)

    # Training.

    def training_batches(
        self,
        x: Any,
        labels: Any,
        *,
        options: FitOptions,
        sample_weight: Any = None,
        rows: Mapping[str, np.ndarray | None] | None = None,
        **more: Any,
    ) -> EpochSource:
        """The updates that `fit` makes; their batch size is that of all tasks together.

        Args:
            x: As for each task's `fit`, by task; every task has to be there.
            labels: What `encode_labels` gives.
            options: As for every model.
            sample_weight: Float `[n]` by task.
            rows: The rows that are trained on by task, int64 `[m]`; None: all.
            **more: As for every model.

        Raises:
            InputError: A task is missing or comes as a data set, or its model refuses what it is given.
        """
        check_fixed_shapes(self, options)
        x = self._by_task(x, "x", every=True)
        labels, rows = labels or {}, rows or {}
        weights = {} if sample_weight is None else self._by_task(sample_weight, "sample_weight")
        for name, part in x.items():
            if isinstance(part, tf.data.Dataset):
                mend = "give texts and labels, so that it has its share of each update"
                raise InputError("a data set, whose batches are its own", where=f"x[{name!r}]", mend=mend)
        counts = {}
        for name, part in x.items():
            chosen = rows.get(name)
            counts[name] = count_rows(part) if chosen is None else len(chosen)
            if not counts[name]:
                raise InputError("there are no examples", where=f"x[{name!r}]", mend="give every task some")
        sizes = rows_of_update(counts, options.rows_per_update, self.share)
        sources: dict[str, EpochSource] = {}
        for name, model in self.models.items():
            own = _own_options(model, options).model_copy(update={"batch_size": sizes[name], "accumulate": 1})
            given: dict[str, Any] = {"sample_weight": weights.get(name), "rows": rows.get(name)}
            sources[name] = model.training_batches(x[name], labels.get(name), options=own, **given, **more)
        return TaskBatches(sources, -(-sum(counts.values()) // options.rows_per_update))

    def prepare_training(self, options: FitOptions, num_batches: int) -> None:
        """Sets the options of all tasks and, unless the caller compiled the model, the optimizer."""
        super().prepare_training(options, num_batches)
        for model in self.models.values():
            model.options, model.notes = _own_options(model, options), {}

    def own_rates(self, options: FitOptions) -> dict[str, float]:
        """The factor that gives log variances a learning rate of their own."""
        variances = self.task_losses.log_variances
        return {} if variances is None else {variances.path: LOG_VARIANCE_RATE / options.learning_rate}

    # What people hand in, and what comes out, by task.

    def encode_labels(self, labels: Any) -> Any:
        """What each task's model makes of its labels."""
        return {name: self.models[name].encode_labels(part) for name, part in self._by_task(labels, "y").items()}

    def truth(self, labels: Any) -> dict[str, Any]:
        """The labels as each task's `measure` takes them."""
        return {name: self.models[name].truth(part) for name, part in self._by_task(labels, "y").items()}

    def predict(self, x: Any, batch_size: int = 64, verbose: str | int = 0, *, rows: Any = None) -> dict[str, Any]:
        """The predictions of some tasks or all.

        Args:
            x: What each task's `predict` takes, by task.
            batch_size: Texts at a time.
            verbose: 1 shows a bar on a terminal.
            rows: The rows that are asked for by task, int64 `[m]`, ascending; None: all.

        Raises:
            InputError: There is no such task, or its model refuses what it is given.
        """
        return {
            name: self.models[name].predict(part, batch_size, verbose, rows=(rows or {}).get(name))
            for name, part in self._by_task(x, "x").items()
        }

    def evaluate(
        self, x: Any, y: Any = None, batch_size: int = 64, verbose: str | int = 0, *, sample_weight: Any = None
    ) -> dict[str, Any]:
        """The metrics of some tasks or all, by task; see each model's `evaluate`."""
        y = {} if y is None else self._by_task(y, "y")
        weights = {} if sample_weight is None else self._by_task(sample_weight, "sample_weight")
        return {
            name: self.models[name].evaluate(part, y.get(name), batch_size, verbose, sample_weight=weights.get(name))
            for name, part in self._by_task(x, "x").items()
        }

    def blank_predictions(self, num_rows: Any) -> dict[str, Any]:
        """Predictions that say nothing, for so many rows by task."""
        return {name: self.models[name].blank_predictions(count) for name, count in num_rows.items()}

    def measure(self, truth: Any, predictions: Any, sample_weight: Any = None) -> dict[str, Any]:
        """The metrics of each task, by task."""
        weights = sample_weight or {}
        return {
            name: self.models[name].measure(truth[name], predicted, weights.get(name))
            for name, predicted in predictions.items()
        }

    def held_out_figures(self, metrics: Mapping[str, Any]) -> dict[str, float]:
        """The plain numbers of every task, its name before each: `intent_accuracy`."""
        return {
            f"{name}_{key}": value
            for name, measured in metrics.items()
            for key, value in self.models[name].held_out_figures(measured).items()
        }

    def calibrate(self, x: Any, truth: Any, rows: Any = None) -> list[str]:
        """What each task chooses on held-out examples."""
        return [
            f"{name}: {line}"
            for name, part in x.items()
            for line in self.models[name].calibrate(part, truth[name], (rows or {}).get(name))
        ]

    def remarks(self, x: Any, labels: Any) -> list[str]:
        """What a person should be told of each task's training examples."""
        return [f"{name}: {line}" for name, part in x.items() for line in self.models[name].remarks(part, labels[name])]

    # What the model's folder is made of.

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments but the encoder and the tokenizer, as JSON values."""
        weights = self.loss_weights
        return {
            "tasks": {name: [model.task, model.settings()] for name, model in self.models.items()},
            "share": self.share,
            "loss_weights": dict(weights) if isinstance(weights, Mapping) else weights,
            "max_length": self.max_length,
        }

    def transformers_form(self) -> None:
        """None: transformers knows no model with several heads."""
        return None

    def head_tensors(self) -> dict[str, np.ndarray]:
        """The heads' weights, with the task's name before each of its own: `intent.head.kernel`."""
        tensors: dict[str, np.ndarray] = {}
        for name, model in self.models.items():
            tensors |= {f"{name}.{key}": tensor for key, tensor in _own_tensors(model).items()}
        if self.task_losses.log_variances is not None:
            tensors["log_variances"] = self.task_losses.log_variances.numpy()
        return tensors

    def set_head_tensors(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Sets the heads' weights."""
        for name, model in self.models.items():
            model.set_head_tensors({key: tensors[f"{name}.{key}"] for key in _own_tensors(model)})
        if self.task_losses.log_variances is not None:
            self.task_losses.log_variances.assign(tensors["log_variances"])

    def _by_task(self, values: Any, where: str, *, every: bool = False) -> dict[str, Any]:
        names = ", ".join(self.models)
        if not isinstance(values, Mapping):
            problem = f"{type(values).__name__} where a dictionary by task is expected"
            raise InputError(problem, where=where, mend=f"the tasks are {names}")
        unknown = [name for name in values if name not in self.models]
        missing = [name for name in self.models if every and name not in values]
        if unknown or missing:
            problem = f"there is no task {unknown[0]!r}" if unknown else f"the task {missing[0]!r} is missing"
            raise InputError(problem, where=where, mend=f"the tasks are {names}")
        return {name: values[name] for name in self.models if name in values}

    def _seed_of(self, name: str, seed: tf.Tensor | None) -> tf.Tensor | None:
        """The seed of a task: heads that read the same texts are not to lose the same numbers."""
        if seed is None:
            return None
        return tf.random.experimental.stateless_fold_in(seed, list(self.models).index(name), alg="philox")


def choose_task(model: TextModel, name: str | None) -> TextModel:
    """The model that is meant: of several tasks the named one's.

    Raises:
        InputError: Of several tasks none is named, or of one task one is.
    """
    if isinstance(model, MultiTaskModel):
        if name is None:
            names = ", ".join(model.models)
            raise InputError("the model has several tasks", where="--task", mend=f"choose one of {names}")
        return model.task_model(name)
    if name is not None:
        raise InputError(f"the model has one task, {model.task}", where="--task", mend="leave it out")
    return model


def _make_models(
    encoder: Encoder, tokenizer: Tokenizer, tasks: Mapping[str, Sequence[Any]], *, max_length: int | None, seed: int
) -> dict[str, TextModel]:
    models: dict[str, TextModel] = {}
    read: list[tuple[bool, bool]] = []
    # In an order of their own: JSON keeps none.
    for place, (name, pair) in enumerate(sorted(tasks.items())):
        if not (name.isascii() and name.isidentifier()) or name in RESERVED:
            mend = f"use letters, digits and _, and none of {', '.join(RESERVED)}"
            raise InputError(f"{name!r} cannot name a task", where="tasks", mend=mend)
        if isinstance(pair, str) or len(pair) != 2 or pair[0] not in SINGLE_TASKS:
            mend = f"give a pair of one of {', '.join(SINGLE_TASKS)} and the model's settings"
            raise InputError(f"is {pair!r}", where=f"tasks[{name!r}]", mend=mend)
        kind, settings = pair
        # A model freezes what it does not read: that is for all of them to say.
        encoder.trainable = True
        own = {key: value for key, value in settings.items() if key != "max_length" or value is not None}
        models[name] = SINGLE_TASKS[kind](
            encoder, tokenizer, name=name, **({"max_length": max_length, "seed": seed + place} | own)
        )
        read.append((encoder.trainable, encoder.pooler is not None and encoder.pooler.trainable))
    if not models:
        raise InputError("there are no tasks", where="tasks", mend="give at least one")
    encoder.trainable = any(reads_text for reads_text, _ in read)
    if encoder.pooler is not None:
        encoder.pooler.trainable = any(reads_pooler for _, reads_pooler in read)
    return models


def _own_options(model: TextModel, options: FitOptions) -> FitOptions:
    """The options of a training, without those that mean nothing to one of its tasks."""
    unused = {name: FitOptions.model_fields[name].default for name in model.unused_options}
    return options.model_copy(update=unused)


def _own_tensors(model: TextModel) -> dict[str, np.ndarray]:
    """What the folder of this model alone would keep beside the encoder."""
    form = model.transformers_form()
    return model.head_tensors() if form is None else form["tensors"]
