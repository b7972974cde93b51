"""A trained model meets a file: its predictions row by row, or its metrics."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import tensorflow as tf

from tfdomain.data.labels import label_ids
from tfdomain.data.rows import Rows, read_rows
from tfdomain.errors import InputError, TfdomainError
from tfdomain.evaluation.answers import WRITERS, Columns, find_columns
from tfdomain.files import whole_file
from tfdomain.models.classifier import TextClassifier
from tfdomain.optimization.progress import with_bar
from tfdomain.pipeline.batches import TokenBatches

__all__ = ["Predicted", "evaluate_file", "predict_file"]

BATCH_SIZE = 64
# Rows are sorted by length within so many, and as many answers are in memory at once.
ROWS_AT_ONCE = 65_536
SKIP_MEND = "pass --skip-bad-rows"


class Predicted(NamedTuple):
    """How many rows `predict_file` wrote, and how many it left out for their faults."""

    num_rows: int
    num_skipped: int


def predict_file(
    model: TextClassifier,
    source: Sequence[Path],
    target: str | os.PathLike,
    *,
    texts: Sequence[str] | None = None,
    on_bad_row: Literal["refuse", "skip"] = "refuse",
) -> Predicted:
    """Writes the predictions of a file's rows, in their order, whatever their number.

    Each row of the target has the columns of the source, the texts first, and then `label`, `score` (the
    label's probability) and `scores` (every label's): an object in JSON Lines, a JSON object in CSV, a
    struct in Parquet. A column of the source that has one of these three names is kept under it with
    `source_` before. An empty text is classified like any other, and a source without rows gives a target
    without rows. The rows are kept in the system's temporary folder meanwhile, not in the user's cache.

    Args:
        model: A trained classifier.
        source: Files as `read_rows` takes them; no label is needed.
        target: `.jsonl`, `.csv` or `.parquet`; it appears when it is complete.
        texts: The text columns, two where the model reads pairs; None: those it was trained on.
        on_bad_row: `refuse` or `skip` rows with faults.

    Returns:
        The numbers of rows that were written and left out.

    Raises:
        InputError: The source, a column or the target's ending is wrong, or the target is a source.
        TfdomainError: The target or the temporary folder cannot be written.
    """
    target = Path(target)
    if target.suffix not in WRITERS:
        raise InputError(f"unknown ending {target.suffix!r}", where=str(target), mend=f"use {', '.join(WRITERS)}")
    if any(target.resolve() == Path(file).resolve() for file in source):
        raise InputError(f"{target} is a file that is read", where="--output", mend="choose another name")
    texts = _text_columns(model, texts)
    with _temporary_cache() as cache:
        rows = read_rows(
            source,
            texts=texts,
            rest=True,
            on_bad_row=on_bad_row,
            skip_mend=SKIP_MEND,
            require_text=False,
            require_rows=False,
            cache_dir=cache,
        )
        columns = find_columns(rows, typed=target.suffix == ".parquet")
        with whole_file(target, "wb" if target.suffix == ".parquet" else "w") as file:
            WRITERS[target.suffix](file, _answers(model, rows, columns), columns, model.labels)
        return Predicted(rows.num_rows, rows.num_skipped)


def evaluate_file(
    model: TextClassifier,
    source: Sequence[Path],
    *,
    texts: Sequence[str] | None = None,
    label: str | None = None,
    on_bad_row: Literal["refuse", "skip"] = "refuse",
) -> dict[str, Any]:
    """The metrics of a model on a file's labelled rows.

    Args:
        model: A trained classifier.
        source: Files as `read_rows` takes them.
        texts: The text columns; None: those the model was trained on.
        label: The label column; None: the one the model was trained on.
        on_bad_row: `refuse` or `skip` rows with faults, and those with labels that the model does not know.

    Returns:
        What `model.measure` gives, and with `skip` how many rows were left out, as `num_skipped`.

    Raises:
        InputError: The source, a column or a label is wrong.
        TfdomainError: The temporary folder cannot be written.
    """
    label = label or model.notes.get("label", "label")
    texts = _text_columns(model, texts)
    with _temporary_cache() as cache:
        rows = read_rows(
            source,
            texts=texts,
            label=label,
            on_bad_row=on_bad_row,
            skip_mend=SKIP_MEND,
            require_text=False,
            cache_dir=cache,
        )
        ids = label_ids(rows.labels, model.labels, where=rows.where, unseen=on_bad_row, skip_mend=SKIP_MEND)
        known = np.flatnonzero(ids >= 0)
        if not len(known):
            # Not one row is left: what their labels are is told after all.
            label_ids(rows.labels, model.labels, where=rows.where)
        inputs = rows.texts[0] if len(texts) == 1 else tuple(rows.texts)
        predictions = model.predict(inputs, verbose=1, rows=known)
        # Not `model.evaluate`: where classes are named by numbers it takes whole numbers for their names.
        metrics = model.measure(ids[known], predictions)
    if on_bad_row == "skip":
        metrics = metrics | {"num_skipped": rows.num_skipped + rows.num_rows - len(known)}
    return metrics


def _text_columns(model: TextClassifier, texts: Sequence[str] | None) -> list[str]:
    chosen = list(texts or model.notes.get("text", ["text", "text_pair"][: 1 + model.pairs]))
    if len(chosen) != 1 + model.pairs:
        problem = f"names {len(chosen)} columns, and the model reads {1 + model.pairs} texts a row"
        raise InputError(problem, where="--text", mend="name as many columns")
    return chosen


@contextmanager
def _temporary_cache() -> Iterator[Path]:
    """A folder for the rows of one call: texts of customers are not to stay on the disk."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="tfdomain-")
    except OSError as error:
        mend = "set TMPDIR to a folder that you may write to"
        raise TfdomainError(f"no temporary folder can be made ({error.strerror})", mend=mend) from error
    with folder as path:
        yield Path(path)


