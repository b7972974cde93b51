"""One setting of an experiment, measured by some real updates in this process."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfdomain.config import Experiment, MultiTaskExperiment
from tfdomain.encoders.config import EncoderConfig
from tfdomain.encoders.sources import checkpoint_beside, resolve_checkpoint
from tfdomain.models.base import TextModel
from tfdomain.models.compilation import shapes_of
from tfdomain.models.inputs import count_rows
from tfdomain.optimization.loop import EpochSource
from tfdomain.profiling.arithmetic import matrix_product_peak, training_operations
from tfdomain.training.beginning import begin_training, read_data
from tfdomain.training.datasets import ExperimentData, Part
from tfdomain.training.peak_memory import peak_memory_bytes

__all__ = ["measure_setting"]

WARM_UP = 3
PREDICTED_ROWS = 256


def measure_setting(experiment: Experiment, folder: Path, *, steps: int, trace: Path | None = None) -> dict[str, Any]:
    """Trains some updates, and tells what the whole would take.

    Args:
        experiment: What would be trained; nothing of it is written.
        folder: Where its relative paths start.
        steps: Updates that are timed, after three that are not.
        trace: Where a profile of them goes, for TensorBoard's PROFILE tab; None: nowhere.

    Returns:
        `examples_per_second`, `tokens_per_second`, `padding_share`, `seconds_per_update`, `peak_memory_bytes`, of the
        process; `compile_seconds`, what XLA took, 0 where updates are not compiled; `operations_per_second` of the
        updates' matrix products, `peak_operations_per_second` that the machine reaches in float32, and the `peak_share`
        of the first in the second; `seconds`, what the whole run would take, compiling and predictions with it; `gpus`,
        how many there are.

    Raises:
        InputError: The experiment, its data or its checkpoint is wrong.
    """
    data = read_data(experiment, folder)
    checkpoint = resolve_checkpoint(checkpoint_beside(experiment.encoder, folder))
    model, batches = begin_training(experiment, data, checkpoint)
    figures = _time_updates(model, batches, steps, trace)
    figures["peak_memory_bytes"] = peak_memory_bytes()
    figures["seconds"] = figures["compile_seconds"] + _seconds_of_all(
        experiment, data, model, batches, figures["seconds_per_update"]
    )
    peak = matrix_product_peak()
    figures["peak_operations_per_second"] = peak
    figures["peak_share"] = figures["operations_per_second"] / peak
    figures["gpus"] = len(tf.config.list_physical_devices("GPU"))
    return figures


def _time_updates(model: TextModel, batches: EpochSource, steps: int, trace: Path | None) -> dict[str, Any]:
    train = model.make_train_function(batches.epoch(0).element_spec)
    compile_seconds = _compile(train, batches, steps) if model.options.jit is True else 0.0
    seen = {"num_examples": 0.0, "num_tokens": 0.0, "num_positions": 0.0}
    operations, started = 0.0, time.perf_counter()
    for number, batch in enumerate(itertools.islice(_batches_for_ever(batches), WARM_UP + steps)):
        if number == WARM_UP:
            if trace is not None:
                tf.profiler.experimental.start(str(trace))
            started = time.perf_counter()
        totals = {name: float(value) for name, value in train(batch, tf.constant(number, tf.int64)).items()}
        if number >= WARM_UP:
            seen = {name: value + totals[name] for name, value in seen.items()}
            operations += _operations(model.encoder.config, batch)
    seconds = time.perf_counter() - started
    if trace is not None:
        tf.profiler.experimental.stop()
    return {
        "examples_per_second": seen["num_examples"] / seconds,
        "tokens_per_second": seen["num_tokens"] / seconds,
        "padding_share": 1 - seen["num_tokens"] / max(seen["num_positions"], 1.0),
        "seconds_per_update": seconds / steps,
        "operations_per_second": operations / seconds,
        "compile_seconds": compile_seconds,
    }


def _compile(train: Callable, batches: EpochSource, steps: int) -> float:
    """Makes an update of each shape that is to be timed; gives the seconds."""
    started, seen = time.perf_counter(), set()
    for batch in itertools.islice(_batches_for_ever(batches), WARM_UP + steps):
        shape = repr(shapes_of(batch))
        if shape not in seen:
            seen.add(shape)
            train(batch, tf.constant(0, tf.int64))
    return time.perf_counter() - started


def _batches_for_ever(batches: EpochSource) -> Iterator[Any]:
    return itertools.chain.from_iterable(batches.epoch(epoch) for epoch in itertools.count())


def _operations(config: EncoderConfig, batch: Mapping[str, Any]) -> float:
    if "token_ids" not in batch:
        return sum(_operations(config, part) for part in batch.values())
    rows, length = batch["token_ids"].shape
    return training_operations(config, rows, length)


def _seconds_of_all(
    experiment: Experiment, data: ExperimentData, model: TextModel, batches: EpochSource, seconds_per_update: float
) -> float:
    """All epochs, the predictions after each and at the end; of several tasks the updates alone."""
    seconds = experiment.training.epochs * batches.num_batches * seconds_per_update
    if isinstance(experiment, MultiTaskExperiment):
        return seconds
    part = data.validation or data.test or data.train
    rows = _rows(part)[:PREDICTED_ROWS]
    model.predict(part.inputs, rows=rows)
    started = time.perf_counter()
    model.predict(part.inputs, rows=rows)
    each = (time.perf_counter() - started) / len(rows)
    num_predicted = 0 if data.test is None else len(_rows(data.test))
    if data.validation is not None:
        num_predicted += (experiment.training.epochs + 1) * len(_rows(data.validation))
    return seconds + num_predicted * each


def _rows(part: Part) -> np.ndarray:
    return np.arange(count_rows(part.inputs)) if part.rows is None else np.asarray(part.rows)
