"""A trained model meets a file: its predictions row by row, or its metrics."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from tfdomain.config import EXPERIMENTS, DataFiles, validated
from tfdomain.data.examples import Reading
from tfdomain.data.features import FeatureSpec, feature_arrays
from tfdomain.data.readers import read_examples
from tfdomain.data.rows import Rows, read_rows
from tfdomain.data.squad import flat_files
from tfdomain.errors import InputError, TfdomainError
from tfdomain.evaluation.answers import WRITERS, Columns, find_columns
from tfdomain.files import whole_file
from tfdomain.models.base import TextModel
from tfdomain.models.prediction import predict_chunks

__all__ = [
    "BATCH_SIZE",
    "ROWS_AT_ONCE",
    "SKIP_MEND",
    "Answered",
    "Predicted",
    "answer_labelled",
    "evaluate_file",
    "predict_file",
    "temporary_cache",
]

BATCH_SIZE = 64
# Rows are sorted by length within so many, and as many answers are in memory at once.
ROWS_AT_ONCE = 65_536
SKIP_MEND = "pass --skip-bad-rows"


class Predicted(NamedTuple):
    """How many rows `predict_file` wrote, and how many it left out for their faults."""

    num_rows: int
    num_skipped: int


class Answered(NamedTuple):
    """Labelled rows beside a model's predictions.

    Attributes:
        truth: As `model.measure` takes it, `[n]`.
        predictions: Likewise.
        rows: int64 `[n]`, which they are of the rows that were read; the model knows no label of the others.
        faulty: The number of the file and the line of the first rows that were not read, for their faults.
        num_skipped: How many rows were left out, for one reason or the other.
    """

    truth: Any
    predictions: Any
    rows: np.ndarray
    faulty: list[tuple[int, int]]
    num_skipped: int


def predict_file(
    model: TextModel,
    source: Sequence[Path],
    target: str | os.PathLike,
    *,
    texts: Sequence[str] | None = None,
    on_bad_row: Literal["refuse", "skip"] = "refuse",
    answers: Callable[[Any], list[dict[str, Any]]] | None = None,
    answer_types: Mapping[str, pa.DataType] | None = None,
) -> Predicted:
    """Writes the predictions of a file's rows, in their order, whatever their number.

    Each row of the target has the columns of the source, the texts first, and then the model's `answers`:
    `label`, `score` and `scores` of a classifier. What is no plain value is an object in JSON Lines, JSON in
    CSV, a struct or a list in Parquet. A column of the source that has an answer's name is kept under it with
    `source_` before. An empty text is answered like any other, and a source without rows gives a target
    without rows. The rows are kept in the system's temporary folder meanwhile, not in the user's cache.

    Args:
        model: A trained model.
        source: Files as `read_rows` takes them, with the texts and features that the model reads; no label is
            needed. For questions also SQuAD's `.json`.
        target: `.jsonl`, `.csv` or `.parquet`; it appears when it is complete.
        texts: The text columns, two where the model reads pairs; None: those it was trained on.
        on_bad_row: `refuse` or `skip` rows with faults.
        answers: What is written of predictions, a dictionary a row; None: the model's `answers`.
        answer_types: Their keys and types; given with `answers`.

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
    if answers is None or answer_types is None:
        answers, answer_types = model.answers, model.answer_types()
    with temporary_cache() as cache:
        # SQuAD's files hold no rows.
        files = flat_files(source, cache) if model.task == "span" else source
        rows = read_rows(
            files,
            texts=texts,
            extra=[spec.name for spec in _features(model)],
            rest=True,
            column_names=model.notes.get("data", {}).get("column_names"),
            on_bad_row=on_bad_row,
            skip_mend=SKIP_MEND,
            require_text=False,
            require_rows=False,
            cache_dir=cache,
        )
        columns = find_columns(rows, answer_types, typed=target.suffix == ".parquet")
        with whole_file(target, "wb" if target.suffix == ".parquet" else "w") as file:
            WRITERS[target.suffix](file, _answered(model, rows, columns, answers), columns)
        return Predicted(rows.num_rows, rows.num_skipped)