def _answers(model: TextClassifier, rows: Rows, columns: Columns) -> Iterator[list[dict[str, Any]]]:
    """The rows of the target, `ROWS_AT_ONCE` at a time, under the names of the target."""
    for start, predictions in _predictions(model, rows):
        chunk = columns.read(start, len(predictions))
        best, highest = predictions.argmax(axis=-1).tolist(), predictions.max(axis=-1).tolist()
        for row, label, score, scores in zip(chunk, best, highest, predictions.tolist(), strict=True):
            row |= {
                "label": model.labels[label],
                "score": score,
                "scores": dict(zip(model.labels, scores, strict=True)),
            }
        yield chunk


def _predictions(model: TextClassifier, rows: Rows) -> Iterator[tuple[int, np.ndarray]]:
    """The first row of each chunk, and the chunk's predictions: float32 `[at most ROWS_AT_ONCE, classes]`."""
    starts = range(0, rows.num_rows, ROWS_AT_ONCE)
    sizes = {start: min(ROWS_AT_ONCE, rows.num_rows - start) for start in starts}
    num_batches = sum(-(-size // BATCH_SIZE) for size in sizes.values())
    predictions, left = np.zeros([0, len(model.labels)], np.float32), 0
    for start, batch in with_bar(_batches(model, rows, starts), num_batches=num_batches, title="predicting"):
        if not left:
            left = sizes[start]
            predictions = np.empty([left, len(model.labels)], np.float32)
        row_ids = batch["row_ids"].numpy()
        predictions[row_ids] = model.predict_batch(batch).numpy()
        left -= len(row_ids)
        if not left:
            yield start, predictions


def _batches(model: TextClassifier, rows: Rows, starts: range) -> Iterator[tuple[int, dict[str, tf.Tensor]]]:
    for start in starts:
        columns = [column.slice(start, ROWS_AT_ONCE) for column in rows.texts]
        batches = TokenBatches(
            columns[0],
            pairs=columns[1] if model.pairs else None,
            tokenizer=model.tokenizer,
            max_length=model.max_length,
            batch_size=BATCH_SIZE,
            shuffle=False,
        )
        for batch in batches.epoch(0):
            yield start, batch
