"""What comes before and around a model's updates: its batches, its options, its callbacks."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfdomain.config import FitOptions
from tfdomain.errors import InputError
from tfdomain.models.compilation import check_fixed_shapes
from tfdomain.models.datasets import DatasetBatches, explained_labels
from tfdomain.models.inputs import num_texts
from tfdomain.models.prediction import check_texts
from tfdomain.optimization.loop import EpochSource, LoopState, run_epochs
from tfdomain.optimization.progress import ProgressReport
from tfdomain.pipeline.fixed_shapes import FixedShapes

__all__ = ["fit_batches", "held_out", "refuse_contradictions", "training_batches"]

OPTIMIZER_OPTIONS = (
    "learning_rate",
    "warmup_rate",
    "weight_decay",
    "optimizer",
    "clip_norm",
    "layer_decay",
    "head_rate",
)


def training_batches(
    model,
    x: Any,
    labels: np.ndarray | None,
    *,
    options: FitOptions,
    sample_weight: Any = None,
    rows: np.ndarray | None = None,
    shuffle: bool = True,
    lengths_cache: Path | None = None,
) -> EpochSource:
    """The batches that `fit` trains on, with the options' class weights.

    With `jit` decided they have fixed shapes.

    Args:
        model: Whose tokenizer, labels and length count.
        x: As for `fit`.
        labels: What `encode_labels` gives, one a text; None with a data set.
        options: Give batch size, seed and class weights.
        sample_weight: Float `[n]`.
        rows: int64 `[m]`, the rows that are trained on; None: all.
        shuffle: Whether the order differs by epoch.
        lengths_cache: Where token lengths are kept from run to run.
    """
    is_dataset = isinstance(x, tf.data.Dataset)
    check_fixed_shapes(model, options, is_dataset=is_dataset)
    if labels is None and not is_dataset and model.needs_labels:
        raise InputError("no labels to train on", where="y", mend="give one a text")
    if is_dataset and options.class_weights is not None:
        mend = "give the data set a third part, the weight of each example"
        raise InputError("a data set's classes are not counted", where="class_weights", mend=mend)
    weights = sample_weight
    by_class = None if labels is None else model.example_weights(labels, options, rows)
    if by_class is not None:
        # One weight too few must not be stretched over the others.
        same_length = sample_weight is None or np.shape(sample_weight) == by_class.shape
        weights = by_class * (1 if sample_weight is None else sample_weight) if same_length else sample_weight
    source = model.batches(
        x,
        batch_size=options.rows_per_update,
        batch_tokens=options.tokens_per_update,
        labels=labels,
        for_training=True,
        sample_weight=weights,
        rows=rows,
        seed=options.seed,
        shuffle=shuffle,
        lengths_cache=lengths_cache,
    )
    has_labels = not isinstance(source, DatasetBatches) or source.has_labels or not model.needs_labels
    if not (has_labels and source.num_batches):
        problem = "the data set holds no labels" if source.num_batches else "the data set is empty"
        raise InputError(problem, where="x", mend="its elements are to be (text, label)")
    model.pairs = model.pairs or (len(model.text_names) == 2 and num_texts(x, model.training_names) == 2)
    check_texts(model, x, model.training_names)
    if options.jit is not True:
        return source
    return FixedShapes(source, num_rows=options.rows_per_update, longest=model.max_length)


def fit_batches(
    model,
    source: EpochSource,
    *,
    state: LoopState | None = None,
    validate: Callable[[], dict[str, float]] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: str | int = "auto",
    stop_after: int | None = None,
) -> keras.callbacks.History:
    """Trains a prepared model on a source of epochs, from `state` on.

    `validate` gives the figures of the held-out rows after each epoch; `stop_after` is the last epoch where that is
    not the last of the options.
    """
    model.loop_state = state or LoopState()
    epochs = stop_after or model.options.epochs
    progress = ProgressReport(
        num_epochs=epochs,
        num_batches=source.num_batches,
        first_batch=model.loop_state.batch,
        figures=["loss", "val_loss", *(f"val_{name}" for name in model.headline)],
    )
    callback_list = keras.callbacks.CallbackList(
        [*callbacks, *([progress] if verbose else [])],
        add_history=True,
        model=model,
        epochs=epochs,
        steps=source.num_batches,
        verbose=verbose,
    )
    state = model.loop_state
    try:
        with explained_labels(model.labels):
            run_epochs(model, source, num_epochs=epochs, state=state, callbacks=callback_list, validate=validate)
    finally:
        progress.close()
    return model.history


def refuse_contradictions(model, options: FitOptions) -> None:
    """What the caller compiled and what the caller asks of `fit` must not contradict."""
    if not model.uses_task_loss and not model.takes_callers_loss:
        raise InputError(f"a loss of one's own does not fit {model.task}", where="compile", mend="leave it out")
    given = [name for name in OPTIMIZER_OPTIONS if name in options.model_fields_set]
    if model.has_callers_optimizer and given:
        raise InputError(
            f"{given[0]} is given, but compile() chose the optimizer", where="fit", mend="leave one of them out"
        )
    if not model.uses_task_loss and options.label_smoothing:
        raise InputError(
            "label_smoothing is given, but compile() chose the loss", where="fit", mend="leave one of them out"
        )


def held_out(validation_data: Any) -> dict[str, Any]:
    """The arguments of `evaluate` that `validation_data` stands for."""
    if isinstance(validation_data, tf.data.Dataset):
        return {"x": validation_data}
    if not isinstance(validation_data, tuple) or len(validation_data) not in (2, 3):
        raise InputError("is no (texts, labels)", where="validation_data", mend="give such a tuple, or a data set")
    return dict(zip(("x", "y", "sample_weight"), validation_data, strict=False))
