"""A model's predictions of texts, pairs and data sets, and its metrics on labelled ones."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tfdomain.errors import InputError
from tfdomain.models.datasets import explained_labels, without_labels
from tfdomain.models.inputs import batches_of, count_rows, holds_pairs
from tfdomain.optimization.progress import with_bar

__all__ = ["check_pairs", "evaluate", "predict"]


def predict(model, x: Any, batch_size: int, verbose: str | int, rows: np.ndarray | None = None) -> np.ndarray:
    """The predictions of `x` in its order; `TextModel.predict` tells of the arguments."""
    parts, row_ids = [model.no_predictions()], []
    for batch in _batches_in_order(model, without_labels(x), batch_size, verbose, rows):
        parts.append(model.predict_batch(batch).numpy())
        row_ids.append(batch["row_ids"].numpy() if "row_ids" in batch else [])
    # Rows come grouped by length; a data set of the caller's comes in its own order.
    order = np.argsort(np.concatenate([[], *row_ids]), kind="stable")
    predictions = np.concatenate(parts)
    return predictions[order] if len(order) else predictions


def evaluate(model, x: Any, y: Any, batch_size: int, verbose: str | int, sample_weight: Any = None) -> dict[str, Any]:
    """The task's metrics on labelled `x`; `TextModel.evaluate` tells of the arguments."""
    if y is None and not isinstance(x, tf.data.Dataset):
        raise InputError("no labels to compare with", where="y", mend="give one a text")
    if y is None:
        labels, predictions, weights = _labels_and_predictions(model, x, batch_size, verbose)
    else:
        labels, weights = model.encode_labels(y), sample_weight
        if isinstance(x, tf.data.Dataset) or not len(labels):
            problem = "a data set comes with labels beside it" if len(labels) else "there are no examples"
            raise InputError(problem, where="y", mend="give texts and a label for each")
        for name, column in {"y": labels, "sample_weight": weights}.items():
            if column is not None and len(column) != count_rows(x):
                problem = f"{len(column)} for {count_rows(x)} texts"
                raise InputError(problem, where=name, mend="give one a text")
        predictions = predict(model, x, batch_size, verbose)
    weights = None if weights is None else np.asarray(weights, "float32")
    return model.measure(labels, predictions, weights) | _caller_metrics(model, labels, predictions, weights)


def _batches_in_order(model, x, batch_size, verbose, rows=None) -> Iterator[dict[str, tf.Tensor]]:
    if rows is None and not isinstance(x, tf.data.Dataset) and not count_rows(x):
        return
    check_pairs(model, x)
    source = batches_of(
        x,
        tokenizer=model.tokenizer,
        max_length=model.max_length,
        batch_size=batch_size,
        label_names=model.labels,
        rows=rows,
    )
    batches = source.epoch(0)
    if verbose:
        batches = with_bar(batches, num_batches=source.num_batches, title=model.name)
    with explained_labels(model.labels):
        yield from batches


def _labels_and_predictions(model, dataset, batch_size, verbose):
    labels: list[np.ndarray] = []
    predictions, weights = [model.no_predictions()], []
    for batch in _batches_in_order(model, dataset, batch_size, verbose):
        if "labels" not in batch:
            raise InputError("the data set holds no labels", where="x", mend="its elements are to be (text, label)")
        labels.append(batch["labels"].numpy())
        predictions.append(model.predict_batch(batch).numpy())
        weights += [batch["sample_weight"].numpy()] if "sample_weight" in batch else []
    if not labels:
        raise InputError("the data set is empty", where="x", mend="give it examples")
    weighted = np.concatenate(weights) if weights else None
    return np.concatenate(labels), np.concatenate(predictions), weighted


def check_pairs(model, x: Any) -> None:
    """Refuses single texts for a model of pairs, and pairs for one of single texts."""
    given = holds_pairs(x)
    if given is None or given == model.pairs:
        return
    problem, mend = (
        ("the model reads pairs of texts", "give a tuple of two lists")
        if model.pairs
        else ("the model reads single texts", "give a list of texts, or make the model with pairs=True")
    )
    raise InputError(problem, where="x", mend=mend)


def _caller_metrics(model, labels, predictions, weights) -> dict[str, float]:
    if not model.compiled_by_caller:
        return {}
    model.reset_metrics()
    model.compute_metrics(None, labels, predictions, weights)
    figures = {name: float(value) for name, value in model.get_metrics_result().items() if name != "loss"}
    if not model.uses_task_loss:
        figures["loss"] = float(model.compute_loss(None, labels, predictions, weights, training=False))
    return figures