def evaluate_file(
    model: TextModel,
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
    answered = answer_labelled(model, source, texts=texts, label=label, on_bad_row=on_bad_row)
    metrics = model.measure(answered.truth, answered.predictions)
    if on_bad_row == "skip":
        metrics = metrics | {"num_skipped": answered.num_skipped}
    return metrics


def answer_labelled(
    model: TextModel,
    source: Sequence[Path],
    *,
    texts: Sequence[str] | None = None,
    label: str | None = None,
    on_bad_row: Literal["refuse", "skip"] = "refuse",
) -> Answered:
    """The predictions of a file's labelled rows, and what is true of them; the arguments are `evaluate_file`'s."""
    data = _data_section(model, texts, label)
    with temporary_cache() as cache:
        reading = Reading(on_bad_row=on_bad_row, skip_mend=SKIP_MEND, cache_dir=cache)
        examples = read_examples(model.task, source, data, reading)
        encoded = examples.encode(model.settings(), reading)
        known = np.arange(len(examples)) if encoded.rows is None else encoded.rows
        # Not `model.evaluate`: where classes are named by numbers it takes whole numbers for their names.
        truth = encoded.truth if encoded.rows is None else [encoded.truth[row] for row in known]
        return Answered(
            truth=truth,
            predictions=model.predict(examples.inputs, verbose=1, rows=known),
            rows=known,
            faulty=[(fault.file, fault.line) for fault in examples.skipped],
            num_skipped=examples.num_skipped + len(examples) - len(known),
        )


def _data_section(model: TextModel, texts: Sequence[str] | None, label: str | None) -> DataFiles:
    """The `data` section that the model was trained with, with other columns where they are asked for."""
    # Release 0.1 kept the two columns alone.
    kept = model.notes.get("data", {name: model.notes[name] for name in ("text", "label") if name in model.notes})
    asked: dict[str, Any] = {} if label is None else {"label": label}
    kind: Any = EXPERIMENTS[model.task].model_fields["data"].annotation
    if "text" in kind.model_fields and tuple(model.text_names) != tuple(model.training_names):
        # What is trained and measured on has other texts than what is predicted: the form tells how many.
        asked |= {"text": list(texts)} if texts else {}
    elif "text" in kind.model_fields:
        # Without a text column it is None, as an experiment has it.
        asked["text"] = _text_columns(model, texts) or None
    elif texts:
        raise InputError(f"the files of {model.task} have no text columns", where="--text", mend="leave it out")
    if "features" in kind.model_fields:
        asked["features"] = {spec.name: spec.kind for spec in _features(model)}
    return validated(kind, {"train": "-"} | kept | model.data_choices() | asked, where="--label")


def _text_columns(model: TextModel, texts: Sequence[str] | None) -> list[str]:
    if not model.text_names:
        if texts:
            raise InputError("the model reads no text", where="--text", mend="leave it out")
        return []
    kept = model.notes.get("data", model.notes).get("text", list(model.text_names[: 1 + model.pairs]))
    # An embedder was trained on several texts a row, and reads the first of them here.
    chosen = list(texts or ([kept] if isinstance(kept, str) else kept)[: 1 + model.pairs])
    if len(chosen) != 1 + model.pairs:
        problem = f"names {len(chosen)} columns, and the model reads {1 + model.pairs} texts a row"
        raise InputError(problem, where="--text", mend="name as many columns")
    return chosen


@contextmanager
def temporary_cache() -> Iterator[Path]:
    """A folder for the rows of one call: texts of customers are not to stay on the disk."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="tfdomain-")
    except OSError as error:
        mend = "set TMPDIR to a folder that you may write to"
        raise TfdomainError(f"no temporary folder can be made ({error.strerror})", mend=mend) from error
    with folder as path:
        yield Path(path)


def _answered(
    model: TextModel, rows: Rows, columns: Columns, answers: Callable[[Any], list[dict[str, Any]]]
) -> Iterator[list[dict[str, Any]]]:
    """The rows of the target, `ROWS_AT_ONCE` at a time, under the names of the target."""
    starts = range(0, rows.num_rows, ROWS_AT_ONCE)
    chunks = (_inputs(model, rows, start) for start in starts)
    sizes = [min(ROWS_AT_ONCE, rows.num_rows - start) for start in starts]
    predictions = predict_chunks(
        model,
        chunks,
        batch_size=BATCH_SIZE,
        num_batches=sum(-(-size // BATCH_SIZE) for size in sizes),
        title="predicting",
    )
    for start, size, predicted in zip(starts, sizes, predictions, strict=True):
        yield [row | answer for row, answer in zip(columns.read(start, size), answers(predicted), strict=True)]


def _inputs(model: TextModel, rows: Rows, start: int) -> dict[str, Any]:
    """Some rows' texts and features by the names that the model has for them."""
    texts = [column.slice(start, ROWS_AT_ONCE) for column in rows.texts]
    specs = _features(model)
    table = {spec.name: rows.table.column(spec.name).slice(start, ROWS_AT_ONCE) for spec in specs}
    features = feature_arrays(specs, table, where=lambda row: rows.where(start + row))
    return dict(zip(model.text_names, texts, strict=False)) | features


def _features(model: TextModel) -> Sequence[FeatureSpec]:
    """What the model knows of the columns that it reads beside texts; tasks that read none have no such thing."""
    return getattr(model, "features", ())
