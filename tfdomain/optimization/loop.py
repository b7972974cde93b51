"""The loop over epochs and batches: what comes when, for `fit` and for resumable runs alike."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Protocol

import keras
import tensorflow as tf

from tfdomain.errors import TfdomainError
from tfdomain.optimization.shares import distribute_rows

__all__ = ["EpochSource", "LoopState", "run_epochs"]


class EpochSource(Protocol):
    """Where batches come from; `tfdomain.pipeline.batches.TokenBatches` is one."""

    @property
    def num_batches(self) -> int:
        """The batches of an epoch."""

    def epoch(self, epoch: int, first_batch: int = 0) -> tf.data.Dataset:
        """The batches of one epoch (dicts of tensors), from the given one on."""


@dataclasses.dataclass
class LoopState:
    """All that a loop needs to go on where another stopped; every field is a plain number.

    Attributes:
        step: Updates made so far, over all epochs.
        epoch: The epoch under way, from 0.
        batch: Batches of this epoch already used.
        loss_sum: Sum over this epoch's examples of their loss.
        num_examples: Examples of this epoch already used.
        examples_seen: Examples used so far, over all epochs.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    num_examples: int = 0
    examples_seen: int = 0

    def add_batch(self, loss: float, num_examples: int) -> None:
        """Counts one update."""
        self.step += 1
        self.batch += 1
        self.loss_sum += loss * num_examples
        self.num_examples += num_examples
        self.examples_seen += num_examples

    def end_epoch(self) -> float:
        """Moves to the next epoch and gives the mean loss of the one that ended."""
        mean = self.loss_sum / max(self.num_examples, 1)
        self.epoch, self.batch, self.loss_sum, self.num_examples = self.epoch + 1, 0, 0.0, 0
        return mean


def run_epochs(
    model: keras.Model,
    source: EpochSource,
    *,
    num_epochs: int,
    state: LoopState,
    callbacks: keras.callbacks.CallbackList,
    validate: Callable[[], dict[str, float]] | None = None,
) -> None:
    """Trains until `num_epochs` epochs are done or a callback sets `model.stop_training`.

    `state` is advanced in place, before the callbacks of a batch or an epoch see it: a callback
    that stores it stores the truth. The batch callbacks' logs hold `loss`, `learning_rate`,
    `gradient_norm`, `examples_per_second`, `tokens_per_second` and `padding_share`; the epoch
    callbacks' logs hold the mean `loss` and what `validate` gives, under `val_` names.

    Raises:
        TfdomainError: The loss is no longer a finite number.
    """
    callbacks.on_train_begin()
    logs: dict = {}
    while state.epoch < num_epochs and not model.stop_training:
        epoch = state.epoch
        callbacks.on_epoch_begin(epoch)
        _run_batches(model, source.epoch(epoch, state.batch), state, callbacks)
        logs = {"loss": state.end_epoch()}
        if validate is not None:
            logs |= {f"val_{name}": value for name, value in validate().items()}
        callbacks.on_epoch_end(epoch, logs)
    callbacks.on_train_end(logs)


def _run_batches(
    model: keras.Model, dataset: tf.data.Dataset, state: LoopState, callbacks: keras.callbacks.CallbackList
) -> None:
    batches = distribute_rows(dataset)
    train = model.make_train_function(batches.element_spec)
    started = time.perf_counter()
    for batch in batches:
        callbacks.on_train_batch_begin(state.batch)
        totals = {name: float(value) for name, value in train(batch, tf.constant(state.step, tf.int64)).items()}
        ended = time.perf_counter()
        if not math.isfinite(totals["loss"]):
            raise TfdomainError(
                f"the loss became {totals['loss']}",
                where=f"step {state.step + 1}",
                mend="lower the learning rate or lengthen the warm-up",
            )
        state.add_batch(totals["loss"], int(totals["num_examples"]))
        optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
        logs = {
            "loss": totals["loss"],
            "learning_rate": float(optimizer.learning_rate),
            "examples_per_second": totals["num_examples"] / (ended - started),
            "tokens_per_second": totals["num_tokens"] / (ended - started),
            "padding_share": 1 - totals["num_tokens"] / totals["num_positions"],
        }
        if hasattr(optimizer, "gradient_norm"):
            logs["gradient_norm"] = float(tf.convert_to_tensor(optimizer.gradient_norm.value))
        callbacks.on_train_batch_end(state.batch - 1, logs)
        if model.stop_training:
            return
        started = time.perf_counter()
