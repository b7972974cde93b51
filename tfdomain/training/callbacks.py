"""What a run does between its batches and epochs: it keeps its best model, its state, its progress."""

import time
from pathlib import Path
from typing import Any, Protocol

import keras
import tensorflow as tf

from tfdomain.errors import InputError
from tfdomain.files import write_json
from tfdomain.metrics.selection import is_better, metric_value
from tfdomain.models.base import TextModel
from tfdomain.training.datasets import Part
from tfdomain.training.state import write_state

__all__ = ["BestModel", "ProgressFile", "StateKeeper", "Validation"]


class Validation:
    """Measures a model on the held-out rows; `metrics` holds all that was measured last."""

    def __init__(self, model: TextModel, part: Part):
        self._model, self._part = model, part
        self.metrics: dict[str, Any] = {}

    def __call__(self) -> dict[str, float]:
        """The figures of one epoch, for the loop."""
        return self._take(self._model.predict(self._part.inputs, rows=self._part.rows))

    def check(self, metric: str) -> None:
        """Refuses a metric that these rows leave undefined, before an epoch is spent on finding out.

        Raises:
            InputError: There is no such metric, or the rows lack a class that it needs.
        """
        self._take(self._model.blank_predictions(self._part.num_rows))
        metric_value(self.metrics, metric)

    def _take(self, predictions: Any) -> dict[str, float]:
        measured = self._model.measure(self._part.own_truth, predictions)
        figures = self._model.held_out_figures(measured)
        self.metrics = measured | figures
        return figures


class Measured(Protocol):
    """What measures a model after each epoch."""

    metrics: dict[str, Any]
    """All that was measured last."""

    def __call__(self) -> dict[str, float]:
        """Measures, and gives the figures of the epoch."""


class BestModel(keras.callbacks.Callback):
    """Saves the model whenever a validation metric is better than ever, and may end the run early.

    Args:
        folder: Where the best model stands; None only compares, as processes do that follow a chief.
        metric: A name of `tfdomain.metrics.selection`.
        validation: Has measured the epoch that ends.
        patience: Epochs without a better value after which the run stops; None never stops it.
    """

    def __init__(self, folder: Path | None, metric: str, validation: Measured, patience: int | None = None):
        super().__init__()
        self.folder, self.metric, self.patience = folder, metric, patience
        self._validation = validation
        self.value: float | None = None
        self.epochs_without = 0

    def on_epoch_end(self, epoch, logs=None):
        """Compares this epoch's value with the best so far."""
        try:
            value = metric_value(self._validation.metrics, self.metric)
        except InputError:
            # The rows define it (`Validation.check`), this epoch's predictions do not: all the same, say.
            value = float("nan")
        if is_better(self.metric, value, self.value):
            if self.folder is not None:
                self.model.save(self.folder, epoch=epoch + 1, metric=self.metric, value=value)
            self.value, self.epochs_without = value, 0
            return
        self.epochs_without += 1
        if self.patience is not None and self.epochs_without >= self.patience:
            self.model.stop_training = True
            best = "" if self.value is None else f" than {self.value:.4f}"
            print(f"no better {self.metric}{best} in {self.patience} epochs: stopping", flush=True)

    def notes(self) -> dict:
        """What has to survive a restart."""
        return {"best_value": self.value, "epochs_without": self.epochs_without}

    def restore(self, notes: dict) -> None:
        """Takes up what `notes` gave."""
        self.value, self.epochs_without = notes["best_value"], notes["epochs_without"]


class StateKeeper(keras.callbacks.Callback):
    """Writes the state that `--resume` goes on from: after each epoch, and as time passes.

    It must be the last callback, so that what it stores of the others is of the same moment.

    Args:
        path: The state's file.
        seconds: Between two states; more where one takes so long that it would cost over 5 %.
        best: The callback whose notes are stored too.
    """

    def __init__(self, path: Path, *, seconds: float, best: BestModel | None):
        super().__init__()
        self.path, self.seconds, self.best = path, seconds, best
        self._due = time.monotonic() + seconds

    def on_train_batch_end(self, batch, logs=None):
        """Writes the state when it is due."""
        if time.monotonic() >= self._due:
            self._write()

    def on_epoch_end(self, epoch, logs=None):
        """Writes the state, and that the run is to stop where another callback says so."""
        self._write()

    def _write(self):
        started = time.monotonic()
        stopped = bool(self.model.stop_training)
        write_state(self.path, self.model, {"stopped": stopped, **(self.best.notes() if self.best else {})})
        ended = time.monotonic()
        self._due = ended + max(self.seconds, 20 * (ended - started))


class ProgressFile(keras.callbacks.Callback):
    """Keeps `progress.json` current, at most once a second.

    Args:
        path: The file.
        resumed_from_step: The step that this process started at; None where it is a new run.
    """

    def __init__(self, path: Path, resumed_from_step: int | None):
        super().__init__()
        self.path, self.resumed_from_step = path, resumed_from_step
        self._due = 0.0

    def on_train_batch_end(self, batch, logs=None):
        """Writes the file when it is due."""
        if time.monotonic() >= self._due:
            self._write()

    def on_train_end(self, logs=None):
        """Writes the last state of affairs."""
        self._write()

    def _write(self):
        model: TextModel = self.model
        state = model.loop_state
        write_json(
            self.path,
            {
                "step": state.step,
                "epoch": state.epoch,
                "examples_seen": state.examples_seen,
                "replicas": tf.distribute.get_strategy().num_replicas_in_sync,
                "resumed_from_step": self.resumed_from_step,
            },
        )
        self._due = time.monotonic() + 1.0
