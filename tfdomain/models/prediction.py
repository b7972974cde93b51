"""A model's predictions of texts, tables and data sets, and its metrics on labelled ones."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfdomain.errors import InputError
from tfdomain.models.datasets import explained_labels, without_labels
from tfdomain.models.inputs import count_rows, num_texts
from tfdomain.optimization.progress import with_bar

__all__ = ["check_texts", "evaluate", "in_order", "predict", "predict_chunks"]


def predict(model, x: Any, batch_size: int, verbose: str | int, rows: np.ndarray | None = None) -> Any:
    """The predictions of `x` in its order; `TextModel.predict` tells of the arguments."""
    parts, row_ids = [], []
    for batch in _batches_in_order(model, without_labels(x), batch_size, verbose, rows):
        parts.append(tf.nest.map_structure(np.asarray, model.predict_batch(batch)))
        row_ids.append(batch["row_ids"].numpy() if "row_ids" in batch else [])
    return _collected(model, parts, row_ids)


def predict_chunks(
    model, chunks: Iterable[Any], *, batch_size: int, num_batches: int | None, title: str
) -> Iterator[Any]:
    """The predictions of one chunk of rows after another, under one bar.

    Args:
        model: Any model of this package.
        chunks: Each as `predict` takes it, with at least one row.
        batch_size: Rows at a time.
        num_batches: The batches of all chunks, for the bar.
        title: What the bar says.
    """

    def batches() -> Iterator[tuple[dict[str, tf.Tensor], bool]]:
        for x in chunks:
            check_texts(model, x, model.text_names)
            source = model.batches(x, batch_size=batch_size)
            for place, batch in enumerate(source.epoch(0)):
                yield batch, place + 1 == source.num_batches

    parts, row_ids = [], []
    for batch, is_last in with_bar(batches(), num_batches=num_batches, title=title):
        parts.append(tf.nest.map_structure(np.asarray, model.predict_batch(batch)))
        row_ids.append(batch["row_ids"].numpy())
        if is_last:
            yield _collected(model, parts, row_ids)
            parts, row_ids = [], []


def evaluate(model, x: Any, y: Any, batch_size: int, verbose: str | int, sample_weight: Any = None) -> dict[str, Any]:
    """The task's metrics on labelled `x`; `TextModel.evaluate` tells of the arguments."""
    if y is None and not isinstance(x, tf.data.Dataset):
        raise InputError("no labels to compare with", where="y", mend="give one a text")
    if y is None:
        truth, predictions, weights = _labels_and_predictions(model, x, batch_size, verbose)
    else:
        truth, weights = model.truth(y), sample_weight
        if isinstance(x, tf.data.Dataset) or not len(truth):
            problem = "a data set comes with labels beside it" if len(truth) else "there are no examples"
            raise InputError(problem, where="y", mend="give texts and a label for each")
        for name, column in {"y": truth, "sample_weight": weights}.items():
            if column is not None and len(column) != count_rows(x):
                problem = f"{len(column)} for {count_rows(x)} texts"
                raise InputError(problem, where=name, mend="give one a text")
        predictions = model.predict(x, batch_size, verbose)
    weights = None if weights is None else np.asarray(weights, "float32")
    return model.measure(truth, predictions, weights) | _caller_metrics(model, truth, predictions, weights)


def in_order(arrays: Sequence[np.ndarray], row_ids: Sequence[Any]) -> np.ndarray:
    """Arrays of batches as one, in the order of the rows: `[n, ...]`.

    Rows come grouped by length; a data set of the caller's comes in its own order, without numbers.
    Where the arrays differ in their second dimension the narrower ones are filled up with zeros.
    """
    if arrays[0].ndim > 1:
        width = max(array.shape[1] for array in arrays)
        rest = [[0, 0]] * (arrays[0].ndim - 2)
        arrays = [np.pad(array, [[0, 0], [0, width - array.shape[1]], *rest]) for array in arrays]
    joined, order = np.concatenate(arrays), np.argsort(np.concatenate([[], *row_ids]), kind="stable")
    return joined[order] if len(order) else joined


def check_texts(model, x: Any, names: Sequence[str]) -> None:
    """Refuses single texts for a model of pairs, and pairs for one of single texts."""
    given = num_texts(x, names)
    if given is None or given in (1 + model.pairs, 0) or len(names) != 2:
        return
    problem, mend = (
        ("the model reads pairs of texts", "give a tuple of two lists")
        if model.pairs
        else ("the model reads single texts", "give a list of texts, or make the model with pairs=True")
    )
    raise InputError(problem, where="x", mend=mend)


def _batches_in_order(model, x, batch_size, verbose, rows=None) -> Iterator[dict[str, tf.Tensor]]:
    if rows is None and not isinstance(x, tf.data.Dataset) and not count_rows(x):
        return
    check_texts(model, x, model.text_names)
    source = model.batches(x, batch_size=batch_size, rows=rows)
    batches = source.epoch(0)
    if verbose:
        batches = with_bar(batches, num_batches=source.num_batches, title=model.name)
    with explained_labels(model.labels):
        yield from batches


def _collected(model, parts, row_ids):
    if not parts:
        # The shapes of nothing are those of a prediction's, without its rows.
        parts = [tf.nest.map_structure(lambda tensor: tensor.numpy()[:0], model.predict_batch(model.sample_batch()))]
    return model.collect(tf.nest.map_structure(lambda *arrays: in_order(arrays, row_ids), *parts))


def _labels_and_predictions(model, dataset, batch_size, verbose):
    labels, weights, parts = [], [], []
    for batch in _batches_in_order(model, dataset, batch_size, verbose):
        if "labels" not in batch:
            raise InputError("the data set holds no labels", where="x", mend="its elements are to be (text, label)")
        labels.append(batch["labels"].numpy())
        parts.append(tf.nest.map_structure(np.asarray, model.predict_batch(batch)))
        weights += [batch["sample_weight"].numpy()] if "sample_weight" in batch else []
    if not labels:
        raise InputError("the data set is empty", where="x", mend="give it examples")
    return in_order(labels, []), _collected(model, parts, []), np.concatenate(weights) if weights else None


def _caller_metrics(model, labels, predictions, weights) -> dict[str, float]:
    if not model.compiled_by_caller or not model.takes_callers_loss:
        return {}
    model.reset_metrics()
    model.compute_metrics(None, labels, predictions, weights)
    figures = {name: float(value) for name, value in model.get_metrics_result().items() if name != "loss"}
    if not model.uses_task_loss:
        figures["loss"] = float(model.compute_loss(None, labels, predictions, weights, training=False))
    return figures
